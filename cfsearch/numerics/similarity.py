"""Structural similarity of images: what an objective and a metric share."""

from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

_SIGMA: Final = 1.5
_RADIUS: Final = 5
_C1: Final = 0.01**2
_C2: Final = 0.03**2

WINDOW: Final = 2 * _RADIUS + 1
"""Pixels along a side of the window: smaller images have no SSIM."""


def ssim(x: Float[Tensor, "*n c h w"], y: Float[Tensor, "*m c h w"]) -> Float[Tensor, "*n"]:
    """Structural similarity of images in [0, 1], in [-1, 1]; 1 where they are equal.

    Mean over pixels and channels, Gaussian window of 11 x 11 with sigma 1.5, K = (0.01, 0.03),
    data range 1, population covariances, windows that stick out left out: the settings of the
    paper, and of scikit-image's ``structural_similarity(gaussian_weights=True, sigma=1.5,
    use_sample_covariance=False, data_range=1)``.

    Shapes:
        x and y broadcast; their sides are at least ``WINDOW``.

    References:
        Wang et al. 2004, *Image quality assessment: from error visibility to structural
        similarity*, https://doi.org/10.1109/TIP.2003.819861.

    Example:
        >>> x = torch.rand(1, 3, 16, 16, generator=torch.Generator().manual_seed(0))
        >>> round(ssim(x, x).item(), 4), round(ssim(torch.zeros(1, 1, 16, 16), torch.ones(1, 1, 16, 16)).item(), 4)
        (1.0, 0.0001)
    """
    # variances do not depend on a shift; a small one saves digits of bright images
    shift = y.mean((-2, -1), keepdim=True)
    x, y = x - shift, y - shift
    mean_x, mean_y = _blur(x), _blur(y)
    var_x = _blur(x * x) - mean_x * mean_x
    var_y = _blur(y * y) - mean_y * mean_y
    cov = _blur(x * y) - mean_x * mean_y
    mean_x, mean_y = mean_x + shift, mean_y + shift
    luminance = (2 * mean_x * mean_y + _C1) / (mean_x * mean_x + mean_y * mean_y + _C1)
    structure = (2 * cov + _C2) / (var_x + var_y + _C2)
    return (luminance * structure).mean((-3, -2, -1))


def _blur(image: Float[Tensor, "*n h w"]) -> Float[Tensor, "*n h_ w_"]:
    """Gaussian-weighted mean of every whole window.

    Separable, as two products with a band matrix: ten times faster than a depthwise convolution
    on a CPU, and not rounded to TF32 on a GPU, as convolutions are by default.
    """
    h, w = image.shape[-2:]
    return _band(h, like=image).T @ (image @ _band(w, like=image))


def _band(size: int, *, like: Tensor) -> Float[Tensor, "size inner"]:
    """Column j holds the window of output j: its weights in rows j to j + 10."""
    place = torch.arange(size, dtype=like.dtype, device=like.device)
    offset = place[:, None] - place[None, : size - 2 * _RADIUS] - _RADIUS
    weight = torch.exp(-0.5 * (offset / _SIGMA) ** 2).masked_fill(offset.abs() > _RADIUS, 0.0)
    return weight / weight.sum(0)
