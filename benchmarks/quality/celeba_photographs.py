"""CelebA-HQ in memory: all faces of a part at one size, decoded once and kept in a folder git ignores."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

import numpy as np
import torch
from celeba_trial import ROOT, require_ignored
from jaxtyping import Bool, Float, Int64, UInt8
from numpy.typing import NDArray
from torch import Tensor

from cfsearch.datasets.images import read_attributes
from cfsearch.datasets.images.celeba import CelebAHQSource, Split

FOLDER: Final = ROOT / "scratch" / "celeba64"
"""Where everything that is learned or made from these faces goes, unless a command's options differ."""

_AT_ONCE: Final = 256


@final
@dataclass(frozen=True, slots=True, eq=False)
class Photographs:
    """Faces with their labels and who they are.

    Args:
        images: in 8 bits.
        labels: whether a face has each attribute.
        attributes: names of the labels.
        names: file names.
        people: a number for each person.
    """

    images: UInt8[np.ndarray, "n 3 s s"]
    labels: Bool[np.ndarray, "n a"]
    attributes: tuple[str, ...]
    names: tuple[str, ...]
    people: Int64[np.ndarray, " n"]

    def __len__(self) -> int:
        return len(self.images)

    def column(self, attribute: str) -> NDArray[np.bool_]:
        """Whether each face has this attribute."""
        return self.labels[:, self.attributes.index(attribute)]

    def columns(self, attributes: Sequence[str]) -> NDArray[np.bool_]:
        """Whether each face has these attributes, in this order."""
        return self.labels[:, [self.attributes.index(name) for name in attributes]]

    def take(self, rows: NDArray[np.int64]) -> "Photographs":
        """These faces alone, in this order."""
        return Photographs(
            self.images[rows],
            self.labels[rows],
            self.attributes,
            tuple(self.names[i] for i in rows),
            self.people[rows],
        )

    def x(self, rows: Sequence[int] | NDArray[np.int64] | slice) -> Float[Tensor, "n 3 s s"]:
        """These faces in canonical form."""
        return torch.from_numpy(np.array(self.images[rows])).float() / 255.0


def mark(*fingerprints: str) -> str:
    """Eight letters that stand for these models in a file's name."""
    return hashlib.sha256("\n".join(fingerprints).encode()).hexdigest()[:8]


def photographs(data: Path, *, split: Split, size: int = 64, cache: Path = FOLDER / "cache") -> Photographs:
    """All faces of a part with their forty labels."""
    require_ignored(cache)
    attributes = read_attributes(data / "attributes.csv", extra=("shard", "partition", "identity")).names
    source = CelebAHQSource(data, split=split, attributes=attributes, size=size, cache_bytes=0)
    kept = cache / f"{split}{size}.npy"
    if not kept.is_file():
        images = np.empty((len(source), 3, size, size), dtype=np.uint8)
        for start in range(0, len(source), _AT_ONCE):
            rows = range(start, min(start + _AT_ONCE, len(source)))
            pixels = (source.batch(rows).images * 255.0).round().to(torch.uint8)
            images[rows.start : rows.stop] = pixels.numpy()
        cache.mkdir(parents=True, exist_ok=True)
        half_done = kept.with_suffix(".tmp.npy")
        np.save(half_done, images)
        half_done.replace(kept)
    return Photographs(
        np.load(kept, mmap_mode="c"),
        source.labels.numpy() > 0.5,
        source.attributes,
        source.names,
        np.array([int(who) for who in source.identities]),
    )
