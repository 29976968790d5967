"""Gradual construction: counterfactuals that change one feature after another (Jung et al. 2020)."""

import math
from dataclasses import dataclass, field, replace
from typing import ClassVar, Final, Literal, final, get_args

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cfsearch.contracts.domain import Domain
from cfsearch.contracts.explainer import Explainer, Proposal, need_reference
from cfsearch.contracts.explainer_task import Subject, Task
from cfsearch.contracts.records import Need
from cfsearch.contracts.scores import log_probability
from cfsearch.errors import ConfigError, DataError

from ._composition import CompositionLoss, compose

Start = Literal["noise", "original"]
Order = Literal["slope", "gain"]
_PIECE: Final = 512
_ENDLESS: Final = 1e6
"""Stands for the way to a bound that is not there."""
_STRETCH: Final = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0)


@final
@dataclass(frozen=True, slots=True, eq=False, kw_only=True)
class Gradual(Explainer):
    """Gradual construction explainer: ``X' = (1 - M) X + M C`` with a growing mask ``M`` of features.

    Masking step: the feature with the next largest gradient of the target's probability at the
    original is opened. Composition step: Adam turns the composite C until the logits are near
    the mean logits of reference inputs of the target class, and X' near X. It ends, for each
    input by itself, once the provider gives what ``project`` makes of X' the target class with
    probability ``tau``.

    Where the paper leaves it open: the distance of logits is that of vectors (its equation 7
    prints a sum inside the norm, in which classes would cancel); a mean of logits that is itself
    less sure than ``tau`` gives way to one of surer inputs (``fit``); the composite of least loss
    is kept, not the last one; all inputs begin with the same noise, so that none depends on the
    batch; numbers stay inside ``Domain.bounds``.

    Args:
        tau: probability that ends the construction; None for the paper's (0.5 of rows, else 0.9).
        steps: of Adam after each opened feature; None for the paper's (1,000 of images, else 500).
        rate: of Adam.
        near: weight of the distance to the original, lambda.
        logit_weight: weight of the distance of logits; 0 puts cross-entropy in its place (the
            paper's ablation) and needs no reference inputs.
        samples: reference inputs of a class whose logits are averaged, N.
        smooth: weight of the total variation, eta; images only.
        power: of the total variation, beta.
        order: "slope" opens features by their gradient (the paper); "gain" by their gradient times
            the way to the bound that it points to, which passes over those that cannot go there.
        start: the composite begins as standard normal noise (the paper) or as the original.
        grow: each masking step opens this share of the open features at once, one at least;
            0 is the paper, more is faster where many features are needed.
        patience: steps of Adam without a gain of 0.1 % after which an input stops; 0 is the paper.
        most: features to open at most; None for all.
        stretch: factors on the change X' - X, tried in order until what ``project`` makes of it
            has the probability; None for 1 alone (the paper), and for texts up to 6: the nearest
            word to a small change of an embedding is most often the word that stood there.

    Raises:
        ConfigError: a setting is out of its range.

    References:
        Jung et al. 2020, Counterfactual explanation based on gradual construction for deep
        networks, https://arxiv.org/abs/2008.01897, algorithm 1.

    Example:
        >>> import torch
        >>> from cfsearch.explainers.subjects import image_subject
        >>> from cfsearch.testing import FakeProvider, FakeWhiteBox
        >>> subject = image_subject(FakeWhiteBox(FakeProvider()), (3, 4, 4))
        >>> method = Gradual(logit_weight=0.0, steps=50, rate=0.05)
        >>> method.explain(torch.full((1, 3, 4, 4), 0.45), subject=subject).flipped.tolist()
        [True]
    """

    tau: float | None = None
    steps: int | None = None
    rate: float = 0.1
    near: float = 0.3
    logit_weight: float = 1.0
    samples: int = 100
    smooth: float = 0.3
    power: float = 2.0
    order: Order = "slope"
    start: Start = "noise"
    grow: float = 0.0
    patience: int = 0
    most: int | None = None
    stretch: tuple[float, ...] | None = None
    centres: Float[Tensor, "k k"] | None = field(default=None, repr=False)
    """Mean logits of each class's reference inputs, NaN where there are none; ``fit`` sets them."""
    name: ClassVar[str] = "gradual"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.REFERENCE})

    def __post_init__(self) -> None:
        weights = {n: getattr(self, n) for n in ("near", "logit_weight", "smooth", "grow")}
        bad = [n for n, v in weights.items() if not 0.0 <= v < math.inf]
        bad += [n for n in ("samples",) if getattr(self, n) < 1]
        bad += [n for n in ("steps", "most") if getattr(self, n) is not None and getattr(self, n) < 1]
        bad += ["patience"] if self.patience < 0 else []
        bad += ["rate"] if not 0.0 < self.rate < math.inf else []
        bad += ["power"] if not 1.0 <= self.power < math.inf else []
        if bad:
            raise ConfigError(f"gradual: `{bad[0]}` is out of its range, got {getattr(self, bad[0])!r}.")
        if self.tau is not None and not 0.0 < self.tau < 1.0:
            raise ConfigError(f"gradual: `tau` must be between 0 and 1, got {self.tau!r}.")
        if self.stretch is not None and not (self.stretch and all(0.0 < f < math.inf for f in self.stretch)):
            raise ConfigError(f"gradual: `stretch` must be factors above 0, got {self.stretch!r}.")
        for setting, names in (("start", get_args(Start)), ("order", get_args(Order))):
            if getattr(self, setting) not in names:
                raise ConfigError(
                    f"gradual: `{setting}` must be {' or '.join(names)}, got {getattr(self, setting)!r}."
                )

    def fit(self, subject: Subject, reference: Float[Tensor, "r *x"], *, seed: int = 0) -> "Gradual":
        """With the mean logits of ``samples`` random reference inputs of each class.

        The class of a reference input is what the network says of it. Where the mean itself has a
        probability under ``tau``, it is that of inputs with ``tau`` or more, if there are any: else
        the logits would pull the composite back to where the construction must not end.
        """
        logits = _answers(subject, reference)
        k = len(subject.provider.labels)
        rng = torch.Generator().manual_seed(seed)
        logits = logits[torch.randperm(len(logits), generator=rng).to(logits.device)]
        classes = logits.argmax(1) if len(logits) else torch.zeros(0, dtype=torch.long)
        tau, _ = self._scaled(subject.domain)
        centres = [_centre(logits[classes == c], c, samples=self.samples, tau=tau) for c in range(k)]
        return replace(self, centres=torch.stack(centres))

    def propose(self, task: Task) -> Proposal:
        domain, b = task.subject.domain, len(task.x)
        tau, steps = self._scaled(domain)
        usable = domain.free(task.x)
        attributions = _influence(task, gain=self.order == "gain")
        order = attributions.masked_fill(~usable, -1.0).argsort(dim=1, descending=True, stable=True)
        rank = order.argsort(dim=1)
        room = usable.sum(1).clamp(max=self.most or domain.features)
        noise = torch.randn(domain.shape, generator=task.rng, device=task.u.device)
        composite = task.u.clone() if self.start == "original" else noise.expand_as(task.u).clone()

        out = task.x.clone()
        best = _probability(task.scores, task.goal)
        done = (best >= tau) & task.flips(task.scores)
        chosen = torch.zeros(b, domain.features, dtype=torch.bool, device=task.x.device)
        size = 1
        rows = (~done & (room > 0)).nonzero()[:, 0]
        while len(rows):
            opened = rank[rows] < room[rows, None].clamp(max=size)
            mask = domain.spread(opened) & task.free[rows]
            composite[rows] = compose(
                composite[rows],
                origin=task.u[rows],
                mask=mask,
                low=task.low[rows],
                high=task.high[rows],
                loss=self._loss(task, rows),
                steps=steps,
                rate=self.rate,
                patience=self.patience,
            )
            x, p, reached = self._judged(task, composite[rows], rows=rows, mask=mask, tau=tau)
            better = reached | (p > best[rows])
            out[rows[better]], chosen[rows[better]] = x[better], opened[better]
            best[rows], done[rows] = torch.maximum(p, best[rows]), reached
            if self.start == "noise":  # what is not open yet keeps its noise
                composite[rows] = torch.where(mask, composite[rows], noise)
            rows = (~done & (room > size)).nonzero()[:, 0]
            size += max(1, int(self.grow * size))
        if not bool(done.all()):
            task.notes.append(
                f"{int((~done).sum())} of {b} inputs did not reach a probability of {tau:g}; the most probable "
                "of what was tried is given."
            )
        return Proposal(counterfactuals=out, attributions=attributions, chosen=chosen)

    def _judged(
        self,
        task: Task,
        composite: Float[Tensor, "n *u"],
        *,
        rows: Int[Tensor, " n"],
        mask: Bool[Tensor, "n *u"],
        tau: float,
    ) -> tuple[Tensor, Tensor, Tensor]:
        """The inputs of composites, their probability, and whether that is enough."""
        factors = self.stretch or (_STRETCH if len(task.subject.domain.shape) == 2 else (1.0,))
        out = task.x[rows].clone()
        p = torch.full((len(rows),), -1.0, dtype=torch.float64, device=out.device)
        reached = torch.zeros(len(rows), dtype=torch.bool, device=out.device)
        for factor in factors:
            i = (~reached).nonzero()[:, 0]
            if not len(i):
                break
            at = rows[i]
            u = torch.where(mask[i], task.u[at] + factor * (composite[i] - task.u[at]), task.u[at])
            x = task.project(u.clamp(task.low[at], task.high[at]), at)
            scores = task.ask(x)
            now = _probability(scores, task.goal[at])
            reached[i] = (now >= tau) & task.flips(scores, at)
            better = reached[i] | (now > p[i])
            out[i[better]], p[i[better]] = x[better], now[better]
        return out, p, reached

    def _scaled(self, domain: Domain) -> tuple[float, int]:
        """Probability and steps, by what the inputs are."""
        rows, image = len(domain.shape) == 1, len(domain.shape) == 3
        tau = self.tau if self.tau is not None else 0.5 if rows else 0.9
        steps = self.steps if self.steps is not None else 1000 if image else 500
        return tau, steps

    def _loss(self, task: Task, rows: Int[Tensor, " n"]) -> CompositionLoss:
        goal = task.goal[rows]
        centre = None
        if self.logit_weight:
            if self.centres is None:
                raise need_reference(self)
            centre = self.centres.to(task.u.device)[goal]
            lost = centre.isnan().any(1).nonzero()
            if len(lost):
                label = task.subject.provider.labels[int(goal[lost[0, 0]])]
                raise DataError(
                    f"gradual: no reference input is classified as {label!r}, which input {int(rows[lost[0, 0]])} "
                    "is to become. Add reference inputs of that class."
                )
        image = len(task.subject.domain.shape) == 3
        return CompositionLoss(
            network=task.subject.network,
            goal=goal,
            centre=centre,
            weight=self.logit_weight,
            near=self.near,
            smooth=self.smooth if image else 0.0,
            power=self.power,
        )


def _influence(task: Task, *, gain: bool) -> Float[Tensor, "b f"]:
    """How much each feature moves the target's probability, relative to it (the order is the same).

    A change of one, or with ``gain`` of all the way to the bound.
    """
    if not len(task.x):
        return torch.zeros(0, task.subject.domain.features, device=task.x.device)
    slopes = []
    for u, goal in zip(torch.split(task.u, _PIECE), torch.split(task.goal, _PIECE), strict=True):
        with torch.enable_grad():
            part = u.detach().requires_grad_()
            scores = task.subject.network(part).log_softmax(1)
            (slope,) = torch.autograd.grad(scores.gather(1, goal[:, None]).sum(), part)
        slopes.append(slope)
    whole = torch.cat(slopes)
    if gain:
        room = torch.where(whole > 0, task.high - task.u, task.u - task.low)
        whole = whole * room.clamp(0.0, _ENDLESS)
    return task.subject.domain.pooled(whole.abs())


def _centre(logits: Float[Tensor, "r k"], c: int, *, samples: int, tau: float) -> Float[Tensor, " k"]:
    """Mean logits of inputs of class ``c``, of sure ones if that is unsure; NaN where there are none."""
    mean = logits[:samples].mean(0)
    sure = logits[logits.softmax(1)[:, c] >= tau][:samples]
    return sure.mean(0) if len(sure) and float(mean.softmax(0)[c]) < tau else mean


@torch.no_grad()
def _answers(subject: Subject, x: Float[Tensor, "r *x"]) -> Float[Tensor, "r k"]:
    if not len(x):
        return torch.zeros(0, len(subject.provider.labels), device=x.device)
    return torch.cat(
        [subject.network(subject.domain.encode(part)).float() for part in torch.split(x, _PIECE)]
    )


def _probability(scores: Float[Tensor, "n k"], goal: Int[Tensor, " n"]) -> Float[Tensor, " n"]:
    return log_probability(scores, goal).exp()
