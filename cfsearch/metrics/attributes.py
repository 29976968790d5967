"""Side effects of counterfactuals on attributes, as an oracle classifies them (MNAC, CD)."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cfsearch.errors import ConfigError, ShapeError


def changed_attributes(before: Bool[Tensor, "n a"], after: Bool[Tensor, "n a"]) -> Float[Tensor, " n"]:
    """Number of attributes that an oracle classifies otherwise; the mean over pairs is the "MNAC".

    Raises:
        ShapeError: not two tables of one shape.

    References:
        Rodriguez et al. 2021, Beyond trivial counterfactual explanations with diverse valuable
        explanations, https://arxiv.org/abs/2103.10226.

    Example:
        >>> before, after = torch.tensor([[True, False, True]]), torch.tensor([[True, True, False]])
        >>> changed_attributes(before, after).tolist()
        [2.0]
    """
    _check(before, after, who="changed_attributes")
    return (before != after).double().sum(1)


def correlation_difference(
    labels: Bool[Tensor, "m a"], before: Bool[Tensor, "n a"], after: Bool[Tensor, "n a"], *, attribute: int
) -> float:
    """Correlation difference (CD): attribute correlations in counterfactuals against those in the data.

    The sum over attributes of ``|corr(label, requested label) - corr(change, requested change)|``, where a
    change is -1, 0 or 1 by an oracle; a correlation with what never changes counts as 0.

    Args:
        labels: of the data.
        before: the oracle's decisions on the inputs.
        after: on their counterfactuals.
        attribute: column of the attribute that the counterfactuals are to change.

    Raises:
        ShapeError: tables of different shapes.
        ConfigError: there is no such column.

    References:
        Jeanneret et al. 2022, Diffusion models for counterfactual explanations,
        https://arxiv.org/abs/2203.15636, section 4.

    Example:
        >>> labels = torch.tensor([[True, True], [True, True], [False, False]])
        >>> before = torch.tensor([[False, False], [False, False], [True, True]])
        >>> correlation_difference(labels, before, ~before, attribute=0)  # both change together, as in the data
        0.0
    """
    _check(before, after, who="correlation_difference")
    if labels.ndim != 2 or labels.shape[1] != before.shape[1]:
        raise ShapeError(
            f"correlation_difference: expected labels of {before.shape[1]} attributes, got {tuple(labels.shape)}."
        )
    if not 0 <= attribute < labels.shape[1]:
        raise ConfigError(
            f"correlation_difference: `attribute` must be a column 0 to {labels.shape[1] - 1}, got {attribute}."
        )
    change = after.double() - before.double()
    return float((_correlation(labels.double(), attribute) - _correlation(change, attribute)).abs().sum())


def _correlation(values: Float[Tensor, "n a"], column: int) -> Float[Tensor, " a"]:
    centred = values - values.mean(0)
    length = centred.square().sum(0).sqrt()
    together = centred.T @ centred[:, column]
    # nothing that varies has length 0, but rounding leaves constants a little
    still = length <= 1e-9
    both = length * length[column]
    return torch.where(still | still[column], torch.zeros_like(together), together / both.clamp_min(1e-30))


def _check(before: Tensor, after: Tensor, *, who: str) -> None:
    if before.shape != after.shape or before.ndim != 2:
        raise ShapeError(
            f"{who}: expected two tables of one shape (n, a), got {tuple(before.shape)} and {tuple(after.shape)}."
        )
