"""GDE3 of pymoo with the comparison of each trial to its parent on arrays."""

from typing import Any, final

import numpy as np
from pymoo.algorithms.moo.gde3 import GDE3
from pymoo.core.population import Population

from ._parts import Mask, objectives, violations


@final
class Gde3(GDE3):  # type: ignore[misc]  # pymoo ships no types
    """GDE3 in which values of a population are gathered once."""

    pop: Any  # Any: a pymoo population

    def _advance(self, infills: Any = None, **_: Any) -> None:  # Any: a pymoo population
        wins, loses = _compared(infills, self.pop)
        merged = Population.merge(self.pop[~wins], infills[~loses])
        self.pop = self.survival.do(
            self.problem, merged, n_survive=self.n_offsprings, random_state=self.random_state
        )


def _compared(new: Any, old: Any) -> tuple[Mask, Mask]:  # Any: pymoo populations
    """Masks of the trials that dominate their parents, and that are dominated; constraints first."""
    f, g = objectives(new), objectives(old)
    excess = violations(new) - violations(old)
    wins = (f < g).any(1) & (f <= g).all(1)
    loses = (g < f).any(1) & (g <= f).all(1)
    return np.where(excess == 0, wins, excess < 0), np.where(excess == 0, loses, excess > 0)
