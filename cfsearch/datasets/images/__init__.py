"""Images that users bring: found, read safely, and put in canonical form.

Which rule is applied to which file, and noted in its record:

===============================  ===========================================================
what comes                       what becomes of it
===============================  ===========================================================
grey, 1-bit, palette             RGB
transparency, in any form        composed on white
16 bits a channel                scaled to 8 (the high byte)
32 bits a channel                refused: nothing tells the range
CMYK and other colour models     converted without their colour profile
several frames or pages          the first
EXIF orientation                 applied
not square, where a size given   the centre square is kept
===============================  ===========================================================

Resizing takes the mean of whole blocks where the side is a multiple of the size wanted, and
Pillow's antialiased bilinear filter elsewhere; neither rings.
"""

import hashlib
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO, Final, NamedTuple, final

import torch
from jaxtyping import Float, UInt8
from torch import Tensor

from cfsearch.datasets.fingerprint import label_bytes, sampled_rows
from cfsearch.errors import ConfigError, DataError

from ._find import SUFFIXES, ImageRef, archive_of, find_images, open_file, unpacked
from ._pixels import FORMATS, Crop, TooLargeImageError, UnreadableImageError, decode
from ._table import AttributeTable, read_attributes

__all__ = [
    "FORMATS",
    "MAX_PIXELS",
    "SUFFIXES",
    "AttributeTable",
    "CachedImages",
    "Crop",
    "ImageFolderSource",
    "ImageRecord",
    "ImageRef",
    "LabelledImages",
    "TooLargeImageError",
    "UnreadableImageError",
    "find_images",
    "read_attributes",
    "read_image",
]

MAX_PIXELS: Final = 64_000_000


@final
@dataclass(frozen=True, slots=True, eq=False)
class ImageRecord:
    """An image in 8 bits, with what was done to it on the way.

    Shapes:
        ``pixels`` ``(3, h, w)`` RGB; ``original`` (height, width) before crop and resizing.
    """

    name: str
    pixels: UInt8[Tensor, "3 h w"]
    original: tuple[int, int]
    notes: tuple[str, ...]
    sha256: str

    @property
    def x(self) -> Float[Tensor, "3 h w"]:
        """The canonical form: float32 in [0, 1]."""
        return self.pixels.to(torch.float32) / 255.0


def read_image(
    image: ImageRef | Path,
    *,
    size: int | None = None,
    crop: Crop | None = None,
    max_pixels: int = MAX_PIXELS,
) -> ImageRecord:
    """One image as 8-bit RGB, brought to ``size`` x ``size``; as it is when None.

    Args:
        image: what ``find_images`` found, or the path of a file.
        size: side of the result in pixels, >= 1.
        crop: the square to keep before resizing; None keeps the centre square when a size
            is given.
        max_pixels: more than these are refused from the header alone. Pillow's own limit of
            about 179 million holds in any case.

    Raises:
        UnreadableImageError: not an image of an allowed format, damaged, or not to be opened.
        TooLargeImageError: too many pixels, or more than 256 MiB unpacked from a zip.
        DataError: the crop lies outside the image.
        ConfigError: a size or limit below 1.
    """
    if max_pixels < 1 or (size is not None and size < 1):
        raise ConfigError(f"images: size and max_pixels must be 1 or more, got {size!r} and {max_pixels!r}.")
    ref = image if isinstance(image, ImageRef) else ImageRef(image.name, image)
    if ref.member is None:
        with open_file(ref) as stream:
            return _record(ref, stream, size=size, crop=crop, max_pixels=max_pixels)
    with archive_of(ref.path) as archive:
        stream = unpacked(ref, archive)
    return _record(ref, stream, size=size, crop=crop, max_pixels=max_pixels)


class LabelledImages(NamedTuple):
    """Images in canonical form with their labels.

    Shapes:
        images: ``(n, 3, s, s)`` float32 in [0, 1]; labels: ``(n, a)`` float32, 0 or 1.
    """

    images: Float[Tensor, "n 3 s s"]
    labels: Float[Tensor, "n a"]


@final
class CachedImages:
    """Images of one size, decoded when first read and then kept in 8 bits.

    Args:
        refs: which images.
        size: side in pixels.
        crop: as in ``read_image``.
        cache_bytes: once this much is kept, further images are decoded each time.
    """

    def __init__(
        self,
        refs: Sequence[ImageRef],
        *,
        size: int,
        crop: Crop | None = None,
        cache_bytes: int = 2**30,
    ) -> None:
        if size < 1:
            raise ConfigError(f"images: `size` must be 1 or more, got {size!r}.")
        self.refs: tuple[ImageRef, ...] = tuple(refs)
        self.size = size
        self._crop = crop
        self._room = cache_bytes // (3 * size * size)
        self._kept: dict[int, Tensor] = {}
        self._archives: dict[Path, zipfile.ZipFile] = {}

    def __len__(self) -> int:
        return len(self.refs)

    def pixels(self, indices: Sequence[int]) -> UInt8[Tensor, "n 3 s s"]:
        """These images, in this order."""
        return torch.stack([self._one(i) for i in indices])

    def _one(self, i: int) -> Tensor:
        kept = self._kept.get(i)
        if kept is not None:
            return kept
        ref = self.refs[i]
        if ref.member is None:
            pixels = read_image(ref, size=self.size, crop=self._crop).pixels
        else:
            if ref.path not in self._archives:
                self._archives[ref.path] = archive_of(ref.path)
            stream = unpacked(ref, self._archives[ref.path])
            pixels = decode(stream, name=ref.name, size=self.size, crop=self._crop, max_pixels=MAX_PIXELS).rgb
        if len(self._kept) < self._room:
            self._kept[i] = pixels
        return pixels


@final
class ImageFolderSource:
    """Labelled images from folders or zips and an attribute table.

    Rows are matched to images by their path under the folder or zip, or by the bare file name
    where that is unique. Images without a row are left out.

    Args:
        images: a folder or zip, or several; folders are searched with their sub-folders.
        table: which image has which attribute.
        attributes: the columns to use, in this order; all when None.
        size: side in pixels.
        crop: the square to keep; the centre square when None.
        cache_bytes: memory for decoded images.

    Raises:
        DataError: a row names no image or two, or the table has no such attribute.
    """

    def __init__(
        self,
        images: Path | Sequence[Path],
        *,
        table: AttributeTable,
        attributes: Sequence[str] | None = None,
        size: int = 64,
        crop: Crop | None = None,
        cache_bytes: int = 2**30,
    ) -> None:
        paths = [images] if isinstance(images, Path) else list(images)
        found = [ref for path in paths for ref in find_images(path, recursive=True)]
        self._images = CachedImages(
            _matched(table.files, found), size=size, crop=crop, cache_bytes=cache_bytes
        )
        self.attributes: tuple[str, ...] = table.names if attributes is None else tuple(attributes)
        self.table = table
        self._labels = table.columns(self.attributes).to(torch.float32)

    def __len__(self) -> int:
        return len(self._images)

    @property
    def names(self) -> tuple[str, ...]:
        """The name of each image."""
        return tuple(ref.name for ref in self._images.refs)

    @property
    def labels(self) -> Float[Tensor, "n a"]:
        """The labels of all images, 0 or 1, without decoding one."""
        return self._labels.clone()

    @property
    def fingerprint(self) -> str:
        """Digest of the names, the labels and some of the files."""
        words = (str(self._images.size), *self.attributes, *self.names)
        digest = hashlib.sha256("\n".join(words).encode() + label_bytes(self._labels))
        for i in sampled_rows(len(self)):
            digest.update(_content(self._images.refs[i]))
        return digest.hexdigest()

    def batch(self, indices: Sequence[int]) -> LabelledImages:
        """These images and their labels, in this order."""
        pixels = self._images.pixels(indices)
        return LabelledImages(pixels.to(torch.float32) / 255.0, self._labels[list(indices)])


def _content(ref: ImageRef) -> bytes:
    if ref.member is None:
        with open_file(ref) as stream:
            return hashlib.sha256(stream.read()).digest()
    with archive_of(ref.path) as archive:
        return hashlib.sha256(unpacked(ref, archive).read()).digest()


def _matched(files: Sequence[str], found: Sequence[ImageRef]) -> list[ImageRef]:
    by_name: dict[str, list[ImageRef]] = {}
    for ref in found:
        for key in {ref.name, PurePosixPath(ref.name).name}:
            by_name.setdefault(key, []).append(ref)
    missing = [file for file in files if file not in by_name]
    if missing:
        raise DataError(
            f"images: every row of the table must name an image, but {len(missing)} of "
            f"{len(files)} name none ({', '.join(map(repr, missing[:3]))}). Add these images or "
            "delete their rows."
        )
    matched = []
    for file in files:
        refs = [ref for ref in by_name[file] if ref.name == file] or by_name[file]
        if len(refs) > 1:
            raise DataError(
                f"images: {file!r} must name one image, but {len(refs)} are called so. Write "
                "the path under the folder in the table, or give fewer folders."
            )
        matched += refs
    return matched


def _record(
    ref: ImageRef, stream: BinaryIO, *, size: int | None, crop: Crop | None, max_pixels: int
) -> ImageRecord:
    got = decode(stream, name=ref.name, size=size, crop=crop, max_pixels=max_pixels)
    height, width = got.rgb.shape[1:]
    digest = hashlib.sha256(f"{height} {width}\n".encode() + got.rgb.numpy().tobytes())
    return ImageRecord(ref.name, got.rgb, got.original, got.notes, digest.hexdigest())
