"""What `cfsearch train` learns from: rendered faces, a folder with a table, CelebA."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from cfsearch.datasets import faces
from cfsearch.errors import ConfigError

if TYPE_CHECKING:
    from cfsearch.trainer import Source

RENDERED = "faces"
_CHUNK = 256


class _Labelled(NamedTuple):
    images: Tensor
    labels: Tensor

    def signed(self, device: torch.device) -> "_Labelled":
        """On [-1, 1], float32, on a device."""
        return _Labelled(self.images.to(device).float() / 127.5 - 1.0, self.labels.to(device, torch.float32))


@final
class RenderedFaces:
    """Rendered people with true re-renders of their edits.

    Half of them follow the natural joint distribution of attributes, as the faces that will be
    edited do; half the independent one, so that rare combinations are learned as well.

    Args:
        n: people, at least 2.
        seed: the same seed gives the same people.
        size: side in pixels.
    """

    def __init__(self, n: int, *, seed: int, size: int) -> None:
        if n < 2:
            raise ConfigError(f"--people: at least 2 are needed, got {n}.")
        self._size = size
        self._halves = (
            faces.faces(n - n // 2, seed=seed * 2, size=size, joint="natural"),
            faces.faces(n // 2, seed=seed * 2 + 1, size=size, joint="independent"),
        )

    @property
    def attributes(self) -> tuple[str, ...]:
        """The thirteen attributes of the renderer."""
        return faces.ATTRIBUTES

    def __len__(self) -> int:
        return sum(len(half) for half in self._halves)

    def batch(self, indices: Sequence[int]) -> _Labelled:
        """These people."""
        first = len(self._halves[0])
        picked = [(self._halves[i >= first], i - first * (i >= first)) for i in indices]
        images = np.stack([half.images[row] for half, row in picked])
        labels = np.stack([half.attributes[row] for half, row in picked])
        return _Labelled(torch.from_numpy(images), torch.from_numpy(labels))

    def pairs(self, indices: Sequence[int], targets: Tensor) -> Tensor:
        """The same people with other attributes, all else held fixed."""
        first = len(self._halves[0])
        rows = np.asarray(indices)
        wanted = targets.numpy().astype(np.float32)
        out = np.empty((len(rows), 3, self._size, self._size), dtype=np.float32)
        for number, half in enumerate(self._halves):
            own = (rows >= first) == bool(number)
            if own.any():
                out[own] = faces.render(
                    wanted[own], half.nuisances[rows[own] - first * number], size=self._size
                )
        return torch.from_numpy(out)


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
            "train: give --data faces, --data FOLDER with --attributes CSV, or --celeba ROOT; one of them."
        )
    if celeba is not None:
        return _celeba(celeba, names=names, size=size, limit=limit)
    if data == RENDERED:  # a folder of that name is ./faces
        if tuple(names) not in ((), faces.ATTRIBUTES):
            raise ConfigError(
                f"train: rendered faces have the attributes {', '.join(faces.ATTRIBUTES)}, in this order."
            )
        return RenderedFaces(people, seed=seed, size=size)
    from cfsearch.datasets.images import ImageFolderSource, read_attributes

    if table is None:
        raise ConfigError(
            f"train: --data {data} needs --attributes CSV: one row an image, one column an attribute."
        )
    found = read_attributes(table)
    if limit is not None:
        found = found.take(list(range(min(limit, len(found)))))
    return ImageFolderSource(Path(str(data)), table=found, attributes=list(names) or None, size=size)


def _celeba(root: Path, *, names: Sequence[str], size: int, limit: int | None) -> "Source":
    from cfsearch.datasets.celeba import CelebAHQSource, CelebASource

    chosen = tuple(names) or faces.ATTRIBUTES
    if any(root.glob("images-*.zip")):
        return CelebAHQSource(root, attributes=chosen, size=size, limit=limit)
    return CelebASource(root, attributes=chosen, size=size, limit=limit)
