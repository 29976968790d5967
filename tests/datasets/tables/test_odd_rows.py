"""Sums below a table, units below its header, letters that nobody sees: left out, and noted; what only looks like them stays."""

from collections.abc import Sequence
from pathlib import Path

import pytest

from cfsearch.datasets.tables import infer_schema, read_text_table, sample_of
from cfsearch.errors import DataError

ROWS = ("a,31,40.5", "b,45,20", "c,60,39.5", "d,22,100")


def a_file(folder: Path, *lines: str, header: str = "name,age,income") -> Path:
    path = folder / "t.csv"
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    "last",
    ["Total,158,200", "TOTAL:,158,", ",Summe,200", "sum,,200.0", "Gesamt,158,50"],
)
def test_sums_are_left_out_and_noted(tmp_path: Path, last: str) -> None:
    table = read_text_table(a_file(tmp_path, *ROWS, last))
    assert [",".join(row) for row in table.rows] == list(ROWS)
    assert table.lines == [2, 3, 4, 5]
    assert table.notes == ("t.csv: line 6 holds the sums of the others; left out.",)


@pytest.mark.parametrize(
    ("rows", "last"),
    [
        (ROWS, "Total,159,201"),  # sums of nothing here
        (ROWS, "e,158,200"),  # no word says so
        (ROWS, "Total,,"),
        (ROWS[:2], "Total,76,60.5"),  # too few to tell
        (("a,0,1", "b,0,2", "c,0,3"), "Total,0,"),
    ],
)
def test_what_is_no_sum_stays(tmp_path: Path, rows: Sequence[str], last: str) -> None:
    table = read_text_table(a_file(tmp_path, *rows, last))
    assert [",".join(row) for row in table.rows] == [*rows, last]
    assert table.notes == ()


@pytest.mark.parametrize("units", [",years,EUR", "text,years,in EUR"])
def test_units_below_the_header_are_left_out_and_noted(tmp_path: Path, units: str) -> None:
    path = a_file(tmp_path, units, *ROWS, "e,,3")
    table = read_text_table(path)
    assert [row[0] for row in table.rows] == ["a", "b", "c", "d", "e"]
    assert table.lines == [3, 4, 5, 6, 7]
    assert "has words where all others have numbers; left out, as a second header" in table.notes[0]
    assert [c.kind.value for c in infer_schema(path).schema.columns] == ["categorical", "integer", "real"]


@pytest.mark.parametrize(
    "first",
    [",years,40", ",,EUR", "x,1,EUR"],
    ids=["a number stands in it", "one word may be a wrong cell", "a number and a word"],
)
def test_a_row_with_one_wrong_cell_is_no_second_header(tmp_path: Path, first: str) -> None:
    table = read_text_table(a_file(tmp_path, first, *ROWS))
    assert len(table.rows) == 5


@pytest.mark.parametrize("gone", ["NA", "?", "NaN", "unknown", "n.a."])
def test_a_first_row_of_missing_numbers_is_no_second_header(tmp_path: Path, gone: str) -> None:
    assert len(read_text_table(a_file(tmp_path, f"a,{gone},{gone}", *ROWS)).rows) == len(ROWS) + 1


def test_words_in_a_later_row_make_the_first_an_ordinary_one(tmp_path: Path) -> None:
    assert len(read_text_table(a_file(tmp_path, ",low,high", *ROWS, "e,low,3")).rows) == 6


def test_letters_that_nobody_sees_are_taken_out_of_names(tmp_path: Path) -> None:
    path = a_file(tmp_path, *ROWS, header="\u200bname,net\u00a0age,in\ufeffcome ")
    table = read_text_table(path)
    assert table.header == ("name", "net age", "income")
    assert table.notes == (
        "t.csv: letters that nobody sees were taken out of the names name, net age, income.",
    )
    schema = infer_schema(path).schema
    sample = sample_of(table, path, schema=schema)
    assert sample is not None
    frame = sample.frame(schema)
    assert frame is not None
    assert list(frame.columns) == list(schema.names)
    assert frame["net age"].tolist() == [31, 45, 60, 22]


def test_names_that_only_differ_in_such_letters_are_the_same(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="names column 'age' twice .if the line below holds the names"):
        read_text_table(a_file(tmp_path, "1,2,3", header="age,\u200bage,c"))


def test_a_damaged_file_says_how_to_take_the_byte_out(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"age,income\n31,4\x000\n")
    with pytest.raises(DataError, match=r"line 2 holds a NUL byte.*tr -d '\\000'"):
        read_text_table(path)
