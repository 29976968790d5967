"""Codes with zeros in front: read as the numbers of pandas, written with all their digits."""

import io
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import torch

from cfsearch.datasets.tables import (
    Column,
    ColumnKind,
    Table,
    TableSchema,
    condition_of,
    frame_of,
    holds,
    infer_schema,
    read_schema,
    read_table,
    row_groups,
    write_schema,
)
from cfsearch.errors import ConfigError

CODES = ("02139", "00501", "90210", "02140")
POSTCODE = Column(name="postcode", kind=ColumnKind.INTEGER, low=501.0, high=99950.0, digits=5)


def a_file(folder: Path, cells: list[str]) -> Path:
    path = folder / "t.csv"
    path.write_text("\n".join(["code,income", *(f"{c},{i % 7}" for i, c in enumerate(cells))]) + "\n")
    return path


def test_a_guessed_column_of_codes_keeps_their_digits_and_goes_to_codes_alone(tmp_path: Path) -> None:
    path = a_file(tmp_path, [*CODES] * 4)
    guess = infer_schema(path)
    column = guess.schema.column("code")
    assert (column.kind, column.digits) == (ColumnKind.INTEGER, 5)
    assert sorted(map(column.cell, column.values)) == sorted(CODES)
    assert "4 different codes of 5 digits" in guess.summary()
    assert 'dtype = "str"' in guess.summary()
    write_schema(guess.schema, tmp_path / "s.toml")
    again = read_schema(tmp_path / "s.toml")
    assert again == guess.schema
    table = read_table(path, schema=again)
    assert [table.cells(i)["code"] for i in range(4)] == [*CODES]


@pytest.mark.parametrize("dtype", ["", "str", "int64"])
def test_a_model_is_given_what_pandas_reads(tmp_path: Path, dtype: str) -> None:
    path = a_file(tmp_path, [*CODES] * 4)
    read = pd.read_csv(path, dtype={"code": dtype} if dtype else None)
    column = Column(name="code", kind=ColumnKind.INTEGER, low=0.0, high=99999.0, digits=5, dtype=dtype)
    schema = TableSchema(columns=(column,), ignore=("income",))
    given = frame_of(read_table(path, schema=schema).x, schema=schema)
    assert given["code"].tolist() == read["code"].tolist()
    assert {type(v) for v in given["code"].tolist()} == {type(v) for v in read["code"].tolist()}
    assert Table.of_frame(read, schema=schema).x.flatten().tolist() == [float(c) for c in CODES] * 4


@pytest.mark.parametrize(
    ("cells", "digits"),
    [
        (["10", "11", "12"], 0),  # ages, not codes
        (["07", "7", "12"], 0),
        (["-01", "-02", "-03"], 0),
        (["0", "1", "2"], 0),
        (["01", "02", "12"], 2),
        (["000000000000001", "100000000000000", "000000000000002"], 15),
    ],
)
def test_only_codes_of_one_length_with_a_zero_in_front_have_digits(
    tmp_path: Path, cells: list[str], digits: int
) -> None:
    assert infer_schema(a_file(tmp_path, cells * 3)).schema.column("code").digits == digits


def test_codes_that_no_float_holds_are_levels(tmp_path: Path) -> None:
    cells = ["0000000000000001", "9007199254740993", "9007199254740992"]
    column = infer_schema(a_file(tmp_path, cells * 3)).schema.column("code")
    assert column.levels == tuple(sorted(cells))


@pytest.mark.parametrize(("kinds", "held"), [(1000, False), (1001, True)])
def test_codes_of_very_many_kinds_are_held(tmp_path: Path, kinds: int, held: bool) -> None:
    guess = infer_schema(a_file(tmp_path, [f"{i * 7:06d}" for i in range(kinds)]))
    column = guess.schema.column("code")
    assert (column.immutable, len(column.values)) == (held, 0 if held else kinds)
    assert any("held fixed" in note for note in guess.notes) == held


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"kind": ColumnKind.REAL, "digits": 5}, "`digits` is of whole numbers; make the column integer"),
        ({"kind": ColumnKind.CATEGORICAL, "levels": ("a",), "digits": 5}, "levels are written as they are"),
        ({"kind": ColumnKind.INTEGER, "digits": 16}, "must be 1 to 15, got 16"),
        ({"kind": ColumnKind.INTEGER, "digits": -1}, "must be 1 to 15, got -1"),
        ({"kind": ColumnKind.INTEGER, "digits": 2, "high": 100.0}, "must lie in 0 to 99 with digits = 2"),
        ({"kind": ColumnKind.INTEGER, "digits": 2, "low": -1.0}, "must lie in 0 to 99 with digits = 2"),
    ],
)
def test_digits_that_make_no_sense(settings: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Column(name="code", **settings)  # type: ignore[arg-type] # settings by name


def test_links_and_missing_codes_keep_their_form(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    rows = [("02139", "Cambridge"), ("00501", "Holtsville"), ("90210", "Beverly Hills")]
    path.write_text("\n".join(["code,city", *(f"{c},{n}" for c, n in rows * 4)]) + "\n")
    schema = infer_schema(path).schema
    (link,) = schema.to_dict()["links"]
    assert sorted(code for code, _ in link["rows"]) == sorted(code for code, _ in rows)
    write_schema(schema, tmp_path / "s.toml")
    assert read_schema(tmp_path / "s.toml") == schema
    assert POSTCODE.text(float("nan")) == "missing"


def test_a_level_is_found_by_its_number_where_a_reader_lost_its_zeros() -> None:
    levels = Column(name="code", kind=ColumnKind.CATEGORICAL, levels=(*CODES, "7", "07"))
    schema = TableSchema(columns=(levels,))
    lost = pd.read_csv(io.StringIO("code\n02139\n00501\n"))
    assert [t["code"] for t in map(Table.of_frame(lost, schema=schema).cells, range(2))] == [
        "02139",
        "00501",
    ]
    assert levels.cell(levels.code(7)) == "7"


def test_conditions_and_groups_speak_of_codes(tmp_path: Path) -> None:
    x = torch.tensor([[2139.0], [501.0]], dtype=torch.float64)
    for text in ("postcode = '02139'", "postcode = 02139", "postcode = 2139"):
        assert holds(condition_of(text, [POSTCODE]), x, [POSTCODE]).tolist() == [True, False]
    with pytest.raises(ConfigError, match="holds numbers, but stands beside the text 'Boston'"):
        condition_of("postcode = 'Boston'", [POSTCODE])
    cells = ["02139"] * 5 + ["00501"] * 6
    other = TableSchema(columns=(Column(name="age", kind=ColumnKind.REAL, high=9.0),))
    assert Counter(row_groups("postcode", cells, schema=other).names) == Counter(["02139", "00501"])
    declared = row_groups("postcode", cells, schema=TableSchema(columns=(POSTCODE,)))
    assert declared.names == ("postcode 00501", "postcode 02139")
