"""The exact pictures of a run as PNG files, with a table that says what each one is."""

import io
from pathlib import Path
from typing import Final

from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from cfsearch.contracts.modality import PICTURES
from cfsearch.errors import RunError
from cfsearch.files import write_atomically
from cfsearch.fronts.frame import Cell

from .directory import RunDirectory
from .export import to_csv
from .picked import check_empty, make_folder, pieces

TABLE: Final = "pictures.csv"


def export_pictures(run: RunDirectory, folder: Path) -> int:
    """Write original, reconstruction and picked members of each instance; returns how many pictures.

    They are what the model was queried about, bit by bit. ``pictures.csv`` beside them gives of each file
    its instance, what it is, the member, the model's class and probability, and the change in words.

    Args:
        run: the run, at any stage.
        folder: where to write; made if it is not there, must be empty.

    Raises:
        RunError: the folder holds something or cannot be made, or the run holds no pictures.
    """
    check_empty(folder)
    rows: list[dict[str, Cell]] = []
    for instance in run.rows():
        if instance.front is None or instance.front.modality.files != PICTURES.files:
            continue
        for piece in pieces(instance.front):
            if not rows:
                make_folder(folder)
            name = piece.file_name(instance, ".png")
            write_atomically(folder / name, png(piece.stored))
            rows.append({"file": name, **piece.row(instance.front)})
    if not rows:
        raise RunError(f"run {str(run.path)!r}: has no pictures to export.")
    write_atomically(folder / TABLE, to_csv(rows))
    return len(rows)


def png(pixels: UInt8[Tensor, "c h w"]) -> bytes:
    """A picture as a PNG file that keeps every value.

    Args:
        pixels: one (grey) or three channels (RGB).

    Example:
        >>> import torch
        >>> png(torch.zeros(3, 2, 2, dtype=torch.uint8))[1:4]
        b'PNG'
    """
    values = pixels.cpu().numpy()
    image = Image.fromarray(values[0] if len(values) == 1 else values.transpose(1, 2, 0).copy())
    file = io.BytesIO()
    image.save(file, "PNG", optimize=True)
    return file.getvalue()
