"""An audit that ends when its conditions are decided: what it watches, when it ends, what it writes."""

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from cfsearch import schemas
from cfsearch.audits.conditions import fail_if
from cfsearch.audits.forecast import forecasts
from cfsearch.audits.measured import Membership
from cfsearch.audits.stopping import Stopping, conditions_of, ended_early, judged_again
from cfsearch.audits.streams import Observation, Watch
from cfsearch.audits.watching import watches
from cfsearch.config import Config
from cfsearch.datasets.tables import RowGroups
from cfsearch.errors import ConfigError
from cfsearch.runs.directory import InstanceRow

from .test_attainment import row

N = 60


def sexes(n: int = N) -> Membership:
    by = RowGroups("sex", ("f", "m"), tuple(i % 2 for i in range(n)), "")
    return Membership(None, (), (by,), tuple(f"{i}" for i in range(n)))


def watched(*lines: str, **known: Any) -> list[Watch]:
    given: dict[str, Any] = {
        "attributes": ("Hat", "Beard"),
        "protected": ("Hat",),
        "members": sexes(),
    } | known
    return watches([fail_if(line) for line in lines], **given)


def rows(n: int = N, *, found: float = 1.0) -> list[InstanceRow]:
    return [row(i, cost=0.2, valid=i < found * n) for i in range(n)]


def test_it_ends_with_the_first_failure_and_only_when_all_pass() -> None:
    passing, open_yet = watched("found_rate < 50%", "failed_rate > 0.1%")
    stopping = Stopping([passing, open_yet], names=[f"{i}" for i in range(N)], seed=0)
    stopping.take(rows())
    assert [w.result for w in stopping.watches] == ["pass", "cannot tell"]
    assert not stopping.decided
    failing = Stopping(
        watched("found_rate > 50%", "failed_rate > 0.1%"), names=[f"{i}" for i in range(N)], seed=0
    )
    failing.take(rows())
    assert (failing.result, failing.decided) == ("fail", True)


def test_instances_are_judged_in_the_random_order_whatever_was_searched_first() -> None:
    names = [f"{i}" for i in range(N)]
    every = rows(found=0.5)
    one, other = (Stopping(watched("found_rate < 50%"), names=names, seed=5) for _ in range(2))
    assert sorted(one.order) == list(range(N)) and one.order != list(range(N))
    one.take([every[i] for i in one.order])
    other.take(every[:20])  # begun in another order before
    other.take(every[20:])
    assert one.document() == other.document()
    waiting = Stopping(watched("found_rate < 50%"), names=names, seed=5)
    waiting.take([r for r in every if r.position != waiting.order[0]])
    assert waiting.document()["judged"] == 0


def test_the_chance_to_err_is_shared_out_over_all_figures() -> None:
    [alone] = watched("found_rate < 90%")
    several = watched("found_rate < 90%", "found_rate@sex < 90%", "flip_rate:* > 5%")
    assert [(w.subject, w.group) for w in several] == [
        ("", ""), ("", "sex:f"), ("", "sex:m"), ("Hat", ""), ("Beard", ""),
    ]  # fmt: skip
    for i in range(30):
        for watch in (alone, several[0]):
            watch.add(f"{i}", Observation(failed=False, found=True), inputs=i + 1)
    assert alone.interval is not None and several[0].interval is not None
    assert several[0].interval.low < alone.interval.low


def test_a_decision_stays_and_says_when_it_was_taken() -> None:
    [watch] = watched("flip_rate:protected > 50%")
    assert watch.subject == "Hat"
    for i in range(40):
        watch.add(f"{i}", Observation(failed=False, flips={"Hat": i >= 15}), inputs=i + 1)
    assert watch.result == "pass"
    assert watch.decided_at is not None and watch.decided_at <= 15
    assert watch.n == 40


def test_the_size_of_a_gap_is_judged_and_small_groups_are_not() -> None:
    [watch] = watched("found_gap@sex > 10%")
    for i in range(18):
        watch.add(f"{i}", Observation(failed=False, found=i % 2 == 0), inputs=i + 1)
    assert watch.interval is None and watch.result == "cannot tell"
    for i in range(18, 40):
        watch.add(f"{i}", Observation(failed=False, found=i % 2 == 0), inputs=i + 1)
    assert watch.interval is not None and watch.interval.value == 1.0
    assert watch.result == "fail"


def test_the_mean_of_an_effect_on_probability_is_judged() -> None:
    [signed, size] = watched("probability:Hat > 0.3", "|probability:Hat| > 0.3")
    for i in range(60):
        for watch in (signed, size):
            watch.add(
                f"{i}", Observation(failed=False, probability={"Hat": -0.6 + 0.01 * (i % 5)}), inputs=i + 1
            )
    assert (signed.result, size.result) == ("pass", "fail")


def test_what_one_input_says() -> None:
    seen = Observation.of(row(0, cost=0.3))
    assert (seen.failed, seen.found) == (False, True)
    assert seen.changes and all(change[0] in "+-" for change in seen.changes)
    missed = Observation.of(row(0, cost=0.3, valid=False))
    assert (missed.found, missed.changes) == (False, None)
    failed = Observation.of(InstanceRow("x", 0, "failed", "provider", "", "", (), None))
    assert (failed.failed, failed.found, failed.decided) == (True, None, None)
    change = next(iter(seen.changes))
    assert seen.value("change_rate", change) == 1.0
    assert seen.value("change_rate", "+Nobody") == 0.0
    assert failed.value("found_rate", "") is None


def test_a_change_of_a_variable_that_is_none_is_never_decided() -> None:
    """As ``cfsearch gate``, which finds no such figure; it would be in none of the flips."""
    first = Observation.of(row(0, cost=0.3))
    assert first.variables and first.changes is not None
    held = first.changes
    free = next(way + of for of in first.variables for way in "+-" if way + of not in held)
    known, none = watched(f"change_rate:{free} > 50%", "change_rate:+Nobody > 50%")
    for i in range(N):
        seen = Observation.of(row(i, cost=0.3))
        known.add(f"{i}", seen, inputs=i + 1)
        none.add(f"{i}", seen, inputs=i + 1)
    assert (known.result, known.because) == ("pass", "")
    assert (none.result, none.because) == ("cannot tell", "the generator has no variable 'Nobody'")
    assert none.to_dict()["because"] == none.because


@pytest.mark.parametrize(
    ("line", "known", "words"),
    [
        ("effect:Hat > 1", {}, "no interval of 'effect' holds at every number of inputs"),
        ("flip_rate:Hut > 5%", {}, "Did you mean 'Hat'"),
        ("flip_rate:Hat > 5%", {"attributes": ()}, "needs a generator that changes named attributes"),
        ("flip_rate:protected > 5%", {"protected": ()}, "no attribute is protected"),
        ("found_gap@race > 5%", {}, "no group 'race' of found_gap; it has sex:f"),
        ("found_gap > 5%", {"members": None}, "compare groups with --by"),
        ("decided > 5%", {}, "decided is of a group"),
        ("found_rate:Hat > 5%", {}, "found_rate has no subject"),
        ("flip_rate:Hat@sex > 5%", {}, "not measured by group"),
        ("change_rate > 5%", {}, "needs a change"),
        ("change_rate:Hat > 5%", {}, "needs a change, .* got 'Hat'"),
    ],
)
def test_what_cannot_be_watched_is_refused(line: str, known: dict[str, Any], words: str) -> None:
    with pytest.raises(ConfigError, match=words.replace("+", r"\+")):
        watched(line, **known)


def config(**audit: Any) -> Config:
    return Config.check(
        {"model": {"path": "m.onnx"}, "data": {"images": "faces"}, "audit": audit}, where="test"
    )


def test_conditions_come_from_lines_and_files(tmp_path: Path) -> None:
    file = tmp_path / "gates.toml"
    file.write_text('[[gate]]\nmetric = "failed_rate"\nop = "<="\nvalue = 0.1\n')
    found = conditions_of(config(until_decided=True, fail_if=["found_rate < 10%"], gates=str(file)))
    assert [c.words for c in found] == ["found_rate >= 0.1", "failed_rate <= 0.1"]
    assert conditions_of(config()) == []
    with pytest.raises(ConfigError, match="without --until-decided"):
        conditions_of(config(fail_if=["found_rate < 10%"]))
    with pytest.raises(ConfigError, match="no condition is given"):
        conditions_of(config(until_decided=True))


def test_the_document_keeps_its_schema_and_is_computed_again() -> None:
    stopping = Stopping(
        watched("found_rate < 50%", "found_gap@sex > 95%"), names=[f"{i}" for i in range(N)], seed=1
    )
    every = rows()
    for begin in range(0, N, 4):
        if stopping.decided:
            break
        stopping.take([every[i] for i in stopping.order[begin : begin + 4]])
    document = json.loads(json.dumps(stopping.document()))
    jsonschema.validate(document, schemas.schema("audit")["properties"]["stopping"])
    assert document["stopped"] and document["judged"] < N and document["result"] == "pass"
    assert ended_early(document, noun="row")[0].startswith(
        f"The audit ended after {document['judged']} of 60 rows"
    )
    again = judged_again(document, every, members=sexes(), measured=None)
    assert again == document
    forged = {
        **document,
        "judgements": [{**document["judgements"][0], "result": "fail"}, document["judgements"][1]],
    }
    assert judged_again(forged, every, members=sexes(), measured=None) == document
    assert ended_early(None, noun="row") == []


def test_a_forecast_is_sooner_where_the_figure_is_clearer() -> None:
    near, far = forecasts(watched("found_rate < 50%", "found_rate < 90%"), inputs=200, seed=0)
    assert near.least is not None and far.least is not None
    assert near.holds[0] == 0.75 and far.holds[0] == pytest.approx(0.95)
    assert near.holds[1] is not None
    assert near.least < near.holds[1] < 200
    assert far.holds[1] is None  # 5 points from the bound: 200 inputs do not tell
    assert "passes after about" in near.sentence and "open to the end" in far.sentence


def test_only_what_measured_the_generators_error_says_whether_effects_were_corrected() -> None:
    stopping = Stopping(watched("|probability:Hat| > 0.5"), names=["a", "b"], seed=0)
    assert "corrected" not in stopping.document()
