"""Proximity: distances of counterfactuals to their originals."""

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.datasets.tables import TableSchema, Variables
from cfsearch.errors import ShapeError

from ._pairs import flat_pair


def l1(x: Float[Tensor, "n *x"], y: Float[Tensor, "n *x"]) -> Float[Tensor, " n"]:
    """Sum of absolute differences, in the unit of the inputs.

    Example:
        >>> l1(torch.zeros(1, 2), torch.tensor([[3.0, -4.0]])).tolist()
        [7.0]
    """
    a, b = flat_pair(x, y, who="l1")
    return (a - b).abs().sum(1)


def l2(x: Float[Tensor, "n *x"], y: Float[Tensor, "n *x"]) -> Float[Tensor, " n"]:
    """Euclidean distance, in the unit of the inputs.

    Example:
        >>> l2(torch.zeros(1, 2), torch.tensor([[3.0, -4.0]])).tolist()
        [5.0]
    """
    a, b = flat_pair(x, y, who="l2")
    length: Tensor = torch.linalg.vector_norm(a - b, dim=1)
    return length


def mad(reference: Float[Tensor, "r d"]) -> Float[Tensor, " d"]:
    """Median absolute deviation of each column from its median, as a scale to divide by.

    A column of which more than half is one value has none; its mean absolute deviation from the
    median stands in, and 1 for a column that is constant. Missing numbers (NaN) are left out.

    Example:
        >>> mad(torch.tensor([[1.0, 7.0], [2.0, 7.0], [4.0, 7.0]])).tolist()
        [1.0, 1.0]
    """
    rows = reference.double()
    gap = (rows - rows.nanquantile(0.5, dim=0)).abs()
    middle, mean = gap.nanquantile(0.5, dim=0), gap.nanmean(0)
    return torch.where(middle > 0, middle, torch.where(mean > 0, mean, 1.0))


def mad_scaled(
    x: Float[Tensor, "n d"], y: Float[Tensor, "n d"], *, scale: Float[Tensor, " d"]
) -> Float[Tensor, " n"]:
    """Sum of absolute differences, each over the column's ``mad`` in the training table.

    References:
        Wachter, Mittelstadt and Russell 2018, *Counterfactual explanations without opening the
        black box*, https://arxiv.org/abs/1711.00399.

    Example:
        >>> mad_scaled(torch.zeros(1, 2), torch.tensor([[3.0, -4.0]]), scale=torch.tensor([1.0, 2.0])).tolist()
        [5.0]
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

    Example:
        >>> from cfsearch.datasets.tables import Column, ColumnKind
        >>> age = Column(name="age", kind=ColumnKind.REAL, high=100.0)
        >>> job = Column(name="job", kind=ColumnKind.CATEGORICAL, levels=("clerk", "smith"))
        >>> schema = TableSchema(columns=(age, job))
        >>> gower(torch.tensor([[20.0, 0.0]]), torch.tensor([[70.0, 1.0]]), schema=schema).tolist()  # (0.5 + 1) / 2
        [0.75]
    """
    flat_pair(x, y, who="gower")
    return Variables.of(schema).gower(x, y)
