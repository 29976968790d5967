"""Genetic algorithms in tensors: NSGA-II and AGE-MOEA-II."""

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar, Final, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cfsearch.contracts.space import SearchSpace
from cfsearch.errors import ConfigError
from cfsearch.numerics import batched

from .batched import geometry
from .batched.operators import crossed, mutated
from .batched.solver import BatchedSolver, Evaluated, Purpose, rows

_LEAST: Final = 12
"""Members that are kept at least, however small a generation is."""

_SPARE: Final = 4
"""One child in so many is made in excess, to stand in for one that was there before."""

_VARIABLE: Final = 0.5
"""Share of the variables of a crossed pair that are crossed."""


@dataclass(kw_only=True, eq=False)
class BatchedGenetic(BatchedSolver):
    """Binary tournaments, simulated binary crossover, polynomial mutation; a subclass says who survives.

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

    name: ClassVar[str]
    crossover_probability: float = 0.9
    crossover_eta: float = 15.0
    mutation_probability: float = 0.9
    mutation_eta: float = 20.0
    _pool: Evaluated | None = field(init=False, repr=False, default=None)
    _rank: Tensor = field(init=False, repr=False, default_factory=lambda: torch.zeros(0))
    _merit: Tensor = field(init=False, repr=False, default_factory=lambda: torch.zeros(0))

    def __post_init__(self) -> None:
        BatchedSolver.__post_init__(self)
        check_rates(self.name, crossover=self.crossover_probability, mutation=self.mutation_probability)
        check_etas(self.name, crossover=self.crossover_eta, mutation=self.mutation_eta)

    @abstractmethod
    def judged(self, pool: Evaluated, *, survivors: int) -> tuple[Int[Tensor, "b n"], Float[Tensor, "b n"]]:
        """Front and merit of each member; of one front the larger merit survives.

        Args:
            pool: parents and children.
            survivors: how many will be kept.
        """

    def begin(self, space: SearchSpace, *, objectives: int) -> None:
        """Forget the parents.

        Args:
            space: of the queries.
            objectives: how many numbers a candidate is judged by.
        """
        self._pool = None

    def learn(self, new: Evaluated) -> None:
        """Keep the best of parents and children.

        Args:
            new: the children.
        """
        pool = new if self._pool is None else self._pool.joined(new)
        keep = min(max(self.population, _LEAST), pool.z.shape[1])
        broken = pool.violation > 0
        rank, merit = self.judged(pool, survivors=keep)
        # what breaks a constraint comes after all that does not, by how much it breaks it
        rank = torch.where(broken, pool.z.shape[1] + batched.DEPTH, rank)
        merit = torch.where(broken, -pool.violation.double(), merit)
        order = merit.sort(dim=1, descending=True, stable=True).indices
        order = order.gather(1, rank.gather(1, order).sort(dim=1, stable=True).indices)[:, :keep]
        self._pool, self._rank, self._merit = pool.taken(order), rank.gather(1, order), merit.gather(1, order)

    def propose(self, space: SearchSpace) -> Float[Tensor, "b n d"]:
        """Children, repaired; one that was there before gives way to one that was not.

        Args:
            space: of the queries.
        """
        n = self.population
        z = space.repair(self._children(space, n + -(-n // _SPARE)))
        return self._seen.made_new(z, self._anew, count=n)

    def members(self, i: int) -> Float[Tensor, "e d"]:
        """Those of a query that survived the last generation, the best first.

        Args:
            i: which query.
        """
        if self._pool is None:
            return self._started().lower.new_zeros(0, self._started().d)
        return self._pool.z[i]

    def _children(self, space: SearchSpace, count: int) -> Float[Tensor, "b n d"]:
        dtype, draw = space.lower.dtype, self._streams
        pairs = -(-count // 2)
        parents = self._parents(2 * pairs)
        one, two = parents[:, :pairs], parents[:, pairs:]
        chosen, swap = draw.pair(Purpose.CROSSED, (pairs, space.d), dtype=dtype)
        share, _ = draw.pair(Purpose.EXCHANGE, (pairs, space.d), dtype=dtype)
        each, some = draw.pair(Purpose.CHILD, (2 * pairs, 1), dtype=dtype)
        mates = each[:, :pairs] < self.crossover_probability
        taken = (chosen < _VARIABLE) & mates & self._free
        a, b = crossed(one, two, space, eta=self.crossover_eta, swap=swap, share=share, taken=taken)
        z = torch.cat([a, b], dim=1)
        chosen, share = draw.pair(Purpose.MUTATED, (2 * pairs, space.d), dtype=dtype)
        rate = (1.0 / self._free.sum(-1, keepdim=True).clamp(min=2)).to(dtype)
        taken = (chosen < rate) & (some < self.mutation_probability) & self._free
        return mutated(z, space, eta=self.mutation_eta, share=share, taken=taken)[:, :count]

    def _parents(self, count: int) -> Float[Tensor, "b n d"]:
        """Winners of binary tournaments, in which every member takes part equally often."""
        pool = self.learned(self._pool)
        size = pool.z.shape[1]
        turns = -(-2 * count // size)
        drawn = self._streams.uniform(Purpose.POOL, (turns, size)).sort(dim=-1, stable=True).indices
        places = drawn.flatten(1)[:, : 2 * count].reshape(-1, count, 2)
        a, b = places[..., 0], places[..., 1]
        chance = self._streams.uniform(Purpose.CHANCE, (count,)) < 0.5
        return rows(pool.z, torch.where(self._first_wins(pool, a, b, chance), a, b))

    def compared(self, pool: Evaluated, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Masks of the pairs of which the first is better before merit is looked at, and of which the second is.

        Args:
            pool: the members.
            a: the first of each pair, ``(b, k)``.
            b: the second.
        """
        one, two = self._rank.gather(1, a), self._rank.gather(1, b)
        return one < two, two < one

    def _first_wins(self, pool: Evaluated, a: Tensor, b: Tensor, chance: Tensor) -> Tensor:
        """The feasible one, then the better one, then the one of more merit, else chance decides.

        The merit of what breaks a constraint is how little it breaks it.
        """
        better, worse = self.compared(pool, a, b)
        broken = pool.violation > 0
        one, two = broken.gather(1, a), broken.gather(1, b)
        better, worse = torch.where(one | two, two & ~one, better), torch.where(one | two, one & ~two, worse)
        more, less = self._merit.gather(1, a), self._merit.gather(1, b)
        equal = torch.where(more == less, chance, more > less)
        return better | (~worse & equal)


@final
@dataclass(kw_only=True, eq=False)
class Nsga2(BatchedGenetic):
    """NSGA-II: non-dominated sorting and crowding distance.

    Settings as in ``BatchedGenetic``.

    References:
        Deb et al. 2002, https://doi.org/10.1109/4235.996017.

    Example:
        >>> import numpy as np
        >>> import torch
        >>> from cfsearch.contracts.space import SearchSpace
        >>> space = SearchSpace(names=("a", "b"), lower=-torch.ones(1, 2), upper=torch.ones(1, 2))
        >>> solver = Nsga2(population=4)
        >>> solver.start(space, objectives=2, constrained=False, rngs=[np.random.default_rng(0)], generations=2)
        >>> z = solver.ask()
        >>> tuple(z.shape), bool(space.contains(z).all())
        ((1, 4, 2), True)
    """

    name: ClassVar[str] = "nsga2"

    def compared(self, pool: Evaluated, a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
        """Masks of the pairs of which the first dominates the second, and the reverse.

        Args:
            pool: the members.
            a: the first of each pair, ``(b, k)``.
            b: the second.
        """
        one, two = rows(pool.f, a), rows(pool.f, b)
        at_least, at_most = (one <= two).all(-1), (one >= two).all(-1)
        return at_least & ~at_most, at_most & ~at_least

    def judged(self, pool: Evaluated, *, survivors: int) -> tuple[Int[Tensor, "b n"], Float[Tensor, "b n"]]:
        """Rank and crowding distance.

        Args:
            pool: parents and children.
            survivors: how many will be kept.
        """
        rank = batched.ranks(pool.f, pool.violation <= 0, wanted=survivors)
        return rank, batched.crowding(pool.f, rank)


@final
@dataclass(kw_only=True, eq=False)
class AgeMoea2(BatchedGenetic):
    """AGE-MOEA-II: spread and closeness along a front whose p-norm is estimated.

    Settings as in ``BatchedGenetic``.

    References:
        Panichella 2022, https://doi.org/10.1145/3512290.3528732.

    Example:
        >>> import numpy as np
        >>> import torch
        >>> from cfsearch.contracts.space import SearchSpace
        >>> space = SearchSpace(names=("a", "b"), lower=-torch.ones(1, 2), upper=torch.ones(1, 2))
        >>> solver = AgeMoea2(population=4)
        >>> solver.start(space, objectives=2, constrained=False, rngs=[np.random.default_rng(0)], generations=2)
        >>> z = solver.ask()
        >>> tuple(z.shape), bool(space.contains(z).all())
        ((1, 4, 2), True)
    """

    name: ClassVar[str] = "agemoea2"

    def judged(self, pool: Evaluated, *, survivors: int) -> tuple[Int[Tensor, "b n"], Float[Tensor, "b n"]]:
        """Rank and merit along the front's own curve.

        Args:
            pool: parents and children.
            survivors: how many will be kept.
        """
        rank = batched.ranks(pool.f, pool.violation <= 0, wanted=survivors)
        return rank, geometry.merit(pool.f.double(), rank == 0, survivors=survivors)


def check_rates(name: str, *, crossover: float, mutation: float) -> None:
    """Refuses probabilities outside [0, 1].

    Args:
        name: of the solver.
        crossover: share of pairs that are crossed.
        mutation: share of children that are mutated.

    Raises:
        ConfigError: says which.
    """
    for what, value in (("crossover_probability", crossover), ("mutation_probability", mutation)):
        if not 0.0 <= value <= 1.0:
            raise ConfigError(f"{name}: `{what}` must be 0 to 1, got {value!r}.")


def check_etas(name: str, *, crossover: float, mutation: float) -> None:
    """Refuses distribution indices that are not positive and finite.

    Args:
        name: of the solver.
        crossover: of simulated binary crossover.
        mutation: of polynomial mutation.

    Raises:
        ConfigError: says which.
    """
    for what, value in (("crossover_eta", crossover), ("mutation_eta", mutation)):
        if not 0.0 < value < float("inf"):
            raise ConfigError(f"{name}: `{what}` must be finite and > 0, got {value!r}.")
