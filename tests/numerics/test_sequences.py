"""Sequences of intervals: their chance to err, worked out exactly, and what they must have in common with others."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cfsearch.errors import ConfigError
from cfsearch.numerics.intervals import wilson
from cfsearch.numerics.sequences import MeanSequence, share_sequence


def chance_to_miss(p: float, *, alpha: float, most: int) -> float:
    """Exact chance that one of the intervals of n = 1 .. ``most`` misses ``p``, by walking over all counts."""
    alive, missed = np.array([1.0]), 0.0
    for n in range(1, most + 1):
        alive = np.append(alive * (1 - p), 0.0) + np.append(0.0, alive * p)
        for count in np.flatnonzero(alive > 1e-12):
            ends = share_sequence(int(count), n, alpha=alpha)
            assert ends is not None
            if not ends.low <= p <= ends.high:
                missed += alive[count]
                alive[count] = 0.0
    return missed


@pytest.mark.parametrize(("p", "alpha"), [(0.05, 0.05), (0.5, 0.2), (0.9, 0.1)])
def test_the_chance_that_it_ever_misses_is_below_alpha_and_not_idle(p: float, alpha: float) -> None:
    chance = chance_to_miss(p, alpha=alpha, most=40)
    assert chance <= alpha
    assert chance > alpha / 20


def test_wilsons_interval_looked_at_each_time_misses_far_more_often() -> None:
    """The reason for it all: the same walk with an interval for one fixed number of inputs."""
    p, alive, missed = 0.5, np.array([1.0]), 0.0
    for n in range(1, 41):
        alive = np.append(alive * (1 - p), 0.0) + np.append(0.0, alive * p)
        for count in np.flatnonzero(alive):
            ends = wilson(int(count), n)
            assert ends is not None
            if not ends.low <= p <= ends.high:
                missed += alive[count]
                alive[count] = 0.0
    assert missed > 0.12


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 80), st.integers(1, 80), st.floats(0.001, 0.5))
def test_it_holds_the_share_and_is_wider_than_wilsons(count: int, n: int, alpha: float) -> None:
    count = min(count, n)
    found, fixed = share_sequence(count, n, alpha=alpha), wilson(count, n, confidence=1 - alpha)
    assert found is not None and fixed is not None
    assert 0.0 <= found.low <= found.value == count / n <= found.high <= 1.0
    if n >= 10:
        assert found.high - found.low >= (fixed.high - fixed.low) * 0.95
    mirrored = share_sequence(n - count, n, alpha=alpha)
    assert mirrored is not None
    assert (mirrored.low, mirrored.high) == pytest.approx((1 - found.high, 1 - found.low), abs=1e-6)


def test_the_ends_are_where_the_capital_reaches_one_over_alpha() -> None:
    from scipy.stats import betabinom, binom

    found = share_sequence(7, 40, alpha=0.05)
    assert found is not None
    for p in (found.low, found.high):
        # capital against p: likelihood of the mixture over that of p
        capital = betabinom.pmf(7, 40, 0.5, 0.5) / binom.pmf(7, 40, p)
        assert capital == pytest.approx(20.0, rel=1e-4)


@pytest.mark.parametrize("shape", [(1.0, 1.0), (0.2, 0.2), (8.0, 2.0)])
def test_means_are_covered_at_all_times_in_simulations(shape: tuple[float, float]) -> None:
    a, b = shape
    missed = 0
    for k in range(60):
        seen = MeanSequence(low=-1.0, high=1.0, alpha=0.2)
        for value in 2 * np.random.default_rng([9, k]).beta(a, b, 80) - 1:
            seen.add(float(value))
        ends = seen.interval
        assert ends is not None  # what was refused once stays so: the last interval holds all before it
        missed += not ends.low <= 2 * a / (a + b) - 1 <= ends.high
    assert missed <= 20  # 12 expected at most; 20 or more in 1 of 80 such tests if alpha were used up


def test_a_mean_of_little_variance_is_known_sooner() -> None:
    def width(spread: float) -> float:
        seen, draw = MeanSequence(), np.random.default_rng(3)
        for value in draw.uniform(0.5 - spread, 0.5 + spread, 200):
            seen.add(float(value))
        assert seen.interval is not None
        return seen.interval.high - seen.interval.low

    assert width(0.05) < 0.5 * width(0.5)


def test_scale_and_shift_do_not_matter() -> None:
    plain, moved = MeanSequence(), MeanSequence(low=-3.0, high=7.0)
    for value in np.random.default_rng(1).random(50):
        plain.add(float(value))
        moved.add(float(10 * value - 3))
    one, other = plain.interval, moved.interval
    assert one is not None and other is not None
    assert (10 * one.low - 3, 10 * one.high - 3) == pytest.approx((other.low, other.high))
    assert moved.n == 50


def test_nothing_seen_is_nothing_known() -> None:
    assert share_sequence(0, 0) is None
    assert MeanSequence().interval is None


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="`count` must lie in 0 to 3, got 4"):
        share_sequence(4, 3)
    with pytest.raises(ConfigError, match="`alpha` must lie between 0 and 1"):
        share_sequence(1, 3, alpha=0.0)
    with pytest.raises(ConfigError, match="`low` must be below `high`"):
        MeanSequence(low=1.0, high=1.0)
    with pytest.raises(ConfigError, match="expected a value in 0 to 1, got 1.5"):
        MeanSequence().add(1.5)
