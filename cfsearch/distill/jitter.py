"""Label-preserving augmentation of pictures: rotation, translation, scaling, bending."""

import math
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from cfsearch.errors import ConfigError


@final
@dataclass(frozen=True, slots=True)
class Jitter:
    """Random affine and elastic augmentation of pictures, with its ranges.

    What comes in from outside repeats the border.

    Args:
        turn: degrees to each side.
        shift: share of the side, to each side.
        scale: 0.1 for 0.9 to 1.1 times.
        shear: tangent of the angle, to each side.
        bend: root mean square of the elastic displacement, as a share of the side.
        smooth: standard deviation of the blur that makes the displacement smooth, as a share of
            the side; > 0.

    Raises:
        ConfigError: a setting is negative or not finite.

    References:
        Simard, Steinkraus and Platt 2003, Best practices for convolutional neural networks
        applied to visual document analysis (elastic deformations).
    """

    turn: float = 0.0
    shift: float = 0.0
    scale: float = 0.0
    shear: float = 0.0
    bend: float = 0.0
    smooth: float = 0.14

    def __post_init__(self) -> None:
        values = (self.turn, self.shift, self.scale, self.shear, self.bend)
        if any(not 0.0 <= v < math.inf for v in values) or not 0.0 < self.smooth < 1.0 or self.scale >= 1.0:
            raise ConfigError(
                f"jitter: settings must be finite numbers >= 0 (`scale` under 1, `smooth` in (0, 1)), got {self!r}."
            )

    def __call__(self, x: Float[Tensor, "n c h w"], *, rng: torch.Generator) -> Float[Tensor, "n c h w"]:
        """Each picture changed; ``rng`` is on the CPU."""
        n, _, h, w = x.shape
        if n == 0:
            return x.clone()

        def even(limit: float) -> Tensor:
            return (torch.rand(n, generator=rng) * 2.0 - 1.0) * limit

        angle, size, shear = even(math.radians(self.turn)), torch.exp(even(self.scale)), even(self.shear)
        cos, sin = torch.cos(angle) / size, torch.sin(angle) / size
        # normalised coordinates run from -1 to 1, so a side is 2
        down, right = even(2.0 * self.shift), even(2.0 * self.shift)
        top = torch.stack([cos, shear * cos - sin, right], dim=1)
        bottom = torch.stack([sin, shear * sin + cos, down], dim=1)
        theta = torch.stack([top, bottom], dim=1).to(x)
        grid = functional.affine_grid(theta, [n, 1, h, w], align_corners=False)
        if self.bend:
            grid = grid + self._bent(n, h=h, w=w, rng=rng).to(x)
        return functional.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)

    def _bent(self, n: int, *, h: int, w: int, rng: torch.Generator) -> Float[Tensor, "n h w 2"]:
        noise = torch.rand(n, 2, h, w, generator=rng) * 2.0 - 1.0
        for axis, side in ((2, h), (3, w)):
            noise = _blurred(noise, axis=axis, sigma=self.smooth * side)
        strength = noise.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(1e-12)
        return (noise / strength * (2.0 * self.bend)).permute(0, 2, 3, 1)


def _blurred(noise: Tensor, *, axis: int, sigma: float) -> Tensor:
    """A product with a matrix of Gaussian weights, each row summing to 1."""
    side = noise.shape[axis]
    place = torch.arange(side, dtype=noise.dtype)
    weights = torch.softmax(-((place[:, None] - place[None]) ** 2) / (2.0 * sigma**2), dim=1)
    return torch.movedim(torch.movedim(noise, axis, -1) @ weights.T, -1, axis)
