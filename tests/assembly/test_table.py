"""Tables as inputs: which schema holds, which rows are asked for, and rows to ask a model about."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from cfsearch.assembly.table import drawn_rows, open_table, read_rows, schema_beside
from cfsearch.config import Config
from cfsearch.datasets.tables import Link, infer_schema, write_schema
from cfsearch.errors import ConfigError, DataError
from cfsearch.testing.tables import random_schema

TEXT = "id,age,job\nx,30,cook\ny,?,pilot\nz,50,cook\nw,41,clerk\n"


@pytest.fixture
def table(tmp_path: Path) -> Path:
    path = tmp_path / "people.csv"
    path.write_text(TEXT)
    return path


def config(table: Path, **data: object) -> Config:
    return Config.check({"model": {"path": "m.onnx"}, "data": {"table": str(table), **data}})


def test_rows_are_counted_in_the_file_also_where_some_are_dropped(table: Path) -> None:
    found = open_table(config(table), columns=["age", "job"])
    assert found.names == ("row 0", "row 2", "row 3")
    assert found.x[:, 0].tolist() == [30.0, 50.0, 41.0]
    assert any("1 of 4 rows were dropped" in note for note in found.notes)
    assert found.guessed is not None


def test_the_models_columns_are_kept_in_its_order(table: Path) -> None:
    found = open_table(config(table), columns=["job", "age"])
    assert found.schema.names == ("job", "age")
    with pytest.raises(DataError, match="the model takes the column 'pay'"):
        open_table(config(table), columns=["pay"])


def test_a_schema_beside_the_table_holds_and_one_that_is_named_wins(table: Path, tmp_path: Path) -> None:
    guess = infer_schema(table, ignore=["id"]).schema
    write_schema(guess.ruled(immutable=["job"]), schema_beside(table))
    beside = open_table(config(table, rows=[3]))
    assert beside.guessed is None
    assert beside.schema.column("job").immutable
    write_schema(guess, tmp_path / "other.toml")
    named = open_table(config(table, rows=[3], schema=str(tmp_path / "other.toml")))
    assert not named.schema.column("job").immutable


def test_a_schema_gives_up_columns_that_the_model_does_not_take(table: Path) -> None:
    write_schema(infer_schema(table, ignore=["id"]).schema, schema_beside(table))
    found = open_table(config(table), columns=["job"])
    assert found.schema.names == ("job",) and "age" in found.schema.ignore
    assert found.names == ("row 0", "row 1", "row 2", "row 3")  # what is missing in `age` drops no row
    assert any("does not take age" in note for note in found.notes)


def test_a_column_of_a_rule_is_not_given_up(table: Path) -> None:
    schema = infer_schema(table, ignore=["id"]).schema
    link = Link(("job", "age"), tuple((float(i), age) for i in range(3) for age in (30.0, 41.0, 50.0)))
    write_schema(replace(schema, links=(link,)), schema_beside(table))
    assert open_table(config(table), columns=["job"]).schema.names == schema.names


@pytest.mark.parametrize(("name", "beside"), [("a.csv", "a.schema.toml"), ("a.csv.gz", "a.schema.toml")])
def test_where_a_schema_lies(name: str, beside: str) -> None:
    assert schema_beside(name) == Path(beside)


def test_rows_keep_the_order_that_is_given(table: Path) -> None:
    rows = read_rows(config(table, rows=[3, 0]))
    assert [row.name for row in rows] == ["row 3", "row 0"]
    assert [row.name for row in read_rows(config(table, where=["job=cook"]))] == ["row 0", "row 2"]
    with pytest.raises(ConfigError, match="expected COLUMN=VALUE"):
        read_rows(config(table, where=["cook"]))
    with pytest.raises(DataError, match="the schema drops such rows"):
        read_rows(config(table, rows=[1, 0]))


def test_probes_are_different_rows_and_enough(table: Path) -> None:
    probes = open_table(config(table, rows=[0]), columns=["age", "job"]).probes
    assert len(np.unique(probes.numpy(), axis=0)) == len(probes) > 8
    assert probes[0, 0] == 30.0


@pytest.mark.parametrize("seed", range(6))
def test_drawn_rows_are_rows_of_the_schema(seed: int) -> None:
    schema = random_schema(np.random.default_rng(seed))
    rows = drawn_rows(schema, n=50, seed=seed)
    schema.check(rows)
    assert torch.equal(rows, drawn_rows(schema, n=50, seed=seed))
    for j, column in enumerate(schema.columns):
        low, high = column.bounds
        assert bool(((rows[:, j] >= low) & (rows[:, j] <= high)).all())
        assert all(value in column.values for value in rows[:, j].tolist() if column.values)
        assert not any(a < value < b for value in rows[:, j].tolist() for a, b in column.gaps)
