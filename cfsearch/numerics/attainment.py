"""Empirical attainment functions of two groups of fronts, and permutation tests of their difference.

A front attains a goal where one of its points is nowhere worse than the goal. The attainment function of a
group of fronts is the share of its fronts that attain each goal; of one group against another it shows *where*
in objective space the fronts differ, which no mean of them does. Every objective is minimised.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cfsearch.errors import ShapeError

from .intervals import Interval, mean_difference
from .pareto import hypervolume

_Floats = npt.NDArray[np.float64]

PERMUTATIONS: Final = 9999
_RESAMPLES: Final = 999
_MOST_GOALS: Final = 1024
_PIECE: Final = 500
_ROOM: Final = 1.05
"""The reference point lies so far out, as a share of the range of each objective."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class AttainmentDifference:
    """How the fronts of a first group differ from those of a second.

    Args:
        gap: largest difference of the two attainment functions over all goals, its size, with an interval that
            holds for all goals at once.
        goal: where that is.
        first: share of the first group's fronts that attain this goal.
        second: share of the second group's.
        p_gap: p-value of both groups' fronts coming from one distribution, by the largest difference.
        volumes: mean hypervolume of each group, as a share of the box between the best and the worst points.
        volume: difference of these means.
        p_volume: p-value of the means being equal.

    Shapes:
        ``goal`` ``(m,)``.

    Example:
        >>> found = compare_fronts([torch.tensor([[0.0, 1.0]])] * 5, [torch.tensor([[1.0, 0.0]])] * 5)
        >>> found.goal.tolist(), found.first, found.second
        ([0.0, 1.0], 1.0, 0.0)
    """

    gap: Interval
    goal: Float[Tensor, " m"]
    first: float
    second: float
    p_gap: float
    volumes: tuple[float, float]
    volume: Interval
    p_volume: float


def attained(fronts: Sequence[Float[Tensor, "_ m"]], goals: Float[Tensor, "g m"]) -> Bool[Tensor, "n g"]:
    """Which front attains which goal; a front without points attains none.

    Args:
        fronts: the points of each front.
        goals: points of objective space.

    Raises:
        ShapeError: a front and the goals differ in how many objectives they have.

    References:
        Grunert da Fonseca, Fonseca and Hall 2001, Inferential performance assessment of stochastic optimisers
        and the attainment function, https://doi.org/10.1007/3-540-44719-9_15.

    Example:
        >>> front = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
        >>> attained([front], torch.tensor([[1.0, 1.0], [0.5, 0.5]])).tolist()
        [[True, False]]
    """
    out = torch.zeros(len(fronts), len(goals), dtype=torch.bool)
    for i, front in enumerate(fronts):
        if front.ndim != 2 or front.shape[1] != goals.shape[1]:
            raise ShapeError(
                f"attained: expected fronts of {goals.shape[1]} objectives as the goals have, got {tuple(front.shape)}."
            )
        if len(front):
            out[i] = (front[:, None] <= goals).all(-1).any(0)
    return out


def lattice(points: Float[Tensor, "k m"], *, most: int = _MOST_GOALS) -> Float[Tensor, "g m"]:
    """Goals for a comparison: every combination of quantiles of each objective.

    Args:
        points: of all fronts together.
        most: goals at most.

    Raises:
        ShapeError: there are no points.

    Example:
        >>> lattice(torch.tensor([[0.0], [1.0], [2.0]]), most=3).flatten().tolist()
        [0.0, 1.0, 2.0]
    """
    if points.ndim != 2 or not len(points) or not points.shape[1]:
        raise ShapeError(f"lattice: expected points of one objective at least, got {tuple(points.shape)}.")
    each = max(2, int(most ** (1 / points.shape[1]) + 1e-9))
    levels = [levels_of(column, count=each) for column in points.double().T]
    goals: Tensor = torch.cartesian_prod(*levels).reshape(-1, points.shape[1])
    return goals


def levels_of(values: Float[Tensor, " k"], *, count: int) -> Float[Tensor, " g"]:
    """Values that occur, spread evenly over their ranks, without repetition, in rising order.

    Args:
        values: of one objective.
        count: how many at most.

    Example:
        >>> levels_of(torch.tensor([3.0, 1.0, 1.0, 2.0]), count=5).tolist()
        [1.0, 2.0, 3.0]
    """
    column = values.double().cpu().numpy()
    known = np.unique(column)
    if len(known) > count:
        # by rank among all values, so that there are more levels where there are more points
        known = np.unique(np.quantile(column, np.linspace(0, 1, count), method="nearest"))
    return torch.from_numpy(known)


def compare_fronts(
    first: Sequence[Float[Tensor, "_ m"]],
    second: Sequence[Float[Tensor, "_ m"]],
    *,
    seed: int = 0,
    permutations: int = PERMUTATIONS,
) -> AttainmentDifference | None:
    """Compare the fronts of two groups by attainment and by hypervolume.

    Both p-values are of permutation tests, in which the fronts of both groups are dealt out anew: of the largest
    difference of the attainment functions over a lattice of goals (as Kolmogorov and Smirnov's test for one
    objective), and of the difference of mean hypervolumes over its standard error. The goals and the box are made
    from all points together, so that both are exact where the groups are exchangeable, whatever their sizes; the
    second keeps its level in large samples where the groups differ, but not in their mean. A front without
    points counts: it attains nothing.

    Args:
        first: the fronts of the first group, smaller is better; fronts without points have shape ``(0, m)``.
        second: those of the second group.
        seed: decides permutations and resamples.
        permutations: how many.

    Returns:
        None where a group has no front, or no front has a point.

    References:
        Fonseca, Grunert da Fonseca and Paquete 2005, Exploring the performance of stochastic multiobjective
        optimisers with the second-order attainment function, https://doi.org/10.1007/978-3-540-31880-4_18;
        Janssen 1997, Studentized permutation tests for non-i.i.d. hypotheses,
        https://doi.org/10.1016/S0167-7152(97)00043-6; Phipson and Smyth 2010, Permutation p-values should
        never be zero, https://doi.org/10.2202/1544-6115.1585.

    Example:
        >>> near = [torch.tensor([[0.1 + 0.01 * i, 0.2]]) for i in range(12)]
        >>> far = [torch.tensor([[0.8 + 0.01 * i, 0.9]]) for i in range(12)]
        >>> found = compare_fronts(near, far)
        >>> found.gap.value, found.first, found.second, found.p_gap < 0.001
        (1.0, 1.0, 0.0, True)
    """
    fronts = [*first, *second]
    if not first or not second or not any(len(front) for front in fronts):
        return None
    points = torch.cat([front.double() for front in fronts if len(front)])
    low, span = points.amin(0), points.amax(0) - points.amin(0)
    kept = span > 0
    if not bool(kept.any()):  # all points are one: what is left is how many fronts have it
        kept = torch.arange(len(span)) == 0
    low, span = low[kept], torch.where(span[kept] > 0, span[kept], 1.0)
    scaled = [(front.double().reshape(-1, len(kept))[:, kept] - low) / span for front in fronts]
    goals = lattice(torch.cat(scaled))
    hits = attained(scaled, goals).numpy()
    volumes = np.array([_volume(front) for front in scaled])
    sizes = (len(first), len(second))
    shares = hits[: sizes[0]].mean(0), hits[sizes[0] :].mean(0)
    differences = shares[0] - shares[1]
    worst = int(np.abs(differences).argmax())
    size = float(abs(differences[worst]))
    width = _band(hits, differences, sizes=sizes, seed=seed)
    p_gap, p_volume = _permuted(hits, volumes, sizes=sizes, seed=seed, permutations=permutations)
    volume = mean_difference(
        torch.from_numpy(volumes[: sizes[0]]), torch.from_numpy(volumes[sizes[0] :]), seed=seed
    )
    if volume is None:
        return None
    goal = points.amax(0).clone()
    goal[kept] = goals[worst] * span + low
    return AttainmentDifference(
        gap=Interval(size, max(0.0, size - width), min(1.0, size + width)),
        goal=goal,
        first=float(shares[0][worst]),
        second=float(shares[1][worst]),
        p_gap=p_gap,
        volumes=(float(volumes[: sizes[0]].mean()), float(volumes[sizes[0] :].mean())),
        volume=volume,
        p_volume=p_volume,
    )


def _volume(front: Float[Tensor, "n m"]) -> float:
    m = front.shape[1]
    return hypervolume(front, torch.full((m,), _ROOM, dtype=torch.float64)) / _ROOM**m if len(front) else 0.0


def _band(hits: npt.NDArray[np.bool_], differences: _Floats, *, sizes: tuple[int, int], seed: int) -> float:
    """Half the width of the 95 % band about the difference of the attainment functions, for all goals at once.

    The 95 % quantile of the largest deviation over bootstrap resamples of each group; the largest difference
    lies nowhere further from its estimate than that.
    """
    rng = np.random.default_rng([seed, 1])
    parts = (hits[: sizes[0]].astype(np.float32), hits[sizes[0] :].astype(np.float32))
    most = []
    for begin in range(0, _RESAMPLES, _PIECE):
        count = min(_PIECE, _RESAMPLES - begin)
        again = [
            rng.multinomial(len(part), np.full(len(part), 1 / len(part)), size=count).astype(np.float32)
            @ part
            / len(part)
            for part in parts
        ]
        most.append(np.abs(again[0] - again[1] - differences).max(1))
    return float(np.quantile(np.concatenate(most), 0.95))


def _permuted(
    hits: npt.NDArray[np.bool_],
    volumes: _Floats,
    *,
    sizes: tuple[int, int],
    seed: int,
    permutations: int,
) -> tuple[float, float]:
    """The p-values of the largest difference of attainment and of the difference of mean hypervolumes."""
    rng = np.random.default_rng([seed, 0])
    n = sum(sizes)
    table = hits.astype(np.float32)
    total = table.sum(0)
    seen = _statistics(np.arange(n)[None] < sizes[0], table, total, volumes, sizes)
    larger = np.zeros(2, dtype=int)
    for begin in range(0, permutations, _PIECE):
        count = min(_PIECE, permutations - begin)
        order = rng.random((count, n)).argsort(1)
        dealt = _statistics(order < sizes[0], table, total, volumes, sizes)
        for i in range(2):
            larger[i] += int((dealt[i] >= seen[i] - 1e-6).sum())
    p = (1 + larger) / (1 + permutations)
    return float(p[0]), float(p[1])


def _statistics(
    chosen: npt.NDArray[np.bool_],
    table: npt.NDArray[np.float32],
    total: npt.NDArray[np.float32],
    volumes: _Floats,
    sizes: tuple[int, int],
) -> tuple[_Floats, _Floats]:
    """Of each way to deal: the largest difference of attainment, and that of mean volumes over its standard error."""
    n, m = sizes
    inside = chosen.astype(np.float32) @ table
    gap = np.abs(inside / n - (total - inside) / m).max(1).astype(np.float64)
    weights = chosen.astype(np.float64)
    sums = weights @ volumes, volumes.sum() - weights @ volumes
    squares = weights @ volumes**2, (volumes**2).sum() - weights @ volumes**2
    means = sums[0] / n, sums[1] / m
    variances = [
        np.maximum(square / size - mean**2, 0.0) / max(size - 1, 1)
        for square, size, mean in zip(squares, sizes, means, strict=True)
    ]
    difference = np.abs(means[0] - means[1])
    error = np.sqrt(variances[0] + variances[1])
    with np.errstate(divide="ignore", invalid="ignore"):
        studentised = np.where(error > 1e-12, difference / error, np.where(difference > 1e-12, np.inf, 0.0))
    return gap, studentised
