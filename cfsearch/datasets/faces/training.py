"""Rendered faces as a source of training: people, and true re-renders of their edits."""

import hashlib
from collections.abc import Sequence
from typing import NamedTuple, final

import numpy as np
import torch
from torch import Tensor

from cfsearch.datasets import faces
from cfsearch.errors import ConfigError


class LabelledFaces(NamedTuple):
    """Images ``(n, 3, s, s)``, uint8, with their labels ``(n, 13)``."""

    images: Tensor
    labels: Tensor


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

    def __init__(self, n: int, *, seed: int, size: int = 64) -> None:
        if n < 2:
            raise ConfigError(f"rendered faces: at least 2 people are needed, got {n}.")
        self._size = size
        self._seed = seed
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

    def batch(self, indices: Sequence[int]) -> LabelledFaces:
        """These people."""
        first = len(self._halves[0])
        picked = [(self._halves[i >= first], i - first * (i >= first)) for i in indices]
        images = np.stack([half.images[row] for half, row in picked])
        labels = np.stack([half.attributes[row] for half, row in picked])
        return LabelledFaces(torch.from_numpy(images), torch.from_numpy(labels))

    @property
    def fingerprint(self) -> str:
        """Digest of what decides the people: how many, the seed and the size."""
        return hashlib.sha256(f"rendered {len(self)} {self._seed} {self._size}".encode()).hexdigest()

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
