"""What is said of inputs without a counterfactual, and what to try."""

from typing import Any

import pytest

from cfsearch.report.failures import build_failures


def document(reason: str, **search: Any) -> dict[str, Any]:  # Any: lists of words
    row = {
        "key": "k", "name": "a.png", "model": "m", "status": "no_counterfactual", "reason": reason,
        "reason_text": "nothing found: why", "message": "",
    }  # fmt: skip
    return {
        "instances": [row, row | {"status": "found"}],
        "search": {"constraints": [], "immutable": []} | search,
    }


@pytest.mark.parametrize(
    ("reason", "advice"),
    [
        ("budget_exhausted", "allow more evaluations"),
        ("stalled", "try another solver"),
        ("constraints_infeasible", "widen the bounds of the changes"),
        ("already_target", "another target class"),
        ("no_cf_reason", "input range and labels"),
        ("provider_crashed", "ended its own process"),
        ("unreadable", "repeat the run"),
    ],
)
def test_each_reason_has_its_own_advice(reason: str, advice: str) -> None:
    [failure] = build_failures(document(reason), {}, {"m": "Model"})
    assert advice in failure.advice[0].lower() + failure.advice[1:]
    assert (failure.name, failure.model, failure.status, failure.reason) == (
        "a.png", "Model", "no counterfactual", "why",
    )  # fmt: skip


@pytest.mark.parametrize("reason", ["budget_exhausted", "stalled", "constraints_infeasible"])
def test_what_holds_the_search_back_is_named(reason: str) -> None:
    [failure] = build_failures(document(reason, immutable=["Male"], constraints=["flip"]), {}, {})
    assert "let Male change" in failure.advice[0].lower() + failure.advice[1:]
    assert "relax the constraint flip" in failure.advice
