"""Rendered faces as a source of training: a pool of people, true re-renders on demand."""

from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from torch import Tensor

from cfsearch.datasets import faces
from cfsearch.generators.attgan_data import Faces


@final
class RenderedFaces:
    """A ``PairedSource`` of rendered faces.

    Half of the people follow the natural joint distribution of attributes, as the faces that
    will be edited do; half the independent one, so that rare combinations are learned as well.

    Args:
        n: people.
        seed: the same seed gives the same people.
        size: side in pixels.
    """

    def __init__(self, n: int, *, seed: int, size: int = 64) -> None:
        self.size = size
        halves = [
            faces.faces(n - n // 2, seed=seed * 2, size=size, joint="natural"),
            faces.faces(n // 2, seed=seed * 2 + 1, size=size, joint="independent"),
        ]
        self._halves = halves
        self._images = torch.from_numpy(np.concatenate([half.images for half in halves]))
        self._labels = torch.from_numpy(np.concatenate([half.attributes for half in halves]))

    @property
    def attributes(self) -> tuple[str, ...]:
        return faces.ATTRIBUTES

    def __len__(self) -> int:
        return len(self._images)

    def batch(self, indices: Sequence[int]) -> Faces:
        rows = list(indices)
        return Faces(self._images[rows], self._labels[rows])

    def pairs(self, indices: Sequence[int], targets: Tensor) -> Tensor:
        rows = np.asarray(indices)
        first = len(self._halves[0])
        out = np.empty((len(rows), 3, self.size, self.size), dtype=np.float32)
        values = targets.numpy().astype(np.float32)
        for half, own, offset in (
            (self._halves[0], rows < first, 0),
            (self._halves[1], rows >= first, first),
        ):
            if own.any():
                nuisances = half.nuisances[rows[own] - offset]
                out[own] = faces.render(values[own], nuisances, size=self.size)
        return torch.from_numpy(out)
