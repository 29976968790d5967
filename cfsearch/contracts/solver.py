"""The contract of solvers: multi-objective optimisers with ``ask`` and ``tell``."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import numpy as np
from jaxtyping import Float
from torch import Tensor

from .records import Evaluation
from .space import SearchSpace


class Solver(ABC):
    """A multi-objective optimiser that never sees the model.

    The search calls ``start`` once, then ``ask`` and ``tell`` in turn until the budget ends.
    All ``b`` queries advance together; query ``i`` draws random numbers from ``rngs[i]``
    alone, so its path does not depend on which queries run beside it. ``ask`` must return the
    same ``n`` for all queries, and every point must keep the rules of the space
    (``space.repair`` does that).

    Example:
        >>> import numpy as np
        >>> import torch
        >>> from cfsearch.contracts.space import SearchSpace
        >>> from cfsearch.solvers import RandomSearch
        >>> space = SearchSpace(names=("a", "b"), lower=-torch.ones(2, 2), upper=torch.ones(2, 2))
        >>> solver, rngs = RandomSearch(population=5), [np.random.default_rng(i) for i in range(2)]
        >>> solver.start(space, objectives=2, constrained=False, rngs=rngs, generations=1)
        >>> tuple(solver.ask().shape)  # queries, candidates, variables
        (2, 5, 2)
    """

    name: ClassVar[str]
    population: int
    """Candidates proposed a query and generation."""

    @abstractmethod
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
        """Forget everything and begin on ``space.b`` queries.

        Args:
            space: bounds and rules of the candidates of each query.
            objectives: how many numbers a candidate is judged by, ``m >= 2``.
            constrained: whether evaluations will hold violations.
            rngs: one generator of random numbers a query.
            generations: how many turns there will be, for schedules.
            seeds: points that the first population should hold.
        """

    @abstractmethod
    def ask(self) -> Float[Tensor, "b n d"]:
        """The next candidates."""

    @abstractmethod
    def tell(self, evaluation: Evaluation) -> None:
        """Learn from the evaluation of the candidates of the last ``ask``."""


class Injectable(ABC):
    """Capability of a solver: it learns from candidates that it did not propose.

    Example:
        >>> from cfsearch.solvers import Nsga2, RandomSearch
        >>> issubclass(Nsga2, Injectable), issubclass(RandomSearch, Injectable)
        (True, False)
    """

    @abstractmethod
    def inject(self, evaluation: Evaluation) -> None:
        """Learn from candidates that somebody else proposed, between a ``tell`` and the next ``ask``.

        Args:
            evaluation: of these candidates, as many of each query.
        """
