"""Small changes of pictures: noise, recompression, shifts, blur, brightness."""

import io
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

MOST_CHANGES: Final = 100
"""Small changes of one input, at most."""

PICTURE_CHANGES: Final = (
    "noise of one level of 255, JPEG recompression (quality 95 to 80), a shift by one pixel, blur (standard deviation 0.3 "
    "to 0.6 pixels) and brightness (1 or 2 levels of 255), in turn"
)
"""What is tried of pictures, in words."""

_SHIFTS: Final = ((0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, -1), (1, -1), (-1, 1))
_QUALITIES: Final = (95, 90, 85, 80)
_BLURS: Final = (0.3, 0.4, 0.5, 0.6)
_BRIGHTNESS: Final = (1, -1, 2, -2)


def perturbed_pictures(x: Float[Tensor, "n c h w"], *, changes: int, seed: int) -> Float[Tensor, "n m c h w"]:
    """Small changes of each picture, each in 8 bits a channel again: five kinds in turn.

    Noise (each value one level of 255 up, down or as it is), JPEG recompression (qualities 95, 90, 85, 80), shifts by one
    pixel in eight directions (the edge is repeated), Gaussian blur (standard deviation 0.3, 0.4, 0.5, 0.6 pixels)
    and brightness (1 or 2 levels of 255 up and down). Where a kind has no more of its own, noise takes its turn.

    Args:
        x: pictures in [0, 1].
        changes: how many of each; the first ones of more are the same.
        seed: decides the noise, which is the same on each picture.

    Example:
        >>> import torch
        >>> few = perturbed_pictures(torch.full((1, 3, 8, 8), 0.5), changes=10, seed=0)
        >>> few.shape, [round(float(one.mean() * 255 - 128)) for one in few[0, [4, 9]]]  # brightness of 128
        (torch.Size([1, 10, 3, 8, 8]), [1, -1])
    """
    levels = (x.clamp(0.0, 1.0) * 255.0).round()
    made = [_changed(levels, j, seed=seed) for j in range(changes)]
    stacked = torch.stack(made, dim=1) if made else levels[:, None][:, :0]
    return stacked.round().clamp(0.0, 255.0) / 255.0


def _changed(levels: Tensor, j: int, *, seed: int) -> Tensor:
    """Pictures in levels of 255 after the ``j``-th change."""
    turn, kind = divmod(j, 5)
    if kind == 1 and turn < len(_QUALITIES):
        return torch.stack([_recompressed(one, quality=_QUALITIES[turn]) for one in levels]).to(levels)
    if kind == 2 and turn < len(_SHIFTS):
        down, right = _SHIFTS[turn]
        around = functional.pad(levels, (1, 1, 1, 1), mode="replicate")
        h, w = levels.shape[-2:]
        return around[..., 1 - down : 1 - down + h, 1 - right : 1 - right + w]
    if kind == 3 and turn < len(_BLURS):
        return _blurred(levels, sigma=_BLURS[turn])
    if kind == 4 and turn < len(_BRIGHTNESS):
        return levels + _BRIGHTNESS[turn]
    draw = torch.Generator().manual_seed((seed * MOST_CHANGES + j) % 2**63)
    return levels + torch.randint(-1, 2, levels.shape[1:], generator=draw).to(levels)


def _recompressed(levels: Float[Tensor, "c h w"], *, quality: int) -> Tensor:
    """One picture written as JPEG and read again; other than three channels, each alone in grey."""
    from PIL import Image

    pixels = levels.detach().cpu().to(torch.uint8).numpy()
    planes = [pixels.transpose(1, 2, 0)] if len(pixels) == 3 else list(pixels)
    read = []
    for plane in planes:
        file = io.BytesIO()
        Image.fromarray(np.ascontiguousarray(plane)).save(file, "JPEG", quality=quality)
        read.append(np.asarray(Image.open(file)))
    again = read[0].transpose(2, 0, 1) if len(pixels) == 3 else np.stack(read)
    return torch.from_numpy(np.ascontiguousarray(again))


def _blurred(levels: Float[Tensor, "n c h w"], *, sigma: float) -> Tensor:
    at = torch.arange(-2, 3, dtype=levels.dtype, device=levels.device)
    kernel = torch.exp(-0.5 * (at / sigma) ** 2)
    kernel = kernel / kernel.sum()
    n, c, h, w = levels.shape
    planes = functional.pad(levels.reshape(n * c, 1, h, w), (2, 2, 2, 2), mode="replicate")
    across = functional.conv2d(planes, kernel.reshape(1, 1, 1, 5))
    return functional.conv2d(across, kernel.reshape(1, 1, 5, 1)).reshape(n, c, h, w)
