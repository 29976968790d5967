"""Pictures inside the page: data URIs of images and of their differences."""

import base64
import io
from dataclasses import dataclass
from functools import cache
from typing import Literal, TypeAlias, final

import numpy as np
import torch
from jaxtyping import Float, UInt8
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

Picture: TypeAlias = UInt8[Tensor, "c h w"]
Kind: TypeAlias = Literal["png", "webp"]

HEAT_SIDE = 64
_LEVELS = 32
# Cividis (Nunez, Anderton and Renslow 2018, https://doi.org/10.1371/journal.pone.0199239):
# perceptually uniform, and the same to readers with and without red-green blindness.
CIVIDIS = (
    "#00224e", "#003170", "#2a3f6d", "#434e6c", "#575d6d", "#6a6c71", "#7d7c78",
    "#918b78", "#a59c74", "#bcae6c", "#d2c060", "#e9d34e", "#fee838",
)  # fmt: skip
_STEPS = (4, 8, 16, 32, 48, 64, 96, 128, 192, 255)


@final
@dataclass(frozen=True, slots=True)
class Codec:
    """Image format and quality of the report's pictures.

    Args:
        kind: ``png`` keeps every value; ``webp`` is smaller and loses some.
        quality: 1 to 100, of webp.
        side: longer side in pixels; larger pictures are shrunk to it.
    """

    kind: Kind
    quality: int
    side: int

    def encode(self, picture: Picture) -> bytes:
        """The bytes of the picture as a file."""
        image = _pillow(picture)
        if max(image.size) > self.side:
            scale = self.side / max(image.size)
            size = (max(1, round(image.width * scale)), max(1, round(image.height * scale)))
            image = image.resize(size, Image.Resampling.LANCZOS)
        file = io.BytesIO()
        if self.kind == "png":
            image.save(file, "PNG", optimize=True)
        else:
            image.save(file, "WEBP", quality=self.quality, method=4)
        return file.getvalue()

    def uri(self, picture: Picture) -> str:
        """The picture as a ``data:`` address."""
        return data_uri(self.encode(picture), self.kind)


def data_uri(content: bytes, kind: Kind) -> str:
    """Bytes as a ``data:`` address."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def difference(picture: Picture, original: Picture) -> Float[np.ndarray, "h w"]:
    """Mean absolute difference over the channels, in levels of 255."""
    gap = (picture.cpu().int() - original.cpu().int()).abs().float().mean(0)
    return np.asarray(gap.numpy(), dtype=np.float32)


def heat_top(differences: list[NDArray[np.float32]]) -> int:
    """The end of a scale that fits all maps of a page, in levels of 255."""
    if not differences:
        return _STEPS[-1]
    pixels = np.concatenate([d[:: max(1, len(d) // 32)].ravel() for d in differences])
    high = float(np.quantile(pixels, 0.99))
    return next((step for step in _STEPS if step >= high), _STEPS[-1])


def heat_png(gap: Float[np.ndarray, "h w"], *, top: int) -> bytes:
    """A difference map as a small palette PNG, from 0 to ``top`` levels."""
    h, w = gap.shape
    if max(h, w) > HEAT_SIDE:
        scale = HEAT_SIDE / max(h, w)
        size = (max(1, round(w * scale)), max(1, round(h * scale)))
        gap = np.asarray(Image.fromarray(gap).resize(size, Image.Resampling.BOX))
    levels = np.clip(np.rint(gap / top * (_LEVELS - 1)), 0, _LEVELS - 1).astype(np.uint8)
    image = Image.frombytes("P", (levels.shape[1], levels.shape[0]), levels.tobytes())
    image.putpalette(list(_palette()))
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()


@cache
def _palette() -> tuple[int, ...]:
    anchors = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in CIVIDIS], dtype=float)
    at = np.linspace(0, len(anchors) - 1, _LEVELS)
    return tuple(
        round(v) for x in at for v in (np.interp(x, np.arange(len(anchors)), anchors[:, c]) for c in range(3))
    )


def _pillow(picture: Picture) -> Image.Image:
    values = picture.detach().cpu()
    if values.dtype != torch.uint8:
        values = values.clamp(0, 255).to(torch.uint8)
    if values.shape[0] in (3, 4):
        return Image.fromarray(values[:3].permute(1, 2, 0).contiguous().numpy())
    return Image.fromarray(values.float().mean(0).round().to(torch.uint8).numpy())
