"""Shared changes as the page shows them, cell by cell."""

from typing import Any

from cfsearch.report import wording
from cfsearch.report.shared import (
    SharedClass,
    SharedGap,
    SharedGroup,
    SharedLine,
    SharedTable,
    shared_classes,
)

S = wording.SPACE


def estimate(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}


def share(count: int, n: int, rate: dict[str, float] | None) -> dict[str, Any]:
    return {"count": count, "n": n, "rate": rate}


def entry(**changed: Any) -> dict[str, Any]:  # Any: JSON values
    change = {
        "words": "points +67",
        "alone": share(22, 24, estimate(0.9167, 0.742, 0.977)),
        "together": share(3, 4, None),
        "cost": estimate(1.25, 1.0, 1.5),
        "held_back": 2,
    }
    return {
        "model": "m", "from": "no", "to": "yes", "candidates": 7, "queries": 1234, "left_out": 5,
        "sets": [
            {"attribute": None, "name": None, "chosen_on": 30, "n": 24, "changes": [change]},
            {"attribute": "Male", "name": "with", "chosen_on": 12, "n": 11, "changes": []},
            {"attribute": "race", "name": "black", "chosen_on": 10, "n": 9, "changes": [{**change, "cost": None}]},
        ],
        "groups": [{"attribute": "Male", "name": "without", "n": 10, "rate": estimate(0.8, 0.49, 0.94)}],
        "comparisons": [
            {"attribute": "Male", "name": "with", "against": "without", "difference": estimate(0.2, -0.06, 0.51), "p": 0.1634},
            {"attribute": "race", "name": "black", "against": "white", "difference": None, "p": None},
        ],
        **changed,
    }  # fmt: skip


ONE = {"id": "m", "name": "credit"}


def test_each_cell_stands_in_its_place() -> None:
    alone, together = (f"92{S}%", f"74 to 98{S}%"), ("3 of 4", wording.MISSING)
    line = SharedLine("points +67", alone, together, "1.25", 2)
    assert shared_classes({"models": [ONE], "shared": [entry()]}) == (
        SharedClass(
            title="From no to yes",
            whole=SharedTable("", 30, 24, (line,)),
            groups=(SharedGroup("Male", "Male: no", 10, f"80{S}%", f"49 to 94{S}%"),),
            gaps=(
                SharedGap("Male: yes less Male: no", f"+20{S}points", wording.span(
                    estimate(0.2, -0.06, 0.51), form="points"), "0.163"),
                SharedGap("black less white", wording.MISSING, "no interval", wording.MISSING),
            ),
            own=(
                SharedTable("Male: yes", 12, 11, ()),
                SharedTable("black", 10, 9, (SharedLine("points +67", alone, together, wording.MISSING, 2),)),
            ),
            candidates=7,
            queries=1234,
            left_out=5,
        ),
    )  # fmt: skip


def test_the_model_is_named_where_there_are_several_and_a_class_where_it_is_wanted() -> None:
    two = [ONE, {"id": "n", "name": "other"}]
    titles = [
        c.title for c in shared_classes({"models": two, "shared": [entry(), entry(model="n", to=None)]})
    ]
    assert titles == ["From no to yes (credit)", "From no to another class (other)"]
    assert shared_classes({"models": two}) == ()
