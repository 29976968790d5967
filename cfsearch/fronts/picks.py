"""Picking one member of a front."""

from collections.abc import Sequence
from typing import Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cfsearch.numerics import pareto

PICKS: Final = ("closest", "sparsest", "knee", "crossing")
"""Ways to pick one member of a front; each has a function here."""

_UNCHANGED: Final = 1e-6
"""Changes up to this size are none, where they are float32."""
_UNCHANGED_EXACT: Final = 1e-12
"""The same of rows, whose changes are float64: one of nine in a range of two hundred million is a change."""


def least_change(z: Tensor) -> float:
    """Size up to which a change is none, in shares of the variable's range.

    Args:
        z: changes; of rows they are float64, as their columns may go in very small steps.

    Example:
        >>> import torch
        >>> least_change(torch.zeros(1, 2)), least_change(torch.zeros(1, 2, dtype=torch.float64))
        (1e-06, 1e-12)
    """
    return _UNCHANGED_EXACT if z.dtype is torch.float64 else _UNCHANGED


OUTLYING: Final = 1.4
"""Local outlier factor above which a member is no answer where others are."""

ISOLATION: Final = 0.2
"""What an answer costs for each unit by which its local outlier factor exceeds 1, in shares of the range."""

ANSWERS: Final = 4
"""Members that are shown first where nothing else is declared."""

_CORNER: Final = 1.1
"""Up to where dominated volume is measured, in ranges: the worst member of an objective counts too."""

_NOTHING: Final = 1e-12
"""A volume that is no more than rounding."""


def closest(sizes: Float[Tensor, " n"], *, among: Bool[Tensor, " n"]) -> int:
    """The member with the smallest change; ``among`` holds one at least.

    Example:
        >>> import torch
        >>> closest(torch.tensor([3.0, 1.0, 2.0]), among=torch.tensor([True, False, True]))
        2
    """
    return _least(sizes, among)


def sparsest(z: Float[Tensor, "n d"], *, sizes: Float[Tensor, " n"], among: Bool[Tensor, " n"]) -> int:
    """The member with the fewest changed variables; of several, the smallest change.

    Example:
        >>> import torch
        >>> z = torch.tensor([[0.1, 0.1], [0.5, 0.0]])
        >>> sparsest(z, sizes=z.norm(dim=1), among=torch.tensor([True, True]))
        1
    """
    count = (z.abs() > least_change(z)).sum(1).double()
    return _least(count + sizes / (sizes.max() + 1.0), among)


def knee(f: Float[Tensor, "n m"], *, among: Bool[Tensor, " n"]) -> int:
    """The member nearest to the ideal point after each objective is scaled to [0, 1].

    Example:
        >>> import torch
        >>> knee(torch.tensor([[0.0, 1.0], [0.2, 0.2], [1.0, 0.0]]), among=torch.tensor([True, True, True]))
        1
    """
    low, high = f.amin(0), f.amax(0)
    scaled = (f - low) / (high - low).clamp_min(1e-12)
    return _least(scaled.double().norm(dim=1), among)


def crossing(
    leaving: Float[Tensor, " n"], plausibility: Float[Tensor, " n"], *, among: Bool[Tensor, " n"]
) -> int:
    """The member where the class probability and the plausibility objective cross.

    Members are sorted by the probability of the wanted outcome; plausibility is scaled to
    [0, 1]. Of the two members beside the first crossing, the one where the curves are closer.

    References:
        Barredo-Arrieta and Del Ser 2020, section IV.

    Example:
        >>> import torch
        >>> leaving = torch.tensor([0.1, 0.4, 0.6, 0.9], dtype=torch.float64)
        >>> plausibility = torch.tensor([4.0, 3.0, 2.0, 1.0])  # scaled: 1, 2/3, 1/3, 0
        >>> crossing(leaving, plausibility, among=torch.ones(4, dtype=torch.bool))
        1
    """
    gan = plausibility.double()
    gan = (gan - gan.amin()) / (gan.amax() - gan.amin()).clamp_min(1e-12)
    order = torch.argsort(leaving, stable=True)
    gap = leaving - gan
    turns = torch.nonzero((gap[order][:-1] < 0) != (gap[order][1:] < 0)).flatten()
    position = torch.empty(len(order), dtype=torch.float64)
    position[order] = torch.arange(len(order), dtype=torch.float64)
    at = float(turns[0]) + 0.5 if len(turns) else float(position[gap.abs().argmin()])
    return _least((position - at).abs() + 0.1 * gap.abs() / (1.0 + gap.abs().amax()), among)


def diverse(
    gaps: Float[Tensor, "n n"],
    *,
    costs: Float[Tensor, " n"],
    first: int,
    count: int,
    preferred: Bool[Tensor, " n"] | None = None,
    more: Sequence[int] = (),
) -> list[int]:
    """Members that are far from each other at a small cost, the first one given.

    One after the other, the member with the largest ``min_j gap(i, j) - cost(i)`` over the members ``j`` that
    were taken before: what a further answer adds, less what it costs. Equals of a member that was taken are left out.

    Args:
        gaps: distances of the members from each other.
        costs: of each member, in the same unit.
        first: the member to begin with.
        count: how many members at most.
        preferred: members that are taken before any other; None for all.
        more: members that were taken after the first one already.

    References:
        Gonzalez 1985, https://doi.org/10.1016/0304-3975(85)90224-5 (farthest-first traversal); Carbonell and
        Goldstein 1998, https://doi.org/10.1145/290941.291025 (marginal relevance).

    Example:
        >>> import torch
        >>> gaps = torch.tensor([[0.0, 0.1, 0.9], [0.1, 0.0, 0.8], [0.9, 0.8, 0.0]])
        >>> diverse(gaps, costs=torch.zeros(3), first=0, count=2)
        [0, 2]
    """
    taken = [first, *more]
    nearest = gaps[taken].double().amin(0)
    while len(taken) < count:
        new = nearest > 0
        if not bool(new.any()):
            break
        if preferred is not None and bool((new & preferred).any()):
            new &= preferred
        worth = nearest - costs.double()
        taken.append(int(worth.masked_fill(~new, -torch.inf).argmax()))
        nearest = torch.minimum(nearest, gaps[taken[-1]].double())
    return taken


def covering(
    f: Float[Tensor, "n m"], *, first: int, count: int, among: Bool[Tensor, " n"] | None = None
) -> list[int]:
    """Members that together dominate as much as they can, the first one given.

    One after the other, the member that adds most to the volume that those taken before dominate, each objective
    scaled to [0, 1] over all members and the volume measured up to 1.1. Fewer than ``count`` where no other adds anything.

    Args:
        f: what the members are judged by, smaller is better.
        first: the member to begin with.
        count: how many members at most.
        among: the members that may be taken after it; None for all.

    References:
        Guerreiro, Fonseca and Paquete 2016, https://doi.org/10.1162/EVCO_a_00188 (greedy hypervolume subset selection).

    Example:
        >>> import torch
        >>> f = torch.tensor([[0.0, 1.0], [0.02, 0.98], [1.0, 0.0]])
        >>> covering(f, first=0, count=2)  # the second is nearly a copy
        [0, 2]
    """
    low, high = f.double().amin(0), f.double().amax(0)
    scaled = (f.double() - low) / (high - low).clamp_min(1e-12)
    corner = scaled.new_full((f.shape[1],), _CORNER)
    taken = [first]
    while len(taken) < count:
        gains = pareto.gains(scaled, scaled[taken], corner)
        new = gains > _NOTHING
        if among is not None:
            new &= among
        if not bool(new.any()):
            break
        taken.append(int(gains.masked_fill(~new, -torch.inf).argmax()))
    return taken


def inliers(factors: Float[Tensor, " n"], *, among: Bool[Tensor, " n"]) -> Bool[Tensor, " n"]:
    """The members that are no local outliers; none where all are.

    Args:
        factors: local outlier factors, NaN where unknown.
        among: the members that may be chosen.

    Example:
        >>> import torch
        >>> factors = torch.tensor([1.0, 3.0, 1.1, float("nan")])
        >>> inliers(factors, among=torch.tensor([True, True, False, True])).tolist()
        [True, False, False, False]
    """
    return among & (factors.double().nan_to_num(nan=torch.inf) <= OUTLYING)


def _least(value: Float[Tensor, " n"], among: Bool[Tensor, " n"]) -> int:
    return int(value.masked_fill(~among, torch.inf).argmin())
