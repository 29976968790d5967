"""A surrogate that is distilled on the way: how it agrees, what it costs, and what it cannot learn from."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cfsearch.datasets.tables import Column, ColumnKind, Missing, TableSchema
from cfsearch.distill import DistillRequest, distil, surrogate_of_rows
from cfsearch.errors import CapabilityError, DataError
from cfsearch.explainers.gradient import Gradient
from cfsearch.explainers.subjects import table_subject
from cfsearch.providers.sklearn import SklearnProvider
from cfsearch.testing.tables import random_rows

SCHEMA = TableSchema(
    columns=(
        Column(name="age", kind=ColumnKind.INTEGER, low=18, high=90),
        Column(name="income", kind=ColumnKind.REAL, low=0.0, high=5000.0, step=0.5),
        Column(name="job", kind=ColumnKind.CATEGORICAL, levels=("clerk", "cook", "pilot")),
    )
)


class Wealth:
    """A classifier with the answers of a linear rule, and no gradients."""

    classes_ = np.array(["poor", "rich"])

    def predict_proba(self, x: NDArray[np.float64]) -> NDArray[np.float64]:
        p = 1 / (1 + np.exp(-(x[:, 1] - 2500) / 300 - (x[:, 2] == 2)))
        return np.stack([1 - p, p], axis=1)


def model(schema: TableSchema = SCHEMA) -> SklearnProvider:
    return SklearnProvider(Wealth(), schema=schema, form="codes", fingerprint="wealth")


def rows(n: int = 120) -> torch.Tensor:
    return random_rows(SCHEMA, n=n, draw=np.random.default_rng(0))


def test_a_method_that_follows_gradients_works_through_it() -> None:
    with pytest.raises(CapabilityError, match="gives no gradients"):
        table_subject(model())
    surrogate = surrogate_of_rows(model(), rows(), queries=1500)
    about = surrogate.surrogate.about
    assert 0 < about["queries"]["spent"] <= 1500 and about["trials"] == 0
    assert about["data"]["held_out"] == 24 and about["fidelity"]["value"] > 0.8
    assert surrogate.learned_from and "Both gave the same class for" in surrogate.note
    subject = table_subject(model(), surrogate=surrogate)
    poor = rows()[(rows()[:, 1] < 2000) & (rows()[:, 2] == 0)][:3]
    found = Gradient(eps_max=1000.0).explain(poor, subject=subject)
    assert found.flipped is not None and found.counterfactuals is not None
    assert found.surrogate and int(found.flipped.sum()) == 3
    assert bool(
        (model().predict(found.counterfactuals)[:, 1] > 0.5).all()
    )  # the model itself has the last word


def test_rows_that_lack_a_number_are_not_learned_from() -> None:
    kept = replace(
        SCHEMA,
        columns=(SCHEMA.columns[0], replace(SCHEMA.columns[1], missing=Missing.KEEP), SCHEMA.columns[2]),
    )
    x = rows()
    x[::3, 1] = torch.nan
    made = surrogate_of_rows(model(kept), x, queries=400)
    assert made.surrogate.about["data"]["inputs"] == 80
    with pytest.raises(DataError, match="40 of 120 rows lack a number.*missing = 'drop'"):
        distil(x, model(kept), request=DistillRequest(queries=400), schema=kept)


def test_too_few_rows_are_refused_with_what_to_give() -> None:
    with pytest.raises(
        DataError, match=r"20 rows or more, got 19. Give more rows: --reference TABLE.csv; or --surrogate"
    ):
        surrogate_of_rows(model(), rows(19))
