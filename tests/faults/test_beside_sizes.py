"""Beside the list: models of very many classes, tables of very many columns."""

import random
import re
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
import torch
from click.testing import CliRunner

from cfsearch.assembly.search import assemble
from cfsearch.cli import main
from cfsearch.config import Config
from cfsearch.contracts.records import Reason
from cfsearch.datasets.tables import infer_schema
from cfsearch.datasets.tables._notes import joined_notes
from cfsearch.engine.requirements import check_scores_held, target_index
from cfsearch.errors import CapabilityError, ConfigError, DataError, listed
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


def test_too_many_scores_are_refused_before_the_model_is_queried_with_a_batch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def queried(*_: object, **__: object) -> None:
        raise AssertionError("the model was queried")

    monkeypatch.setattr("cfsearch.engine.requirements._MOST_SCORES", 2 * 30)
    monkeypatch.setattr("cfsearch.assembly.search.handshake", queried)
    config = Config.check({"data": {"texts": ["a dull film"]}, "search": {"population": 31, "capacity": 20}})
    with pytest.raises(CapabilityError, match="has 2 classes, and each of 31 candidates"):
        assemble(config)


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


def written(path: Path, columns: dict[str, list[str]]) -> Path:
    rows = zip(*columns.values(), strict=True)
    path.write_text("\n".join([",".join(columns), *(",".join(row) for row in rows)]) + "\n")
    return path


def test_links_among_thousands_of_columns_are_those_that_say_the_same(tmp_path: Path) -> None:
    drawn = random.Random(3)
    columns: dict[str, list[str]] = {f"rs{i}": drawn.choices(("aa", "ab", "bb"), k=40) for i in range(3000)}
    renamed = {"aa": "0-0", "ab": "0-1", "bb": "1-1"}
    columns["again"] = [renamed[cell] for cell in columns["rs7"]]
    columns["coarser"] = ["aa" if cell == "aa" else "b" for cell in columns["rs7"]]
    columns["third"] = columns["rs2999"]
    schema = infer_schema(written(tmp_path / "t.csv", columns)).schema
    assert [link.columns for link in schema.links] == [("rs7", "again"), ("rs2999", "third")]
    assert schema.column("rs2999").levels == ("aa", "ab", "bb")


def test_notes_on_thousands_of_columns_name_a_dozen(tmp_path: Path) -> None:
    columns = {f"a: {i}": [str((i + j * j) % 5) for j in range(30)] for i in range(600)}
    guess = infer_schema(written(tmp_path / "t.csv", columns))
    [note] = [one for one in guess.notes if "whole numbers" in one]
    assert "a: 0, a: 1, " in note
    assert "a: 11 and " in note
    assert all(len(one) < 1500 for one in guess.notes)
    assert len(guess.schema.columns) == 600


def test_a_note_has_a_dozen_things_that_are_so_of_columns() -> None:
    names = [f"c{i}" for i in range(50)]
    [note] = joined_notes([f"{name}: gap at {name[1:]}; look." for name in names], columns=names)
    assert note.startswith("c0: gap at 0; c1: gap at 1; ")
    assert note.endswith("c11: gap at 11; 38 more columns alike; look.")


def test_a_refusal_names_thirty_columns_of_thousands(tmp_path: Path) -> None:
    columns = {f"c{i}": ["1.5", "2.5"] for i in range(3000)}
    path = written(tmp_path / "t.csv", columns)
    with pytest.raises(DataError, match=r"no column 'nope'; .*, c29 and 2,970 more\."):
        infer_schema(path, ignore=["nope"])
    with pytest.raises(ConfigError, match="and 2,970 more") as refused:
        infer_schema(path).schema.column("c29999")
    assert len(str(refused.value)) < 400


def test_a_search_prints_the_ends_of_very_long_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "longly.py").write_text(
        "import numpy as np\n"
        "def predict(x):\n"
        "    p = 1 / (1 + np.exp(-3 * np.asarray(x, dtype=float)[:, 0]))\n"
        "    return np.stack([1 - p, p], 1)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    drawn = random.Random(1)
    columns = {f"begin{'x' * 5000}end{i}": [f"{drawn.gauss(0, 1):.3f}" for _ in range(40)] for i in range(3)}
    written(tmp_path / "t.csv", columns)
    words = ["longly:predict", "--data", "t.csv", "--row", "0", "--evaluations", "60"]
    result = CliRunner().invoke(main, ["search", *words], env={"COLUMNS": "80"})
    assert result.exit_code == 0, result.output
    assert re.search(r"begin(x|\s)+… (x|\s)+end0\s+-?\d+\.\d+\s+->\s+-?\d", result.stdout)
    assert len(result.output) < 12_000
