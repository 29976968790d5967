"""The local outlier factor against scikit-learn's."""

import numpy as np
import pytest
import torch
from sklearn.neighbors import LocalOutlierFactor

from cfsearch.errors import ShapeError
from cfsearch.numerics.outliers import LocalDensity


@pytest.mark.parametrize("k", [1, 5, 20])
@pytest.mark.parametrize("repeated", [False, True], ids=["different", "repeated"])
def test_factors_are_those_of_scikit_learn(k: int, repeated: bool) -> None:
    draw = np.random.default_rng(k)
    known = draw.normal(size=(60, 3)) * draw.choice([0.1, 3.0], size=(60, 1))
    if repeated:
        known[30:55] = known[0]
    new = np.concatenate([draw.normal(size=(20, 3)) * 4.0, known[:3]])
    theirs = LocalOutlierFactor(n_neighbors=k, novelty=True, algorithm="brute").fit(known)
    between = torch.cdist(torch.from_numpy(known), torch.from_numpy(known))
    between.fill_diagonal_(0.0)
    ours = LocalDensity.of(between, k=k).factor(torch.cdist(torch.from_numpy(new), torch.from_numpy(known)))
    np.testing.assert_allclose(ours.numpy()[:20], -theirs.score_samples(new)[:20], rtol=1e-6)


def test_the_factor_does_not_depend_on_the_unit() -> None:
    draw = torch.Generator().manual_seed(0)
    known = torch.rand((30, 2), generator=draw, dtype=torch.float64)
    new = torch.rand((10, 2), generator=draw, dtype=torch.float64)
    one = LocalDensity.of(torch.cdist(known, known), k=4).factor(torch.cdist(new, known))
    big = LocalDensity.of(torch.cdist(known, known) * 1000, k=4).factor(torch.cdist(new, known) * 1000)
    torch.testing.assert_close(one, big, rtol=1e-6, atol=0.0)


@pytest.mark.parametrize(("shape", "k"), [((3, 4), 1), ((3, 3), 3), ((3, 3), 0), ((9,), 2)])
def test_distances_that_are_none_are_refused(shape: tuple[int, ...], k: int) -> None:
    with pytest.raises(ShapeError, match=f"k = {k}"):
        LocalDensity.of(torch.zeros(shape), k=k)
