"""Rows that can be read beside rows that cannot, and why each cannot."""

from pathlib import Path

import pytest
import torch

from cfsearch.datasets.tables import (
    Column,
    ColumnKind,
    Link,
    Missing,
    TableSchema,
    read_table,
    read_text_table,
    readable_rows,
)
from cfsearch.errors import DataError

SCHEMA = TableSchema(
    columns=(
        Column(name="age", kind=ColumnKind.INTEGER, high=99.0, missing=Missing.DROP),
        Column(name="job", kind=ColumnKind.CATEGORICAL, levels=("clerk", "cook")),
        Column(name="code", kind=ColumnKind.INTEGER, high=9.0, missing=Missing.FILL, fill=7.0),
    ),
    target=Column(name="ok", kind=ColumnKind.CATEGORICAL, levels=("no", "yes")),
    links=(Link(("job", "code"), ((0.0, 1.0), (1.0, 7.0))),),
)


def text_of(folder: Path, *rows: str) -> Path:
    path = folder / "t.csv"
    path.write_text("\n".join(["age,job,code,ok", *rows]) + "\n")
    return path


def test_each_row_that_cannot_be_read_says_why_and_the_others_are_as_alone(tmp_path: Path) -> None:
    rows = [
        "30,clerk,1,no",
        "31,baker,1,no",
        ",cook,7,yes",
        "old,cook,7,no",
        "32,cook,1,no",
        "33,cook,,maybe",
    ]
    found = readable_rows(read_text_table(text_of(tmp_path, *rows)), SCHEMA)
    assert found.table.places == (0, 5)
    assert found.table.target is None
    alone = read_table(text_of(tmp_path, "30,clerk,1,no", "33,cook,,no"), schema=SCHEMA)
    assert torch.equal(found.table.x, alone.x)
    said = found.unread
    assert set(said) == {1, 2, 3, 4}
    assert "line 3, column 'job': 'baker' is none of its 2 levels" in said[1]
    assert "line 4, column 'age': the cell is missing, and the schema drops such rows" in said[2]
    assert "line 5, column 'age': must be a number, got 'old'" in said[3]
    assert "line 6: job and code are linked, and job cook, code 1 do not occur together" in said[4]


def test_a_file_without_a_readable_row_says_why_of_the_first(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"line 2, column 'age': must be a number, got 'x'"):
        readable_rows(read_text_table(text_of(tmp_path, "x,clerk,1,no", "y,cook,7,no")), SCHEMA)


def test_a_missing_column_refuses_the_file(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("age,job\n30,clerk\n")
    with pytest.raises(DataError, match="the column 'code' is missing"):
        readable_rows(read_text_table(path), SCHEMA)


@pytest.mark.parametrize(
    ("levels", "cell", "level"),
    [
        (("1", "2"), "1.0", "1"),
        (("1.0", "2.0"), "2", "2.0"),
        (("02139", "00501"), "2139", "02139"),
        (("1", "2", "?"), "2.0", "2"),
        (("1", "01"), "1.0", None),  # either
        (("1", "many"), "1.0", None),  # a column of texts
    ],
)
def test_a_number_finds_the_level_that_is_the_same_number(
    levels: tuple[str, ...], cell: str, level: str | None
) -> None:
    missing = Missing.LEVEL if "?" in levels else Missing.REFUSE
    column = Column(name="code", kind=ColumnKind.CATEGORICAL, levels=levels, missing=missing)
    if level is None:
        with pytest.raises(DataError, match=r"'1\.0' is none of its 2 levels"):
            column.code(cell)
    else:
        assert column.cell(column.code(cell)) == level
