"""Preprocessing: worked values, order, gradients, refusals."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cfsearch.errors import ConfigError, ShapeError
from cfsearch.providers.preprocessing import Preprocessing


def grid(n: int = 2, *, channels: int = 3, size: int = 6, seed: int = 0) -> torch.Tensor:
    return torch.rand(n, channels, size, size, generator=torch.Generator().manual_seed(seed))


def test_nothing_set_gives_the_same_numbers() -> None:
    x = grid()
    assert torch.equal(Preprocessing().apply(x), x)


@pytest.mark.parametrize(("range_", "expected"), [("0..1", 0.5), ("-1..1", 0.0), ("0..255", 127.5)], ids=str)
def test_range_is_worked_by_hand(range_: Any, expected: float) -> None:
    out = Preprocessing(range=range_).apply(torch.full((1, 3, 2, 2), 0.5))
    assert set(out.flatten().tolist()) == {expected}


def test_mean_and_std_come_after_range() -> None:
    out = Preprocessing(range="0..255", mean=(5.0, 55.0, 155.0), std=(10.0, 100.0, 50.0)).apply(
        torch.full((1, 3, 1, 1), 1.0)
    )
    assert out.flatten().tolist() == [25.0, 2.0, 2.0]


def test_grey_has_the_weights_of_bt601() -> None:
    x = torch.eye(3).reshape(3, 3, 1, 1)
    out = Preprocessing(channels=1).apply(x)
    assert out.shape == (3, 1, 1, 1)
    assert out.flatten().tolist() == pytest.approx([0.299, 0.587, 0.114])


def test_grey_of_grey_is_the_same_and_colour_of_grey_is_three_times_it() -> None:
    x = grid(channels=1)
    assert torch.equal(Preprocessing(channels=1).apply(x), x)
    assert torch.equal(Preprocessing(channels=3).apply(x), torch.cat([x, x, x], dim=1))


def test_shrinking_by_two_is_antialiased() -> None:
    """A triangle of radius 2 around each new centre, worked by hand; without it the column splits in halves."""
    x = torch.zeros(1, 3, 8, 8)
    x[..., 3] = 1.0  # one white column
    out = Preprocessing(size=(8, 4)).apply(x)
    # centres at 1, 3, 5, 7; the column lies at 3.5, so 0.5 and 1.5 from two of them: 3/8 and 1/8
    assert out[0, 0, 0].tolist() == pytest.approx([0.0, 0.375, 0.125, 0.0], abs=1e-6)
    assert torch.equal(out, out[:1, :1, :1].expand_as(out))


def test_nearest_takes_the_pixel_at_the_centre() -> None:
    x = torch.arange(9.0).reshape(1, 1, 3, 3).expand(1, 3, 3, 3) / 9
    out = Preprocessing(size=(1, 1), resize="nearest").apply(x)
    assert out[0, 0, 0, 0] == x[0, 0, 1, 1]


def test_channels_last_and_half_precision() -> None:
    x = grid(size=4)
    out = Preprocessing(layout="nhwc", dtype="float16").apply(x)
    assert out.shape == (2, 4, 4, 3)
    assert out.dtype == torch.float16
    assert torch.equal(out, x.permute(0, 2, 3, 1).half())


def test_whole_numbers_are_rounded_and_kept_in_range() -> None:
    x = torch.tensor([0.0, 0.498, 1.0, 1.2]).reshape(1, 1, 2, 2)
    out = Preprocessing(channels=1, dtype="uint8", range="0..255").apply(x)
    assert out.dtype == torch.uint8
    assert out.flatten().tolist() == [0, 127, 255, 255]


@pytest.mark.parametrize("resize", ["bilinear", "nearest"])
def test_gradients_are_those_of_finite_differences(resize: Any) -> None:
    form = Preprocessing(
        size=(3, 4),
        channels=1,
        layout="nhwc",
        dtype="float64",
        range="-1..1",
        mean=(0.1,),
        std=(0.2,),
        resize=resize,
    )
    x = grid(1, size=5).double().requires_grad_()
    assert torch.autograd.gradcheck(form.apply, (x,))


@settings(max_examples=40, deadline=None)
@given(
    n=st.integers(1, 4),
    height=st.integers(2, 9),
    width=st.integers(2, 9),
    size=st.one_of(st.none(), st.tuples(st.integers(1, 9), st.integers(1, 9))),
    channels=st.sampled_from([1, 3]),
    layout=st.sampled_from(["nchw", "nhwc"]),
    number=st.sampled_from(["float32", "float64", "float16", "uint8"]),
    range_=st.sampled_from(["0..1", "-1..1", "0..255"]),
    resize=st.sampled_from(["bilinear", "nearest"]),
    grey=st.booleans(),
)
def test_rows_do_not_see_each_other_and_the_input_is_left_alone(
    n: int,
    height: int,
    width: int,
    size: tuple[int, int] | None,
    channels: Any,
    layout: Any,
    number: Any,
    range_: Any,
    resize: Any,
    grey: bool,
) -> None:
    form = Preprocessing(
        size=size,
        channels=channels,
        layout=layout,
        dtype=number,
        range="0..255" if number == "uint8" else range_,
        resize=resize,
    )
    x = torch.rand(n, 1 if grey else 3, height, width, generator=torch.Generator().manual_seed(n))
    before = x.clone()
    out = form.apply(x)
    alone = torch.cat([form.apply(row[None]) for row in x])
    assert torch.equal(x, before)
    assert torch.equal(out, alone)
    there = size or (height, width)
    assert out.shape == ((n, *there, channels) if layout == "nhwc" else (n, channels, *there))
    assert bool(torch.isfinite(out.float()).all())
    low, high = {"0..1": (0, 1), "-1..1": (-1, 1), "0..255": (0, 255)}[form.range]
    assert low - 1e-3 <= float(out.min()) <= float(out.max()) <= high + 1e-3


def test_another_size_is_refused_where_resizing_is_off() -> None:
    with pytest.raises(ShapeError, match=r"takes images of 8 x 8 pixels, got 6 x 6, and `resize` is 'none'"):
        Preprocessing(size=(8, 8), resize="none").apply(grid())


@pytest.mark.parametrize("shape", [(2, 4, 6, 6), (2, 6, 6, 3), (2, 3), (3, 6, 6)], ids=str)
def test_what_is_no_batch_of_images_is_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ShapeError, match="expected images of shape"):
        Preprocessing().apply(torch.zeros(shape))


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"layout": "hwc"}, "`layout` must be one of nchw, nhwc, flat, got 'hwc'"),
        ({"channels": 4}, "`channels` must be 1"),
        ({"size": (0, 4)}, "`size` must be"),
        ({"mean": (0.1, 0.2)}, "`mean` must have one number, or one for each of the 3"),
        ({"std": (0.0,)}, "`std` must be positive"),
        ({"mean": (float("nan"),)}, "`mean` must be finite"),
        ({"dtype": "uint8"}, r"dtype uint8 needs range '0..255'"),
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Preprocessing(**wrong)


def test_the_fingerprint_is_that_of_the_settings() -> None:
    assert Preprocessing().fingerprint == Preprocessing().fingerprint
    assert Preprocessing().fingerprint != Preprocessing(mean=(0.5,)).fingerprint
