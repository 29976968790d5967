"""Frechet distance of two sets of inputs, in the features of a network."""

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.errors import ShapeError


def frechet_distance(features: Float[Tensor, "n d"], others: Float[Tensor, "m d"]) -> float:
    """The squared Frechet distance between normal distributions with these means and covariances.

    With features of Inception v3 it is the "FID". It depends on the features and, for small sets, on
    their sizes: compare it only with another one from the same network and sizes, such as that
    between two halves of real data.

    Raises:
        ShapeError: not two sets of at least two rows with as many features.

    References:
        Heusel et al. 2017, GANs trained by a two time-scale update rule,
        https://arxiv.org/abs/1706.08500.

    Example:
        >>> features = torch.tensor([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0]])
        >>> round(frechet_distance(features, features + torch.tensor([3.0, 4.0])), 4)  # the means are 5 apart
        25.0
    """
    shapes = tuple(features.shape), tuple(others.shape)
    if any(len(s) != 2 or s[0] < 2 for s in shapes) or shapes[0][1] != shapes[1][1]:
        raise ShapeError(
            f"frechet_distance: expected features (n, d) and (m, d), n and m >= 2, got {shapes}."
        )
    a, b = features.double(), others.double()
    first, second = (torch.cov(x.T).reshape(x.shape[1], x.shape[1]) for x in (a, b))
    values, vectors = torch.linalg.eigh(first)
    root = vectors * values.clamp_min(0.0).sqrt() @ vectors.T
    # the trace of the root of a product is that of the root of this symmetric matrix alike to it
    shared = torch.linalg.eigvalsh(root @ second @ root).clamp_min(0.0).sqrt().sum()
    gap = (a.mean(0) - b.mean(0)).square().sum()
    return float((gap + first.trace() + second.trace() - 2.0 * shared).clamp_min(0.0))
