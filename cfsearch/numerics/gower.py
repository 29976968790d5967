"""Gower's distance: the mean over variables of differences on one scale."""

from collections.abc import Sequence
from typing import Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

_PIECE: Final = 2**16
"""Distances of one variable that are held at a time."""


def gower(change: Float[Tensor, "*n v"], *, categorical: Bool[Tensor, " v"]) -> Float[Tensor, "*n"]:
    """``1/v sum_i g_i`` with ``g_i = min(|change_i|, 1)``, and ``[change_i != 0]`` for a category; in [0, 1].

    Args:
        change: differences of two rows, as shares of each variable's range.
        categorical: which variables have values without an order.

    References:
        Gower 1971, *A general coefficient of similarity and some of its properties*,
        https://doi.org/10.2307/2528823.

    Example:
        >>> change = torch.tensor([0.5, 0.0, 1.0])  # shares of the range; the last is a category
        >>> round(gower(change, categorical=torch.tensor([False, False, True])).item(), 4)
        0.5
    """
    share = change.abs().clamp_max(1.0)
    distance: Tensor = torch.where(categorical, (change != 0).to(change.dtype), share).mean(-1)
    return distance


def gower_table(
    a: Float[Tensor, "n v"], b: Float[Tensor, "r v"], *, categorical: Sequence[bool]
) -> Float[Tensor, "n r"]:
    """``gower(a[i] - b[j])`` for every pair, one variable at a time so that memory stays small.

    Args:
        a: rows, each variable as a share of its range.
        b: other rows, likewise.
        categorical: which variables have values without an order.

    Example:
        >>> rows, others = torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, 1.0], [0.5, 2.0]])
        >>> gower_table(rows, others, categorical=[False, True]).tolist()
        [[0.0, 0.75]]
    """
    a, b = a.T, b.T.contiguous()
    out = torch.zeros(a.shape[1], b.shape[1], dtype=a.dtype, device=a.device)
    piece = max(1, _PIECE // max(1, b.shape[1]))
    for at in range(0, len(out), piece):
        total = out[at : at + piece]
        for i, category in enumerate(categorical):
            mine = a[i, at : at + piece, None]
            total += mine != b[i] if category else (mine - b[i]).abs_().clamp_(max=1.0)
    return out / len(categorical)
