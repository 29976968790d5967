"""Overlap similarity of records: weighted share of equal attributes."""

from jaxtyping import Float
from torch import Tensor

from cfsearch.errors import ShapeError
from cfsearch.numerics.differing import differing

from ._pairs import flat_pair


def overlap(
    x: Float[Tensor, "n d"], y: Float[Tensor, "n d"], *, weights: Float[Tensor, " d"] | None = None
) -> Float[Tensor, " n"]:
    """Weighted share of attributes that are equal: ``sum_k w_k [x_k = y_k]``, in [0, 1].

    Made for categories; bring numbers to their steps (or bins) first, as 39.0 and 39.1 differ.

    Args:
        x: records, levels as their index.
        y: records to compare them with, one each.
        weights: of the attributes, summing to 1; 1/d each when left out.

    Raises:
        ShapeError: the records or weights do not fit each other.

    References:
        Haffar et al. 2022, section 5.1; Boriah, Chandola and Kumar 2008, *Similarity measures for
        categorical data*, https://doi.org/10.1137/1.9781611972788.22.

    Example:
        >>> import torch
        >>> overlap(torch.tensor([[0.0, 1.0, 2.0, 3.0]]), torch.tensor([[0.0, 1.0, 2.0, 0.0]])).tolist()
        [0.75]
    """
    a, b = flat_pair(x, y, who="overlap")
    same = (~differing(a, b)).double()
    if weights is None:
        return same.mean(1)
    if weights.shape != same.shape[1:] or abs(float(weights.sum()) - 1.0) > 1e-6:
        raise ShapeError(
            f"overlap: expected {same.shape[1]} weights that sum to 1, got {weights.tolist()!r}."
        )
    return same @ weights.to(same)
