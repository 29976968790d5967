"""SMPSO as an algorithm of pymoo; usable with ``pymoo.optimize.minimize`` as it stands."""

from typing import Any, final

import numpy as np
import torch
from pymoo.core.algorithm import Algorithm
from pymoo.core.initialization import Initialization
from pymoo.core.sampling import Sampling
from pymoo.operators.mutation.pm import mut_pm
from pymoo.operators.sampling.rnd import (
    FloatRandomSampling,
)
from pymoo.util.display.multi import (
    MultiObjectiveOutput,
)

from cfsearch.numerics import pareto

from ._parts import Floats, candidates, objectives, variables, violations


@final
class SMPSO(Algorithm):  # type: ignore[misc]  # pymoo ships no types
    """Speed-constrained particle swarm with a crowding archive of leaders.

    A particle is drawn to its own best and to a leader (binary tournament on crowding). Its
    speed is multiplied by a constriction coefficient and cut to half of each variable's range;
    at a bound the particle stays there and its speed is reversed. Every few particles are
    mutated. All as in jMetal, the authors' implementation, down to the sign of the
    constriction coefficient: ``2 / (2 - c - sqrt(c**2 - 4 c))`` with ``c = c1 + c2 > 4`` is
    negative, so about half of the moves are away from both attractors. That keeps the swarm
    spread: with the sign of Clerc and Kennedy the hypervolume on DTLZ7 is a fifth smaller.

    One thing differs: a generation enters the archive at once and is then thinned one by one,
    where jMetal thins after each particle (0.1 % of the hypervolume on ZDT1).

    Constraints come first: a particle that breaks them less wins, whatever its objectives.

    Args:
        pop_size: particles.
        archive_size: most leaders; the optimum is the archive, not the swarm.
        sampling: where the particles start, at rest.
        mutation_prob: probability for each variable of a mutated particle; 1 / d when left out.
        mutation_eta: the larger, the smaller the mutations.
        mutate_every: 6 mutates the particles 0, 6, 12, ... (the 15 % of the paper).
        inertia: share of the speed that is kept.
        acceleration: range of c1 and c2.
        rebound: factor of the speed at a bound.

    References:
        Nebro et al. 2009, https://doi.org/10.1109/MCDM.2009.4938830.
    """

    def __init__(
        self,
        pop_size: int = 100,
        *,
        archive_size: int = 100,
        sampling: Sampling | None = None,
        mutation_prob: float | None = None,
        mutation_eta: float = 20.0,
        mutate_every: int = 6,
        inertia: float = 0.1,
        acceleration: tuple[float, float] = (1.5, 2.5),
        rebound: float = -1.0,
        **kwargs: Any,  # Any: settings of pymoo's base class
    ) -> None:
        kwargs.setdefault("output", MultiObjectiveOutput())
        super().__init__(**kwargs)
        self.pop_size, self.archive_size = pop_size, archive_size
        self.mutation_prob, self.mutation_eta = mutation_prob, mutation_eta
        self.mutate_every, self.inertia = mutate_every, inertia
        self.acceleration, self.rebound = acceleration, rebound
        self.initialization = Initialization(FloatRandomSampling() if sampling is None else sampling)
        self.leaders: Any = None  # Any: a pymoo population
        self.velocity = self.best_x = self.best_f = np.zeros((0, 0))
        self.best_cv = np.zeros(0)

    def _initialize_infill(self) -> Any:  # Any: a pymoo population
        return self.initialization.do(
            self.problem, self.pop_size, algorithm=self, random_state=self.random_state
        )

    def _initialize_advance(self, infills: Any = None, **_: Any) -> None:  # Any: a pymoo population
        self.best_x, self.best_f, self.best_cv = variables(infills), objectives(infills), violations(infills)
        self.velocity = np.zeros_like(self.best_x)
        self.leaders = infills[:0]
        self._promote(infills)

    def _infill(self) -> Any:  # Any: a pymoo population
        rng, x = self.random_state, variables(self.pop)
        low, high = self.problem.bounds()
        c1, c2 = rng.uniform(*self.acceleration, size=(2, len(x), 1))
        r1, r2 = rng.random((2, len(x), 1))
        speed = constriction(c1 + c2) * (
            self.inertia * self.velocity
            + c1 * r1 * (self.best_x - x)
            + c2 * r2 * (self._leaders_for(len(x)) - x)
        )
        limit = (high - low) / 2.0
        speed = np.clip(speed, -limit, limit)
        moved = x + speed
        self.velocity = np.where((moved < low) | (moved > high), self.rebound * speed, speed)
        moved = np.clip(moved, low, high)
        some = moved[:: self.mutate_every]
        rate = 1.0 / x.shape[1] if self.mutation_prob is None else self.mutation_prob
        moved[:: self.mutate_every] = mut_pm(
            some,
            low,
            high,
            np.full(len(some), self.mutation_eta),
            np.full(len(some), rate),
            at_least_once=False,
            random_state=rng,
        )
        return candidates(moved)

    def _advance(self, infills: Any = None, **_: Any) -> None:  # Any: a pymoo population
        f, cv = objectives(infills), violations(infills)
        lost = (self.best_f <= f).all(1) & (self.best_f < f).any(1)
        lost = np.where(cv == self.best_cv, lost, cv > self.best_cv)
        self.best_x[~lost] = variables(infills)[~lost]
        self.best_f[~lost], self.best_cv[~lost] = f[~lost], cv[~lost]
        self.pop = infills
        self._promote(infills)

    def _promote(self, swarm: Any) -> None:  # Any: a pymoo population
        """Let the particles into the archive, as far as they are good enough."""
        merged: Any = np.concatenate([self.leaders, swarm]).view(type(swarm))  # Any: a pymoo population
        keep = pareto.truncated(
            torch.from_numpy(objectives(merged)),
            torch.from_numpy(violations(merged)),
            self.archive_size,
        )
        self.leaders = merged[keep.numpy()]

    def _leaders_for(self, n: int) -> Floats:
        """For each particle the less crowded of two leaders."""
        x = variables(self.leaders)
        wide = pareto.crowding(torch.from_numpy(objectives(self.leaders))).numpy()
        one = self.random_state.integers(len(x), size=n)
        # a second leader that differs from the first, where there are two
        two = (one + self.random_state.integers(1, max(len(x), 2), size=n)) % len(x)
        chosen: Floats = x[np.where(wide[one] >= wide[two], one, two)]
        return chosen

    def _set_optimum(self) -> None:
        self.opt = self.leaders


def constriction(c: Floats) -> Floats:
    """The coefficient by which speeds shrink: 1 up to ``c = 4``, then negative.

    References:
        Clerc and Kennedy 2002, https://doi.org/10.1109/4235.985692; the sign as in Nebro et al.
    """
    big = np.maximum(c, 4.0)
    shrunk: Floats = np.where(c <= 4.0, 1.0, 2.0 / (2.0 - big - np.sqrt(big**2 - 4.0 * big)))
    return shrunk
