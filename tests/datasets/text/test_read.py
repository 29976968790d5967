"""Texts from files: lines, columns, and what is refused."""

import gzip
from pathlib import Path

import pytest

from cfsearch.datasets.text import TextLine, read_texts, texts_of_file
from cfsearch.errors import ConfigError, DataError


def test_each_line_that_is_not_empty_is_a_text(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_bytes("\ufeff First one. \n\n  second\u2028still second\r\n".encode())
    assert read_texts(path) == (
        TextLine("text 0", "First one."),
        TextLine("text 1", "second\u2028still second"),
    )


def test_a_column_of_a_table(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('stars,text,review\n1,short,"dull,\nand long"\n5,other,fine\n')
    assert [line.text for line in read_texts(path, column="review")] == ["dull,\nand long", "fine"]
    assert [line.text for line in read_texts(path)] == ["short", "other"]
    path.write_text("review\nfine\n")
    assert [line.text for line in read_texts(path)] == ["fine"]


@pytest.mark.parametrize("form", ["semicolons", "tabs", "cp1252", "gzip"])
def test_a_table_of_texts_is_read_as_one_of_rows(tmp_path: Path, form: str) -> None:
    text = 'id,text\n1,"Schön, wie"\n2,dull\n'
    path = tmp_path / {"tabs": "a.tsv", "gzip": "a.csv.gz"}.get(form, "a.csv")
    if form in ("semicolons", "tabs"):
        mark = ";" if form == "semicolons" else "\t"
        path.write_text(f"id{mark}text\n1{mark}Schön, wie\n2{mark}dull\n")
    elif form == "cp1252":
        path.write_bytes(text.encode("cp1252"))
    else:
        path.write_bytes(gzip.compress(text.encode()))
    assert [line.text for line in read_texts(path)] == ["Schön, wie", "dull"]


def test_a_comma_that_no_quotes_hold_is_refused_instead_of_a_text_cut_short(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text\na good film, mostly\n")
    with pytest.raises(DataError, match="line 2 must have 1 cells, got 2"):
        read_texts(path)


def test_texts_of_a_table_bear_the_numbers_of_their_rows(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("text,id\na good film,r0\n,r1\n  ,r2\na bad film,r3\n")
    found = texts_of_file(path)
    assert found.lines == (TextLine("text 0", "a good film"), TextLine("text 3", "a bad film"))
    assert found.note.startswith("a.csv: 2 rows hold no text (the first on line 3)")
    path.write_text("text,id\na good film,r0\n")
    assert texts_of_file(path).note == ""


def test_what_cannot_be_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text("stars,review\n1,dull\n")
    with pytest.raises(ConfigError, match="which column holds the texts"):
        read_texts(path)
    with pytest.raises(ConfigError, match="the column 'reviews' in 'a.csv', got stars, review"):
        read_texts(path, column="reviews")
    lines = tmp_path / "a.txt"
    lines.write_text("\n \n")
    with pytest.raises(DataError, match="one text or more"):
        read_texts(lines)
    with pytest.raises(ConfigError, match=r"goes with a \.csv file"):
        read_texts(lines, column="text")
    lines.write_bytes(b"\xff")
    with pytest.raises(DataError, match="a UTF-8 file"):
        read_texts(lines)
    with pytest.raises(DataError, match="a UTF-8 file"):
        read_texts(tmp_path / "none.txt")
