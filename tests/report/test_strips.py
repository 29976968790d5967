"""Strips: enlarged by whole factors, captioned, pixels as the model saw them."""

import io
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image, ImageFont

from cfsearch.contracts.records import Reason
from cfsearch.errors import DataError
from cfsearch.fronts.front import ParetoFront
from cfsearch.report import strips
from cfsearch.report.strips import strip_png


def front(side: int, *, labels: tuple[str, str] = ("five", "six")) -> ParetoFront:
    """Two members, each of one grey; the first does not flip."""
    images = torch.stack([torch.full((3, side, side), grey, dtype=torch.uint8) for grey in (60, 200)])
    return ParetoFront(
        name="digit",
        labels=labels,
        source=0,
        target=None,
        variables=("v",),
        objectives=("f", "g"),
        units=("", ""),
        z=torch.tensor([[0.1], [0.5]]),
        f=torch.tensor([[2.0, 1.0], [1.0, 2.0]]),
        origin_values=torch.zeros(1),
        scores=torch.tensor([[0.7, 0.3], [0.2, 0.8]]).log(),
        original_scores=torch.tensor([0.9, 0.1]).log(),
        reconstruction_scores=torch.tensor([0.9, 0.1]).log(),
        verified=torch.tensor([False, True]),
        images=images,
        original=torch.full((3, side, side), 10, dtype=torch.uint8),
        reconstruction=None,
        origins=("nsga2", "nsga2"),
        reason=Reason.BUDGET,
        reference_point=torch.tensor([3.0, 3.0]),
        evaluations=10,
    )


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


@pytest.mark.parametrize(("side", "factor"), [(28, 4), (32, 3), (64, 1), (112, 1), (128, 1)])
def test_small_pictures_grow_by_a_whole_factor(side: int, factor: int) -> None:
    drawn = pixels(strip_png(front(side)))
    for grey in (10, 60, 200):
        rows, _ = np.nonzero((drawn[8 : 8 + side * factor] == grey).all(-1))
        assert len(rows) >= (side * factor) ** 2
        assert rows.max() - rows.min() + 1 == side * factor
    assert (drawn[side * factor + 8 : side * factor + 16] == 255).all()


def test_members_stand_by_how_far_they_flip_after_the_original() -> None:
    drawn = pixels(strip_png(front(28)))
    line = drawn[60, :, 0].tolist()
    assert line.index(10) < line.index(60) < line.index(200)


def test_each_picture_has_a_caption() -> None:
    drawn = pixels(strip_png(front(28)))
    below = drawn[28 * 4 + 16 :]
    for grey in (10, 60, 200):
        at = drawn[60, :, 0].tolist().index(grey)
        assert (below[:, at : at + 40] < 100).any(), grey


def test_captions_say_class_and_probability(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn: list[tuple[str, ...]] = []
    draw = strips._drawn

    def note(tiles: Sequence[np.ndarray], captions: Sequence[tuple[str, ...]]) -> Image.Image:
        drawn.extend(captions)
        return draw(tiles, captions)

    monkeypatch.setattr(strips, "_drawn", note)
    strip_png(front(28))
    assert drawn == [
        ("original", "five", "p 0.900"),
        ("no counterfactual", "five", "p 0.700"),
        ("closest, sparsest, knee", "six", "p 0.800"),
    ]


def test_a_long_class_widens_its_cell_and_is_not_cut() -> None:
    short = pixels(strip_png(front(28)))
    long = pixels(strip_png(front(28, labels=("five", "a class with a rather long name that goes on"))))
    assert long.shape[1] > short.shape[1]


def test_rows_have_no_strip() -> None:
    with pytest.raises(DataError, match="no images to draw"):
        strip_png(replace(front(28), images=None, original=None))


def test_a_cell_is_as_wide_as_its_caption_in_letters_of_13() -> None:
    words = "a caption that is far wider than its tile"
    tile = np.zeros((20, 20, 3), dtype=np.uint8)
    sheet = strips._drawn([tile], [(words,)])
    wide = int(np.ceil(ImageFont.load_default(strips._SIZE).getlength(words)))
    assert sheet.width == wide + 2 * strips._GAP
    assert wide != int(np.ceil(ImageFont.load_default().getlength(words)))
