"""Sparsity: the number of features that counterfactuals change."""

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.datasets.tables import TableSchema, Variables
from cfsearch.numerics.differing import differing

from ._pairs import flat_pair


def number_changed(
    x: Float[Tensor, "n *x"], y: Float[Tensor, "n *x"], *, threshold: float = 1e-3
) -> Float[Tensor, " n"]:
    """Number of features that differ by at least ``threshold``; a missing one (NaN) differs from any number.

    References:
        Jung et al. 2020, equation 9, https://arxiv.org/abs/2008.01897.

    Example:
        >>> import torch
        >>> number_changed(torch.zeros(1, 3), torch.tensor([[0.5, 0.0, -1.0]])).tolist()
        [2.0]
    """
    a, b = flat_pair(x, y, who="number_changed")
    far = (a - b).abs() >= threshold
    return (far | (torch.isnan(a) != torch.isnan(b))).sum(1).double()


def columns_changed(
    x: Float[Tensor, "n d"], y: Float[Tensor, "n d"], *, schema: TableSchema
) -> Float[Tensor, " n"]:
    """Number of columns of a table that differ; linked columns count once.

    Example:
        >>> import torch
        >>> from cfsearch.datasets.tables import Column, ColumnKind
        >>> schema = TableSchema(columns=tuple(Column(name=n, kind=ColumnKind.REAL, high=9.0) for n in "ab"))
        >>> columns_changed(torch.tensor([[1.0, 2.0]]), torch.tensor([[1.0, 2.5]]), schema=schema).tolist()
        [1.0]
    """
    flat_pair(x, y, who="columns_changed")
    variables = Variables.of(schema)
    return differing(variables.values(x), variables.values(y)).sum(-1).double()
