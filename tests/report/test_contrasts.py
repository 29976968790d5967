"""Contrasts of two models: only of effects that say something of their attribute on both."""

import itertools
from typing import Any

import pytest

from cfsearch.audits.correction import LEAST_STRENGTH
from cfsearch.audits.metrics import untold
from cfsearch.audits.reading import EffectRow
from cfsearch.audits.verdict import LEAST_EDITED
from cfsearch.report import charts
from cfsearch.report.contrasts import LEAST_STRENGTH as OURS
from cfsearch.report.contrasts import contrasts, tells

NAMES = {"a": "A", "b": "B"}
CORRECTION: dict[str, Any] = {
    "edit": {"value": 1.0, "low": 0.9, "high": 1.1},
    "photographs": None,
    "offset": 0.1,
    "strength": None,
    "agree": True,
}


def around(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.3, "high": value + 0.3}


def effect(model: str, value: float, **parts: Any) -> dict[str, Any]:
    row = {"model": model, "variable": "Hat", "estimate": around(value), "truth": None, "n": 200}
    return row | {"edit_success": 0.9} | parts


@pytest.mark.parametrize(
    "silent",
    [
        {"edit_success": None},
        {"edit_success": 0.4},
        {"edit_strength": 0.2},
        {"correction": None},
        {"because": "edits and photographs contradict each other"},
    ],
    ids=["never measured", "hardly seen", "weak", "error not measured", "contradicted"],
)
@pytest.mark.parametrize("model", ["a", "b"])
def test_where_an_effect_of_one_model_says_nothing_there_is_no_contrast(
    model: str, silent: dict[str, Any]
) -> None:
    effects = [effect("a", 1.5), effect("b", -1.5)]
    assert [c.headline for c in contrasts(effects, NAMES)] == [
        "Hat pushes the two models in opposite directions."
    ]
    one = [e | silent if e["model"] == model else e for e in effects]
    assert contrasts(one, NAMES) == []
    known = [e | {"truth": around(-e["estimate"]["value"])} if e["model"] == model else e for e in one]
    assert contrasts(known, NAMES) == []  # both on one side now: the truth is what is compared
    far = [e | {"truth": around(3 * e["estimate"]["value"])} if e["model"] == model else e for e in one]
    assert [c.variable for c in contrasts(far, NAMES)] == ["Hat"]


def test_an_effect_says_something_here_where_a_gate_could_go_by_it() -> None:
    grid = itertools.product(
        (None, 0.49, 0.5, 0.9),
        ("none", None, 0.49, 0.5),
        ("none", None, CORRECTION),
        ("", "too few", "edits and photographs contradict each other"),
    )
    for success, strength, correction, because in grid:
        row = effect("a", 1.0, edit_success=success, because=because)
        row |= {"probability": None, "flips_alone": None, "p": 0.01}
        row |= {} if strength == "none" else {"edit_strength": strength}
        row |= {} if correction == "none" else {"correction": correction}
        assert tells(row) == (not untold(EffectRow.model_validate(row))), row
    assert (charts.LEAST_EDITED, OURS) == (LEAST_EDITED, LEAST_STRENGTH)
