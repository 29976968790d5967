"""Particle swarms by name: our SMPSO, and pymoo's CMOPSO and MOPSO-CD."""

from dataclasses import dataclass
from typing import Any, ClassVar, final

from cfsearch.errors import ConfigError

from .pymoo import PymooSolver, Setting


@final
@dataclass(kw_only=True, eq=False)
class Smpso(PymooSolver):
    """SMPSO: a speed-constrained swarm with a crowding archive of leaders.

    The first source paper found it the best of three for counterfactuals, with the defaults
    here and ``mutation_probability = 0.1``.

    Args:
        population: particles a query, at least 1.
        archive: most leaders, at least 1.
        mutation_probability: for each variable of a mutated particle; 1 / d when left out.
        mutation_eta: the larger, the smaller the mutations, 1 to 100.
        mutate_every: every how many particles one is mutated, at least 1.

    References:
        Nebro et al. 2009, https://doi.org/10.1109/MCDM.2009.4938830.
        Barredo-Arrieta and Del Ser 2020, https://arxiv.org/abs/2003.11323.
    """

    name: ClassVar[str] = "smpso"
    novel: ClassVar[bool] = False
    archive: int = 100
    mutation_probability: float | None = None
    mutation_eta: float = 20.0
    mutate_every: int = 6

    def __post_init__(self) -> None:
        PymooSolver.__post_init__(self)
        if self.archive < 1 or self.mutate_every < 1:
            raise ConfigError(
                f"smpso: `archive` and `mutate_every` must be at least 1, got {self.archive!r} "
                f"and {self.mutate_every!r}."
            )

    def build(self, setting: Setting) -> Any:  # Any: pymoo's algorithms have no types
        from .smpso import SMPSO

        return SMPSO(
            pop_size=setting.population,
            archive_size=self.archive,
            mutation_prob=self.mutation_probability,
            mutation_eta=self.mutation_eta,
            mutate_every=self.mutate_every,
            **setting.common,
        )


@final
@dataclass(kw_only=True, eq=False)
class Cmopso(PymooSolver):
    """CMOPSO: particles follow the nearer by angle of two elites.

    Args:
        population: particles a query, at least 1.
        elites: most leaders, at least 1.
        mutation_probability: share of particles that are mutated, 0 to 1.
        speed: largest speed, as a share of each variable's range, above 0.

    References:
        Zhang et al. 2018, https://doi.org/10.1016/j.ins.2017.10.037.
    """

    name: ClassVar[str] = "cmopso"
    novel: ClassVar[bool] = False
    elites: int = 10
    mutation_probability: float = 0.5
    speed: float = 0.2

    def __post_init__(self) -> None:
        PymooSolver.__post_init__(self)
        if self.elites < 1 or not 0.0 <= self.mutation_probability <= 1.0 or self.speed <= 0.0:
            raise ConfigError(
                f"cmopso: `elites` must be at least 1, `mutation_probability` 0 to 1 and `speed` "
                f"above 0, got {self.elites!r}, {self.mutation_probability!r} and {self.speed!r}."
            )

    def build(self, setting: Setting) -> Any:  # Any: pymoo's algorithms have no types
        from . import overrides

        return overrides.Cmopso(
            pop_size=setting.population,
            elite_size=self.elites,
            mutation_rate=self.mutation_probability,
            max_velocity_rate=self.speed,
            **setting.common,
        )


@final
@dataclass(kw_only=True, eq=False)
class MopsoCd(PymooSolver):
    """MOPSO-CD: particles follow the less crowded of two leaders, and are mutated early on.

    With the defaults of the paper, not those of pymoo (0.6, 2 and no mutation).

    Args:
        population: particles a query, at least 1.
        archive: most leaders, at least 1.
        inertia: share of the speed that is kept, 0 to 1.
        pull: how strongly a particle is drawn to its own best and to its leader, above 0.
        mutation_rate: the larger, the longer particles are mutated, at least 0.
        speed: largest speed, as a share of each variable's range, above 0.

    References:
        Raquel and Naval 2005, https://doi.org/10.1145/1068009.1068047.
        Coello Coello et al. 2004, https://doi.org/10.1109/TEVC.2004.826067 (the mutation).
    """

    name: ClassVar[str] = "mopso-cd"
    novel: ClassVar[bool] = False
    archive: int = 200
    inertia: float = 0.4
    pull: float = 1.0
    mutation_rate: float = 0.5
    speed: float = 0.5

    def __post_init__(self) -> None:
        PymooSolver.__post_init__(self)
        if self.archive < 1 or not 0.0 <= self.inertia <= 1.0:
            raise ConfigError(
                f"mopso-cd: `archive` must be at least 1 and `inertia` 0 to 1, got {self.archive!r} "
                f"and {self.inertia!r}."
            )
        if not (self.pull > 0 and self.speed > 0 and self.mutation_rate >= 0):
            raise ConfigError(
                f"mopso-cd: `pull` and `speed` must be above 0 and `mutation_rate` at least 0, got "
                f"{self.pull!r}, {self.speed!r} and {self.mutation_rate!r}."
            )

    def build(self, setting: Setting) -> Any:  # Any: pymoo's algorithms have no types
        from . import overrides

        return overrides.MopsoCd(
            pop_size=setting.population,
            w=self.inertia,
            c1=self.pull,
            c2=self.pull,
            max_velocity_rate=self.speed,
            mutation_rate=self.mutation_rate,
            archive_size=self.archive,
            **setting.common,
        )
