"""Picks by hand, at the places where one step decides."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch

from cfsearch.fronts import picks

ALL = torch.ones(3, dtype=torch.bool)


def test_a_change_of_a_millionth_is_none() -> None:
    z = torch.tensor([[0.5, 1e-6, 1e-7], [0.4, 0.4, 0.0], [0.3, 0.3, 0.3]])
    assert picks.sparsest(z, sizes=torch.tensor([9.0, 0.1, 0.1]), among=ALL) == 0
    assert (
        picks.sparsest(z, sizes=torch.tensor([9.0, 0.1, 0.1]), among=~torch.tensor([True, False, False])) == 1
    )


def test_of_equally_sparse_members_the_smaller_change_is_picked() -> None:
    z = torch.tensor([[0.9, 0.0], [0.0, 0.2], [0.1, 0.1]])
    assert picks.sparsest(z, sizes=torch.tensor([0.9, 0.2, 0.1]), among=ALL) == 1


def test_a_size_never_weighs_as_much_as_a_change() -> None:
    z = torch.tensor([[1.0, 0.0], [0.1, 0.1], [0.2, 0.2]])
    assert picks.sparsest(z, sizes=torch.tensor([1e6, 0.1, 0.2]), among=ALL) == 0


def test_the_knee_is_measured_in_scaled_objectives() -> None:
    # scaled: (0, 1), (.5, .2), (1, 0); unscaled the first would be nearest to the ideal point
    f = torch.tensor([[0.0, 1.0], [500.0, 0.2], [1000.0, 0.0]])
    assert picks.knee(f, among=ALL) == 1
    assert picks.knee(f, among=torch.tensor([True, False, True])) == 0
    flat = torch.tensor([[3.0, 1.0], [3.0, 0.5], [3.0, 2.0]])
    assert picks.knee(flat, among=ALL) == 1, "an objective without spread has no say"


def test_without_a_crossing_the_smallest_gap_is_picked() -> None:
    leaving = torch.tensor([0.7, 0.8, 0.99], dtype=torch.float64)
    plausibility = torch.tensor([0.0, 0.0, 0.0])
    assert picks.crossing(leaving, plausibility, among=ALL) == 0


def test_of_several_crossings_the_first_counts() -> None:
    # sorted by p: gaps p - gan are -.9, -.1, +.1, -.3, +.9: the sign turns between the second and third
    leaving = torch.tensor([0.1, 0.5, 0.6, 0.7, 0.9], dtype=torch.float64)
    plausibility = torch.tensor([1.0, 0.6, 0.45, 1.0, 0.0])
    assert picks.crossing(leaving, plausibility, among=torch.ones(5, dtype=torch.bool)) == 1
    order = torch.tensor([4, 2, 0, 1, 3])
    picked = picks.crossing(leaving[order], plausibility[order], among=torch.ones(5, dtype=torch.bool))
    assert int(order[picked]) == 1, "whatever the order of the members"


def test_cost_is_weighed_against_difference() -> None:
    gaps = torch.tensor([[0.0, 0.6, 0.9], [0.6, 0.0, 0.8], [0.9, 0.8, 0.0]])
    assert picks.diverse(gaps, costs=torch.tensor([0.0, 0.1, 0.5]), first=0, count=2) == [0, 1]
    assert picks.diverse(gaps, costs=torch.tensor([0.0, 0.1, 0.1]), first=0, count=3) == [0, 2, 1]
    assert picks.diverse(torch.zeros(3, 3), costs=torch.zeros(3), first=2, count=3) == [2]


def cells(f: torch.Tensor) -> int:
    """How many of the unit cells of the cube from 0 to 11 some point dominates, counted one by one."""
    cube = torch.cartesian_prod(*[torch.arange(11)] * f.shape[1])
    return int((f[:, None] <= cube).all(2).any(0).sum())


@pytest.mark.parametrize("seed", range(6))
def test_each_member_taken_adds_the_most_cells_of_all(seed: int) -> None:
    f = torch.from_numpy(np.random.default_rng(seed).integers(0, 11, size=(9, 3)))
    f = torch.cat(
        [f, torch.tensor([[0, 10, 10], [10, 0, 0]])]
    )  # each from 0 to 10, so that a tenth is a cell
    taken = picks.covering(f.float(), first=4, count=4)
    assert taken[0] == 4 and len(set(taken)) == len(taken)
    for k in range(1, len(taken)):
        each = [cells(f[[*taken[:k], i]]) for i in range(len(f))]
        assert each[taken[k]] == max(each) > cells(f[taken[:k]])
    if len(taken) < 4:
        assert all(cells(f[[*taken, i]]) == cells(f[taken]) for i in range(len(f))), (
            "nothing else adds anything"
        )


def test_greedy_covering_is_near_the_best_of_all_choices() -> None:
    f = torch.from_numpy(np.random.default_rng(1).integers(0, 11, size=(10, 3)))
    f = torch.cat([f, torch.tensor([[0, 10, 10], [10, 0, 0]])])
    found = cells(f[picks.covering(f.float(), first=10, count=4)])
    best = max(cells(f[[10, *others]]) for others in combinations(range(12), 3))
    assert best * (1 - 1 / math.e) <= found <= best


def test_covering_takes_only_whom_it_may_and_stops_where_nothing_is_added() -> None:
    f = torch.tensor([[0.0, 1.0], [1.0, 0.0], [0.4, 0.4], [1.0, 1.0]])
    assert picks.covering(f, first=0, count=4) == [0, 2, 1], "the last is dominated"
    assert picks.covering(f, first=0, count=2) == [0, 2]
    may = torch.tensor([True, True, False, True])
    assert picks.covering(f, first=0, count=4, among=may) == [0, 1]
    assert picks.covering(1000.0 * f, first=0, count=4) == [0, 2, 1], "scales do not count"


def test_what_was_taken_already_is_not_taken_again() -> None:
    gaps = torch.tensor([[0.0, 0.6, 0.9], [0.6, 0.0, 0.8], [0.9, 0.8, 0.0]])
    assert picks.diverse(gaps, costs=torch.zeros(3), first=0, count=3, more=[1]) == [0, 1, 2]
    assert picks.diverse(gaps, costs=torch.zeros(3), first=0, count=2, more=[1]) == [0, 1]


@pytest.mark.parametrize(("factor", "kept"), [(1.4, True), (1.41, False)])
def test_a_local_outlier_factor_above_1_4_is_outlying(factor: float, kept: bool) -> None:
    factors = torch.tensor([1.0, factor, 1.1], dtype=torch.float64)
    assert picks.inliers(factors, among=ALL).tolist() == [True, kept, True]


def test_what_is_unknown_is_no_inlier_and_neither_is_what_may_not_be_chosen() -> None:
    factors = torch.tensor([float("nan"), 1.0, 1.2])
    assert picks.inliers(factors, among=ALL).tolist() == [False, True, True]
    assert picks.inliers(factors, among=torch.tensor([True, False, True])).tolist() == [False, False, True]


def test_preferred_members_come_first_and_others_where_none_is_left() -> None:
    gaps = torch.tensor(
        [[0.0, 0.1, 0.9, 0.5], [0.1, 0.0, 0.8, 0.4], [0.9, 0.8, 0.0, 0.7], [0.5, 0.4, 0.7, 0.0]]
    )
    chosen = picks.diverse(
        gaps, costs=torch.zeros(4), first=0, count=4, preferred=torch.tensor([True, True, False, False])
    )
    assert chosen == [0, 1, 2, 3]
    assert picks.diverse(gaps, costs=torch.zeros(4), first=0, count=4) == [0, 2, 3, 1]
