"""Particle swarms by name: SMPSO."""

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

    Raises:
        ConfigError: a setting outside its range.

    References:
        Nebro et al. 2009, https://doi.org/10.1109/MCDM.2009.4938830.
        Barredo-Arrieta and Del Ser 2020, https://arxiv.org/abs/2003.11323.

    Example:
        >>> import numpy as np
        >>> import torch
        >>> from cfsearch.contracts.space import SearchSpace
        >>> space = SearchSpace(names=("a", "b"), lower=-torch.ones(1, 2), upper=torch.ones(1, 2))
        >>> solver = Smpso(population=4)
        >>> solver.start(space, objectives=2, constrained=False, rngs=[np.random.default_rng(0)], generations=2)
        >>> z = solver.ask()
        >>> tuple(z.shape), bool(space.contains(z).all())
        ((1, 4, 2), True)
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
        from ._smpso import SMPSO

        return SMPSO(
            pop_size=setting.population,
            archive_size=self.archive,
            mutation_prob=self.mutation_probability,
            mutation_eta=self.mutation_eta,
            mutate_every=self.mutate_every,
            **setting.common,
        )
