"""Sparsity: the number of features that counterfactuals change."""

from jaxtyping import Float
from torch import Tensor

from cfsearch.datasets.tables import TableSchema, Variables

from ._pairs import flat_pair


def number_changed(
    x: Float[Tensor, "n *x"], y: Float[Tensor, "n *x"], *, threshold: float = 1e-3
) -> Float[Tensor, " n"]:
    """Features that differ by at least ``threshold``.

    References:
        Jung et al. 2020, equation 9, https://arxiv.org/abs/2008.01897.
    """
    a, b = flat_pair(x, y, who="number_changed")
    return ((a - b).abs() >= threshold).sum(1).double()


def columns_changed(
    x: Float[Tensor, "n d"], y: Float[Tensor, "n d"], *, schema: TableSchema
) -> Float[Tensor, " n"]:
    """Columns of a table that differ at all; columns that are linked count once."""
    flat_pair(x, y, who="columns_changed")
    variables = Variables.of(schema)
    return (variables.values(x) != variables.values(y)).sum(-1).double()
