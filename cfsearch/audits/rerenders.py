"""The true re-render of a face that is nearest to a picture: what a counterfactual image truly shows.

A rendered face can be rendered again with other attributes and everything else the same. Which of these pictures is nearest to
a counterfactual image, by mean absolute difference of pixels, is found by enumeration: from the face as it is, every attribute
at every level is tried, the best one taken, and so on until no step brings a re-render nearer.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np
from jaxtyping import Float, UInt8
from numpy.typing import NDArray

from cfsearch.datasets import faces
from cfsearch.errors import ShapeError

LEVELS: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
"""Strengths at which attributes are rendered."""

_LEAST: Final = 5e-4
"""A change is read only where it brings the re-render nearer by so much (an eighth of a grey level a pixel)."""

_VISIBLE: Final = 0.1


@final
@dataclass(frozen=True, slots=True, eq=False)
class Reading:
    """The nearest true re-render of one picture.

    Args:
        attributes: its strengths.
        image: the re-render.
        distance: mean absolute difference of the picture to it, pixels in [0, 1].
        changes: attributes that differ from the face's own by more than a tenth, with their direction: "+Eyeglasses".

    Shapes:
        attributes ``(13,)``; image ``(3, s, s)``.
    """

    attributes: Float[np.ndarray, " a"]
    image: UInt8[np.ndarray, "3 s s"]
    distance: float
    changes: tuple[str, ...]


@final
class Rerenders:
    """All re-renders of one face, made when they are needed and kept.

    Args:
        face: one face, with all that determined it.

    Raises:
        ShapeError: not one face.

    Example:
        >>> from cfsearch.datasets import faces
        >>> face = faces.faces(1, seed=3)
        >>> glasses = faces.do(face.attributes, name="Eyeglasses", value=1.0)
        >>> found = Rerenders(face).nearest(faces.quantise(faces.render(glasses, face.nuisances))[0])
        >>> found.changes, found.distance
        (('+Eyeglasses',), 0.0)
    """

    def __init__(self, face: faces.FaceSet) -> None:
        if len(face) != 1:
            raise ShapeError(
                f"re-renders: expected one face, got {len(face)}. Take it with `data[i : i + 1]`."
            )
        self._face = face
        self._images: dict[bytes, NDArray[np.uint8]] = {face.attributes[0].tobytes(): face.images[0]}

    def image(self, attributes: Float[np.ndarray, " a"]) -> UInt8[np.ndarray, "3 s s"]:
        """The face with these attributes.

        Args:
            attributes: strengths in [0, 1].
        """
        self._draw([attributes])
        return self._images[attributes.tobytes()]

    def nearest(self, picture: UInt8[np.ndarray, "3 s s"]) -> Reading:
        """The true re-render that is nearest to a picture.

        Args:
            picture: of the size of the face.

        Raises:
            ShapeError: another size.
        """
        if picture.shape != self._face.images[0].shape:
            raise ShapeError(
                f"re-renders: expected a picture of shape {self._face.images[0].shape}, got {picture.shape}."
            )
        target = picture.astype(np.int16)
        here = self._face.attributes[0]
        gap = self._distances([here], target)[0]
        tried: Sequence[str] = faces.ATTRIBUTES
        while True:
            moves = [
                (name, to)
                for name in tried
                for value in LEVELS
                if not np.array_equal(to := faces.do(here, name=name, value=value), here)
            ]
            gaps = self._distances([to for _, to in moves], target)
            best = int(np.argmin(gaps))
            if gap - gaps[best] < _LEAST:
                if len(tried) == len(faces.ATTRIBUTES):
                    return self._reading(here, gap)
                tried = faces.ATTRIBUTES  # one more look at all of them before it ends
                continue
            if len(tried) == len(faces.ATTRIBUTES):  # only what helps by itself is tried again at once
                helpful = {name for (name, _), one in zip(moves, gaps, strict=True) if gap - one >= _LEAST}
                tried = tuple(name for name in faces.ATTRIBUTES if name in helpful)
            here, gap = moves[best][1], gaps[best]

    def _reading(self, attributes: NDArray[np.float32], distance: float) -> Reading:
        moved = attributes - self._face.attributes[0]
        changes = tuple(
            f"{'+' if moved[j] > 0 else '-'}{name}"
            for j, name in enumerate(faces.ATTRIBUTES)
            if abs(moved[j]) > _VISIBLE
        )
        return Reading(attributes, self.image(attributes), float(distance), changes)

    def _distances(self, attributes: Sequence[NDArray[np.float32]], target: NDArray[np.int16]) -> list[float]:
        self._draw(attributes)
        return [float(np.abs(self._images[one.tobytes()] - target).mean()) / 255.0 for one in attributes]

    def _draw(self, attributes: Sequence[NDArray[np.float32]]) -> None:
        missing = {one.tobytes(): one for one in attributes if one.tobytes() not in self._images}
        if not missing:
            return
        values = np.stack(list(missing.values()))
        nuisances = self._face.nuisances[np.zeros(len(values), dtype=np.int64)]
        images = faces.quantise(faces.render(values, nuisances, size=self._face.images.shape[-1]))
        self._images |= dict(zip(missing, images, strict=True))
