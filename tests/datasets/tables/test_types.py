"""Types that the text of a table does not show: those of data frames and parquet files reach the model."""

from pathlib import Path

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal, assert_series_equal

from cfsearch.api.tables import written_table
from cfsearch.datasets.tables import (
    Column,
    ColumnKind,
    ColumnType,
    Table,
    TableSchema,
    infer_schema,
    read_table,
    read_text_table,
    sample_of,
    types_of_frame,
)
from cfsearch.errors import DataError

FRAME = pd.DataFrame(
    {
        "branch": ["01", "02", "03"] * 20,
        "flag": ["True", "False", "True", "True"] * 15,
        "code": pd.Categorical([3, 1, 2, 2, 1] * 12),
        "job": pd.Categorical(["cook", "clerk"] * 30),
        "alley": ["None", "Grvl", None, "NA", "Pave"] * 12,
        "street": [f"{name} street" for name in ("None", "Grvl", "no", "NA", "Pave")] * 12,
        "word": pd.Categorical(["None", "null", None] * 20),
        "income": [i / 7 for i in range(60)],
    }
)
ZIPS = pd.DataFrame({"zip": [f"{7 * i:05d}" for i in range(150)], "age": [i % 50 for i in range(150)]})


def a_file(frame: pd.DataFrame, folder: Path, kind: str) -> Path:
    if kind == "frame":
        return written_table(frame, folder)
    frame.to_parquet(folder / "t.parquet")
    return folder / "t.parquet"


def as_guessed(path: Path) -> Table:
    return read_table(path, schema=infer_schema(path).schema)


@pytest.mark.parametrize("kind", ["frame", "parquet"])
@pytest.mark.parametrize("frame", [FRAME, ZIPS, FRAME.iloc[::-1]], ids=["levels", "codes", "other order"])
def test_a_model_is_given_what_the_frame_holds(frame: pd.DataFrame, tmp_path: Path, kind: str) -> None:
    path = a_file(frame, tmp_path, kind)
    given = as_guessed(path).frame()
    known = pd.read_parquet(path) if kind == "parquet" else frame  # categories of numbers are numbers there
    assert_frame_equal(given, known.reset_index(drop=True))


@pytest.mark.parametrize("kind", ["frame", "parquet"])
def test_the_other_reading_is_that_of_the_frame_where_the_schema_lacks_the_types(
    tmp_path: Path, kind: str
) -> None:
    path = a_file(FRAME, tmp_path, kind)
    column = Column(name="branch", kind=ColumnKind.CATEGORICAL, levels=("01", "02", "03"))
    schema = TableSchema(columns=(column,), ignore=tuple(FRAME.columns[1:]))
    sample = sample_of(read_text_table(path), path, schema=schema)
    assert sample is not None
    frame = sample.frame(schema)
    assert frame is not None
    assert frame["branch"].tolist() == FRAME["branch"].iloc[list(sample.places)].tolist()
    assert read_table(path, schema=schema).frame()["branch"].tolist()[:3] == [1, 2, 3]


def test_a_text_that_pandas_reads_as_missing_is_a_text_in_both_readings(tmp_path: Path) -> None:
    path = a_file(FRAME, tmp_path, "frame")
    schema = infer_schema(path).schema
    sample = sample_of(read_text_table(path), path, schema=schema)
    frame = None if sample is None else sample.frame(schema)
    assert sample is not None and frame is not None
    given = read_table(path, schema=schema, rows=sample.places).frame()
    for name in ("alley", "word"):
        assert_series_equal(frame[name], given[name], check_dtype=False)
        assert frame[name].dropna().tolist() == FRAME[name].iloc[list(sample.places)].dropna().tolist()


def test_a_schema_of_numbers_decides(tmp_path: Path) -> None:
    path = a_file(FRAME, tmp_path, "parquet")
    column = Column(name="branch", kind=ColumnKind.INTEGER, low=1.0, high=3.0)
    schema = TableSchema(columns=(column,), ignore=tuple(FRAME.columns[1:]))
    sample = sample_of(read_text_table(path), path, schema=schema)
    frame = None if sample is None else sample.frame(schema)
    assert frame is not None
    assert frame["branch"].tolist()[:3] == [1, 3, 2]


def test_dates_are_noted_and_the_other_reading_has_them(tmp_path: Path) -> None:
    days = pd.to_datetime(["2024-05-01", "2024-06-01", "2024-07-01"] * 20)
    for kind in ("frame", "parquet"):
        path = a_file(FRAME.assign(day=days), tmp_path, kind)
        guess = infer_schema(path)
        assert any("day: datetime64" in note and "as texts" in note for note in guess.notes)
        sample = sample_of(read_text_table(path), path, schema=guess.schema)
        frame = None if sample is None else sample.frame(guess.schema)
        assert frame is not None
        assert frame["day"].dtype.kind == "M"


def test_texts_that_look_like_numbers_are_noted(tmp_path: Path) -> None:
    notes = " ".join(infer_schema(written_table(FRAME, tmp_path)).notes)
    assert "branch: texts that look like numbers ('01')" in notes
    assert "flag: texts that look like truth values ('True')" in notes
    assert "convert the column (astype)" in notes


@pytest.mark.parametrize(
    "x",
    [
        [{"zip": "02139", "age": 30}, {"zip": "10001", "age": 31}, {"age": 31}],
        {"zip": ["02139", "10001", None], "age": [30, 31, 31]},
    ],
    ids=["records", "columns"],
)
def test_texts_of_records_stay_texts_beside_numbers(x: object, tmp_path: Path) -> None:
    assert as_guessed(written_table(x, tmp_path)).frame()["zip"].tolist()[:2] == ["02139", "10001"]


def test_records_of_texts_alone_are_read_as_a_file(tmp_path: Path) -> None:
    path = written_table([{"zip": "2139", "age": "30"}, {"zip": "10001", "age": "31"}], tmp_path)
    assert as_guessed(path).frame()["age"].tolist() == [30, 31]


def test_a_table_written_again_has_its_own_types(tmp_path: Path) -> None:
    written_table({"zip": ["02139", "10001"], "age": [30, 31]}, tmp_path)
    path = written_table({"zip": [2139, 10001], "age": [30, 31]}, tmp_path)
    assert read_text_table(path).types == {}


@pytest.mark.parametrize("content", ["[1]", '{"a": 1}', "{", '{"zip": "str"}'])
def test_a_file_of_somebody_else_beside_a_table_is_ignored(tmp_path: Path, content: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text("zip,age\n02139,30\n")
    path.with_name("t.csv.types.json").write_text(content)
    assert read_text_table(path).types == {}


@pytest.mark.parametrize(
    ("content", "what"),
    [
        ("", "cannot be read"),
        (', "columns": 1}', "`columns` must be a table"),
        (', "columns": {"zip": "str"}}', "column 'zip' must have `type`"),
        (
            ', "columns": {"zip": {"type": "odd", "categories": [], "ordered": false}}}',
            "column 'zip' has the unknown type 'odd'",
        ),
        (
            ', "columns": {"zip": {"type": "category", "categories": [1], "ordered": false}}}',
            "must have texts as `categories`",
        ),
    ],
)
def test_damaged_types_are_refused(tmp_path: Path, content: str, what: str) -> None:
    path = written_table({"zip": ["02139"], "age": [30]}, tmp_path)
    path.with_name("table.csv.types.json").write_text('{"format": "cfsearch-types/1"' + content)
    with pytest.raises(
        DataError, match=rf"must hold the types of the columns of 'table.csv'.*{what}.*Remove it"
    ):
        read_text_table(path)


NUMBERS = [str(7 * i + 100) for i in range(60)]


@pytest.mark.parametrize("kind", ["frame", "parquet"])
def test_a_frame_of_texts_alone_is_read_as_a_file(tmp_path: Path, kind: str) -> None:
    frame = pd.DataFrame({"income": NUMBERS, "rate": ["0.5", "0.25"] * 30})
    given = as_guessed(a_file(frame, tmp_path, kind)).frame()
    assert given["income"].tolist() == [int(cell) for cell in NUMBERS]
    assert given["rate"].tolist() == [0.5, 0.25] * 30


@pytest.mark.parametrize("kind", ["frame", "parquet"])
def test_texts_of_many_numbers_beside_other_columns_are_numbers_given_as_texts(
    tmp_path: Path, kind: str
) -> None:
    frame = pd.DataFrame({"income": NUMBERS, "age": [i % 50 for i in range(60)]})
    path = a_file(frame, tmp_path, kind)
    guess = infer_schema(path)
    assert guess.schema.column("income").kind is ColumnKind.INTEGER
    assert any("income: 60 texts that are numbers" in note for note in guess.notes)
    assert as_guessed(path).frame()["income"].tolist() == NUMBERS


def test_texts_of_numbers_that_come_back_in_another_form_are_noted(tmp_path: Path) -> None:
    frame = pd.DataFrame(
        {"rate": [f"{i}.25" for i in range(59)] + ["7.5"], "age": [i % 50 for i in range(60)]}
    )
    assert any("'7.50' for '7.5'" in note for note in infer_schema(written_table(frame, tmp_path)).notes)


@pytest.mark.parametrize("ordered", [True, False])
@pytest.mark.parametrize("kind", ["frame", "parquet"])
def test_categories_keep_their_order_and_those_of_no_row(tmp_path: Path, kind: str, ordered: bool) -> None:
    names = ["low", "none", "mid", "high"]
    sizes = pd.Categorical(["high", "low", "mid", None] * 15, categories=names, ordered=ordered)
    frame = pd.DataFrame({"size": sizes, "age": [i % 50 for i in range(60)]})
    path = a_file(frame, tmp_path, kind)
    guess = infer_schema(path)
    assert_frame_equal(read_table(path, schema=guess.schema).frame(), frame)
    assert any("size: 1 categories of the data frame are in no row ('none')" in note for note in guess.notes)
    sample = sample_of(read_text_table(path), path, schema=guess.schema)
    read = None if sample is None else sample.frame(guess.schema)
    assert sample is not None and read is not None
    assert_series_equal(read["size"], frame["size"].iloc[list(sample.places)].reset_index(drop=True))


MARKED = pd.DataFrame({"inc": ["1,234", "2,345", "12,000"] * 20, "n": range(60)})


def test_texts_with_marks_between_thousands_are_numbers_where_nothing_else_is_declared(
    tmp_path: Path,
) -> None:
    path = written_table(MARKED, tmp_path)
    column = Column(name="inc", kind=ColumnKind.REAL, low=0.0, high=1e6)
    for schema in (infer_schema(path).schema, TableSchema(columns=(column,), ignore=("n",))):
        assert read_table(path, schema=schema).frame()["inc"].tolist()[:3] == [1234, 2345, 12000]
        sample = sample_of(read_text_table(path), path, schema=schema)
        frame = None if sample is None else sample.frame(schema)
        assert frame is not None
        assert set(frame["inc"]) <= {1234, 2345, 12000}


def test_texts_with_marks_that_are_declared_as_categories_stay_texts(tmp_path: Path) -> None:
    path = written_table(MARKED, tmp_path)
    schema = infer_schema(path, categorical=["inc"]).schema
    assert read_table(path, schema=schema).frame()["inc"].tolist() == MARKED["inc"].tolist()


@pytest.mark.parametrize("word", ["NA", "?"])
def test_a_word_among_texts_of_numbers_is_a_missing_one(tmp_path: Path, word: str) -> None:
    frame = pd.DataFrame({"inc": ["1", word, "3", "4"] * 15, "n": [i % 50 for i in range(60)]})
    path = written_table(frame, tmp_path)
    guess = infer_schema(path)
    assert guess.schema.column("inc").kind is ColumnKind.INTEGER
    assert any(f"inc: {word!r} among texts that are numbers; taken for missing" in n for n in guess.notes)
    assert read_table(path, schema=guess.schema).frame()["inc"].tolist() == ["1", "3", "4"] * 15


def test_texts_of_arrow_are_texts() -> None:
    pyarrow = pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"b": ["01", None], "n": [1, 2]})
    frame["b"] = frame["b"].astype(pd.ArrowDtype(pyarrow.string()))
    assert types_of_frame(frame) == {"b": ColumnType("str")}


def test_categories_of_dates_are_compared_as_texts(tmp_path: Path) -> None:
    days = ["2024-05-01", "2024-06-01"] * 30
    frame = pd.DataFrame({"day": pd.Categorical(pd.to_datetime(days)), "age": [i % 50 for i in range(60)]})
    path = written_table(frame, tmp_path)
    schema = infer_schema(path).schema
    sample = sample_of(read_text_table(path), path, schema=schema)
    read = None if sample is None else sample.frame(schema)
    assert sample is not None and read is not None
    assert read["day"].tolist() == [days[place] for place in sample.places]
