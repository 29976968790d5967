"""Rows that lack a number under a guessed schema: kept where the model takes them, dropped where it does not."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import pytest
import torch
from onnx import TensorProto, helper
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import cfsearch
from cfsearch.assembly.missing_numbers import may_keep, opened_with_missing
from cfsearch.assembly.model import open_inputs, open_model
from cfsearch.assembly.search import assemble
from cfsearch.assembly.table import TableInput
from cfsearch.audits.compare import apart
from cfsearch.config import Config
from cfsearch.datasets.tables import Missing, infer_schema
from cfsearch.errors import DataError, ProviderCrashedError
from cfsearch.fronts.front import ParetoFront
from cfsearch.testing.fakes import FakeProvider

COLUMNS = ["income", "debt", "age"]
N, LACKING = 120, 17


@pytest.fixture(scope="module")
def people() -> pd.DataFrame:
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"income": draw.normal(50, 10, N).round(1), "debt": draw.normal(20, 5, N).round(1), "age": draw.integers(18, 80, N)}
    )  # fmt: skip
    frame["ok"] = np.where(frame.income - frame.debt > 30, "yes", "no")
    frame.loc[draw.choice(N, LACKING, replace=False), "income"] = np.nan
    return frame


def fitted(people: pd.DataFrame, *, takes: bool) -> Any:
    steps = [SimpleImputer()] if takes else []
    known = people if takes else people.dropna()
    return make_pipeline(*steps, LogisticRegression(max_iter=1000)).fit(known[COLUMNS], known["ok"])


@pytest.fixture
def config(people: pd.DataFrame, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Config:
    people.to_csv(tmp_path / "t.csv", index=False)
    (tmp_path / "lenders.py").write_text(
        "import numpy as np\n"
        "def takes(x):\n"
        "    p = 1 / (1 + np.exp(-(x['income'].fillna(50.0) - x['debt'] - 30.0)))\n"
        "    return np.stack([1 - p, p], axis=1)\n"
        "def refuses(x):\n"
        "    if x.isna().any(axis=None):\n"
        "        raise ValueError('NaN')\n"
        "    return takes(x)\n"
        "def without_end(x):\n"
        "    p = 1 / (1 + np.exp(-(x['income'] - x['debt'] - 30.0)))\n"
        "    return np.stack([1 - p, p], axis=1)\n"
    )
    for name in ("takes", "refuses", "without_end"):
        (tmp_path / f"{name}.toml").write_text('labels = ["no", "yes"]\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "lenders", raising=False)
    return settings("takes")


def settings(function: str, **data: Any) -> Config:
    return Config.check(
        {
            "model": {"path": f"lenders:{function}", "sidecar": f"{function}.toml"},
            "data": {"table": "t.csv", "label": "ok", **data},
            "search": {"target": "yes"},
            "run": {"isolate": False},
        }
    )


def lacking(table: TableInput | None) -> int:
    assert table is not None
    return int(torch.isnan(table.x).any(1).sum())


def test_they_stay_where_the_model_answers_them(config: Config) -> None:
    opened = open_model(config, keep_missing=True)
    assert opened.table is not None and len(opened.table.x) == N and lacking(opened.table) == LACKING
    assert opened.table.schema.column("income").missing is Missing.KEEP and opened.table.dropping is None
    assert [note for note in opened.notes if note.startswith("income:")] == [
        f"income: {LACKING} rows have no number here; they stay, as the model takes missing numbers, and a search leaves "
        "such cells as they are (missing = 'keep')."
    ]


@pytest.mark.parametrize("function", ["refuses", "without_end"])
def test_they_are_dropped_where_it_does_not(config: Config, function: str) -> None:
    opened = open_model(settings(function), keep_missing=True)
    assert opened.table is not None and len(opened.table.x) == N - LACKING and lacking(opened.table) == 0
    assert opened.table.schema.column("income").missing is Missing.DROP
    assert any(note.startswith(f"{LACKING} of {N} rows were dropped") for note in opened.notes)


@pytest.mark.parametrize(
    ("kind", "kept"), [(TensorProto.INT64, 0), (TensorProto.INT32, 0), (TensorProto.FLOAT, 9)]
)
def test_an_onnx_input_of_whole_numbers_takes_no_missing_one(tmp_path: Path, kind: int, kept: int) -> None:
    cells = [f"{20 + i}" if i % 4 else "" for i in range(36)]
    (tmp_path / "t.csv").write_text("age\n" + "\n".join(f'"{cell}"' for cell in cells) + "\n")
    nodes = [
        helper.make_node("Cast", ["age"], ["a"], to=TensorProto.FLOAT),
        helper.make_node("IsNaN", ["a"], ["gone"]),
        helper.make_node("Where", ["gone", "one", "a"], ["filled"]),
        helper.make_node("Gemm", ["filled", "w"], ["scores"]),
    ]
    values = [
        helper.make_tensor("one", TensorProto.FLOAT, [1, 1], [1.0]),
        helper.make_tensor("w", TensorProto.FLOAT, [1, 2], [-1.0, 1.0]),
    ]
    made = helper.make_graph(
        nodes,
        "g",
        [
            helper.make_tensor_value_info(name, at, ["n", 1])
            for name, at in (("age", kind), ("pay", TensorProto.FLOAT))
        ],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 2])],
        values,
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.save(model, tmp_path / "m.onnx")
    (tmp_path / "m.toml").write_text('labels = ["no", "yes"]\nscores = "logits"\n')
    text = (tmp_path / "t.csv").read_text().splitlines()
    (tmp_path / "t.csv").write_text(
        "\n".join(f"{line},{'pay' if not i else i + 0.5}" for i, line in enumerate(text))
    )
    data = {"table": str(tmp_path / "t.csv")}
    config = Config.check(
        {"model": {"path": str(tmp_path / "m.onnx")}, "data": data, "run": {"isolate": False}}
    )
    table = open_model(config, keep_missing=True).table
    assert table is not None and lacking(table) == kept and len(table.x) == 27 + kept


def test_a_row_that_was_chosen_is_searched_or_refused(config: Config, people: pd.DataFrame) -> None:
    row = int(np.flatnonzero(people["income"].isna())[0])
    table = open_model(settings("takes", rows=(row,)), keep_missing=True).table
    assert lacking(table) == 1
    with pytest.raises(DataError, match=rf"row {row}\): a cell is missing in income"):
        open_model(settings("refuses", rows=(row,)), keep_missing=True)


def test_settings_decide_where_somebody_wants_one_of_both(config: Config) -> None:
    assert lacking(open_model(settings("takes", missing_numbers="drop"), keep_missing=True).table) == 0
    wanted, refused = settings("takes", missing_numbers="keep"), settings("refuses", missing_numbers="keep")
    assert lacking(open_model(wanted, keep_missing=True).table) == LACKING
    assert lacking(open_model(refused, keep_missing=True).table) == 0  # which it cannot be made to take


def test_what_cannot_go_through_a_missing_number_never_meets_one(config: Config) -> None:
    assert may_keep(config)
    surrogate = {"model": {"path": "lenders:takes", "surrogate": "s.safetensors"}, "data": {"table": "t.csv"}}
    served = {"model": {"path": "https://host/v2/models/m"}, "data": {"table": "t.csv"}}
    assert not may_keep(Config.check(surrogate)) and not may_keep(Config.check(served))
    assert lacking(open_model(config).table) == 0  # explainers and distillation


def test_models_side_by_side_are_searched_on_the_same_rows(config: Config) -> None:
    two = Config.check(
        {"model": [{"path": "lenders:takes"}, {"path": "lenders:refuses"}], "data": {"table": "t.csv"}}
    )
    assert [one.data.missing_numbers for one in apart(two).values()] == ["drop", "drop"]
    assert list(apart(config).values()) == [config]


def test_linked_columns_are_dropped_all_the_same(tmp_path: Path) -> None:
    draw = np.random.default_rng(1)
    code = draw.choice([10, 20, 30, 40], 60).astype(float)
    frame = pd.DataFrame(
        {"code": code, "name": [f"n{int(c)}" for c in code], "income": draw.normal(50, 9, 60).round(1)}
    )
    frame.loc[3, ["code", "name"]] = np.nan
    frame.loc[5, "income"] = np.nan
    frame.to_csv(tmp_path / "t.csv", index=False)
    guess = infer_schema(tmp_path / "t.csv", keep_missing=True)
    assert [link.columns for link in guess.schema.links] == [("code", "name")]
    assert guess.schema.column("code").missing is Missing.DROP
    assert guess.schema.column("income").missing is Missing.KEEP


def test_a_model_that_dies_of_them_is_opened_once_more(config: Config) -> None:
    table, opened = open_inputs(config, keep_missing=True), list[int]()

    def opening(one: TableInput) -> FakeProvider:
        opened.append(len(one.x))
        if lacking(one):
            raise ProviderCrashedError("it died.")
        return FakeProvider()

    kept, _ = opened_with_missing(table, opening)
    assert opened == [N, N - LACKING] and lacking(kept) == 0


def test_a_search_leaves_such_a_cell_as_it_is(config: Config, people: pd.DataFrame) -> None:
    row = int(np.flatnonzero(people["income"].isna() & (people["ok"] == "no"))[0])
    assembly = assemble(settings("takes", rows=(row,)))
    assert assembly.table is not None
    front = assembly.search.run(assembly.table.x, names=("row",))[0]
    assert isinstance(front, ParetoFront)
    at = front.variables.index("income")
    assert bool(torch.isnan(torch.as_tensor(front.origin_values)[at]))
    assert (
        len(front.z)
        and bool(torch.as_tensor(front.verified).any())
        and not bool(torch.as_tensor(front.z)[:, at].any())
    )


def test_objects_of_the_program_are_queried_too(people: pd.DataFrame) -> None:
    row = int(np.flatnonzero(people["income"].isna())[0])
    found = cfsearch.search(
        fitted(people, takes=True), people[COLUMNS], target="yes", rows=[row], evaluations=100, population=20
    )
    assert [front.name for front in found] == [f"row {row}"]
    with pytest.raises(DataError, match="a cell is missing in income"):
        cfsearch.search(fitted(people, takes=False), people[COLUMNS], target="yes", rows=[row])


def test_an_audit_of_them_goes_on_where_it_was_stopped(people: pd.DataFrame, tmp_path: Path) -> None:
    model = HistGradientBoostingClassifier(max_iter=10).fit(people[COLUMNS], people["ok"])
    people = people.sort_values("income", na_position="first", ignore_index=True)
    fast: Any = {"evaluations": 60, "population": 20, "target": "yes", "out": tmp_path / "run"}
    first = cfsearch.audit(model, people[COLUMNS], limit=12, **fast)
    again = cfsearch.audit(model, people[COLUMNS], limit=12, **fast)
    assert [front.name for front in first.fronts] == [f"row {i}" for i in range(12)]
    assert any(np.isnan(np.asarray(front.origin_values)).any() for front in first.fronts)
    for one, two in zip(first.fronts, again.fronts, strict=True):
        np.testing.assert_array_equal(one.z, two.z)
