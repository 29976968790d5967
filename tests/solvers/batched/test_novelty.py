"""Candidates that were proposed before are found and drawn anew."""

import itertools

import pytest
import torch
from torch import Tensor

from cfsearch.solvers.batched.novelty import Seen


def points(*values: float) -> Tensor:
    return torch.tensor(values)[None, :, None]


def seen(candidates: int = 100) -> Seen:
    return Seen(1, candidates=candidates, d=1, device="cpu")


def test_minus_zero_is_zero() -> None:
    table = seen()
    table.add(points(0.0))
    assert table.again(points(-0.0, 1e-30)).tolist() == [[True, False]]


def test_no_new_candidate_is_called_seen() -> None:
    table, random = seen(5000), torch.Generator().manual_seed(0)
    old = torch.rand(1, 5000, 1, generator=random, dtype=torch.float64)
    table.add(old)
    assert not bool(table.again(torch.rand(1, 5000, 1, generator=random, dtype=torch.float64)).any())
    # most that were seen are known; those whose place was taken are not
    assert float(table.again(old).double().mean()) > 0.85


def test_queries_have_tables_of_their_own() -> None:
    table = Seen(2, candidates=10, d=1, device="cpu")
    table.add(torch.tensor([[[1.0]], [[2.0]]]))
    assert table.again(torch.tensor([[[1.0], [2.0]], [[1.0], [2.0]]])).tolist() == [
        [True, False],
        [False, True],
    ]


def test_what_was_seen_is_drawn_anew_until_it_is_new() -> None:
    table = seen()
    table.add(points(1.0, 2.0))
    drawn: list[tuple[int, int]] = []

    def draw(attempt: int, places: int) -> Tensor:
        drawn.append((attempt, places))
        return points(2.0, 7.0)[:, :places] if attempt == 0 else points(8.0, 9.0)[:, :places]

    assert table.made_new(points(1.0, 5.0, 5.0, 3.0), draw)[0, :, 0].tolist() == [8.0, 5.0, 7.0, 3.0]
    assert drawn == [(0, 2), (1, 1)]


def test_where_nothing_new_is_left_repetitions_stay() -> None:
    table = seen()
    table.add(points(1.0))
    assert table.made_new(points(1.0), lambda attempt, places: points(1.0)).tolist() == [[[1.0]]]


def test_of_more_than_are_wanted_the_new_ones_are_taken_first() -> None:
    table = seen()
    table.add(points(1.0, 2.0))
    drawn: list[int] = []

    def draw(attempt: int, places: int) -> Tensor:
        drawn.append(places)
        return points(*[10.0 + i for i in range(places)])

    given = points(1.0, 5.0, 5.0, 3.0, 2.0, 4.0)
    assert table.made_new(given, draw, count=3)[0, :, 0].tolist() == [5.0, 3.0, 4.0]
    assert drawn == []
    assert table.made_new(given, draw, count=2)[0, :, 0].tolist() == [10.0, 11.0]  # all were seen by now
    assert drawn == [2]
    assert table.again(points(5.0, 3.0, 4.0, 10.0, 11.0)).all()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_points_of_zeros_and_ones_have_prints_of_their_own(dtype: torch.dtype) -> None:
    """Their bits end in zeros, those of float64 in fifty-two."""
    corners = torch.tensor(list(itertools.product((0.0, 1.0), repeat=12)), dtype=dtype)[None]
    corners = corners[:, torch.randperm(4096, generator=torch.Generator().manual_seed(1))]
    table = Seen(1, candidates=4096, d=12, device="cpu")
    table.add(corners[:, :2048])
    assert not bool(table.again(corners[:, 2048:]).any())
