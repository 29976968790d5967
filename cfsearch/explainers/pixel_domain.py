"""Domain of images and spectrograms: gradients with respect to pixels."""

from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cfsearch.contracts.domain import Domain
from cfsearch.errors import ConfigError


@final
class PixelDomain(Domain):
    """Domain whose numbers are the pixels and whose features are squares of pixels with all channels.

    What starts from a grey picture stays grey: gradients differ from channel to channel, as a model
    weighs colours differently, but a colour is no change of a picture that has none.

    Args:
        shape: (channels, height, width).
        block: side of a feature in pixels; 1 for single pixels, 4 for the blocks of Jung et al. 2020.
            The last block of a line is smaller where the side does not divide the image.

    Raises:
        ConfigError: no such shape, or a block below 1.
    """

    def __init__(self, shape: tuple[int, ...], *, block: int = 1) -> None:
        if len(shape) != 3 or min(shape) < 1:
            raise ConfigError(f"pixel domain: expected (channels, height, width), got {shape!r}.")
        if block < 1:
            raise ConfigError(f"pixel domain: `block` must be at least 1, got {block!r}.")
        channels, height, width = shape
        self.shape: tuple[int, ...] = shape
        self.block = block
        self.layout: tuple[int, ...] = (-(-height // block), -(-width // block))
        rows, columns = torch.arange(height) // block, torch.arange(width) // block
        plane = rows[:, None] * self.layout[1] + columns[None, :]
        self.owner: Tensor = plane.expand(channels, height, width).contiguous()

    def encode(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return x.float()

    def project(
        self, u: Float[Tensor, "b c h w"], *, origin: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, "b c h w"]:
        if self.shape[0] > 1:
            grey = (origin == origin[:, :1]).flatten(1).all(1)[:, None, None, None]
            alike = origin + (u - origin).mean(1, keepdim=True)
            u = torch.where(grey, alike, u)
        return u.clamp(0.0, 1.0).to(origin.dtype)

    def free(self, x: Float[Tensor, "b c h w"]) -> Bool[Tensor, "b f"]:
        return torch.ones(len(x), self.features, dtype=torch.bool, device=x.device)

    def bounds(self, x: Float[Tensor, "b c h w"]) -> tuple[Tensor, Tensor]:
        return torch.zeros_like(x, dtype=torch.float32), torch.ones_like(x, dtype=torch.float32)
