"""Shape checks that the metrics of pairs share."""

from jaxtyping import Float
from torch import Tensor

from cfsearch.errors import ShapeError


def flat_pair(
    x: Float[Tensor, "n *x"], y: Float[Tensor, "n *x"], *, who: str
) -> tuple[Float[Tensor, "n d"], Float[Tensor, "n d"]]:
    """Both as float64 with one flat row an instance.

    Raises:
        ShapeError: they are not of one shape, or hold no values.
    """
    if x.shape != y.shape or x.ndim < 2 or x[0:1].numel() == 0:
        raise ShapeError(
            f"{who}: expected two tensors of one shape (n, ...), got {tuple(x.shape)} and {tuple(y.shape)}."
        )
    return x.double().flatten(1), y.double().flatten(1)


def check_scores(scores: Tensor, other: Tensor, *, who: str) -> None:
    """Refuses scores that do not belong together.

    Raises:
        ShapeError: not ``(n, k)``, or not as many rows.
    """
    if scores.ndim != 2 or scores.shape[0] != other.shape[0]:
        raise ShapeError(
            f"{who}: expected scores of shape (n, k) and as many rows beside them, got "
            f"{tuple(scores.shape)} and {tuple(other.shape)}."
        )
