"""Multi-objective Bayesian optimisation: for models of which every query counts."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import ClassVar, Final, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.records import NOT_EVALUATED
from cfsearch.contracts.space import SearchSpace
from cfsearch.errors import ConfigError

from ._learner import Learner
from .batched.solver import BatchedSolver, Evaluated
from .genetic import Nsga2

_BEGINNING: Final = 0.5
"""Share of the inner population that begins at known members of the front."""


@contextmanager
def _one_thread() -> Iterator[None]:
    """The matrices are small: several threads would mostly wait for each other, and might add in another order."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)


@final
@dataclass(kw_only=True, eq=False)
class Bayesian(BatchedSolver):
    """Gaussian processes that learn each objective, and NSGA-II on what they predict.

    In each turn every objective (and the violation of constraints) of a query is learned from all its candidates; NSGA-II seeks the
    front of the predictions, each lowered by ``optimism`` standard deviations; and of what it found those candidates are
    proposed that enlarge the dominated volume most, one after the other, each as if it were evaluated as predicted. A turn
    costs more than an evaluation of a small network, and saves most of them: ``benchmarks/speed/evaluations.py`` prints how many.
    Turns run on the CPU, with one read of the evaluations where the search runs on another device.

    Args:
        population: candidates a query and turn, at least 1; the fewer, the better each is chosen.
        optimism: standard deviations, 0 or more: how much is made of what is not known yet.
        inner_population: of NSGA-II on predictions, at least 4.
        inner_generations: of the same, at least 1.

    Raises:
        ConfigError: a setting outside its range.

    References:
        Bradford et al. 2018, Efficient multiobjective optimization employing Gaussian processes, spectral sampling and a genetic
        algorithm, https://doi.org/10.1007/s10898-018-0609-2 (the inner NSGA-II, and the choice by volume).
        Ponweiser et al. 2008, https://doi.org/10.1007/978-3-540-87700-4_78 (predictions lowered by their deviation).

    Example:
        >>> import numpy as np
        >>> import torch
        >>> from cfsearch.contracts.space import SearchSpace
        >>> space = SearchSpace(names=("a", "b"), lower=-torch.ones(1, 2), upper=torch.ones(1, 2))
        >>> solver = Bayesian(population=4)
        >>> solver.start(space, objectives=2, constrained=False, rngs=[np.random.default_rng(0)], generations=2)
        >>> z = solver.ask()
        >>> tuple(z.shape), bool(space.contains(z).all())
        ((1, 4, 2), True)
    """

    name: ClassVar[str] = "bayesian"
    population: int = 10
    optimism: float = 0.5
    inner_population: int = 100
    inner_generations: int = 10
    _own: SearchSpace | None = field(init=False, repr=False, default=None)
    _known: Evaluated | None = field(init=False, repr=False, default=None)
    _constrained: bool = field(init=False, repr=False, default=False)
    _keys: list[int] = field(init=False, repr=False, default_factory=list[int])
    _objectives: int = field(init=False, repr=False, default=0)
    _learners: list[Learner] = field(init=False, repr=False, default_factory=list[Learner])
    _resting: list[bool] = field(init=False, repr=False, default_factory=list[bool])

    def __post_init__(self) -> None:
        BatchedSolver.__post_init__(self)
        if not 0.0 <= self.optimism < float("inf"):
            raise ConfigError(f"{self.name}: `optimism` must be finite and >= 0, got {self.optimism!r}.")
        for what, value, least in (
            ("inner_population", self.inner_population, 4),
            ("inner_generations", self.inner_generations, 1),
        ):
            if value < least:
                raise ConfigError(f"{self.name}: `{what}` must be at least {least}, got {value!r}.")

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
        self._constrained = constrained
        self._keys = [int(rng.integers(2**63)) for rng in rngs]
        BatchedSolver.start(
            self,
            space,
            objectives=objectives,
            constrained=constrained,
            rngs=rngs,
            generations=generations,
            seeds=seeds,
        )

    def begin(self, space: SearchSpace, *, objectives: int) -> None:
        """Forget what was learned.

        Args:
            space: of the queries.
            objectives: how many numbers a candidate is judged by.
        """
        self._own, self._known, self._objectives = space.to("cpu"), None, objectives
        self._learners = [
            Learner(self._own.bounds_of([i]), objectives=objectives, constrained=self._constrained)
            for i in range(space.b)
        ]
        self._resting = [False] * space.b

    def learn(self, new: Evaluated) -> None:
        """Remember what candidates are worth.

        Args:
            new: those of the last turn.
        """
        worth = torch.cat([new.z, new.f.to(new.z), new.violation[..., None].to(new.z)], dim=2).cpu()
        d = new.z.shape[2]
        given = Evaluated(worth[..., :d], worth[..., d:-1], worth[..., -1])
        # of a query that rests, or for which the model failed, no candidate is worth anything
        self._resting = (given.f >= NOT_EVALUATED).all(dim=2).all(dim=1).tolist()
        self._known = given if self._known is None else self._known.joined(given)

    def propose(self, space: SearchSpace) -> Float[Tensor, "b n d"]:
        """The candidates that are predicted to enlarge the front most.

        Args:
            space: of the queries.
        """
        with _one_thread():
            chosen = self._chosen(self.learned(self._known), self.learned(self._own))
        return self._seen.made_new(chosen.to(space.lower.device), self._anew, count=self.population)

    def _chosen(self, known: Evaluated, space: SearchSpace) -> Float[Tensor, "b n d"]:
        n = self.population
        active = [i for i in range(space.b) if not self._resting[i] and self._learners[i].moves]
        for i in active:
            self._learners[i].learn(known.z[i], known.f[i], known.violation[i])
        inner = self._sought(space, active)
        chosen = torch.zeros(space.b, n, space.d, dtype=space.lower.dtype)
        for i in active:
            z = inner.members(i)
            f, violation = self._learners[i].predicted(z, optimism=self.optimism)
            chosen[i] = z[self._learners[i].best(f, violation, n)]
        return chosen

    def _sought(self, space: SearchSpace, active: Sequence[int]) -> Nsga2:
        """NSGA-II after its generations on the predictions."""
        inner = Nsga2(population=max(self.inner_population, self.population))
        most = int(_BEGINNING * inner.population)
        seeds = space.lower.new_zeros(space.b, most, space.d)
        for i in active:
            members = self._learners[i].members(most)
            seeds[i, : len(members)] = members
        inner.start(
            space,
            objectives=self._objectives,
            constrained=self._constrained,
            rngs=[np.random.default_rng([key, self._streams.turn]) for key in self._keys],
            generations=self.inner_generations,
            seeds=seeds,
        )
        for _ in range(self.inner_generations):
            z = inner.ask()
            f = z.new_zeros(*z.shape[:2], self._objectives)
            violation = z.new_zeros(z.shape[:2])
            for i in active:
                f[i], violation[i] = self._learners[i].predicted(z[i], optimism=self.optimism)
            inner.learn(Evaluated(z, f, violation))
        return inner
