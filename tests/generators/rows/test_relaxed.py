"""Rows decode with a slope: the same rows, and each number falls and rises with its own range."""

import torch

from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
from cfsearch.generators import Rows

SCHEMA = TableSchema(
    columns=(
        Column(name="age", kind=ColumnKind.INTEGER, low=0.0, high=100.0),
        Column(name="job", kind=ColumnKind.CATEGORICAL, levels=("clerk", "nurse", "none")),
        Column(name="share", kind=ColumnKind.REAL, low=0.0, high=2.0),
    )
)


def test_the_rows_are_those_of_decode_and_their_slope_is_the_range() -> None:
    rows = Rows(SCHEMA)
    state = rows.encode(torch.tensor([[40.0, 1.0, 0.5]], dtype=torch.float64))
    z = torch.tensor([[[0.104, 0.5, 0.25], [0.0, 0.0, -0.1]]], dtype=torch.float64, requires_grad=True)
    x = rows.relaxed(state, z)
    assert torch.equal(x.detach(), rows.decode(state, z.detach()))
    assert x[0, 0].tolist() == [50.0, 2.0, 1.0]
    (slope,) = torch.autograd.grad(x.sum(), z)
    assert slope.tolist() == [[[100.0, 0.0, 2.0]] * 2]
