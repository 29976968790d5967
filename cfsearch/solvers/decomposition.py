"""Solvers that steer by reference directions: pymoo's algorithms by name."""

from dataclasses import dataclass
from typing import Any, ClassVar, final

from cfsearch.errors import ConfigError

from .genetic import GeneticSolver
from .pymoo import Setting


@final
@dataclass(kw_only=True, eq=False)
class Nsga3(GeneticSolver):
    """NSGA-III: non-dominated sorting and niches around directions.

    One direction a candidate. Settings as in ``GeneticSolver``.

    References:
        Deb and Jain 2014, https://doi.org/10.1109/TEVC.2013.2281535.
    """

    name: ClassVar[str] = "nsga3"
    crossover_probability: float = 1.0
    crossover_eta: float = 30.0

    def build(self, setting: Setting) -> Any:  # Any: pymoo's algorithms have no types
        from pymoo.algorithms.moo.nsga3 import NSGA3

        from . import parts

        return NSGA3(
            setting.directions(),
            pop_size=setting.population,
            eliminate_duplicates=False,
            mating=self.mating(parts.Tournament(parts.less_violated)),
            **setting.common,
        )


@final
@dataclass(kw_only=True, eq=False)
class Unsga3(GeneticSolver):
    """U-NSGA-III: as NSGA-III, with tournaments within a niche.

    One direction a candidate. Settings as in ``GeneticSolver``.

    References:
        Seada and Deb 2016, https://doi.org/10.1109/TEVC.2015.2459718.
    """

    name: ClassVar[str] = "unsga3"
    crossover_probability: float = 1.0
    crossover_eta: float = 30.0

    def build(self, setting: Setting) -> Any:  # Any: pymoo's algorithms have no types
        from pymoo.algorithms.moo.unsga3 import UNSGA3

        from . import parts

        return UNSGA3(
            setting.directions(),
            pop_size=setting.population,
            eliminate_duplicates=False,
            mating=self.mating(parts.Tournament(parts.less_violated, parts.nearer_in_niche)),
            **setting.common,
        )


@final
@dataclass(kw_only=True, eq=False)
class Moead(GeneticSolver):
    """MOEA/D, a generation at a time: each direction a problem, solved with its neighbours.

    Objectives are scaled to [0, 1], and constraints come first; pymoo's does neither.

    Args:
        neighbours: how many directions share children, at least 2.
        near_probability: share of pairs that come from the neighbourhood, 0 to 1.

    Further settings as in ``GeneticSolver``.

    References:
        Zhang and Li 2007, https://doi.org/10.1109/TEVC.2007.892759.
    """

    name: ClassVar[str] = "moead"
    crossover_probability: float = 1.0
    crossover_eta: float = 20.0
    neighbours: int = 20
    near_probability: float = 0.9

    def __post_init__(self) -> None:
        GeneticSolver.__post_init__(self)
        if self.neighbours < 2 or not 0.0 <= self.near_probability <= 1.0:
            raise ConfigError(
                f"moead: `neighbours` must be at least 2 and `near_probability` 0 to 1, got "
                f"{self.neighbours!r} and {self.near_probability!r}."
            )

    def build(self, setting: Setting) -> Any:  # Any: pymoo's algorithms have no types
        from . import overrides

        return overrides.Moead(
            setting.directions(),
            n_neighbors=min(self.neighbours, setting.population),
            prob_neighbor_mating=self.near_probability,
            crossover=self.crossover(),
            mutation=self.mutation(),
            **setting.common,
        )


@final
@dataclass(kw_only=True, eq=False)
class Rvea(GeneticSolver):
    """RVEA: one survivor a direction, by closeness and an angle that counts more and more.

    Args:
        alpha: how late the angle begins to count, > 0.
        adapt_every: after which share of all generations directions are fitted to the front.

    Further settings as in ``GeneticSolver``.

    References:
        Cheng et al. 2016, https://doi.org/10.1109/TEVC.2016.2519378.
    """

    name: ClassVar[str] = "rvea"
    crossover_probability: float = 1.0
    crossover_eta: float = 30.0
    alpha: float = 2.0
    adapt_every: float = 0.1

    def __post_init__(self) -> None:
        GeneticSolver.__post_init__(self)
        if not (0.0 < self.alpha < float("inf") and 0.0 < self.adapt_every <= 1.0):
            raise ConfigError(
                f"rvea: `alpha` must be > 0 and `adapt_every` above 0 to 1, got {self.alpha!r} "
                f"and {self.adapt_every!r}."
            )

    def build(self, setting: Setting) -> Any:  # Any: pymoo's algorithms have no types
        from pymoo.algorithms.moo.rvea import RVEA

        from . import parts

        return RVEA(
            setting.directions(),
            alpha=self.alpha,
            adapt_freq=self.adapt_every,
            pop_size=setting.population,
            eliminate_duplicates=False,
            mating=self.mating(parts.Tournament()),
            **setting.common,
        )


@final
@dataclass(kw_only=True, eq=False)
class Ctaea(GeneticSolver):
    """C-TAEA: an archive for convergence and one for diversity, made for constraints.

    One direction a candidate. Settings as in ``GeneticSolver``.

    References:
        Li et al. 2019, https://doi.org/10.1109/TEVC.2018.2855411.
    """

    name: ClassVar[str] = "ctaea"
    crossover_probability: float = 1.0
    crossover_eta: float = 30.0

    def build(self, setting: Setting) -> Any:  # Any: pymoo's algorithms have no types
        from pymoo.algorithms.moo.ctaea import (
            CTAEA,
            RestrictedMating,
        )

        from . import parts

        rules = parts.Tournament(parts.less_violated, parts.dominating)
        return CTAEA(
            setting.directions(),
            eliminate_duplicates=False,
            mating=self.mating(RestrictedMating(func_comp=rules.winners), children=1),
            **setting.common,
        )
