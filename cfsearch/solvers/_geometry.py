"""Survival of AGE-MOEA-II on arrays, without numba, which pymoo's needs."""

from typing import Any, final

import numpy as np
import torch
from pymoo.core.survival import Survival

from cfsearch.numerics import pareto

from ._parts import Floats, Ints, objectives

_TINY = 1e-8


@final
class GeometrySurvival(Survival):  # type: ignore[misc]  # pymoo ships no types
    """Rank first; within the best front spread and closeness, measured along its own curve.

    The front is taken for a unit sphere of some p-norm, p estimated from the front itself. In
    further fronts the nearest to the ideal point win. As in the papers; pymoo leaves the front
    that is split unsorted when it is not the first, and divides the distance of two points by
    the norm of the wrong one.

    References:
        Panichella 2019, https://doi.org/10.1145/3321707.3321839.
        Panichella 2022, https://doi.org/10.1145/3512290.3528732.
    """

    def __init__(self) -> None:
        super().__init__(filter_infeasible=True)

    def _do(
        self, problem: Any, pop: Any, *args: Any, n_survive: int | None = None, **_: Any
    ) -> Any:  # Any: pymoo's objects
        f = objectives(pop)
        n = len(f) if n_survive is None else n_survive
        rank = pareto.ranks(torch.from_numpy(f)).numpy()
        first = rank == 0
        ideal = f[first].min(axis=0)
        score = np.zeros(len(f))
        score[first], p, scale = self._first_front(f[first], ideal)
        far = (np.abs((f[~first] - ideal) / scale) ** p).sum(axis=1) ** (1.0 / p)
        score[~first] = 1.0 / np.maximum(far, _TINY)
        for individual, own_rank, own_score in zip(pop, rank, score, strict=True):
            individual.data["rank"], individual.data["crowding"] = int(own_rank), float(own_score)
        return pop[np.lexsort((-score, rank))[:n]]

    def _first_front(self, f: Floats, ideal: Floats) -> tuple[Floats, float, Floats]:
        """Score of each point, p, and the scale of each objective."""
        count, m = f.shape
        if count < m:
            scale = f.max(axis=0) - ideal
            return np.zeros(count), 1.0, np.where(scale > 0, scale, 1.0)
        f = np.round(f, 12) - ideal
        corners = _corners(f)
        scale = _intercepts(f, corners)
        f = f / scale
        p = _newton(f, corners)
        size = (np.abs(f) ** p).sum(axis=1) ** (1.0 / p)
        size[size < _TINY] = 1.0
        gap = _along(f, p)
        gap = np.maximum(gap, _TINY) / size[:, None]
        return _spread(gap, corners), p, scale


def _spread(gap: Floats, corners: Ints) -> Floats:
    """Score of the points in the order in which a greedy choice of the loneliest takes them."""
    score = np.zeros(len(gap))
    score[corners] = np.inf
    left = np.ones(len(gap), dtype=bool)
    left[corners] = False
    chosen = np.unique(corners)
    near = np.sort(gap[:, chosen], axis=1)
    one = near[:, 0]
    two = near[:, 1] if near.shape[1] > 1 else np.full(len(gap), np.inf)
    for _ in range(int(left.sum())):
        lonely = np.where(np.isfinite(two), one + two, one)
        best = int(np.where(left, lonely, -np.inf).argmax())
        score[best], left[best] = lonely[best], False
        new = gap[:, best]
        two = np.minimum(two, np.maximum(one, new))
        one = np.minimum(one, new)
    return score


def _corners(f: Floats) -> Ints:
    """For each objective the point nearest to its axis, each point once."""
    count, m = f.shape
    if count <= m:
        return np.arange(count)
    corners, free = [], np.ones(count, dtype=bool)
    for axis in 1e-6 + np.eye(m):
        along = (f @ axis) / (axis @ axis)
        off = ((f - along[:, None] * axis) ** 2).sum(axis=1)
        corners.append(int(np.where(free, off, np.inf).argmin()))
        free[corners[-1]] = False
    return np.array(corners)


def _intercepts(f: Floats, corners: Ints) -> Floats:
    """Where the hyperplane through the corners cuts the axes; the range where it does not."""
    widest = f.max(axis=0)
    fallback: Floats = np.where(widest > 0, widest, 1.0)
    try:
        plane = np.linalg.solve(f[corners], np.ones(f.shape[1]))
    except np.linalg.LinAlgError:
        return fallback
    if not (np.isfinite(plane).all() and (plane > 0).all()):
        return fallback
    cut: Floats = np.reciprocal(plane)
    return cut if np.isfinite(cut).all() else fallback


def _newton(f: Floats, corners: Ints) -> float:
    """The p-norm of which the point nearest to the ideal point is a unit."""
    off = np.sqrt((f**2).sum(axis=1))
    off[corners] = np.inf
    point = f[int(off.argmin())]
    log = np.log(point[point > 0] + 1e-10)
    p = 1.0
    for _ in range(100):
        with np.errstate(all="ignore"):
            power = np.exp(p * log)
            slope = float((power * log).sum() / power.sum()) if len(log) else 0.0
            value = float(np.log(power.sum())) if len(log) else 0.0
        if slope == 0.0 or not (np.isfinite(slope) and np.isfinite(value)):
            return 1.0
        step = value / slope
        p -= step
        if abs(step) <= 1e-3:
            break
    return 1.0 if not np.isfinite(p) or p <= 0.1 else min(p, 20.0)


def _along(f: Floats, p: float) -> Floats:
    """Distance of points projected on the manifold, by way of their projected midpoint."""
    on = _projected(f, p)
    if 0.95 < p < 1.05:
        gap: Floats = np.sqrt(((on[:, None] - on[None]) ** 2).sum(-1))
        return gap
    middle = _projected(0.5 * on[:, None] + 0.5 * on[None], p)
    half: Floats = np.sqrt(((on[:, None] - middle) ** 2).sum(-1))
    gap = half + half.T
    np.fill_diagonal(gap, 0.0)
    return gap


def _projected(f: Floats, p: float) -> Floats:
    size = (np.maximum(f, 0.0) ** p).sum(-1, keepdims=True) ** (1.0 / p)
    projected: Floats = f / np.where(size > 0, size, 1.0)
    return projected
