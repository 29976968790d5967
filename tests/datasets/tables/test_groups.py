"""Rows in groups: by value, by quarters, what is rare and what is missing."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfsearch.datasets.tables import Column, ColumnKind, Missing, RowGroups, TableSchema, row_groups
from cfsearch.datasets.tables._groups import crossed
from cfsearch.errors import DataError

GRADES = tuple(f"grade {i}" for i in range(12))
SCHEMA = TableSchema(
    columns=(
        Column(name="age", kind=ColumnKind.INTEGER, low=0, high=120),
        Column(name="pay", kind=ColumnKind.REAL, low=0, high=9, missing=Missing.FILL, fill=1.0),
        Column(name="grade", kind=ColumnKind.ORDINAL, levels=GRADES),
        Column(
            name="job", kind=ColumnKind.CATEGORICAL, levels=("cook", "clerk", "none"), missing=Missing.LEVEL
        ),
    ),
    ignore=("sex", "zip"),
)


def sizes(groups: RowGroups) -> dict[str, int]:
    count = Counter(groups.of)
    return {name: count[i] for i, name in enumerate(groups.names)}


def test_a_column_that_the_model_does_not_take_gives_its_values() -> None:
    found = row_groups("sex", ["f", "m", "f", "f"], schema=SCHEMA)
    assert (found.names, found.of, found.note) == (("f", "m"), (0, 1, 0, 0), "")


def test_numbers_are_split_at_quartiles_and_named_by_what_stands_in_them() -> None:
    ages = [*range(17, 37), 60, 61, 62, 90]
    found = row_groups("age", [str(a) for a in ages], schema=SCHEMA)
    assert sizes(found) == {
        "age 17 to 22": 6,
        "age 23 to 28": 6,
        "age 29 to 34": 6,
        "age 35 to 90": 6,
    }
    assert "quartiles" in found.note


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.0] * 20 + [0.5 * i for i in range(1, 10)], {"pay 0": 20, "pay 0.5 to 1": 2, "pay 1.5 to 4.5": 7}),
        ([9.0] * 40 + [0.5 * i for i in range(1, 10)], {"pay 0.5 to 4.5": 9, "pay 9": 40}),
    ],
    ids=["many at the bottom", "many at the top"],
)
def test_where_many_rows_tie_there_are_fewer_parts(values: list[float], expected: dict[str, int]) -> None:
    found = row_groups("pay", [str(v) for v in values], schema=SCHEMA)
    assert sizes(found) == expected


def test_few_numbers_are_their_own_groups_in_their_order() -> None:
    found = row_groups("age", ["40", "9", "40", "18.0"], schema=SCHEMA)
    assert found.names == ("age 9", "age 18", "age 40")
    assert row_groups("zip", ["10", "9"], schema=SCHEMA).names == ("zip 9", "zip 10")


def test_ordered_levels_are_split_in_their_own_order() -> None:
    found = row_groups("grade", list(GRADES), schema=SCHEMA)
    assert found.names == (
        "grade grade 0 to grade 2",
        "grade grade 3 to grade 5",
        "grade grade 6 to grade 8",
        "grade grade 9 to grade 11",
    )


def test_missing_cells_are_a_group_even_where_the_model_is_given_another_value() -> None:
    assert sizes(row_groups("pay", ["1", "?", "", "2"], schema=SCHEMA)) == {
        "pay 1": 1,
        "pay 2": 1,
        "missing": 2,
    }
    assert sizes(row_groups("job", ["cook", "none", "NA"], schema=SCHEMA)) == {"cook": 1, "missing": 2}
    assert row_groups("sex", ["missing", ""], schema=SCHEMA).names == ("missing", "missing (empty cells)")


def test_eight_numbers_are_groups_and_nine_are_split() -> None:
    eight = row_groups("age", [str(i) for i in range(8)], schema=SCHEMA)
    assert len(eight.names) == 8
    assert eight.note == ""
    assert len(row_groups("age", [str(i) for i in range(9)], schema=SCHEMA).names) == 4


def test_a_value_in_five_rows_is_no_rare_one() -> None:
    found = row_groups("sex", ["a"] * 5 + ["b"] * 5 + ["c"] * 5, schema=SCHEMA)
    assert (sizes(found), found.note) == ({"a": 5, "b": 5, "c": 5}, "")
    rare = row_groups("sex", ["a"] * 5 + ["b"] * 4 + ["c"] * 4, schema=SCHEMA)
    assert sizes(rare) == {"a": 5, "others (2 values)": 8}


def test_levels_go_by_how_frequent_they_are_and_others_come_last() -> None:
    found = row_groups("sex", ["z"] * 7 + ["a"] * 6 + ["m"] + ["k"], schema=SCHEMA)
    assert found.names == ("z", "a", "others (2 values)")


def test_rare_values_stand_together_and_it_is_noted() -> None:
    found = row_groups("sex", ["a"] * 9 + ["b"] * 5 + ["c"] * 4 + ["d"], schema=SCHEMA)
    assert sizes(found) == {"a": 9, "b": 5, "others (2 values)": 5}
    assert found.note == "2 values of sex stand together: each has fewer than 5 rows."
    alone = row_groups("sex", ["a"] * 9 + ["b"] * 5 + ["c"], schema=SCHEMA)
    assert sizes(alone) == {"a": 9, "b": 5, "c": 1}


def test_of_many_levels_the_most_frequent_are_named() -> None:
    cells = [f"l{i:02d}" for i in range(12) for _ in range(5 + i)]
    found = row_groups("sex", cells, schema=SCHEMA)
    assert found.names[:8] == tuple(f"l{i:02d}" for i in range(11, 3, -1))
    assert sizes(found)["others (4 values)"] == 5 + 6 + 7 + 8
    assert "not among the 8 most frequent" in found.note


@pytest.mark.parametrize(
    ("cells", "said"),
    [
        (["f"] * 4, "all 4 rows are of one group by 'sex'"),
        ([""] * 3, "all 3 rows are of one group by 'sex' .missing."),
        ([f"name {i}" for i in range(30)], "has 30 different values and none of them in 5 rows"),
    ],
    ids=["constant", "empty", "identifier"],
)
def test_a_column_that_makes_no_groups_is_refused(cells: list[str], said: str) -> None:
    with pytest.raises(DataError, match=said):
        row_groups("sex", cells, schema=SCHEMA)


@given(st.lists(st.integers(0, 60), min_size=10, max_size=80).filter(lambda v: len(set(v)) > 8))
def test_quarters_keep_the_order_and_split_no_value(ages: list[int]) -> None:
    found = row_groups("age", [str(a) for a in ages], schema=SCHEMA)
    parts = [
        np.array([a for a, i in zip(ages, found.of, strict=True) if i == j]) for j in range(len(found.names))
    ]
    assert 2 <= len(parts) <= 4
    assert all(a.max() < b.min() for a, b in pairwise(parts))
    assert list(found.names) == [
        f"age {a.min()}" if a.min() == a.max() else f"age {a.min()} to {a.max()}" for a in parts
    ]


def test_crossed_groups_by_hand() -> None:
    race = RowGroups("race", ("black", "white"), (0, 0, 1, 1, 1, 1, -1, 0), "race is guessed.")
    sex = RowGroups("sex", ("f", "m"), (0, 1, 0, 1, 1, 1, 1, 0), "")
    found = crossed(
        "race*sex", [race, sex], least=0.2
    )  # 1.6 of 8 rows: those with one row are left out, by name
    assert (found.column, found.names) == ("race*sex", ("black, f", "white, m"))
    assert found.of == (0, -1, -1, 1, 1, 1, -1, 0)
    assert found.note == (
        "race is guessed. Under 20 % of the rows, left out: black, m (1), white, f (1). "
        "1 of 8 rows are of unknown race or sex, left out."
    )
    with pytest.raises(DataError, match=r"by: 'race\*sex' makes 1 groups of 30 % of the 8 rows or more"):
        crossed("race*sex", [race, sex], least=0.3)
