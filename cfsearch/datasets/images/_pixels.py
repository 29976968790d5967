"""Safe decoding of an image file to 8-bit RGB pixels."""

import logging
import warnings
from dataclasses import dataclass, replace
from typing import BinaryIO, final

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps, UnidentifiedImageError
from torch import Tensor

from cfsearch.errors import ConfigError, DataError

from ._libtiff import silence_libtiff

FORMATS = ("PNG", "JPEG", "WEBP", "BMP", "GIF", "TIFF")
"""What Pillow may try, by content; nothing here starts another program or reads another file."""

# Pillow logs an error before it raises one of its own, which Python prints where nobody has set logging up
logging.getLogger("PIL").addHandler(logging.NullHandler())

_ORIENTATION = 0x0112
_WHITE = (255, 255, 255, 255)


class UnreadableImageError(DataError):
    """The file is no image that we read, or it is damaged."""

    code = "unreadable"


class TooLargeImageError(DataError):
    """The image has more pixels or bytes than the limit."""

    code = "too_large"


@final
@dataclass(frozen=True, slots=True)
class Crop:
    """A square part of an image, in pixels from its upper left corner.

    Raises:
        ConfigError: a negative corner, or a side below 1.
    """

    top: int
    left: int
    side: int

    def __post_init__(self) -> None:
        if self.top < 0 or self.left < 0 or self.side < 1:
            raise ConfigError(
                f"images: a crop needs a corner >= 0 and a side >= 1, got {self}. "
                "Give top, left and side in pixels."
            )


@final
@dataclass(frozen=True, slots=True, eq=False)
class Pixels:
    """Decoded pixels, the size before crop and resizing, and which rules were applied.

    Shapes:
        ``rgb`` ``(3, h, w)``; ``original`` is (height, width).
    """

    rgb: UInt8[Tensor, "3 h w"]
    original: tuple[int, int]
    notes: tuple[str, ...]


def decode(stream: BinaryIO, *, name: str, size: int | None, crop: Crop | None, max_pixels: int) -> Pixels:
    """8-bit RGB pixels of the image in ``stream``, read from its beginning.

    Raises:
        UnreadableImageError: no image of an allowed format, or a damaged one.
        TooLargeImageError: more than ``max_pixels`` pixels; only the header was read.
        DataError: the crop lies outside the image.
    """
    try:
        with warnings.catch_warnings(record=True) as heard:
            warnings.simplefilter("always")
            got = _decode(stream, name=name, size=size, crop=crop, max_pixels=max_pixels)
    except DataError:
        raise
    except (Image.DecompressionBombError, MemoryError) as error:
        raise TooLargeImageError(
            f"images: {name!r} must have at most {max_pixels:,} pixels, but does not fit into "
            "memory or is refused by Pillow as a decompression bomb. Scale it down first."
        ) from error
    except Exception as error:
        # Pillow's decoders raise almost anything on hostile bytes; they are caught here alone
        raise UnreadableImageError(
            f"images: {name!r} must be an undamaged {', '.join(FORMATS[:-1])} or {FORMATS[-1]} "
            f"file, but it cannot be read ({_reason(error)}). Save it again, or leave it out."
        ) from error
    # Pillow warns of damaged metadata, and of sizes for which we have our own limit
    if all(issubclass(warning.category, Image.DecompressionBombWarning) for warning in heard):
        return got
    return replace(got, notes=(*got.notes, "damaged metadata passed over"))


def _decode(stream: BinaryIO, *, name: str, size: int | None, crop: Crop | None, max_pixels: int) -> Pixels:
    image: Image.Image = Image.open(stream, formats=FORMATS)
    width, height = image.size
    if width * height > max_pixels:
        raise TooLargeImageError(
            f"images: {name!r} must have at most {max_pixels:,} pixels, got {width} x {height}. "
            "Scale it down first, or raise the limit."
        )
    if image.format == "TIFF":
        silence_libtiff()
    if image.format == "PNG":
        image.verify()  # decoding alone skips the checksums of the chunks
        stream.seek(0)
        image = Image.open(stream, formats=("PNG",))
    notes: list[str] = []
    if getattr(image, "is_animated", False):  # only formats that can be animated have it
        notes.append("first frame of several used")
    if any(";16" in _raw_mode(tile) for tile in getattr(image, "tile", ())):
        notes.append("16-bit scaled to 8-bit")
    orientation = _orientation(image, notes)
    image.load()
    if orientation != 1:
        image = ImageOps.exif_transpose(image)  # a TIFF is turned by Pillow as it loads
        notes.append(f"EXIF orientation {orientation} applied")
    width, height = image.size
    rgb = _fit(_rgb(image, notes, name=name), notes, name=name, size=size, crop=crop)
    array = np.array(rgb, dtype=np.uint8)
    pixels = torch.from_numpy(array).permute(2, 0, 1).contiguous()
    return Pixels(pixels, (height, width), tuple(notes))


def _raw_mode(tile: tuple[object, ...]) -> str:
    arguments = tile[3]
    return str(arguments[0] if isinstance(arguments, tuple) and arguments else arguments)


def _orientation(image: Image.Image, notes: list[str]) -> int:
    try:
        value = image.getexif().get(_ORIENTATION, 1)
    except Exception:  # noqa: BLE001 - damaged EXIF raises many things, the pixels may be sound
        notes.append("unreadable EXIF ignored")
        return 1
    return value if isinstance(value, int) and 1 <= value <= 8 else 1


def _rgb(image: Image.Image, notes: list[str], *, name: str) -> Image.Image:
    mode = image.mode
    if mode in ("I", "F"):
        raise UnreadableImageError(
            f"images: {name!r} must have 8 or 16 bits a channel, got 32, whose range nothing "
            "tells. Save it as an 8-bit or 16-bit image."
        )
    if mode.startswith("I;16"):
        deep, clear = np.asarray(image), image.info.get("transparency")
        image = Image.fromarray((deep >> 8).astype(np.uint8))
        if isinstance(clear, int):  # of all 16 bits, which are gone behind this line
            image.putalpha(Image.fromarray(np.where(deep == clear, 0, 255).astype(np.uint8)))
        mode = image.mode
    if mode in ("L", "1", "LA", "La"):
        notes.append("grey repeated in three channels")
    if image.has_transparency_data:
        rgba = image.convert("RGBA")
        if np.asarray(rgba.getchannel("A")).min() < 255:
            kind = "palette with alpha" if mode in ("P", "PA") else "transparency"
            notes.append(f"{kind} composed on white")
            rgba = Image.alpha_composite(Image.new("RGBA", rgba.size, _WHITE), rgba)
        return rgba.convert("RGB")
    if mode == "CMYK":
        notes.append("CMYK converted without its colour profile")
    elif mode not in ("RGB", "P", "L", "1"):
        notes.append(f"{mode} converted")
    return image.convert("RGB")


def _fit(
    image: Image.Image, notes: list[str], *, name: str, size: int | None, crop: Crop | None
) -> Image.Image:
    width, height = image.size
    if crop is not None:
        if crop.left + crop.side > width or crop.top + crop.side > height:
            raise DataError(
                f"images: {name!r} must hold the crop of {crop.side} x {crop.side} at (top "
                f"{crop.top}, left {crop.left}), but it is {width} x {height}. Give the crop "
                "that belongs to these images, or none for the centre square."
            )
    elif size is None:
        return image
    else:
        side = min(width, height)
        crop = Crop(top=(height - side) // 2, left=(width - side) // 2, side=side)
        if width != height:
            notes.append(f"centre {side} x {side} of {width} x {height} kept")
    image = image.crop((crop.left, crop.top, crop.left + crop.side, crop.top + crop.side))
    if size is None or size == crop.side:
        return image
    whole = crop.side % size == 0
    return image.resize((size, size), Image.Resampling.BOX if whole else Image.Resampling.BILINEAR)


def _reason(error: Exception) -> str:
    """The decoder's own words, without the address of the stream and on one line."""
    if isinstance(error, UnidentifiedImageError):
        return "its content is none of these formats"
    return " ".join(str(error).split())[:120] or type(error).__name__
