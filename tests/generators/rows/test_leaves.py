"""Levels among the points of the trees."""

import itertools

import numpy as np
import pytest
import torch
from torch import Tensor

from cfsearch.datasets.tables import Column, ColumnKind, TableSchema, Variables
from cfsearch.generators.rows.leaves import LeafDensities

LEVELS = ("a", "b", "c", "d")
SCHEMA = TableSchema(
    columns=(
        Column(name="street", kind=ColumnKind.CATEGORICAL, levels=LEVELS),
        Column(name="town", kind=ColumnKind.CATEGORICAL, levels=("p", "q")),
    )
)


def streets(near: tuple[int, ...]) -> Tensor:
    """400 rows: the streets ``near`` are in the first town, the others in the second."""
    draw = np.random.default_rng(0)
    street = draw.integers(0, 4, 400)
    town = ~np.isin(street, near)
    return torch.from_numpy(np.stack([street, town], axis=1).astype(np.float64))


@pytest.mark.parametrize("near", list(itertools.combinations(range(4), 2)))
def test_levels_that_stand_beside_the_same_others_are_next_to_each_other(near: tuple[int, ...]) -> None:
    """So that one split parts them; by their number alone a and c, or b and d, never would be."""
    variables = Variables.of(SCHEMA)
    made = LeafDensities.of(variables, streets(near), alpha=1.0)
    points = made.points(torch.tensor([[float(k), 0.0] for k in range(4)], dtype=torch.float64))[:, 0]
    first = sorted(points[list(near)])
    others = sorted(points[[k for k in range(4) if k not in near]])
    assert sorted([*first, *others]) == [0.0, 1.0, 2.0, 3.0]
    assert first[-1] < others[0] or others[-1] < first[0]
