"""Counterfactuals by one scaled gradient step (Haffar et al. 2022, algorithms 2 and 3)."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cfsearch.contracts.domain import Domain
from cfsearch.contracts.explainer import Explainer, Proposal
from cfsearch.contracts.explainer_task import Task
from cfsearch.errors import ConfigError
from cfsearch.numerics.differing import differing

from .goals import changes, goal_gradient, nothing, within

_GROWTH: Final = 1.05
_MOST: Final = (1.0, 100.0)
"""The largest step on pixels, and on columns and words; what the authors' own code uses."""


@final
@dataclass(frozen=True)
class Gradient(Explainer):
    """Gradient-step explainer: ``x* = x - w eps grad L(f_u(x), y*)`` with the least ``eps`` that flips.

    L is the cross-entropy of the network that is followed; its gradient is taken once, at the
    original, and as it is (neither its sign nor normalised). y* is the target class, else the
    network's second most probable. The provider is queried once a step for all inputs that are
    still open, and only where the step led to another input than the step before.

    Pictures: w = 1, and each pixel's attribution is ``|x* - x|``, the heat map of the paper.
    Columns and words: w is 1 on the features that may change, and each one's
    attribution is the L1 norm of its gradient. Where nothing flips, the longest step is given.

    Args:
        step: the first eps, > 0; without ``growth`` also the distance to the next.
        eps_max: the largest eps. The paper leaves it open; when left out 1 for pictures, 100
            otherwise, as in the code that its authors published.
        growth: by which the distance between two eps grows, >= 1; when left out 1 for pictures
            (0.005, 0.010, ... as in the paper) and 1.05 otherwise.
        features: c, how many features may change: those with the largest L1 norm of the gradient;
            all when left out.
        names: features that may change at all; all when empty.
        agreed_only: leave inputs alone for which network and provider name different classes, as
            the paper does; without it they are tried as well, since the provider decides anyway.

    Raises:
        ConfigError: a setting out of range; a name that the subject does not have.

    References:
        Haffar, Jebreel, Sanchez and Domingo-Ferrer 2022, Generating deep learning model-specific
        explanations at the end user's side, section 4.2.

    Example:
        >>> import torch
        >>> from cfsearch.explainers.subjects import image_subject
        >>> from cfsearch.testing import FakeProvider, FakeWhiteBox
        >>> subject = image_subject(FakeWhiteBox(FakeProvider()), (3, 4, 4))
        >>> found = Gradient().explain(torch.full((1, 3, 4, 4), 0.4), subject=subject)
        >>> found.flipped.tolist()
        [True]
    """

    step: float = 0.005
    eps_max: float | None = None
    growth: float | None = None
    features: int | None = None
    names: Sequence[str] = ()
    agreed_only: bool = False
    name: ClassVar[str] = "gradient"

    def __post_init__(self) -> None:
        if isinstance(self.names, str):
            object.__setattr__(self, "names", (self.names,))
        if not 0.0 < self.step < math.inf:
            raise ConfigError(f"gradient: `step` must be a finite number above 0, got {self.step!r}.")
        if self.eps_max is not None and not self.step <= self.eps_max < math.inf:
            raise ConfigError(
                f"gradient: `eps_max` must be finite and at least `step` ({self.step}), got {self.eps_max!r}."
            )
        if self.growth is not None and not 1.0 <= self.growth < math.inf:
            raise ConfigError(f"gradient: `growth` must be finite and at least 1, got {self.growth!r}.")
        if self.features is not None and self.features < 1:
            raise ConfigError(f"gradient: `features` must be at least 1, got {self.features!r}.")

    def propose(self, task: Task) -> Proposal:
        if not len(task.x):
            return nothing(task)
        domain = task.subject.domain
        slope = goal_gradient(task)
        weight = domain.pooled(slope.abs())
        may = self._mask(weight, domain)
        direction = slope * domain.spread(may.to(slope))
        open_ = torch.nonzero(~task.flips(task.scores) & self._tried(task, direction)).flatten()
        found = task.x.clone()
        for eps in self._sizes(domain):
            if not len(open_):
                break
            u = within(task, task.u[open_] - eps * direction[open_], rows=open_)
            x = task.project(u, open_)
            fresh = differing(x, found[open_]).flatten(1).any(1)
            found[open_] = x
            still = torch.ones_like(fresh)
            still[fresh] = ~task.flips(task.ask(x[fresh]), open_[fresh])
            open_ = open_[still]
        if len(open_):
            task.notes.append(
                f"The longest step, eps_max, flips the model for all but {len(open_)} of {len(found)} inputs; a "
                "larger one may."
            )
        return Proposal(
            counterfactuals=found,
            attributions=changes(task, found) if _pictured(domain) else weight,
            chosen=may if self.features is not None or self.names else None,
        )

    def _mask(self, weight: Float[Tensor, "b f"], domain: Domain) -> Bool[Tensor, "b f"]:
        """w: the features that may change; those named, and of them the c with the largest gradient."""
        unknown = [name for name in self.names if name not in domain.names]
        if unknown:
            have = ", ".join(domain.names) or "none: they have places, not names"
            raise ConfigError(f"gradient: no feature {unknown[0]!r}; its features are {have}.")
        wanted = torch.ones(domain.features, dtype=torch.bool, device=weight.device)
        if self.names:
            wanted = torch.tensor([name in self.names for name in domain.names], device=weight.device)
        may = wanted & (weight > 0)
        if self.features is None:
            return may
        order = torch.where(may, weight, -1.0).argsort(dim=1, descending=True, stable=True)
        return may & (order.argsort(dim=1) < self.features)

    def _tried(self, task: Task, direction: Float[Tensor, "b *u"]) -> Bool[Tensor, " b"]:
        with torch.no_grad():
            agreed = task.subject.network(task.u).argmax(1) == task.source
        flat = ~direction.flatten(1).any(1)
        if bool(flat.any()):
            task.notes.append(f"The network's gradient vanishes on {int(flat.sum())} of {len(flat)} inputs.")
        if not bool(agreed.all()):
            what = "left alone" if self.agreed_only else "tried all the same"
            task.notes.append(
                f"Network and model name different classes for {int((~agreed).sum())} of {len(agreed)} "
                f"inputs; they were {what}."
            )
        return ~flat & (agreed | (not self.agreed_only))

    def _sizes(self, domain: Domain) -> Iterator[float]:
        named = not _pictured(domain)
        most = _MOST[named] if self.eps_max is None else self.eps_max
        growth = (_GROWTH if named else 1.0) if self.growth is None else self.growth
        count = 1
        while True:
            grown = count if growth == 1.0 else (growth**count - 1.0) / (growth - 1.0)
            if self.step * grown > most * (1.0 + 1e-9):
                return
            yield self.step * grown
            count += 1


def _pictured(domain: Domain) -> bool:
    """Whether features lie in a plane, as pixels do."""
    return len(domain.layout) == 2
