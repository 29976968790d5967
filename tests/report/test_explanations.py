"""Explanations to look at: what is where on a heat map, and what strangers write."""

import numpy as np
import pytest
import torch

from cfsearch.explainers.pixel_domain import PixelDomain
from cfsearch.report.explanations import Line, Shown, Word, heat, page, picture, png, spotlight, strip

from .conftest import parsed


def luminance(pixels: np.ndarray) -> np.ndarray:
    """Relative luminance (IEC 61966-2-1), what the eye orders colours by."""
    part = pixels.astype(float) / 255.0
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    return np.asarray(linear @ np.array([0.2126, 0.7152, 0.0722]))


def places(height: int, width: int) -> torch.Tensor:
    return torch.arange(height * width).reshape(height, width)


def test_the_more_a_pixel_counts_the_brighter_it_is() -> None:
    black = torch.zeros(3, 1, 64)
    ramp = torch.linspace(0.0, 5.0, 64)
    seen = luminance(heat(black, ramp, owner=places(1, 64))[0, ::224])
    assert bool((np.diff(seen) > -1e-4).all()) and seen[-1] > 0.7 and seen[0] < 0.02


def test_the_scale_is_that_of_magnitudes() -> None:
    x, values = torch.full((3, 2, 2), 0.5), torch.tensor([1.0, -4.0, 2.0, 0.0])
    there = heat(x, values, owner=places(2, 2))
    assert np.array_equal(there, heat(x, -values, owner=places(2, 2)))
    assert np.array_equal(there, heat(x, 10.0 * values, owner=places(2, 2)))
    corners = luminance(there[56::112, 56::112])
    assert corners.argmax() == 1 and corners[1, 0] > corners[0, 0]


def test_a_map_of_nothing_is_the_faint_picture() -> None:
    x = torch.rand(3, 8, 8, generator=torch.Generator().manual_seed(0))
    seen = heat(x, torch.zeros(64), owner=places(8, 8))[::28, ::28]
    grey = (x.mean(0) * 255.0).numpy()
    assert np.abs(seen.mean(-1) - grey).max() < 0.12 * 256 + 1


def test_blocks_cover_their_pixels_also_at_the_edge() -> None:
    x = torch.zeros(3, 6, 10)
    chosen = torch.zeros(6, dtype=torch.bool)
    chosen[5] = True  # the last block of 4 x 4: rows 4 and 5, columns 8 and 9
    lit = spotlight(x, chosen, owner=PixelDomain((3, 6, 10), block=4).owner[0])[::37, ::37].mean(-1)
    assert lit.shape == (6, 10)
    assert bool((lit[4:, 8:] == 0).all()) and (lit == 0).sum() == 4


def test_a_spectrogram_stands_upright() -> None:
    sound = torch.zeros(1, 16, 10)
    sound[0, 2] = 1.0  # a low tone
    assert luminance(picture(sound)[::14])[:, 0].argmax() == 13
    counts = torch.zeros(160)
    counts[2 * 10 : 3 * 10] = 1.0
    assert luminance(heat(sound, counts, owner=places(16, 10))[::14])[:, 0].argmax() == 13


def test_a_picture_is_shown_as_the_model_saw_it() -> None:
    x = torch.rand(3, 32, 48, generator=torch.Generator().manual_seed(1))
    seen = picture(x)
    assert seen.shape == (224, 336, 3)
    assert np.array_equal(seen[::7, ::7], (x.permute(1, 2, 0) * 255).round().numpy().astype(np.uint8))
    assert np.array_equal(seen[0, :7], np.repeat(seen[:1, 0], 7, axis=0))


def test_a_strip_holds_all_tiles() -> None:
    tile = np.zeros((10, 20, 3), dtype=np.uint8)
    shown = [
        Shown("a", says=(), tiles=(("one", tile), ("two", tile))),
        Shown("b", says=(), tiles=(("one", tile),)),
    ]
    whole = strip(shown)
    assert whole.shape == (24, 44, 3)
    assert int((whole == 0).all(-1).sum()) == 3 * 200
    assert png(whole).startswith(b"\x89PNG")


HOSTILE = '<img src=x onerror=alert(1)>\u202e"&\x1b[2J'


def test_what_strangers_write_stays_text() -> None:
    shown = Shown(
        HOSTILE,
        says=(HOSTILE,),
        words=(Word(HOSTILE, HOSTILE, 1.0, chosen=True), Word(HOSTILE)),
        lines=(Line(HOSTILE, HOSTILE, HOSTILE, 0.5), Line("same", HOSTILE)),
        counts="counts",
        notes=(HOSTILE,),
    )
    origin = {"model": HOSTILE, "fingerprint": HOSTILE, "command": HOSTILE}
    text = page([shown], title=HOSTILE, method="gradient", notes=[HOSTILE], version="0", **origin)
    soup = parsed(text)
    assert soup.select("img") == [] and soup.select("script") == []
    assert "\u202e" not in text and "\x1b" not in text
    assert soup.select("mark.chosen del") and soup.select("tr.same")


def test_the_page_says_what_made_it() -> None:
    text = page(
        [Shown("t", says=())],
        title="t",
        method="pgd",
        notes=(),
        version="1.2.3",
        model="lenet",
        fingerprint="onnx:abcd",
        command="cfsearch explain seven.png --model 'le net.onnx'",
    )
    soup = parsed(text)
    assert soup.select_one("pre code").get_text() == "cfsearch explain seven.png --model 'le net.onnx'"
    assert [dd.get_text() for dd in soup.select("dl dd")] == ["lenet", "onnx:abcd", "1.2.3"]


@pytest.mark.parametrize(("strength", "shade"), [(0.0, 0), (0.05, 0), (0.2, 1), (0.5, 2), (1.0, 5)])
def test_shades_of_words(strength: float, shade: int) -> None:
    assert Word("a", strength=strength).shade == shade
    soup = parsed(
        page(
            [Shown("t", says=(), words=(Word("a", strength=strength),))],
            title="t",
            method="m",
            notes=(),
            version="0",
        )
    )
    assert bool(soup.select("mark")) == (shade > 0)


def test_columns_that_the_explanation_names_are_marked() -> None:
    lines = (Line("pay", "1", "2", chosen=True), Line("age", "40", "41"), Line("job", "cook"))
    soup = parsed(
        page([Shown("row", says=(), lines=lines)], title="t", method="sufficient", notes=(), version="0")
    )
    assert [mark.get_text() for mark in soup.select("tbody th mark.chosen")] == ["pay"]
    assert [th.get_text() for th in soup.select("tbody th")] == ["pay", "age", "job"]
    assert [td.get_text() for td in soup.select("td.after")] == ["2", "41", ""]
