"""What is forecast of a condition, against audits walked through by hand."""

import pytest

from cfsearch.audits.conditions import fail_if
from cfsearch.audits.forecast import Forecast, forecasts
from cfsearch.audits.measured import Membership
from cfsearch.audits.streams import Observation, Watch
from cfsearch.audits.watching import watches
from cfsearch.datasets.tables import RowGroups
from cfsearch.numerics.sequences import share_sequence


def watched(*lines: str) -> list[Watch]:
    members = Membership(None, (), (RowGroups("sex", ("f", "m"), (0, 1), ""),), ("x", "y"))
    return watches([fail_if(line) for line in lines], attributes=("Hat",), protected=(), members=members)


def first_beyond(bound: float, *, hits: bool, alpha: float) -> int:
    """Inputs after which the interval of inputs that are all alike lies beyond a bound."""
    for n in range(1, 1000):
        now = share_sequence(n * hits, n, alpha=alpha)
        assert now is not None
        if now.low > bound if hits else now.high < bound:
            return n
    raise AssertionError


def test_the_least_number_is_that_of_inputs_that_are_all_alike() -> None:
    [one] = forecasts(watched("found_rate < 80%"), inputs=300, seed=0)
    both = first_beyond(0.8, hits=True, alpha=0.05), first_beyond(0.8, hits=False, alpha=0.05)
    assert one.least == min(both) == both[1]
    assert (one.figure, one.condition.words) == ("found_rate", "found_rate >= 0.8")
    [other] = forecasts(watched("found_rate > 10%"), inputs=300, seed=0)
    assert other.least == first_beyond(0.1, hits=True, alpha=0.05)
    assert forecasts(watched("found_rate < 80%"), inputs=both[1] - 1, seed=0)[0].least is None
    assert forecasts(watched("found_rate < 80%"), inputs=both[1], seed=0)[0].least == both[1]


@pytest.mark.parametrize(
    ("line", "holds", "breaks"),
    [
        ("found_rate < 80%", 0.9, 0.6), ("found_rate <= 40%", 0.7, 0.2), ("found_rate > 80%", 0.4, 0.9),
        ("found_rate >= 20%", 0.1, 0.4),
        ("flip_rate:Hat > 10%", 0.05, 0.2), ("change_rate:+Hat < 50%", 0.75, 0.25),
    ],
)  # fmt: skip
def test_values_lie_halfway_on_each_side_of_the_bound(line: str, holds: float, breaks: float) -> None:
    [one] = forecasts(watched(line), inputs=1, seed=0)
    assert [one.holds[0], one.breaks[0]] == pytest.approx([holds, breaks])
    assert (one.least, one.holds[1], one.breaks[1]) == (None, None, None)


def test_bounds_at_the_ends_of_a_share_never_break() -> None:
    low, high = forecasts(watched("found_rate < 0%", "found_rate > 100%"), inputs=1, seed=0)
    assert (low.holds, low.breaks) == ((0.5, 1), (0.0, None))
    assert (high.holds, high.breaks) == ((0.5, 1), (1.0, None))


def test_means_are_not_forecast_and_figures_are_named_in_full() -> None:
    found = forecasts(
        watched("probability:Hat > 0.1", "flip_rate:Hat > 10%", "found_gap@sex > 10%"), inputs=1, seed=0
    )
    assert [one.figure for one in found] == ["flip_rate:Hat", "found_gap@sex:f"]


def test_both_sides_are_forecast_and_depend_on_the_seed_alone() -> None:
    [one] = forecasts(watched("flip_rate:Hat > 40%"), inputs=400, seed=3)
    [again] = forecasts(watched("flip_rate:Hat > 40%"), inputs=400, seed=3)
    assert one == again
    assert one.least is not None and one.holds[1] is not None and one.breaks[1] is not None
    assert one.least <= one.holds[1] < 400
    assert one.least <= one.breaks[1] < 400
    [short] = forecasts(watched("flip_rate:Hat > 40%"), inputs=one.least, seed=3)
    assert (short.least, short.holds[1], short.breaks[1]) == (one.least, None, None)


def test_a_gap_alternates_between_two_groups_of_at_least_ten() -> None:
    [watch] = watched("found_gap@sex > 40%")
    [one] = forecasts([watch], inputs=400, seed=0)
    again = watch.anew([frozenset({"a"}), frozenset({"b"})])
    n = 0
    while again.decided_at is None:  # a gap of 0: every second input of each group flips, no chance in it
        again.add("ab"[n % 2], Observation(False, found=n % 2 == 0), inputs=n + 1)
        n += 1
    assert one.least is not None and one.least <= n
    assert one.least >= 20  # fewer than 10 inputs a group are not judged
    assert watch.n == 0  # what is forecast does not touch what is judged


def test_a_sentence_says_when_it_passes_and_when_it_fails() -> None:
    condition = fail_if("found_rate < 80%")
    one = Forecast(condition, "found_rate", 12, (0.9, 33), (0.6, None))
    assert one.sentence == (
        "found_rate >= 0.8: after 12 inputs at the earliest; passes after about 33 where it is 0.9; open to the end where it "
        "is 0.6"
    )
    none = Forecast(condition, "found_rate", None, (0.98765, None), (0.6, 7))
    assert none.sentence == (
        "found_rate >= 0.8: never with so few inputs; open to the end where it is 0.988; fails after about 7 where it is 0.6"
    )
