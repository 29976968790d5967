"""What a schema is guessed from: links of columns, targets, and the lines of its summary."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from cfsearch.datasets.tables import Column, ColumnKind, Missing, infer_schema, read_table
from cfsearch.datasets.tables._infer import _line
from cfsearch.datasets.tables._relations import _level
from cfsearch.errors import ConfigError, DataError


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def written(**columns: Sequence[object]) -> Path:
        path = tmp_path / "t.csv"
        lines = [",".join(columns), *(",".join(map(str, row)) for row in zip(*columns.values(), strict=True))]
        path.write_text("\n".join(lines) + "\n")
        return path

    return written


Write = Callable[..., Path]


@pytest.mark.parametrize(
    ("kinds", "rows", "linked"), [(3, 9, True), (2, 9, False), (3, 8, False), (4, 12, True)]
)
def test_columns_that_say_the_same_are_linked_from_three_values_in_three_rows_each(
    write: Write, kinds: int, rows: int, linked: bool
) -> None:
    at = [i % kinds for i in range(rows)]
    found = infer_schema(
        write(job=[f"job{i}" for i in at], code=[f"code{i}" for i in at], n=range(rows))
    ).schema
    assert [(link.columns, len(link.rows)) for link in found.links] == (
        [(("job", "code"), kinds)] if linked else []
    )


def test_columns_of_which_one_says_more_are_not_linked(write: Write) -> None:
    found = infer_schema(
        write(job=[f"j{i % 3}" for i in range(18)], twin=[f"t{i % 3}" for i in range(18)],
              other=[f"o{i // 6}" for i in range(18)], third=[f"x{i % 3}" for i in range(18)])
    ).schema  # fmt: skip
    assert [link.columns for link in found.links] == [("job", "twin", "third")]


@pytest.mark.parametrize(
    ("labels", "message"),
    [(["a"] * 4, r"2 to 100 classes, got 1 \(a\)"), ([f"c{i}" for i in range(101)], "got 101")],
)
def test_a_target_has_two_to_a_hundred_classes(write: Write, labels: Sequence[object], message: str) -> None:
    path = write(n=[i % 7 for i in range(len(labels))], ok=labels)
    with pytest.raises(ConfigError, match=message):
        infer_schema(path, target="ok")
    many = infer_schema(write(n=[i % 7 for i in range(100)], ok=range(100)), target="ok").schema
    assert many.target is not None and len(many.labels) == 100


def test_classes_are_ordered_by_their_number_and_missing_ones_are_none(write: Write) -> None:
    schema = infer_schema(write(n=[1, 2, 3, 4], ok=["10", "9", "?", "b"]), target="ok").schema
    assert schema.labels == ("9", "10", "b")


def test_a_table_without_inputs_or_named_columns_is_refused(write: Write) -> None:
    path = write(a=[1, 2, 3], ok=["x", "y", "x"])
    with pytest.raises(DataError, match="has no column left that could be an input"):
        infer_schema(path, target="ok", ignore=["a"])
    wrong: tuple[dict[str, Any], ...] = (
        {"ignore": ["b"]},
        {"immutable": ["b"]},
        {"categorical": ["b"]},
        {"monotone": {"b": 1}},
        {"target": "b"},
    )
    for given in wrong:
        with pytest.raises(DataError, match="has no column 'b'; its columns are a, ok"):
            infer_schema(path, **given)


def test_the_rules_that_are_given_are_the_schemas(write: Write) -> None:
    schema = infer_schema(
        write(a=[1, 2, 3], b=[1, 2, 3], c=[4, 5, 4]), immutable=["a"], monotone={"b": -1}, categorical=["c"]
    ).schema
    a, b, c = schema.columns
    assert (a.immutable, b.immutable, a.monotone, b.monotone) == (True, False, 0, -1)
    assert (c.kind, c.levels) == (ColumnKind.CATEGORICAL, ("4", "5"))


INTEGER, REAL = ColumnKind.INTEGER, ColumnKind.REAL


@pytest.mark.parametrize(
    ("column", "line"),
    [
        (Column(name="n", kind=INTEGER, low=1, high=9), ("n", "integer", "1 to 9", "refuse", "")),
        (
            Column(name="n", kind=INTEGER, low=0, high=90, step=10, immutable=True, monotone=1),
            ("n", "integer", "0 to 90, step 10", "refuse", "immutable, may only rise"),
        ),
        (
            Column(name="n", kind=INTEGER, low=0, high=9, codes=(-9.0, -8.0), monotone=-1, max_change=2.0),
            ("n", "integer", "0 to 9, codes -9, -8", "refuse", "may only fall, changes bounded"),
        ),
        (
            Column(name="n", kind=REAL, low=0, high=9, gaps=((1.0, 2.0),), max_change_share=0.5),
            ("n", "real", "0.0 to 9.0, with gaps", "refuse", "changes bounded"),
        ),
        (
            Column(name="n", kind=INTEGER, low=0, high=9, values=(0.0, 4.0, 9.0), missing=Missing.DROP),
            ("n", "integer", "0 to 9, 3 values", "drop", ""),
        ),
        (
            Column(name="j", kind=ColumnKind.CATEGORICAL, levels=("a", "b", "c", "d")),
            ("j", "categorical", "4: a, b, c, d", "refuse", ""),
        ),
        (
            Column(name="j", kind=ColumnKind.CATEGORICAL, levels=("a", "b", "c", "d", "e")),
            ("j", "categorical", "5: a, b, c, d, ...", "refuse", ""),
        ),
    ],
)
def test_a_column_in_the_summary(column: Column, line: tuple[str, ...]) -> None:
    assert _line(column, linked=False) == line


def test_levels_that_are_numbers_are_compared_as_they_are_written() -> None:
    column = Column(name="j", kind=ColumnKind.ORDINAL, levels=("0.5", "1", "2"))
    assert [_level(column, value) for value in (0.5, 1.0, "2", 3.0, 1.5)] == [0.0, 1.0, 2.0, None, None]


def test_the_summary_word_by_word(write: Write) -> None:
    path = write(id=[f"p{i}" for i in range(20)], n=[i % 7 * 3 for i in range(20)], memo=[f"m{i}" for i in range(20)],
                 ok=["yes", "no"] * 10)  # fmt: skip
    assert infer_schema(path, target="ok").summary().splitlines() == [
        "t.csv: 20 rows, 1 columns", "",
        "column  kind     values   missing  rules  why",
        "n       integer  0 to 18  refuse          7 different whole numbers", "",
        "target: ok (no, yes)",
        "left out: id, memo",
        "note: id, memo: 20 different texts in 20 rows; left out.",
        "note: n: 7 whole numbers; if they are codes, make it categorical.",
    ]  # fmt: skip


def test_of_a_constant_column_the_guess_says_that_nothing_can_change(write: Write) -> None:
    guess = infer_schema(write(a=[f"{i % 3}.5" for i in range(12)], b=[7] * 12, c=["x"] * 12))
    assert guess.reasons["b"] == guess.reasons["c"] == "one value only: nothing to change to"
    assert guess.reasons["a"] == "3 different numbers with 1 decimal"


def test_linked_columns_keep_each_marker_of_missing_cells_apart(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(
        "a,b,n\n"
        + "".join(f"{a},{b},{i % 7}\n" for i, (a, b) in enumerate([("x", "u"), ("?", "v"), ("", "w")] * 6))
    )
    guess = infer_schema(path)
    assert [link.columns for link in guess.schema.links] == [("a", "b")]
    table = read_table(path, schema=guess.schema)
    assert [table.cells(i)["a"] for i in range(3)] == ["x", "?", "NaN"]
