"""Encoding of rows: worked by hand, and back."""

import math

import pytest
import torch

from cfsearch.datasets.tables import Column, ColumnKind, Encoding, TableSchema
from cfsearch.datasets.tables._encoding import Part, Style
from cfsearch.errors import ConfigError, ShapeError

SCHEMA = TableSchema(
    columns=(
        Column(name="n", kind=ColumnKind.INTEGER, low=10, high=30, step=5),
        Column(name="job", kind=ColumnKind.CATEGORICAL, levels=("a", "b", "c")),
        Column(name="size", kind=ColumnKind.ORDINAL, levels=("s", "m", "l")),
        Column(name="one", kind=ColumnKind.REAL, low=2.0, high=2.0),
    )
)
ROWS = torch.tensor([[10.0, 0.0, 2.0, 2.0], [30.0, 2.0, 0.0, 2.0]], dtype=torch.float64)


def test_a_range_becomes_0_to_1_and_levels_one_hot() -> None:
    encoding = Encoding.ranged(SCHEMA)
    assert (encoding.width, encoding.slots) == (6, ((0, 1), (1, 3), (4, 1), (5, 1)))
    assert encoding.apply(ROWS).tolist() == [[0, 1, 0, 0, 1, 0], [1, 0, 0, 1, 0, 0]]


def test_a_mean_and_a_deviation_are_those_of_the_rows() -> None:
    encoding = Encoding.standard(SCHEMA, ROWS)
    # of 10 and 30: mean 20, deviation 10; of 2 and 0: 1 and 1; of 2 and 2 the deviation counts as 1
    assert encoding.apply(ROWS).tolist() == [[-1, 1, 0, 0, 1, 0], [1, 0, 0, 1, -1, 0]]


def test_plain_rows_are_as_they_are() -> None:
    encoding = Encoding.plain(SCHEMA)
    assert encoding.width == 4
    assert torch.equal(encoding.apply(ROWS.float()), ROWS.float())
    assert encoding.apply(ROWS.float()).dtype is torch.float32


@pytest.mark.parametrize(
    "encoding", [Encoding.plain(SCHEMA), Encoding.ranged(SCHEMA), Encoding.standard(SCHEMA, ROWS)]
)
def test_it_comes_back_and_numbers_land_on_their_steps(encoding: Encoding) -> None:
    assert torch.equal(encoding.invert(encoding.apply(ROWS)), ROWS)
    off = encoding.apply(ROWS) + 1e-3
    assert torch.equal(encoding.invert(off)[:, :3], ROWS[:, :3])
    outside = encoding.apply(torch.tensor([[10.0, 0.0, 9.0, 2.0]]))
    assert float(encoding.invert(outside)[0, 2]) == 2.0
    below = encoding.apply(torch.tensor([[10.0, 0.0, -9.0, 2.0]]))
    assert float(encoding.invert(below)[0, 2]) == 0.0


def test_other_parts_have_another_fingerprint() -> None:
    prints = [
        e.fingerprint for e in (Encoding.plain(SCHEMA), Encoding.ranged(SCHEMA), Encoding.plain(SCHEMA))
    ]
    assert prints[0] == prints[2] != prints[1]
    assert len(prints[0]) == 64


def test_what_does_not_fit_is_refused() -> None:
    encoding = Encoding.ranged(SCHEMA)
    with pytest.raises(ShapeError, match=r"expected rows of shape \(n, 4\), got \(2, 3\)"):
        encoding.apply(ROWS[:, :3])
    with pytest.raises(ShapeError, match=r"got \(4,\)"):
        encoding.apply(ROWS[0])
    with pytest.raises(ShapeError, match=r"expected shape \(n, 6\), got \(2, 4\)"):
        encoding.invert(ROWS)
    with pytest.raises(ShapeError, match=r"got \(6,\)"):
        encoding.invert(torch.zeros(6))
    with pytest.raises(ConfigError, match="expected 4 parts, got 1"):
        Encoding(SCHEMA, (Part(style=Style.PLAIN),))
    with pytest.raises(ConfigError, match="column 'n': only levels can be one-hot"):
        Encoding(SCHEMA, (Part(style=Style.ONE_HOT),) * 4)
    for wrong in ({"scale": 0.0}, {"scale": -1.0}, {"scale": math.inf}, {"centre": math.nan}):
        with pytest.raises(ConfigError, match="`centre` must be finite and `scale` positive"):
            Part(style=Style.STANDARD, **wrong)
