"""CelebA in its official layout, and CelebA-HQ as zips with a table.

Both data sets are for non-commercial research, and so are weights trained on them; no image of
them belongs into a repository. cfsearch never downloads them: give the folder that you have.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final, Literal, TypeAlias, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.datasets.face_attributes import ATTRIBUTES
from cfsearch.errors import ConfigError, DataError
from cfsearch.files import read_text
from cfsearch.places import is_file, is_folder

from . import AttributeTable, Crop, ImageFolderSource, LabelledImages, read_attributes

Split: TypeAlias = Literal["train", "valid", "test"]
"""CelebA's official parts; no person is in two of them."""

PARTS: Final = {"train": "0", "valid": "1", "test": "2"}
"""How ``list_eval_partition.txt`` numbers the parts."""

_HQ_PARTS: Final = {"train": "train", "valid": "val", "test": "test"}
_VALUES: Final = {"-1": False, "1": True}


class EmptyPartError(DataError):
    """No face of the data set is of the part that was named."""


class _Part(ABC):
    """The faces of one official part, read from a folder or zips, with their labels."""

    def __init__(self, faces: ImageFolderSource) -> None:
        self._faces = faces
        self.attributes: tuple[str, ...] = faces.attributes

    def __len__(self) -> int:
        return len(self._faces)

    @property
    def names(self) -> tuple[str, ...]:
        """The file name of each face."""
        return self._faces.table.files

    @property
    @abstractmethod
    def identities(self) -> tuple[str, ...]:
        """The person on each face."""

    @property
    def labels(self) -> Float[Tensor, "n a"]:
        """The labels of all faces, 0 or 1, without decoding one."""
        return self._faces.labels

    @property
    def fingerprint(self) -> str:
        """Digest of the names, the labels and some of the files."""
        return self._faces.fingerprint

    def batch(self, indices: Sequence[int]) -> LabelledImages:
        """These faces and their labels, in this order."""
        return self._faces.batch(indices)


@final
class CelebASource(_Part):
    """The aligned faces of CelebA, cropped as AttGAN is trained.

    ``root`` is torchvision's: it holds (or is) the folder ``celeba`` with ``img_align_celeba/``
    or ``img_align_celeba.zip``, ``list_attr_celeba.txt``, ``list_eval_partition.txt`` and, for
    ``identities``, ``identity_CelebA.txt``.

    Args:
        root: where the data set lies.
        split: which of the official parts.
        attributes: which of the forty, in this order; the paper's thirteen by default.
        size: side in pixels. To 64 px the part of 148 x 148 at (top 40, left 15) is kept, above
            that 170 x 170 at (26, 3), both of 178 x 218.
        limit: only the first this many faces of the part.
        cache_bytes: memory for decoded images.

    Raises:
        DataError: a file is missing or not as it should be; names the line.
        ConfigError: an unknown split, or a limit below 1.

    References:
        Liu et al. 2015, Deep Learning Face Attributes in the Wild,
        https://arxiv.org/abs/1411.7766.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        split: Split = "train",
        attributes: Sequence[str] = ATTRIBUTES,
        size: int = 128,
        limit: int | None = None,
        cache_bytes: int = 2**30,
    ) -> None:
        root = Path(root)
        base = root / "celeba" if is_folder(root / "celeba") else root
        table = _official(base)
        rows = _rows(table.extra["partition"], part=split, parts=PARTS, limit=limit)
        folder = base / "img_align_celeba"
        faces = ImageFolderSource(
            folder if is_folder(folder) else folder.with_suffix(".zip"),
            table=table.take(rows),
            attributes=attributes,
            size=size,
            crop=crop_for(size),
            cache_bytes=cache_bytes,
        )
        super().__init__(faces)
        self._base = base

    @property
    def identities(self) -> tuple[str, ...]:
        """The person on each face."""
        who = _pairs(self._base / "identity_CelebA.txt")
        missing = [name for name in self.names if name not in who]
        if missing:
            raise DataError(
                f"celeba: 'identity_CelebA.txt' must name every face, but {missing[0]!r} is "
                "not in it. Take the whole file from the data set."
            )
        return tuple(who[name] for name in self.names)


@final
class CelebAHQSource(_Part):
    """Faces of CelebA-HQ from ``images-*.zip`` and ``attributes.csv`` in one folder.

    The table has the columns file, shard, partition (train or val), identity and the forty
    attributes as -1 or 1. The faces are aligned already; nothing is cropped.

    Args:
        root: the folder.
        split: which of CelebA's official parts.
        attributes: which of the forty, in this order; the paper's thirteen by default.
        size: side in pixels.
        limit: only the first this many faces of the part.
        cache_bytes: memory for decoded images.

    Raises:
        DataError: a file is missing or not as it should be, or the part is empty.
        ConfigError: an unknown split, or a limit below 1.

    References:
        Karras et al. 2018, Progressive Growing of GANs, https://arxiv.org/abs/1710.10196.
    """

    def __init__(
        self,
        root: str | Path,
        *,
        split: Split = "train",
        attributes: Sequence[str] = ATTRIBUTES,
        size: int = 128,
        limit: int | None = None,
        cache_bytes: int = 2**30,
    ) -> None:
        root = Path(root)
        zips = sorted(root.glob("images-*.zip"))
        if not zips:
            raise DataError(
                f"celeba_hq: {str(root)!r} must hold images-0.zip and so on, but there is no "
                "such file. Give the folder of the data set."
            )
        table = read_attributes(root / "attributes.csv", extra=("shard", "partition", "identity"))
        rows = _rows(table.extra["partition"], part=split, parts=_HQ_PARTS, limit=limit)
        faces = ImageFolderSource(
            zips, table=table.take(rows), attributes=attributes, size=size, cache_bytes=cache_bytes
        )
        super().__init__(faces)

    @property
    def identities(self) -> tuple[str, ...]:
        """The person on each face."""
        return self._faces.table.extra["identity"]


def crop_for(size: int) -> Crop:
    """The part of an aligned face of 178 x 218 that AttGAN is trained on at this size."""
    return Crop(top=40, left=15, side=148) if size <= 64 else Crop(top=26, left=3, side=170)


def _rows(column: Sequence[str], *, part: str, parts: dict[str, str], limit: int | None) -> list[int]:
    if part not in parts:
        raise ConfigError(f"celeba: `split` must be one of {', '.join(parts)}, got {part!r}. Choose one.")
    if limit is not None and limit < 1:
        raise ConfigError(f"celeba: `limit` must be 1 or more, or left out, got {limit!r}.")
    rows = [i for i, value in enumerate(column) if value == parts[part]]
    if not rows:
        raise EmptyPartError(
            f"celeba: the part {part!r} must have faces, but no row of the table is marked "
            f"{parts[part]!r}. Choose another split."
        )
    return rows[:limit]


def read_signs(path: str | Path) -> AttributeTable:
    """The table in the form of ``list_attr_celeba.txt``: a count, the names, a face a line with -1 or 1.

    Raises:
        DataError: it cannot be read as such a table; names the line.
    """
    path = Path(path)
    lines = _lines(path)
    names = tuple(lines[1].split()) if len(lines) > 1 else ()
    if not names:
        raise _error(path, 2, "must hold the names of the attributes")
    files: dict[str, None] = {}
    values: list[list[bool]] = []
    for number, line in enumerate(lines[2:], start=3):
        file, *cells = line.split() or [""]
        if not file:
            continue
        if len(cells) != len(names):
            raise _error(path, number, f"must have {len(names)} values, got {len(cells)}")
        if file in files:
            raise _error(path, number, f"names {file!r} again")
        files[file] = None
        try:
            values.append([_VALUES[cell] for cell in cells])
        except KeyError as error:
            raise _error(path, number, f"must have values -1 or 1, got {error.args[0]!r}") from error
    if lines[0].strip() != str(len(files)):
        raise _error(path, 1, f"announces {lines[0].strip()!r} faces, but {len(files)} follow")
    return AttributeTable(
        files=tuple(files),
        names=names,
        values=torch.from_numpy(np.array(values, dtype=np.bool_).reshape(len(files), len(names))),
        extra={},
    )


def read_partition(base: Path) -> dict[str, str]:
    """The part of each face, as ``PARTS`` numbers them, from ``list_eval_partition.txt``.

    Raises:
        DataError: there is no such file, or a line is no file with its number.
    """
    return _pairs(base / "list_eval_partition.txt")


def _official(base: Path) -> AttributeTable:
    """The forty attributes of every face, and its part."""
    table, partition = read_signs(base / "list_attr_celeba.txt"), read_partition(base)
    missing = [file for file in table.files if file not in partition]
    if missing:
        raise DataError(
            f"celeba: 'list_eval_partition.txt' must name every face, but {missing[0]!r} is not "
            "in it. Take the whole file from the data set."
        )
    return replace(table, extra={"partition": tuple(partition[file] for file in table.files)})


def _pairs(path: Path) -> dict[str, str]:
    found = {}
    for number, line in enumerate(_lines(path), start=1):
        cells = line.split()
        if cells and len(cells) != 2:
            raise _error(path, number, f"must have a file and a number, got {len(cells)} cells")
        if cells:
            found[cells[0]] = cells[1]
    return found


def _lines(path: Path) -> list[str]:
    if not is_file(path):
        raise DataError(
            f"celeba: {str(path)!r} must be a text file of the data set, but there is none. Give "
            "the folder that holds `celeba/`, as torchvision lays it out."
        )
    try:
        return read_text(path).split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"celeba: {str(path)!r} must be readable text, got {type(error).__name__}. Take the "
            "file from the data set again."
        ) from error


def _error(path: Path, line: int, what: str) -> DataError:
    return DataError(f"celeba: {path.name!r}, line {line} {what}. Take the file from the data set again.")
