"""Numbers that a model learned as categories: values of a guessed schema, and of the rows it is probed with."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder

from cfsearch.assembly.known_numbers import with_known_numbers
from cfsearch.assembly.table import TableInput, open_table
from cfsearch.config import Config
from cfsearch.datasets.tables import write_schema
from cfsearch.providers.sklearn import SklearnProvider

CODES = (3, 8, 50, 51, 90)


@pytest.fixture
def table(tmp_path: Path) -> TableInput:
    draw = np.random.default_rng(0)
    x = pd.DataFrame({"code": draw.choice([*CODES, 33], 30), "income": draw.integers(10, 90, 30)})
    x.to_csv(tmp_path / "t.csv", index=False)
    return open_table(
        Config.check({"model": {"path": "m.skops"}, "data": {"table": str(tmp_path / "t.csv")}}, where="test")
    )


def model(table: TableInput) -> SklearnProvider:
    x = pd.DataFrame({"code": CODES * 4, "income": range(20)})
    encode = ColumnTransformer(
        [("words", OneHotEncoder(handle_unknown="ignore"), ["code"])], remainder="passthrough"
    )
    fitted = Pipeline([("encode", encode), ("model", LogisticRegression())]).fit(x, [0, 1] * 10)
    return SklearnProvider(fitted, schema=table.schema)


def test_a_guessed_schema_gets_them_and_probes_are_among_them(table: TableInput) -> None:
    kept = with_known_numbers(table, model(table))
    column = kept.schema.column("code")
    assert column.values == tuple(map(float, CODES))
    assert set(kept.probes[:, 0].tolist()) <= set(map(float, CODES))
    assert torch.equal(kept.probes[:, 1], table.probes[:, 1])
    assert kept.schema.column("income") == table.schema.column("income")
    assert kept.notes[-1].endswith("learned 5 numbers as categories; a search goes to these alone (values).")


def test_a_schema_that_was_written_stays_and_a_note_lists_them(table: TableInput, tmp_path: Path) -> None:
    write_schema(table.schema, tmp_path / "t.schema.toml")
    written = open_table(
        Config.check({"model": {"path": "m.skops"}, "data": {"table": str(tmp_path / "t.csv")}}, where="test")
    )
    kept = with_known_numbers(written, model(written))
    assert kept.schema == written.schema
    assert "learned 5 numbers as categories (3, 8, 50, 51, 90) and takes any other for" in kept.notes[-1]
