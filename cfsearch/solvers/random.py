"""Random search: what any solver has to beat."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.records import Evaluation
from cfsearch.contracts.solver import Solver
from cfsearch.contracts.space import SearchSpace
from cfsearch.errors import ConfigError, PluginError

from .sampling import first, mixed


@final
@dataclass(kw_only=True, eq=False)
class RandomSearch(Solver):
    """Sparse and uniform random points, without learning.

    The first turn holds the seeds and the query itself; see ``cfsearch.solvers.sampling``.

    Args:
        population: candidates a query and turn, at least 1.

    Raises:
        ConfigError: ``population`` is below 1.

    References:
        Bergstra and Bengio 2012, https://jmlr.org/papers/v13/bergstra12a.html.

    Example:
        >>> import numpy as np
        >>> import torch
        >>> from cfsearch.contracts.space import SearchSpace
        >>> space = SearchSpace(names=("a", "b"), lower=-torch.ones(1, 2), upper=torch.ones(1, 2))
        >>> solver = RandomSearch(population=4)
        >>> solver.start(space, objectives=2, constrained=False, rngs=[np.random.default_rng(0)], generations=2)
        >>> z = solver.ask()
        >>> tuple(z.shape), bool(space.contains(z).all())
        ((1, 4, 2), True)
    """

    name: ClassVar[str] = "random"
    population: int = 100
    _space: SearchSpace | None = field(init=False, repr=False, default=None)
    _rngs: Sequence[np.random.Generator] = field(init=False, repr=False, default=())
    _device: torch.device = field(init=False, repr=False, default_factory=lambda: torch.device("cpu"))
    _first: Tensor | None = field(init=False, repr=False, default=None)

    def __post_init__(self) -> None:
        if self.population < 1:
            raise ConfigError(f"random: `population` must be at least 1, got {self.population!r}.")

    def start(
        self,
        space: SearchSpace,
        *,
        objectives: int,
        constrained: bool,
        rngs: Sequence[np.random.Generator],
        generations: int,
        seeds: Float[Tensor, "b s d"] | None = None,
    ) -> None:
        """Forget everything and begin; only ``space``, ``rngs`` and ``seeds`` matter."""
        # drawn by the host: a device would be read for the bounds in every turn
        self._space, self._rngs, self._device = space.to("cpu"), rngs, space.lower.device
        given = None if seeds is None else seeds.cpu()
        self._first = first(self._space, self.population, rngs=rngs, seeds=given)

    def ask(self) -> Float[Tensor, "b n d"]:
        """The next random points."""
        if self._space is None:
            raise PluginError("solver 'random': expected `start` before `ask`.")
        if self._first is not None:
            z, self._first = self._first, None
            return z.to(self._device)
        return mixed(self._space, self.population, rngs=self._rngs).to(self._device)

    def tell(self, evaluation: Evaluation) -> None:
        """Nothing to learn."""
