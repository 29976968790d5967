"""Procedural portraits whose attributes are known and can be changed one at a time.

Example:
    >>> import numpy as np
    >>> from cfsearch.datasets import faces
    >>> data = faces.faces(4, seed=0)
    >>> data.images.shape, data.images.dtype
    ((4, 3, 64, 64), dtype('uint8'))
    >>> with_glasses = faces.do(data.attributes, name="Eyeglasses", value=1.0)
    >>> faces.render(with_glasses, data.nuisances).shape
    (4, 3, 64, 64)
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from cfsearch.datasets.face_attributes import ATTRIBUTES, EXCLUSIVE_GROUPS

from ._attributes import (
    F32,
    Joint,
    do,
    sample_attributes,
    sample_planted,
    without,
)
from ._nuisances import Nuisances, sample_nuisances
from ._render import render

__all__ = [
    "ATTRIBUTES",
    "EXCLUSIVE_GROUPS",
    "FaceSet",
    "Joint",
    "Nuisances",
    "do",
    "faces",
    "quantise",
    "render",
    "sample_attributes",
    "sample_nuisances",
    "sample_planted",
    "without",
]


@final
@dataclass(frozen=True)
class FaceSet:
    """Portraits, and all that determined them; take rows with ``data[rows]``.

    Shapes:
        ``images`` ``(n, 3, size, size)`` RGB of 0 to 255, ``attributes`` ``(n, 13)``,
        ``nuisances`` of ``n`` faces.
    """

    images: NDArray[np.uint8]
    attributes: F32
    nuisances: Nuisances

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, rows: slice | NDArray[np.integer] | NDArray[np.bool_]) -> "FaceSet":
        return FaceSet(self.images[rows], self.attributes[rows], self.nuisances[rows])


def faces(n: int, *, seed: int, size: int = 64, joint: Joint = "natural") -> FaceSet:
    """Portraits of ``n`` people, as a data set on disk would hold them.

    In the natural joint long hair goes with women; in the independent one with nothing.

    Args:
        n: number of faces, >= 0.
        seed: the same seed gives the same people.
        size: side in pixels, a multiple of 16 from 32.
        joint: distribution of the attributes, see ``sample_attributes``.

    Raises:
        ConfigError: a setting is outside its range.
    """
    rng = np.random.default_rng(seed)
    attributes = sample_attributes(n, rng=rng, joint=joint)
    seen = attributes if joint == "natural" else None
    nuisances = sample_nuisances(n, rng=rng, attributes=seen)
    images = np.empty((n, 3, size, size), dtype=np.uint8)
    for start in range(0, n, 64):
        rows = slice(start, start + 64)
        images[rows] = quantise(render(attributes[rows], nuisances[rows], size=size))
    return FaceSet(images, attributes, nuisances)


def quantise(images: F32) -> NDArray[np.uint8]:
    """Pictures in [0, 1] as 8-bit values, rounded to the nearest."""
    rounded: NDArray[np.uint8] = np.rint(images * np.float32(255.0)).astype(np.uint8)
    return rounded
