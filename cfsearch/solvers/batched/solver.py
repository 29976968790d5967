"""What solvers in tensors have in common: the start, random numbers, and points that replace repeated ones."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import ClassVar, Final, TypeVar, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.records import Evaluation
from cfsearch.contracts.solver import Injectable, Solver
from cfsearch.contracts.space import SearchSpace
from cfsearch.errors import ConfigError, PluginError
from cfsearch.solvers.sampling import FEW, first

from .novelty import Seen
from .streams import Streams

Known = TypeVar("Known")

_AGAIN: Final = 16
"""Purposes from here on are those of points drawn anew; a few for each attempt."""


@final
class Purpose(IntEnum):
    """What random numbers of a turn are for."""

    POOL = 0
    CHANCE = 1
    CROSSED = 2
    EXCHANGE = 3
    MUTATED = 4
    CHILD = 5
    LEADER = 6
    PULL = 7


@final
@dataclass(frozen=True, slots=True, eq=False)
class Evaluated:
    """Candidates with what they are worth.

    Shapes:
        z: ``(b, n, d)``; f: ``(b, n, m)``; violation: ``(b, n)``, 0 where constraints are kept.
    """

    z: Float[Tensor, "b n d"]
    f: Float[Tensor, "b n m"]
    violation: Float[Tensor, "b n"]

    def joined(self, other: "Evaluated") -> "Evaluated":
        """These and others.

        Args:
            other: of the same queries.
        """
        return Evaluated(
            torch.cat([self.z, other.z], dim=1),
            torch.cat([self.f, other.f], dim=1),
            torch.cat([self.violation, other.violation], dim=1),
        )

    def taken(self, index: Tensor) -> "Evaluated":
        """Some of them.

        Args:
            index: which, ``(b, k)``.
        """
        return Evaluated(rows(self.z, index), rows(self.f, index), self.violation.gather(1, index))


def rows(x: Float[Tensor, "b n d"], index: Tensor) -> Float[Tensor, "b k d"]:
    """Rows of each query by index, ``(b, k)``.

    Args:
        x: the rows.
        index: which.

    Example:
        >>> rows(torch.tensor([[[1.0], [2.0]], [[3.0], [4.0]]]), torch.tensor([[1], [0]])).tolist()
        [[[2.0]], [[3.0]]]
    """
    return x.gather(1, index[..., None].expand(*index.shape, x.shape[-1]))


@dataclass(kw_only=True, eq=False)
class BatchedSolver(Solver, Injectable):
    """A solver whose queries advance together as tensors, on the device of the space.

    - The first population holds the seeds, the query itself and ``sampling.mixed`` points.
    - Candidates are repaired, and what is learned is learned of the repaired ones (Lamarckian repair).
    - Variables that cannot change stay 0.
    - Query ``i`` takes random numbers from a stream that ``rngs[i]`` is the key of, so its path is the same to
      the last bit alone and in any company.
    - On a device no turn makes the host wait.

    Args:
        population: candidates a query and generation, at least 1.

    Raises:
        ConfigError: ``population`` is below 1.
    """

    name: ClassVar[str]
    population: int = 100
    _space: SearchSpace | None = field(init=False, repr=False, default=None)
    _streams: Streams = field(init=False, repr=False, default_factory=lambda: Streams([], device="cpu"))
    _free: Tensor = field(init=False, repr=False, default_factory=lambda: torch.zeros(0))
    _first: Tensor | None = field(init=False, repr=False, default=None)
    _seen: Seen = field(
        init=False, repr=False, default_factory=lambda: Seen(0, candidates=0, d=0, device="cpu")
    )

    def __post_init__(self) -> None:
        if self.population < 1:
            raise ConfigError(f"{self.name}: `population` must be at least 1, got {self.population!r}.")

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
        """Forget everything and begin on ``space.b`` queries; see ``Solver.start``."""
        if objectives < 2:
            raise ConfigError(f"{self.name}: a solver needs two objectives or more, got {objectives}.")
        device = space.lower.device
        self._space = space
        self._first = first(space, self.population, rngs=rngs, seeds=seeds)
        self._streams = Streams(rngs, device=device)
        self._free = (space.upper > space.lower)[:, None]
        self._seen = Seen(space.b, candidates=generations * self.population, d=space.d, device=device)
        self.begin(space, objectives=objectives)

    def ask(self) -> Float[Tensor, "b n d"]:
        """The next candidates, repaired."""
        space = self._started()
        if self._first is not None:
            z, self._first = self._first, None
            self._seen.add(z)
            return z
        self._streams.turn += 1
        return self.propose(space)

    def tell(self, evaluation: Evaluation) -> None:
        """What the candidates of the last ``ask`` are worth."""
        self._started()
        self.learn(Evaluated(evaluation.z, evaluation.f, evaluation.violation))

    def inject(self, evaluation: Evaluation) -> None:
        """What candidates are worth that were not proposed here; they are not proposed again.

        Args:
            evaluation: of these candidates.
        """
        self._started()
        self._seen.add(evaluation.z)
        self.take(Evaluated(evaluation.z, evaluation.f, evaluation.violation))

    @abstractmethod
    def begin(self, space: SearchSpace, *, objectives: int) -> None:
        """Forget what was learned.

        Args:
            space: of the queries.
            objectives: how many numbers a candidate is judged by.
        """

    @abstractmethod
    def propose(self, space: SearchSpace) -> Float[Tensor, "b n d"]:
        """Candidates after the first generation.

        Args:
            space: of the queries.
        """

    @abstractmethod
    def learn(self, new: Evaluated) -> None:
        """Take in evaluated candidates.

        Args:
            new: those of the last turn.
        """

    def take(self, given: Evaluated) -> None:
        """Take in candidates of others; as one's own unless a subclass knows better.

        Args:
            given: these candidates.
        """
        self.learn(given)

    def learned(self, known: Known | None) -> Known:
        """What was learned, which must be there before the next candidates.

        Args:
            known: None where nothing was.

        Raises:
            PluginError: ``ask`` was called twice before the first ``tell``.
        """
        if known is None:
            raise PluginError(f"solver {self.name!r}: expected `tell` before the second `ask`.")
        return known

    def _started(self) -> SearchSpace:
        if self._space is None:
            raise PluginError(f"solver {self.name!r}: expected `start` before `ask` and `tell`.")
        return self._space

    def _anew(self, attempt: int, places: int) -> Float[Tensor, "b q d"]:
        """Random points, every other one sparse; see ``sampling.mixed``."""
        space = self._started()
        d, dtype = space.d, space.lower.dtype
        purpose = _AGAIN + 2 * attempt
        unit, key = self._streams.pair(purpose, (places, d), dtype=dtype)
        few = (self._streams.uniform(purpose + 1, (places,)) * FEW).long()
        key = torch.where(self._free, key, 2.0)
        smallest = key.topk(min(FEW, d), dim=-1, largest=False).values
        most = smallest.gather(-1, few.clamp(max=smallest.shape[-1] - 1)[..., None])
        dense = torch.arange(places, device=key.device) % 2 == 1
        changed = self._free & ((key <= most) | dense[:, None])
        low, high = space.lower[:, None], space.upper[:, None]
        return space.repair(torch.where(changed, low + unit * (high - low), 0.0))
