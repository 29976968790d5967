"""Groups of protected columns, those with too few rows left out."""

from typing import Any

import pytest
import torch

from cfsearch.assembly.table import TableInput
from cfsearch.audits.columns.protection import NONE, pairs, protected_columns
from cfsearch.audits.groups import OTHERS
from cfsearch.datasets.tables import Column, ColumnKind, TableSchema

SCHEMA = TableSchema(
    columns=(
        Column(name="sex", kind=ColumnKind.CATEGORICAL, levels=("f", "m", "x")),
        Column(name="income", kind=ColumnKind.REAL, low=0, high=9),
    )
)


def table(
    cells: dict[str, list[str]], *, reference: dict[str, list[str]] | None = None, guessed: bool = False
) -> TableInput:
    known: dict[str, Any] = {
        "protected": {name: tuple(column) for name, column in cells.items()},
        "protected_reference": {name: tuple(column) for name, column in (reference or {}).items()},
    }
    return TableInput(
        schema=SCHEMA, records=(), probes=torch.zeros(0, 2), reference=None, guessed=None, notes=(), guessed_protected=guessed,
        **known,
    )  # fmt: skip


def test_groups_of_ten_are_kept_and_smaller_ones_named() -> None:
    cells = ["m"] * 10 + ["f"] * 11 + ["x"] * 9
    [one] = protected_columns(table({"sex": cells}))
    assert (one.column, one.kind, one.guessed, one.taken) == ("sex", "sex", False, True)
    assert (one.names, one.small, one.unknown, one.because, one.note) == (("f", "m"), ("x",), 0, "", "")
    assert one.of.tolist() == [1] * 10 + [0] * 11 + [NONE] * 9
    assert one.reference is None


def test_rows_without_a_value_are_in_no_group() -> None:
    cells = ["a"] * 12 + [""] * 3 + ["b"] * 12
    [one] = protected_columns(table({"shoe": cells}, guessed=True))
    assert (one.kind, one.guessed, one.taken) == ("", True, False)
    assert (one.names, one.unknown, one.small) == (("a", "b"), 3, ())
    assert one.of.tolist() == [0] * 12 + [NONE] * 3 + [1] * 12


def test_the_reference_has_groups_of_its_own_and_counts_for_none() -> None:
    cells, known = ["f"] * 10 + ["m"] * 9, ["m"] * 20 + ["f"] * 2
    [one] = protected_columns(table({"sex": cells}, reference={"sex": known}))
    assert (one.names, one.small, one.because) == (("f",), ("m",), "only one group of sex has 10 rows")
    assert one.of.tolist() == [0] * 10 + [NONE] * 9
    assert one.reference is not None and one.reference.tolist() == [NONE] * 20 + [0] * 2
    [other] = protected_columns(
        table({"sex": ["f"] * 10 + ["m"] * 10}, reference={"sex": ["x"] * 8 + ["m"] * 2})
    )
    assert (other.names, other.small) == (("m", "f"), ())  # x is in no row; m is the most frequent
    assert other.of.tolist() == [1] * 10 + [0] * 10
    assert other.reference is not None and other.reference.tolist() == [NONE] * 8 + [0] * 2


def test_why_there_is_nothing_to_compare() -> None:
    few, none = protected_columns(table({"sex": ["f"] * 9 + ["m"] * 9, "shoe": ["a"] * 30}))
    assert (few.names, few.because, few.small) == ((), "no group of sex has 10 rows", ("f", "m"))
    assert (none.names, none.of.tolist()) == ((), [NONE] * 30)
    assert none.because and not none.because.startswith("by: ") and "shoe" in none.because


def test_numbers_say_how_their_groups_came_about() -> None:
    [one] = protected_columns(table({"age": [f"{20 + i}" for i in range(48)]}))
    assert (one.kind, len(one.names), one.unknown) == ("age", 4, 0)
    assert one.note.startswith("age is split")


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        ((), []), (("a",), []), (("a", "b"), [(0, "b")]), (("a", "b", "c"), [(0, OTHERS), (1, OTHERS), (2, OTHERS)]),
    ],
)  # fmt: skip
def test_two_groups_are_compared_once_and_more_each_with_all_others(
    names: tuple[str, ...], expected: list[tuple[int, str]]
) -> None:
    assert pairs(names) == expected
