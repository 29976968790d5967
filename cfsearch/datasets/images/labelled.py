"""A user's own photographs: which ones, the part of each that is used, and what is known of them.

Understands a plain folder or zip with a table of attributes, and CelebA in its official layout:
the folder that holds (or is, or lies in) ``img_align_celeba`` beside ``list_attr_celeba.txt`` and
``list_eval_partition.txt``. There the faces of one part are taken, cropped as AttGAN is trained,
and their labels are known without being named.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import Final, Literal, TypeAlias, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.errors import ConfigError, DataError, listed
from cfsearch.files import open_file
from cfsearch.places import is_file, is_folder

from . import AttributeTable, Crop, ImageRef, find_images, read_attributes
from .celeba import PARTS, crop_for, read_partition, read_signs

Part: TypeAlias = Literal["train", "valid", "test", "all"]
"""The faces of an official layout that are used."""

_FACES: Final = "img_align_celeba"
_TEXTS: Final = ("shard", "partition", "split", "identity")
"""Columns that are no attributes, by names that occur in the wild."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class LabelledPhotographs:
    """Images that were found, in order, and their labels.

    Args:
        refs: where each image lies.
        table: one row an image, in the same order; None where nothing is known.
        source: what the labels were read from; empty without.
        aligned: the images are CelebA's aligned faces, of 178 x 218 pixels.
        note: one sentence for the reader; empty where there is none.
    """

    refs: tuple[ImageRef, ...]
    table: AttributeTable | None
    source: str
    aligned: bool
    note: str

    def crop(self, size: int) -> Crop | None:
        """The part of each image to keep; None keeps the centre square."""
        return crop_for(size) if self.aligned else None

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the labels; empty without."""
        if self.table is None:
            return ""
        digest = hashlib.sha256("\n".join((*self.table.files, *self.table.names)).encode())
        digest.update(self.table.values.numpy().tobytes())
        return digest.hexdigest()

    def known(self, names: Sequence[str], *, rows: Sequence[int]) -> Float[Tensor, "n a"] | None:
        """What is known of these attributes in these images: 0, 1, or NaN; None where it is nothing."""
        if self.table is None or not set(names) & set(self.table.names):
            return None
        found = torch.full((len(rows), len(names)), torch.nan)
        for j, name in enumerate(names):
            if name in self.table.names:
                found[:, j] = self.table.columns([name])[list(rows), 0].float()
        return found


def find_photographs(
    path: str | Path, *, recursive: bool = False
) -> tuple[tuple[ImageRef, ...], Path | None]:
    """The images under a path, and the folder of CelebA's official lists where it is such a layout.

    Raises:
        DataError: as ``find_images``.
    """
    path = Path(path)
    base = _official_base(path)
    if base is None:
        return find_images(path, recursive=recursive), None
    folder = base / _FACES
    return find_images(folder if is_folder(folder) else folder.with_suffix(".zip"), recursive=True), base


def open_photographs(
    path: str | Path,
    *,
    attributes: str | Path | None = None,
    part: Part | None = None,
    recursive: bool = False,
    limit: int | None = None,
) -> LabelledPhotographs:
    """The images under a path with what is known of them.

    Args:
        path: a file, a folder, a zip, or CelebA in its official layout.
        attributes: a table of labels: CSV with a header (``read_attributes``) or CelebA's
            ``list_attr_celeba.txt``. It may have rows of other images too.
        part: of an official layout; test by default.
        recursive: look into the sub-folders of a plain folder.
        limit: only the first this many images.

    Raises:
        DataError: no image is found, the table cannot be read, an image has no row in it, or two have one by their
            bare name.
        ConfigError: a part of what has no parts.
    """
    attributes = None if attributes is None else Path(attributes)
    refs, base = find_photographs(path, recursive=recursive)
    note = ""
    if base is None:
        if part is not None:
            raise ConfigError(
                f"images: {str(path)!r} is no CelebA in its official layout ({_FACES}/, list_attr_celeba.txt, "
                f"list_eval_partition.txt), so it has no part {part!r}; leave `split` out."
            )
    else:
        chosen = part or "test"
        refs = _of_part(refs, base, chosen)
        what = "all parts" if chosen == "all" else f"the {chosen} part"
        note = f"CelebA in its official layout: {len(refs):,} faces of {what}."
        if attributes is None:
            attributes = base / "list_attr_celeba.txt"
    every, refs = refs, refs if limit is None else refs[:limit]
    if attributes is None:
        return LabelledPhotographs(refs, None, "", base is not None, note)
    table = _rows(read_labels(attributes), refs, attributes, every=every)
    return LabelledPhotographs(refs, table, attributes.name, base is not None, note)


def read_labels(path: str | Path, *, attributes: Sequence[str] = ()) -> AttributeTable:
    """A table of attributes, CSV or in the form of CelebA's ``list_attr_celeba.txt``.

    Args:
        path: the table.
        attributes: of a CSV, the columns that are attributes; every one that can be when empty.

    Raises:
        DataError: it cannot be read as either; names the line.
    """
    path = Path(path)
    try:
        with open_file(path) as stream:
            first = stream.readline(4096).decode("utf-8-sig")
    except (OSError, UnicodeDecodeError):
        first = ""  # the reader gives the whole sentence
    if first.strip().isdigit():
        return read_signs(path)
    return read_attributes(path, known=_TEXTS, only=attributes)


def _official_base(path: Path) -> Path | None:
    for base in (path, path / "celeba", path.parent if path.stem == _FACES else None):
        if base is not None and is_file(base / "list_attr_celeba.txt"):
            faces = base / _FACES
            if is_folder(faces) or is_file(faces.with_suffix(".zip")):
                return base
    return None


def _of_part(refs: Sequence[ImageRef], base: Path, part: str) -> tuple[ImageRef, ...]:
    if part == "all":
        return tuple(refs)
    numbers = read_partition(base)
    found = tuple(ref for ref in refs if numbers.get(_bare(ref)) == PARTS[part])
    if not found:
        raise DataError(
            f"celeba: no image under {str(base / _FACES)!r} is of the part {part!r} by "
            "'list_eval_partition.txt'. Choose another `split`."
        )
    return found


def _rows(
    table: AttributeTable, refs: Sequence[ImageRef], path: Path, *, every: Sequence[ImageRef]
) -> AttributeTable:
    """The rows of some images, each by its path, or by its bare name where no other of ``every`` has that."""
    place = {file: i for i, file in enumerate(table.files)}
    alike: dict[str, list[str]] = {}
    for ref in every:
        alike.setdefault(_bare(ref), []).append(ref.name)
    for ref in refs:
        if ref.name not in place and _bare(ref) in place and len(names := alike[_bare(ref)]) > 1:
            raise DataError(
                f"attributes: {path.name!r} has a row {_bare(ref)!r}, but {len(names)} images have that name ({listed(names)}). "
                "Write the folder before it in the table, as in these names."
            )
    rows = [place.get(ref.name, place.get(_bare(ref))) for ref in refs]
    missing = [ref.name for ref, row in zip(refs, rows, strict=True) if row is None]
    if missing:
        raise DataError(
            f"attributes: {path.name!r} must have a row for each image, but {len(missing)} of {len(refs)} "
            f"have none ({', '.join(map(repr, missing[:3]))}). Add these rows, or give these images elsewhere."
        )
    kept = table.take([row for row in rows if row is not None])
    return replace(kept, files=tuple(ref.name for ref in refs))


def _bare(ref: ImageRef) -> str:
    return PurePosixPath(ref.name).name
