"""Attainment functions against moocore's, and what the permutation tests hold to."""

import moocore
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import ks_2samp
from torch import Tensor

from cfsearch.errors import ShapeError
from cfsearch.numerics.attainment import attained, compare_fronts, lattice, levels_of


def fronts(n: int, *, seed: int, scale: float = 1.0, m: int = 2) -> list[Tensor]:
    """So many fronts of one to five points each."""
    rng = np.random.default_rng(seed)
    return [torch.tensor(scale * rng.random((rng.integers(1, 6), m))) for _ in range(n)]


@pytest.mark.parametrize("m", [2, 3])
def test_the_shares_are_those_of_moocores_attainment_surfaces(m: int) -> None:
    group = fronts(7, seed=m, m=m)
    points = np.concatenate([front.numpy() for front in group])
    sets = np.repeat(np.arange(1, 8), [len(front) for front in group])
    surfaces = moocore.eaf(points, sets=sets)
    goals = torch.tensor(surfaces[:, :m])
    shares = attained(group, goals).double().mean(0)
    # a point of the surface of 3 of 7 is attained by at least 3 of 7, and by fewer a little below it
    assert (shares * 100 >= torch.tensor(surfaces[:, m]) - 1e-9).all()
    below = attained(group, goals - 1e-9).double().mean(0)
    assert (below * 100 < torch.tensor(surfaces[:, m]) - 1e-9).all()


def test_the_largest_difference_is_that_of_moocores_eafdiff() -> None:
    one, other = fronts(9, seed=1), fronts(9, seed=2, scale=1.6)
    arrays = [
        np.column_stack(
            [np.concatenate([f.numpy() for f in side]), np.repeat(np.arange(1, 10), [len(f) for f in side])]
        )
        for side in (one, other)
    ]
    rectangles = moocore.eafdiff(*arrays, rectangles=True, intervals=9)
    largest = np.abs(rectangles[:, -1]).max() / 9
    found = compare_fronts(one, other, permutations=99)
    assert found is not None
    # fewer than 32 levels an objective would hold every goal; with more points the lattice is a little coarser
    assert found.gap.value <= largest + 1e-9
    assert found.gap.value >= largest - 1.5 / 9
    assert abs(found.first - found.second) == pytest.approx(found.gap.value)


def test_of_one_objective_it_is_the_test_of_kolmogorov_and_smirnov() -> None:
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=14), rng.normal(0.9, 1.0, size=17)
    found = compare_fronts([torch.tensor([[v]]) for v in a], [torch.tensor([[v]]) for v in b])
    known = ks_2samp(a, b, method="exact")
    assert found is not None
    assert found.gap.value == pytest.approx(known.statistic)
    assert found.p_gap == pytest.approx(known.pvalue, abs=0.015)


def test_planted_costs_are_found_though_rates_are_alike() -> None:
    cheap = fronts(25, seed=4)
    found = compare_fronts(cheap, [2.0 * front for front in fronts(25, seed=5)], permutations=999)
    assert found is not None
    assert found.p_gap < 0.01
    assert found.p_volume < 0.01
    assert found.volume.low > 0
    assert found.first > found.second
    assert found.volumes[0] - found.volumes[1] == pytest.approx(found.volume.value)


def test_swapped_groups_give_the_same_but_for_the_sign() -> None:
    one, other = fronts(12, seed=6), fronts(15, seed=7)
    there, back = compare_fronts(one, other, permutations=99), compare_fronts(other, one, permutations=99)
    assert there is not None and back is not None
    assert there.gap.value == pytest.approx(back.gap.value)
    assert (there.first, there.second) == (back.second, back.first)
    assert there.volume.value == pytest.approx(-back.volume.value)


def test_a_front_without_points_attains_nothing_and_counts() -> None:
    empty = torch.zeros(0, 2)
    full = torch.tensor([[0.5, 0.5]])
    assert attained([empty], torch.tensor([[1e9, 1e9]])).tolist() == [[False]]
    found = compare_fronts([full] * 12, [full] * 6 + [empty] * 6, permutations=99)
    assert found is not None
    assert (found.first, found.second, found.gap.value) == (1.0, 0.5, 0.5)
    assert found.volumes[1] == pytest.approx(found.volumes[0] / 2)
    assert compare_fronts([empty], [empty]) is None
    assert compare_fronts([], [full]) is None


def test_equal_groups_are_never_called_different() -> None:
    same = fronts(10, seed=8)
    found = compare_fronts(same, same, permutations=99)
    assert found is not None
    assert (found.gap.value, found.p_gap, found.p_volume) == (0.0, 1.0, 1.0)


@settings(max_examples=6, deadline=None)
@given(st.integers(0, 10_000), st.floats(0.1, 50.0), st.floats(-10.0, 10.0))
def test_units_do_not_matter(seed: int, scale: float, shift: float) -> None:
    one, other = fronts(6, seed=seed), fronts(6, seed=seed + 1)
    plain = compare_fronts(one, other, permutations=99)
    moved = compare_fronts(
        [front * scale + shift for front in one], [front * scale + shift for front in other], permutations=99
    )
    assert plain is not None and moved is not None
    assert plain.volume.value == pytest.approx(moved.volume.value, abs=1e-6)
    assert plain.p_volume == pytest.approx(moved.p_volume, abs=0.011)


def test_levels_and_goals_are_values_that_occur() -> None:
    values = torch.tensor([3.0, 1.0, 1.0, 2.0, 10.0])
    assert levels_of(values, count=9).tolist() == [1.0, 2.0, 3.0, 10.0]
    few = levels_of(torch.arange(100.0), count=5)
    assert few.tolist() == [0.0, 25.0, 50.0, 74.0, 99.0]
    assert len(lattice(torch.rand(500, 3), most=1000)) <= 1000


@pytest.mark.parametrize("points", [torch.zeros(0, 2), torch.zeros(3)])
def test_goals_of_nothing_are_refused(points: Tensor) -> None:
    with pytest.raises(ShapeError, match="expected points"):
        lattice(points)


def test_fronts_that_do_not_fit_the_goals_are_refused() -> None:
    with pytest.raises(ShapeError, match="3 objectives"):
        attained([torch.zeros(1, 2)], torch.zeros(4, 3))
