"""Coherence: stability of counterfactuals over similar inputs."""

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.errors import ConfigError

from ._pairs import flat_pair


def coherence(
    x: Float[Tensor, "n *x"], y: Float[Tensor, "n *x"], *, most: int, threshold: float = 1e-3
) -> Float[Tensor, " n"]:
    """Local Lipschitz estimate: largest ratio of counterfactual to input distance; smaller is better.

    For each original the largest ``||y_i - y_o|| / ||x_i - x_o||`` over the others that differ from it
    in at most ``most`` features. NaN where there is none, so take ``nanmean``; copies of the original
    say nothing and do not count. Both in one scale (standardised, or over the range).

    Args:
        x: originals.
        y: the counterfactual of each.
        most: features in which neighbours may differ (the paper's epsilon, which it does not give).
        threshold: a smaller difference is none.

    Raises:
        ConfigError: ``most`` is under 1 or ``threshold`` is not positive.
        ShapeError: the two are not of one shape.

    References:
        Jung et al. 2020, equation 11, https://arxiv.org/abs/2008.01897 (there written argmax; its
        table 6 holds the maximum).

    Example:
        >>> x = torch.tensor([[0.0, 0.0], [1.0, 0.0]])
        >>> coherence(x, torch.tensor([[0.0, 0.0], [3.0, 0.0]]), most=1).tolist()  # three times as far apart
        [3.0, 3.0]
    """
    if most < 1 or not threshold > 0:
        raise ConfigError(f"coherence: `most` must be >= 1 and `threshold` > 0, got {most!r}, {threshold!r}.")
    a, b = flat_pair(x, y, who="coherence")
    differ = torch.zeros(len(a), len(a), dtype=torch.int32, device=a.device)
    for column in a.T:
        differ += (column[:, None] - column[None]).abs() >= threshold
    apart = torch.cdist(a, a, compute_mode="donot_use_mm_for_euclid_dist")
    moved = torch.cdist(b, b, compute_mode="donot_use_mm_for_euclid_dist")
    near = (differ >= 1) & (differ <= most)
    ratio = torch.where(near, moved / apart, -torch.inf).amax(1)
    return torch.where(near.any(1), ratio, torch.nan)
