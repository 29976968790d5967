"""Shared changes as rows of a table: each figure under its name, and none where there is none."""

from typing import Any

from cfsearch.audits.shared.cells import shared_cells


def change(words: str, *, alone: Any, together: Any, cost: Any) -> dict[str, Any]:
    return {
        "words": words,
        "alone": {"rate": alone},
        "together": {"rate": together},
        "cost": cost,
        "held_back": 3,
    }


def test_each_figure_stands_in_its_column() -> None:
    one, two = {"value": 0.2, "low": 0.1, "high": 0.4}, {"value": 0.5, "low": 0.3, "high": 0.6}
    parts = [
        change("a +1", alone=one, together=two, cost={"value": 0.25, "low": 0.0, "high": 1.0}),
        change("b +1", alone=None, together=None, cost=None),
    ]
    entry = {
        "model": "m", "from": "no", "to": "yes",
        "sets": [{"attribute": "sex", "name": "f", "n": 12, "changes": parts}],
    }  # fmt: skip
    first, second = shared_cells({"shared": [entry]})
    where = {
        "model": "m",
        "from": "no",
        "to": "yes",
        "attribute": "sex",
        "group": "f",
        "n": 12,
        "held_back": 3,
    }
    assert first == where | {
        "size": 1, "change": "a +1", "alone": 0.2, "alone_low": 0.1, "alone_high": 0.4,
        "rate": 0.5, "low": 0.3, "high": 0.6, "cost": 0.25,
    }  # fmt: skip
    assert second == where | {
        "size": 2, "change": "b +1", "alone": None, "alone_low": None, "alone_high": None,
        "rate": None, "low": None, "high": None, "cost": None,
    }  # fmt: skip


def test_an_audit_without_any_has_no_rows() -> None:
    assert shared_cells({}) == []
