"""A front as one picture: the original and members side by side, enlarged, with captions."""

import io
from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from jaxtyping import UInt8
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from cfsearch.errors import DataError
from cfsearch.fronts.front import ParetoFront

_SIDE: Final = 112
"""Pixels that a small picture is enlarged to, at most, by a whole factor."""
_GAP, _LINE, _SIZE = 8, 16, 13
"""Pixels between pictures, of a line of a caption, and of its letters."""


def strip_png(front: ParetoFront, *, most: int = 8) -> bytes:
    """A PNG file of the original and members by how far they flip, each with its class and probability.

    Small pictures are enlarged by a whole factor, each pixel a square: what is shown is what the model saw.

    Args:
        front: of pictures, or of recordings as spectrograms.
        most: members drawn at most.

    Raises:
        DataError: the front holds nothing to look at.
    """
    chosen, picks = front.along(most=most), front.picks()
    every = [front.picture, *(front.picture_of(i) for i in chosen)]
    tiles = [_enlarged(picture) for picture in every if picture is not None]
    if len(tiles) < len(every):
        raise DataError(f"front {front.name!r}: no images to draw, its inputs are {front.modality.name}.")
    captions = [("original", *_verdict(front, front.original_scores))]
    for i in chosen:
        ways = [way for way, index in picks.items() if index == i]
        state = ", ".join(ways) if ways else "counterfactual" if bool(front.valid[i]) else "no counterfactual"
        captions.append((state, *_verdict(front, front.scores[i])))
    file = io.BytesIO()
    _drawn(tiles, captions).save(file, "PNG", optimize=True)
    return file.getvalue()


def _verdict(front: ParetoFront, scores: Tensor) -> tuple[str, str]:
    """The most probable class, and its probability."""
    p = torch.softmax(scores.double(), dim=-1)
    top = int(p.argmax())
    return front.labels[top], f"p {float(p[top]):.3f}"


def _enlarged(picture: UInt8[Tensor, "c h w"]) -> NDArray[np.uint8]:
    factor = max(1, _SIDE // int(picture.shape[1]))
    pixels: NDArray[np.uint8] = picture.permute(1, 2, 0).cpu().numpy()
    return np.ascontiguousarray(pixels.repeat(factor, 0).repeat(factor, 1))


def _drawn(tiles: Sequence[NDArray[np.uint8]], captions: Sequence[tuple[str, ...]]) -> Image.Image:
    """Pictures in cells that are as wide as their captions need, captions below."""
    font = ImageFont.load_default(_SIZE)
    widths = [
        max(tile.shape[1], *(int(np.ceil(font.getlength(line))) for line in lines))
        for tile, lines in zip(tiles, captions, strict=True)
    ]
    height = max(tile.shape[0] for tile in tiles)
    size = (sum(widths) + _GAP * (len(tiles) + 1), height + _LINE * len(captions[0]) + 3 * _GAP)
    sheet = Image.new("RGB", size, "white")
    draw = ImageDraw.Draw(sheet)
    left = _GAP
    for tile, lines, width in zip(tiles, captions, widths, strict=True):
        sheet.paste(Image.fromarray(tile), (left, _GAP))
        for k, line in enumerate(lines):
            draw.text((left, height + 2 * _GAP + k * _LINE), line, fill="black", font=font)
        left += width + _GAP
    return sheet
