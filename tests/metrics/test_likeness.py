"""Coherence, stability and structural similarity: by hand, scipy and scikit-image."""

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cosine as scipy_cosine
from skimage.metrics import structural_similarity

from cfsearch.errors import ConfigError, ShapeError
from cfsearch.metrics.coherence import coherence
from cfsearch.metrics.ssim import ssim
from cfsearch.metrics.stability import cosine


def test_coherence_by_hand() -> None:
    x = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 2.0], [9.0, 9.0], [0.0, 0.0]])
    y = torch.tensor([[0.0, 0.0], [3.0, 0.0], [0.0, 3.0], [9.0, 9.0], [0.0, 4.0]])
    value = coherence(x, y, most=1)
    # of the first: 3 / 1 to the second, 3 / 2 to the third; its copy does not count, the far one neither
    # of its copy: 5 / 1 to the second, 1 / 2 to the third
    assert value[[0, 4]].tolist() == pytest.approx([3.0, 5.0])
    assert value[[1, 2]].tolist() == pytest.approx([5.0, 1.5])
    assert bool(value[3].isnan())
    assert not bool(coherence(x, y, most=2).isnan().any())


def test_coherence_against_the_formula() -> None:
    draw = np.random.default_rng(0)
    x, y = draw.integers(0, 3, size=(30, 4)).astype(float), draw.normal(size=(30, 4))
    value = coherence(torch.from_numpy(x), torch.from_numpy(y), most=2)
    for o in range(30):
        near = [i for i in range(30) if 1 <= (np.abs(x[i] - x[o]) >= 0.001).sum() <= 2]
        ratios = [np.linalg.norm(y[i] - y[o]) / np.linalg.norm(x[i] - x[o]) for i in near]
        assert float(value[o]) == pytest.approx(max(ratios))


def test_coherence_refuses() -> None:
    with pytest.raises(ConfigError, match="`most` must be >= 1 and `threshold` > 0"):
        coherence(torch.zeros(2, 2), torch.zeros(2, 2), most=0)
    with pytest.raises(ShapeError, match="coherence: expected two tensors of one shape"):
        coherence(torch.zeros(2, 2), torch.zeros(2, 3), most=1)


def test_cosine_is_that_of_scipy() -> None:
    draw = torch.Generator().manual_seed(0)
    a, b = torch.randn(6, 5, generator=draw), torch.randn(6, 5, generator=draw)
    oracle = [1 - scipy_cosine(p, q) for p, q in zip(a.numpy(), b.numpy(), strict=True)]
    assert cosine(a, b).tolist() == pytest.approx(oracle, abs=1e-6)
    assert cosine(a * 1e-30, b * 1e-30).tolist() == pytest.approx(oracle, abs=1e-6)


def test_explanations_that_change_nothing() -> None:
    zero, one = torch.zeros(1, 3), torch.ones(1, 3)
    assert cosine(zero, zero).tolist() == [1.0]
    assert cosine(zero, one).tolist() == [0.0]
    assert cosine(one, -2 * one).tolist() == pytest.approx([-1.0])


def test_ssim_is_that_of_scikit_image() -> None:
    draw = np.random.default_rng(0)
    x = draw.random((3, 1, 28, 28))
    y = np.clip(x + 0.2 * draw.normal(size=x.shape), 0, 1)
    ours = ssim(torch.from_numpy(x), torch.from_numpy(y))
    for i in range(3):
        _, full = structural_similarity(  # type: ignore[no-untyped-call]  # scikit-image ships no types
            x[i, 0],
            y[i, 0],
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
            data_range=1,
            full=True,
        )
        assert float(ours[i]) == pytest.approx(full[5:-5, 5:-5].mean(), abs=1e-9)
    assert ssim(torch.from_numpy(x), torch.from_numpy(x)).tolist() == pytest.approx([1.0] * 3)
    with pytest.raises(ShapeError, match="at least 11 x 11 pixels"):
        ssim(torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8))
