"""Dominance, crowding and hypervolume of objective values; knows tensors only.

Every objective is minimised. Everything is computed in float64 on the CPU, whatever arrives;
masks and indices answer on the device of the input. The sorting underneath is moocore's
(a C library), which is imported on first use: only this file imports it.
"""

from collections.abc import Callable, Sequence
from heapq import heapify, heappop, heappush
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cfsearch.errors import ConfigError, ShapeError

_Floats = npt.NDArray[np.float64]
_Ints = npt.NDArray[np.int64]


def non_dominated(f: Float[Tensor, "*b n m"]) -> Bool[Tensor, "*b n"]:
    """Mask of the points that no other point dominates; of equal points the first.

    A point dominates another when it is nowhere worse and somewhere better.

    Raises:
        ShapeError: ``f`` has fewer than two dimensions.
        ConfigError: ``f`` is not finite.

    Example:
        >>> f = torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
        >>> non_dominated(f).tolist()
        [True, True, False]
    """
    values = _points(f, who="non_dominated")
    mask = np.zeros(values.shape[:-1], dtype=bool)
    if mask.size:
        for at in np.ndindex(values.shape[:-2]):
            mask[at] = _moocore().is_nondominated(values[at])
    return torch.from_numpy(mask).to(f.device)


def ranks(f: Float[Tensor, "*b n m"]) -> Int[Tensor, "*b n"]:
    """Front of each point: 0 for the non-dominated, 1 for those left without them, ...

    Equal points share a front.

    Raises:
        ShapeError, ConfigError: as ``non_dominated``.

    References:
        Deb et al. 2002, https://doi.org/10.1109/4235.996017, section III A.

    Example:
        >>> ranks(torch.tensor([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0], [2.0, 2.0]])).tolist()
        [0, 0, 1, 2]
    """
    values = _points(f, who="ranks")
    rank = np.zeros(values.shape[:-1], dtype=np.int64)
    if rank.size:
        for at in np.ndindex(values.shape[:-2]):
            rank[at] = _moocore().pareto_rank(values[at])
    return torch.from_numpy(rank).to(f.device)


def crowding(f: Float[Tensor, "*b n m"], within: Int[Tensor, "*b n"] | None = None) -> Float[Tensor, "*b n"]:
    """Crowding distance: how far the neighbours on either side are, summed over objectives.

    Boundary points get infinity, and so do sets of one or two. An objective that is constant
    within a set adds nothing and has no boundary.

    Args:
        f: objective values, smaller is better.
        within: fronts (see ``ranks``); points see only neighbours of their own front.

    Raises:
        ShapeError, ConfigError: as ``non_dominated``.

    References:
        Deb et al. 2002, https://doi.org/10.1109/4235.996017, section III B; here each gap is
        divided by the range of its objective.

    Example:
        >>> crowding(torch.tensor([[0.0, 4.0], [1.0, 2.0], [4.0, 0.0]])).tolist()
        [inf, 2.0, inf]
    """
    values = _points(f, who="crowding")
    if within is not None and within.shape != f.shape[:-1]:
        raise ShapeError(
            f"crowding: expected fronts of shape {tuple(f.shape[:-1])}, got {tuple(within.shape)}."
        )
    n, m = values.shape[-2:]
    front = np.zeros((values.size // m // n if n else 0, n), dtype=np.int64)
    if within is not None:
        front = within.detach().cpu().numpy().reshape(front.shape).astype(np.int64)
    distance = _crowding(values.reshape(len(front), n, m), front)
    return torch.from_numpy(distance).reshape(f.shape[:-1]).to(f.device)


def hypervolume(f: Float[Tensor, "n m"], reference: Float[Tensor, " m"]) -> float:
    """Volume that the points dominate, up to a reference point.

    Points that are not better than the reference in every objective add nothing.

    Raises:
        ShapeError: ``f`` is no matrix, or the reference does not fit it.
        ConfigError: a value is not finite.

    References:
        Fonseca et al. 2006, https://doi.org/10.1109/CEC.2006.1688440.

    Example:
        >>> hypervolume(torch.tensor([[0.0, 1.0], [1.0, 0.0]]), torch.tensor([2.0, 2.0]))
        3.0
    """
    values = _matrix(f, who="hypervolume")
    corner = _point(reference, m=values.shape[1])
    return _volume(values, corner)


def gains(
    f: Float[Tensor, "n m"], beside: Float[Tensor, "k m"], reference: Float[Tensor, " m"]
) -> Float[Tensor, " n"]:
    """By how much each point alone would enlarge the volume that other points dominate, up to a reference point.

    Raises:
        ShapeError: ``f`` or ``beside`` is no matrix, or they or the reference do not fit each other.
        ConfigError: a value is not finite.

    References:
        Guerreiro, Fonseca and Paquete 2016, https://doi.org/10.1162/EVCO_a_00188.

    Example:
        >>> points, others = torch.tensor([[0.0, 1.0], [1.5, 1.5]]), torch.tensor([[1.0, 0.0]])
        >>> gains(points, others, torch.tensor([2.0, 2.0])).tolist()  # 2 less the square that is shared
        [1.0, 0.0]
    """
    values, others = _matrix(f, who="gains"), _matrix(beside, who="gains")
    if values.shape[1] != others.shape[1]:
        raise ShapeError(
            f"gains: expected as many objectives of the points as of those beside them, got {values.shape[1]} and "
            f"{others.shape[1]}."
        )
    corner = _point(reference, m=values.shape[1])
    own = np.prod((corner - values).clip(min=0.0), axis=1)
    # what a point shares with the others are the parts of their boxes inside its own
    shared = np.array([_volume(np.maximum(value, others), corner) for value in values])
    return torch.from_numpy((own - shared).clip(min=0.0)).to(f.device)


def enlarging(
    f: Float[Tensor, "n m"], beside: Float[Tensor, "k m"], reference: Float[Tensor, " m"], count: int
) -> Int[Tensor, " c"]:
    """Points in the order in which each enlarges the dominated volume most, beside those before it.

    Points that enlarge nothing are left out, so there may be fewer than are wanted.

    Args:
        f: the points.
        beside: points that are there already.
        reference: where the volume ends.
        count: how many are wanted.

    Raises:
        ShapeError: ``f`` or ``beside`` is no matrix, or they or the reference do not fit each other.
        ConfigError: a value is not finite.

    References:
        Minoux 1978, Accelerated greedy algorithms for maximizing submodular set functions (why most gains need not be computed anew).

    Example:
        >>> points = torch.tensor([[0.5, 0.5], [0.4, 0.6], [0.0, 1.5]])
        >>> enlarging(points, torch.zeros(0, 2), torch.tensor([2.0, 2.0]), 2).tolist()
        [0, 2]
    """
    alone = gains(f, beside, reference).tolist()
    values, held = _matrix(f, who="enlarging"), _matrix(beside, who="enlarging")
    corner = _point(reference, m=values.shape[1])
    own = np.prod((corner - values).clip(min=0.0), axis=1)
    # a gain only falls while others are taken, so what is not the largest need not be computed anew
    heap = [(-gain, i, 0) for i, gain in enumerate(alone) if gain > 0]
    heapify(heap)
    taken: list[int] = []
    while heap and len(taken) < count:
        _, i, known = heappop(heap)
        if known == len(taken):
            taken.append(i)
            held = np.concatenate([held, values[i : i + 1]])
        elif (gain := float(own[i]) - _volume(np.maximum(values[i], held), corner)) > 0:
            heappush(heap, (-gain, i, len(taken)))
    return torch.tensor(taken, dtype=torch.long, device=f.device)


def igd_plus(f: Float[Tensor, "n m"], front: Float[Tensor, "r m"]) -> float:
    """Mean distance from a known front to the points, counting only what is worse.

    Zero when every point of the known front is reached or dominated; infinity without points.

    Raises:
        ShapeError: ``f`` or ``front`` is no matrix, or they do not fit each other.
        ConfigError: a value is not finite.

    References:
        Ishibuchi et al. 2015, https://doi.org/10.1007/978-3-319-15892-1_8.

    Example:
        >>> front = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        >>> igd_plus(front, front), igd_plus(torch.tensor([[1.0, 1.0]]), front)
        (0.0, 1.0)
    """
    values, known = _matrix(f, who="igd_plus"), _matrix(front, who="igd_plus")
    if values.shape[1] != known.shape[1] or len(known) == 0:
        raise ShapeError(
            f"igd_plus: expected a known front of shape (r >= 1, {values.shape[1]}), got {known.shape}."
        )
    return float(_moocore().igd_plus(values, ref=known)) if len(values) else float("inf")


def truncated(
    f: Float[Tensor, "n m"],
    violation: Float[Tensor, " n"],
    capacity: int,
    *,
    kept: Callable[[Int[Tensor, " e"]], Bool[Tensor, " e"]] | None = None,
) -> Int[Tensor, " k"]:
    """Indices, in order, of the points to keep: at most ``capacity``.

    Feasible points (violation 0 or less) if there are any, else those of the least violation;
    of these the non-dominated. Where that is too many, the most crowded is dropped and the
    crowding computed anew, again and again; of equally crowded points the later is dropped.
    The best point of every objective always stays, then the worst, and then the points of which
    ``kept`` is true, as far as ``capacity`` allows; it is called with the indices of those that are too many.

    Raises:
        ShapeError: ``f`` is no matrix, or ``violation`` does not fit it.
        ConfigError: a value is not finite, or ``capacity`` is below 1.

    References:
        Kukkonen and Deb 2006, Improved pruning of non-dominated solutions based on crowding
        distance, IEEE CEC (why one by one).

    Example:
        >>> f = torch.tensor([[0.0, 4.0], [0.1, 3.9], [2.0, 2.0], [4.0, 0.0]])
        >>> truncated(f, torch.zeros(4), 3).tolist()  # the crowded one goes
        [0, 2, 3]
    """
    values = _matrix(f, who="truncated")
    broken = violation.detach().double().cpu().numpy()
    if broken.shape != values.shape[:1]:
        raise ShapeError(
            f"truncated: expected violations of shape ({len(values)},), got {tuple(violation.shape)}."
        )
    if not np.isfinite(broken).all():
        raise ConfigError("truncated: every violation must be finite, got NaN or infinity.")
    if capacity < 1:
        raise ConfigError(f"truncated: `capacity` must be at least 1, got {capacity!r}.")
    if len(values) == 0:
        return torch.zeros(0, dtype=torch.long, device=f.device)
    index = np.flatnonzero(broken <= max(float(broken.min()), 0.0))
    index = index[np.asarray(_moocore().is_nondominated(values[index]), dtype=bool)]
    if len(index) > capacity:
        held = () if kept is None else kept(torch.from_numpy(index)).nonzero().flatten().tolist()
        index = index[_spread(values[index], capacity, held=held)]
    return torch.from_numpy(index).long().to(f.device)


def _spread(f: _Floats, capacity: int, *, held: Sequence[int] = ()) -> _Ints:
    """Which points stay when the most crowded, but for those that are held, is dropped until ``capacity`` are left."""
    n = len(f)
    order = np.argsort(f, axis=0, kind="stable")
    span = f.max(axis=0) - f.min(axis=0)
    f, order = f[:, span > 0] / span[span > 0], order[:, span > 0]
    values, m = f.tolist(), f.shape[1]
    corners = list(dict.fromkeys([*order[0].tolist(), *order[-1].tolist(), *held]))
    if capacity <= len(corners):
        return np.sort(np.array(corners[:capacity], dtype=np.int64))
    # in each objective a chain of neighbours, so that a drop changes 2 m distances only
    before, after = [[-1] * n for _ in range(m)], [[-1] * n for _ in range(m)]
    for j in range(m):
        chain = order[:, j].tolist()
        for left, right in pairwise(chain):
            before[j][right], after[j][left] = left, right

    fixed = set(corners)

    def distance(i: int) -> float:
        # the ends of a chain are corners and never needed
        total = 0.0
        for j in range(m):
            total += values[after[j][i]][j] - values[before[j][i]][j]
        return total

    width = np.zeros(n)
    for j in range(m):
        ordered = f[order[:, j], j]
        width[order[1:-1, j]] += ordered[2:] - ordered[:-2]
    width[corners] = np.inf
    kept = np.ones(n, dtype=bool)
    for _ in range(n - capacity):
        drop = n - 1 - int(np.argmin(width[::-1]))
        kept[drop], width[drop] = False, np.inf
        touched: set[int] = set()
        for j in range(m):
            left, right = before[j][drop], after[j][drop]
            after[j][left], before[j][right] = right, left
            touched.update((left, right))
        for i in touched - fixed:
            width[i] = distance(i)
    return np.flatnonzero(kept)


def _crowding(f: _Floats, front: _Ints) -> _Floats:
    """Crowding distances of sets ``(b, n, m)`` with fronts ``(b, n)``."""
    b, n, m = f.shape
    if f.size == 0:
        return np.zeros((b, n))
    rows = np.ascontiguousarray(f.transpose(0, 2, 1)).reshape(b * m, n)
    begin = np.arange(0, rows.size, n)[:, None]
    keys = np.repeat(front.astype(np.int16 if front.max() < 2**15 else np.int64), m, axis=0).ravel()
    order = (_stable_order(rows) + begin).ravel()
    # small whole numbers are sorted by their digits, which is cheap
    order = order[(np.argsort(keys[order].reshape(rows.shape), axis=1, kind="stable") + begin).ravel()]
    value, key = rows.ravel()[order], keys[order].reshape(rows.shape)
    first = np.ones(rows.shape, dtype=bool)
    np.not_equal(key[:, 1:], key[:, :-1], out=first[:, 1:])
    start = np.flatnonzero(first)
    size = np.diff(start, append=first.size)
    span = value[start + size - 1] - value[start]
    gap = np.empty_like(value)
    gap[1:-1] = value[2:] - value[:-2]
    gap /= np.repeat(np.where(span > 0, span, 1.0), size)
    gap[start] = gap[start + size - 1] = np.inf
    gap[np.repeat(span <= 0, size)] = 0.0
    gap[np.repeat(size <= 2, size)] = np.inf
    spread = np.empty_like(gap)
    spread[order] = gap
    total: _Floats = np.zeros((b, n))
    for j in range(m):
        total += spread.reshape(b, m, n)[:, j]
    return total


def _stable_order(rows: _Floats) -> _Ints:
    """The stable order of each row; only rows with equal values are sorted stably, which is slower."""
    order = np.argsort(rows, axis=1)
    value = np.take_along_axis(rows, order, axis=1)
    tied = (value[:, 1:] == value[:, :-1]).any(axis=1)
    order[tied] = np.argsort(rows[tied], axis=1, kind="stable")
    return order


def _points(f: Tensor, *, who: str) -> _Floats:
    if f.ndim < 2 or f.shape[-1] == 0:
        raise ShapeError(f"{who}: expected objective values of shape (..., n, m >= 1), got {tuple(f.shape)}.")
    values: _Floats = f.detach().to(device="cpu", dtype=torch.float64).numpy()
    if not np.isfinite(values).all():
        bad = int((~np.isfinite(values)).sum())
        raise ConfigError(f"{who}: every objective value must be finite, got {bad} that are NaN or infinite.")
    return values


def _matrix(f: Tensor, *, who: str) -> _Floats:
    if f.ndim != 2:
        raise ShapeError(f"{who}: expected objective values of shape (n, m), got {tuple(f.shape)}.")
    return _points(f, who=who)


def _volume(values: _Floats, corner: _Floats) -> float:
    inside = values[(values < corner).all(axis=1)]
    return float(_moocore().hypervolume(inside, ref=corner)) if len(inside) else 0.0


def _point(reference: Tensor, *, m: int) -> _Floats:
    corner: _Floats = reference.detach().to(device="cpu", dtype=torch.float64).numpy()
    if corner.shape != (m,):
        raise ShapeError(
            f"hypervolume: expected a reference point of {m} numbers, one an objective, "
            f"got shape {tuple(reference.shape)}."
        )
    if not np.isfinite(corner).all():
        raise ConfigError(f"hypervolume: the reference point must be finite, got {corner.tolist()}.")
    return corner


def _moocore() -> Any:  # Any: moocore ships no types
    import moocore

    return moocore
