"""Conditions that an audit could end on, as rows of a table on its page."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from . import wording

_POINTS: Final = ("probability", "abs_probability", "decided_gap", "found_gap")


@final
@dataclass(frozen=True, slots=True)
class Line:
    """One condition on one figure, and how it stands."""

    condition: str
    figure: str
    value: str
    interval: str
    n: int
    result: str
    decided: str


@final
@dataclass(frozen=True, slots=True)
class Standing:
    """All conditions of an audit, and when it ended."""

    caption: str
    rows: tuple[Line, ...]
    notes: tuple[str, ...] = ()


def standing(document: Mapping[str, Any], *, thing: str) -> Standing | None:
    """How the conditions of an audit stand; None where it had none.

    Args:
        document: the content of ``audit.json``.
        thing: what one input is called.
    """
    stopping = document.get("stopping")
    if stopping is None:
        return None
    n, of = stopping["judged"], wording.counted(stopping["of"], thing)
    ended = f"Stopped after {n} of {of}" if stopping["stopped"] else f"Searched to the end, {of}"
    words = {
        "pass": "all conditions hold",
        "fail": "a condition is broken",
        "cannot tell": "not all are decided",
    }
    return Standing(
        f"{ended}: {words[stopping['result']]}",
        tuple(_line(row) for row in stopping["judgements"]),
        tuple(notes(stopping)),
    )


def notes(stopping: Mapping[str, Any]) -> list[str]:
    """What a reader must know of conditions on what attributes do; nothing where there are none.

    Args:
        stopping: as it stands in ``audit.json``.
    """
    found = [
        f"{row['condition']} cannot be decided: {row['because']}."
        for row in stopping["judgements"]
        if row.get("because")
    ]
    metrics = {row["metric"] for row in stopping["judgements"]}
    if metrics & {"probability", "abs_probability"} and stopping.get("corrected"):
        found.append(
            "Mean effects are less the generator's own error, by edits alone; their intervals hold what of it stays open."
        )
    elif metrics & {"probability", "abs_probability"}:
        found.append("Mean effects are as they are through the generator, its own error included.")
    if "flip_rate" in metrics:
        found.append("Verdicts that an attribute changes alone are counted as the generator shows them.")
    return found


def _line(row: Mapping[str, Any]) -> Line:
    found = row["estimate"]
    form = "points" if row["metric"] in _POINTS else "percent"
    value = wording.rate(found)
    subject = f" {wording.human(row['subject'])}" if row["subject"] else ""
    group = f", {row['group']}" if row["group"] else ""
    return Line(
        row["condition"],
        f"{row['metric'].replace('_', ' ')}{subject}{group}",
        wording.points(value) if form == "points" else wording.percent(value),
        wording.span(found, form=form),
        row["n"],
        row["result"],
        wording.MISSING if row["decided_at"] is None else str(row["decided_at"]),
    )
