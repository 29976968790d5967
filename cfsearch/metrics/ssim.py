"""Structural similarity (SSIM) of images."""

from jaxtyping import Float
from torch import Tensor

from cfsearch.errors import ShapeError
from cfsearch.numerics.similarity import WINDOW
from cfsearch.numerics.similarity import ssim as _ssim


def ssim(x: Float[Tensor, "n c h w"], y: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
    """Structural similarity of images in [0, 1], in [-1, 1]; see ``cfsearch.numerics.similarity.ssim``.

    Raises:
        ShapeError: no two batches of images of one shape, or they are smaller than the window.

    Example:
        >>> import torch
        >>> x = torch.zeros(1, 3, 16, 16)
        >>> round(ssim(x, x).item(), 4)
        1.0
    """
    if x.shape != y.shape or x.ndim != 4 or min(x.shape[2:]) < WINDOW:
        raise ShapeError(
            f"ssim: expected two batches of images of at least {WINDOW} x {WINDOW} pixels, got "
            f"{tuple(x.shape)} and {tuple(y.shape)}."
        )
    return _ssim(x.double(), y.double())
