"""Tables: every fault of a file, missing cells, exact round trips, frames, inference."""

import gzip
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cfsearch.datasets.tables import (
    Column,
    ColumnKind,
    Encoding,
    Missing,
    Table,
    TableSchema,
    frame_of,
    infer_schema,
    read_schema,
    read_table,
    write_schema,
)
from cfsearch.datasets.tables import _file as _tables_file
from cfsearch.errors import CfsearchError, ConfigError, DataError, MissingExtraError, ShapeError
from cfsearch.testing.tables import random_rows, random_schema, random_table

DATA = Path(os.environ.get("CFSEARCH_DATA", Path(__file__).parents[4] / "shared" / "data"))
Write = Callable[[bytes | str], Path]
PEOPLE = TableSchema(
    columns=(
        Column(name="age", kind=ColumnKind.INTEGER, low=18, high=90, unit="years"),
        Column(name="income", kind=ColumnKind.REAL, low=0.0, high=5000.0, step=0.01, unit="EUR"),
        Column(name="job", kind=ColumnKind.CATEGORICAL, levels=("clerk", "cook")),
    ),
    target=Column(name="ok", kind=ColumnKind.CATEGORICAL, levels=("no", "yes")),
)


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(content: bytes | str) -> Path:
        path = tmp_path / "people.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written


def with_column(name: str, **changes: object) -> TableSchema:
    columns = tuple(
        replace(c, **changes) if c.name == name else c  # type: ignore[arg-type]  # settings of a column
        for c in PEOPLE.columns
    )
    return replace(PEOPLE, columns=columns)


class TestFiles:
    @pytest.mark.parametrize(
        "content",
        [
            "age,income,job,ok\n39,1200.50,cook,yes\n",
            b"\xef\xbb\xbfage,income,job,ok\r\n39,1200.50,cook,yes\r\n",
            'age,income,job,ok\n39,1200.50,"cook\n",yes',
            " age ,income, job,ok\n\n 39 , 1.2005e3,cook ,yes\n",
            "job,ok,age,income\ncook,yes,39,1200.5\n",
        ],
        ids=["plain", "BOM and CRLF", "quoted line break", "spaces and an empty line", "another order"],
    )
    def test_what_is_read(self, write: Write, content: bytes | str) -> None:
        table = read_table(write(content), schema=PEOPLE)
        assert table.x.tolist() == [[39.0, 1200.5, 1.0]]
        assert table.target is not None and table.target.tolist() == [1]

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            ("", "line 1 must be a header, but there is nothing"),
            ("age,income,job,ok\n", "line 2 must be the first row, but there is only the header"),
            ("age,income,job,ok\n39,1,cook,yes\n40,2\n", "line 3 must have 4 cells, got 2"),
            ('age,income,job,ok\n39,1,"a\nb",yes\n1,2,3,4,5\n', "line 4 must have 4 cells, got 5"),
            ("age,age,job,ok\n39,1,cook,yes\n", "line 1 names column 'age' twice"),
            ("age,,job,ok\n39,1,cook,yes\n", "the column 'income' is missing. It has age, Unnamed: 1, job"),
            ("age,income,job,ok\n39,1,co\0ok,yes\n", "line 2 holds a NUL byte"),
            ("age,income,job,ok\n39,1," + "x" * 10**6 + ",yes\n", "line 2 is no row of a table .*limit"),
            ('age,income,job,ok\n39,1,"cook,yes\n', "is no row of a table"),
            ("age,job,ok\n39,cook,yes\n", "line 2: the column 'income' is missing. It has age, job, ok"),
            ('age,income,job,ok\n39,"1,5",cook,yes\n', "line 2, column 'income': must be a number.*point"),
            (
                "age,income,job,ok\n1,1,cook,yes\n39,N/A,cook,yes\n",
                "line 3, column 'income': the cell is miss",
            ),
            ("age,income,job,ok\n39,inf,cook,yes\n", "column 'income': must be a number, got 'inf'"),
            ("age,income,job,ok\n39,1e999,cook,yes\n", "column 'income': must be a finite number"),
            ("age,income,job,ok\n39.5,1,cook,yes\n", "column 'age': must be a whole number under 2"),
            ("age,income,job,ok\n39,1_0,cook,yes\n", "must be a number, got '1_0'"),
            ("age,income,job,ok\n39,1,coook,yes\n", "line 2, column 'job': 'coook' is none of its 2 levels"),
            ("age,income,job,ok\n39,1,cook,maybe\n", "column 'ok': 'maybe' is none of its 2 levels"),
        ],
    )
    def test_what_is_refused_in_one_line(self, write: Write, content: bytes | str, message: str) -> None:
        with pytest.raises(DataError, match=message) as caught:
            read_table(write(content), schema=PEOPLE)
        assert "\n" not in str(caught.value) and len(str(caught.value)) < 500

    def test_latin_1_is_read_where_it_is_declared(self, write: Write) -> None:
        schema = with_column("job", levels=("café",))
        path = write("age,income,job,ok\n39,1,café,yes\n".encode("latin-1"))
        assert read_table(path, schema=schema, encoding="latin-1").cells(0)["job"] == "café"
        with pytest.raises(ConfigError, match="`encoding` 'klingon' is unknown"):
            read_table(path, schema=schema, encoding="klingon")

    def test_other_delimiters(self, write: Write) -> None:
        path = write("age;income;job\n39;1;cook\n")
        assert len(read_table(path, schema=PEOPLE, delimiter=";")) == 1
        with pytest.raises(ConfigError, match="`delimiter` must be one character"):
            read_table(path, schema=PEOPLE, delimiter=";;")

    def test_gzip_is_unpacked_within_bounds(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        path = tmp_path / "people.csv.gz"
        path.write_bytes(gzip.compress(b"age,income,job\n39,1,cook\n"))
        assert len(read_table(path, schema=PEOPLE)) == 1
        monkeypatch.setattr(_tables_file, "MAX_BYTES", 10)
        with pytest.raises(DataError, match="more than 0 MiB"):
            read_table(path, schema=PEOPLE)
        monkeypatch.undo()
        path.write_bytes(path.read_bytes()[:-9])
        with pytest.raises(DataError, match="broken gzip file"):
            read_table(path, schema=PEOPLE)
        with pytest.raises(DataError, match="there is no such file"):
            read_table(tmp_path / "none.csv", schema=PEOPLE)

    @given(raw=st.binary(max_size=200))
    def test_no_bytes_break_it(self, raw: bytes, tmp_path_factory: pytest.TempPathFactory) -> None:
        path = tmp_path_factory.mktemp("raw") / "x.csv"
        path.write_bytes(b"age,income,job\n" + raw)
        message = ""
        try:
            read_table(path, schema=PEOPLE)
        except CfsearchError as error:
            message = str(error)
        assert "\n" not in message


class TestMissing:
    def test_each_policy(self, write: Write) -> None:
        path = write("age,income,job,ok\n?,1,cook,yes\n39,,cook,no\n40,2,NA,no\n")
        schema = with_column("age", missing=Missing.DROP)
        schema = replace(
            schema,
            columns=(
                schema.columns[0],
                replace(schema.columns[1], missing=Missing.FILL, fill=7.5),
                replace(schema.columns[2], levels=("clerk", "cook", "?"), missing=Missing.LEVEL),
            ),
        )
        table = read_table(path, schema=schema)
        assert table.x.tolist() == [[39.0, 7.5, 1.0], [40.0, 2.0, 2.0]]
        assert table.lines == (3, 4)
        assert table.notes == (
            "1 of 3 rows were dropped for a missing cell (age 1; first: line 2 of the file).",
        )
        assert table.target is not None and table.target.tolist() == [0, 0]

    def test_what_is_missing_is_named_by_its_column(self, write: Write) -> None:
        schema = with_column("income", missing=Missing.DROP)
        path = write("age,income,job,ok\n39,,cook,no\n40,2,cook,no\n")
        with pytest.raises(
            DataError, match=r"line 2 \(row 0\): a cell is missing in income, and the schema drops"
        ):
            read_table(path, schema=schema, rows=[0])
        with pytest.raises(DataError, match=r"every row has a missing cell \(income 2\), and"):
            read_table(write("age,income,job,ok\n39,,cook,no\n40,?,cook,no\n"), schema=schema)

    @pytest.mark.parametrize("rows", [None, [0]])
    def test_a_column_that_is_not_there_is_no_missing_cell(
        self, write: Write, rows: list[int] | None
    ) -> None:
        schema = replace(with_column("income", missing=Missing.DROP), missing_values=("-", ""))
        path = write("age,job,ok\n39,cook,no\n40,cook,no\n")
        with pytest.raises(DataError, match="the column 'income' is missing"):
            read_table(path, schema=schema, rows=rows)

    def test_cells_that_are_missing_in_several_columns_are_named_together(self, write: Write) -> None:
        columns = tuple(replace(c, missing=Missing.DROP) for c in PEOPLE.columns if c.name != "job")
        path = write("age,income,ok\n,,no\n40,2,no\n")
        with pytest.raises(
            DataError, match=r"a cell is missing in age, income, and.*set `missing` of these columns to"
        ):
            read_table(path, schema=replace(PEOPLE, columns=columns), rows=[0])
        with pytest.raises(DataError, match="set `missing` of this column to"):
            read_table(write("age,income,ok\n,1,no\n"), schema=replace(PEOPLE, columns=columns), rows=[0])

    def test_a_question_mark_may_be_a_level_like_others(self, write: Write) -> None:
        schema = with_column("job", levels=("cook", "?"))
        assert read_table(write("age,income,job\n39,1,?\n"), schema=schema).x[0, 2] == 1.0

    def test_all_rows_dropped(self, write: Write) -> None:
        with pytest.raises(DataError, match="every row has a missing cell"):
            read_table(write("age,income,job\n?,1,cook\n"), schema=with_column("age", missing=Missing.DROP))

    def test_unknown_categories_go_to_the_declared_level(self, write: Write) -> None:
        schema = with_column("job", unknown="clerk")
        assert read_table(write("age,income,job\n39,1,pilot\n"), schema=schema).cells(0)["job"] == "clerk"

    def test_columns_the_schema_does_not_know_are_noted(self, write: Write) -> None:
        table = read_table(write("name,age,income,job\nAnna,39,1,cook\n"), schema=PEOPLE)
        assert table.target is None
        assert table.notes == ("columns that the schema does not know were left out: name.",)


class TestRoundTrips:
    @given(seed=st.integers(0, 2**32 - 1))
    def test_a_schema_survives_toml(self, seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
        draw = np.random.default_rng(seed)
        schema = replace(random_schema(draw), ignore=("id",), missing_values=("", "-9"))
        path = tmp_path_factory.mktemp("schema") / "s.toml"
        write_schema(schema, path)
        assert read_schema(path) == schema
        assert read_schema(path).fingerprint == schema.fingerprint

    @given(seed=st.integers(0, 2**32 - 1))
    def test_rows_survive_a_file_exactly(self, seed: int, tmp_path_factory: pytest.TempPathFactory) -> None:
        draw = np.random.default_rng(seed)
        schema = random_schema(draw)
        table = random_table(schema, n=5, draw=draw)
        lines = [",".join(schema.names)]
        lines += [
            ",".join(c.text(v) for c, v in zip(schema.columns, row, strict=True)) for row in table.x.tolist()
        ]
        path = tmp_path_factory.mktemp("rows") / "x.csv"
        path.write_text("\n".join(lines))
        assert torch.equal(read_table(path, schema=schema).x, table.x)

    @given(seed=st.integers(0, 2**32 - 1))
    def test_rows_survive_cells_and_frames_exactly(self, seed: int) -> None:
        draw = np.random.default_rng(seed)
        schema = random_schema(draw)
        table = random_table(schema, n=4, draw=draw)
        assert torch.equal(Table.of_frame(table.frame(), schema=schema).x, table.x)
        records = [table.cells(i) for i in range(4)]
        assert torch.equal(Table.of_records(records, schema=schema).x, table.x)
        assert np.array_equal(schema.encode(records[0]), table.x[0].numpy())

    @given(seed=st.integers(0, 2**32 - 1))
    def test_encodings_give_back_what_they_took(self, seed: int) -> None:
        draw = np.random.default_rng(seed)
        schema = random_schema(draw)
        x = random_rows(schema, n=6, draw=draw)
        for encoding in (Encoding.plain(schema), Encoding.standard(schema, x), Encoding.ranged(schema)):
            encoded = encoding.apply(x)
            assert encoded.shape == (6, encoding.width)
            back = encoding.invert(encoded)
            for j, column in enumerate(schema.columns):
                # rows may hold numbers between steps; those come back on the nearest step
                near = column.step / 2 * 1.0001 if column.kind is ColumnKind.REAL else 0.0
                assert float((back[:, j] - x[:, j]).abs().max()) <= near + 1e-9 * (
                    1 + float(x[:, j].abs().max())
                )
            assert torch.equal(encoding.invert(encoding.apply(back)), back) or _no_steps(schema)


def _no_steps(schema: TableSchema) -> bool:
    return any(c.kind is ColumnKind.REAL and c.step == 0.0 for c in schema.columns)


class TestFrames:
    def test_types_and_names(self) -> None:
        table = Table(PEOPLE, torch.tensor([[39.0, 1.5, 1.0]], dtype=torch.float64), None, (0,))
        frame = table.frame()
        assert [str(t) for t in frame.dtypes[:2]] == ["int64", "float64"]
        assert frame["job"].tolist() == ["cook"]

    def test_frames_with_missing_and_numpy_cells(self) -> None:
        frame = pd.DataFrame({"age": [39, 40], "income": [1.5, np.nan], "job": ["cook", None]})
        with pytest.raises(DataError, match="row 1, column 'income': the cell is missing"):
            Table.of_frame(frame, schema=PEOPLE)
        schema = with_column("income", missing=Missing.DROP)
        assert Table.of_frame(frame, schema=schema).x.tolist() == [[39.0, 1.5, 1.0]]
        with pytest.raises(DataError, match="column 'age' is missing"):
            Table.of_frame(frame[["job"]], schema=PEOPLE)
        with pytest.raises(DataError, match="there is no row"):
            Table.of_records([], schema=PEOPLE)

    def test_codes_that_are_no_level(self) -> None:
        with pytest.raises(DataError, match="column 'job': codes must lie in 0 to 1, got 0 to 2"):
            frame_of(torch.tensor([[39.0, 1.0, 2.0], [39.0, 1.0, 0.0]]), schema=PEOPLE)

    def test_without_pandas(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(__import__("sys").modules, "pandas", None)
        table = Table(PEOPLE, torch.zeros(1, 3, dtype=torch.float64), None, (0,))
        with pytest.raises(MissingExtraError, match=r"pip install 'cfsearch\[tables\]'"):
            table.frame()

    def test_take_and_labelled(self) -> None:
        table = random_table(PEOPLE, n=5, draw=np.random.default_rng(0))
        part = table.labelled(torch.arange(5)).take([3, 1])
        assert torch.equal(part.x, table.x[[3, 1]]) and part.lines == (3, 1)
        assert part.target is not None and part.target.tolist() == [3, 1]
        with pytest.raises(ShapeError, match="expected 2 rows of 3 columns"):
            Table(PEOPLE, torch.zeros(2, 2), None, (0, 1))


class TestInference:
    TEXT = "id,age,income,school,years,job,code,note,ok\n" + "".join(
        f"{i},{20 + i % 7},{i / 4:.2f},{('none', 'some', 'much', 'all')[i % 4]},{(0, 9, 12, 16)[i % 4]},"
        f"{('cook', '?', 'clerk')[i % 3]},{i % 2 + 1},text {i},{'yes' if i % 3 else 'no'}\n"
        for i in range(40)
    )

    def test_what_is_guessed(self, write: Write) -> None:
        guess = infer_schema(
            write(self.TEXT), target="ok", immutable=["age"], monotone={"years": 1}, categorical=["code"]
        )
        schema = guess.schema
        assert schema.names == ("age", "income", "school", "years", "job", "code")
        assert schema.ignore == ("id", "note") and schema.labels == ("no", "yes")
        age, income, school, years, job, code = schema.columns
        assert (age.kind, age.low, age.high, age.immutable) == (ColumnKind.INTEGER, 20, 26, True)
        assert (income.kind, income.low, income.high, income.step) == (ColumnKind.REAL, 0.0, 9.75, 0.25)
        assert (school.kind, school.levels) == (ColumnKind.CATEGORICAL, ("all", "much", "none", "some"))
        assert (years.monotone, job.levels, job.missing) == (1, ("clerk", "cook", "?"), Missing.LEVEL)
        assert (code.kind, code.levels) == (ColumnKind.CATEGORICAL, ("1", "2"))
        [link] = schema.links
        assert link.columns == ("school", "years")
        assert set(link.rows) == {(2.0, 0.0), (3.0, 9.0), (1.0, 12.0), (0.0, 16.0)}
        assert len(read_table(write(self.TEXT), schema=schema)) == 40

    def test_the_summary_shows_it_all(self, write: Write) -> None:
        text = infer_schema(write(self.TEXT), target="ok", monotone={"age": 1}).summary()
        for shown in (
            "people.csv: 40 rows, 6 columns",
            "income  real         0.00 to 9.75, step 0.25",
            "may only rise",
            "target: ok (no, yes)",
            "linked: school and years (4 combinations)",
            "left out: id, note",
            "note: job: 13 cells are missing and get a level of their own, '?'.",
            "code: 2 whole numbers; if they are codes, make it categorical.",
            "note: note: 40 different texts in 40 rows; left out.",
        ):
            assert shown in text

    def test_numbers_among_texts_are_not_passed_over(self, write: Write) -> None:
        guess = infer_schema(write('a,b\n1,"1,5"\n2,2\n3,2\n4,2\n'))
        assert guess.schema.column("b").kind is ColumnKind.CATEGORICAL
        assert any("numbers and texts ('1,5') in one column" in note for note in guess.notes)

    def test_missing_numbers_are_dropped_and_noted(self, write: Write) -> None:
        guess = infer_schema(write("a,b\n1,x\n?,x\n3,y\n"))
        assert guess.schema.column("a").missing is Missing.DROP
        assert any("1 rows have no number here and are dropped" in note for note in guess.notes)

    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"target": "okay"}, "has no column 'okay'"),
            ({"target": "id"}, "must have 2 to 100 classes, got 1"),
            ({"ignore": ["id", "x"]}, "no column left"),
            ({"immutable": ["nobody"]}, "has no column 'nobody'"),
        ],
    )
    def test_refusals(self, write: Write, settings: dict[str, object], message: str) -> None:
        with pytest.raises(CfsearchError, match=message):
            infer_schema(write("id,x\n1,2\n"), **settings)  # type: ignore[arg-type]  # one of several


def test_rows_are_taken_evenly_spread() -> None:
    draw = np.random.default_rng(0)
    table = random_table(random_schema(draw), n=10, draw=draw)
    assert table.spread(10) is table
    few = table.spread(4)
    assert few.lines == tuple(table.lines[i] for i in (0, 3, 6, 9))
    assert torch.equal(few.x, table.x[[0, 3, 6, 9]])


@pytest.mark.data
def test_adult(tmp_path: Path) -> None:
    lines = gzip.decompress((DATA / "adult" / "adult.csv.gz").read_bytes()).decode().splitlines(keepends=True)
    path = tmp_path / "adult.csv"
    path.write_text("".join(lines[:4001]))
    schema = infer_schema(path, target="income", ignore=["fnlwgt", "split"], immutable=["sex", "race"]).schema
    assert schema.d == 13 and schema.labels == ("<=50K", ">50K")
    assert [(link.columns, len(link.rows)) for link in schema.links] == [(("education", "education-num"), 16)]
    assert schema.column("occupation").levels[-1] == "?"
    table = read_table(path, schema=schema)
    assert len(table) == 4000 and table.cells(0)["education"] == "Bachelors"
    assert torch.equal(Table.of_frame(table.frame(), schema=schema).x, table.x)
