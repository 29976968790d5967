"""Greedy set cover: against all sets of candidates, and worked by hand."""

from itertools import combinations

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cfsearch.errors import ShapeError
from cfsearch.numerics.cover import greedy_cover


def random_covers(seed: int, *, c: int, n: int) -> torch.Tensor:
    rng = torch.Generator().manual_seed(seed)
    return torch.rand(c, n, generator=rng) < 0.3


@given(seed=st.integers(0, 2**16), c=st.integers(1, 7), n=st.integers(1, 12), most=st.integers(1, 4))
def test_greedy_covers_what_it_promises_of_the_best(seed: int, c: int, n: int, most: int) -> None:
    covers = random_covers(seed, c=c, n=n)
    chosen = greedy_cover(covers, most=most)
    reached = int(covers[chosen].any(0).sum()) if chosen else 0
    best = max(
        int(covers[list(some)].any(0).sum()) for k in (min(most, c),) for some in combinations(range(c), k)
    )
    assert reached >= (1 - (1 - 1 / most) ** most) * best
    assert len(set(chosen)) == len(chosen) <= most
    gains = [int((covers[i] & ~covers[chosen[:k]].any(0)).sum()) for k, i in enumerate(chosen)]
    assert gains == sorted(gains, reverse=True) and all(gains)
    if chosen:
        assert gains[0] == int(covers.sum(1).max())


def test_worked_by_hand() -> None:
    #                        0  1  2  3
    covers = torch.tensor([[1, 1, 0, 0], [0, 1, 1, 1], [1, 0, 0, 0], [1, 0, 0, 0]]).bool()
    assert greedy_cover(covers, most=5) == [1, 0]
    assert greedy_cover(covers, most=5, cost=torch.tensor([3.0, 1.0, 2.0, 2.0])) == [1, 2]
    assert greedy_cover(covers, most=1) == [1]
    assert greedy_cover(torch.zeros(3, 4, dtype=torch.bool), most=2) == []
    assert greedy_cover(torch.zeros(0, 4, dtype=torch.bool), most=2) == []


def test_one_cost_a_candidate() -> None:
    with pytest.raises(ShapeError, match=r"one cost for each of 2 candidates, got shape \(3,\)"):
        greedy_cover(torch.zeros(2, 3, dtype=torch.bool), most=1, cost=torch.zeros(3))
