"""Differential evolution by name: GDE3."""

from dataclasses import dataclass
from typing import Any, ClassVar, final

from cfsearch.errors import ConfigError

from .pymoo import PymooSolver, Setting


@final
@dataclass(kw_only=True, eq=False)
class Gde3(PymooSolver):
    """GDE3: a trial replaces its parent when it dominates it; where neither does, both stay.

    Trials are differences of other members (rand/1/bin).

    Args:
        population: candidates a query and generation, at least 1.
        crossover_rate: share of variables taken from the donor, 0 to 1.
        scale: how much of the difference is added, above 0 to 2; when left out it is drawn
            anew from 0 to 1 for each trial.

    Raises:
        ConfigError: a setting outside its range.

    References:
        Storn and Price 1997, https://doi.org/10.1023/A:1008202821328.
        Kukkonen and Lampinen 2005, https://doi.org/10.1109/CEC.2005.1554717.

    Example:
        >>> import numpy as np
        >>> import torch
        >>> from cfsearch.contracts.space import SearchSpace
        >>> space = SearchSpace(names=("a", "b"), lower=-torch.ones(1, 2), upper=torch.ones(1, 2))
        >>> solver = Gde3(population=4)
        >>> solver.start(space, objectives=2, constrained=False, rngs=[np.random.default_rng(0)], generations=2)
        >>> z = solver.ask()
        >>> tuple(z.shape), bool(space.contains(z).all())
        ((1, 4, 2), True)
    """

    name: ClassVar[str] = "gde3"
    crossover_rate: float = 0.5
    scale: float | None = None

    def __post_init__(self) -> None:
        PymooSolver.__post_init__(self)
        if not 0.0 <= self.crossover_rate <= 1.0:
            raise ConfigError(f"gde3: `crossover_rate` must be 0 to 1, got {self.crossover_rate!r}.")
        if self.scale is not None and not 0.0 < self.scale <= 2.0:
            raise ConfigError(f"gde3: `scale` must be above 0 and at most 2, got {self.scale!r}.")

    def build(self, setting: Setting) -> Any:  # Any: pymoo's algorithms have no types
        from . import _overrides, _parts

        algorithm = _overrides.Gde3(
            pop_size=setting.population, survival=_parts.RankAndCrowding(), **setting.common
        )
        algorithm.mating = _parts.Differential(rate=self.crossover_rate, scale=self.scale)
        return algorithm
