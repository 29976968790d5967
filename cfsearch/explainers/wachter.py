"""Counterfactuals by gradient descent on outcome and distance (Wachter, Mittelstadt and Russell 2017)."""

import copy
import math
from typing import ClassVar, Final, Self, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cfsearch.contracts.explainer import Explainer, Proposal
from cfsearch.contracts.explainer_task import Subject, Task
from cfsearch.errors import ConfigError

from .goals import changes, nothing, slope_of

_BETA_1: Final = 0.9
_BETA_2: Final = 0.999
_TINY: Final = 1e-12
_REACHED: Final = 0.8
"""From this share of y' on, a larger lambda brings little more."""


@final
class Wachter(Explainer):
    """Wachter explainer: ``argmin_x' max_lambda lambda * (f(x') - y')^2 + sum_j |x'_j - x_j| / MAD_j``.

    f is by how much the target class leads the best other one in the network's log-scores: of
    two classes the log-odds, in which a model that is certain is not flat. Adam descends the first
    term; the second is taken exactly after each step, by the proximal map in Adam's own metric, so
    that a number moves only where that is worth its distance, and the others stay where they were
    to the last bit. lambda is doubled, each round starting from the last one's end, until the
    provider flips; then it is bisected between the last that failed and the first that did not, and
    the flip of the smallest distance is kept. Where the network is at y' and the provider is not
    (it is another model, or levels were rounded away), y' is doubled instead. All inputs go
    together, each with its own lambda and y'.

    Args:
        aim: y', the lead required, > 0, in nats.
        steps: of Adam in each round.
        rate: Adam's learning rate at the start of a round, in the unit of the domain's numbers; it
            falls to 0 at the end.
        first: the first lambda, > 0.
        rounds: how often lambda, or y', is doubled.
        refinements: how often lambda is then bisected; 0 keeps the first flip.

    ``fit`` takes MAD, the median absolute deviation of each number, from reference inputs; numbers
    that mostly have one value (MAD 0) and all numbers without ``fit`` count as they are.

    Raises:
        ConfigError: a setting out of range.

    References:
        Wachter, Mittelstadt and Russell 2017, Counterfactual explanations without opening the
        black box, https://arxiv.org/abs/1711.00399, equations 1 to 4.

    Example:
        >>> import torch
        >>> from cfsearch.explainers.subjects import image_subject
        >>> from cfsearch.testing import FakeProvider, FakeWhiteBox
        >>> subject = image_subject(FakeWhiteBox(FakeProvider()), (3, 4, 4))
        >>> found = Wachter().explain(torch.full((1, 3, 4, 4), 0.4), subject=subject)
        >>> found.flipped.tolist(), found.counterfactuals.mean().item() > 0.5
        ([True], True)
    """

    name: ClassVar[str] = "wachter"

    def __init__(
        self,
        *,
        aim: float = 0.5,
        steps: int = 100,
        rate: float = 0.05,
        first: float = 0.05,
        rounds: int = 16,
        refinements: int = 6,
    ) -> None:
        for setting, number in (("aim", aim), ("rate", rate), ("first", first)):
            if not 0.0 < number < math.inf:
                raise ConfigError(f"wachter: `{setting}` must be a finite number above 0, got {number!r}.")
        for setting, count in (("steps", steps), ("rounds", rounds)):
            if count < 1:
                raise ConfigError(f"wachter: `{setting}` must be at least 1, got {count!r}.")
        if refinements < 0:
            raise ConfigError(f"wachter: `refinements` must be at least 0, got {refinements!r}.")
        self.aim: float = float(aim)
        self.steps: int = steps
        self.rate: float = float(rate)
        self.first: float = float(first)
        self.rounds: int = rounds
        self.refinements: int = refinements
        self._price: Tensor | None = None

    def fit(self, subject: Subject, reference: Float[Tensor, "r *x"], *, seed: int = 0) -> Self:
        """The same with the distances of each number over its MAD in the reference inputs."""
        u = subject.domain.encode(reference)
        mad = (u - u.median(dim=0).values).abs().median(dim=0).values
        return self._priced(torch.where(mad > 0, 1.0 / mad, 1.0))

    def _priced(self, price: Float[Tensor, "*u"]) -> Self:
        made = copy.copy(self)
        made._price = price  # noqa: SLF001  # the same class
        return made

    def propose(self, task: Task) -> Proposal:
        if not len(task.x):
            return nothing(task)
        if self._price is None:
            task.notes.append("No reference inputs were given: distances are not weighted by their spread.")
        none = torch.ones(task.subject.domain.shape)
        price = (none if self._price is None else self._price).to(task.u)
        open_ = torch.nonzero(~task.flips(task.scores)).flatten()
        found, at = task.x.clone(), task.u.clone()
        weight = torch.full((len(task.x),), self.first, device=at.device)
        aim = torch.full_like(weight, self.aim)
        failed, distance = torch.zeros_like(weight), torch.full_like(weight, math.inf)
        flipped = []
        for _ in range(self.rounds):
            if not len(open_):
                break
            u = self._descend(task, at[open_], weight[open_], rows=open_, aim=aim[open_], price=price)
            x = task.project(u, open_)
            done = task.flips(task.ask(x), open_)
            at[open_], found[open_] = u, x
            flipped.append(open_[done])
            open_ = open_[~done]
            if not len(open_):
                break
            with torch.no_grad():
                reached = _lead(task.subject, at[open_], task.goal[open_]) >= _REACHED * aim[open_]
            aim[open_[reached]] *= 2.0
            failed[open_[~reached]] = weight[open_[~reached]]
            weight[open_[~reached]] *= 2.0
        rows = torch.cat(flipped) if flipped else open_
        distance[rows] = self._distance(task, found[rows], rows, price)
        for _ in range(self.refinements if len(rows) else 0):
            middle = (failed[rows] + weight[rows]) / 2.0
            u = self._descend(task, at[rows], middle, rows=rows, aim=aim[rows], price=price)
            x = task.project(u, rows)
            done = task.flips(task.ask(x), rows)
            weight[rows[done]], failed[rows[~done]] = middle[done], middle[~done]
            at[rows[done]] = u[done]
            far = self._distance(task, x, rows, price)
            nearer = done & (far < distance[rows])
            found[rows[nearer]], distance[rows[nearer]] = x[nearer], far[nearer]
        return Proposal(counterfactuals=found, attributions=changes(task, found))

    def _descend(
        self,
        task: Task,
        u: Float[Tensor, "n *u"],
        weight: Float[Tensor, " n"],
        *,
        rows: Int[Tensor, " n"],
        aim: Float[Tensor, " n"],
        price: Float[Tensor, "*u"],
    ) -> Float[Tensor, "n *u"]:
        """Adam on ``weight * (f - aim)^2``, each step followed by the proximal map of the distance."""
        home, low, high = task.u[rows], task.low[rows], task.high[rows]
        free, goal = task.free[rows], task.goal[rows]
        u = u.clone()
        optimizer = torch.optim.Adam([u], lr=self.rate, betas=(_BETA_1, _BETA_2), eps=_TINY)
        schedule = torch.optim.lr_scheduler.LinearLR(
            optimizer, start_factor=1.0, end_factor=0.0, total_iters=self.steps
        )
        for step in range(1, self.steps + 1):
            rate = optimizer.param_groups[0]["lr"]
            u.grad = self._slope(task.subject, u, goal=goal, aim=aim, weight=weight) * free
            optimizer.step()
            schedule.step()
            metric = (optimizer.state[u]["exp_avg_sq"] / (1.0 - _BETA_2**step)).sqrt() + _TINY
            away = u - home
            away = away.sign() * (away.abs() - rate / metric * price).clamp_min(0.0)
            u.copy_(torch.maximum(torch.minimum(home + away, high), low))
        u.grad = None
        return u

    def _slope(
        self,
        subject: Subject,
        u: Float[Tensor, "n *u"],
        *,
        goal: Int[Tensor, " n"],
        aim: Float[Tensor, " n"],
        weight: Float[Tensor, " n"],
    ) -> Float[Tensor, "n *u"]:
        piece = max(1, subject.provider.max_batch)
        out = []
        for begin in range(0, len(u), piece):
            part = slice(begin, begin + piece)
            here = u[part].detach().requires_grad_()
            with torch.enable_grad():
                total = (weight[part] * (_lead(subject, here, goal[part]) - aim[part]) ** 2).sum()
            out.append(slope_of(subject, total, here))
        return torch.cat(out)

    def _distance(
        self, task: Task, x: Float[Tensor, "n *x"], rows: Int[Tensor, " n"], price: Float[Tensor, "*u"]
    ) -> Float[Tensor, " n"]:
        apart = (task.subject.domain.encode(x) - task.u[rows]).abs()
        return (apart * price).flatten(1).sum(1)


def _lead(subject: Subject, u: Float[Tensor, "n *u"], goal: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
    """f: by how much the target class leads the best other one."""
    scores, at = subject.network(u), goal[:, None]
    return scores.gather(1, at)[:, 0] - scores.scatter(1, at, -torch.inf).amax(1)
