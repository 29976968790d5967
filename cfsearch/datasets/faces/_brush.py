"""The sheet that a batch of faces is painted on, and the brushes.

Only operations that IEEE 754 rounds correctly (+ - * / sqrt, comparisons, rounding) touch
pixels, so that a face is the same to the last bit in any batch and on any machine.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

# float32 all through; the type of a product with a plain number says less.
Plane: TypeAlias = NDArray[np.floating]
Values: TypeAlias = Mapping[str, Plane]  # name -> (n, 1, 1), or (n, 3, 1, 1) for a colour

ZOOM, CENTRE = 1.2, 0.05  # the mean head in the image: how large, how far down

# How far a pose can move a point of the head; windows are widened by it.
_SCALE, _TURN, _SHIFT = 1.09 * ZOOM, 0.16, 0.07


@final
@dataclass(frozen=True, slots=True)
class Sheet:
    """A window of the image and where its pixels lie on the heads.

    Heads are about 0.9 wide and 1.3 high, y downwards, eyes near 0, chin near 0.6.

    Shapes:
        ``image`` ``(n, 3, h, w)``; ``u`` ``(1, w)``, ``v`` ``(h, 1)`` the image's own
        coordinates in [-1, 1]; ``x``, ``y`` on the upright head and ``fx``, ``fy`` on the
        turned face, ``(n, h, w)``; ``shade``, the light that falls on the skin (1 is full),
        ``shine``, what it reflects, and ``head``, the signed distance to the outline of the
        head, ``(n, h, w)``; ``pixel``, the size of one,
        ``(n, 1, 1)``.
    """

    image: Plane
    u: Plane
    v: Plane
    x: Plane
    y: Plane
    fx: Plane
    fy: Plane
    shade: Plane
    shine: Plane
    head: Plane
    pixel: Plane

    def window(self, *, top: float, bottom: float, half_width: float = 0.7) -> "Sheet":
        """The part of this whole sheet that surely shows the given part of the heads."""
        slack = _SCALE * _TURN * half_width + _SHIFT
        side = _SCALE * (half_width + _TURN * max(abs(top), abs(bottom))) + _SHIFT
        size = self.u.size
        rows = _span(_SCALE * top - slack + CENTRE, _SCALE * bottom + slack + CENTRE, size)
        columns = _span(-side, side, size)
        return Sheet(
            image=self.image[:, :, rows, columns],
            u=self.u[:, columns],
            v=self.v[rows],
            x=self.x[:, rows, columns],
            y=self.y[:, rows, columns],
            fx=self.fx[:, rows, columns],
            fy=self.fy[:, rows, columns],
            shade=self.shade[:, rows, columns],
            shine=self.shine[:, rows, columns],
            head=self.head[:, rows, columns],
            pixel=self.pixel,
        )

    def paint(self, alpha: Plane, colour: Plane) -> None:
        """Lay ``colour`` over the image with opacity ``alpha``."""
        change = colour - self.image
        change *= alpha[:, None]
        np.add(self.image, change, out=self.image)

    def edge(self, distance: Plane, blur: float = 0.0) -> Plane:
        """1 where ``distance`` is negative, 0 outside, soft over a pixel or ``blur``."""
        return ramp(distance, np.maximum(self.pixel * 1.25, np.float32(blur)))


def _span(low: float, high: float, size: int) -> slice:
    start = int(np.floor((low + 1.0) / 2.0 * size))
    stop = int(np.ceil((high + 1.0) / 2.0 * size))
    return slice(max(0, start), min(size, stop))


def ramp(distance: Plane, width: Plane) -> Plane:
    """Straight ramp from 1 to 0, ``width`` long, around distance 0."""
    t = distance * (-1.0 / width)
    t += 0.5
    return np.clip(t, 0.0, 1.0, out=t)


def smooth(t: Plane) -> Plane:
    """Smooth step: 0 below 0, 1 above 1, no kinks."""
    t = np.clip(t, 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def blob(x: Plane, y: Plane, rx: float | Plane, ry: float | Plane) -> Plane:
    """Round hill of height 1 at the origin that ends smoothly on the ellipse."""
    px, py = x * (1.0 / rx), y * (1.0 / ry)
    px *= px
    py *= py
    px += py
    np.subtract(1.0, px, out=px)
    np.maximum(px, 0.0, out=px)
    px *= px
    return px


def wave(cycles: Plane) -> Plane:
    """Sine of a number of cycles, from parabolas."""
    u = cycles - np.rint(cycles)
    return u * (8.0 - 16.0 * np.abs(u))


def mix(a: Plane | float, b: Plane | float, t: Plane) -> Plane:
    """``a`` at ``t`` = 0, ``b`` at ``t`` = 1."""
    return a + (b - a) * t


def colour(*rgb: float) -> Plane:
    """A colour for every face, ``(1, 3, 1, 1)``."""
    return np.array(rgb, dtype=np.float32).reshape(1, 3, 1, 1)


def palette(position: Plane, stops: Mapping[float, tuple[float, float, float]]) -> Plane:
    """Colours at positions between stops, ``(n,)`` -> ``(n, 3, 1, 1)``."""
    at = list(stops)
    rgb = np.array(list(stops.values()))
    found = np.stack([np.interp(position, at, rgb[:, c]) for c in range(3)], axis=1)
    return found.astype(np.float32)[:, :, None, None]


def add_noise(image: Plane, *, seed: NDArray[np.uint32], level: Plane) -> None:
    """Add sensor noise that depends on each face's own seed alone, then clip to [0, 1]."""
    cells = np.arange(image[0].size, dtype=np.uint32).reshape(image[0].shape)
    h = cells * np.uint32(0x9E3779B1) + seed[:, None, None, None] * np.uint32(0x85EBCA6B)
    for shift, factor in ((16, 0x7FEB352D), (15, 0x846CA68B)):
        h ^= h >> np.uint32(shift)
        h *= np.uint32(factor)
    h ^= h >> np.uint32(16)
    total = (h & np.uint32(0xFFFF)) + (h >> np.uint32(16))  # two dice: a triangle
    noise = total.astype(np.float32)
    noise -= np.float32(65535.0)
    noise *= level[:, None, None, None] * np.float32(6.0**0.5 / 65536.0)
    np.add(image, noise, out=image)
    np.clip(image, 0.0, 1.0, out=image)
