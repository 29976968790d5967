"""Fidelity: agreement of a surrogate's classes with the audited model's."""

from jaxtyping import Float
from torch import Tensor

from cfsearch.numerics.intervals import Interval, wilson

from ._pairs import check_scores


def fidelity(surrogate: Float[Tensor, "n k"], provider: Float[Tensor, "n k"]) -> Interval | None:
    """The share of inputs that both give the same class, with its interval; None without inputs.

    Give inputs that the surrogate was not trained on.

    Raises:
        ShapeError: the scores are not of one shape.

    Example:
        >>> import torch
        >>> surrogate, provider = torch.tensor([[2.0, 1.0], [0.0, 1.0]]), torch.tensor([[1.0, 0.0], [1.0, 0.0]])
        >>> fidelity(surrogate, provider).value
        0.5
    """
    check_scores(surrogate, provider, who="fidelity")
    check_scores(provider, surrogate, who="fidelity")
    return wilson(int((surrogate.argmax(-1) == provider.argmax(-1)).sum()), len(surrogate))
