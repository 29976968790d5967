"""Counterfactuals by projected gradient descent in the smallest ball that flips the class."""

import math
from dataclasses import dataclass
from typing import ClassVar, Final, Literal, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cfsearch.contracts.explainer import Explainer, Proposal
from cfsearch.contracts.explainer_task import Task
from cfsearch.errors import ConfigError

from .goals import changes, goal_gradient, nothing, slope_of, within

_LEAST: Final = 1e-3
"""Smallest first radius, in the unit of the numbers."""
_STRIDE: Final = 2.5
"""A step is this many radii over the number of steps, as in Madry et al.'s own code."""


@final
@dataclass(frozen=True)
class Pgd(Explainer):
    """PGD explainer: projected gradient descent in the smallest ball in which the provider flips.

    In a ball of radius r around the original, steps along the gradient of the cross-entropy (l2:
    of length 1; linf: its sign), each followed by the projection on the ball and on the bounds.
    The provider judges the last step. The first radius is where the network's own decision
    stands to first order; it is doubled until the provider flips, then halved between the last
    that failed and the first that did not. Each input has its own radius, all go together.

    Args:
        norm: of the ball, "l2" or "linf", on the domain's numbers.
        steps: in each ball, at least 1.
        doublings: how often a radius may double.
        bisections: how often it is then halved; the radius is right to one part in 2^bisections.

    Raises:
        ConfigError: a setting out of range.

    References:
        Madry et al. 2018, Towards deep learning models resistant to adversarial attacks,
        https://arxiv.org/abs/1706.06083.

    Example:
        >>> import torch
        >>> from cfsearch.explainers.subjects import image_subject
        >>> from cfsearch.testing import FakeProvider, FakeWhiteBox
        >>> subject = image_subject(FakeWhiteBox(FakeProvider()), (3, 4, 4))
        >>> found = Pgd().explain(torch.full((1, 3, 4, 4), 0.4), subject=subject)
        >>> found.flipped.tolist()
        [True]
    """

    norm: Literal["l2", "linf"] = "l2"
    steps: int = 20
    doublings: int = 12
    bisections: int = 8
    name: ClassVar[str] = "pgd"

    def __post_init__(self) -> None:
        if self.norm not in ("l2", "linf"):
            raise ConfigError(f'pgd: `norm` must be "l2" or "linf", got {self.norm!r}.')
        if self.steps < 1:
            raise ConfigError(f"pgd: `steps` must be at least 1, got {self.steps!r}.")
        for setting in ("doublings", "bisections"):
            if getattr(self, setting) < 0:
                raise ConfigError(f"pgd: `{setting}` must be at least 0, got {getattr(self, setting)!r}.")

    def propose(self, task: Task) -> Proposal:
        if not len(task.x):
            return nothing(task)
        found = task.x.clone()
        unflipped = ~task.flips(task.scores)
        failed = torch.zeros(len(task.x), device=task.u.device)
        largest = self._largest_radius(task)
        radius = torch.minimum(self._first(task), largest)
        flipped = torch.zeros_like(unflipped)
        open_ = torch.nonzero(unflipped).flatten()
        for doubling in range(self.doublings + 1):
            if not len(open_):
                break
            done = self._ask(task, open_, radius, found)
            flipped[open_[done]] = True
            # a ball that holds all that may be reached cannot grow
            open_ = open_[~done & (radius[open_] < largest[open_])]
            if doubling < self.doublings:
                failed[open_] = radius[open_]
                radius[open_] = torch.minimum(2.0 * radius[open_], largest[open_])
        rows = torch.nonzero(unflipped & flipped).flatten()
        for _ in range(self.bisections if len(rows) else 0):
            middle = radius.clone()
            middle[rows] = (failed[rows] + radius[rows]) / 2.0
            done = self._ask(task, rows, middle, found, only_flips=True)
            radius[rows[done]] = middle[rows[done]]
            failed[rows[~done]] = middle[rows[~done]]
        return Proposal(counterfactuals=found, attributions=changes(task, found))

    def _ask(
        self,
        task: Task,
        rows: Int[Tensor, " n"],
        radius: Float[Tensor, " b"],
        found: Float[Tensor, "b *x"],
        *,
        only_flips: bool = False,
    ) -> Tensor:
        """Whether the provider flips at the end of a walk; what was walked to goes into ``found``."""
        x = task.project(self._walk(task, rows, radius[rows]), rows)
        done = task.flips(task.ask(x), rows)
        kept = done if only_flips else torch.ones_like(done)
        found[rows[kept]] = x[kept]
        return done

    def _walk(
        self, task: Task, rows: Int[Tensor, " n"], radius: Float[Tensor, " n"]
    ) -> Float[Tensor, "n *u"]:
        home = task.u[rows]
        r = radius.reshape(-1, *[1] * (home.ndim - 1))
        stride, u = _STRIDE / self.steps * r, home
        for _ in range(self.steps):
            slope = goal_gradient(task, u, rows=rows)
            if self.norm == "linf":
                u = home + torch.maximum(torch.minimum(u - stride * slope.sign() - home, r), -r)
            else:
                away = u - stride * slope / _length(slope).clamp_min(1e-30) - home
                u = home + away * (r / _length(away).clamp_min(1e-30)).clamp(max=1.0)
            u = within(task, u, rows=rows)
        return u

    def _first(self, task: Task) -> Float[Tensor, " b"]:
        """The distance to the network's decision, to first order; the least radius where it is past it."""
        u = task.u.detach().requires_grad_()
        with torch.enable_grad():
            scores = task.subject.network(u)
            lag = (scores.gather(1, task.source[:, None]) - scores.gather(1, task.goal[:, None]))[:, 0]
        slope = (slope_of(task.subject, lag.sum(), u) * task.free).flatten(1)
        size = slope.norm(dim=1) if self.norm == "l2" else slope.abs().sum(1)
        first = lag.detach() / size
        return torch.where(torch.isfinite(first), first, 0.0).clamp_min(_LEAST)

    def _largest_radius(self, task: Task) -> Float[Tensor, " b"]:
        """The radius of a ball that holds all that may be reached; infinite without bounds."""
        far = torch.maximum(task.high - task.u, task.u - task.low)
        far = torch.where(task.free, far, 0.0).flatten(1)
        longest = far.norm(dim=1) if self.norm == "l2" else far.amax(1)
        return torch.where(torch.isfinite(longest), longest, math.inf).clamp_min(_LEAST)


def _length(u: Float[Tensor, "n *u"]) -> Float[Tensor, "n *u"]:
    length: Tensor = u.flatten(1).norm(dim=1)
    return length.reshape(-1, *[1] * (u.ndim - 1))
