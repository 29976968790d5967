"""Explanations to look at: heat maps on pictures, marked words, rows side by side; and their page."""

import base64
import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Final, TypeAlias, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from markupsafe import Markup
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from . import wording
from .page import template
from .pictures import CIVIDIS, data_uri

HEAT: Final = "what counts"
"""The caption of heat maps."""
_SIDE: Final = 224
"""Pictures are enlarged by whole factors to about this height."""
_STEPS: Final = 5
"""Shades of a marked word."""
_FAINT: Final = 0.12
"""What of the heat is seen where it is 0: the picture stays recognisable everywhere."""

Tile: TypeAlias = NDArray[np.uint8]
"""``(h, w, 3)``, 0 to 255."""


@final
@dataclass(frozen=True, slots=True)
class Word:
    """A word of a text: what it became, and how much it counts, 0 to 1."""

    text: str
    becomes: str | None = None
    strength: float = 0.0
    chosen: bool = False

    @property
    def shade(self) -> int:
        """0 for hardly anything, up to 5."""
        return min(_STEPS, round(self.strength * _STEPS))


@final
@dataclass(frozen=True, slots=True)
class Line:
    """A column of a row: what stood there, what it becomes, how much it counts, 0 to 1, and whether it is chosen."""

    name: str
    before: str
    after: str | None = None
    strength: float | None = None
    chosen: bool = False


@final
@dataclass(frozen=True, slots=True, eq=False)
class Shown:
    """One explained input, ready to be shown.

    Args:
        name: of the input.
        says: sentences on what the model says of it and of the counterfactual.
        tiles: pictures with their captions, all of one size.
        words, lines: of a text, of a row.
        counts: what ``strength`` measures, for the heading of a column.
    """

    name: str
    says: tuple[str, ...]
    tiles: tuple[tuple[str, Tile], ...] = ()
    words: tuple[Word, ...] = ()
    lines: tuple[Line, ...] = ()
    counts: str = ""
    notes: tuple[str, ...] = field(default_factory=tuple)


def page(
    shown: Sequence[Shown],
    *,
    title: str,
    method: str,
    notes: Sequence[str],
    version: str,
    model: str = "",
    fingerprint: str = "",
    command: str = "",
) -> str:
    """One HTML page that needs nothing else; everything from outside is escaped.

    Args:
        shown: the explained inputs.
        title: heading of the page.
        method: name of the explainer.
        notes: what to read first.
        version: of cfsearch.
        model: name of the explained model.
        fingerprint: the model's hash.
        command: the command line that makes the page again.
    """
    style = _style()
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    return template("explanation.html").render(
        title=wording.mark(title),
        method=method,
        version=version,
        model=wording.mark(model),
        fingerprint=wording.mark(fingerprint),
        command=wording.mark(command),
        notes=[wording.mark(note) for note in notes],
        items=[_marked(one) for one in shown],
        ramp=CIVIDIS,
        style=Markup(style),  # noqa: S704  # our own files
        policy=f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
    )


def strip(shown: Sequence[Shown]) -> Tile:
    """The tiles of each input side by side, inputs below each other.

    Args:
        shown: the explained inputs, with tiles of one size each.
    """
    rows = [_beside([tile for _, tile in one.tiles]) for one in shown]
    width = max(row.shape[1] for row in rows)
    gap = np.full((4, width, 3), 255, dtype=np.uint8)
    parts: list[NDArray[np.uint8]] = []
    for row in rows:
        full = np.full((row.shape[0], width, 3), 255, dtype=np.uint8)
        full[:, : row.shape[1]] = row
        parts += [full, gap]
    return np.concatenate(parts[:-1])


def png(pixels: Tile) -> bytes:
    """A picture as a PNG file."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG", optimize=True)
    return file.getvalue()


def picture(x: Float[Tensor, "c h w"]) -> Tile:
    """An image as it is; of one channel (a spectrogram) in colours, low frequencies at the bottom."""
    values = x.detach().cpu().float().clamp(0.0, 1.0)
    if len(values) == 1:
        return _enlarged(_coloured(values[0].flip(0).numpy()))
    return _enlarged((values.permute(1, 2, 0) * 255.0).round().to(torch.uint8).numpy())


def heat(x: Float[Tensor, "c h w"], attributions: Float[Tensor, " f"], *, owner: Int[Tensor, "h w"]) -> Tile:
    """How much each feature counts, in Cividis on the grey image; the brightest counts most.

    Linear from 0 to the largest magnitude. ``owner`` says which feature each pixel belongs to.
    """
    share = attributions.detach().cpu().float().abs()
    share = share / share.max().clamp_min(1e-30)
    plane, grey = _plane(share, owner=owner, x=x), _grey(x)
    weight = (_FAINT + (1.0 - _FAINT) * plane)[..., None]
    mixed = (1.0 - weight) * grey[..., None] + weight * _coloured(plane)
    return _enlarged(np.rint(mixed).astype(np.uint8))


def spotlight(x: Float[Tensor, "c h w"], chosen: Bool[Tensor, " f"], *, owner: Int[Tensor, "h w"]) -> Tile:
    """The image where features are named as the explanation; elsewhere faint."""
    lit = _plane(chosen.detach().cpu().float(), owner=owner, x=x)[..., None]
    values = x.detach().cpu().float().clamp(0.0, 1.0)
    if len(values) == 1:
        full = _coloured(values[0].flip(0).numpy()).astype(np.float32)
    else:
        full = (values.permute(1, 2, 0) * 255.0).numpy()
    faint = 255.0 - 0.25 * (255.0 - _grey(x)[..., None])
    return _enlarged(np.rint(lit * full + (1.0 - lit) * faint).astype(np.uint8))


def _plane(
    values: Float[Tensor, " f"], *, owner: Int[Tensor, "h w"], x: Float[Tensor, "c h w"]
) -> NDArray[np.float32]:
    """Values of features at every pixel; upside down where the picture is."""
    grid = values[owner.cpu()]
    return np.asarray((grid.flip(0) if len(x) == 1 else grid).numpy(), dtype=np.float32)


def _grey(x: Float[Tensor, "c h w"]) -> Float[np.ndarray, "h w"]:
    values = x.detach().cpu().float().clamp(0.0, 1.0).mean(0)
    return np.asarray((values.flip(0) if len(x) == 1 else values).numpy() * 255.0, dtype=np.float32)


def _coloured(values: Float[np.ndarray, "h w"]) -> Tile:
    table = _ramp()
    colours: Tile = table[np.clip(np.rint(values * (len(table) - 1)), 0, len(table) - 1).astype(np.intp)]
    return colours


@cache
def _ramp() -> Tile:
    anchors = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in CIVIDIS], dtype=float)
    at = np.linspace(0, len(anchors) - 1, 256)
    columns = [np.interp(at, np.arange(len(anchors)), anchors[:, c]) for c in range(3)]
    ramp: Tile = np.rint(np.stack(columns, axis=1)).astype(np.uint8)
    return ramp


def _enlarged(pixels: Tile) -> Tile:
    """By a whole factor, each pixel a square: what is shown is what the model saw."""
    factor = max(1, _SIDE // pixels.shape[0])
    return np.ascontiguousarray(pixels.repeat(factor, 0).repeat(factor, 1))


def _beside(tiles: Sequence[Tile]) -> Tile:
    gap = np.full((tiles[0].shape[0], 4, 3), 255, dtype=np.uint8)
    return np.concatenate([part for tile in tiles for part in (tile, gap)][:-1], axis=1)


def _marked(one: Shown) -> dict[str, object]:
    return {
        "name": wording.mark(one.name),
        "says": [wording.mark(text) for text in one.says],
        "notes": [wording.mark(text) for text in one.notes],
        "tiles": [(caption, data_uri(png(tile), "png")) for caption, tile in one.tiles],
        "words": [
            (wording.mark(w.text), None if w.becomes is None else wording.mark(w.becomes), w.shade, w.chosen)
            for w in one.words
        ],
        "lines": [
            (
                wording.mark(line.name),
                wording.mark(line.before),
                None if line.after is None else wording.mark(line.after),
                None if line.strength is None else round(100 * line.strength),
                line.chosen,
            )
            for line in one.lines
        ],
        "heat": HEAT in (caption for caption, _ in one.tiles),
        "counts": one.counts,
        "replaced": any(w.becomes is not None for w in one.words),
    }


@cache
def _style() -> str:
    here = Path(__file__).parent
    return "\n".join((here / name).read_text(encoding="utf-8") for name in ("base.css", "explanation.css"))
