"""The terms of the losses, against values worked by hand."""

import math

import pytest
import torch
from torch import Tensor

from cfsearch.generators.attgan.losses import (
    attribute_loss,
    changed_loss,
    edge_loss,
    gradient_penalty,
    hinge_loss,
    reconstruction_loss,
    wasserstein_loss,
)


def flat(*levels: float) -> Tensor:
    """One image a level, all of one colour."""
    return torch.tensor(levels)[:, None, None, None].expand(-1, 3, 4, 4).clone()


def test_an_attribute_that_shall_change_counts_more_and_the_others_once() -> None:
    logits, wanted = torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0, 0.0]])
    first, second = math.log(2), math.log(1 + math.exp(2))
    assert float(attribute_loss(logits, wanted)) == pytest.approx((first + second) / 2)
    own = torch.tensor([[0.0, 0.0]])
    assert float(attribute_loss(logits, wanted, own=own, edited=5.0)) == pytest.approx(
        (5 * first + second) / 2
    )
    half = torch.tensor([[0.5, 0.0]])
    assert float(attribute_loss(logits, wanted, own=half, edited=5.0)) == pytest.approx(
        (3 * first + second) / 2
    )
    assert float(attribute_loss(logits, wanted, own=own)) == pytest.approx((first + second) / 2)
    low = attribute_loss(logits.bfloat16(), wanted)
    assert low.dtype is torch.float32


def test_a_reconstruction_is_off_by_its_mean_absolute_difference() -> None:
    assert float(reconstruction_loss(flat(0.5, -0.5), flat(0.25, 0.5))) == pytest.approx((0.25 + 1.0) / 2)


def test_the_games_of_the_critic() -> None:
    real, fake = torch.tensor([2.0, 0.0]), torch.tensor([-3.0, 1.0])
    assert float(wasserstein_loss(real, fake)) == -1.0 - 1.0
    # real scores lack 0 and 1 to 1, fake scores exceed -1 by 0 and 2
    assert float(hinge_loss(real, fake)) == 0.5 + 1.0


@pytest.mark.parametrize(("slope", "penalty"), [(1.0, 0.0), (3.0, 4.0), (0.25, 0.5625), (0.0, 1.0)])
def test_the_penalty_is_the_square_of_what_the_slope_lacks_to_1(slope: float, penalty: float) -> None:
    def score(x: Tensor) -> Tensor:
        return slope * x.flatten(1)[:, 0]

    rng = torch.Generator().manual_seed(0)
    assert float(gradient_penalty(score, flat(0.1, 0.2), flat(0.3, 0.4), rng=rng)) == pytest.approx(
        penalty, abs=1e-6
    )


def test_slopes_are_taken_between_the_real_image_and_its_fake() -> None:
    seen: list[Tensor] = []

    def score(x: Tensor) -> Tensor:
        seen.append(x.detach())
        return x.flatten(1).sum(1)

    real, fake = flat(0.0, 10.0), flat(1.0, 12.0)
    gradient_penalty(score, real, fake, rng=torch.Generator().manual_seed(1))
    share = (seen[0] - real) / (fake - real)
    assert bool((share >= 0).all()) and bool((share <= 1).all())
    assert float(share.flatten(1).std(1).max()) < 1e-6, "one point on the line of each pair"
    assert float((share[0] - share[1]).abs().min()) > 1e-3, "and another for each"


def test_only_places_that_the_true_edit_changes_count_and_each_face_alike() -> None:
    image, truth = flat(0.0, 0.0), flat(0.0, 0.0)
    truth[0, :, 0, 0] = 1.0  # one place of sixteen
    truth[1, :, :2] = 1.0  # eight
    output = truth.clone()
    output[0, :, 0, 0] = 0.4  # off by 0.6 where it counts
    output[0, :, 3, 3] = -1.0  # this place does not
    output[1, :, 0] = 0.8  # off by 0.2 in half of the places
    first, second = 0.6 * (1 / 16) / (1 / 16 + 0.01), 0.1 * (1 / 2) / (1 / 2 + 0.01)
    assert float(changed_loss(output, truth, image)) == pytest.approx((first + second) / 2, rel=1e-5)


def test_a_place_counts_in_full_from_a_change_of_0_15_on() -> None:
    for change, share in ((0.075, 0.5), (0.15, 1.0), (0.9, 1.0), (-0.075, 0.5)):
        loss = changed_loss(flat(change + 0.2), flat(change), flat(0.0))
        assert float(loss) == pytest.approx(0.2 * share / (share + 0.01), rel=1e-4)


def test_edges_are_compared_along_both_axes_and_the_brightness_is_not() -> None:
    truth = flat(0.0)
    assert float(edge_loss(truth + 0.7, truth)) == 0.0
    across = torch.arange(4.0).expand(1, 3, 4, 4)
    assert float(edge_loss(0.1 * across, truth)) == pytest.approx(0.1)
    assert float(edge_loss(0.1 * across.transpose(2, 3), truth)) == pytest.approx(0.1)
    assert float(edge_loss(0.1 * (across + across.transpose(2, 3)), truth)) == pytest.approx(0.2)
