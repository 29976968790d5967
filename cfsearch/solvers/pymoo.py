"""Adapter of pymoo's algorithms: one instance a query, all advanced together.

pymoo searches one problem at a time and calls it itself. Here ``b`` algorithms propose one
after the other and their candidates evaluated together, so that every multi-objective
algorithm of pymoo gets one batch for all queries. Nothing of pymoo is imported before a
search starts, and its errors become ours here.
"""

import warnings
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, ClassVar, final

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.records import Evaluation
from cfsearch.contracts.solver import Solver
from cfsearch.contracts.space import SearchSpace
from cfsearch.errors import CfsearchError, ConfigError, MissingExtraError, PluginError, cause_of

from .directions import directions
from .sampling import distinct, first, mixed

_Floats = npt.NDArray[np.float64]

_LEAST = 12
"""pymoo's algorithms need a few individuals; a smaller population is proposed in parts."""


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What an algorithm is built for.

    ``common`` holds the arguments that every algorithm of pymoo takes: the initial population
    and an evaluator that never evaluates.
    """

    objectives: int
    population: int
    generations: int
    common: dict[str, Any]  # Any: arguments of pymoo

    def directions(self) -> _Floats:
        """As many directions as candidates, as ``(population, objectives)``."""
        return directions(self.objectives, self.population).copy()


@dataclass(kw_only=True, eq=False)
class PymooSolver(Solver):
    """Any algorithm of pymoo as a solver; a subclass says how to build it.

    What is the same for all of them:

    - The first population holds the seeds, the query itself and ``sampling.mixed`` points.
    - Candidates are repaired after they are proposed, and the algorithm learns of the repaired
      ones (Lamarckian repair).
    - Variables that cannot change are not shown to the algorithm.
    - Where ``novel`` is set, a candidate that was evaluated before is replaced by a new
      ``sampling.mixed`` point; of a swarm the particles must stay where they are.
    - An algorithm that asks for fewer than ``population`` is filled up with points that are
      evaluated and withheld; one that asks for more is served in parts.
    - Query ``i`` uses ``rngs[i]`` alone. The number of generations governs, nothing of
      pymoo's terminates.

    Args:
        population: candidates a query and generation, at least 1.

    Raises:
        ConfigError: ``population`` is below 1, or pymoo refuses the settings.
        PluginError: pymoo failed; its error is the cause.
    """

    novel: ClassVar[bool] = True
    population: int = 100
    _space: SearchSpace | None = field(init=False, repr=False, default=None)
    _device: torch.device = field(init=False, repr=False, default_factory=lambda: torch.device("cpu"))
    _lanes: list["_Lane"] = field(init=False, repr=False, default_factory=list)

    def __post_init__(self) -> None:
        if self.population < 1:
            raise ConfigError(f"{self.name}: `population` must be at least 1, got {self.population!r}.")

    @abstractmethod
    def build(self, setting: Setting) -> Any:  # Any: pymoo's algorithms have no types
        """A fresh algorithm of pymoo; nothing in it may be shared with another."""

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
        self._device = space.lower.device
        self._space = space.to("cpu")
        size = max(self.population, _LEAST)
        initial = first(self._space, size, rngs=rngs, seeds=None if seeds is None else seeds.cpu())
        parts = -(-generations * self.population // size)
        self._lanes = [
            self._lane(i, rng, initial[i], objectives, constrained, parts) for i, rng in enumerate(rngs)
        ]

    def ask(self) -> Float[Tensor, "b n d"]:
        """The next candidates, repaired."""
        space = self._started()
        z = torch.zeros(space.b, self.population, space.d, dtype=space.lower.dtype)
        counts = [lane.propose(z[i], self.name) for i, lane in enumerate(self._lanes)]
        z = space.repair(z)
        for i, (lane, count) in enumerate(zip(self._lanes, counts, strict=True)):
            z[i] = lane.completed(z[i], count, novel=self.novel)
        return z.to(self._device)

    def tell(self, evaluation: Evaluation) -> None:
        """What the candidates of the last ``ask`` are worth."""
        self._started()
        f = evaluation.f.detach().to(device="cpu", dtype=torch.float64).numpy()
        violation = evaluation.violation.detach().to(device="cpu", dtype=torch.float64).numpy()
        for i, lane in enumerate(self._lanes):
            lane.learn(f[i], violation[i], self.name)

    def _started(self) -> SearchSpace:
        if self._space is None:
            raise PluginError(f"solver {self.name!r}: expected `start` before `ask` and `tell`.")
        return self._space

    def _lane(
        self,
        i: int,
        rng: np.random.Generator,
        initial: Tensor,
        objectives: int,
        constrained: bool,
        generations: int,
    ) -> "_Lane":
        space = self._started().query(i)
        free = np.flatnonzero((space.upper > space.lower).numpy()[0])
        # fills and replacements have random numbers of their own, so that how many are
        # needed does not change what the algorithm draws
        own = np.random.default_rng(rng.integers(2**32, size=8, dtype=np.uint64))
        if len(free) == 0:
            return _Lane(None, space=space, free=free, rng=own, constrained=constrained)
        try:
            from pymoo.core.problem import Problem

            from ._parts import Endless, Given, NotEvaluated

            common = {"sampling": Given(initial.double().numpy()[:, free]), "evaluator": NotEvaluated()}
            algorithm = self.build(
                Setting(
                    objectives=objectives,
                    population=len(initial),
                    generations=generations,
                    common=common,
                )
            )
            problem = Problem(
                n_var=len(free),
                n_obj=objectives,
                n_ieq_constr=int(constrained),
                xl=space.lower.double().numpy()[0, free],
                xu=space.upper.double().numpy()[0, free],
            )
            algorithm.output = None
            algorithm.setup(problem, seed=rng, display=_ignore, termination=Endless(generations))
            # the optimum so far is the search's business, and finding it takes pymoo long
            algorithm._set_optimum = _ignore  # noqa: SLF001  # see above
        except CfsearchError:
            raise
        except ModuleNotFoundError as error:
            raise MissingExtraError(
                f"solver {self.name!r} needs the package {error.name!r}, which is not installed."
            ) from error
        except Exception as error:  # whatever pymoo raises, it is about the settings
            raise ConfigError(
                f"solver {self.name!r}: pymoo refuses the settings: {cause_of(error)}."
            ) from error
        return _Lane(algorithm, space=space, free=free, rng=own, constrained=constrained)


@final
class _Lane:
    """One query: its algorithm, and the candidates proposed but not yet evaluated."""

    __slots__ = ("_at", "_constrained", "_free", "_infills", "_rng", "_seen", "_space", "algorithm", "count")

    def __init__(
        self,
        algorithm: Any,  # Any: pymoo's algorithms have no types
        *,
        space: SearchSpace,
        free: npt.NDArray[np.intp],
        rng: np.random.Generator,
        constrained: bool,
    ) -> None:
        self.algorithm, self._space, self._free, self._rng = algorithm, space, free, rng
        self._infills: Any = ()  # Any: a pymoo population
        self._at = self.count = 0
        self._constrained = constrained
        self._seen: set[bytes] = set()

    def propose(self, z: Tensor, name: str) -> int:
        """Write the next candidates of the algorithm into ``z``; returns how many they are."""
        if self.algorithm is None:
            return 0
        if self._at >= len(self._infills):
            with _translated(name):
                self._infills = self.algorithm.ask()
            self._at = 0
            if self._infills is None:
                self._infills = ()
        part = self._infills[self._at : self._at + len(z)]
        if len(part):
            x = np.array([ind.X for ind in part], dtype=np.float64)
            z[: len(part), self._free] = torch.from_numpy(x).to(z)
        return len(part)

    def completed(self, z: Tensor, count: int, *, novel: bool) -> Tensor:
        """The repaired candidates, filled up and made new; the algorithm gets them as its own."""
        self.count = count
        if count < len(z):
            z = torch.cat([z[:count], mixed(self._space, len(z) - count, rngs=[self._rng])[0]])
        if novel:
            z = distinct(z, self._space, rng=self._rng, seen=self._seen)
        x = z[:count].double().numpy()[:, self._free]
        for individual, row in zip(self._infills[self._at : self._at + count], x, strict=True):
            individual.X = row
        return z

    def learn(self, f: _Floats, violation: _Floats, name: str) -> None:
        """Tell the algorithm, once all of its candidates are evaluated."""
        part = self._infills[self._at : self._at + self.count]
        f, g = f[: len(part)].copy(), violation[: len(part), None].copy()
        cv = np.maximum(g, 0.0) * self._constrained
        for individual, own_f, own_g, own_cv in zip(part, f, g, cv, strict=True):
            individual.F, individual.G, individual.CV = own_f, own_g, own_cv
        self._at += self.count
        if len(self._infills) and self._at >= len(self._infills):
            with _translated(name):
                self.algorithm.tell(infills=self._infills)


@contextmanager
def _translated(name: str) -> Iterator[None]:
    """Within it, errors of pymoo become ours, and its warnings and their filters stay inside."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            yield
        except CfsearchError:
            raise
        except Exception as error:  # whatever pymoo raises, the search has to hear of it as ours
            raise PluginError(f"solver {name!r}: pymoo failed with {cause_of(error)}.") from error


def _ignore(*_: object, **__: object) -> None:
    """Stands in for what the search does not want pymoo to do."""
