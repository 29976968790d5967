"""Settings of a schema's columns, read one by one, and what is refused."""

from typing import Any

import pytest

from cfsearch.datasets.tables._columns import Column, ColumnKind, Missing
from cfsearch.datasets.tables._toml import schema_of
from cfsearch.errors import ConfigError

AGE: dict[str, Any] = {"name": "age", "kind": "integer", "range": [18, 90]}
JOB: dict[str, Any] = {"name": "job", "kind": "categorical", "levels": ["cook", "clerk"]}


def column(entry: dict[str, Any], **more: Any) -> Column:
    [made] = schema_of({"columns": [{**entry, **more}]}).columns
    return made


@pytest.mark.parametrize(
    ("entry", "more", "part", "value"),
    [
        (AGE, {}, "kind", ColumnKind.INTEGER),
        (AGE, {}, "monotone", 0),
        (AGE, {"monotone": "up"}, "monotone", 1),
        (AGE, {"monotone": "down"}, "monotone", -1),
        (AGE, {"missing": "drop"}, "missing", Missing.DROP),
        (AGE, {"missing": "fill", "fill": 30}, "fill", 30),
        (AGE, {"step": 2}, "step", 2.0),
        (AGE, {"unit": "years"}, "unit", "years"),
        (AGE, {"immutable": True}, "immutable", True),
        (AGE, {"codes": [20, 30]}, "codes", (20.0, 30.0)),
        (AGE, {"gaps": [[30, 40]]}, "gaps", ((30.0, 40.0),)),
        (AGE, {"max_change": 5}, "max_change", 5.0),
        (AGE, {"max_change": "20 %"}, "max_change_share", 0.2),
        (AGE, {"max_change": [5, "12.5%"]}, "max_change_share", 0.125),
        (JOB, {}, "levels", ("cook", "clerk")),
        (JOB, {"dtype": "str"}, "dtype", "str"),
    ],
)
def test_a_setting_arrives_in_its_place(
    entry: dict[str, Any], more: dict[str, Any], part: str, value: Any
) -> None:
    assert getattr(column(entry, **more), part) == value


@pytest.mark.parametrize(
    ("entry", "more", "message"),
    [
        (AGE, {"monotone": "sideways"}, "column 'age': `monotone` must be one of up, down, got 'sideways'."),
        (AGE, {"missing": "ignore"}, "column 'age': `missing` must be one of refuse, drop, fill, level, keep, got 'ignore'."),
        (AGE, {"kind": "whole"}, "column 'age': `kind` must be one of real, integer, ordinal, categorical, got 'whole'."),
        (AGE, {"range": [18]}, "column 'age': `range` must be two numbers, [low, high], got [18]."),
        (AGE, {"range": [18, True]}, "column 'age': `range` must be two numbers, [low, high], got [18, True]."),
        (AGE, {"step": True}, "column 'age': `step` must be of type int or float, got True."),
        (AGE, {"gaps": [[1, 2, 3]]}, "column 'age': `gaps` must be pairs of numbers, [[a, b]], got [[1, 2, 3]]."),
        (AGE, {"codes": ["x"]}, "column 'age': `codes` must be a list of numbers, got ['x']."),
        (AGE, {"max_change": 0}, "`max_change` must be a number > 0, a share as '20 %', or a list of both, got 0."),
        (AGE, {"max_change": [5, 6]}, "or a list of both, got [5, 6]."),
        (AGE, {"monotne": "up"}, "Did you mean `monotone`?"),
        ({**AGE, "name": ""}, {}, "`name` of a column must be a text, got ''."),
    ],
)  # fmt: skip
def test_a_wrong_setting_is_refused_by_name(
    entry: dict[str, Any], more: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        column(entry, **more)
    assert message in str(caught.value)


def test_parts_of_a_schema_that_are_none_are_refused() -> None:
    for values, message in (
        ({"format": "cfsearch-table/9"}, "`format` must be 'cfsearch-table/1', got 'cfsearch-table/9'."),
        ({"columns": {}}, "`columns` must be tables, written as [[columns]]."),
        ({"columns": [AGE], "target": "x"}, "`target` must be a table with name and labels."),
        ({"columns": [AGE], "ignore": "id"}, "`ignore` must be texts in quotes, got 'id'."),
        (
            {"columns": [AGE], "links": [{"columns": ["age"], "rows": [[1, 2]]}]},
            "`rows` must be lists of 1 values.",
        ),
    ):
        with pytest.raises(ConfigError) as caught:
            schema_of(values)
        assert message in str(caught.value)
