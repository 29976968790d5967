"""Pictures on the page: every value of a PNG, sizes, colours of difference maps."""

import base64
import io

import numpy as np
import pytest
import torch
from PIL import Image

from cfsearch.report.pictures import CIVIDIS, HEAT_SIDE, Codec, data_uri, difference, heat_png, heat_top


def opened(content: bytes) -> Image.Image:
    return Image.open(io.BytesIO(content))


def test_png_keeps_every_value_and_webp_is_near() -> None:
    picture = torch.randint(0, 256, (3, 5, 7), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    image = opened(Codec("png", 100, 7).encode(picture))
    assert (image.format, image.size) == ("PNG", (7, 5))
    assert np.array_equal(np.asarray(image).transpose(2, 0, 1), picture.numpy())
    smooth = torch.linspace(0, 255, 64).repeat(3, 64, 1).to(torch.uint8)
    sizes = {}
    for quality in (10, 95):
        content = Codec("webp", quality, 64).encode(smooth)
        image = opened(content)
        assert (image.format, image.size) == ("WEBP", (64, 64))
        assert (
            np.abs(np.asarray(image.convert("RGB")).transpose(2, 0, 1).astype(int) - smooth.numpy()).mean()
            < 6
        )
        sizes[quality] = len(content)
    assert sizes[10] < sizes[95]


@pytest.mark.parametrize(
    ("shape", "size"),
    [((40, 20), (20, 40)), ((41, 20), (20, 40)), ((80, 20), (10, 40)), ((20, 80), (40, 10)), ((4000, 20), (1, 40)), ((30, 10), (10, 30))],
)  # fmt: skip
def test_larger_pictures_are_shrunk_to_their_longer_side(
    shape: tuple[int, int], size: tuple[int, int]
) -> None:
    picture = torch.zeros(3, *shape, dtype=torch.uint8)
    assert opened(Codec("png", 100, 40).encode(picture)).size == size


def test_channels_and_values_of_other_kinds() -> None:
    codec = Codec("png", 100, 8)
    grey = torch.tensor([[[0, 200]]], dtype=torch.uint8)
    assert np.asarray(opened(codec.encode(grey))).tolist() == [[0, 200]]
    two = torch.tensor([[[10, 0]], [[13, 1]]], dtype=torch.uint8)
    assert np.asarray(opened(codec.encode(two))).tolist() == [[12, 0]]  # rounded to even
    four = torch.arange(4, dtype=torch.uint8)[:, None, None]
    assert np.asarray(opened(codec.encode(four))).tolist() == [[[0, 1, 2]]]
    floats = torch.tensor([-5.0, 127.9, 300.0])[:, None, None]
    assert np.asarray(opened(codec.encode(floats))).tolist() == [[[0, 127, 255]]]


def test_addresses() -> None:
    assert data_uri(b"ab", "webp") == "data:image/webp;base64,YWI="
    picture = torch.zeros(3, 2, 2, dtype=torch.uint8)
    codec = Codec("png", 100, 8)
    head, _, body = codec.uri(picture).partition(",")
    assert head == "data:image/png;base64" and base64.b64decode(body) == codec.encode(picture)


def test_differences_are_means_over_channels_both_ways() -> None:
    one, other = (
        torch.tensor([10, 250, 0], dtype=torch.uint8)[:, None, None],
        torch.tensor([250, 10, 3], dtype=torch.uint8)[:, None, None],
    )
    assert difference(one, other).tolist() == difference(other, one).tolist() == [[161.0]]
    assert difference(one, other).dtype == np.float32


@pytest.mark.parametrize(
    ("level", "top"),
    [(0, 4), (4, 4), (4.1, 8), (16, 16), (33, 48), (64, 64), (97, 128), (129, 192), (193, 255), (300, 255)],
)  # fmt: skip
def test_the_end_of_the_scale_is_the_next_step(level: float, top: int) -> None:
    assert heat_top([np.full((4, 4), level, dtype=np.float32)]) == top
    assert heat_top([]) == 255


def test_one_percent_of_the_pixels_may_be_beyond_the_scale() -> None:
    gap = np.zeros((32, 100), dtype=np.float32)
    gap[0, :31] = 200
    assert heat_top([gap]) == 4
    gap[0, :34] = 200
    assert heat_top([gap, gap]) == 255
    tall = np.zeros((128, 10), dtype=np.float32)
    tall[1::4] = 200  # rows that are not looked at: every fourth is
    assert heat_top([tall]) == 4


def test_a_map_goes_through_the_colours_from_nothing_to_the_top() -> None:
    gap = np.array([[0.0, 5.0, 10.0, 20.0]], dtype=np.float32)
    pixels = np.asarray(opened(heat_png(gap, top=10)).convert("RGB")).tolist()[0]
    ends = [[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in (CIVIDIS[0], CIVIDIS[-1])]
    assert pixels[0] == ends[0] and pixels[2] == pixels[3] == ends[1]
    # half of the scale is level 16 of 0 to 31 (rounded to even), at 16 / 31 of the way through 13 colours
    at = 16 / 31 * (len(CIVIDIS) - 1)
    low, high = ([int(CIVIDIS[k][i : i + 2], 16) for i in (1, 3, 5)] for k in (int(at), int(at) + 1))
    assert pixels[1] == [round(a + (at - int(at)) * (b - a)) for a, b in zip(low, high, strict=True)]


@pytest.mark.parametrize(
    ("shape", "size"),
    [((64, 64), (64, 64)), ((128, 64), (32, 64)), ((64, 640), (64, 6)), ((1, 640), (64, 1))],
)
def test_maps_are_small(shape: tuple[int, int], size: tuple[int, int]) -> None:
    image = opened(heat_png(np.zeros(shape, dtype=np.float32), top=4))
    assert (image.size, image.mode, HEAT_SIDE) == (size, "P", 64)


def test_shrunk_maps_are_means() -> None:
    gap = np.zeros((128, 128), dtype=np.float32)
    gap[:, ::2] = 10.0
    levels = np.asarray(opened(heat_png(gap, top=10)))
    assert np.unique(levels).tolist() == [16]
