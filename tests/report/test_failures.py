"""What is said of inputs without a counterfactual, and what to try."""

import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
import torch

from cfsearch.report.failures import build_failures

from .conftest import build_front


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
        ("nothing_may_change", "leave this input out"),
        ("provider_crashed", "ended its own process"),
        ("worker_died", "with fewer --workers; it is searched again"),
        ("not_genuine", "take a generator whose reconstructions"),
        ("unreadable", "repeat the run"),
    ],
)
def test_each_reason_has_its_own_advice(reason: str, advice: str) -> None:
    [failure] = build_failures(document(reason), {}, {"m": "Model"})
    assert advice in failure.advice[0].lower() + failure.advice[1:]
    assert (failure.name, failure.model, failure.status, failure.reason) == (
        "a.png", "Model", "no counterfactual", "why",
    )  # fmt: skip


@pytest.mark.parametrize(
    "reason", ["budget_exhausted", "stalled", "constraints_infeasible", "nothing_may_change"]
)
def test_what_holds_the_search_back_is_named(reason: str) -> None:
    [failure] = build_failures(document(reason, immutable=["Male"], constraints=["flip"]), {}, {})
    assert "let Male change" in failure.advice[0].lower() + failure.advice[1:]
    assert "relax the constraint flip" in failure.advice


@pytest.mark.parametrize(
    ("clearest", "stated"), [(0.4, "0.4"), (0.99, "0.9"), (-0.41, "\N{MINUS SIGN}0.5")], ids=str
)
def test_the_nearest_miss_of_flips_that_are_not_genuine_is_the_clearest_of_them(
    clearest: float, stated: str
) -> None:
    front = build_front("a.png", seed=1)
    verified = torch.zeros(len(front), dtype=torch.bool)
    verified[:2] = True
    z = torch.full((len(front),), torch.nan, dtype=torch.float64)
    z[0], z[1] = -2.0, clearest
    extra = {**front.extra, "genuineness": {"threshold": 1.0, "photographs": 20, "associations": False}}
    front = replace(front, verified=verified, genuineness=z, extra=extra)
    entry = cast("Any", SimpleNamespace(front=front))
    [failure] = build_failures(document("not_genuine"), {"k": entry}, {})
    changed = next(name for name, hit in zip(front.variables, front.changed[1].tolist(), strict=True) if hit)
    assert changed in failure.nearest
    assert failure.nearest.endswith(f" {stated} standard errors past the boundary, 1 are needed")


def test_the_nearest_miss_of_members_that_flip_nothing_is_the_one_with_the_best_lead() -> None:
    """Members that do not flip are not measured: their genuineness says nothing, and their lead does."""
    front = build_front("a.png", seed=1)
    lead = torch.full((len(front),), -3.0)
    lead[2] = -0.5
    scores = torch.stack([torch.zeros_like(lead), lead], 1)
    unmeasured = torch.full((len(front),), torch.nan, dtype=torch.float64)
    none = torch.zeros(len(front), dtype=torch.bool)
    front = replace(front, scores=scores, verified=none, genuineness=unmeasured)
    entry = cast("Any", SimpleNamespace(front=front))
    [failure] = build_failures(document("not_genuine"), {"k": entry}, {})
    missing = math.tanh(0.25)  # p(no) - p(yes) where yes has half a logit less
    assert failure.nearest.endswith(f"{missing:.2f} in probability short of the flip")


@pytest.mark.parametrize(
    ("stands", "shown"),
    [("failed: bad header: byte 4", "bad header: byte 4"), ("timeout", "timeout"), ("", "")],
)
def test_of_a_reason_stands_what_comes_after_its_name(stands: str, shown: str) -> None:
    about = document("unreadable")
    about["instances"][0]["reason_text"] = stands
    [failure] = build_failures(about, {}, {})
    assert failure.reason == shown
