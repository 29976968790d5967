"""Diversity of the counterfactuals of one instance.

Both take the distances between them: ``Variables.gower_table`` for tables, ``torch.cdist`` else.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.errors import ShapeError


def mean_distance(between: Float[Tensor, "n n"]) -> float:
    """Mean distance over all pairs; 0 where there are fewer than two.

    References:
        Mothilal, Sharma and Tan 2020, *DiCE*, section 3.3, https://arxiv.org/abs/1905.07697.

    Example:
        >>> mean_distance(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))
        1.0
    """
    n = _check(between)
    if n < 2:
        return 0.0
    return float(between.double().triu(1).sum() / (n * (n - 1) / 2))


def determinant(between: Float[Tensor, "n n"]) -> float:
    """``det K`` with ``K_ij = 1 / (1 + d_ij)``: 0 where two are the same, near 1 where all are far apart.

    References:
        Mothilal, Sharma and Tan 2020, *DiCE*, equation 1, after determinantal point processes.

    Example:
        >>> determinant(torch.tensor([[0.0, 1.0], [1.0, 0.0]]))  # 1 x 1 - 1/2 x 1/2
        0.75
    """
    n = _check(between)
    return float(torch.linalg.det(1.0 / (1.0 + between.double()))) if n else 1.0


def _check(between: Tensor) -> int:
    n = len(between)
    if tuple(between.shape) != (n, n):
        raise ShapeError(f"diversity: expected distances of shape (n, n), got {tuple(between.shape)}.")
    return n
