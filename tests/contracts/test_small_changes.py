"""Small changes of pictures: each kind by hand, and what all of them keep."""

from typing import Any

import pytest
import torch

from cfsearch.contracts._picture_changes import perturbed_pictures
from cfsearch.contracts.small_changes import knows_small_changes, perturber_of
from cfsearch.errors import CapabilityError
from cfsearch.generators import Pixels
from cfsearch.generators.words import Words
from cfsearch.testing import FakeGenerator

NOISE, JPEG, SHIFT, BLUR, LIGHT = range(5)


def levels(x: torch.Tensor) -> torch.Tensor:
    return (x * 255.0).round()


@pytest.fixture
def dot() -> torch.Tensor:
    """A white dot at row 4, column 4, on grey."""
    x = torch.full((1, 3, 9, 9), 100 / 255)
    x[..., 4, 4] = 1.0
    return x


def test_each_kind_does_what_its_name_says(dot: torch.Tensor) -> None:
    made = levels(perturbed_pictures(dot, changes=20, seed=5)[0])
    before = levels(dot[0])
    noise = made[NOISE] - before
    assert set(noise.flatten().tolist()) <= {-1.0, 0.0, 1.0} and noise.abs().sum() > 50
    assert int(made[SHIFT][0].argmax()) == 4 * 9 + 5, "one pixel to the right"
    assert int(made[SHIFT + 5][0].argmax()) == 4 * 9 + 3, "then to the left"
    blurred = made[BLUR][0]
    assert blurred[4, 4] < 255 and blurred[4, 5] > 100 and blurred[0, 0] == 100
    assert [float(made[LIGHT + 5 * turn][0, 0, 0]) for turn in range(4)] == [101.0, 99.0, 102.0, 98.0]
    jpeg = [float((made[JPEG + 5 * turn] - before).abs().sum()) for turn in range(4)]
    assert jpeg == sorted(jpeg) and jpeg[0] > 0, "a lower quality loses more"


def test_the_blur_is_the_normal_density(dot: torch.Tensor) -> None:
    blurred = levels(perturbed_pictures(dot, changes=4, seed=0)[0, BLUR])[0]
    weights = [torch.exp(torch.tensor(-0.5 * (k / 0.3) ** 2)) for k in (-2, -1, 0, 1, 2)]
    share = float(weights[3] / sum(weights))
    assert float(blurred[4, 5]) == pytest.approx(
        100 + 155 * share * float(weights[2] / sum(weights)), abs=0.51
    )


def test_they_are_the_same_each_time_whatever_their_number_and_company(dot: torch.Tensor) -> None:
    ten = perturbed_pictures(dot, changes=10, seed=1)
    assert torch.equal(perturbed_pictures(dot, changes=30, seed=1)[:, :10], ten)
    both = perturbed_pictures(torch.cat([dot.flip(-1) * 0.5, dot]), changes=10, seed=1)
    assert torch.equal(both[1:], ten)
    assert not torch.equal(perturbed_pictures(dot, changes=10, seed=2), ten)


@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_they_are_pictures_in_8_bits_that_all_differ(channels: int) -> None:
    x = torch.rand(2, channels, 8, 8, generator=torch.Generator().manual_seed(3))
    made = perturbed_pictures(x, changes=100, seed=0)
    assert made.shape == (2, 100, channels, 8, 8) and made.dtype == x.dtype
    assert float(made.min()) >= 0.0 and float(made.max()) <= 1.0
    assert torch.equal(levels(made) / 255.0, made)
    assert len(made[0].flatten(1).unique(dim=0)) >= 97  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert perturbed_pictures(x, changes=0, seed=0).shape == (2, 0, channels, 8, 8)


def test_of_pictures_any_generator_and_of_texts_none() -> None:
    fake: Any = FakeGenerator()
    assert perturber_of(fake)[0] is perturbed_pictures and knows_small_changes(Pixels(size=(8, 8)))
    words = Words.of_texts(["a dull film"], settings={})
    assert not knows_small_changes(words)
    with pytest.raises(
        CapabilityError, match=r"robustness: .* 'words' makes texts .* Leave robustness out\."
    ):
        perturber_of(words)
