"""What is refused before a search begins; each message names who, what was expected, what came, what to do."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar, final

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from cfsearch.contracts.objective import Objective
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.contracts.records import Candidates, Need
from cfsearch.contracts.space import SearchSpace
from cfsearch.engine.search import Search
from cfsearch.errors import CapabilityError, CfsearchError, ConfigError, DataError, PluginError, ShapeError
from cfsearch.fronts.front import ParetoFront
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.flip import Flip
from cfsearch.objectives.intensity import Intensity
from cfsearch.solvers.random import RandomSearch
from cfsearch.testing import FakeGenerator, FakeProvider


def images() -> Tensor:
    return 0.3 + 0.02 * torch.rand(2, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def run(
    x: Any, *, names: Sequence[str] = ("a", "b"), **changes: object
) -> list[Any]:  # Any: wrong on purpose
    settings: dict[str, Any] = {
        "provider": FakeProvider(),
        "generator": FakeGenerator(),
        "objectives": [Adversarial(), Intensity()],
        "solver": lambda population: RandomSearch(population=population),
        "evaluations": 30,
    } | changes
    return list(Search(**settings).run(x, names=names))


@pytest.mark.parametrize(
    ("x", "error", "message"),
    [
        (images() * 255, DataError, r"in \[0, 1\], got values from 7[67].* to 81.*; divide them by 255"),
        (
            (images() - 0.5) / 0.5,
            DataError,
            r"values from -0.4 to -0.3.*; .*Preprocessing\(mean=..., std=...\)",
        ),
        (images() + 1.2, DataError, "before normalisation"),
        (
            (images() * 255).to(torch.uint8),
            DataError,
            r"got torch.uint8; convert them with x.float\(\) / 255",
        ),
        (images().mul(3).long(), DataError, r"got torch.int64; convert them with x.float\(\)"),
        (images().fill_(torch.nan), DataError, "finite inputs, got NaN or infinity in 2 of 2"),
        (images().numpy(), ShapeError, r"shape \(b, 3, 16, 16\), got ndarray; convert .* torch.as_tensor"),
        (Image.new("RGB", (16, 16)), ShapeError, "got Image; convert"),
        ([images()[0], images()[1]], ShapeError, "got list; convert"),
        ("face.png", ShapeError, "got str; convert .*cfsearch.search, which takes files"),
        (images()[0], ShapeError, r"expected inputs of shape \(2, 3, 16, 16\) .* got \(3, 16, 16\)"),
    ],
)
def test_inputs_that_cannot_be_searched_are_refused_with_the_line_to_change(
    x: Any, error: type[CfsearchError], message: str
) -> None:
    with pytest.raises(error, match=message):
        run(x)


def test_rounding_at_the_ends_and_rows_of_any_size_are_taken() -> None:
    x = images()
    x[0, 0, 0, 0], x[0, 0, 0, 1] = 1.0 + 1e-7, -1e-7
    assert all(isinstance(front, ParetoFront) for front in run(x))
    rows = torch.tensor([[120.0, -3.0, 0.0]])
    [front] = run(rows, names=["row"], generator=FakeGenerator(shape=(3,)))
    assert isinstance(front, ParetoFront)


def test_reference_inputs_are_looked_at_as_well() -> None:
    with pytest.raises(DataError, match=r"expected reference inputs as pixels in \[0, 1\]"):
        run(images(), reference=images() * 255)


def test_a_string_is_no_list_of_names() -> None:
    with pytest.raises(ShapeError, match="one string 'ab' as names; give a list"):
        run(images(), names="ab")


def test_a_class_in_place_of_an_object_is_refused() -> None:
    with pytest.raises(
        PluginError, match=r"objective Adversarial: expected an object.*; write Adversarial\(\)"
    ):
        run(images(), objectives=[Adversarial, Intensity()])
    with pytest.raises(PluginError, match="objective function: expected a cfsearch.Objective, got <function"):
        run(images(), objectives=[lambda candidates: candidates.z.sum(-1), Intensity()])
    with pytest.raises(ConfigError, match=r"expected a cfsearch.Provider, got Linear; wrap .*TorchProvider"):
        run(images(), provider=torch.nn.Linear(2, 2))
    with pytest.raises(ConfigError, match="expected a cfsearch.Generator, got str"):
        run(images(), generator="faces64")


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (
            {"unit": "none"},
            r"objective Made: expected a class attribute `name` .*got none; write `name: ClassVar",
        ),
        ({"name": "made"}, "expected a class attribute `unit` that is a string, got none"),
        ({"name": "made", "unit": 3}, "`unit` that is a string, got 3"),
        ({"name": "", "unit": "none"}, "`name` that is a string, got ''"),
        (
            {"name": "made", "unit": "none", "needs": {"critic"}},
            r"objective 'made': expected `needs` to be a set of cfsearch.Need, got \{'critic'\}; .*Need.CRITIC",
        ),
        ({"name": "made", "unit": "none", "needs": Need.CRITIC}, "expected `needs` to be a set"),
        ({"name": "made", "unit": "none", "needs": "critic"}, "expected `needs` to be a set"),
    ],
)
def test_an_objective_that_breaks_its_contract_is_named(attributes: dict[str, object], message: str) -> None:
    made = type(
        "Made", (Objective,), {"__call__": lambda self, candidates: candidates.z.sum(-1), **attributes}
    )
    with pytest.raises(PluginError, match=message):
        run(images(), objectives=[Intensity(), made()])


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        (
            {"scores": "logits"},
            "'made': expected `scores` to be a cfsearch.ScoreKind, got 'logits'; .*LOGITS",
        ),
        ({"max_batch": 0}, "expected `max_batch` to be a whole number of at least 1, got 0"),
        ({"max_batch": 2.0}, "got 2.0"),
        ({"labels": ("one",)}, r"two or more different names, got \('one',\)"),
        ({"labels": "ab"}, "different names, got 'ab'"),
        ({"labels": ("a", "a")}, "different names"),
        ({"labels": (0, 1)}, "different names"),
        ({"name": None}, "provider Made: expected an attribute `name` that is a string, got None"),
    ],
)
def test_a_provider_that_breaks_its_contract_is_named(attributes: dict[str, object], message: str) -> None:
    right: dict[str, object] = {
        "name": "made",
        "labels": ("dark", "bright"),
        "scores": ScoreKind.LOGITS,
        "max_batch": 8,
        "fingerprint": "made",
        "predict": lambda self, x: FakeProvider().predict(x),
    }
    made = type("Made", (Provider,), right | attributes)
    with pytest.raises(PluginError, match=message):
        run(images(), provider=made())
    assert run(images(), provider=type("Made", (Provider,), right)())


def test_a_provider_of_labels_is_refused_with_what_would_do() -> None:
    with pytest.raises(CapabilityError, match="gives labels only: wrap it in .*VotingProvider"):
        run(images(), provider=replace(FakeProvider(), scores=ScoreKind.LABELS))


def as_method(function: Callable[..., Any]) -> Callable[..., Any]:
    return lambda self, *args: function(*args)


@pytest.mark.parametrize(
    ("attribute", "value", "message"),
    [
        ("shape", None, r"generator 'made': expected an attribute `shape`.* such as \(3, 64, 64\), got None"),
        ("shape", [3, 16, 16], r"got \[3, 16, 16\]"),
        ("name", None, "expected a class attribute `name`"),
        (
            "space",
            lambda self, state: None,
            "`space` must return a cfsearch.SearchSpace of 2 queries, got NoneType",
        ),
        (
            "space",
            lambda self, state: SearchSpace(names=("a",), lower=-torch.ones(1, 1), upper=torch.ones(1, 1)),
            "of 2 queries, got one of 1 queries",
        ),
        (
            "decode",
            lambda self, state, z: z,
            r"decode must return shape \(1, 30, 3, 16, 16\), got \(1, 30, 4\)",
        ),
        (
            "decode",
            lambda self, state, z: z.numpy(),
            "decode must return a floating-point tensor .* got ndarray",
        ),
        (
            "decode",
            lambda self, state, z: torch.zeros(1, 30, 3, 16, 16, dtype=torch.int64),
            "decode must return a floating-point tensor .* got torch.int64",
        ),
        ("decode", lambda self, state, z: z.new_zeros(1, 30, 3, 16, 16).to("meta"), "on cpu, like its input"),
        ("realism", lambda self, x: x, r"realism must return shape \(2, 1\), got \(2, 1, 3, 16, 16\)"),
    ],
)
def test_a_generator_that_breaks_its_contract_is_named(attribute: str, value: object, message: str) -> None:
    base = FakeGenerator()
    parts: dict[str, object] = {
        name: as_method(getattr(base, name))
        for name in ("encode", "space", "decode", "select", "to", "realism", "open")
    }
    parts |= {"name": "made", "shape": base.shape, "fingerprint": "made", "critic_kind": "fake"}
    made = type("Made", type(base).__bases__, parts | {attribute: value})
    with pytest.raises(PluginError, match=message):
        run(images(), generator=made())


@final
@dataclass(frozen=True)
class Critical(Objective):
    name: ClassVar[str] = "critical"
    unit: ClassVar[str] = "none"
    needs: ClassVar[frozenset[Need]] = frozenset({Need.IMAGE})

    def __call__(self, candidates: Candidates) -> Tensor:
        return candidates.z.sum(-1)


def test_an_objective_of_images_is_refused_for_rows() -> None:
    assert run(images(), objectives=[Intensity(), Critical()])
    with pytest.raises(CapabilityError, match="'critical' needs image inputs"):
        run(
            torch.from_numpy(np.zeros((1, 3), dtype=np.float32)),
            names=["row"],
            generator=FakeGenerator(shape=(3,)),
            objectives=[Intensity(), Critical()],
        )


@pytest.mark.parametrize(("kind", "wrong"), [("objectives", "objective"), ("constraints", "constraint")])
def test_a_measure_that_is_none_is_named_by_its_kind(kind: str, wrong: str) -> None:
    good: dict[str, Any] = {"objectives": [Adversarial(), Intensity()], "constraints": []}
    base = {"objectives": "Objective", "constraints": "Constraint"}[kind]
    with pytest.raises(PluginError, match=rf"^{wrong} str: expected a cfsearch\.{base}, got 'flip'"):
        run(images(), **(good | {kind: [*good[kind], "flip"]}))
    cls = {"objectives": Adversarial, "constraints": Flip}[kind]
    with pytest.raises(PluginError, match=rf"^{wrong} {cls.__name__}: expected an object, got the class"):
        run(images(), **(good | {kind: [*good[kind], cls]}))
