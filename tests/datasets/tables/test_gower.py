"""Gower's distance of rows, against a loop that a reader can check."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from cfsearch.datasets.tables import Column, ColumnKind, Link, TableSchema, Variables

SCHEMA = TableSchema(
    columns=(
        Column(name="age", kind=ColumnKind.INTEGER, low=20, high=60),
        Column(name="pay", kind=ColumnKind.REAL, low=-1.0, high=1.0),
        Column(name="grade", kind=ColumnKind.ORDINAL, levels=("low", "mid", "high")),
        Column(name="job", kind=ColumnKind.CATEGORICAL, levels=("cook", "clerk", "pilot")),
        Column(name="town", kind=ColumnKind.CATEGORICAL, levels=("a", "b", "c")),
        Column(name="zip", kind=ColumnKind.INTEGER, low=1, high=9),
    ),
    links=(Link(("town", "zip"), ((0.0, 1.0), (1.0, 5.0), (2.0, 9.0))),),
)


def rows(n: int, seed: int) -> NDArray[np.float64]:
    draw = np.random.default_rng(seed)
    town = draw.integers(0, 3, n)
    return np.stack(
        [
            draw.integers(10, 80, n),  # also outside the range, where the difference stops at 1
            draw.uniform(-1, 1, n),
            draw.integers(0, 3, n),
            draw.integers(0, 3, n),
            town,
            1 + 4 * town,
        ],
        axis=1,
    ).astype(np.float64)


def gower(a: list[float], b: list[float]) -> float:
    parts = [
        min(1.0, abs(a[0] - b[0]) / 40),
        min(1.0, abs(a[1] - b[1]) / 2),
        abs(a[2] - b[2]) / 2,
        float(a[3] != b[3]),
        abs(a[4] - b[4]) / 2,  # town and zip together: one ordered variable of three values
    ]
    return sum(parts) / 5


def test_pairs_are_measured_as_worked_by_hand() -> None:
    variables = Variables.of(SCHEMA)
    a, b = rows(40, 0), rows(40, 1)
    expected = [gower(p, q) for p, q in zip(a.tolist(), b.tolist(), strict=True)]
    assert variables.gower(torch.from_numpy(a), torch.from_numpy(b)).tolist() == pytest.approx(expected)


@pytest.mark.parametrize(("n", "r"), [(7, 5), (5, 40_000)])
def test_every_row_is_measured_against_every_row(n: int, r: int) -> None:
    """Also where the table is computed in pieces."""
    variables = Variables.of(SCHEMA)
    a, b = rows(n, 2), rows(r, 3)
    table = variables.gower_table(torch.from_numpy(a), torch.from_numpy(b))
    assert table.shape == (n, r)
    for j in {0, 1, r // 2, r - 1}:
        assert table[:, j].tolist() == pytest.approx([gower(p, b[j].tolist()) for p in a.tolist()])
