"""Images in the size that a generator takes."""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.datasets.images import Crop, ImageRecord, ImageRef, find_images, read_image
from cfsearch.errors import DataError
from cfsearch.places import is_folder

from .inputs import InputRecord

MOST_REFERENCES: Final = 500
"""Reference images or texts that are read, the first ones."""


def read_input(
    ref: ImageRef | InputRecord, shape: Sequence[int], *, crop: Crop | None = None
) -> ImageRecord | InputRecord:
    """An image in the size of a generator; any other input as it is.

    Args:
        ref: where an image is, or what was read before.
        shape: of one input of the generator.
        crop: as for ``read_fitting``.

    Raises:
        DataError: as ``read_fitting``, or why the input could not be read before.
    """
    if not isinstance(ref, InputRecord):
        return read_fitting(ref, shape, crop=crop)
    if ref.failure is not None:
        raise ref.failure
    return ref


def read_fitting(ref: ImageRef, shape: Sequence[int], *, crop: Crop | None = None) -> ImageRecord:
    """An image in the size of a generator.

    Args:
        ref: where the image is.
        shape: of one input of the generator.
        crop: the square part to keep where the generator's images are square; None for the centre.

    Raises:
        DataError: unreadable; or the generator's images are not square and it is not their size.
    """
    height, width = shape[1], shape[2]
    if height == width:
        return read_image(ref, size=height, crop=crop)
    record = read_image(ref)
    if tuple(record.pixels.shape[1:]) != (height, width):
        raise DataError(
            f"{ref.name}: the generator works on {height} x {width} pixels, the image has "
            f"{record.pixels.shape[1]} x {record.pixels.shape[2]}; resize it."
        )
    return record


def reference_images(path: str, shape: Sequence[int]) -> Float[Tensor, "r 3 h w"]:
    """The first 500 images under a path, each in the size of a generator.

    A folder that holds none itself, but folders of classes, gives up to 500 spread over all of them.

    Args:
        path: a folder, a zip or one image.
        shape: of the generator's inputs, channels first.

    Raises:
        DataError: as ``read_fitting``.
    """
    refs = find_images(Path(path), recursive=True)
    if is_folder(path):
        refs = tuple(ref for ref in refs if "/" not in ref.name) or _spread(refs)
    refs = refs[:MOST_REFERENCES]
    return torch.stack([read_fitting(ref, shape).x for ref in refs])


def _spread(refs: tuple[ImageRef, ...]) -> tuple[ImageRef, ...]:
    return refs[:: -(-len(refs) // MOST_REFERENCES)]


def readable(refs: Sequence[ImageRef]) -> tuple[ImageRef, ...]:
    """The same images under names that can be written anywhere: bytes that are no UTF-8 as escapes."""
    return tuple(
        dataclasses.replace(
            ref, name=ref.name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
        )
        for ref in refs
    )
