"""Labelled images of `cfsearch train` and `cfsearch measure`: rendered faces, a folder with a table, CelebA."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from cfsearch.datasets import faces
from cfsearch.errors import ConfigError

if TYPE_CHECKING:
    from cfsearch.contracts.trainer import Source

RENDERED = "faces"


def open_source(
    data: str | None,
    *,
    celeba: Path | None,
    table: Path | None,
    names: Sequence[str],
    size: int,
    people: int,
    seed: int,
    limit: int | None,
) -> "Source":
    """The images that the flags mean.

    Raises:
        ConfigError: none or two were named, or a folder without its table.
        DataError: they cannot be read.
    """
    if (data is None) == (celeba is None):
        raise ConfigError(
            "give --data faces, --data FOLDER with --attributes CSV, or --celeba ROOT; one of them."
        )
    if celeba is not None:
        return _celeba(celeba, names=names, size=size, limit=limit)
    if data == RENDERED:  # a folder of that name is ./faces
        if tuple(names) not in ((), faces.ATTRIBUTES):
            raise ConfigError(
                f"rendered faces have the attributes {', '.join(faces.ATTRIBUTES)}, in this order."
            )
        from cfsearch.datasets.faces.training import RenderedFaces

        return RenderedFaces(people, seed=seed, size=size)
    from cfsearch.datasets.images import ImageFolderSource, read_attributes

    if table is None:
        raise ConfigError(f"--data {data} needs --attributes CSV: one row an image, one column an attribute.")
    found = read_attributes(table)
    if limit is not None:
        found = found.take(list(range(min(limit, len(found)))))
    return ImageFolderSource(Path(str(data)), table=found, attributes=list(names) or None, size=size)


def _celeba(root: Path, *, names: Sequence[str], size: int, limit: int | None) -> "Source":
    from cfsearch.datasets.images.celeba import CelebAHQSource, CelebASource

    chosen = tuple(names) or faces.ATTRIBUTES
    if any(root.glob("images-*.zip")):
        return CelebAHQSource(root, attributes=chosen, size=size, limit=limit)
    return CelebASource(root, attributes=chosen, size=size, limit=limit)
