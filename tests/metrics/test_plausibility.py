"""Plausibility and diversity: scikit-learn's neighbours and outlier factor, and closed forms."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import pdist
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

from cfsearch.errors import ConfigError, ShapeError
from cfsearch.metrics.diversity import determinant, mean_distance
from cfsearch.metrics.plausibility import local_outlier_factor, nearest

DRAW = np.random.default_rng(1)
REFERENCE, POINTS = DRAW.normal(size=(60, 3)), DRAW.normal(scale=2.0, size=(12, 3))
REF, X = torch.from_numpy(REFERENCE), torch.from_numpy(POINTS)


@pytest.mark.parametrize("k", [1, 7])
def test_nearest_is_that_of_scikit_learn(k: int) -> None:
    oracle = NearestNeighbors(n_neighbors=k).fit(REFERENCE).kneighbors(POINTS)[0].mean(1)
    assert nearest(torch.cdist(X, REF), k=k).numpy() == pytest.approx(oracle)


@pytest.mark.parametrize("k", [2, 20])
def test_outlier_factors_are_those_of_scikit_learn(k: int) -> None:
    oracle = -LocalOutlierFactor(n_neighbors=k, novelty=True).fit(REFERENCE).score_samples(POINTS)
    ours = local_outlier_factor(torch.cdist(X, REF), torch.cdist(REF, REF), k=k)
    assert ours.numpy() == pytest.approx(oracle)


def test_inside_a_lattice_nothing_is_an_outlier() -> None:
    line = torch.arange(101.0, dtype=torch.float64)[:, None]
    inside, far = torch.tensor([[50.5]], dtype=torch.float64), torch.tensor([[300.0]], dtype=torch.float64)
    between = torch.cdist(line, line)
    assert float(local_outlier_factor(torch.cdist(inside, line), between, k=4)) == pytest.approx(
        1.0, abs=0.25
    )
    assert float(local_outlier_factor(torch.cdist(far, line), between, k=4)) > 50.0


def test_diversity() -> None:
    between = torch.cdist(X, X)
    assert mean_distance(between) == pytest.approx(pdist(POINTS).mean())
    assert mean_distance(between[:1, :1]) == 0.0
    # det [[1, 1/3], [1/3, 1]] with a distance of 2
    assert determinant(torch.tensor([[0.0, 2.0], [2.0, 0.0]])) == pytest.approx(1 - 1 / 9)
    assert determinant(torch.zeros(2, 2)) == pytest.approx(0.0)
    assert determinant(torch.zeros(0, 0)) == 1.0


def test_refusals() -> None:
    with pytest.raises(ConfigError, match="`k` must lie in 1 to 60, got 61"):
        nearest(torch.cdist(X, REF), k=61)
    with pytest.raises(ConfigError, match="`k` must lie in 1 to 59"):
        local_outlier_factor(torch.cdist(X, REF), torch.cdist(REF, REF), k=60)
    with pytest.raises(ShapeError, match=r"expected distances of shape \(n, r\) and \(r, r\)"):
        local_outlier_factor(torch.cdist(X, REF), torch.cdist(X, X), k=3)
    with pytest.raises(ShapeError, match=r"plausibility: expected distances of shape \(n, r\)"):
        nearest(torch.zeros(3))
    with pytest.raises(ShapeError, match=r"diversity: expected distances of shape \(n, n\)"):
        mean_distance(torch.zeros(2, 3))
