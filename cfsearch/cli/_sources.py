"""Labelled images of `cfsearch train` and `cfsearch measure`: rendered faces, a folder with a table, CelebA."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from cfsearch.datasets import faces
from cfsearch.errors import ConfigError, DataError

from ._labelled import PEOPLE
from ._output import note

if TYPE_CHECKING:
    from cfsearch.contracts.trainer import Source
    from cfsearch.datasets.images.celeba import Split

RENDERED: Final = "faces"


def open_source(
    data: str | None,
    *,
    celeba: Path | None,
    table: Path | None,
    names: Sequence[str],
    size: int,
    people: int | None,
    seed: int,
    limit: int | None,
    parts: "Sequence[Split]" = ("train",),
) -> "Source":
    """The images that the flags mean.

    Args:
        data: rendered faces, or a folder or zip of images.
        celeba: a folder of CelebA or CelebA-HQ.
        table: the labels of a folder.
        names: which attributes; all when empty.
        size: side of the images.
        people: how many rendered faces; None where it was left out.
        seed: of rendered faces.
        limit: only the first so many images.
        parts: of CelebA, the first of these official parts that has faces.

    Raises:
        ConfigError: none or two were named, a folder without its table, or options that do not go with it.
        DataError: they cannot be read.
    """
    if (data is None) == (celeba is None):
        raise ConfigError(
            "give --data faces, --data FOLDER with --attributes CSV, or --celeba ROOT; one of them."
        )
    rendered = celeba is None and data == RENDERED  # a folder of that name is ./faces
    if table is not None and (rendered or celeba is not None):
        what = "rendered faces have labels of their own" if rendered else "CelebA has labels of its own"
        raise ConfigError(f"--attributes goes with --data FOLDER; {what}. Leave it out, or name a folder.")
    if rendered and limit is not None:
        raise ConfigError(
            f"--limit does not go with rendered faces, which are as many as --people says. Give --people {limit} instead."
        )
    if people is not None and not rendered:
        raise ConfigError(
            f"--people goes with --data faces, of which it is the number. Give --limit {people} for the first so many images."
        )
    if celeba is not None:
        return _celeba(celeba, names=names, size=size, limit=limit, parts=parts)
    if rendered:
        if tuple(names) not in ((), faces.ATTRIBUTES):
            raise ConfigError(
                f"rendered faces have the attributes {', '.join(faces.ATTRIBUTES)}, in this order."
            )
        from cfsearch.datasets.faces.training import RenderedFaces

        return RenderedFaces(PEOPLE if people is None else people, seed=seed, size=size)
    from cfsearch.datasets.images import ImageFolderSource
    from cfsearch.datasets.images.labelled import read_labels

    if table is None:
        raise ConfigError(f"--data {data} needs --attributes CSV: one row an image, one column an attribute.")
    found = read_labels(table, attributes=names)
    if limit is not None:
        found = found.take(list(range(min(limit, len(found)))))
    return ImageFolderSource(Path(str(data)), table=found, attributes=list(names) or None, size=size)


def _celeba(
    root: Path, *, names: Sequence[str], size: int, limit: int | None, parts: "Sequence[Split]"
) -> "Source":
    from cfsearch.datasets.images.celeba import CelebAHQSource, CelebASource, EmptyPartError

    zipped = any(root.glob("images-*.zip"))
    family: type[CelebAHQSource] | type[CelebASource] = CelebAHQSource if zipped else CelebASource
    chosen = tuple(names) or faces.ATTRIBUTES
    for part in parts:
        try:
            source = family(root, split=part, attributes=chosen, size=size, limit=limit)
        except EmptyPartError:
            continue
        if part != parts[0]:
            note(f"{str(root)!r} has no faces of the {parts[0]} part; those of the {part} part are taken.")
        return source
    raise DataError(
        f"celeba: {str(root)!r} has no faces of the part {' or '.join(parts)}. Give other images, with --data FOLDER and "
        "--attributes CSV."
    )
