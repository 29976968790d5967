"""Gower's distance by hand, and its table against its definition."""

import pytest
import torch

from cfsearch.numerics.gower import gower, gower_table

KINDS = [False, True, False]


def test_by_hand() -> None:
    change = torch.tensor([[0.5, 0.0, 0.0], [-0.25, 0.1, 3.0], [0.0, -2.0, -0.5]], dtype=torch.float64)
    # numbers count by their share of the range, at most 1; a category counts whole
    expected = [0.5 / 3, (0.25 + 1 + 1) / 3, (1 + 0.5) / 3]
    assert gower(change, categorical=torch.tensor(KINDS)).tolist() == pytest.approx(expected, abs=1e-15)


def test_the_kind_of_number_stays() -> None:
    assert gower(torch.zeros(2, 3), categorical=torch.tensor(KINDS)).dtype is torch.float32


@pytest.mark.parametrize("n", [1, 40])
def test_the_table_holds_the_distance_of_every_pair(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cfsearch.numerics.gower._PIECE", 64)  # several pieces
    draw = torch.Generator().manual_seed(0)
    a = torch.randint(0, 4, (n, 3), generator=draw).double() / 2
    b = torch.randint(0, 4, (7, 3), generator=draw).double() / 2
    pairs = gower(a[:, None] - b[None], categorical=torch.tensor(KINDS))
    table = gower_table(a, b, categorical=KINDS)
    assert table.shape == (n, 7)
    assert torch.allclose(table, pairs, rtol=0, atol=1e-15)
