"""A generator for any image: smooth brightness or colour changes on a coarse grid."""

import hashlib
import json
import math
from abc import ABC
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Self, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import interpolate

from cfsearch.contracts.generator import Critic, Describer, Generator
from cfsearch.contracts.space import SearchSpace
from cfsearch.errors import ConfigError, ShapeError

_SMALLEST: Final = 4
_SETTINGS = ("size", "grid", "max_change", "colour")
_OLD_NAMES = {"reach": "max_change"}
"""Names of settings before; where both are given the new one counts."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class PixelsState:
    """The queries' own pixels, ``(b, c, h, w)``."""

    x: Float[Tensor, "b c h w"]


class _Grid(Generator[PixelsState], Describer, ABC):
    """What both pixel generators share: x' = clamp(x + upsample(z))."""

    def __init__(
        self, *, size: tuple[int, int], grid: int = 6, max_change: float = 0.6, colour: bool = False
    ) -> None:
        height, width = size
        if min(height, width) < _SMALLEST:
            raise ConfigError(
                f"pixels: `size` must be at least {_SMALLEST} x {_SMALLEST}, got {height} x {width}. Give a larger "
                "picture, or `size` in the sidecar of the model."
            )
        if not 1 <= grid <= min(height, width):
            raise ConfigError(f"pixels: `grid` must lie in 1 to {min(height, width)}, got {grid!r}.")
        if not 0.0 < max_change <= 1.0:
            raise ConfigError(f"pixels: `max_change` must lie in (0, 1], got {max_change!r}.")
        self.shape: tuple[int, ...] = (3, height, width)
        self._grid, self._max_change, self._colour = grid, float(max_change), colour

    @property
    def _names(self) -> tuple[str, ...]:
        cells = [f"row {r + 1} column {c + 1}" for r in range(self._grid) for c in range(self._grid)]
        if not self._colour:
            return tuple(cells)
        return tuple(f"{cell} {hue}" for hue in ("red", "green", "blue") for cell in cells)

    def encode(self, x: Float[Tensor, "b c h w"]) -> PixelsState:
        if x.ndim != 4 or tuple(x.shape[1:]) != self.shape:
            raise ShapeError(f"pixels: expected images of shape (b, {self.shape}), got {tuple(x.shape)}.")
        return PixelsState(x.clone())

    def select(self, state: PixelsState, i: int) -> PixelsState:
        return PixelsState(state.x[i : i + 1])

    def space(self, state: PixelsState) -> SearchSpace:
        bound = state.x.new_full((len(state.x), len(self._names)), self._max_change)
        return SearchSpace(names=self._names, lower=-bound, upper=bound, dead_zone=0.05 * self._max_change)

    def decode(self, state: PixelsState, z: Float[Tensor, "b n d"]) -> Float[Tensor, "b n c h w"]:
        b, n, _ = z.shape
        change = z.reshape(b * n, -1, self._grid, self._grid)
        change = interpolate(change, size=self.shape[1:], mode="bilinear", align_corners=False)
        change = change.reshape(b, n, -1, *self.shape[1:])
        return (state.x[:, None] + change).clamp(0.0, 1.0)

    def words(
        self, x: Float[Tensor, "c h w"], others: Float[Tensor, "n c h w"]
    ) -> tuple[tuple[str, ...], ...]:
        """The cells that became brighter or darker, the largest change first: "row 1 column 2: 12 % darker".

        A cell's change is found back from the pictures by least squares; where pixels ended at black or white
        it is the part of the change that can be seen.
        """
        height, width = self.shape[1:]
        gap = (others - x).double()
        gap = gap if self._colour else gap.mean(1, keepdim=True)
        rows, columns = (_weights(side, self._grid).to(gap.device) for side in (height, width))
        cells = torch.linalg.pinv(rows) @ gap @ torch.linalg.pinv(columns).T
        percent = (cells.flatten(1) * 100.0).round()
        least = 100.0 * 0.05 * self._max_change
        return tuple(
            tuple(
                self._worded(self._names[j], int(change[j]))
                for j in change.abs().argsort(descending=True, stable=True).tolist()
                if abs(int(change[j])) >= max(1.0, least)
            )
            for change in percent
        )

    def _worded(self, name: str, percent: int) -> str:
        if not self._colour:
            return f"{name}: {abs(percent)} % {'brighter' if percent > 0 else 'darker'}"
        cell, _, hue = name.rpartition(" ")
        return f"{cell}: {abs(percent)} % {'more' if percent > 0 else 'less'} {hue}"

    def _print(self, *parts: bytes) -> str:
        settings = json.dumps([self.shape, self._grid, self._max_change, self._colour]).encode()
        return hashlib.sha256(b"pixels/1" + settings + b"".join(parts)).hexdigest()


def _weights(side: int, cells: int) -> Float[Tensor, "s g"]:
    """How much each cell counts at each of ``side`` places, as ``decode`` spreads it."""
    each = torch.eye(cells, dtype=torch.float64)[:, None, :, None]
    return interpolate(each, size=(side, 1), mode="bilinear", align_corners=False)[:, 0, :, 0].T


@final
class Pixels(_Grid):
    """Adds a smooth change on a ``grid`` x ``grid`` lattice to the query's own pixels.

    Needs no training and fits any image; its changes mean places, not attributes. Has no
    critic: for plausibility give it a folder of reference images (``PixelsWithDensity``).

    Args:
        size: height and width of the images.
        grid: cells along each side.
        max_change: largest change of a cell, as a share of the full range, in (0, 1].
        colour: one variable a channel (3 grid^2) instead of one a cell (grid^2).

    Shapes:
        ``z`` ``(b, n, grid^2)`` -> ``(b, n, 3, height, width)``.

    Raises:
        ConfigError: a setting is out of range.

    Example:
        >>> import torch
        >>> generator = Pixels(size=(8, 8), grid=1)  # one cell: all pixels alike
        >>> state = generator.encode(torch.full((1, 3, 8, 8), 0.25))
        >>> generator.decode(state, torch.tensor([[[0.5]]])).mean().item()
        0.75
    """

    name: ClassVar[str] = "pixels"

    @classmethod
    def open(cls, source: Path | None, *, settings: Mapping[str, Any]) -> "Pixels":
        settings = {new: settings[old] for old, new in _OLD_NAMES.items() if old in settings} | {
            key: value for key, value in settings.items() if key not in _OLD_NAMES
        }
        unknown = [key for key in settings if key not in _SETTINGS]
        if unknown or source is not None:
            what = f"unknown setting {unknown[0]!r}" if unknown else f"unexpected file {source}"
            raise ConfigError(f"pixels: {what}; it takes {', '.join(_SETTINGS)} and no file.")
        if "size" not in settings:
            raise ConfigError("pixels: `size` = [height, width] is needed.")
        return cls(**settings)

    def with_density(
        self, reference: Float[Tensor, "r c h w"], *, components: int = 32
    ) -> "PixelsWithDensity":
        """The same with a density of reference images as its critic."""
        return PixelsWithDensity(
            reference=reference,
            components=components,
            size=(self.shape[1], self.shape[2]),
            grid=self._grid,
            max_change=self._max_change,
            colour=self._colour,
        )

    def to(self, device: str) -> Self:
        return self

    @property
    def fingerprint(self) -> str:
        return self._print()


@final
class PixelsWithDensity(_Grid, Critic):
    """``Pixels`` with a plausibility: the log-density of probabilistic PCA on reference images.

    Args:
        reference: at least 10 images of the kind that is searched.
        components: dimensions of the principal subspace.
        size, grid, max_change, colour: as for ``Pixels``.

    Shapes:
        reference ``(r, 3, height, width)``; realism ``(b, n, ...)`` -> ``(b, n)``, nats a pixel value.

    Raises:
        ConfigError: too few reference images.
        ShapeError: reference images of another size.

    References:
        Tipping and Bishop 1999, Probabilistic principal component analysis, eq. 5 and 7.
    """

    name: ClassVar[str] = "pixels"
    critic_kind = "log-density under probabilistic PCA of the reference images"

    def __init__(
        self,
        *,
        reference: Float[Tensor, "r c h w"],
        size: tuple[int, int],
        components: int = 32,
        grid: int = 6,
        max_change: float = 0.6,
        colour: bool = False,
    ) -> None:
        super().__init__(size=size, grid=grid, max_change=max_change, colour=colour)
        if tuple(reference.shape[1:]) != self.shape:
            raise ShapeError(
                f"pixels: expected reference images of shape (r, {self.shape}), got {tuple(reference.shape)}."
            )
        if len(reference) < 10:
            raise ConfigError(f"pixels: a density needs at least 10 reference images, got {len(reference)}.")
        rows = reference.flatten(1).double()
        self._mean = rows.mean(0)
        _, singular, basis = torch.linalg.svd(rows - self._mean, full_matrices=False)
        variance = singular**2 / len(rows)
        # keep at most two thirds of what was seen: the rest estimates the noise
        q = max(1, min(components, 2 * len(variance) // 3))
        left = rows.shape[1] - q
        noise = max(float((rows - self._mean).pow(2).sum() / len(rows) - variance[:q].sum()) / left, 1e-4)
        self._basis = basis[:q]
        self._variance = variance[:q].clamp_min(noise)
        self._noise = noise
        log_det = float(self._variance.log().sum()) + left * math.log(noise)
        self._constant = -0.5 * (rows.shape[1] * math.log(2 * math.pi) + log_det)

    @classmethod
    def open(cls, source: Path | None, *, settings: Mapping[str, Any]) -> "PixelsWithDensity":
        raise ConfigError("pixels: a density is made with Pixels.with_density(reference).")

    def realism(self, x: Float[Tensor, "b n *x"]) -> Float[Tensor, "b n"]:
        rows: Tensor = x.flatten(2).double() - self._mean.to(x.device)
        along = rows @ self._basis.T.to(x.device)
        inside = (along**2 / self._variance.to(x.device)).sum(-1)
        outside = (rows.pow(2).sum(-1) - along.pow(2).sum(-1)).clamp_min(0.0) / self._noise
        density = self._constant - 0.5 * (inside + outside)
        found: Tensor = (density / rows.shape[-1]).to(x.dtype)
        return found

    def to(self, device: str) -> Self:
        return self

    @property
    def fingerprint(self) -> str:
        return self._print(
            self._mean.cpu().numpy().tobytes(),
            self._basis.cpu().numpy().tobytes(),
            repr(self._noise).encode(),
        )
