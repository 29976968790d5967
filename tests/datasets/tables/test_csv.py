"""A CSV file as rows of text: line numbers, delimiters, and numbers as people write them."""

import io
import math
from pathlib import Path

import pandas as pd
import pytest

from cfsearch.datasets.tables import TextTable, read_text_table, written_numbers
from cfsearch.datasets.tables._text_table import as_csv
from cfsearch.errors import ConfigError, DataError


def read(folder: Path, content: str, *, delimiter: str | None = None) -> TextTable:
    path = folder / "t.csv"
    path.write_text(content, encoding="utf-8", newline="")
    return read_text_table(path, delimiter=delimiter)


def test_each_row_knows_the_line_on_which_it_ends(tmp_path: Path) -> None:
    table = read(tmp_path, '# made by hand\nsep=,\na,b\n1,2\n\n"3\n4",5\n6,7,\n')
    assert (table.header, table.rows) == (("a", "b"), [["1", "2"], ["3\n4", "5"], ["6", "7"]])
    assert table.lines == [4, 7, 8]
    assert table.column("b") == ["2", "5", "7"]
    assert not table.as_written


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("a,b\n1,2\n3\n", "line 3"),
        ("# one\na,b\n1,2\n3\n", "line 4"),
        ("a,b\n", "line 2.*only the header"),
        ("# one\na,b\n", "line 3.*only the header"),
        ("", "line 1.*must be a header, but there is nothing"),
        ("a,b,a\n1,2,3\n", "line 1.*names column 'a' twice"),
        ("# one\na,a\n1,2\n", "line 2.*twice"),
        ('a,b\n1,"2"x\n', "line 2.*is no row of a table"),
        ("a,b\n1,2,3\n", r"must have 2 cells, got 3 \(a comma within a number or a text stands in quotes"),
        ("a,b\nx,y,z\n", r"must have 2 cells, got 3(?! \(a comma)"),
        ("a,b\n1\n", r"must have 2 cells, got 1(?! \(a comma)"),
    ],
)
def test_what_is_wrong_is_named_with_its_line(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        read(tmp_path, content, delimiter=",")


def test_a_header_of_one_name_that_holds_another_delimiter(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has semicolons between names, expected ','; give delimiter = ';'"):
        read(tmp_path, "a;b\n1;2\n", delimiter=",")
    with pytest.raises(DataError, match="has commas between names, expected ';'; give delimiter = ','"):
        read(tmp_path, "a,b\n1,2\n", delimiter=";")
    assert read(tmp_path, "a\n1\n", delimiter=",").header == ("a",)


@pytest.mark.parametrize("delimiter", ["\t", "\\t", "tab"])
def test_a_tabulator_may_be_written_in_letters(tmp_path: Path, delimiter: str) -> None:
    assert read(tmp_path, "a\tb\n1,5\t2\n", delimiter=delimiter).header == ("a", "b")


@pytest.mark.parametrize("delimiter", ["", ",,", '"', "\n", "\r"])
def test_a_delimiter_is_one_character(tmp_path: Path, delimiter: str) -> None:
    with pytest.raises(ConfigError, match="must be one character"):
        read(tmp_path, "a,b\n1,2\n", delimiter=delimiter)


@pytest.mark.parametrize(
    ("content", "delimiter", "noted"),
    [
        ("a,b\n1,2\n", ",", ""),
        ("a;b\n1;2\n", ";", "semicolons stand between the cells"),
        ("a\tb\n1\t2\n", "\t", "tabs stand"),
        ("a|b\n1|2\n", "|", "bars stand"),
        ("a;b,c;d\n1;2;3\n4;5;6\n", ";", "semicolons"),
        ("text\none; two\nthree\n", ",", ""),
    ],
)
def test_the_delimiter_makes_columns_of_most_lines(
    tmp_path: Path, content: str, delimiter: str, noted: str
) -> None:
    table = read(tmp_path, content)
    assert table.delimiter == delimiter
    assert [noted in note for note in table.notes] == ([True] if noted else [])


def test_a_delimiter_of_the_header_alone_is_none(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="has semicolons between names, expected ','"):
        read(tmp_path, "a;b\n" + "x\n" * 3)


def test_columns_without_a_name(tmp_path: Path) -> None:
    table = read(tmp_path, ",a,,\n0,1,2,\n1,3,4,\n")
    assert (table.header, table.rows) == (
        ("Unnamed: 0", "a", "Unnamed: 2"),
        [["0", "1", "2"], ["1", "3", "4"]],
    )
    assert not table.as_written
    kept = read(tmp_path, "a,\n1,2\n")
    assert (kept.header, kept.as_written) == (("a", "Unnamed: 1"), True)


@pytest.mark.parametrize(
    ("cells", "delimiter", "read_as"),
    [
        (["1,000", "2,500", "7"], ",", ["1000", "2500", "7"]),
        (["1,000.5", "-2,500", "7"], ",", ["1000.5", "-2500", "7"]),
        (["1,000", "7", "8"], ",", None),  # one such cell alone may be a mistake
        (["1,5", "2,25"], ",", ["1.5", "2.25"]),
        (["1,5", "2,25"], ";", ["1.5", "2.25"]),
        (["1,5", "7"], ";", ["1.5", "7"]),
        (["1.234,5", "2"], ";", ["1234.5", "2"]),
        (["1,234", "2,345"], ";", ["1.234", "2.345"]),
        (["1,234", "2,345"], ",", ["1234", "2345"]),
        (["1 000", "25 000,5"], ";", ["1000", "25000.5"]),
        (["1'000", "2'000"], ";", ["1000", "2000"]),
        (["1 234,50", "987,50", "7", "-12 345"], ";", ["1234.50", "987.50", "7", "-12345"]),
        (["987,50", "1\u202f234,50", "2\u00a0000,5"], ";", ["987.50", "1234.50", "2000.5"]),
        (["1'234,50", "987,50", "1234,5"], ";", ["1234.50", "987.50", "1234.5"]),
        (["1 234,50", "987,50"], ",", ["1234.50", "987.50"]),
        (["1.234,50", "987,50"], ";", ["1234.50", "987.50"]),
        (["1,234.50", "987.50"], ";", ["1234.50", "987.50"]),
        (["1,234.50", "2,000", "987.50"], ",", ["1234.50", "2000", "987.50"]),
        (["1 234.50", "987.50"], ";", ["1234.50", "987.50"]),
        (["1 234,50", "987.50"], ";", ["1234.50", "987.50"]),
        (["1,5", "2.5"], ";", None),  # points and commas side by side
        (["1,5", "x", "y"], ";", None),  # most are words
        (["1,5", "2,5", "x"], ";", ["1.5", "2.5", "x"]),
        (["1,5", "x"], ";", None),  # half are
        (["Hi, you", "1,5"], ";", None),
    ],
)
def test_numbers_are_brought_to_plain_ones_where_most_cells_are_such(
    tmp_path: Path, cells: list[str], delimiter: str, read_as: list[str] | None
) -> None:
    lines = "".join(f'"{cell}"{delimiter}z\n' for cell in cells)
    table = read(tmp_path, f"n{delimiter}t\n{lines}", delimiter=delimiter)
    assert table.column("n") == (read_as or cells)
    assert table.column("t") == ["z"] * len(cells)
    assert table.as_written == (read_as is None)
    assert bool(table.notes) == (read_as is not None)


def test_what_was_read_otherwise_is_noted_by_column(tmp_path: Path) -> None:
    header = ";".join("abcdefgh")
    row = ";".join(["1,5"] * 7 + ["1'000"])
    table = read(tmp_path, f"{header}\n{row}\n{row}\n")
    assert table.notes[1:] == (
        "t.csv: numbers with decimal commas in a, b, c, d, e and 2 more, read as points.",
        "t.csv: marks between thousands in h, read without them.",
    )
    assert list(as_csv(table))[:2] == ["a,b,c,d,e,f,g,h\n", "1.5,1.5,1.5,1.5,1.5,1.5,1.5,1000\n"]


def test_a_decimal_comma_and_spaces_between_thousands_are_both_noted(tmp_path: Path) -> None:
    notes = read(tmp_path, "n;t\n1 234,50;a\n987,50;b\n").notes
    assert [note.partition(": ")[2] for note in notes[1:]] == [
        "numbers with decimal commas in n, read as points.",
        "marks between thousands in n, read without them.",
    ]


@pytest.mark.parametrize(
    ("content", "header", "rows", "above"),
    [
        ("#,Name,HP\n1,P1,40\n2,P2,50\n", ("#", "Name", "HP"), 2, 0),
        ("# x,y\n1,2\n3,4\n", ("# x", "y"), 2, 0),  # as numpy writes it
        ("#chrom\tpos\nchr1\t7\n", ("#chrom", "pos"), 1, 0),
        ("## one, two\n#name,job\nan,cook\nbo,clerk\n", ("#name", "job"), 2, 1),
        ("# made by A, B\na,b\n1,2\n", ("a", "b"), 1, 1),
        ("#made by A,B\na,b\n1,2\n", ("a", "b"), 1, 1),
        ("# one, two\na,b\nx,y\n", ("a", "b"), 1, 1),
        ("# made by hand\n#\na,b\n1,2\n", ("a", "b"), 1, 2),
        ("\na,b\n1,2\n", ("a", "b"), 1, 1),
        ("  \r\n\r\nsep=,\r\na,b\r\n1,2\r\n", ("a", "b"), 1, 3),
    ],
)
def test_what_stands_above_the_header_is_counted_and_a_header_may_begin_with_a_number_sign(
    tmp_path: Path, content: str, header: tuple[str, ...], rows: int, above: int
) -> None:
    table = read(tmp_path, content)
    assert (table.header, len(table.rows)) == (header, rows)
    assert table.lines == [above + 2 + i for i in range(rows)]
    counted = [note for note in table.notes if "above the header" in note]
    assert [int(note.split()[1]) for note in counted] == ([above] if above else [])


def test_lines_of_spaces_are_skipped_as_pandas_does(tmp_path: Path) -> None:
    content = "a,b\n1,2\n   \n3,4\n\n5,6\n"
    table = read(tmp_path, content)
    frame = pd.read_csv(io.StringIO(content))
    assert [[int(cell) for cell in row] for row in table.rows] == frame.to_numpy().tolist()
    assert (table.lines, table.as_written) == ([2, 4, 6], True)


@pytest.mark.parametrize(
    "content",
    ['"a","b"\n"1",5,6\n"2",7,8\n', "a\tb\nx\t5\t6\ny\t7\t8\n", "a;b\nx;5;6\ny;7;8\n"],
    ids=["R with quotes", "tabs", "semicolons"],
)
def test_names_of_rows_are_left_out(tmp_path: Path, content: str) -> None:
    table = read(tmp_path, content)
    frame = pd.read_csv(io.StringIO(content), sep=None, engine="python")
    assert table.header == tuple(frame.columns)
    assert [[int(cell) for cell in row] for row in table.rows] == frame.to_numpy().tolist()
    assert "names of rows, were left out" in table.notes[-1]
    assert not table.as_written


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('"a","b"\n"1",5,6\n"1",7,8\n', 2),  # a name twice
        ("a,b\n1,5,6\n2,7,8\n", 2),  # perhaps decimal commas
        ('"a","b"\n"1",5,6\n"2",7\n', 2),  # not each row
        ('"a"\n"1",5\n"2",7\n', 2),
    ],
)
def test_one_cell_more_that_is_no_name_of_the_row_is_refused(tmp_path: Path, content: str, line: int) -> None:
    with pytest.raises(DataError, match=f"line {line} must have"):
        read(tmp_path, content, delimiter=",")


def test_numbers_as_they_were_written() -> None:
    given = ["1,000", "1,5", "2 500,5", "1'000", "many", "7.00", "007", "-1.5", "1e400", "+08"]
    assert written_numbers(given) == {
        1000.0: "1,000",
        1.5: "1,5",
        2500.5: "2 500,5",
        7.0: "007",
        -1.5: "-1.5",
        8.0: "+08",
    }


@pytest.mark.parametrize(
    "text",
    ["a,b,c\n1,2,3\n,,\n4,5,6\n", "a,b,c\n1,2,3\n,\n4,5,6\n", "a,b,c\n1,2,3\n  \n\n4,5,6\n", 'a\n1\n""\n   \n4\n', "a\n1\n\n4\n"],
)  # fmt: skip
def test_rows_without_a_cell_are_counted_as_pandas_counts_them(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.csv"
    path.write_text(text)
    theirs = pd.read_csv(path)
    ours = read_text_table(path)
    assert [[float(cell) if cell else None for cell in row] for row in ours.rows] == [
        [None if math.isnan(value) else value for value in row] for row in theirs.to_numpy(float).tolist()
    ]
