"""Measures of visual counterfactuals, against closed forms, scipy, numpy and cases worked by hand."""

import numpy as np
import pytest
import torch
from scipy.linalg import sqrtm
from torch import Tensor

from cfsearch.errors import ConfigError, ShapeError
from cfsearch.metrics.attributes import changed_attributes, correlation_difference
from cfsearch.metrics.frechet import frechet_distance
from cfsearch.metrics.transition import transition


def test_the_frechet_distance_is_that_of_the_definition() -> None:
    rng = np.random.default_rng(0)
    a = rng.normal(size=(300, 6)) @ rng.normal(size=(6, 6))
    b = rng.normal(size=(200, 6)) @ rng.normal(size=(6, 6)) + 0.3
    first, second = np.cov(a.T), np.cov(b.T)
    root = np.real(np.asarray(sqrtm(first @ second)))
    truth = ((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(first + second - 2 * root)
    assert frechet_distance(torch.from_numpy(a), torch.from_numpy(b)) == pytest.approx(truth, rel=1e-9)


def test_a_shift_costs_its_squared_length_and_rank_does_not_matter() -> None:
    a = torch.randn(40, 64, generator=torch.Generator().manual_seed(0))  # fewer rows than features
    step = torch.full((64,), 0.25)
    assert frechet_distance(a, a + step) == pytest.approx(4.0, rel=1e-5)
    assert frechet_distance(a, a) == pytest.approx(0.0, abs=1e-5)
    one = torch.tensor([[0.0], [2.0]])
    # variances 2 and 8: (sqrt 2 - sqrt 8)^2 = 2, means 1 and 2
    assert frechet_distance(one, 2.0 * one) == pytest.approx(3.0)


@pytest.mark.parametrize("others", [torch.zeros(5, 2), torch.zeros(1, 3), torch.zeros(5)])
def test_features_must_fit(others: Tensor) -> None:
    with pytest.raises(ShapeError, match=r"features \(n, d\) and \(m, d\)"):
        frechet_distance(torch.zeros(4, 3), others)


def test_changed_attributes_are_counted() -> None:
    before = torch.tensor([[True, False, True], [False, False, False]])
    after = torch.tensor([[False, True, True], [False, False, False]])
    assert changed_attributes(before, after).tolist() == [2.0, 0.0]
    with pytest.raises(ShapeError, match="two tables of one shape"):
        changed_attributes(before, after[:1])


def test_the_correlation_difference_is_that_of_numpy() -> None:
    rng = np.random.default_rng(1)
    labels, before, after = (rng.random((n, 5)) < 0.4 for n in (80, 60, 60))
    before[:, 3] = after[:, 3]  # never changes: its correlation counts as 0
    change = after.astype(float) - before.astype(float)
    truth = 0.0
    for j in range(5):
        data = np.corrcoef(labels[:, 2], labels[:, j])[0, 1]
        found = 0.0 if j == 3 else np.corrcoef(change[:, 2], change[:, j])[0, 1]
        truth += abs(data - found)
    tables = [torch.from_numpy(t) for t in (labels, before, after)]
    assert correlation_difference(*tables, attribute=2) == pytest.approx(truth, rel=1e-9)
    with pytest.raises(ConfigError, match="column 0 to 4, got 5"):
        correlation_difference(*tables, attribute=5)
    with pytest.raises(ShapeError, match="labels of 5 attributes"):
        correlation_difference(tables[0][:, :4], *tables[1:], attribute=2)


def looks_at_corner(x: Tensor) -> Tensor:
    """Certain of class 1 as soon as the first pixel is white."""
    p = x[:, 0, 0, 0]
    return torch.stack([1.0 - p, p], 1)


def test_a_flip_in_one_pixel_that_changes_most_is_nearly_one() -> None:
    x = torch.zeros(2, 3, 4, 4)
    done = x + 0.1
    done[0, :, 0, 0] = 1.0  # changes most and decides
    done[1, :, 0, 0] = 1.0
    done[1, :, 1:, :] = torch.tensor([1.0, 1.0, 2.0])[:, None, None]  # three rows change more
    ends = {"source": torch.zeros(2, dtype=torch.long), "target": torch.ones(2, dtype=torch.long)}
    found = transition(x, done, probabilities=looks_at_corner, steps=16, **ends)
    # the gap goes from -1 to 1 between pixel k and k + 1 of 16: mean -k/16 + (16 - k - 1)/16
    assert found.tolist() == pytest.approx([15 / 16, (-12 + 3) / 16])


def test_a_counterfactual_that_does_not_flip_scores_below_zero() -> None:
    x = torch.zeros(1, 3, 4, 4)
    zero, one = torch.zeros(1, dtype=torch.long), torch.ones(1, dtype=torch.long)
    still = transition(x, x, probabilities=looks_at_corner, source=zero, target=one, steps=5)
    assert still.tolist() == pytest.approx([-1.0])
    with pytest.raises(ConfigError, match="1 to 16, got 17"):
        transition(x, x, probabilities=looks_at_corner, source=zero, target=one, steps=17)
    with pytest.raises(ShapeError, match="two sets of images of one shape"):
        transition(x, x[..., :3], probabilities=looks_at_corner, source=zero, target=one)
