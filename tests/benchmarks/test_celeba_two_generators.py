"""What two generators agree on, counted on fronts whose truth is known and on effects written by hand."""

import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from cfsearch.numerics.intervals import Interval
from tests.audits.renders import Honest, Liar, check_by, front_by, truly_flips

pytestmark = pytest.mark.checkout
_FOLDER = Path(__file__).parents[2] / "benchmarks" / "quality"


@pytest.fixture
def command(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(_FOLDER))
    before = set(sys.modules)
    yield import_module("celeba_two_generators")
    for name in set(sys.modules) - before:
        if str(_FOLDER) in str(getattr(sys.modules[name], "__file__", "")):
            sys.modules.pop(name)


def effect(value: float, reading: str = "leans") -> dict[str, Any]:
    ends = {"value": value, "low": value - 0.1, "high": value + 0.1}
    return {"reading": reading, "estimate": ends, "edit_success": 0.75}


FIRST = {
    "Bangs": effect(-0.5),
    "Young": effect(-2.0),
    "Male": effect(1.0),
    "Bald": effect(0.6),
    "Hat": effect(0.9),
    "Pale": effect(0.1, "does not lean"),
    "Wavy": effect(0.2, "cannot tell"),
}
SECOND = {
    "Bangs": effect(-0.4),
    "Young": effect(-1.0),
    "Male": effect(0.8),
    "Bald": effect(0.6, "cannot tell"),
    "Hat": effect(-0.9),
    "Pale": effect(0.1, "does not lean"),
    "Wavy": effect(0.7),
}
SEEN = {
    "Bangs": Interval(0.1, -0.1, 0.3),
    "Young": Interval(-0.4, -0.6, -0.2),
    "Male": Interval(-0.4, -0.6, -0.2),
    "Bald": Interval(1.0, 0.9, 1.1),
    "Hat": Interval(1.0, 0.9, 1.1),
    "Pale": Interval(1.0, 0.9, 1.1),
    "Wavy": Interval(1.0, 0.9, 1.1),
}


def test_a_finding_is_what_both_say_with_one_sign_and_photographs_too(command: Any) -> None:
    assert command.survivors(FIRST, SECOND, SEEN) == {
        "Bangs": "by both, not seen in photographs",
        "Young": "by both, and in photographs",
        "Male": "by both, in photographs the other way",
        "Bald": "by the first alone",
        "Hat": "contradicted",
        "Wavy": "by the second alone",
    }
    lines = command.table(FIRST, SECOND, SEEN)
    assert [line.split(" | ")[0][2:] for line in lines[2:]] == [
        *("Young", "Male", "Hat", "Bald", "Bangs"),
        *("Wavy", "Pale"),
    ]
    assert (
        "| Bald | 75% | +0.60 [+0.50, +0.70] | 75% | +0.60 [+0.50, +0.70], cannot tell | +1.00 [+0.90, +1.10] | by the first alone |"
        in lines
    )


def test_flips_are_counted_by_the_first_generator_and_by_both(command: Any) -> None:
    front = front_by(Liar())
    lies = front.verified & ~truly_flips(front)
    check = check_by(Liar(), Honest())
    whole, lying = check.marked(front), check.marked(replace(front, verified=lies))
    assert bool(check_by(Liar()).marked(front).valid[lies].any()), (
        "the lie must pass the generator that tells it"
    )
    found = command.Flips.of([whole, lying])
    assert (found.searched, found.flips, found.first, found.both) == (2, 2, 2, 1)
    assert found.members[0] > found.members[1] == int(whole.valid.sum()) > 0
    assert command.counted("the first", found).startswith("| the first | 2 | 2 | 2 | 1 | ")
