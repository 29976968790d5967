"""What one input says of a figure, and the intervals that follow, against sequences made by hand."""

from typing import Any

import pytest
import torch

from cfsearch.audits.changes import ChangeTally
from cfsearch.audits.conditions import Condition, fail_if
from cfsearch.audits.effects import Effects
from cfsearch.audits.measured import Membership
from cfsearch.audits.streams import OF_EFFECTS, STOPPABLE, Observation, Stream, Watch
from cfsearch.audits.watching import watches
from cfsearch.datasets.images import AttributeTable
from cfsearch.datasets.tables import RowGroups
from cfsearch.errors import ConfigError
from cfsearch.numerics.intervals import Interval
from cfsearch.numerics.sequences import MeanSequence, share_sequence
from cfsearch.runs.directory import InstanceRow

from .fronts import front_of, instance


def changes_of(row: InstanceRow) -> tuple[int, int]:
    """How many of the flips that the document counts hold "+Hat"."""
    tally = ChangeTally()
    assert row.front is not None
    tally.add(row.front, row.front.pick("sparsest"))
    return tally.counted()["Hat", "+"], tally.n


def measured(*, kept: bool) -> Effects:
    one = torch.tensor([[0.25, -0.5]])
    return Effects(
        ("Hat", "Beard"), 4 * one, one, torch.tensor([[True, False]]), torch.tensor([kept]), one, one
    )


def test_an_observation_is_what_the_instance_says() -> None:
    row = instance(0, front_of([[1.0, -1.0]], source=1, scores=[[2.0, 0.0]]))
    probability = {"Hat": 0.25, "Beard": -0.5}
    assert Observation.of(row) == Observation(False, True, True, frozenset({"+Hat", "-Beard"}))
    assert Observation.of(row, measured(kept=True)) == Observation(
        False, True, True, frozenset({"+Hat", "-Beard"}), {"Hat": True, "Beard": False}, probability
    )
    assert Observation.of(row, measured(kept=False)) == Observation(
        False, True, True, frozenset({"+Hat", "-Beard"}), {}, probability
    )


def test_an_observation_of_what_was_not_found_not_searched_or_failed() -> None:
    missed = instance(0, front_of(verified=[False]), "not_found")
    assert Observation.of(missed) == Observation(False, False, False, None)
    dull = instance(
        0, front_of([[0.01, 0.0]])
    )  # a change that nobody sees: a flip of none, of which rates count
    assert changes_of(dull) == (0, 1)
    assert Observation.of(dull) == Observation(False, False, True, frozenset())
    assert Observation.of(dull).value("change_rate", "+Hat") == 0.0
    alone = instance(0, front_of(flips=True))
    assert changes_of(alone) == (0, 0) and Observation.of(alone).changes is None
    there = instance(0, front_of([], source=1), "already_target")
    assert Observation.of(there) == Observation(False, True, None, None)
    assert Observation.of(instance(0, None, "failed"), measured(kept=True)) == Observation(True)
    assert Observation.of(instance(0, None, "already_target")) == Observation(False)


def test_each_figure_reads_its_own_part() -> None:
    seen = Observation(False, True, False, frozenset({"+Hat"}), {"Hat": True}, {"Hat": -0.4})
    asked = [
        ("failed_rate", "", 0.0), ("decided", "", 1.0), ("found_rate", "", 0.0), ("change_rate", "+Hat", 1.0),
        ("change_rate", "-Hat", 0.0), ("flip_rate", "Hat", 1.0), ("flip_rate", "Beard", None),
        ("probability", "Hat", -0.4), ("abs_probability", "Hat", -0.4), ("probability", "Beard", None),
    ]  # fmt: skip
    for metric, subject, value in asked:
        assert seen.value(metric, subject) == value, (metric, subject)
    nothing = Observation(True)
    assert nothing.value("failed_rate", "") == 1.0
    assert [nothing.value(metric, "Hat") for metric in ("decided", "found_rate", "change_rate")] == [None] * 3
    assert STOPPABLE == (
        "found_rate", "failed_rate", "decided", "flip_rate", "change_rate", "decided_gap", "found_gap", "probability",
        "abs_probability",
    )  # fmt: skip
    assert OF_EFFECTS == ("flip_rate", "probability", "abs_probability")


def test_the_interval_of_a_share_is_what_all_intervals_so_far_have_in_common() -> None:
    hits = [True] * 12 + [False] * 12
    stream = Stream("found_rate", "", None, alpha=0.05)
    assert stream.interval is None
    low, high = 0.0, 1.0
    for i, hit in enumerate(hits, start=1):
        stream.add(f"{i}", Observation(False, found=hit))
        now = share_sequence(sum(hits[:i]), i, alpha=0.05)
        assert now is not None
        low, high = max(low, now.low), min(high, now.high)
    assert (stream.count, stream.n) == (12, 24)
    assert stream.interval == Interval(0.5, min(low, 0.5), high)
    last = share_sequence(12, 24, alpha=0.05)
    assert last is not None and low > last.low  # an earlier one was tighter


def test_only_members_and_only_what_says_something_count() -> None:
    stream = Stream("found_rate", "", frozenset({"a"}), alpha=0.05)
    stream.add("b", Observation(False, found=True))
    stream.add("a", Observation(False, found=None))
    assert (stream.n, stream.count, stream.interval) == (0, 0, None)
    stream.add("a", Observation(False, found=True))
    assert (stream.n, stream.count) == (1, 1)


def test_a_mean_has_the_sequence_of_values_between_minus_one_and_one() -> None:
    mean, stream = MeanSequence(low=-1.0, high=1.0, alpha=0.1), Stream("probability", "Hat", None, alpha=0.1)
    assert stream.interval == mean.interval
    for i in range(20):
        mean.add(0.1 * (i % 7) - 0.5)
        stream.add("x", Observation(False, probability={"Hat": 0.1 * (i % 7) - 0.5}))
    assert stream.interval == mean.interval and stream.n == 20


def share(count: int, n: int, alpha: float) -> Interval:
    """The intervals of ``count`` hits before all others have this in common."""
    low, high = 0.0, 1.0
    for i in range(1, n + 1):
        now = share_sequence(min(i, count), i, alpha=alpha)
        assert now is not None
        low, high = max(low, now.low), min(high, now.high)
    return Interval(count / n, min(low, count / n), max(high, count / n))


def test_a_difference_spends_half_of_the_chance_on_each_side() -> None:
    sides = frozenset(f"a{i}" for i in range(12)), frozenset(f"b{i}" for i in range(10))
    watch = Watch(fail_if("found_gap@sex > 90%"), subject="", group="sex", sides=sides, alpha=0.08)
    for i in range(12):
        watch.add(f"a{i}", Observation(False, found=i < 3), inputs=i)
    for i in range(9):
        watch.add(f"b{i}", Observation(False, found=True), inputs=12 + i)
    assert (watch.n, watch.sides, watch.interval, watch.result) == (21, 2, None, "cannot tell")
    watch.add("b9", Observation(False, found=True), inputs=22)
    one, other = share(3, 12, 0.04), share(10, 10, 0.04)
    low, high = one.low - other.high, one.high - other.low
    size = Interval(0.75, 0.0 if high >= 0 else -high, max(-low, abs(high)))
    assert watch.interval == size and size.high < 0.9
    assert watch.to_dict() == {
        "condition": "found_gap@sex <= 0.9", "requires": "found_gap@sex <= 0.9", "metric": "found_gap", "subject": "",
        "group": "sex", "op": "<=", "bound": 0.9, "confidence": 0.95, "estimate": size.to_dict(), "n": 22,
        "result": "pass", "decided_at": 22,
    }  # fmt: skip
    again = watch.anew(sides)
    assert (again.n, again.sides, again.result) == (0, 2, "cannot tell")
    start = {"estimate": None, "n": 0, "result": "cannot tell", "decided_at": None}
    assert again.to_dict() == watch.to_dict() | start
    for i in range(12):
        again.add(f"a{i}", Observation(False, found=i < 3), inputs=i)
    for i in range(10):
        again.add(f"b{i}", Observation(False, found=True), inputs=12 + i)
    assert again.interval == size


@pytest.mark.parametrize(("metric", "part"), [("found_gap", "found"), ("decided_gap", "decided")])
def test_each_gap_reads_its_own_share(metric: str, part: str) -> None:
    sides = frozenset({"a"}), frozenset({"b"})
    watch = Watch(fail_if(f"{metric}@sex > 90%"), subject="", group="sex", sides=sides, alpha=0.05)
    for i in range(10):
        for name, hit in (("a", True), ("b", False)):
            seen: dict[str, Any] = {"found": None, "decided": None, part: hit}
            watch.add(name, Observation(False, **seen), inputs=i)
    assert watch.n == 20 and watch.interval is not None and watch.interval.value == 1.0


@pytest.mark.parametrize(
    ("line", "hits", "result"),
    [
        ("found_rate < 50%", True, "pass"), ("found_rate <= 50%", True, "pass"), ("found_rate > 50%", True, "fail"),
        ("found_rate >= 50%", True, "fail"), ("found_rate < 50%", False, "fail"), ("found_rate > 50%", False, "pass"),
    ],
)  # fmt: skip
def test_the_end_that_counts_depends_on_the_side(line: str, hits: bool, result: str) -> None:
    [watch] = watches([fail_if(line)], attributes=(), protected=(), members=None)
    assert watch.to_dict()["estimate"] is None
    last = 0
    for i in range(1, 40):
        watch.add(f"{i}", Observation(False, found=hits), inputs=100 + i)
        alone = share_sequence(i * hits, i, alpha=0.05)
        assert alone is not None
        beyond = alone.low > 0.5 if hits else alone.high < 0.5
        assert watch.result == (result if beyond else "cannot tell")
        if not beyond:
            last = i
    assert watch.decided_at == 100 + last + 1


def members() -> Membership:
    labels = AttributeTable(("p", "q"), ("Hat",), torch.tensor([[True], [False]]), {})
    columns = (RowGroups("sex", ("f", "m"), (0, 1), ""), RowGroups("job", ("a", "b", "c"), (0, 2), ""))
    return Membership(labels, ("Hat",), columns, ("x", "y"))


@pytest.mark.parametrize(
    ("condition", "expected"),
    [
        ("found_rate@* < 1", ["Hat:with", "Hat:without", "sex:f", "sex:m", "job:a", "job:b", "job:c"]),
        ("found_rate@sex < 1", ["sex:f", "sex:m"]),
        ("decided@sex:m < 1", ["sex:m"]),
        ("found_gap < 1", ["Hat", "sex:f", "job:a", "job:b", "job:c"]),
        ("decided_gap@job < 1", ["job:a", "job:b", "job:c"]),
        ("found_gap@Hat < 1", ["Hat"]),
    ],
)  # fmt: skip
def test_groups_by_name_by_column_or_all(condition: str, expected: list[str]) -> None:
    found = watches([fail_if(condition)], attributes=(), protected=(), members=members())
    assert [watch.group for watch in found] == expected
    assert {watch.sides for watch in found} == {2 if "_gap" in condition else 1}


def test_subjects_by_name_protected_or_all_and_the_chance_is_divided() -> None:
    conditions = [
        Condition("flip_rate", "<", 0.5, subject="*"),
        Condition("probability", "<", 0.5, subject="protected", confidence=0.9),
        Condition("change_rate", "<", 0.5, subject="+Hat"),
    ]
    found = watches(conditions, attributes=("Hat", "Beard"), protected=("Beard",), members=None)
    assert [(w.condition.metric, w.subject, w.group, w.sides) for w in found] == [
        ("flip_rate", "Hat", "", 0), ("flip_rate", "Beard", "", 0), ("probability", "Beard", "", 0),
        ("change_rate", "+Hat", "", 0),
    ]  # fmt: skip
    for watch in found:
        watch.add("x", Observation(False, changes=frozenset({"+Hat"}), flips={"Hat": True}), inputs=1)
    first, last = share_sequence(1, 1, alpha=0.05 / 4), found[3].interval
    assert first is not None and last is not None
    assert last.low == pytest.approx(first.low, abs=1e-8)
    mean = MeanSequence(low=-1.0, high=1.0, alpha=0.1 / 4)
    for _ in range(9):
        mean.add(0.3)
        found[2].add("x", Observation(False, probability={"Beard": 0.3}), inputs=1)
    assert found[2].interval is not None and mean.interval is not None
    assert found[2].interval.high == pytest.approx(mean.interval.high, abs=1e-8)


def test_a_correction_without_a_reason_leaves_a_condition_that_can_be_decided() -> None:
    conditions = [Condition("probability", "<", 0.5, subject="Hat")]
    [watch] = watches(conditions, attributes=("Hat",), protected=(), members=None)
    watch.correct()
    assert watch.because == ""
    watch.correct("its edits were never measured")
    assert watch.because == "its edits were never measured"


@pytest.mark.parametrize(
    ("subject", "because"),
    [
        ("~Hat", ""),
        ("-Beard", ""),
        ("+Hat", "'Hat' has no order: its change is ~Hat"),
        ("~Beard", "'Beard' has an order: +Beard or -Beard"),
        ("+Coat", "the generator has no variable 'Coat'"),
    ],
)
def test_a_change_that_no_flip_can_hold_is_never_decided(subject: str, because: str) -> None:
    [watch] = watches(
        [Condition("change_rate", "<", 0.5, subject=subject)], attributes=(), protected=(), members=None
    )
    for i in range(80):
        seen = Observation.of(instance(i, front_of([[0.0, 0.0]], categories=("Hat",))))
        watch.add(f"{i}", seen, inputs=i + 1)
    assert watch.because == because
    assert (watch.result == "pass") is (because == "")


@pytest.mark.parametrize("subject", ["", "*", "protected"])
def test_a_change_must_be_named(subject: str) -> None:
    with pytest.raises(ConfigError, match="change_rate needs a change, such as change_rate:.Blond_Hair"):
        watches(
            [Condition("change_rate", "<", 1, subject=subject)],
            attributes=("a",),
            protected=("a",),
            members=None,
        )
