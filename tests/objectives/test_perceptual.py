"""Perceptual: the contract, agreement with scikit-image, and what it refuses."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from skimage.metrics import structural_similarity

from cfsearch.contracts.records import Need
from cfsearch.errors import CapabilityError
from cfsearch.objectives.perceptual import Perceptual
from cfsearch.testing import ObjectiveCase, make_candidates, make_queries


class TestPerceptualContract(ObjectiveCase):
    @pytest.fixture
    def objective(self) -> Perceptual:
        return Perceptual()


def truth(original: torch.Tensor, changed: torch.Tensor) -> float:
    """1 - SSIM of two images of shape (c, h, w), by scikit-image in float64."""
    one: NDArray[np.float64] = original.double().numpy()
    two: NDArray[np.float64] = changed.double().numpy()
    similarity = structural_similarity(  # type: ignore[no-untyped-call]  # scikit-image has no types
        one,
        two,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=1.0,
        channel_axis=0,
    )
    return 1.0 - float(np.asarray(similarity).item())


@settings(max_examples=15, deadline=None, derandomize=True, database=None)
@given(
    seed=st.integers(0, 2**16),
    channels=st.sampled_from([1, 3]),
    height=st.integers(11, 24),
    width=st.integers(11, 24),
    noise=st.sampled_from([0.001, 0.05, 0.5]),
    level=st.floats(0.0, 1.0),
)
def test_it_equals_scikit_image(
    seed: int, channels: int, height: int, width: int, noise: float, level: float
) -> None:
    draw = torch.Generator().manual_seed(seed)
    shape = (channels, height, width)
    # nearly flat at some level: where the difference of squares loses most digits
    x = (level + 0.1 * torch.randn(2, *shape, generator=draw)).clamp(0, 1)
    changed = (x[:, None] + noise * torch.randn(2, 3, *shape, generator=draw)).clamp(0, 1)
    got = Perceptual()(make_candidates(x=changed, queries=make_queries(x=x)))
    expected = torch.tensor([[truth(x[i], changed[i, j]) for j in range(3)] for i in range(2)])
    torch.testing.assert_close(got, expected, rtol=0.0, atol=1e-5)


def test_an_untouched_image_is_at_zero() -> None:
    x = make_queries(b=2).x
    c = make_candidates(x=x[:, None].repeat(1, 4, 1, 1, 1), queries=make_queries(x=x))
    assert Perceptual()(c).abs().max().item() <= 1e-6


def test_black_against_white_is_at_one() -> None:
    #  without variance only the luminance term is left: c1 / (1 + c1) with c1 = 0.0001
    queries = make_queries(x=torch.zeros(1, 1, 11, 11))
    c = make_candidates(x=torch.ones(1, 1, 1, 11, 11), queries=queries)
    assert Perceptual()(c).item() == pytest.approx(1.0 - 0.0001 / 1.0001, abs=1e-6)


def test_a_negative_image_is_beyond_one() -> None:
    c = make_candidates(x=1 - make_queries(b=1).x[:, None], queries=make_queries(b=1))
    assert 1.0 < Perceptual()(c).item() <= 2.0


def test_it_declares_that_it_needs_images() -> None:
    assert Perceptual.needs == {Need.IMAGE}


def test_images_smaller_than_the_window_are_refused() -> None:
    with pytest.raises(CapabilityError, match=r"at least 11 x 11 pixels \(the window of SSIM\), got 10 x 32"):
        Perceptual()(make_candidates(shape=(3, 10, 32)))


def test_vectors_are_refused() -> None:
    with pytest.raises(
        CapabilityError, match=r"perceptual: expected image inputs .*, got inputs of shape \(7,\)"
    ):
        Perceptual()(make_candidates(shape=(7,)))
