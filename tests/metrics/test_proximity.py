"""Proximity: numpy's norms, scipy's MAD, and Gower by hand."""

import numpy as np
import pytest
import torch
from scipy.stats import median_abs_deviation

from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
from cfsearch.errors import ShapeError
from cfsearch.metrics.proximity import gower, l1, l2, mad, mad_scaled

DRAW = np.random.default_rng(0)
X, Y = (torch.from_numpy(DRAW.normal(size=(5, 4))) for _ in range(2))


def test_norms_are_those_of_numpy() -> None:
    gap = (X - Y).numpy()
    assert l1(X, Y).numpy() == pytest.approx(np.linalg.norm(gap, 1, axis=1))
    assert l2(X, Y).numpy() == pytest.approx(np.linalg.norm(gap, 2, axis=1))
    images = torch.zeros(2, 3, 4, 4)
    assert l1(images, images + 0.5).tolist() == [24.0, 24.0]


@pytest.mark.parametrize("rows", [6, 7])
def test_mad_is_that_of_scipy(rows: int) -> None:
    reference = DRAW.normal(size=(rows, 3))
    assert mad(torch.from_numpy(reference)).numpy() == pytest.approx(median_abs_deviation(reference, axis=0))


def test_columns_without_a_mad() -> None:
    reference = torch.tensor([[0.0, 5.0], [0.0, 5.0], [0.0, 5.0], [8.0, 5.0]])
    assert mad(reference).tolist() == [2.0, 1.0]


def test_missing_numbers_are_left_out_of_a_mad() -> None:
    known = torch.tensor([1.0, 2.0, 4.0, 9.0, 30.0])
    rows = torch.stack([torch.cat([known, torch.tensor([torch.nan])]), torch.full((6,), torch.nan)], dim=1)
    assert mad(rows).tolist() == [median_abs_deviation(known.numpy()), 1.0]


def test_mad_scaled_by_hand() -> None:
    value = mad_scaled(torch.zeros(1, 2), torch.tensor([[3.0, -1.0]]), scale=torch.tensor([2.0, 0.5]))
    assert value.tolist() == [3.5]


def test_gower_by_hand() -> None:
    schema = TableSchema(
        columns=(
            Column(name="a", kind=ColumnKind.REAL, low=0.0, high=10.0),
            Column(name="b", kind=ColumnKind.CATEGORICAL, levels=("x", "y")),
        )
    )
    assert gower(torch.tensor([[1.0, 0.0]]), torch.tensor([[3.0, 1.0]]), schema=schema).tolist() == [0.6]


def test_refusals() -> None:
    with pytest.raises(ShapeError, match=r"l2: expected two tensors of one shape \(n, ...\), got \(5, 4\)"):
        l2(X, Y[:3])
    with pytest.raises(ShapeError, match="expected 4 positive scales"):
        mad_scaled(X, Y, scale=torch.zeros(4))
