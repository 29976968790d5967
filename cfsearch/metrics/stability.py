"""Stability: agreement of an explainer's explanations over trainings."""

import torch
from jaxtyping import Float
from torch import Tensor

from ._pairs import flat_pair


def cosine(first: Float[Tensor, "n *x"], second: Float[Tensor, "n *x"]) -> Float[Tensor, " n"]:
    """Cosine between two explanations of each instance (changes or attributions), in [-1, 1].

    Two that are both zero say the same: 1. Where only one is zero: 0.

    Raises:
        ShapeError: the two are not of one shape.

    References:
        Chapman-Rounds et al. 2019, *EMAP: Explanation by Minimal Adversarial Perturbation*.

    Example:
        >>> import torch
        >>> first, second = torch.tensor([[1.0, 0.0], [1.0, 1.0]]), torch.tensor([[0.0, 2.0], [2.0, 2.0]])
        >>> [round(v, 4) for v in cosine(first, second).tolist()]
        [0.0, 1.0]
    """
    a, b = flat_pair(first, second, who="cosine")
    # each over its largest entry first: squares of tiny changes would vanish
    high_a, high_b = a.abs().amax(1, keepdim=True), b.abs().amax(1, keepdim=True)
    value = torch.nn.functional.cosine_similarity(
        a / torch.where(high_a > 0, high_a, 1.0), b / torch.where(high_b > 0, high_b, 1.0), dim=1
    )
    none = ((high_a == 0) & (high_b == 0))[:, 0]
    return torch.where(none, 1.0, value).clamp(-1.0, 1.0)
