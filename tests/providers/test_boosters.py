"""LightGBM and XGBoost on pandas categories: each cell is given to them as the category it was fitted on."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from lightgbm import LGBMClassifier
from xgboost import XGBClassifier

from cfsearch.datasets.tables import infer_schema, read_table, read_text_table, sample_of
from cfsearch.providers.agreement import check_agreement
from cfsearch.providers.sklearn import SklearnProvider


def people(path: Path) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "job": draw.choice(["pilot", "cook", "clerk"], 300),
            "grade": draw.choice([1, 2, 3], 300),
            "owner": draw.choice([True, False], 300),
            "income": draw.integers(10, 90, 300),
        }
    )
    frame.to_csv(path, index=False)
    return frame


def target(frame: pd.DataFrame) -> Any:  # Any: an array
    return ((frame["income"] + 30 * (frame["job"] == "cook") + 20 * (frame["grade"] == 2)) > 70).astype(int)


def model(kind: str) -> Any:  # Any: an estimator
    if kind == "lightgbm":
        return LGBMClassifier(n_estimators=8, min_child_samples=3, n_jobs=1, verbose=-1)
    return XGBClassifier(n_estimators=8, enable_categorical=True, n_jobs=1)


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost"])
def test_every_row_is_answered_as_the_model_answers_it(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "people.csv"
    frame = people(path)
    # an order of its own, which the file does not show
    frame["job"] = pd.Categorical(frame["job"], categories=["pilot", "cook", "clerk"])
    frame["grade"] = pd.Categorical(frame["grade"], categories=[3, 1, 2])
    fitted = model(kind).fit(frame, target(frame))
    for categorical in ([], ["grade"]):
        schema = infer_schema(path, categorical=categorical).schema
        provider = SklearnProvider(fitted, schema=schema, fingerprint="b")
        answer = provider.predict(read_table(path, schema=schema).x).numpy()
        assert np.allclose(answer, fitted.predict_proba(frame), atol=1e-6)
        assert len(np.unique(answer.argmax(1))) == 2
        sample = sample_of(read_text_table(path), path, schema=schema)
        assert sample is not None
        assert check_agreement(provider, sample) == ""
