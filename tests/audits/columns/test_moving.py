"""Values of one group as they would stand in another, against quantiles and couplings by hand."""

import numpy as np
import pytest

from cfsearch.audits.columns.moving import moved, sampling_error

NAN = np.nan


def array(*values: float) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return np.array(values, dtype=np.float64)


def test_each_rank_becomes_the_value_at_that_rank() -> None:
    own, other = array(3, 1, 2, 4), array(40, 10, 30, 20)
    for seed in range(5):  # without ties no chance is in it
        assert moved(array(1, 2, 3, 4), own, other, ordered=True, seed=seed).tolist() == [10, 20, 30, 40]
    assert moved(array(0, 5), own, other, ordered=True, seed=0).tolist() == [10, 40]  # outside: the ends
    assert moved(array(2.5), own, other, ordered=True, seed=0).tolist() == [30]  # half of the group is below
    assert moved(array(1, 2), array(1, 2), array(1, 2, 3, 4), ordered=True, seed=0)[0] in (1, 2)


def test_ties_are_spread_over_their_ranks() -> None:
    other = np.arange(100.0)
    after = moved(np.zeros(2000), np.zeros(50), other, ordered=True, seed=0)
    assert after.mean() == pytest.approx(49.5, abs=2)
    assert (after.min(), after.max()) == (0, 99)
    half = moved(np.ones(2000), np.repeat([0.0, 1.0], 25), other, ordered=True, seed=0)
    assert (half.min(), half.max()) == (50, 99)


def test_missing_numbers_stay_and_count_in_no_sample() -> None:
    after = moved(array(NAN, 1, 2), array(1, NAN, 2), array(NAN, 10, 20), ordered=True, seed=0)
    assert np.isnan(after[0]) and after[1:].tolist() == [10, 20]
    values = array(1, NAN)
    for own, other in ((array(), array(1)), (array(1), array(NAN))):
        same = moved(values, own, other, ordered=True, seed=0)
        assert same is not values and np.array_equal(same, values, equal_nan=True)


def test_levels_change_as_seldom_as_they_can() -> None:
    own, other = np.repeat([0.0, 1.0], [75, 25]), np.repeat([0.0, 1.0, 2.0], [25, 50, 25])
    after = moved(np.repeat([0.0, 1.0], 4000), own, other, ordered=False, seed=2)
    zeros, ones = after[:4000], after[4000:]
    assert set(ones) == {1.0}  # the other group has more of it
    # a third of 0 stays (25 of 75); what leaves becomes 1 and 2 alike, of which there are 25 more each
    assert [np.mean(zeros == level) for level in (0, 1, 2)] == pytest.approx([1 / 3] * 3, abs=0.03)
    assert moved(np.zeros(3), other, other, ordered=False, seed=0).tolist() == [0, 0, 0]


def test_levels_that_a_sample_does_not_hold() -> None:
    own, other = array(0, 0, 1), array(1, 1, 2)
    assert moved(array(2, 2), own, other, ordered=False, seed=0).tolist() == [
        2,
        2,
    ]  # of the other group alone: kept
    unknown = moved(np.full(50, 9.0), own, other, ordered=False, seed=0)
    assert set(unknown) == {1.0, 2.0}
    between = moved(np.full(50, 0.5), own, other, ordered=False, seed=0)
    assert set(between) == {1.0, 2.0}
    assert set(moved(np.full(50, 0.0), own, other, ordered=False, seed=0)) == {1.0, 2.0}


def test_the_error_of_a_line_is_its_least_squares_slope_times_that_of_the_means() -> None:
    before, after = array(0, 1, 2, NAN, 5), array(1, 3, 2, 4, NAN)
    change = array(3, 4, 7, 9, 9)
    one, other = array(0, 1, NAN, 4), array(2, 6)
    # moved: 0 -> 1 by 3, 1 -> 3 by 4; slope (1 * 3 + 2 * 4) / (1 + 4)
    expected = 11 / 5 * np.sqrt(np.var([0, 1, 4], ddof=1) / 3 + np.var([2, 6], ddof=1) / 2)
    assert sampling_error(change, before, after, (one, other), ordered=True) == pytest.approx(expected)
    assert sampling_error(-change, before, after, (one, other), ordered=True) == pytest.approx(expected)


def test_the_error_of_levels_is_that_of_their_responses() -> None:
    before, after = array(0, 0, 1, 1), array(1, 2, 2, 2)
    response = {0: 0.0, 1: 0.5, 2: 2.0}
    change = array(*(response[int(b)] - response[int(a)] for a, b in zip(before, after, strict=True)))
    one, other = array(0, 0, 1, 1), array(1, 2, 2)
    spread = [np.array([response[int(v)] for v in sample]) for sample in (one, other)]
    expected = np.sqrt(sum(part.var(ddof=1) / len(part) for part in spread))
    assert sampling_error(change, before, after, (one, other), ordered=False) == pytest.approx(expected)


@pytest.mark.parametrize("ordered", [True, False])
def test_without_moves_or_samples_there_is_no_error(ordered: bool) -> None:
    two = array(1, 2)
    assert sampling_error(array(1), array(1), array(1), (two, two), ordered=ordered) == 0.0
    assert sampling_error(array(1), array(1), array(2), (two, array(1)), ordered=ordered) == 0.0
    assert sampling_error(array(1), array(1), array(2), (two, two), ordered=ordered) > 0.0
    assert sampling_error(array(1), array(1), array(2), (array(1, NAN), two), ordered=ordered) == 0.0
