"""Which inputs are in which group: against sets counted by hand."""

from pathlib import Path

import torch

from cfsearch.audits.groups import OTHERS
from cfsearch.audits.measured import GROUPS, Membership, load_groups, save_groups
from cfsearch.audits.membership import group_pairs, group_parts
from cfsearch.datasets.images import AttributeTable
from cfsearch.datasets.tables import Column, ColumnKind, TableSchema, crossed, row_groups

LEVELS = ColumnKind.CATEGORICAL
SCHEMA = TableSchema(
    columns=(
        Column(name="race", kind=LEVELS, levels=("a", "b")), Column(name="sex", kind=LEVELS, levels=("f", "m")),
    )
)  # fmt: skip
RACE = (*("a" for _ in range(60)), *("b" for _ in range(60)), "b", "", "")
SEX = (*("f", "m") * 60, "", "f", "m")
NAMES = tuple(f"row {i}" for i in range(123))


def members(race: tuple[str, ...] = RACE, sex: tuple[str, ...] = SEX) -> Membership:
    parts = [row_groups("race", race, schema=SCHEMA), row_groups("sex", sex, schema=SCHEMA)]
    return Membership(None, (), (crossed("race*sex", parts),), NAMES)


def by_hand(race: str, sex: str) -> frozenset[str]:
    return frozenset(n for n, r, s in zip(NAMES, RACE, SEX, strict=True) if (r, s) == (race, sex))


def test_rows_of_unknown_columns_are_in_no_crossed_group() -> None:
    expected = {f"{r}, {s}": by_hand(r, s) for r in "ab" for s in "fm"}
    [(column, parts)] = group_parts(members())
    assert (column, dict(parts)) == ("race*sex", expected)
    every = frozenset(NAMES[:120])
    pairs = list(group_pairs(members()))
    assert {pair.name: (pair.first, pair.second) for pair in pairs} == {
        name: (part, every - part) for name, part in expected.items()
    }
    assert {pair.against for pair in pairs} == {OTHERS}


def test_rows_of_groups_under_two_percent_are_in_none_also_from_the_file(tmp_path: Path) -> None:
    race = ("a",) * 100 + ("b",) * 23  # one man of b
    sex = ("f",) * 50 + ("m",) * 50 + ("f",) * 22 + ("m",)
    made = members(race, sex)
    save_groups(tmp_path / GROUPS, labels=None, by=(), columns=made.columns, names=NAMES)
    for one in (made, load_groups(tmp_path / GROUPS)):
        assert one is not None
        [(_, parts)] = group_parts(one)
        assert {name: len(part) for name, part in parts} == {"a, f": 50, "a, m": 50, "b, f": 22}
        assert not any("row 122" in part for _, part in parts)


def test_pictures_have_an_attribute_or_not() -> None:
    table = AttributeTable(("x", "y", "z"), ("Male",), torch.tensor([[True], [False], [True]]), {})
    [pair] = group_pairs(Membership(table, ("Male",), (), ()))
    assert (pair.group, pair.name, pair.against) == ("Male", "with", "without")
    assert (pair.first, pair.second) == (frozenset({"x", "z"}), frozenset({"y"}))
