"""Gower's distance by hand, and its table against its definition."""

import pytest
import torch

from cfsearch.numerics.gower import GowerIndex, gower, gower_table

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


@pytest.mark.parametrize("wide", [False, True], ids=["within the range", "out of it"])
@pytest.mark.parametrize("most", [64, 2], ids=["levels by a product", "some one by one"])
def test_the_index_measures_what_the_table_does(
    wide: bool, most: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cfsearch.numerics.gower._LEVELS", most)
    draw = torch.Generator().manual_seed(1)
    kinds = [False, True, True, False]

    def rows(n: int) -> torch.Tensor:
        x = torch.rand(n, 4, dtype=torch.float64, generator=draw)
        x[:, 1:3] = (x[:, 1:3] * torch.tensor([2, 5])).floor()
        return x

    a, b = rows(9), rows(30)
    a[0, 2] = 17.0  # a level that no known row has
    if wide:
        a[1, 0], b[2, 3] = -3.0, 1024.0  # a number far out, and what stands for a missing one
    index = GowerIndex.of(b, categorical=kinds)
    assert len(index) == 30
    assert torch.allclose(index.distance(a), gower_table(a, b, categorical=kinds), rtol=0, atol=1e-14)
    assert index.distance(a[:0]).shape == (0, 30)
    assert GowerIndex.of(b[:0], categorical=kinds).distance(a).shape == (9, 0)


@pytest.mark.parametrize("kinds", [[False] * 3, [True] * 3], ids=["numbers", "categories"])
def test_the_index_takes_variables_of_one_kind(kinds: list[bool]) -> None:
    draw = torch.Generator().manual_seed(2)
    a, b = (torch.randint(0, 3, (n, 3), generator=draw).double() / 2 for n in (4, 6))
    found = GowerIndex.of(b, categorical=kinds).distance(a)
    assert torch.allclose(found, gower_table(a, b, categorical=kinds), rtol=0, atol=1e-15)


@pytest.mark.parametrize("kinds", [KINDS, [False] * 3, [True] * 3], ids=["mixed", "numbers", "categories"])
def test_the_nearest_are_the_smallest_distances_to_the_last_bit(kinds: list[bool]) -> None:
    draw = torch.Generator().manual_seed(3)
    a, b = (torch.randint(0, 40, (n, 3), generator=draw).double() / 39 for n in (9, 200))
    a[0, 0] = 7.0  # a difference beyond the range, which counts as 1
    index, before = GowerIndex.of(b, categorical=kinds), a.clone()
    smallest = index.distance(a).topk(5, dim=-1, largest=False).values
    assert torch.equal(index.nearest(a, k=5), smallest)
    assert torch.equal(smallest, index.distance(a).sort(dim=-1).values[:, :5])
    assert torch.equal(a, before), "what is given stays"
    assert torch.equal(index.rows, b)
