"""Counterfactuals of other tools: read, asked of the model again, measured and marked."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from cfsearch.audits.judged_pictures import judge_pictures, read_pairs
from cfsearch.audits.judged_rows import Bench, judge_rows, summary
from cfsearch.audits.rules_broken import rules_broken
from cfsearch.audits.theirs import Theirs, read_theirs
from cfsearch.contracts.provider import Provider
from cfsearch.datasets.tables import Column, ColumnKind, Missing, Table, TableSchema, Variables
from cfsearch.errors import DataError
from cfsearch.testing import FakeProvider
from cfsearch.testing.tables import broken_rules, random_rows, random_schema

REAL, INTEGER, LEVELS = ColumnKind.REAL, ColumnKind.INTEGER, ColumnKind.CATEGORICAL
SCHEMA = TableSchema(
    columns=(
        Column(name="age", kind=INTEGER, low=18, high=70, monotone=1),
        Column(name="sex", kind=LEVELS, levels=("f", "m"), immutable=True),
        Column(name="income", kind=REAL, low=0, high=100, step=5, max_change=40),
        Column(name="debt", kind=REAL, low=0, high=50, codes=(-9.0,), immutable_if="age < 25"),
    ),
    relations=("debt <= income",),
)


class Scorecard(Provider):
    """Accepts where income exceeds 50."""

    name = "scorecard"
    labels = ("no", "yes")
    max_batch = 100

    @property
    def fingerprint(self) -> str:
        return "f"

    def predict(self, x: torch.Tensor) -> torch.Tensor:
        return torch.stack([50.0 - x[:, 2], x[:, 2] - 50.0], dim=1).double() / 10


def cells(age: float, sex: str, income: float, debt: float) -> dict[str, object]:
    return {"age": age, "sex": sex, "income": income, "debt": debt}


def row(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


TABLE = Table(
    SCHEMA,
    torch.stack([row(30, 0, 40, 10), row(35, 1, 60, 10), row(60, 0, 90, 0), row(20, 1, 10, 5)]),
    None,
    (0, 1, 2, 3),
    places=(0, 1, 2, 3),
)


@pytest.mark.parametrize(
    ("after", "broken"),
    [
        ((30, 0, 40, 10), ()),
        ((40, 0, 60, 10), ()),
        ((29, 0, 60, 10), ("age may only rise",)),
        ((80, 0, 60, 10), ("age is outside 18 to 70",)),
        ((30, 1, 60, 10), ("sex must not change",)),
        ((30, 0, 62, 10), ("income is no multiple of 5",)),
        ((30, 0, 95, 10), ("income changes by more than 40",)),
        ((30, 0, 60, -9), ("debt is outside 0 to 50", "debt goes to the code -9")),
        ((30, 0, 40, 45), ("breaks debt <= income",)),
    ],
)
def test_each_rule_is_named_and_only_where_it_is_broken(
    after: tuple[float, ...], broken: tuple[str, ...]
) -> None:
    assert rules_broken(SCHEMA, row(30, 0, 40, 10), row(*after)) == broken


def test_a_condition_on_the_original_holds_a_column_fixed() -> None:
    assert rules_broken(SCHEMA, row(20, 1, 10, 5), row(20, 1, 10, 0)) == (
        "debt must not change where age < 25",
    )
    assert rules_broken(SCHEMA, row(30, 1, 10, 5), row(30, 1, 10, 0)) == ()


NUMBERS = TableSchema(
    columns=(
        *(Column(name=n, kind=REAL, low=0, high=100) for n in ("a", "b")),
        Column(name="c", kind=REAL, low=0, high=100, codes=(-9.0,)),
        Column(name="d", kind=REAL, low=0, high=100, step=0.1),
        Column(name="e", kind=REAL, low=0, high=100),
    ),
    relations=("a <= b", "b + c = 60", "d = a / b"),
)


@pytest.mark.parametrize(
    ("before", "after", "broken"),
    [
        ((10, 20, 40, 0.5, 0), (10, 30, 30, 0.3, 0), ()),  # 0.333 on steps of 0.1
        ((10, 20, 40, 0.5, 0), (10, 30, 30, 0.4, 0), ("breaks d = a / b",)),
        ((10, 20, 40, 0.5, 0), (10, 20, 40, 0.9, 0), ("breaks d = a / b",)),
        ((10, 20, 40, 0.5, 0), (10, 20, 30, 0.5, 0), ("breaks b + c = 60",)),  # 50 is less
        ((10, 20, 40, 0.5, 0), (10, 20, 50, 0.5, 0), ("breaks b + c = 60",)),
        ((0, 20, 40, 0, 0), (0, 0, 60, 0, 0), ("breaks d = a / b",)),  # no number
        ((50, 20, 10, 0, 0), (50, 20, 10, 0, 5), ()),  # broken by the data, and not touched
        ((10, 20, -9, 0.5, 0), (20, 20, -9, 1, 0), ()),
        ((10, 20, -9, 0.5, 0), (10, 40, -9, 0.2, 0), ()),  # half-way: 0.25 is 0.2 or 0.3
        ((10, 20, -9, 0.5, 0), (10, 40, -9, 0.3, 0), ()),  # a code says nothing of a sum
    ],
)
def test_relations_bind_what_they_say_and_only_where_a_column_changed(
    before: tuple[float, ...], after: tuple[float, ...], broken: tuple[str, ...]
) -> None:
    assert rules_broken(NUMBERS, row(*before), row(*after)) == broken


@pytest.mark.parametrize("seed", [3, 57, 61])
def test_what_variables_let_pass_breaks_no_rule(seed: int) -> None:
    """Changes of random rows; those of seed 57 hold numbers between the steps of columns that others follow."""
    draw = np.random.default_rng(seed)
    schema = random_schema(draw, columns=4, immutable=1, monotone=1, relations=2)
    x = random_rows(schema, n=6, draw=draw).nan_to_num(nan=0.0)
    variables = Variables.of(schema)
    origin, (low, high) = variables.values(x), variables.bounds(x)
    share = torch.from_numpy(draw.uniform(size=(20, *origin.shape)))
    wanted = torch.where(torch.from_numpy(draw.random(share.shape) < 0.4), low + share * (high - low), origin)
    rows = variables.onto(variables.allowed(wanted, origin=origin, x=x), origin=origin, x=x)
    assert bool((rows != x).any())
    for one in rows:
        for before, after in zip(x, one, strict=True):
            assert rules_broken(schema, before, after) == ()
            assert broken_rules(schema, before=before.tolist(), after=after.tolist()) == []


@pytest.fixture(scope="module")
def judged() -> dict[str, Any]:
    theirs = [
        Theirs(
            cells(30, "f", 40, 10),
            None,
            (
                cells(30, "f", 55, 10),
                cells(30, "m", 60, 10),
                cells(30, "f", 45, 10),
                cells(30, "x", 60, 10),
            ),
            "input 0",
        )
    ]
    [entry] = judge_rows(Bench.of(Scorecard(), TABLE, target=None), theirs, table=TABLE, fronts={})
    return entry


def test_the_model_has_the_last_word(judged: dict[str, Any]) -> None:
    assert judged["source"] == "no"
    assert [one["valid"] for one in judged["theirs"]] == [True, True, False, False]
    assert [one["readable"] for one in judged["theirs"]] == [True, True, True, False]
    assert "sex" in judged["theirs"][3]["because"]
    assert judged["theirs"][1]["broken"] == ["sex must not change"]
    assert judged["theirs"][0]["changes"] == ["income 40 -> 55"]
    assert judged["theirs"][0]["lead"] == pytest.approx(
        float(torch.tensor([-0.5, 0.5]).softmax(0) @ torch.tensor([-1.0, 1.0]))
    )


def test_measures_are_those_that_one_works_out_by_hand(judged: dict[str, Any]) -> None:
    first = judged["theirs"][0]
    assert (first["changed"], first["gower"]) == (1, pytest.approx(15 / 100 / 4))
    # accepted are (35, m, 60, 10): 5 of 52 years, another sex, 5 of 100; and (60, f, 90, 0)
    assert first["nearest"] == pytest.approx(
        min((5 / 52 + 1 + 5 / 100) / 4, (30 / 52 + 35 / 100 + 10 / 50) / 4), abs=1e-6
    )
    # and of the original: 5 of 52 years, another sex, 20 of 100; the other is further
    assert judged["nearest"]["gower"] == pytest.approx(
        min((5 / 52 + 1 + 20 / 100) / 4, (30 / 52 + 0 + 50 / 100 + 10 / 50) / 4), abs=1e-6
    )
    assert judged["diversity"]["theirs"] == pytest.approx((1 + 5 / 100) / 4, abs=1e-6)


def test_the_summary_counts_what_flips_and_what_keeps_the_rules(judged: dict[str, Any]) -> None:
    found = summary([judged], "theirs")
    assert found["counterfactuals"] == 4
    assert (found["valid"]["value"], found["keep_rules"]["value"]) == (0.5, 0.5)
    assert found["inputs_served"]["value"] == 1.0
    assert found["broken"] == {"sex must not change": 1}
    assert found["median"]["changed"] == 1.5
    assert summary([judged], "ours")["counterfactuals"] == 0


def test_a_missing_number_must_stay_missing() -> None:
    kept = Column(name="age", kind=INTEGER, low=18, high=70, missing=Missing.KEEP)
    schema = TableSchema(columns=(kept, Column(name="sex", kind=LEVELS, levels=("f", "m"))))
    nan = float("nan")
    assert rules_broken(schema, row(nan, 0), row(nan, 1)) == ()
    assert rules_broken(schema, row(nan, 0), row(30, 0)) == ("age is missing, and must stay so",)
    assert rules_broken(schema, row(30, 0), row(nan, 0)) == ("age must not become missing",)


def test_a_row_by_its_place_and_a_class_that_is_wanted() -> None:
    bench = Bench.of(Scorecard(), TABLE, target="no")
    [entry] = judge_rows(bench, [Theirs(None, 1, (cells(35, "m", 45, 10),), "")], table=TABLE, fronts={})
    assert (entry["name"], entry["source"], entry["theirs"][0]["valid"]) == ("row 1", "yes", True)
    [other] = judge_rows(bench, [Theirs(None, 9, (), "")], table=TABLE, fronts={})
    assert (other["because"], other["theirs"]) == (
        "there is no row 9 in the table; it has 4 rows, from 0.",
        [],
    )


def test_levels_may_come_as_their_index() -> None:
    bench = Bench.of(Scorecard(), TABLE, target=None)
    theirs = Theirs(
        {"age": 30, "sex": 0, "income": 40, "debt": 10},
        None,
        ({"age": 30, "sex": 1, "income": 60, "debt": 10},),
    )
    [entry] = judge_rows(bench, [theirs], table=TABLE, fronts={})
    assert entry["theirs"][0]["changes"] == ["sex f -> m", "income 40 -> 60"]


def write(path: Path, value: object) -> Path:
    path.write_text(value if isinstance(value, str) else json.dumps(value))
    return path


def test_dice_and_alibi_and_csv_say_the_same(tmp_path: Path) -> None:
    names = list(SCHEMA.names)
    dice = {
        "feature_names": names,
        "test_data": [[[30, "f", 40, 10, 0]]],
        "cfs_list": [[[30, "f", 55, 10, 1], [30, "f", 60, 10, 1]]],
    }
    alibi = {
        "meta": {"name": "CounterfactualRL"},
        "data": {"orig": {"X": [[30, 0, 40, 10]]}, "cf": {"X": [[[30, 0, 55, 10]], [[30, 0, 60, 10]]]}},
    }
    text = "original,age,sex,income,debt\n0,30,f,55,10\n0,30,f,60,10\n"
    bench, found = Bench.of(Scorecard(), TABLE, target=None), []
    for name, value in (("d.json", dice), ("a.json", alibi), ("c.csv", text)):
        _, theirs = read_theirs(write(tmp_path / name, value), columns=names)
        [entry] = judge_rows(bench, theirs, table=TABLE, fronts={})
        found.append(entry["theirs"])
    assert found[0] == found[1] == found[2]
    assert [one["changes"] for one in found[0]] == [["income 40 -> 55"], ["income 40 -> 60"]]


def test_an_alibi_explanation_without_its_original_is_of_the_row_at_its_place(tmp_path: Path) -> None:
    entries = [{"data": {"cf": None}}, {"data": {"cf": {"X": [[35, 1, 45, 10]]}}}]
    tool, found = read_theirs(write(tmp_path / "a.json", entries), columns=SCHEMA.names)
    assert tool == "alibi"
    assert [(one.row, len(one.counterfactuals)) for one in found] == [(0, 0), (1, 1)]


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("a.json", "{", "is no JSON"),
        ("a.json", {"x": 1}, "neither dice-ml's JSON"),
        ("a.json", {"cfs_list": [[]]}, "lacks `feature_names`"),
        (
            "a.json",
            {"feature_names": ["a"], "test_data": [[[1]]], "cfs_list": [None]},
            "holds no counterfactual",
        ),
        ("a.csv", "age,sex\n1,f\n", "no column says of which row"),
        ("a.csv", "original,age\nx,1\n", "line 2: 'original' must be the place of a row"),
    ],
)
def test_what_cannot_be_read_is_refused(tmp_path: Path, name: str, value: object, words: str) -> None:
    with pytest.raises(DataError, match=words):
        read_theirs(write(tmp_path / name, value), columns=SCHEMA.names)


def picture(path: Path, value: int, *, size: int = 16, dot: int | None = None) -> None:
    pixels = np.full((size, size, 3), value, dtype=np.uint8)
    if dot is not None:
        pixels[:4, :4] = dot
    Image.fromarray(pixels).save(path)


def test_pairs_of_pictures_are_measured(tmp_path: Path) -> None:
    picture(tmp_path / "a.png", 60)
    picture(tmp_path / "a.cf1.png", 60, dot=255)
    picture(tmp_path / "a.cf2.png", 250)
    picture(tmp_path / "b.png", 240)
    picture(tmp_path / "b.cf.png", 240, size=8)
    pairs = read_pairs(tmp_path)
    assert [(p.original.name, [c.name for c in p.counterfactuals]) for p in pairs] == [
        ("a.png", ["a.cf1.png", "a.cf2.png"]),
        ("b.png", ["b.cf.png"]),
    ]
    entries, shown = judge_pictures(FakeProvider(), pairs, size=None, target=None, fronts={})
    first, second = entries[0]["theirs"]
    assert (first["pixels"], first["l1"]) == (pytest.approx(1 / 16), pytest.approx(195 / 255 / 16, abs=1e-5))
    assert second["valid"] and second["pixels"] == 1.0
    assert entries[0]["nearest"]["name"] == "b.png"
    assert entries[1]["theirs"][0]["broken"] == ["it has another size than its original"]
    assert [len(each) for each in shown] == [3, 2]


def test_originals_may_have_a_folder_of_their_own(tmp_path: Path) -> None:
    for folder in ("o", "c"):
        (tmp_path / folder).mkdir()
    picture(tmp_path / "o" / "a.png", 60)
    picture(tmp_path / "c" / "a.png", 250)
    picture(tmp_path / "c" / "a_2.png", 240)
    [pair] = read_pairs(tmp_path / "c", originals=tmp_path / "o")
    assert [ref.name for ref in pair.counterfactuals] == ["a.png", "a_2.png"]
    picture(tmp_path / "c" / "z.png", 1)
    with pytest.raises(DataError, match=r"'z.png' has no original"):
        read_pairs(tmp_path / "c", originals=tmp_path / "o")
    with pytest.raises(DataError, match="holds no counterfactuals"):
        read_pairs(tmp_path / "o")
