"""Very many columns: twice as many take twice as many steps, and not four times as many."""

import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
import torch

from cfsearch.assembly.fitted import _held_fixed
from cfsearch.datasets.tables import Column, ColumnKind, Inference, Link, TableSchema, Variables

FEWER, MORE = 100, 200
compared = [0]


class Name(str):
    """A name that counts how often it is compared with another one."""

    __slots__ = ()
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        compared[0] += 1
        return str.__eq__(self, other)


def steps(work: Callable[[], object]) -> int:
    """How many calls of Python functions (steps of generators among them) and comparisons of names some work takes."""
    calls = 0

    def count(_: FrameType, event: str, __: Any) -> None:  # Any: what profilers are given
        nonlocal calls
        calls += event == "call"

    compared[0] = 0
    sys.setprofile(count)
    try:
        work()
    finally:
        sys.setprofile(None)
    return calls + compared[0]


def linked(d: int, *, immutable: bool = False) -> TableSchema:
    """Pairs of columns that change together."""
    columns = tuple(
        Column(name=Name(f"c{j}"), kind=ColumnKind.INTEGER, high=3.0, immutable=immutable and j < d - 2)
        for j in range(d)
    )
    rows = tuple((float(v), float(v)) for v in range(4))
    links = tuple(Link((columns[j].name, columns[j + 1].name), rows) for j in range(0, d, 2))
    return TableSchema(columns=columns, links=links)


def held(d: int) -> object:
    schema = linked(d, immutable=True)
    return _held_fixed(schema, immutable=(), x=torch.zeros(1, d, dtype=torch.float64))


def related(d: int) -> object:
    """A chain of comparisons, and columns of which each is computed from another."""
    columns = tuple(Column(name=Name(f"c{j}"), kind=ColumnKind.REAL, high=9.0) for j in range(d))
    chain = [f"c{j} <= c{j + 1}" for j in range(d // 2)]
    return TableSchema(columns=columns, relations=(*chain, *(f"c{j} = 2 * c0" for j in range(d // 2 + 1, d))))


WORK: dict[str, Callable[[int], object]] = {
    "schema": linked,
    "variables": lambda d: Variables.of(linked(d)),
    "held": held,
    "summary": lambda d: Inference(linked(d), "t.csv", 9, ()).summary(),
    "relations": related,
    "words": lambda d: linked(d).words([0.0] * d, [1.0] * d),
    "check": lambda d: linked(d).check(torch.zeros(2, d, dtype=torch.float64)),
}


@pytest.mark.parametrize("name", WORK)
def test_twice_as_many_columns_take_twice_as_many_steps(name: str) -> None:
    WORK[name](4)  # what is done once
    few, many = steps(lambda: WORK[name](FEWER)), steps(lambda: WORK[name](MORE))
    assert few > FEWER
    assert many < 2.5 * few


def test_variables_of_links_are_those_of_their_first_columns() -> None:
    columns = tuple(Column(name=n, kind=ColumnKind.INTEGER, high=3.0) for n in "abcd")
    rows = tuple((float(v), float(v)) for v in range(4))
    schema = TableSchema(columns=columns, links=(Link(("d", "b"), rows),))
    assert [(v.name, v.columns) for v in Variables.of(schema).all] == [
        ("a", (0,)),
        ("d", (3, 1)),
        ("c", (2,)),
    ]
