"""Opening a model: a table that is read otherwise by pandas is refused, in whatever way the model comes."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

from cfsearch.assembly.model import open_model
from cfsearch.assembly.table import open_table
from cfsearch.config import Config
from cfsearch.datasets.tables import infer_schema, write_schema
from cfsearch.errors import DataError
from cfsearch.providers.sklearn import SklearnProvider


def test_a_model_of_the_running_program_is_compared_too(tmp_path: Path) -> None:
    """Codes 1, 2, 3 would reach an array model as the indices 0, 1, 2 of their levels."""
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"grade": draw.choice([1, 2, 3], 60), "income": draw.integers(10, 90, 60)})
    path = tmp_path / "t.csv"
    frame.to_csv(path, index=False)
    model = LogisticRegression().fit(
        frame.to_numpy(), (frame["grade"] + frame["income"] / 50 > 3).astype(int)
    )
    config = Config.check({"model": {"path": "m.skops"}, "data": {"table": str(path)}})
    table = open_table(config)
    assert (
        open_model(config, table=table, model=SklearnProvider(model, schema=table.schema)).table is not None
    )
    write_schema(infer_schema(path, categorical=["grade"]).schema, tmp_path / "t.schema.toml")
    table = open_table(config)
    with pytest.raises(DataError, match=r"column 'grade': pandas reads \d .whole number.*the model is given"):
        open_model(config, table=table, model=SklearnProvider(model, schema=table.schema))
