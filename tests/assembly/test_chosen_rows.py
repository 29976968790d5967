"""Rows that are wanted by their place and by what stands in them."""

from pathlib import Path

import pytest

from cfsearch.assembly.chosen_rows import chosen_rows
from cfsearch.config import DataConfig
from cfsearch.datasets.tables import TextTable, read_text_table
from cfsearch.errors import ConfigError, DataError


@pytest.fixture
def text(tmp_path: Path) -> TextTable:
    (tmp_path / "t.csv").write_text("a,job title,zip\n1,cook,00501\n42,nurse,501\n42.0,cook,7\n")
    return read_text_table(tmp_path / "t.csv")


@pytest.mark.parametrize(
    ("where", "rows", "found"),
    [
        (None, None, None),
        (None, (2, 0), [2, 0]),
        (("a=42",), None, [1, 2]),
        (("a==42",), None, [1, 2]),
        ((" a = 42.00 ",), None, [1, 2]),
        (("a=4.2e1", "job title=cook"), None, [2]),
        (("job title=cook",), (2, 1), [2]),
        (("zip=00501",), None, [0, 1]),
    ],
)
def test_a_value_is_its_text_or_the_same_number(
    text: TextTable, where: tuple[str, ...] | None, rows: tuple[int, ...] | None, found: list[int] | None
) -> None:
    assert chosen_rows(DataConfig(table="t.csv", where=where, rows=rows), text) == found


@pytest.mark.parametrize(
    ("where", "says"),
    [
        ("a", "where: expected COLUMN=VALUE, got 'a'; write 'a=VALUE'"),
        ("A=1", "where: expected COLUMN=VALUE, got 'A=1'; unknown column 'A'. Did you mean 'a'"),
        ("=1", "where: expected COLUMN=VALUE, got '=1'; unknown column ''"),
    ],
)
def test_what_is_no_condition_is_refused_with_one(text: TextTable, where: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        chosen_rows(DataConfig(table="t.csv", where=(where,)), text)


def test_a_condition_that_no_row_keeps_is_refused(text: TextTable) -> None:
    with pytest.raises(DataError, match="no row of 't.csv' has a=nan"):
        chosen_rows(DataConfig(table="t.csv", where=("a=nan",)), text)


@pytest.mark.parametrize("where", [None, ("a=42",)])
@pytest.mark.parametrize("row", [3, -1])
def test_a_row_that_does_not_exist_is_refused(
    text: TextTable, where: tuple[str, ...] | None, row: int
) -> None:
    with pytest.raises(DataError, match=rf"has no row {row}; it has 3 rows, counted from 0 \(0 to 2\)"):
        chosen_rows(DataConfig.model_construct(table="t.csv", where=where, rows=(1, row)), text)


def test_rows_of_which_none_keeps_the_condition_are_refused(text: TextTable) -> None:
    with pytest.raises(DataError, match="none of the 1 rows that were chosen has a=42"):
        chosen_rows(DataConfig(table="t.csv", where=("a=42",), rows=(0,)), text)
