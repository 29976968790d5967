"""Intervals against values from tables and by hand, and at their ends."""

import numpy as np
import pytest
import torch
from scipy.stats import binomtest, bootstrap

from cfsearch.errors import ConfigError
from cfsearch.numerics import intervals
from cfsearch.numerics.intervals import (
    holm,
    mcnemar,
    mean_difference,
    paired_mean,
    share_difference,
    share_mean,
    wilson,
)


def test_wilson_against_newcombes_table() -> None:
    # Newcombe 1998 (Statistics in Medicine 17:857), table I, method 3
    for count, n, low, high in (
        (81, 263, 0.2553, 0.3662),
        (15, 148, 0.0624, 0.1605),
        (1, 29, 0.0061, 0.1718),
    ):
        found = wilson(count, n)
        assert found is not None
        assert (round(found.low, 4), round(found.high, 4)) == (low, high)
        assert found.value == count / n


def test_wilson_touches_the_ends_and_narrows_with_less_confidence() -> None:
    none, every = wilson(0, 20), wilson(20, 20)
    assert none is not None and every is not None
    assert (none.low, every.high) == (0.0, 1.0)
    assert none.high == pytest.approx(1 - every.low)
    wide, narrow = wilson(5, 20), wilson(5, 20, confidence=0.5)
    assert wide is not None and narrow is not None
    assert wide.low < narrow.low < 0.25 < narrow.high < wide.high
    assert wilson(0, 0) is None
    with pytest.raises(ConfigError, match="`count` must lie in 0 to 3, got 4"):
        wilson(4, 3)


def test_a_bootstrap_of_the_mean_is_near_the_interval_of_the_normal_law() -> None:
    values = torch.from_numpy(np.random.default_rng(0).normal(2.0, 3.0, size=400))
    found, again = paired_mean(values, seed=1), paired_mean(values, seed=1)
    assert found == again and found is not None
    half = 1.96 * float(values.std()) / 20
    assert found.value == pytest.approx(float(values.mean()))
    assert found.low == pytest.approx(found.value - half, abs=0.05)
    assert found.high == pytest.approx(found.value + half, abs=0.05)


@pytest.mark.parametrize("most", [None, 100, 1])
def test_resamples_that_are_drawn_in_parts_are_scipys_drawn_at_once(
    most: int | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    if most is not None:
        monkeypatch.setattr(intervals, "_MOST_DRAWN", most)
    rng = np.random.default_rng(5)
    a, b = rng.normal(size=37), rng.gamma(2, size=21)

    def whole(*samples: np.ndarray) -> tuple[float, float]:
        found = bootstrap(
            samples, lambda x, *y, axis: x.mean(axis) - sum(part.mean(axis) for part in y),
            vectorized=True, n_resamples=2000, method="percentile", rng=np.random.default_rng(3),
        )  # fmt: skip
        return float(found.confidence_interval.low), float(found.confidence_interval.high)

    alone, apart = (
        paired_mean(torch.from_numpy(a), seed=3),
        mean_difference(torch.from_numpy(a), torch.from_numpy(b), seed=3),
    )
    assert alone is not None and (alone.low, alone.high) == whole(a)
    assert apart is not None and (apart.low, apart.high) == whole(a, b)


def test_samples_of_one_and_of_none() -> None:
    one, some = torch.tensor([3.0]), torch.tensor([1.0, 2.0, 6.0])
    alone = paired_mean(one)
    assert alone is not None and (alone.value, alone.low, alone.high) == (3.0, 3.0, 3.0)
    assert paired_mean(one[:0]) is None
    assert mean_difference(one, some[:0]) is None
    first, second = mean_difference(one, some), mean_difference(some, one)
    assert first is not None and second is not None
    assert first.value == 0.0 == second.value
    assert -3.0 <= first.low < 0.0 < first.high <= 2.0
    assert (first.low, first.high) == pytest.approx((-second.high, -second.low))


def test_newcombes_interval_of_a_difference() -> None:
    # Newcombe 1998 (Statistics in Medicine 17:873), table II, method 10: 56/70 and 48/80
    found = share_difference(56, 70, 48, 80)
    assert found is not None
    assert found.value == pytest.approx(0.2)
    assert (round(found.low, 4), round(found.high, 4)) == (0.0524, 0.3339)
    assert share_difference(1, 2, 0, 0) is None


def test_holm_by_hand() -> None:
    assert holm(np.array([0.04, 0.01, 0.03])).tolist() == pytest.approx([0.06, 0.03, 0.06])
    assert holm(np.array([0.9, 0.8])).tolist() == [1.0, 1.0]


def test_mcnemar_by_hand() -> None:
    # 1 and 5 of 6: 2 * (1 + 6) / 64
    assert mcnemar(1, 5) == pytest.approx(14 / 64)
    assert mcnemar(0, 0) == 1.0
    assert mcnemar(0, 6) == pytest.approx(2 / 64)


@pytest.mark.parametrize(("count", "n"), [(0, 1), (1, 1), (0, 7), (7, 7), (3, 10), (250, 300)])
def test_a_mean_of_zeros_and_ones_has_wilsons_interval(count: int, n: int) -> None:
    found = share_mean(torch.tensor([1.0] * count + [0.0] * (n - count)))
    ends = binomtest(count, n).proportion_ci(method="wilson")
    assert found is not None
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high), abs=1e-6)
    assert found.value == pytest.approx(count / n)


def test_a_mean_of_shares_by_hand() -> None:
    found = share_mean(torch.tensor([0.25, 0.75]))
    ends = binomtest(1, 2).proportion_ci(method="wilson")  # the same mean of as many numbers
    assert found is not None and found.value == 0.5
    assert (found.low, found.high) == pytest.approx((ends.low, ends.high), abs=1e-6)
    assert share_mean(torch.zeros(0)) is None


def test_the_interval_of_a_mean_of_shares_holds_it_often_enough() -> None:
    draw = np.random.default_rng(0)
    for a, b in ((0.2, 0.1), (2.0, 2.0), (8.0, 0.5)):
        held = []
        for _ in range(400):
            found = share_mean(torch.from_numpy(draw.beta(a, b, size=15)))
            assert found is not None
            held.append(found.low <= a / (a + b) <= found.high)
        assert np.mean(held) >= 0.93
