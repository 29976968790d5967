"""Genetic algorithms of pymoo by name: SPEA2 and NSGA-III."""

from dataclasses import dataclass
from typing import Any, ClassVar, final

from .genetic import check_etas, check_rates
from .pymoo import PymooSolver, Setting


@dataclass(kw_only=True, eq=False)
class GeneticSolver(PymooSolver):
    """Simulated binary crossover and polynomial mutation, as pymoo has them.

    Args:
        population: candidates a query and generation, at least 1.
        crossover_probability: share of pairs that are crossed, 0 to 1.
        crossover_eta: the larger, the nearer children are to their parents, > 0.
        mutation_probability: share of children that are mutated, 0 to 1; each of their
            variables with probability 1 / d.
        mutation_eta: the larger, the smaller the mutations, > 0.

    Raises:
        ConfigError: a setting outside its range.

    References:
        Deb and Agrawal 1995, Simulated binary crossover for continuous search space.
    """

    crossover_probability: float = 0.9
    crossover_eta: float = 15.0
    mutation_probability: float = 0.9
    mutation_eta: float = 20.0

    def __post_init__(self) -> None:
        PymooSolver.__post_init__(self)
        check_rates(self.name, crossover=self.crossover_probability, mutation=self.mutation_probability)
        check_etas(self.name, crossover=self.crossover_eta, mutation=self.mutation_eta)

    def crossover(self, *, children: int = 2) -> Any:  # Any: pymoo's operators have no types
        """The crossover operator."""
        from pymoo.operators.crossover.sbx import SBX

        return SBX(prob=self.crossover_probability, eta=self.crossover_eta, n_offsprings=children)

    def mutation(self) -> Any:  # Any: pymoo's operators have no types
        """The mutation operator."""
        from pymoo.operators.mutation.pm import PM

        return PM(prob=self.mutation_probability, eta=self.mutation_eta)

    def mating(self, selection: Any, *, children: int = 2) -> Any:  # Any: pymoo's operators have no types
        """Selection, crossover and mutation in one."""
        from ._parts import Mating

        return Mating(
            selection=selection, crossover=self.crossover(children=children), mutation=self.mutation()
        )


@final
@dataclass(kw_only=True, eq=False)
class Spea2(GeneticSolver):
    """SPEA2: strength of dominators, and thinning by nearest neighbours.

    Settings as in ``GeneticSolver``.

    References:
        Zitzler et al. 2001, https://doi.org/10.3929/ethz-a-004284029.

    Example:
        >>> import numpy as np
        >>> import torch
        >>> from cfsearch.contracts.space import SearchSpace
        >>> space = SearchSpace(names=("a", "b"), lower=-torch.ones(1, 2), upper=torch.ones(1, 2))
        >>> solver = Spea2(population=4)
        >>> solver.start(space, objectives=2, constrained=False, rngs=[np.random.default_rng(0)], generations=2)
        >>> z = solver.ask()
        >>> tuple(z.shape), bool(space.contains(z).all())
        ((1, 4, 2), True)
    """

    name: ClassVar[str] = "spea2"

    def build(self, setting: Setting) -> Any:  # Any: pymoo's algorithms have no types
        from pymoo.algorithms.moo.spea2 import SPEA2

        from . import _parts
        from ._strength import StrengthSurvival

        return SPEA2(
            pop_size=setting.population,
            survival=StrengthSurvival(),
            eliminate_duplicates=False,
            mating=self.mating(_parts.Tournament(_parts.less_violated, _parts.smaller("SPEA_F"))),
            **setting.common,
        )


@final
@dataclass(kw_only=True, eq=False)
class Nsga3(GeneticSolver):
    """NSGA-III: non-dominated sorting and niches around directions.

    One direction a candidate. Settings as in ``GeneticSolver``.

    References:
        Deb and Jain 2014, https://doi.org/10.1109/TEVC.2013.2281535.

    Example:
        >>> import numpy as np
        >>> import torch
        >>> from cfsearch.contracts.space import SearchSpace
        >>> space = SearchSpace(names=("a", "b"), lower=-torch.ones(1, 2), upper=torch.ones(1, 2))
        >>> solver = Nsga3(population=4)
        >>> solver.start(space, objectives=2, constrained=False, rngs=[np.random.default_rng(0)], generations=2)
        >>> z = solver.ask()
        >>> tuple(z.shape), bool(space.contains(z).all())
        ((1, 4, 2), True)
    """

    name: ClassVar[str] = "nsga3"
    crossover_probability: float = 1.0
    crossover_eta: float = 30.0

    def build(self, setting: Setting) -> Any:  # Any: pymoo's algorithms have no types
        from pymoo.algorithms.moo.nsga3 import NSGA3

        from . import _parts

        return NSGA3(
            setting.directions(),
            pop_size=setting.population,
            eliminate_duplicates=False,
            mating=self.mating(_parts.Tournament(_parts.less_violated)),
            **setting.common,
        )
