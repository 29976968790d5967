"""Dominance, crowding, hypervolume and elites: by hand, against brute force, and refusals."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from cfsearch.errors import ConfigError, ShapeError
from cfsearch.numerics import pareto

#                       best in f0   best in f1   between      beaten by it  equal to "between"
STAIRS = torch.tensor([[0.0, 4.0], [4.0, 0.0], [1.0, 1.0], [2.0, 1.0], [1.0, 1.0]])


@st.composite
def values(draw: st.DrawFn, *, least: int = 1, most: int = 24) -> Tensor:
    """Objective values, from a coarse grid so that ties and repetitions are common."""
    n, m = draw(st.integers(least, most)), draw(st.integers(2, 4))
    grid, seed = draw(st.sampled_from([3, 10, 1000])), draw(st.integers(0, 2**16))
    points = np.random.default_rng(seed).integers(grid, size=(n, m)) / grid
    return torch.from_numpy(points)


def dominates(a: Tensor, b: Tensor) -> bool:
    return bool((a <= b).all()) and bool((a < b).any())


def test_non_dominated_by_hand() -> None:
    assert pareto.non_dominated(STAIRS).tolist() == [True, True, True, False, False]


def test_ranks_by_hand() -> None:
    assert pareto.ranks(STAIRS).tolist() == [0, 0, 0, 1, 0]


def test_crowding_by_hand() -> None:
    #                     end        middle: (1 - 0) / 1 each   a quarter on   end
    f = torch.tensor([[0.0, 1.0], [0.5, 0.5], [0.75, 0.25], [1.0, 0.0]])
    assert pareto.crowding(f).tolist() == [float("inf"), 1.5, 1.0, float("inf")]


def test_crowding_sees_neighbours_of_its_own_front_only() -> None:
    front = torch.tensor([[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]])
    both = torch.cat([front, front + 0.1])
    within = pareto.crowding(both, torch.tensor([0, 0, 0, 1, 1, 1]))
    assert within.tolist() == pytest.approx([float("inf"), 2.0, float("inf")] * 2)


def test_a_constant_objective_adds_no_crowding_and_has_no_boundary() -> None:
    f = torch.tensor([[0.0, 7.0], [0.5, 7.0], [1.0, 7.0]])
    assert pareto.crowding(f).tolist() == [float("inf"), 1.0, float("inf")]
    assert pareto.crowding(torch.full((4, 2), 7.0)).tolist() == [0.0] * 4


@pytest.mark.parametrize("n", [1, 2])
def test_one_or_two_points_are_never_crowded(n: int) -> None:
    assert pareto.crowding(torch.zeros(n, 2)).tolist() == [float("inf")] * n


def test_hypervolume_by_hand() -> None:
    # two rectangles of 2 x 1 that share a square, and a point beyond the reference
    f = torch.tensor([[0.0, 1.0], [1.0, 0.0], [3.0, -5.0]])
    assert pareto.hypervolume(f, torch.tensor([2.0, 2.0])) == 3.0
    assert pareto.hypervolume(f[2:], torch.tensor([2.0, 2.0])) == 0.0
    assert pareto.hypervolume(torch.zeros(0, 2), torch.ones(2)) == 0.0


def test_gains_by_hand() -> None:
    # beside (1, 0), whose box up to 2 is 1 x 2: the first box is 2 x 1 and shares a square, the second is inside, the
    # third is beyond the corner
    f, beside = torch.tensor([[0.0, 1.0], [1.5, 1.5], [-9.0, 2.0]]), torch.tensor([[1.0, 0.0]])
    corner = torch.tensor([2.0, 2.0])
    assert pareto.gains(f, beside, corner).tolist() == [1.0, 0.0, 0.0]
    assert pareto.gains(f, torch.zeros(0, 2), corner).tolist() == [2.0, 0.25, 0.0], (
        "beside nothing its own box"
    )
    with pytest.raises(ShapeError, match="gains: expected as many objectives .* got 2 and 3"):
        pareto.gains(f, torch.zeros(1, 3), corner)


@given(values(least=2), st.integers(1, 9))
def test_a_gain_is_what_the_volume_grows_by(f: Tensor, cut: int) -> None:
    corner, cut = torch.full((f.shape[1],), 1.1), min(cut, len(f) - 1)
    beside = f[:cut]
    grown = [
        pareto.hypervolume(torch.cat([beside, one[None]]), corner) - pareto.hypervolume(beside, corner)
        for one in f
    ]
    assert pareto.gains(f, beside, corner).tolist() == pytest.approx(grown, abs=1e-9)


@given(values(least=2), st.integers(1, 9), st.integers(1, 6))
def test_each_point_taken_enlarges_the_volume_most(f: Tensor, cut: int, count: int) -> None:
    corner, cut = torch.full((f.shape[1],), 1.1), min(cut, len(f) - 1)
    held, points = f[:cut], f[cut:]
    taken = pareto.enlarging(points, held, corner, count).tolist()
    assert len(set(taken)) == len(taken) <= count
    for i in taken:
        gains = pareto.gains(points, held, corner)  # all of them anew
        assert float(gains[i]) == pytest.approx(float(gains.max()), abs=1e-12)
        held = torch.cat([held, points[i : i + 1]])
    if len(taken) < count:  # nothing is left that would
        assert float(pareto.gains(points, held, corner).max()) <= 1e-12


def test_igd_plus_by_hand() -> None:
    front = torch.tensor([[0.0, 1.0], [1.0, 0.0]])
    assert pareto.igd_plus(front, front) == 0.0
    # worse by 0.5 than the first known point in f1 alone; better than the second in f0 is no loss
    assert pareto.igd_plus(torch.tensor([[0.0, 1.5]]), front) == pytest.approx((0.5 + 1.5) / 2)
    assert pareto.igd_plus(torch.zeros(0, 2), front) == float("inf")


@given(values())
def test_non_dominated_is_what_brute_force_says(f: Tensor) -> None:
    mask = [
        not any(dominates(g, p) for g in f) and not any(bool((g == p).all()) for g in f[:i])
        for i, p in enumerate(f)
    ]
    assert pareto.non_dominated(f).tolist() == mask


@given(values())
def test_ranks_peel_fronts_off_one_by_one(f: Tensor) -> None:
    rank = pareto.ranks(f)
    for front in range(int(rank.max()) + 1):
        left = f[rank >= front]
        expected = [not any(dominates(g, p) for g in left) for p in left]
        assert (rank[rank >= front] == front).tolist() == expected


@given(values(), st.integers(0, 2**16))
def test_order_of_points_does_not_matter(f: Tensor, seed: int) -> None:
    order = torch.from_numpy(np.random.default_rng(seed).permutation(len(f)))
    assert pareto.ranks(f[order]).tolist() == pareto.ranks(f)[order].tolist()
    reference = torch.ones(f.shape[1])
    assert pareto.hypervolume(f[order], reference) == pytest.approx(pareto.hypervolume(f, reference))


@given(values(least=2))
def test_dominated_points_add_no_hypervolume(f: Tensor) -> None:
    reference = torch.full((f.shape[1],), 1.1)
    kept = f[pareto.non_dominated(f)]
    assert pareto.hypervolume(kept, reference) == pytest.approx(pareto.hypervolume(f, reference))


def test_a_batch_is_its_members_one_by_one() -> None:
    f = torch.from_numpy(np.random.default_rng(0).integers(5, size=(2, 3, 12, 3)) / 5.0)
    for function in (pareto.non_dominated, pareto.ranks, pareto.crowding):
        whole = function(f)
        assert whole.shape == f.shape[:-1]
        assert all(torch.equal(whole[i, j], function(f[i, j])) for i in range(2) for j in range(3))


@pytest.mark.parametrize("shape", [(0, 2), (3, 0, 2), (0, 4, 2)], ids=str)
def test_nothing_gives_nothing(shape: tuple[int, ...]) -> None:
    f = torch.zeros(shape)
    for function in (pareto.non_dominated, pareto.ranks, pareto.crowding):
        assert function(f).shape == f.shape[:-1]


def naive(f: Tensor, capacity: int) -> list[int]:
    """Drops the most crowded, the later of equals, and computes crowding anew each time."""
    index = list(range(len(f)))
    while len(index) > capacity:
        crowding = pareto.crowding(f[index]).tolist()
        index.pop(max(range(len(index)), key=lambda i: (-crowding[i], i)))
    return index


@pytest.mark.parametrize("m", [2, 3, 5])
def test_elite_drops_the_most_crowded_one_by_one(m: int) -> None:
    f = np.random.default_rng(m).random((60, m))
    front = torch.from_numpy(f / np.linalg.norm(f, axis=1, keepdims=True))
    assert pareto.truncated(front, torch.zeros(60), 25).tolist() == naive(front, 25)


@given(st.integers(0, 2**16), st.integers(10, 30))
def test_what_is_held_stays_and_the_most_crowded_of_the_rest_go(seed: int, capacity: int) -> None:
    draw = np.random.default_rng(seed)
    f = np.abs(draw.normal(size=(40, 2)))
    front = torch.from_numpy(f / np.linalg.norm(f, axis=1, keepdims=True))
    held = set(draw.choice(40, size=draw.integers(0, capacity - 4), replace=False).tolist())
    index = list(range(40))
    while len(index) > capacity:
        crowding = pareto.crowding(front[index]).tolist()
        loose = [i for i in range(len(index)) if index[i] not in held]
        index.pop(max(loose, key=lambda i: (-crowding[i], i)))
    kept = pareto.truncated(
        front, torch.zeros(40), capacity, kept=lambda at: torch.tensor([int(i) in held for i in at])
    )
    assert kept.tolist() == index


def test_what_is_held_comes_after_the_ends_of_each_objective_as_far_as_there_is_room() -> None:
    f = torch.tensor([[0.0, 4.0], [1.0, 3.0], [2.0, 2.0], [3.0, 1.0], [4.0, 0.0]])

    def all_but_the_first(at: Tensor) -> Tensor:
        assert len(at) == 5, "called only where there are too many"
        return at > 0

    assert pareto.truncated(f, torch.zeros(5), 4, kept=all_but_the_first).tolist() == [0, 1, 2, 4]
    assert pareto.truncated(f[:4], torch.zeros(4), 4, kept=all_but_the_first).tolist() == [0, 1, 2, 3]


@given(values(most=40), st.integers(1, 12))
def test_elites_are_non_dominated_and_hold_the_best_of_each_objective(f: Tensor, capacity: int) -> None:
    keep = pareto.truncated(f, torch.zeros(len(f)), capacity)
    assert keep.tolist() == sorted(set(keep.tolist()))
    assert len(keep) == min(capacity, int(pareto.non_dominated(f).sum()))
    assert bool(pareto.non_dominated(f)[keep].all())
    if capacity >= f.shape[1]:
        assert torch.equal(f[keep].amin(0), f.amin(0))


def test_feasible_points_go_before_better_ones() -> None:
    f = torch.tensor([[0.0, 0.0], [2.0, 1.0], [1.0, 2.0], [3.0, 3.0]])
    assert pareto.truncated(f, torch.tensor([0.1, 0.0, 0.0, 0.0]), 10).tolist() == [1, 2]


def test_without_feasible_points_the_least_violated_stay() -> None:
    f = torch.tensor([[0.0, 0.0], [2.0, 1.0], [1.0, 2.0], [3.0, 3.0]])
    assert pareto.truncated(f, torch.tensor([0.9, 0.2, 0.2, 0.2]), 10).tolist() == [1, 2]


def test_a_small_capacity_keeps_the_best_before_the_worst() -> None:
    f = torch.tensor([[0.5, 0.5, 0.4], [0.0, 1.0, 1.0], [1.0, 0.0, 0.9], [0.9, 0.9, 0.0]])
    assert pareto.truncated(f, torch.zeros(4), 3).tolist() == [1, 2, 3]
    assert pareto.truncated(f, torch.zeros(4), 1).tolist() == [1]


def test_answers_are_on_the_device_of_the_argument_and_leave_it_alone() -> None:
    f = STAIRS.clone()
    pareto.truncated(f, torch.zeros(5), 1)
    pareto.crowding(f)
    assert torch.equal(f, STAIRS)
    assert pareto.non_dominated(f).device == f.device


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize(
    "call",
    [
        pareto.non_dominated,
        pareto.ranks,
        pareto.crowding,
        lambda f: pareto.hypervolume(f, torch.ones(2)),
        lambda f: pareto.gains(f, torch.zeros(1, 2), torch.ones(2)),
        lambda f: pareto.enlarging(f, torch.zeros(1, 2), torch.ones(2), 1),
        lambda f: pareto.igd_plus(f, torch.ones(1, 2)),
        lambda f: pareto.truncated(f, torch.zeros(2), 1),
    ],
    ids=["non_dominated", "ranks", "crowding", "hypervolume", "gains", "enlarging", "igd_plus", "elite"],
)
def test_values_must_be_finite(call: Any, bad: float) -> None:  # Any: six different functions
    with pytest.raises(ConfigError, match="every objective value must be finite, got 1 that"):
        call(torch.tensor([[0.0, bad], [1.0, 1.0]]))


def test_shapes_must_fit() -> None:
    with pytest.raises(
        ShapeError, match=r"expected objective values of shape \(..., n, m >= 1\), got \(3,\)"
    ):
        pareto.ranks(torch.zeros(3))
    with pytest.raises(ShapeError, match=r"hypervolume: .* \(n, m\), got \(1, 2, 2\)"):
        pareto.hypervolume(torch.zeros(1, 2, 2), torch.ones(2))
    with pytest.raises(ShapeError, match="a reference point of 2 numbers"):
        pareto.hypervolume(torch.zeros(1, 2), torch.ones(3))
    with pytest.raises(ShapeError, match="expected a known front of shape"):
        pareto.igd_plus(torch.zeros(1, 2), torch.zeros(1, 3))
    with pytest.raises(ShapeError, match="expected fronts of shape"):
        pareto.crowding(torch.zeros(2, 2), torch.zeros(3))
    with pytest.raises(ShapeError, match="expected violations of shape"):
        pareto.truncated(torch.zeros(2, 2), torch.zeros(3), 1)


def test_elite_refuses_what_it_cannot_order() -> None:
    with pytest.raises(ConfigError, match="every violation must be finite"):
        pareto.truncated(torch.zeros(1, 2), torch.tensor([float("nan")]), 1)
    with pytest.raises(ConfigError, match="`capacity` must be at least 1, got 0"):
        pareto.truncated(torch.zeros(1, 2), torch.zeros(1), 0)
    with pytest.raises(ConfigError, match="reference point must be finite"):
        pareto.hypervolume(torch.zeros(1, 2), torch.tensor([1.0, float("inf")]))
