"""The survival of SPEA2 on arrays."""

from typing import Any, final

import numpy as np
from pymoo.algorithms.moo.nsga3 import (
    HyperplaneNormalization,
)
from pymoo.core.survival import Survival

from ._parts import Floats, Ints, objectives


@final
class StrengthSurvival(Survival):  # type: ignore[misc]  # pymoo ships no types
    """Fewest and weakest dominators first; too many non-dominated are thinned out.

    The same choice as pymoo's ``SPEA2Survival``, which sorts a whole matrix for each of the
    hundred that it drops, and of which one instance is shared by all algorithms by default.
    Distances are measured in objectives scaled by the hyperplane through the extreme points.

    References:
        Zitzler et al. 2001, https://doi.org/10.3929/ethz-a-004284029.
    """

    def __init__(self) -> None:
        super().__init__(filter_infeasible=True)
        self.norm: Any = None  # Any: pymoo's normalisation

    def _do(
        self, problem: Any, pop: Any, *args: Any, n_survive: int | None = None, **_: Any
    ) -> Any:  # Any: pymoo's objects
        f = objectives(pop)
        n = len(f) if n_survive is None else n_survive
        dominates = (f[:, None] <= f[None]).all(-1) & (f[:, None] < f[None]).any(-1)
        strength = dominates.sum(axis=1)
        raw = (dominates.T * strength).sum(axis=1).astype(float)
        gap = self._distances(f)
        k = min(int(np.sqrt(len(f))), len(f) - 1)
        fitness = raw + 1.0 / (np.partition(gap, k, axis=1)[:, k] + 2.0)
        for individual, value in zip(pop, fitness, strict=True):
            individual.data["SPEA_F"] = float(value)
        front = np.flatnonzero(raw == 0)
        ends = ((self.norm.extreme_points[:, None] - f[front][None]) ** 2).sum(-1).argmin(axis=1)
        for i in front[ends]:
            pop[i].data["SPEA_F"] = -1.0
        if len(front) <= n:
            rest = np.flatnonzero(raw > 0)
            rest = rest[np.argsort(fitness[rest], kind="stable")]
            return pop[np.concatenate([front, rest[: n - len(front)]])]
        return pop[front[thinned(gap[np.ix_(front, front)], n)]]

    def _distances(self, f: Floats) -> Floats:
        if self.norm is None:
            self.norm = HyperplaneNormalization(f.shape[1])
        self.norm.update(f)
        span = self.norm.nadir_point - self.norm.ideal_point
        f = (f - self.norm.ideal_point) / np.where(span > 0, span, 1.0)
        gap: Floats = np.sqrt(((f[:, None] - f[None]) ** 2).sum(-1))
        np.fill_diagonal(gap, np.inf)
        return gap


def thinned(gap: Floats, n: int) -> Ints:
    """Which ``n`` points stay when the one nearest to another is dropped again and again.

    Of points equally near, the one with the nearer second neighbour goes, and so on; of points
    alike in all of these the first.
    """
    gap = gap.copy()
    kept = np.ones(len(gap), dtype=bool)
    nearest = gap.min(axis=1)
    for _ in range(len(gap) - n):
        tied = np.flatnonzero(nearest == nearest.min())
        drop = (
            int(tied[0]) if len(tied) == 1 else int(tied[np.lexsort(np.sort(gap[tied], axis=1).T[::-1])[0]])
        )
        lost = gap[:, drop].copy()
        gap[:, drop] = gap[drop] = np.inf
        kept[drop], nearest[drop] = False, np.inf
        again = kept & (lost == nearest)
        nearest[again] = gap[again].min(axis=1)
    return np.flatnonzero(kept)
