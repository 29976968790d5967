"""Proximity: distances of counterfactuals to their originals."""

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.datasets.tables import TableSchema, Variables
from cfsearch.errors import ShapeError

from ._pairs import flat_pair


def l1(x: Float[Tensor, "n *x"], y: Float[Tensor, "n *x"]) -> Float[Tensor, " n"]:
    """Sum of absolute differences, in the unit of the inputs."""
    a, b = flat_pair(x, y, who="l1")
    return (a - b).abs().sum(1)


def l2(x: Float[Tensor, "n *x"], y: Float[Tensor, "n *x"]) -> Float[Tensor, " n"]:
    """Euclidean distance, in the unit of the inputs."""
    a, b = flat_pair(x, y, who="l2")
    length: Tensor = torch.linalg.vector_norm(a - b, dim=1)
    return length


def mad(reference: Float[Tensor, "r d"]) -> Float[Tensor, " d"]:
    """Median absolute deviation of each column from its median, as a scale to divide by.

    A column of which more than half is one value has none; its mean absolute deviation from the
    median stands in, and 1 for a column that is constant.
    """
    rows = reference.double()
    gap = (rows - rows.quantile(0.5, dim=0)).abs()
    middle, mean = gap.quantile(0.5, dim=0), gap.mean(0)
    return torch.where(middle > 0, middle, torch.where(mean > 0, mean, 1.0))


def mad_scaled(
    x: Float[Tensor, "n d"], y: Float[Tensor, "n d"], *, scale: Float[Tensor, " d"]
) -> Float[Tensor, " n"]:
    """Sum of absolute differences, each over the column's ``mad`` in the training table.

    References:
        Wachter, Mittelstadt and Russell 2018, *Counterfactual explanations without opening the
        black box*, https://arxiv.org/abs/1711.00399.
    """
    a, b = flat_pair(x, y, who="mad_scaled")
    if scale.shape != a.shape[1:] or not bool((scale > 0).all()):
        raise ShapeError(
            f"mad_scaled: expected {a.shape[1]} positive scales, got shape {tuple(scale.shape)}. Take `mad`."
        )
    return ((a - b).abs() / scale.to(a)).sum(1)


def gower(x: Float[Tensor, "n d"], y: Float[Tensor, "n d"], *, schema: TableSchema) -> Float[Tensor, " n"]:
    """Gower's distance of rows of a table, in [0, 1]; linked columns count once.

    References:
        Gower 1971, https://doi.org/10.2307/2528823.
    """
    flat_pair(x, y, who="gower")
    return Variables.of(schema).gower(x, y)
