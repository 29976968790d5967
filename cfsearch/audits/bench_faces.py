"""Faces, classifiers and folders of ``cfsearch bench audit``: what a method is to explain, and what it answers."""

import csv
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final, Self, final

import numpy as np
import torch
from jaxtyping import UInt8
from torch import Tensor

from cfsearch.datasets import faces
from cfsearch.datasets.images import ImageRef, UnreadableImageError, find_images, read_image
from cfsearch.errors import ConfigError, DataError
from cfsearch.files import dump_json, write_atomically
from cfsearch.places import is_file, is_folder
from cfsearch.runs.guard import guarded, read_object
from cfsearch.runs.picked import check_empty, make_folder
from cfsearch.runs.pictures import TABLE, png

FORMAT: Final = "cfsearch-bench-originals/1"
SHIPPED: Final = ("gender_balanced", "gender_natural", "gender_without_blond_women")
"""Classifiers of "Male" that the package carries, by file name."""
_SHIPPED: Final = "shipped:"
FACES: Final = 40
SIZE: Final = 64
_MOST: Final = 1000
_DESCRIPTION: Final = "bench.json"
_ORIGINALS: Final = "originals"
_FACTORS: Final = "attributes.csv"
_MODELS: Final = "models"


@final
@dataclass(frozen=True, slots=True, eq=False)
class BenchFaces:
    """Rendered faces with all that determined them, and the classifiers that are to be explained.

    Args:
        count: how many faces, 2 to 1000.
        seed: which; faces of another number or seed are other faces.
        models: where each classifier is, by its name.
        people: the faces as drawn.

    Example:
        >>> tasks = BenchFaces.drawn(count=3, seed=1)
        >>> tasks.names, list(tasks.models)[0]
        (('face-0000.png', 'face-0001.png', 'face-0002.png'), 'gender_balanced')
    """

    count: int
    seed: int
    models: Mapping[str, str]
    people: faces.FaceSet = field(repr=False)

    @classmethod
    def drawn(cls, *, count: int = FACES, seed: int = 0, models: Sequence[str] = ()) -> Self:
        """Drawn anew.

        Args:
            count: how many faces.
            seed: which.
            models: addresses of classifiers, in place of those that the package carries.

        Raises:
            ConfigError: too few or too many faces, or two classifiers of one name.
        """
        if not 2 <= count <= _MOST:
            raise ConfigError(f"bench: the number of faces must lie in 2 to {_MOST}, got {count}.")
        named = {_name(one): _whole(one) for one in models} or {name: _SHIPPED + name for name in SHIPPED}
        if models and len(named) < len(models):
            raise ConfigError(
                f"bench: classifiers need different names, got {', '.join(_name(one) for one in models)}. Rename a file."
            )
        return cls(count, seed, named, faces.faces(count, seed=seed, size=SIZE))

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Drawn anew as a folder of originals says.

        Args:
            folder: that ``write`` made.

        Raises:
            DataError: it is no such folder.
        """
        path = folder / _DESCRIPTION
        if not is_file(path):
            raise DataError(
                f"bench: {str(folder)!r} holds no {_DESCRIPTION}. Give the folder that `cfsearch bench originals` wrote."
            )
        document = read_object(path)
        if document.get("format") != FORMAT:
            raise DataError(
                f"bench: {str(path)!r} is of the format {document.get('format')!r}, not {FORMAT!r}. Write the originals anew "
                "with `cfsearch bench originals`."
            )
        with guarded(repr(str(path))):
            count, seed = int(document["faces"]), int(document["seed"])
            models = {str(one["name"]): str(one["address"]) for one in document["models"]}
        return cls(count, seed, models, faces.faces(count, seed=seed, size=SIZE))

    @property
    def names(self) -> tuple[str, ...]:
        """File names of the faces."""
        return tuple(f"face-{i:04d}.png" for i in range(self.count))

    def write(self, folder: Path) -> None:
        """Write the faces, their factors and the classifiers to be explained.

        Args:
            folder: new or empty.

        Raises:
            RunError: it holds something, or cannot be written.
        """
        check_empty(folder)
        for part in (_ORIGINALS, _MODELS):
            make_folder(folder / part)
        for name, pixels in zip(self.names, self.people.images, strict=True):
            write_atomically(folder / _ORIGINALS / name, png(torch.from_numpy(pixels)))
        lines = [",".join(("file", *faces.ATTRIBUTES))]
        for name, row in zip(self.names, self.people.attributes, strict=True):
            lines.append(",".join((name, *(f"{value:g}" for value in row))))
        write_atomically(folder / _FACTORS, "\n".join(lines) + "\n")
        for name, address in self.models.items():
            shipped = shipped_path(address)
            if shipped is not None:
                for ending in (".onnx", ".toml"):
                    content = shipped.with_suffix(ending).read_bytes()
                    write_atomically(folder / _MODELS / (name + ending), content)
        write_atomically(
            folder / _DESCRIPTION,
            dump_json(
                {
                    "format": FORMAT,
                    "faces": self.count,
                    "seed": self.seed,
                    "size": SIZE,
                    "models": [{"name": name, "address": address} for name, address in self.models.items()],
                }
            ),
        )


def _name(address: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]+", "-", Path(address).stem or address)


def _whole(address: str) -> str:
    return str(Path(address).resolve()) if is_file(address) else address


def shipped_path(address: str) -> Path | None:
    """The file of a classifier that the package carries; None for another.

    Args:
        address: as in ``BenchFaces.models``.
    """
    if not address.startswith(_SHIPPED):
        return None
    with as_file(files("cfsearch.models").joinpath(f"{address.removeprefix(_SHIPPED)}.onnx")) as path:
        return Path(path)


@final
@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """One counterfactual image of a method.

    Args:
        face: which face it is of.
        file: its name.
        picture: its pixels; None where it cannot be read or has another size, see ``because``.
        because: why it cannot be used.
    """

    face: int
    file: str
    picture: UInt8[np.ndarray[Any, np.dtype[np.uint8]], "3 s s"] | None
    because: str = ""


def read_answers(folder: Path, tasks: BenchFaces) -> dict[str, list[Answer]]:
    """What a method answered, by classifier, in the order of the method.

    A folder has a sub-folder for each classifier, with its name; of a single classifier the pictures may lie in the folder itself.
    ``face-0007.png`` is the answer for that face; of several, ``face-0007.cf1.png``, ``face-0007.cf2.png``, ..., the first by
    name counts as the one that the method would show. A folder of ``cfsearch export --format pictures`` is read by
    its table, where the sparsest member comes first.

    Args:
        folder: of one method.
        tasks: what it was to explain.

    Raises:
        DataError: no folder of any classifier, or a picture of a face that is not among the originals.
    """
    if not is_folder(folder):
        raise DataError(
            f"bench: {str(folder)!r} is no folder. Give the folder of a method's counterfactual images."
        )
    inside = {name: folder / name for name in tasks.models if is_folder(folder / name)}
    if not inside and len(tasks.models) == 1:
        inside = {next(iter(tasks.models)): folder}
    if not inside:
        raise DataError(
            f"bench: {str(folder)!r} has no sub-folder of a classifier; expected {', '.join(tasks.models)}. "
            "Put the images that explain a classifier into a folder of its name."
        )
    return {name: _answers(inside[name], tasks) if name in inside else [] for name in tasks.models}


def _answers(folder: Path, tasks: BenchFaces) -> list[Answer]:
    table = folder / TABLE
    found = _exported(table, tasks) if is_file(table) else _named(folder, tasks)
    return [_read(face, path, tasks) for face, path in found]


def _named(folder: Path, tasks: BenchFaces) -> list[tuple[int, Path]]:
    places = {Path(name).stem: i for i, name in enumerate(tasks.names)}
    found = []
    for ref in find_images(folder):
        stem = Path(ref.name).stem
        base = re.sub(r"[._-](?:cf)?[._-]?\w*$", "", stem) if stem not in places else stem
        if base not in places:
            raise DataError(
                f"bench: {ref.name!r} in {str(folder)!r} is of no original; expected {tasks.names[0]} to "
                f"{tasks.names[-1]}, or more than one as face-0000.cf1.png. Name answers as the originals."
            )
        found.append((places[base], stem != base, ref))
    found.sort(key=lambda one: (one[0], one[1], _natural(one[2].name)))
    return [(face, ref.path) for face, _, ref in found]


def _natural(name: str) -> list[tuple[int, str]]:
    parts = [part for part in re.split(r"([0-9]{1,18})", name) if part]
    return [(int(part), "") if part.isascii() and part.isdigit() else (-1, part) for part in parts]


def _exported(table: Path, tasks: BenchFaces) -> list[tuple[int, Path]]:
    places = {name: i for i, name in enumerate(tasks.names)}
    with table.open(encoding="utf-8", newline="") as file, guarded(repr(str(table))):
        rows = [(row["name"], row["what"], row["member"], row["file"]) for row in csv.DictReader(file)]
    found = [
        (places[name], "sparsest" not in what.split(), table.parent / file)
        for name, what, member, file in rows
        if member and name in places
    ]
    return [(face, path) for face, _, path in sorted(found, key=lambda one: (one[0], one[1]))]


def _read(face: int, path: Path, tasks: BenchFaces) -> Answer:
    try:
        pixels: Tensor = read_image(ImageRef(path.name, path)).pixels
    except UnreadableImageError as error:
        return Answer(face, path.name, None, str(error))
    wanted = tasks.people.images[0].shape
    if tuple(pixels.shape) != wanted:
        size = f"{pixels.shape[2]} x {pixels.shape[1]}"
        return Answer(face, path.name, None, f"it has {size} pixels, the original {wanted[2]} x {wanted[1]}")
    return Answer(face, path.name, pixels.numpy())


def described(tasks: BenchFaces) -> dict[str, Any]:
    """The tasks as plain JSON.

    Args:
        tasks: the faces and the classifiers.
    """
    return {
        "faces": tasks.count,
        "seed": tasks.seed,
        "models": list(tasks.models),
        "tasks": tasks.count * len(tasks.models),
    }
