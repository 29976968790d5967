"""EMAP's perturbation network, and how its output is applied to an input."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from cfsearch.contracts.domain import Domain
from cfsearch.contracts.records import UNTARGETED

from .partitioned_gumbel import PartitionedGumbel


@final
class Perturber(nn.Module):
    """A dense network from an input to how it should change.

    Its answer is a step for each continuous number and a logit for each level of a category. With
    more than two classes the target class is an input as well, one-hot; all zeros for any other class.

    Args:
        width: numbers of an input.
        classes: how many the audited model has.
        hidden: units of each hidden layer.
        dropout: share of units left out of every hidden layer while it learns.

    Shapes:
        u ``(n, w)``, target ``(n,)`` -> ``(n, w)``.
    """

    def __init__(self, *, width: int, classes: int, hidden: Sequence[int], dropout: float) -> None:
        super().__init__()
        self.target_width: int = classes if classes > 2 else 0
        self.dropout = dropout
        sizes = (width + self.target_width, *hidden, width)
        self.layers: nn.ModuleList = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))

    def forward(
        self,
        u: Float[Tensor, "n w"],
        target: Int[Tensor, " n"],
        rng: torch.Generator | None = None,
    ) -> Float[Tensor, "n w"]:
        """The answer; with ``rng`` some units are left out, as while learning."""
        hidden = u
        if self.target_width:
            one_hot = (
                functional.one_hot(target.clamp_min(0), self.target_width) * (target != UNTARGETED)[:, None]
            )
            hidden = torch.cat([u, one_hot.to(u.dtype)], dim=1)
        for layer in self.layers[:-1]:
            hidden = functional.relu(layer(hidden))
            if rng is not None and self.dropout:
                kept = torch.empty_like(hidden).bernoulli_(1.0 - self.dropout, generator=rng)
                hidden = hidden * kept / (1.0 - self.dropout)
        answer: Tensor = self.layers[-1](hidden)
        return answer


@final
class Bounds(NamedTuple):
    """Where the numbers of inputs may go, flattened: all ``(n, w)``."""

    free: Bool[Tensor, "n w"]
    low: Float[Tensor, "n w"]
    high: Float[Tensor, "n w"]

    @classmethod
    def of(cls, domain: Domain, x: Float[Tensor, "n *x"]) -> "Bounds":
        """What the domain says of inputs."""
        low, high = domain.bounds(x)
        return cls(domain.spread(domain.free(x)).flatten(1), low.flatten(1), high.flatten(1))

    def pick(self, rows: Int[Tensor, " m"]) -> "Bounds":
        """The same for some of the inputs."""
        return Bounds(self.free[rows], self.low[rows], self.high[rows])


@final
class Moved(NamedTuple):
    """Inputs after a perturbation.

    Shapes:
        u ``(n, w)`` in reach; size ``(n,)`` Euclidean length of the continuous part as
        requested; changed ``(n,)`` how many categories changed (a fraction for relaxed draws).
    """

    u: Float[Tensor, "n w"]
    size: Float[Tensor, " n"]
    changed: Float[Tensor, " n"]


def moved(
    u: Float[Tensor, "n w"],
    answer: Float[Tensor, "n w"],
    *,
    bounds: Bounds,
    categories: PartitionedGumbel,
    temperature: float = 1.0,
    rng: torch.Generator | None = None,
) -> Moved:
    """Inputs after the perturbation network's answer: steps added, categories replaced.

    With ``rng`` categories are relaxed draws that gradients follow, without it the likeliest
    level. What may not change stays, and numbers end at their bounds; a step beyond them still
    counts in ``size``, so that learning takes it back.
    """
    member = categories.member.to(u.device)
    step = answer * (bounds.free & ~member)
    plain = torch.maximum(torch.minimum(u + step, bounds.high), bounds.low)
    plain = torch.where(bounds.free & ~member, plain, u)
    size = torch.linalg.vector_norm(step, dim=1)
    if not categories.runs:
        return Moved(plain, size, torch.zeros_like(size))
    allowed = torch.where(bounds.free, bounds.high > 0, u > 0)
    if rng is None:
        drawn = categories.likeliest(answer, allowed=allowed)
    else:
        drawn = categories.sample(answer, temperature=temperature, rng=rng, allowed=allowed)
    changed = categories.distances(u, drawn).sum(1)
    return Moved(torch.where(member, drawn, plain), size, changed)
