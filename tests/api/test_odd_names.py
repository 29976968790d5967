"""Data frames whose columns have odd names, and models that were fitted on them."""

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import cfsearch


@pytest.mark.parametrize(
    "names", [(" age", "income "), ("\u200bage", "income\u00a0")], ids=["spaces", "unseen"]
)
def test_spaces_and_unseen_letters_are_no_part_of_a_name(names: tuple[str, str]) -> None:
    draw = np.random.default_rng(3)
    x = pd.DataFrame({name: draw.integers(18, 90, 60) for name in names})
    y = np.where(x.sum(axis=1) > 100, "grant", "refuse")
    model = make_pipeline(StandardScaler(), LogisticRegression()).fit(x, y)
    [front] = cfsearch.search(model, x.iloc[[0]], reference=x, evaluations=40, population=20)
    assert front.variables == ("age", "income")
    assert front.rows is not None
    cells = pd.DataFrame(front.rows.numpy()[front.verified.numpy()], columns=list(names))
    assert len(cells)
    assert set(model.predict(cells)) == {"grant", "refuse"} - {model.predict(x.iloc[[0]])[0]}
