"""An independent judge of directions in the plane: the nearest point of the other class, by brute force."""

from collections.abc import Callable
from typing import Final, NamedTuple

import numpy as np
from scipy.spatial import cKDTree

Classes = Callable[[np.ndarray], np.ndarray]
"""From points ``(n, 2)`` in the data's own units to their classes 0 and 1."""

_SIDE: Final = 3.5
_STEP: Final = 0.025
"""The grid, in standard deviations: how far it reaches from the mean, and from point to point."""

_ARC: Final = 200
"""Points by which each half moon's arc is drawn; scikit-learn draws 5,000 for as many samples."""


class Nearest(NamedTuple):
    """The way from points to the nearest boundary, in standard deviations.

    Shapes:
        step ``(n, 2)`` ends on the boundary, up to half a grid step; same ``(n,)``: is the point on
        the side of the boundary that it was assigned to?
    """

    step: np.ndarray
    same: np.ndarray


def nearest(
    classes: Classes, x: np.ndarray, *, assigned: np.ndarray, mean: np.ndarray, std: np.ndarray
) -> Nearest:
    """Steps from x to the nearest boundary of ``classes``, found on a grid around the mean.

    Shapes:
        x ``(n, 2)`` in the data's own units; assigned ``(n,)`` classes; mean, std ``(2,)``.
    """
    line = np.arange(-_SIDE, _SIDE, _STEP)
    grid = np.stack(np.meshgrid(line, line, indexing="ij"), axis=-1)
    found = classes(grid.reshape(-1, 2) * std + mean).reshape(len(line), len(line))
    across, along = found[1:] != found[:-1], found[:, 1:] != found[:, :-1]
    edge = np.concatenate([(grid[1:] + grid[:-1])[across] / 2, (grid[:, 1:] + grid[:, :-1])[along] / 2])
    z = (x - mean) / std
    return Nearest(edge[cKDTree(edge).query(z)[1]] - z, classes(x) == assigned)


def moons_classes(x: np.ndarray, *, noise: float = 0.2) -> np.ndarray:
    """The likelier half moon of each point: scikit-learn's two arcs, blurred by the noise."""
    angle = np.linspace(0.0, np.pi, _ARC)
    upper = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    lower = np.stack([1.0 - np.cos(angle), 0.5 - np.sin(angle)], axis=1)
    return (_blurred(x, lower, noise=noise) > _blurred(x, upper, noise=noise)).astype(int)


def blob_classes(
    x: np.ndarray, *, share: float = 0.2, centre: float = 0.5, width: float = 0.25
) -> np.ndarray:
    """The likelier class of each point: 0 below the line x1 + x2 = 0, and beyond it where the blob is denser."""
    cloud = (1.0 - share) * np.exp(-(x**2).sum(1) / 2.0)
    blob = share * np.exp(-((x - centre) ** 2).sum(1) / (2.0 * width**2)) / width**2
    return ((x.sum(1) >= 0.0) & (cloud > blob)).astype(int)


def _blurred(x: np.ndarray, arc: np.ndarray, *, noise: float) -> np.ndarray:
    """Log of the density of an arc's points blurred by a normal distribution, up to a constant."""
    squares = (x**2).sum(1)[:, None] - 2.0 * x @ arc.T + (arc**2).sum(1)
    exponent = -squares / (2.0 * noise**2)
    top = exponent.max(1)
    return np.asarray(top + np.log(np.exp(exponent - top[:, None]).sum(1)))
