"""Inputs of the running program as the files that they would be: pictures as PNG, tables as CSV.

A search in Python and one on the command line then read the same bytes, and an audit can be repeated
from its directory.
"""

import io
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from cfsearch.datasets.images import SUFFIXES
from cfsearch.errors import DataError
from cfsearch.files import why_no_file, write_atomically
from cfsearch.places import is_folder

from .tables import is_table

_CHANNELS: Final = (1, 3, 4)


def kind_of_inputs(
    x: object, *, model: object = None, given: Mapping[str, object] | None = None
) -> Literal["images", "table"]:
    """Whether inputs are pictures or rows of a table.

    A file is taken for a table unless its ending is that of a picture or of an archive of pictures.

    Args:
        x: as for ``cfsearch.search``.
        model: likewise.
        given: settings of the call.

    Example:
        >>> kind_of_inputs("rows.parquet"), kind_of_inputs("face.JPG"), kind_of_inputs("photos/")
        ('table', 'images', 'images')
    """
    if isinstance(x, str | Path):
        ending = Path(x).suffix.lower()
        return "images" if not ending or ending in (*SUFFIXES, ".zip") or is_folder(x) else "table"
    return "table" if is_table(x, model=model, given=given) else "images"


def written_texts(x: object, folder: Path) -> Path:
    """Texts as a file of one a line; the path of a file is given back.

    Args:
        x: a list of texts, or a path.
        folder: where the file is written.
    """
    if isinstance(x, str | Path):
        return Path(x)
    if not isinstance(x, list | tuple) or not all(isinstance(one, str) for one in x):
        raise DataError(
            f"reference: expected a list of texts, or the path of a file, got {type(x).__name__}."
        )
    folder.mkdir(parents=True, exist_ok=True)
    return write_atomically(folder / "texts.txt", "\n".join(" ".join(one.split()) for one in x))


def written_pictures(x: object, folder: Path) -> Path:
    """Pictures as PNG files in a folder; the path of a file or folder is given back.

    Args:
        x: a path, a PIL image, an array or tensor of one picture or several, or a list of these. Numbers
            are 8-bit, or floats in [0, 1]; channels may stand first or last.
        folder: where the files are written.

    Raises:
        DataError: it is no picture, or its numbers are not in [0, 1]; says what to write instead.
    """
    if isinstance(x, str | Path):
        return Path(x)
    items = _items(x)
    if not items:
        raise DataError("pictures: expected one at least, got an empty list.")
    new = folder.with_name(f"{folder.name}.part")
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir(parents=True)
    try:
        _write(items, new)
        shutil.rmtree(folder, ignore_errors=True)  # only now: some of the pictures may lie in it
        new.rename(folder)
    finally:
        shutil.rmtree(new, ignore_errors=True)
    return folder


def _write(items: Sequence[Image.Image | Path], new: Path) -> None:
    digits = len(str(len(items) - 1))
    for i, item in enumerate(items):
        if isinstance(item, Path):
            if wrong := why_no_file(item):
                raise DataError(f"pictures: {str(item)!r} must be a file, but {wrong}. Check the path.")
            name = item.name if not (new / item.name).exists() else f"{i:0{digits}d}-{item.name}"
            shutil.copyfile(item, new / name)
            continue
        data = io.BytesIO()
        item.save(data, format="PNG")
        write_atomically(new / f"{i:0{digits}d}.png", data.getvalue())


def _items(x: object) -> list[Image.Image | Path]:
    if isinstance(x, str | Path):
        return [Path(x)]
    if isinstance(x, Image.Image):
        return [x if x.mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16") else x.convert("RGB")]
    if isinstance(x, np.ndarray | torch.Tensor):
        return [_picture(one) for one in _apart(x)]
    if isinstance(x, Sequence):
        return [item for part in x for item in _items(part)]
    raise DataError(
        f"pictures: expected a path, a PIL image, an array, a tensor or a list of these, got {type(x).__name__}."
    )


def _apart(x: NDArray[Any] | torch.Tensor) -> list[NDArray[Any]]:
    """Pictures one by one, channels last."""
    first = isinstance(x, torch.Tensor)  # torch puts channels first, others last
    array = x.detach().cpu().numpy() if isinstance(x, torch.Tensor) else x
    shape = array.shape
    if array.ndim == 2:
        return [array[:, :, None]]
    if array.ndim == 3 and not _has_channels(shape):
        return [one[:, :, None] for one in array]
    if array.ndim not in (3, 4) or not _has_channels(shape[-3:]):
        raise DataError(
            f"pictures: expected an array of shape (h, w), (h, w, 3), (3, h, w), or several of these along the "
            f"first axis, got {tuple(shape)}."
        )
    front, back = shape[-3] in _CHANNELS, shape[-1] in _CHANNELS
    if front and (first or not back):
        array = np.moveaxis(array, -3, -1)
    return list(array) if array.ndim == 4 else [array]


def _has_channels(shape: Sequence[int]) -> bool:
    return shape[0] in _CHANNELS or shape[-1] in _CHANNELS


def _picture(array: NDArray[Any]) -> Image.Image:
    if array.dtype.kind == "b":
        array = array.astype(np.float32)
    if array.dtype.kind == "f":
        low, high = float(array.min()), float(array.max())
        if not (np.isfinite(low) and np.isfinite(high)):
            raise DataError("pictures: expected finite numbers in [0, 1], got NaN or infinity.")
        if low < 0.0 or high > 1.0:
            raise DataError(_outside(low, high))
        array = (array.astype(np.float64) * 255.0).round().astype(np.uint8)
    elif array.dtype != np.uint8:
        if array.min() < 0 or array.max() > 255:
            raise DataError(_outside(float(array.min()), float(array.max())))
        array = array.astype(np.uint8)
    return Image.fromarray(array[:, :, 0] if array.shape[2] == 1 else array)


def _outside(low: float, high: float) -> str:
    came = f"pictures: expected numbers in [0, 1] (or 8-bit whole numbers), got {low:.4g} to {high:.4g}."
    if low < 0.0:
        return (
            f"{came} They look normalised: give the pictures before that, x * std + mean, and tell the model's "
            "own range with mean=(...), std=(...) or range='-1..1'."
        )
    return f"{came} Write x / {255 if high <= 255 else f'{high:.6g}'}."
