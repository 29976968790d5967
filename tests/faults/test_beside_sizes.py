"""Beside the list: models of very many classes, tables of very many columns."""

import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
import torch
from click.testing import CliRunner

from cfsearch.cli import main
from cfsearch.contracts.records import Reason
from cfsearch.engine.requirements import check_scores_held, target_index
from cfsearch.errors import CapabilityError, ConfigError, listed
from cfsearch.fronts.document import front_document
from cfsearch.fronts.frame import front_rows
from cfsearch.fronts.front import ParetoFront
from cfsearch.schemas import schema

MANY = tuple(f"class {k}" for k in range(1200))


def of_many(front: ParetoFront) -> ParetoFront:
    """The same members, of 1,200 classes: the first is the origin's, members are given 700, 5, 700 and 31."""
    scores = torch.zeros(len(front), len(MANY))
    scores[torch.arange(4), torch.tensor([700, 5, 700, 31])] = torch.tensor([9.0, 8.0, 7.0, 6.0])
    own = torch.zeros(len(MANY))
    own[:2] = torch.tensor([3.0, 2.0])
    return replace(front, labels=MANY, scores=scores, original_scores=own, reconstruction_scores=own)


@pytest.fixture
def many() -> ParetoFront:
    x = torch.zeros(4, 3, 2, 2, dtype=torch.uint8)
    return of_many(
        ParetoFront(
            name="face",
            labels=("no", "yes"),
            source=0,
            target=None,
            variables=("hat",),
            objectives=("adversarial", "intensity"),
            units=("nat", "attribute"),
            z=torch.tensor([[0.1], [0.2], [0.3], [0.4]]),
            f=torch.tensor([[-0.1, 0.1], [-0.9, 0.2], [-1.6, 0.3], [-3.0, 0.4]]),
            origin_values=torch.zeros(1),
            scores=torch.zeros(4, 2),
            original_scores=torch.zeros(2),
            reconstruction_scores=torch.zeros(2),
            verified=torch.ones(4, dtype=torch.bool),
            images=x,
            original=x[0],
            reconstruction=x[0],
            origins=("nsga2",) * 4,
            reason=Reason.BUDGET,
            reference_point=torch.tensor([0.0, 2.0]),
            evaluations=10,
            extra={},
        )
    )


def test_documents_of_many_classes_name_those_that_are_spoken_of(many: ParetoFront) -> None:
    document = front_document(many)
    jsonschema.validate(document, schema("front"))
    named = ["class 0", "class 1", "class 5", "class 31", "class 700"]
    assert list(document["original"]) == named
    assert len(document["labels"]) == 1200
    p = torch.softmax(many.scores.double(), 1)
    for i, member in enumerate(document["members"]):
        assert list(member["probabilities"]) == named
        assert member["probabilities"]["class 700"] == pytest.approx(float(p[i, 700]), rel=1e-6)
    rows = list(front_rows(many))
    assert [key for key in rows[0] if key.startswith("p_")] == [f"p_{name}" for name in named]
    assert rows[2]["p_class 700"] == pytest.approx(float(p[2, 700]))


def test_the_target_is_named_where_nothing_reached_it(many: ParetoFront) -> None:
    assert "class 99" in front_document(replace(many, target=99))["members"][0]["probabilities"]


def test_two_classes_are_named_where_nothing_flipped(many: ParetoFront) -> None:
    document = front_document(replace(many, scores=many.original_scores.repeat(4, 1)))
    jsonschema.validate(document, schema("front"))
    assert list(document["original"]) == ["class 0", "class 1"]


@pytest.mark.parametrize(
    ("k", "population", "capacity", "fix"),
    [
        (1_000_000, 100, 50, "Set `population` and `capacity` to at most 33, or have the model give only"),
        (1_000_000, 10, 34, "at most 33"),
        (4_000_000, 100, 100, r"Have the model give only the classes that matter\."),
    ],
)
def test_a_search_that_would_hold_too_many_scores_is_refused(
    k: int, population: int, capacity: int, fix: str
) -> None:
    model: Any = SimpleNamespace(
        name="m", labels=range(k)
    )  # Any: a provider's name and labels are all that is read
    with pytest.raises(CapabilityError, match=rf"'m' has {k:,} classes, .*{fix}"):
        check_scores_held(model, population=population, capacity=capacity)
    check_scores_held(model, population=8, capacity=8)


def test_a_sentence_names_a_dozen_classes_of_very_many() -> None:
    model: Any = SimpleNamespace(name="m", labels=MANY)  # Any: as above
    with pytest.raises(ConfigError) as refused:
        target_index(model, "clas")
    assert "class 11 and 1,188 more" in str(refused.value)
    assert len(str(refused.value)) < 400
    assert listed(["x" * 100, "b"]) == f"{'x' * 59}…, b"
    assert listed(map(str, range(13))).endswith(", 12")


def test_doctor_prints_a_dozen_classes_of_very_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "widely.py").write_text(
        "import numpy as np\n"
        "def predict(x):\n"
        "    return np.asarray(x, dtype=float).mean((1, 2, 3))[:, None] * np.linspace(-1, 1, 5000)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(main, ["doctor", "widely:predict", "--size", "8"])
    assert result.exit_code == 0, result.output
    [line] = [one for one in result.output.splitlines() if one.startswith("classes")]
    assert re.fullmatch(r"classes     0, 1, .*, 11 and 4,988 more", line)
