"""Ranks and crowding of many sets at once, on the device of the values and without a read by the host.

On the CPU fronts and crowding are found by ``pareto`` (a C library and numpy), which is faster than tensors there;
both ways give the same numbers, so that a search takes the same path on either.
"""

from typing import Final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from . import pareto

DEPTH: Final = 24
"""So many fronts are peeled off one by one; a device cannot say without a read when none is left."""

ROUNDS: Final = 16
"""In so many rounds the crowded points are dropped at most."""

_EIGHT: Final = 8
_PAIR: Final = 2
"""Sets of one or two have boundaries only."""

_BITS: Final = 0x0102040810204080
"""Times this, eight bytes of 0 or 1 have their eight bits side by side in the highest byte."""


def ranks(
    f: Float[Tensor, "b n m"], among: Bool[Tensor, "b n"] | None = None, *, wanted: int | None = None
) -> Int[Tensor, "b n"]:
    """Front of each point of each set, as ``pareto.ranks``; points that are left out get ``n``.

    Beyond the 24th front a point counts as many fronts further as other points left dominate it, which
    never contradicts dominance.

    Args:
        f: finite objective values, smaller is better.
        among: which points are looked at; all when left out.
        wanted: how many of the best points will be kept of each set; where the first 24 fronts hold as many, what lies
            beyond them only counts as further. All when left out.

    References:
        Deb et al. 2002, https://doi.org/10.1109/4235.996017, section III A; beyond the 24th front
        Fonseca and Fleming 1993, Genetic algorithms for multiobjective optimization, section 3.1.

    Example:
        >>> ranks(torch.tensor([[[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [2.0, 2.0]]])).tolist()
        [[0, 0, 1, 2]]
    """
    among = torch.ones(f.shape[:2], dtype=torch.bool, device=f.device) if among is None else among
    return peeled(f, among) if f.device.type != "cpu" else _sorted_ranks(f, among, wanted=wanted)


def first_fronts(f: Float[Tensor, "b n m"], among: Bool[Tensor, "b n"]) -> Bool[Tensor, "b n"]:
    """Mask of the points of each set that no other dominates; of equal points the first.

    Args:
        f: finite objective values, smaller is better.
        among: which points are looked at; the others are never in a front.

    Example:
        >>> f = torch.tensor([[[0.0, 1.0], [0.0, 1.0], [1.0, 1.0]]])
        >>> first_fronts(f, torch.ones(1, 3, dtype=torch.bool)).tolist()
        [[True, False, False]]
    """
    if f.device.type == "cpu":
        # what is left out is put behind everything else, so that it dominates nothing
        worst = f.amax(dim=1, keepdim=True) + 1.0
        return pareto.non_dominated(torch.where(among[..., None], f, worst)) & among
    return undominated(f, among)


def undominated(f: Float[Tensor, "b n m"], among: Bool[Tensor, "b n"]) -> Bool[Tensor, "b n"]:
    """``first_fronts`` from the matrix of who dominates whom.

    Args:
        f: as for ``first_fronts``.
        among: likewise.

    Example:
        >>> undominated(torch.tensor([[[0.0, 1.0], [1.0, 1.0]]]), torch.ones(1, 2, dtype=torch.bool)).tolist()
        [[True, False]]
    """
    at_least = _at_least(f)
    earlier = torch.ones(f.shape[1], f.shape[1], dtype=torch.bool, device=f.device).tril(-1)
    beaten = at_least & (~at_least.transpose(1, 2) | earlier) & among[:, None]
    return among & ~beaten.any(-1)


def peeled(f: Float[Tensor, "b n m"], among: Bool[Tensor, "b n"]) -> Int[Tensor, "b n"]:
    """``ranks`` from the matrix of who dominates whom, in a fixed number of steps.

    Args:
        f: as for ``ranks``.
        among: likewise.

    Example:
        >>> peeled(torch.tensor([[[0.0, 1.0], [1.0, 1.0]]]), torch.ones(1, 2, dtype=torch.bool)).tolist()
        [[0, 1]]
    """
    n = f.shape[1]
    more = -n % _EIGHT
    left = torch.nn.functional.pad(among, (0, more))
    f = torch.nn.functional.pad(f, (0, 0, 0, more))
    at_least = _at_least(f)
    beaten = at_least & ~at_least.transpose(1, 2)
    beaters = _packed(beaten)
    rank = torch.full(left.shape, n, dtype=torch.long, device=f.device)
    for depth in range(min(DEPTH, n)):
        front = left & ~((beaters & _packed(left)[:, None]) != 0).any(-1)
        rank = torch.where(front, depth, rank)
        left = left & ~front
    further = DEPTH + (beaten & left[:, None]).sum(-1)
    return torch.where(left, further, rank)[:, :n]


def _sorted_ranks(f: Tensor, among: Tensor, *, wanted: int | None) -> Tensor:
    n = f.shape[1]
    if bool(among.all()):
        rank = pareto.ranks(f)
    else:
        worst = f.amax(dim=1, keepdim=True) + 1.0
        rank = torch.where(among, pareto.ranks(torch.where(among[..., None], f, worst)), n)
    near = rank < DEPTH
    deep = among & ~near
    if wanted is not None:
        deep &= ((near & among).sum(1) < wanted)[:, None]
    for i in deep.any(1).nonzero().flatten().tolist():
        part = f[i][deep[i]][None]
        at_least = _at_least(part)
        rank[i, deep[i]] = DEPTH + (at_least & ~at_least.transpose(1, 2)).sum(-1)[0]
    return rank


def _at_least(f: Tensor) -> Bool[Tensor, "b n n"]:
    """Entry (k, i): point i is nowhere worse than point k."""
    found = f[:, None, :, 0] <= f[:, :, None, 0]
    for j in range(1, f.shape[-1]):
        found = found & (f[:, None, :, j] <= f[:, :, None, j])
    return found


def _packed(mask: Bool[Tensor, "*b n"]) -> Int[Tensor, "*b w"]:
    """The last dimension as bits, 64 a word; its size is a multiple of eight."""
    whole = mask.contiguous().view(torch.int64)
    bits = ((whole * _BITS) >> 56).to(torch.uint8)
    return torch.nn.functional.pad(bits, (0, -bits.shape[-1] % _EIGHT)).contiguous().view(torch.int64)


def crowding(f: Float[Tensor, "b n m"], within: Int[Tensor, "b n"]) -> Float[Tensor, "b n"]:
    """Crowding distance of each point within its front, as ``pareto.crowding``, in float64.

    Args:
        f: finite objective values.
        within: fronts, from 0.

    References:
        Deb et al. 2002, https://doi.org/10.1109/4235.996017, section III B.

    Example:
        >>> crowding(torch.tensor([[[0.0, 4.0], [1.0, 2.0], [4.0, 0.0]]]), torch.zeros(1, 3, dtype=torch.long)).tolist()
        [[inf, 2.0, inf]]
    """
    return crowding_in_tensors(f, within) if f.device.type != "cpu" else pareto.crowding(f, within)


def crowding_in_tensors(f: Float[Tensor, "b n m"], within: Int[Tensor, "b n"]) -> Float[Tensor, "b n"]:
    """``crowding`` in a fixed number of steps.

    Args:
        f: as for ``crowding``.
        within: likewise.

    Example:
        >>> crowding_in_tensors(torch.tensor([[[0.0, 4.0], [1.0, 2.0], [4.0, 0.0]]]), torch.zeros(1, 3, dtype=torch.long)).tolist()
        [[inf, 2.0, inf]]
    """
    columns = f.transpose(1, 2).double().contiguous()
    front = within[:, None].expand(columns.shape).contiguous()
    value, order = columns.sort(dim=-1, stable=True)
    key, again = front.gather(-1, order).sort(dim=-1, stable=True)
    order, value = order.gather(-1, again), value.gather(-1, again)
    n = value.shape[-1]
    place = torch.arange(n, device=f.device).expand(value.shape)
    edge = key[..., 1:] != key[..., :-1]
    first = torch.nn.functional.pad(edge, (1, 0), value=True)
    last = torch.nn.functional.pad(edge, (0, 1), value=True)
    begin = torch.where(first, place, 0).cummax(-1).values
    end = torch.where(last, place, n).flip(-1).cummin(-1).values.flip(-1)
    span = value.gather(-1, end) - value.gather(-1, begin)
    after = value.gather(-1, (place + 1).clamp(max=n - 1))
    before = value.gather(-1, (place - 1).clamp(min=0))
    gap = (after - before) / torch.where(span > 0, span, 1.0)
    gap = torch.where(first | last, torch.inf, gap)
    gap = torch.where(span > 0, gap, 0.0)
    gap = torch.where(end - begin + 1 <= _PAIR, torch.inf, gap)
    scattered = torch.zeros_like(gap).scatter(-1, order, gap)
    total = scattered[:, 0]
    for j in range(1, scattered.shape[1]):
        total = total + scattered[:, j]
    return total


def thinned(
    f: Float[Tensor, "b n m"], violation: Float[Tensor, "b n"], capacity: int, among: Bool[Tensor, "b n"]
) -> Bool[Tensor, "b n"]:
    """Mask of the points of each set to keep, at most ``capacity``; nearly as ``pareto.truncated``.

    Feasible points if there are any, else those of the least violation; of these the non-dominated. Where that is
    too many, the most crowded are dropped in at most 16 rounds, between which the crowding is computed anew.

    Args:
        f: finite objective values.
        violation: by how much each point breaks constraints, 0 where it keeps them.
        capacity: most points that are kept, >= 1.
        among: which points are looked at.

    References:
        Kukkonen and Deb 2006, Improved pruning of non-dominated solutions based on crowding
        distance, IEEE CEC (why not all at once).

    Example:
        >>> f = torch.tensor([[[0.0, 4.0], [0.1, 3.9], [2.0, 2.0], [4.0, 0.0]]])
        >>> thinned(f, torch.zeros(1, 4), 3, torch.ones(1, 4, dtype=torch.bool)).tolist()  # the crowded one goes
        [[True, False, True, True]]
    """
    least = torch.where(among, violation, torch.inf).amin(dim=1, keepdim=True).clamp(min=0.0)
    keep = first_fronts(f, among & (violation <= least))
    n = f.shape[1]
    if n <= capacity:
        return keep
    columns = f.transpose(1, 2).double().contiguous()
    low = torch.where(keep[:, None], columns, torch.inf).amin(-1, keepdim=True)
    high = torch.where(keep[:, None], columns, -torch.inf).amax(-1, keepdim=True)
    value, order = columns.sort(dim=-1, stable=True)
    span = high - low
    value = torch.where(span > 0, (value - low) / torch.where(span > 0, span, 1.0), 0.0)
    counts = (span > 0)[..., 0]
    for rounds in range(ROUNDS, 0, -1):
        excess = (keep.sum(1, keepdim=True) - capacity).clamp(min=0)
        if f.device.type == "cpu" and not bool(excess.any()):
            break
        quota = -(-excess // rounds)
        width = torch.where(keep, _width(value, order, keep, counts), torch.inf)
        # of equally crowded points the later goes first
        place = width.flip(1).sort(dim=1, stable=True).indices
        drop = torch.arange(n, device=f.device) < quota
        keep = keep & ~torch.zeros_like(keep).scatter(1, place, drop).flip(1)
    return keep


def _width(value: Tensor, order: Tensor, keep: Tensor, counts: Tensor) -> Float[Tensor, "b n"]:
    """Gap between the kept neighbours of each point in each objective, summed; infinite at the ends."""
    n = value.shape[-1]
    here = keep[:, None].expand(value.shape).gather(-1, order)
    place = torch.arange(n, device=value.device).expand(value.shape)
    before = torch.nn.functional.pad(torch.where(here, place, -1).cummax(-1).values, (1, -1), value=-1)
    after = torch.where(here, place, n).flip(-1).cummin(-1).values.flip(-1)
    after = torch.nn.functional.pad(after, (-1, 1), value=n)
    gap = value.gather(-1, after.clamp(max=n - 1)) - value.gather(-1, before.clamp(min=0))
    gap = torch.where((before < 0) | (after >= n), torch.inf, gap)
    gap = torch.where(counts[..., None], gap, 0.0)
    scattered = torch.zeros_like(gap).scatter(-1, order, gap)
    total = scattered[:, 0]
    for j in range(1, scattered.shape[1]):
        total = total + scattered[:, j]
    return total


def power(x: Float[Tensor, "*n"], exponent: float | Float[Tensor, "*n"]) -> Float[Tensor, "*n"]:
    """``x ** exponent`` for ``x >= 0``, with the same bits wherever in a tensor ``x`` stands.

    ``torch.pow`` computes the last few numbers of a tensor by another function than the others, so that a
    query's numbers would depend on how many queries stand before it.

    Args:
        x: not negative.
        exponent: a number, or one for each.

    Example:
        >>> power(torch.tensor([0.0, 4.0]), 0.5).tolist()
        [0.0, 2.0]
    """
    return (x.contiguous().log() * exponent).contiguous().exp()
