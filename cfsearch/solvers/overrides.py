"""Algorithms of pymoo with single methods replaced, each for a reason that its class gives.

The common ones: speed (values of a population gathered once), constraints where pymoo has
none, and random numbers where pymoo draws from the operating system instead of the seed.
"""

from typing import Any, final

import numpy as np
import torch
from pymoo.algorithms.moo.cmopso import CMOPSO
from pymoo.algorithms.moo.gde3 import GDE3
from pymoo.algorithms.moo.moead import ParallelMOEAD
from pymoo.algorithms.moo.mopso_cd import MOPSO_CD
from pymoo.core.population import Population
from pymoo.util.archive import (
    MultiObjectiveArchive,
    Truncation,
    VoidArchive,
)

from cfsearch.numerics import pareto

from .parts import Floats, Ints, Mask, applied, candidates, objectives, variables, violations
from .strength import StrengthSurvival


@final
class Gde3(GDE3):  # type: ignore[misc]  # pymoo ships no types
    """GDE3 with the comparison of each trial to its parent on arrays."""

    pop: Any  # Any: a pymoo population

    def _advance(self, infills: Any = None, **_: Any) -> None:  # Any: a pymoo population
        wins, loses = _compared(infills, self.pop)
        merged = Population.merge(self.pop[~wins], infills[~loses])
        self.pop = self.survival.do(
            self.problem, merged, n_survive=self.n_offsprings, random_state=self.random_state
        )


@final
class Moead(ParallelMOEAD):  # type: ignore[misc]  # pymoo ships no types
    """MOEA/D with a whole generation at a time, constraints, and objectives scaled to [0, 1].

    pymoo's refuses constraints and compares raw objectives, among which the one of the largest
    unit wins; the scaling is the one of the paper (section V.F). A neighbour is replaced by a
    child that breaks the constraints less, or as little with a better weighted value.
    """

    ideal: Floats
    neighbors: Ints

    def _setup(self, problem: Any, **_: Any) -> None:  # Any: pymoo's problem
        gap = ((self.ref_dirs[:, None] - self.ref_dirs[None]) ** 2).sum(-1)
        self.neighbors = np.argsort(gap, axis=1, kind="stable")[:, : self.n_neighbors]
        self.pop_size = len(self.ref_dirs)

    def _infill(self) -> Any:  # Any: a pymoo population
        rng, x = self.random_state, variables(self.pop)
        n, near = len(x), self.neighbors.shape[1]
        self.indices = rng.permutation(n)
        local = rng.random(n) < float(self.selection.prob.value)
        places = np.argpartition(rng.random((n, near)), 1, axis=1)[:, :2]
        inside = np.take_along_axis(self.neighbors[self.indices], places, axis=1)
        outside = np.argpartition(rng.random((n, n)), 1, axis=1)[:, :2]
        parents = np.where(local[:, None], inside, outside)
        crossover, mutation = self.mating.crossover, self.mating.mutation
        pair = applied(crossover, self.problem, x[parents.T], random_state=rng)
        child = pair[rng.integers(len(pair), size=n), np.arange(n)]
        crossed = rng.random(n) < float(crossover.prob.value)
        child = np.where(crossed[:, None], child, x[self.indices])
        return candidates(applied(mutation, self.problem, child, random_state=rng))

    def _advance(self, infills: Any = None, **_: Any) -> None:  # Any: a pymoo population
        f, cv = objectives(self.pop), violations(self.pop)
        new_f, new_cv = objectives(infills), violations(infills)
        self.ideal = np.minimum(self.ideal, new_f.min(axis=0))
        span = np.maximum(f.max(axis=0) - self.ideal, 1e-12)
        f, new_f = (f - self.ideal) / span, (new_f - self.ideal) / span
        length = np.linalg.norm(self.ref_dirs, axis=1)
        for j, k in enumerate(self.indices):
            around = self.neighbors[k]
            weights = self.ref_dirs[around]
            old = _weighted(f[around], weights, length[around])
            new = _weighted(new_f[j][None], weights, length[around])
            better = np.where(cv[around] == new_cv[j], new < old, new_cv[j] < cv[around])
            replaced = around[better]
            f[replaced], cv[replaced] = new_f[j], new_cv[j]
            self.pop[replaced] = infills[j]


@final
class Cmopso(CMOPSO):  # type: ignore[misc]  # pymoo ships no types
    """CMOPSO on arrays; its archive is truncated with the algorithm's own random numbers."""

    def _setup(self, problem: Any, **kwargs: Any) -> None:  # Any: pymoo's problem
        super()._setup(problem, **kwargs)
        self.survival = StrengthSurvival(normalize=False)
        self.elites = MultiObjectiveArchive(
            truncation=_ByCrowding(self.random_state), max_size=self.pop_size, truncate_size=self.elite_size
        )

    def _infill(self) -> Any:  # Any: a pymoo population
        rng, x = self.random_state, variables(self.pop)
        speed = np.array([individual.data["V"] for individual in self.pop])
        elites = variables(self.elites)
        one, two = rng.integers(len(elites), size=(2, len(x)))
        nearer = _cosine(elites[one], x) >= _cosine(elites[two], x)
        goal = elites[np.where(nearer, one, two)]
        r1, r2 = rng.random((2, *x.shape))
        speed = np.clip(r1 * speed + r2 * (goal - x), -self.V_max, self.V_max)
        moved = x + speed
        low, high = self.problem.bounds()
        mutants = applied(self.mutation, self.problem, np.clip(moved, low, high), random_state=rng)
        changed = rng.random(len(x)) <= float(self.mutation.prob.value)
        swarm = candidates(np.clip(np.where(changed[:, None], mutants, moved), low, high))
        for individual, own in zip(swarm, speed, strict=True):
            individual.data["V"] = own
        return swarm


@final
class MopsoCd(MOPSO_CD):  # type: ignore[misc]  # pymoo ships no types
    """MOPSO-CD as published, on arrays and with constraints.

    pymoo's has no mutation, lets a particle stay at its first own best unless that is
    dominated, keeps its speed at a bound, does not look at constraints, and draws from the
    operating system whom the archive drops, so that no seed repeats a run. Without the first
    three it loses to random search on three objectives.

    Args:
        mutation_rate: the larger, the longer particles are mutated; 0 is never.
    """

    velocities: Floats

    def __init__(self, *, mutation_rate: float, **kwargs: Any) -> None:  # Any: settings of pymoo
        super().__init__(**kwargs)
        self.mutation_rate = mutation_rate

    def _infill(self) -> Any:  # Any: a pymoo population
        rng, x = self.random_state, variables(self.pop)
        leaders = variables(self.archive)
        wide = pareto.crowding(torch.from_numpy(objectives(self.archive))).numpy()
        one, two = rng.integers(len(leaders), size=(2, len(x)))
        goal = leaders[np.where(wide[one] >= wide[two], one, two)]
        r1, r2 = rng.random((2, *x.shape))
        pull = self.c1 * r1 * (variables(self.pbest) - x) + self.c2 * r2 * (goal - x)
        speed = np.clip(self.w * self.velocities + pull, -self.v_max, self.v_max)
        low, high = self.problem.bounds()
        moved = x + speed
        self.velocities = np.where((moved < low) | (moved > high), -speed, speed)
        return candidates(self._mutated(np.clip(moved, low, high)))

    def _mutated(self, x: Floats) -> Floats:
        """Fewer and fewer particles, each in one variable and less and less far."""
        if self.mutation_rate <= 0:
            return x
        rng, (low, high) = self.random_state, self.problem.bounds()
        left = max(0.0, 1.0 - (self.n_iter - 1) / self.termination.n_max_gen)
        share = left ** (5.0 / self.mutation_rate)
        row = np.flatnonzero(rng.random(len(x)) < share)
        column = rng.integers(x.shape[1], size=len(row))
        reach = share * (high - low)[column]
        bottom = np.maximum(x[row, column] - reach, low[column])
        top = np.minimum(x[row, column] + reach, high[column])
        x[row, column] = bottom + rng.random(len(row)) * (top - bottom)
        return x

    def _update_archive(self, pop: Any) -> Any:  # Any: a pymoo population
        merged = Population.merge(self.archive, pop) if len(self.archive) else pop
        keep = pareto.truncated(
            torch.from_numpy(objectives(merged)), torch.from_numpy(violations(merged)), self.archive_size
        )
        return VoidArchive(individuals=list(merged[keep.numpy()]))

    def _update_pbest(self, new_pop: Any) -> None:  # Any: a pymoo population
        _, loses = _compared(new_pop, self.pbest)
        self.pbest[~loses] = new_pop[~loses]


@final
class _ByCrowding(Truncation):  # type: ignore[misc]  # pymoo ships no types
    """Keeps the winners of tournaments of three on crowding."""

    def __init__(self, random_state: Any) -> None:  # Any: numpy's generator, as pymoo has it
        self.random_state = random_state

    def __call__(self, sols: Any, k: int) -> Any:  # Any: a pymoo population
        wide = pareto.crowding(torch.from_numpy(objectives(sols))).numpy()
        left = list(range(len(sols)))
        kept: list[int] = []
        while len(kept) < k and left:
            drawn = self.random_state.choice(left, size=min(3, len(left)), replace=False)
            best = int(drawn[np.argmax(wide[drawn])])
            kept.append(best)
            left.remove(best)
        return sols[kept]


def _compared(new: Any, old: Any) -> tuple[Mask, Mask]:  # Any: pymoo populations
    """Which new ones dominate their old ones, and which are dominated; constraints first."""
    f, g = objectives(new), objectives(old)
    broken = violations(new) - violations(old)
    wins = (f < g).any(1) & (f <= g).all(1)
    loses = (g < f).any(1) & (g <= f).all(1)
    return np.where(broken == 0, wins, broken < 0), np.where(broken == 0, loses, broken > 0)


def _weighted(f: Floats, weights: Floats, length: Floats) -> Floats:
    """Tchebycheff for two objectives, penalty boundary intersection for more (as pymoo)."""
    if f.shape[1] <= 2:
        value: Floats = (f * weights).max(axis=1)
        return value
    along = (f * weights).sum(axis=1) / length
    aside = f - along[:, None] * weights / length[:, None]
    value = along + 5.0 * np.sqrt((aside**2).sum(axis=1))
    return value


def _cosine(a: Floats, b: Floats) -> Floats:
    size = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    cosine: Floats = (a * b).sum(axis=1) / np.maximum(size, 1e-12)
    return cosine
