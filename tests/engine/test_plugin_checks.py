"""What a plug-in returns is checked: wrong code ends the search, a fault of one query ends that query."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import pytest
import torch
from torch import Tensor

from cfsearch.contracts.generator import Generator
from cfsearch.contracts.objective import Objective
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.contracts.records import Candidates
from cfsearch.contracts.solver import Solver
from cfsearch.contracts.space import SearchSpace
from cfsearch.engine.progress import Failure
from cfsearch.engine.search import Search
from cfsearch.errors import CfsearchError, PluginError, ProviderError, QueryError
from cfsearch.fronts.front import ParetoFront
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.intensity import Intensity
from cfsearch.solvers.random import RandomSearch
from cfsearch.testing import FakeGenerator, FakeProvider

HAIR = ("red", "green", "blue")
FIXED = ("green", "blue", "slope")


@final
class Saying(Provider):
    """Answers with whatever a function makes of the right logits, and notes the sizes of its calls."""

    name, labels, scores = "saying", ("dark", "bright"), ScoreKind.LOGITS

    def __init__(self, answer: Callable[[Tensor, Tensor], Any], *, max_batch: int = 1000) -> None:
        self._answer, self.max_batch = answer, max_batch
        self.calls: list[int] = []

    @property
    def fingerprint(self) -> str:
        return "saying"

    def predict(self, x: Tensor) -> Tensor:
        self.calls.append(len(x))
        answer: Tensor = self._answer(x, FakeProvider().predict(x))
        return answer


@final
class Grouped(Generator[Tensor]):
    """The fake generator, of whose colours one at most may be raised; it may fail for bright inputs."""

    name = "grouped"
    batch_invariant = True

    def __init__(self, *, fails: Callable[[Tensor], None] | None = None, where: str = "decode") -> None:
        self._inner, self.shape = FakeGenerator(), (3, 16, 16)
        self._fails, self._where = fails, where

    @classmethod
    def open(cls, source: object, *, settings: object) -> "Grouped":
        return cls()

    def encode(self, x: Tensor) -> Tensor:
        if self._fails is not None and self._where == "encode":
            self._fails(x)
        return x.clone()

    def space(self, state: Tensor) -> SearchSpace:
        space = self._inner.space(state)
        return SearchSpace(
            names=space.names, lower=space.lower, upper=space.upper, groups=(HAIR,), dead_zone=0.05
        )

    def decode(self, state: Tensor, z: Tensor) -> Tensor:
        if self._fails is not None and self._where == "decode":
            self._fails(state)
        return self._inner.decode(state, z)

    def select(self, state: Tensor, i: int) -> Tensor:
        return state[i : i + 1]

    def to(self, device: str) -> "Grouped":
        return self

    @property
    def fingerprint(self) -> str:
        return "grouped"


@final
class Proposing(Solver):
    """Proposes whatever a function makes of uniform points outside all rules."""

    name: ClassVar[str] = "proposing"

    def __init__(self, population: int, change: Callable[[Tensor], Any] = lambda z: z) -> None:
        self.population, self._change = population, change
        self.heard: list[Tensor] = []

    def start(self, space: SearchSpace, *, rngs: Any, **_: Any) -> None:
        self._shape, self._rngs = (self.population, space.d), rngs

    def ask(self) -> Tensor:
        z: Tensor = self._change(
            torch.from_numpy(np.stack([r.uniform(-2, 2, self._shape) for r in self._rngs]))
        )
        return z

    def tell(self, evaluation: Any) -> None:
        self.heard.append(evaluation.z)


def images(*levels: float) -> Tensor:
    noise = 0.02 * torch.rand(len(levels), 3, 16, 16, generator=torch.Generator().manual_seed(0))
    return torch.tensor(levels)[:, None, None, None] + noise


def run(x: Tensor, **changes: object) -> list[ParetoFront | Failure]:
    settings: dict[str, Any] = {
        "provider": FakeProvider(),
        "generator": FakeGenerator(),
        "objectives": [Adversarial(), Intensity()],
        "solver": lambda population: RandomSearch(population=population),
        "evaluations": 80,
        "population": 40,
    } | changes
    return Search(**settings).run(x, names=[f"q{i}" for i in range(len(x))])


@pytest.mark.parametrize("pruning", [0.0, 0.5])
def test_no_stored_member_breaks_a_rule_although_the_solver_never_repairs(pruning: float) -> None:
    made: list[Proposing] = []

    def solver(population: int) -> Solver:
        made.append(Proposing(population))
        return made[-1]

    [front] = run(images(0.4), generator=Grouped(), solver=solver, evaluations=200, pruning=pruning)
    assert isinstance(front, ParetoFront) and front.found
    raised = front.z[:, :3] > 0.5
    assert int(raised.sum(1).max()) == 1
    small = (front.z != 0) & (front.z.abs() < 0.05)
    assert not bool(small.any()) and float(front.z.abs().max()) <= 1.0
    heard = torch.cat(made[0].heard, dim=1)
    assert int((heard[..., :3] > 0.5).sum(-1).max()) == 1, "the solver learns what was evaluated"
    assert heard.dtype == torch.float32


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda _: None, r"solver 'proposing' must propose a floating-point tensor .* got NoneType"),
        (lambda z: z.numpy(), "got ndarray"),
        (lambda z: z.long(), "got torch.int64"),
        (lambda z: z[0], r"must propose points of shape \(b=1, n, d=4\), got \(40, 4\)"),
        (lambda z: z[:, :0], r"got \(1, 0, 4\)"),
        (lambda z: z / 0.0, "must propose finite points, got NaN or infinity in 160 of 160"),
    ],
)
def test_a_solver_that_proposes_something_else_is_named(
    change: Callable[[Tensor], Any], message: str
) -> None:
    with pytest.raises(PluginError, match=message):
        run(images(0.4), solver=lambda population: Proposing(population, change))


def test_a_solver_whose_start_lacks_an_argument_is_named() -> None:
    class Short(Solver):
        name, population = "short", 5

        def start(self, space: SearchSpace) -> None: ...  # type: ignore[override]  # that is the fault
        def ask(self) -> Tensor:
            return torch.zeros(1, 5, 4)

        def tell(self, evaluation: object) -> None: ...

    with pytest.raises(PluginError, match="solver 'short': start raised TypeError: .*unexpected keyword"):
        run(images(0.4), solver=lambda _: Short())
    with pytest.raises(PluginError, match="expected `solver` to make a cfsearch.Solver .*, got str"):
        run(images(0.4), solver=lambda _: "nsga2")


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (lambda _, right: right.numpy(), r"provider 'saying' must answer with a torch tensor .* got ndarray"),
        (lambda _, right: right.long(), "floating-point scores, got torch.int64"),
        (lambda _, right: right[:, :1], r"must answer with shape \(1, 2\).*got \(1, 1\)"),
        (lambda _, right: right.to("meta"), r"on the device of its inputs \(cpu\), got meta"),
    ],
)
def test_a_provider_that_answers_something_else_is_named(answer: Callable[..., Any], message: str) -> None:
    with pytest.raises(PluginError, match=message):
        run(images(0.4), provider=Saying(answer))


def test_the_model_never_gets_more_than_max_batch_inputs() -> None:
    provider = Saying(lambda _, right: right, max_batch=7)
    [front] = run(images(0.4), provider=provider)
    [whole] = run(images(0.4), provider=Saying(lambda _, right: right))
    assert isinstance(front, ParetoFront) and isinstance(whole, ParetoFront)
    assert max(provider.calls) == 7
    assert provider.calls[1:7] == [7, 7, 7, 7, 7, 5], "a generation of 40 in pieces"
    assert front.digest == whole.digest


def refuse_bright(x: Tensor) -> None:
    if bool((x[:, 2].flatten(1).mean(1) > 0.3).any()):
        raise KeyError("bright")


@final
@dataclass(frozen=True)
class Fussy(Objective):
    name: ClassVar[str] = "fussy"
    unit: ClassVar[str] = "none"
    nan: bool = False

    def __call__(self, candidates: Candidates) -> Tensor:
        if not self.nan:
            refuse_bright(candidates.queries.x)
        value = candidates.z.square().sum(-1)
        bright = candidates.queries.x[:, 2].flatten(1).mean(1)[:, None] > 0.3
        return torch.where(bright, torch.nan, value)


def faulty_provider(x: Tensor, right: Tensor) -> Tensor:
    refuse_bright(x[:1])
    return right


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"provider": Saying(faulty_provider)}, ProviderError, "provider 'saying' raised KeyError: 'bright'"),
        (
            {"objectives": [Adversarial(), Fussy()]},
            QueryError,
            "objective 'fussy' raised KeyError: 'bright'",
        ),
        ({"objectives": [Adversarial(), Fussy(nan=True)]}, QueryError, "with 40 non-finite values"),
        (
            {"generator": Grouped(fails=refuse_bright)},
            QueryError,
            "generator 'grouped': decode raised KeyError: 'bright'",
        ),
        (
            {"generator": Grouped(fails=refuse_bright, where="encode")},
            QueryError,
            "generator 'grouped': encode raised KeyError: 'bright'",
        ),
    ],
    ids=["provider", "objective", "objective gives NaN", "decode", "encode"],
)
def test_an_exception_is_the_failure_of_its_query_and_the_others_go_on(
    changes: dict[str, object], error: type[CfsearchError], message: str
) -> None:
    x = images(0.05, 0.35, 0.1)
    first, failure, last = run(x, immutable=FIXED, **changes)
    assert isinstance(failure, Failure) and failure.name == "q1"
    assert isinstance(failure.error, error)
    assert message in str(failure.error)
    assert ("bright" in message) == isinstance(failure.error.__cause__, KeyError)
    for i, front in ((0, first), (2, last)):
        assert isinstance(front, ParetoFront)
        [alone] = run(x[i : i + 1], immutable=FIXED, **changes)
        assert isinstance(alone, ParetoFront) and torch.equal(alone.z, front.z)


def test_a_model_that_fails_when_members_are_verified_fails_for_that_query_alone() -> None:
    x = images(0.05, 0.35)
    verifier = Saying(faulty_provider)
    front, failure = run(x, verifier=verifier, immutable=FIXED)
    assert isinstance(front, ParetoFront)
    assert isinstance(failure, Failure) and isinstance(failure.error, ProviderError)
