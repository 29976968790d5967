"""The exact pictures of a run as PNG files, with a table that says what each one is."""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from jaxtyping import UInt8
from PIL import Image
from torch import Tensor

from cfsearch.errors import RunError
from cfsearch.files import write_atomically
from cfsearch.fronts.frame import Cell
from cfsearch.fronts.front import ParetoFront

from .directory import InstanceRow, RunDirectory
from .export import to_csv

TABLE: Final = "pictures.csv"


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Picture:
    """One picture with what it is: original, reconstruction, or how a member was picked."""

    what: str
    pixels: UInt8[Tensor, "c h w"]
    scores: Tensor
    member: int | None = None


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
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise RunError(f"export: {str(folder)!r} must be a new or an empty folder. Name another one.")
    rows: list[dict[str, Cell]] = []
    for instance in run.rows():
        if instance.front is None:
            continue
        for picture in _pictures(instance.front):
            if not rows:
                _make(folder)
            name = f"{_stem(instance)}-{picture.what.replace(' ', '-')}.png"
            write_atomically(folder / name, png(picture.pixels))
            rows.append({"file": name, **_row(instance.front, picture)})
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


def _pictures(front: ParetoFront) -> Iterator[_Picture]:
    if front.original is None or front.images is None:
        return
    yield _Picture("original", front.original, front.original_scores)
    if front.reconstruction is not None:
        yield _Picture("reconstruction", front.reconstruction, front.reconstruction_scores)
    ways: dict[int, list[str]] = {}
    for way, i in front.picks().items():
        ways.setdefault(i, []).append(way)
    for i, names in ways.items():
        yield _Picture(" ".join(names), front.images[i], front.scores[i], member=i)


def _row(front: ParetoFront, picture: _Picture) -> dict[str, Cell]:
    p = picture.scores.double().softmax(-1)
    member = picture.member
    return {
        "name": front.name,
        "what": picture.what,
        "member": member,
        "class": front.labels[int(p.argmax())],
        "probability": float(p.max()),
        "verified": None if member is None else bool(front.verified[member]),
        "words": "" if member is None else "; ".join(front.words(member)),
    }


def _stem(instance: InstanceRow) -> str:
    """A name for files: the place in the run, then what of the instance's name any system allows."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", instance.name.rsplit(".", 1)[0]).strip("-.")[:80]
    return f"{instance.position:05d}-{plain}" if plain else f"{instance.position:05d}"


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunError(f"export: cannot make the folder {str(folder)!r}: {error.strerror}.") from error
