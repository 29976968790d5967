"""The nearest known rows by a sift are the smallest of all distances, to the last bit, whatever else is looked for."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from cfsearch.numerics.gower import GowerIndex
from cfsearch.numerics.sifting import Sift

KINDS = [False, True, False, True, False]


def rows(n: int, *, seed: int, digits: int) -> Tensor:
    """Rows of three numbers in [0, 1] and two categories; few digits make many ties."""
    draw = torch.Generator().manual_seed(seed)
    x = torch.rand(n, 5, dtype=torch.float64, generator=draw)
    x[:, [0, 2, 4]] = (x[:, [0, 2, 4]] * 10**digits).round() / 10**digits
    x[:, [1, 3]] = (x[:, [1, 3]] * torch.tensor([3.0, 40.0])).floor()
    return x


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), digits=st.integers(1, 6), k=st.integers(1, 20), strange=st.booleans())
def test_they_are_the_smallest_of_all_to_the_last_bit(seed: int, digits: int, k: int, strange: bool) -> None:
    known, some = rows(300, seed=seed, digits=digits), rows(9, seed=seed + 1, digits=digits)
    if strange:
        known[7, 2] = 2.5  # beyond the range, so that differences of this number are cut
        some[0, 1], some[1, 4], some[2, 0] = 17.0, -3.0, 1.75  # an unknown level, and numbers far out
    index = GowerIndex.of(known, categorical=KINDS)
    assert index.sift is not None
    found = index.nearest(some, k=k)
    for i in range(len(some)):
        one = some[i : i + 1]
        assert torch.equal(found[i : i + 1], index.distance(one).topk(k, dim=-1, largest=False).values)
        assert torch.equal(found[i : i + 1], index.nearest(one, k=k)), "alone as in company"


@pytest.mark.parametrize("kinds", [[False] * 5, [True] * 5], ids=["numbers", "categories"])
def test_one_kind_of_variable_is_enough(kinds: list[bool]) -> None:
    known, some = rows(400, seed=1, digits=1), rows(5, seed=2, digits=1)
    if not any(kinds):
        known, some = known / known.amax(0), some / known.amax(0)
    index = GowerIndex.of(known, categorical=kinds)
    assert index.sift is not None
    assert torch.equal(index.nearest(some, k=5), index.distance(some).topk(5, dim=-1, largest=False).values)


def test_most_known_rows_are_left_out_and_no_near_one_is() -> None:
    known, some = rows(2000, seed=3, digits=5), rows(20, seed=4, digits=5)
    index = GowerIndex.of(known, categorical=KINDS)
    assert index.sift is not None
    pairs = index.sift.pairs(some, within=[True] * 5, k=5)
    assert pairs is not None
    kept = set(zip(*(part.tolist() for part in pairs), strict=True))
    nearest = index.distance(some).topk(5, dim=-1, largest=False).indices.tolist()
    assert {(i, j) for i, near in enumerate(nearest) for j in near} <= kept
    assert len(kept) < 20 * 100, "of 2,000 known rows a twentieth at most"


def test_what_whole_numbers_cannot_tell_is_measured_as_before() -> None:
    known = rows(300, seed=5, digits=3)
    few, missing, far, many = known[:255], known.clone(), known.clone(), known.clone()
    missing[3, 0], far[3, 0] = torch.nan, 1024.0
    many[:, 3] = torch.arange(300)
    for strange in (few, missing, far, many):
        assert Sift.of(strange, categorical=KINDS) is None
    assert Sift.of(known.repeat(1, 200), categorical=[False] * 1000) is None, "sums would overflow"
    index, away = GowerIndex.of(known, categorical=KINDS), known[:2].clone()
    away[0, 0] = -1024.0  # what stands for a missing number
    assert index.sift is not None and index.sift.pairs(away, within=[True] * 5, k=5) is None
    assert index.sift.pairs(known[:2], within=[True] * 5, k=65) is None
    for i in range(2):
        expected = index.distance(away[i : i + 1]).topk(5, dim=-1, largest=False).values
        assert torch.equal(index.nearest(away, k=5)[i : i + 1], expected)
