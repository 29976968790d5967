"""Validity: the share of counterfactuals that reach the target class."""

from jaxtyping import Float, Int
from torch import Tensor

from cfsearch.contracts.records import flipped
from cfsearch.numerics.intervals import Interval, wilson

from ._pairs import check_scores


def validity(
    scores: Float[Tensor, "n k"], *, source: Int[Tensor, " n"], target: Int[Tensor, " n"]
) -> Interval | None:
    """The share of counterfactuals that the model gives the target class, with its interval.

    Args:
        scores: what the audited model itself says of them; never those of a surrogate.
        source: the class of each original.
        target: the target class, ``UNTARGETED`` (-1) for any other than the source.

    Raises:
        ShapeError: the parts do not fit each other.

    Example:
        >>> import torch
        >>> scores = torch.tensor([[0.0, 1.0], [2.0, 1.0]])
        >>> validity(scores, source=torch.tensor([0, 0]), target=torch.tensor([1, 1])).value
        0.5
    """
    check_scores(scores, source, who="validity")
    check_scores(scores, target, who="validity")
    return wilson(int(flipped(scores, source=source, target=target).sum()), len(scores))
