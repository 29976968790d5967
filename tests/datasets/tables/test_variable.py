"""One variable of a table: its values, its holes, what linked columns allow, and where its tensors lie."""

from dataclasses import replace

import pytest
import torch

from cfsearch.datasets.tables import Column, ColumnKind, Link, Missing, TableSchema
from cfsearch.datasets.tables._variable import Variable, variables_of
from cfsearch.errors import ConfigError, DataError

GRADE = Column(name="grade", kind=ColumnKind.ORDINAL, levels=("x", "y", "z"))
YEARS = Column(name="years", kind=ColumnKind.INTEGER, low=0, high=20)
COMBINATIONS = ((0.0, 8.0), (1.0, 10.0), (2.0, 16.0))


def linked(
    grade: Column = GRADE, years: Column = YEARS, rows: tuple[tuple[float, ...], ...] = COMBINATIONS
) -> Variable:
    schema = TableSchema(columns=(grade, years), links=(Link(("grade", "years"), rows),))
    [variable] = variables_of(schema, followers=frozenset())
    return variable


def vector(*values: float) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def single(column: Column) -> Variable:
    [variable] = variables_of(TableSchema(columns=(column,)), followers=frozenset())
    return variable


def test_linked_columns_are_one_variable_in_their_order() -> None:
    made = linked()
    assert (made.name, made.columns, made.kind) == ("grade", (0, 1), ColumnKind.ORDINAL)
    assert (made.low, made.high, made.span, made.step) == (0.0, 2.0, 2.0, 1.0)
    assert made.values(torch.tensor([[2.0, 16.0], [0.0, 8.0]])).tolist() == [2.0, 0.0]
    with pytest.raises(DataError, match="a combination of 'grade' and its linked columns"):
        made.values(torch.tensor([[2.0, 8.0]]))


def test_combinations_that_tie_in_the_first_ordered_column_have_no_order() -> None:
    assert linked(rows=((0.0, 8.0), (0.0, 10.0), (1.0, 16.0))).kind is ColumnKind.CATEGORICAL


def test_a_range_of_one_number_has_the_span_of_one() -> None:
    assert single(replace(YEARS, low=7, high=7)).span == 1.0
    assert linked(rows=((0.0, 8.0),)).span == 1.0


def test_linked_columns_may_be_held_by_one_of_them() -> None:
    assert not linked().immutable
    assert linked(years=replace(YEARS, immutable=True)).immutable


@pytest.mark.parametrize(
    ("monotone", "kept"), [(0, [True] * 3), (1, [False, True, True]), (-1, [True, True, False])]
)
def test_a_direction_of_one_column_holds_for_the_combination(monotone: int, kept: list[bool]) -> None:
    made = linked(years=replace(YEARS, monotone=monotone))
    assert made.monotone == monotone
    assert made.keeps(vector(0, 1, 2), vector(1, 1, 1)).tolist() == kept


def test_columns_that_fall_while_the_combinations_rise_turn_the_direction() -> None:
    """Grades are ordered first; with fewer years the better the grade, more years are a step back."""
    falling = ((0.0, 16.0), (1.0, 10.0), (2.0, 8.0))
    ruled = linked(grade=replace(GRADE, monotone=1), rows=falling)
    assert ruled.monotone == 1
    both = linked(grade=replace(GRADE, monotone=1), years=replace(YEARS, monotone=-1), rows=falling)
    assert both.monotone == 1
    with pytest.raises(ConfigError, match="link of .*: its monotone columns contradict each other"):
        linked(grade=replace(GRADE, monotone=1), years=replace(YEARS, monotone=1), rows=falling)


@pytest.mark.parametrize(
    ("settings", "kept"),
    [
        ({"max_change": 2.0}, [True, True, False]),  # 2 and 6 years from 10
        ({"max_change": 6.0}, [True, True, True]),
        ({"max_change_share": 0.2}, [True, True, False]),  # of 10
        ({"max_change_share": 0.19}, [False, True, False]),
        ({"max_change": 6.0, "max_change_share": 0.2}, [True, True, False]),
    ],
)
def test_the_largest_change_of_one_column_holds_for_the_combination(
    settings: dict[str, float], kept: list[bool]
) -> None:
    made = linked(years=replace(YEARS, **settings))  # type: ignore[arg-type]  # numbers
    assert made.keeps(vector(0, 1, 2), vector(1, 1, 1)).tolist() == kept


def test_combinations_that_no_search_goes_to_come_last() -> None:
    made = linked(years=replace(YEARS, low=9))
    assert (made.low, made.high, made.span) == (0.0, 1.0, 2.0)
    assert made.rows is not None and made.rows.tolist() == [[1.0, 10.0], [2.0, 16.0], [0.0, 8.0]]
    with pytest.raises(ConfigError, match="no combination may be gone to"):
        linked(years=replace(YEARS, low=17))


@pytest.mark.parametrize(("leave", "codes"), [(False, (2.0,)), (True, ())])
def test_a_combination_with_a_code_is_kept_unless_codes_may_be_left(
    leave: bool, codes: tuple[float, ...]
) -> None:
    years = replace(YEARS, codes=(16.0,), leave_codes=leave)
    made = linked(years=years)
    assert (made.high, made.codes, made.kept) == (1.0, codes, codes)


def test_a_missing_number_stands_far_below_its_range_and_is_a_code() -> None:
    made = single(replace(YEARS, low=4, missing=Missing.KEEP, codes=(19.0,), leave_codes=True))
    [far] = made.values(torch.tensor([[float("nan")]])).tolist()
    assert far < 4 - 100 * made.span
    assert made.codes == (19.0, far) and made.kept == (far,), (
        "a missing number is never left, other codes may be"
    )
    assert made.is_code(vector(far, 19.0, 4.0)).tolist() == [True, True, False]


def test_holes_are_left_by_the_nearer_end_or_toward_a_value() -> None:
    made = single(Column(name="a", kind=ColumnKind.REAL, low=0, high=100, gaps=((10.0, 20.0), (50.0, 90.0))))
    values = vector(5, 10, 12, 15, 18, 20, 30, 60, 89, 95)
    assert made.out_of_holes(values).tolist() == [5, 10, 10, 10, 20, 20, 30, 50, 90, 95]
    assert made.out_of_holes(values, toward=vector(*[0.0] * 10)).tolist() == [
        5,
        10,
        10,
        10,
        10,
        20,
        30,
        50,
        50,
        95,
    ]
    assert made.out_of_holes(values, toward=vector(*[99.0] * 10)).tolist() == [
        5,
        10,
        20,
        20,
        20,
        20,
        30,
        90,
        90,
        95,
    ]


def test_it_answers_on_the_device_of_its_values() -> None:
    """The "meta" device, which every machine has, stands for one that is not the CPU."""
    made = linked(years=replace(YEARS, monotone=1, max_change=6.0))
    elsewhere = torch.zeros(3, dtype=torch.float64, device="meta")
    assert made.keeps(elsewhere, elsewhere).device.type == "meta"
    gaps = single(Column(name="a", kind=ColumnKind.REAL, low=0, high=100, gaps=((10.0, 20.0),)))
    assert gaps.out_of_holes(elsewhere).device.type == "meta"
