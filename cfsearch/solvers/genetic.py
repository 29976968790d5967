"""Evolutionary solvers that sort by dominance: pymoo's algorithms by name."""

from dataclasses import dataclass
from typing import Any, ClassVar, final

from .pymoo import PymooSolver, Setting


@final
@dataclass(kw_only=True, eq=False)
class Nsga2(PymooSolver):
    """NSGA-II: non-dominated sorting, crowding distance.

    Args:
        population: candidates a query and generation, at least 1.
        crossover_probability: share of pairs that are crossed (simulated binary), 0 to 1.
        crossover_eta: the larger, the nearer children are to their parents, > 1.
        mutation_probability: share of children that are mutated (polynomial), 0 to 1; each of
            their variables with probability 1 / d.
        mutation_eta: the larger, the smaller the mutations, 1 to 100.

    References:
        Deb et al. 2002, https://doi.org/10.1109/4235.996017.
    """

    name: ClassVar[str] = "nsga2"
    crossover_probability: float = 0.9
    crossover_eta: float = 15.0
    mutation_probability: float = 0.9
    mutation_eta: float = 20.0

    def build(self, setting: Setting) -> Any:  # Any: pymoo's algorithms have no types
        """A fresh algorithm of pymoo."""
        from pymoo.algorithms.moo.nsga2 import NSGA2  # type: ignore[import-untyped]  # no types
        from pymoo.operators.crossover.sbx import SBX  # type: ignore[import-untyped]  # no types
        from pymoo.operators.mutation.pm import PM  # type: ignore[import-untyped]  # no types

        from . import parts

        return NSGA2(
            pop_size=setting.population,
            survival=parts.RankAndCrowding(),
            eliminate_duplicates=False,
            mating=parts.Mating(
                selection=parts.Tournament(
                    parts.less_violated, parts.dominating, parts.larger("crowding")
                ),
                crossover=SBX(prob=self.crossover_probability, eta=self.crossover_eta),
                mutation=PM(prob=self.mutation_probability, eta=self.mutation_eta),
            ),
            **setting.common,
        )


@final
@dataclass(kw_only=True, eq=False)
class Gde3(PymooSolver):
    """GDE3: differential evolution; a trial replaces its parent when it is better.

    Args:
        population: candidates a query and generation, at least 1.
        crossover_rate: share of variables taken from the donor, 0 to 1.
        scale: how much of the difference is added, 0 to 2; when left out it is drawn anew from
            0 to 1 for each trial.

    References:
        Kukkonen and Lampinen 2005, https://doi.org/10.1109/CEC.2005.1554717.
    """

    name: ClassVar[str] = "gde3"
    crossover_rate: float = 0.5
    scale: float | None = None

    def build(self, setting: Setting) -> Any:  # Any: pymoo's algorithms have no types
        """A fresh algorithm of pymoo."""
        from . import parts

        algorithm = parts.Gde3(
            pop_size=setting.population, survival=parts.RankAndCrowding(), **setting.common
        )
        algorithm.mating = parts.Differential(rate=self.crossover_rate, scale=self.scale)
        return algorithm
