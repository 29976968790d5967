"""Solvers by differential evolution: pymoo's algorithms by name."""

from dataclasses import dataclass
from typing import Any, ClassVar, final

from cfsearch.errors import ConfigError

from .pymoo import PymooSolver, Setting


@dataclass(kw_only=True, eq=False)
class DifferentialSolver(PymooSolver):
    """Trials from differences of other members (rand/1/bin), common to GDE3, NSDE and NSDE-R.

    Args:
        population: candidates a query and generation, at least 1.
        crossover_rate: share of variables taken from the donor, 0 to 1.
        scale: how much of the difference is added, above 0 to 2; when left out it is drawn
            anew from 0 to 1 for each trial.

    Raises:
        ConfigError: a setting outside its range.

    References:
        Storn and Price 1997, https://doi.org/10.1023/A:1008202821328.
    """

    crossover_rate: float = 0.7
    scale: float | None = None

    def __post_init__(self) -> None:
        PymooSolver.__post_init__(self)
        if not 0.0 <= self.crossover_rate <= 1.0:
            raise ConfigError(f"{self.name}: `crossover_rate` must be 0 to 1, got {self.crossover_rate!r}.")
        if self.scale is not None and not 0.0 < self.scale <= 2.0:
            raise ConfigError(f"{self.name}: `scale` must be above 0 and at most 2, got {self.scale!r}.")

    def with_trials(self, algorithm: Any) -> Any:  # Any: pymoo's algorithms have no types
        """The algorithm, with our mating on arrays."""
        from .parts import Differential

        algorithm.mating = Differential(rate=self.crossover_rate, scale=self.scale)
        return algorithm


@final
@dataclass(kw_only=True, eq=False)
class Gde3(DifferentialSolver):
    """GDE3: a trial replaces its parent when it dominates it; where neither does, both stay.

    Settings as in ``DifferentialSolver``.

    References:
        Kukkonen and Lampinen 2005, https://doi.org/10.1109/CEC.2005.1554717.
    """

    name: ClassVar[str] = "gde3"
    crossover_rate: float = 0.5

    def build(self, setting: Setting) -> Any:  # Any: pymoo's algorithms have no types
        from . import overrides, parts

        algorithm = overrides.Gde3(
            pop_size=setting.population, survival=parts.RankAndCrowding(), **setting.common
        )
        return self.with_trials(algorithm)


@final
@dataclass(kw_only=True, eq=False)
class Nsde(DifferentialSolver):
    """NSDE: the survival of NSGA-II with trials of differential evolution.

    Settings as in ``DifferentialSolver``.

    References:
        Iorio and Li 2004, https://doi.org/10.1007/978-3-540-30549-1_74.
    """

    name: ClassVar[str] = "nsde"

    def build(self, setting: Setting) -> Any:  # Any: pymoo's algorithms have no types
        from pymoo.algorithms.moo.nsde import NSDE

        from . import parts

        return self.with_trials(
            NSDE(pop_size=setting.population, survival=parts.RankAndCrowding(), **setting.common)
        )


@final
@dataclass(kw_only=True, eq=False)
class Nsder(DifferentialSolver):
    """NSDE-R: the survival of NSGA-III with trials of differential evolution.

    Settings as in ``DifferentialSolver``.

    References:
        Reddy and Dulikravich 2019, https://doi.org/10.1007/s00158-019-02272-0.
    """

    name: ClassVar[str] = "nsder"

    def build(self, setting: Setting) -> Any:  # Any: pymoo's algorithms have no types
        from pymoo.algorithms.moo.nsder import NSDER

        return self.with_trials(NSDER(setting.directions(), pop_size=setting.population, **setting.common))
