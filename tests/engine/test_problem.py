"""Problem: what it measures, what it refuses, and that it names the guilty plug-in."""

import re
from dataclasses import dataclass, replace
from typing import ClassVar, final

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.objective import Objective
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.contracts.records import Candidates
from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
from cfsearch.engine.problem import Problem
from cfsearch.errors import CapabilityError, ConfigError, NonFiniteError, PluginError, QueryError, ShapeError
from cfsearch.generators.rows import Rows
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.flip import Flip
from cfsearch.objectives.intensity import Intensity
from cfsearch.objectives.logit_closeness import LogitCloseness
from cfsearch.objectives.plausibility import Plausibility
from cfsearch.testing import FakeGenerator, FakeProvider, WithoutCritic


def inputs(b: int = 2) -> Tensor:
    return torch.linspace(0.1, 0.4, b)[:, None, None, None].expand(b, 3, 16, 16).clone()


def problem(x: Tensor | None = None, **changes: object) -> Problem:
    x = inputs() if x is None else x
    settings: dict[str, object] = {
        "names": [f"q{i}" for i in range(len(x))],
        "provider": FakeProvider(),
        "generator": FakeGenerator(),
        "objectives": [Adversarial(), Plausibility(), Intensity()],
    } | changes
    return Problem(x, **settings)  # type: ignore[arg-type]  # settings vary by test


@final
@dataclass(frozen=True)
class Bad(Objective):
    name: ClassVar[str] = "bad"
    unit: ClassVar[str] = "none"
    way: str = "shape"

    def __call__(self, candidates: Candidates) -> Float[Tensor, "b n"]:
        good = candidates.z.sum(-1)
        match self.way:
            case "shape":
                return good[..., None]
            case "nan":
                return torch.where(good == good.amax(), torch.nan, good)
            case "whole":
                return good.long()
            case "raise":
                raise ZeroDivisionError("by me")
        return good.tolist()  # type: ignore[return-value]  # that is the fault


@final
class Failing(Provider):
    """Answers NaN for images brighter than a half."""

    name, labels, scores, max_batch = "failing", ("a", "b"), ScoreKind.LOGITS, 64

    @property
    def fingerprint(self) -> str:
        return "failing"

    def predict(self, x: Float[Tensor, "n *x"]) -> Float[Tensor, "n k"]:
        mean = x.flatten(1).mean(1)
        return torch.stack([torch.zeros_like(mean), torch.where(mean > 0.5, torch.nan, mean)], -1)


def test_values_agree_with_a_sum_by_hand() -> None:
    p = problem(inputs(1))
    z = torch.zeros(1, 1, 4)
    z[..., 0] = 0.6  # red up by 0.6: the mean of the channels goes from 0.1 to 0.3
    e = p.evaluate(z)
    logit = 12 * (0.3 - 0.5)
    realism = [-(3 * 256) * 0.4**2, -256 * (0.2**2 + 2 * 0.4**2)]
    log_p_dark = -torch.log1p(torch.exp(torch.tensor(logit)))
    assert e.f[0, 0].tolist() == pytest.approx([float(log_p_dark), realism[0] - realism[1], 0.6], rel=1e-4)
    assert e.scores[0, 0].tolist() == pytest.approx([0.0, logit], abs=1e-4)
    assert e.violation.tolist() == [[0.0]]


def test_a_query_gets_the_same_numbers_alone_and_in_company() -> None:
    x = inputs(3)
    z = torch.rand(3, 7, 4, generator=torch.Generator().manual_seed(1)) * 2 - 1
    together = problem(x).evaluate(z)
    for i in range(3):
        alone = problem(x[i : i + 1]).evaluate(z[i : i + 1])
        assert torch.equal(alone.f[0], together.f[i])
        assert torch.equal(alone.scores[0], together.scores[i])


@final
class Strict(Provider):
    """Refuses to be queried about nothing, as models behind a pipe or an address do."""

    name, labels, scores, max_batch = "strict", ("a", "b"), ScoreKind.LOGITS, 64

    @property
    def batch_invariant(self) -> bool:
        return True

    @property
    def fingerprint(self) -> str:
        return "strict"

    def predict(self, x: Float[Tensor, "n *x"]) -> Float[Tensor, "n k"]:
        if not len(x):
            raise ShapeError("queried about nothing")
        mean = x.flatten(1).mean(1)
        return torch.stack([torch.zeros_like(mean), mean], -1)


def test_a_model_is_not_queried_where_every_candidate_is_known() -> None:
    age = Column(name="age", kind=ColumnKind.INTEGER, low=0.0, high=9.0)
    strict = Problem(
        torch.tensor([[4.0]], dtype=torch.float64), names=["row"], provider=Strict(),
        generator=Rows(TableSchema(columns=(age,))), objectives=[Adversarial(), Intensity()],
    )  # fmt: skip
    still = strict.evaluate(torch.zeros(1, 1, 1, dtype=torch.float64))
    assert still.scores[0, 0].tolist() == pytest.approx(strict.queries.scores[0].tolist())


def test_points_outside_the_bounds_are_brought_inside() -> None:
    e = problem(inputs(1)).evaluate(torch.full((1, 1, 4), 9.0))
    assert e.z.tolist() == [[[1.0, 1.0, 1.0, 1.0]]]


def test_a_constraint_gives_a_violation_only_where_it_is_broken() -> None:
    p = problem(inputs(1), constraints=[Flip(margin=0.0)])
    z = torch.zeros(1, 2, 4)
    z[0, 1, :3] = 0.9
    violation = p.evaluate(z).violation[0].tolist()
    assert violation[0] > 0.5
    assert violation[1] == 0.0


@pytest.mark.parametrize(
    ("way", "message"),
    [
        (
            "shape",
            r"objective 'bad' must give one finite value per candidate: .* shape \(1, 3\), got \(1, 3, 1\)",
        ),
        ("whole", "of torch.int64"),
        ("list", r"must return a tensor of shape \(1, 3\), got list"),
    ],
)
def test_a_wrong_objective_is_named(way: str, message: str) -> None:
    p = problem(inputs(2), objectives=[Intensity(), Bad(way)])
    z = torch.tensor([[0.0] * 4, [0.1] * 4, [0.2] * 4]).expand(2, 3, 4)
    with pytest.raises(PluginError, match=message):
        p.evaluate(z)


@pytest.mark.parametrize(
    ("way", "message"),
    [
        ("nan", r"got \(1, 3\) of torch.float32 with 1 non-finite values"),
        ("raise", "objective 'bad' raised ZeroDivisionError: by me"),
    ],
)
def test_an_objective_that_fails_is_named_in_the_failures(way: str, message: str) -> None:
    p = problem(inputs(2), objectives=[Intensity(), Bad(way)])
    z = torch.tensor([[0.0] * 4, [0.1] * 4, [0.2] * 4]).expand(2, 3, 4)
    e = p.evaluate(z)
    assert list(p.failures) == [0, 1]
    for error in p.failures.values():
        assert isinstance(error, QueryError)
        assert re.search(message, str(error))
    assert float(e.f.amin()) == pytest.approx(1e30)


def test_a_provider_that_fails_for_one_query_leaves_the_others() -> None:
    x = torch.stack([torch.full((3, 16, 16), 0.2), torch.full((3, 16, 16), 0.45)])
    p = problem(x, provider=Failing(), objectives=[Plausibility(), Intensity()])
    e = p.evaluate(torch.full((2, 1, 4), 0.1))
    assert list(p.failures) == [1]
    assert isinstance(p.failures[1], NonFiniteError)
    assert "answered NaN or infinity for 1 of 1 inputs" in str(p.failures[1])
    assert float(e.f[0].amax()) < 1e3 < float(e.f[1].amin())


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"objectives": [Intensity()]}, ConfigError, "two objectives or more"),
        ({"objectives": [Intensity(), Intensity()]}, ConfigError, "must have different names"),
        ({"target": "cat"}, ConfigError, "has no class 'cat'; its classes are dark, bright"),
        ({"immutable": ["nose"]}, ConfigError, "unknown variable 'nose'"),
        ({"names": ["one"]}, ShapeError, r"expected inputs of shape \(1, 3, 16, 16\)"),
        (
            {"generator": FakeGenerator(shape=(3, 8, 8))},
            ShapeError,
            r"generator 'fake', got \(2, 3, 16, 16\)",
        ),
        (
            {"generator": WithoutCritic(FakeGenerator())},
            CapabilityError,
            "'plausibility' needs a generator with a critic",
        ),
        (
            {"objectives": [Intensity(), LogitCloseness()]},
            CapabilityError,
            "needs scores of reference inputs",
        ),
        (
            {"provider": replace(FakeProvider(), scores=ScoreKind.LABELS)},
            CapabilityError,
            "gives labels only",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(
    changes: dict[str, object], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        problem(**changes)  # type: ignore[arg-type]  # settings vary by test


def test_a_generator_that_takes_no_attributes_is_refused_them() -> None:
    with pytest.raises(CapabilityError, match="'fake' takes no attributes"):
        Problem(
            torch.rand(1, 3, 16, 16),
            names=["a"],
            provider=FakeProvider(),
            generator=FakeGenerator(),
            objectives=[Adversarial(), Intensity()],
            attributes=torch.ones(1, 2),
        )
