"""Sparsity: the contract, worked shares of images and vectors, and the refusal."""

import math

import pytest
import torch

from cfsearch.errors import ConfigError
from cfsearch.objectives.sparsity import Sparsity
from cfsearch.testing import ObjectiveCase, make_candidates, make_queries


class TestSparsityContract(ObjectiveCase):
    @pytest.fixture(params=[0.0, 0.05], ids="threshold={}".format)
    def objective(self, request: pytest.FixtureRequest) -> Sparsity:
        return Sparsity(threshold=request.param)


def test_of_an_image_it_is_the_share_of_pixels_with_any_channel_changed() -> None:
    original = torch.full((1, 3, 2, 2), 0.5)
    x = original[:, None].repeat(1, 3, 1, 1, 1)
    x[0, 1, 0, 0, 0] = 0.75  # one pixel, in one channel
    x[0, 2, :, 0, :] = 0.0  # the upper two pixels, in all channels
    c = make_candidates(x=x, queries=make_queries(x=original))
    assert Sparsity()(c)[0].tolist() == [0.0, 0.25, 0.5]


def test_of_a_vector_it_is_the_share_of_entries() -> None:
    original = torch.zeros(1, 4)
    c = make_candidates(x=torch.tensor([[[0.0, 1.0, -1.0, 0.05]]]), queries=make_queries(x=original))
    assert Sparsity(threshold=0.1)(c).item() == 0.5


def test_a_change_of_the_threshold_itself_is_none() -> None:
    c = make_candidates(x=torch.tensor([[[0.25, 0.5]]]), queries=make_queries(x=torch.zeros(1, 2)))
    assert Sparsity(threshold=0.25)(c).item() == 0.5


@pytest.mark.parametrize("threshold", [-0.01, 1.0, math.nan])
def test_threshold_must_leave_room_for_a_change(threshold: float) -> None:
    with pytest.raises(ConfigError, match=r"sparsity: `threshold` must be a number in \[0, 1\), got"):
        Sparsity(threshold=threshold)
