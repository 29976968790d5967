"""Inputs and settings as programs hold them: every form of a table gives the front of the data frame."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray

import cfsearch
from cfsearch.api.settings import coerced
from cfsearch.api.tables import is_table, rows_in, written_table
from cfsearch.errors import CfsearchError, ConfigError, DataError
from cfsearch.fronts.front import ParetoFront

ROWS = 40
AGE = np.arange(ROWS) % 50 + 20.0
FRAME = pd.DataFrame(
    {"age": AGE, "debt": (np.arange(ROWS) * 7 % 30) / 10, "job": ["cook", "clerk"] * (ROWS // 2)}
)


def old(frame: Any) -> NDArray[Any]:  # Any: a data frame
    p = 1 / (
        1 + np.exp(-(frame["age"].to_numpy(dtype=float) - 45 + 3 * (frame["job"].to_numpy() == "cook")) / 3)
    )
    return np.stack([1 - p, p], 1)


def front(x: object, **settings: Any) -> ParetoFront:
    given = {"rows": [3], "evaluations": 60, "population": 10, **settings}
    return cfsearch.search(old, x, labels=["young", "old"], **given)[0]


FORMS: dict[str, Any] = {
    "records": FRAME.to_dict("records"),
    "columns": FRAME.to_dict("list"),
    "columns as arrays": {name: FRAME[name].to_numpy() for name in FRAME},
    "record array": FRAME.to_records(index=False),
    "categories": FRAME.astype({"job": "category"}),
}


@pytest.fixture(scope="module")
def usual() -> ParetoFront:
    return front(FRAME)


@pytest.mark.parametrize("form", FORMS, ids=str)
def test_every_form_of_a_table_gives_the_front_of_the_data_frame(form: str, usual: ParetoFront) -> None:
    assert torch.equal(front(FORMS[form]).f, usual.f)


@pytest.mark.parametrize("ending", ["csv", "CSV", "txt", "csv.xz", "csv.bz2", "parquet"])
def test_a_path_is_a_table_whatever_its_ending_that_is_no_pictures(
    ending: str, usual: ParetoFront, tmp_path: Path
) -> None:
    path = tmp_path / f"rows.{ending}"
    if ending == "parquet":
        pytest.importorskip("pyarrow")
        FRAME.to_parquet(path)
    else:
        FRAME.to_csv(path, index=False)
    assert torch.equal(front(str(path)).f, usual.f)


def test_a_function_compares_the_texts_that_the_frame_holds(tmp_path: Path) -> None:
    frame = FRAME.assign(branch=["01", "02", "03", "02"] * (ROWS // 4), flag=["True", "False"] * (ROWS // 2))

    def of_texts(rows: Any) -> NDArray[Any]:  # Any: a data frame
        z = rows["age"].to_numpy(dtype=float) - 60
        z = z + 20.0 * (rows["branch"] == "02").to_numpy() + 20.0 * (rows["flag"] == "False").to_numpy()
        p = 1 / (1 + np.exp(-z / 8))
        return np.stack([1 - p, p], 1)

    frame.to_parquet(tmp_path / "t.parquet")
    row = 33
    truth = of_texts(frame.iloc[[row]])[0]
    for x in (frame, tmp_path / "t.parquet", frame.to_dict("records")):
        found = cfsearch.search(of_texts, x, rows=[row], labels=["no", "yes"], evaluations=60, population=10)[
            0
        ]
        assert found.source == int(truth.argmax()) == 1


def test_a_frame_of_pyarrow_is_a_table(usual: ParetoFront) -> None:
    arrow = pytest.importorskip("pyarrow")
    assert torch.equal(front(arrow.Table.from_pandas(FRAME)).f, usual.f)


@pytest.mark.parametrize("width", [3, 12])
@pytest.mark.parametrize(
    "form", [np.array, torch.tensor, np.ndarray.tolist], ids=["array", "tensor", "lists"]
)
def test_a_function_takes_a_matrix_where_the_rows_came_as_one(form: Any, width: int) -> None:
    seen = set()

    def first(x: NDArray[np.float64]) -> NDArray[np.float64]:
        seen.add((type(x), x.shape[1]))
        return np.stack([1 - x[:, 0], x[:, 0]], 1)

    matrix = np.random.default_rng(0).random((30, width)).round(3)
    fronts = cfsearch.search(first, form(matrix), rows=[0], evaluations=60, population=10)
    assert seen == {(np.ndarray, width)}
    assert fronts[0].found


def test_one_row_as_a_mapping_or_a_list_needs_a_table_beside_it() -> None:
    row = FRAME.iloc[3].to_dict()
    for one in (row, [row], FRAME.iloc[3], FRAME.iloc[[3]], np.zeros(3), [0.0, 1.0, 2.0]):
        assert rows_in(one) == 1
        with pytest.raises(ConfigError, match="one row does not say what its columns may become"):
            cfsearch.search(old, one)
    beside = cfsearch.search(old, row, reference=FRAME, labels=["young", "old"], evaluations=60)
    assert beside[0].found


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (FRAME.head(0), "expected one row at least, got none"),
        ({"age": [], "job": []}, "expected one row at least, got none"),
        ({"age": [1, 2], "job": ["cook"]}, "columns of one length, got 'age' of 2, 'job' of 1"),
        ([[1.0, 2.0], [3.0]], "rows of one length, got rows of \\[1, 2\\] values"),
    ],
    ids=["frame", "columns", "ragged columns", "ragged rows"],
)
def test_what_is_no_table_says_why(x: object, message: str) -> None:
    with pytest.raises(DataError, match=message):
        cfsearch.search(old, x)


def test_missing_values_are_empty_cells(tmp_path: Path) -> None:
    rows = [{"a": None, "b": float("nan")}, {"a": np.float64("nan"), "b": pd.NA}, {"a": 0, "b": False}]
    assert written_table(rows, tmp_path).read_text() == "a,b\n,\n,\n0,False\n"


def test_pictures_are_no_tables() -> None:
    grey = np.zeros((28, 28))
    for x in (grey, grey[None], np.zeros((2, 3, 8, 8)), [grey, grey], torch.zeros(8, 8), [], "a text"):
        assert not is_table(x)


SAME: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"rows": 3}, {"rows": [3]}),
    ({"rows": np.int64(3)}, {"rows": [3]}),
    ({"rows": pd.Series([i == 3 for i in range(ROWS)])}, {"rows": [3]}),
    ({"immutable": "job"}, {"immutable": ["job"]}),
    ({"immutable": "job, debt"}, {"immutable": ["job", "debt"]}),
    ({"constraints": "max_changed:k=1"}, {"constraints": ["max_changed:k=1"]}),
    ({"rows": None, "where": "age=23"}, {"rows": None, "where": ["age=23"]}),
]


@pytest.mark.parametrize(("short", "usual"), SAME, ids="+".join)
def test_one_value_stands_for_a_sequence_of_one(short: dict[str, Any], usual: dict[str, Any]) -> None:
    assert coerced(short) == coerced(usual)
    assert torch.equal(front(FRAME, **short).z, front(FRAME, **usual).z)


def test_names_of_an_audit_may_be_one_text(tmp_path: Path) -> None:
    result = cfsearch.audit(
        old,
        FRAME,
        out=tmp_path / "run",
        labels=["young", "old"],
        by="job",
        protected="job",
        limit=4,
        evaluations=40,
        shared_queries=0,
    )
    document = result.document
    assert {group["attribute"] for group in document["groups"]} == {"job"}
    assert document["protected"] == ["job"]


def test_a_class_is_no_model() -> None:
    with pytest.raises(CfsearchError, match="expected a fitted model, got the class Linear itself"):
        cfsearch.search(torch.nn.Linear, FRAME)


def test_fronts_are_found_by_the_name_of_their_input() -> None:
    fronts = cfsearch.search(old, FRAME, labels=["young", "old"], rows=[3, 5], evaluations=40)
    assert fronts["row 5"] is fronts[1]
    with pytest.raises(KeyError, match=r"unknown input 'row 6'\. .*Known: row 3, row 5"):
        fronts["row 6"]
    failed = type(fronts)(fronts, failures={"row 6": DataError("it has a gap.")})
    with pytest.raises(KeyError, match=r"'row 6' failed and has no front: it has a gap\."):
        failed["row 6"]


def test_an_audit_looks_at_its_place_before_it_queries(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    def never(frame: object) -> None:
        raise AssertionError("the model was queried")

    with pytest.raises(CfsearchError, match="cannot write"):
        cfsearch.audit(never, FRAME, out=tmp_path / "file")
