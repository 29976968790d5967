"""Figures of an audit that follow from its stored fronts alone, as they stand in ``audit.json``."""

from collections.abc import Sequence
from typing import Any

from cfsearch.fronts.front import ParetoFront
from cfsearch.numerics.intervals import wilson
from cfsearch.runs.directory import InstanceRow

from .effects import changes
from .transitions import true_class


def counts(model: str, rows: Sequence[InstanceRow]) -> dict[str, Any]:
    """How many inputs there were, how many were searched, and what became of them.

    Args:
        model: id of the model.
        rows: its instances.
    """
    count = {s: sum(r.status == s for r in rows) for s in ("found", "not_found", "already_target", "failed")}
    searched = count["found"] + count["not_found"]
    rate = wilson(count["found"], searched)
    return {
        "model": model,
        "instances": len(rows),
        "searched": searched,
        **count,
        "found_rate": None if rate is None else rate.to_dict(),
        "questions": _query_counts([row.front for row in rows if row.front is not None]),
    }


def _query_counts(fronts: Sequence[ParetoFront]) -> dict[str, int] | None:
    """Queries to the model, of all instances together; None where not all were counted."""
    counted = [front.queries for front in fronts if front.queries is not None]
    if len(counted) < len(fronts):
        return None
    return {"all": sum(counted), "seeding": sum(front.seeding for front in fronts)}


def instances(model: str, rows: Sequence[InstanceRow]) -> list[dict[str, Any]]:
    """What became of each input.

    Args:
        model: id of the model.
        rows: its instances.
    """
    return [_instance(model, row) for row in rows]


def change_rows(model: str, rows: Sequence[InstanceRow]) -> list[dict[str, Any]]:
    """What the sparsest flips change and how often, the most frequent first.

    Args:
        model: id of the model.
        rows: its instances.
    """
    return [
        {
            "model": model,
            "variable": change.variable,
            "direction": change.direction,
            "count": change.count,
            "n": change.n,
            "rate": change.rate.to_dict(),
        }
        for change in changes([row.front for row in rows if row.front is not None])
    ]


def _instance(model: str, row: InstanceRow) -> dict[str, Any]:
    source = "" if row.front is None else row.front.labels[row.front.source]
    truth = None if row.front is None else true_class(row.name, row.front.labels)
    return {
        "key": f"{model}/{row.name}",
        "model": model,
        "name": row.name,
        "status": row.status,
        "reason": row.code,
        "reason_text": row.message,
        "message": row.message if row.status == "failed" else "",
        "source": source,
        **({} if truth is None else {"truth": truth}),
        "sha256": row.sha256,
        "notes": [*row.notes, *(() if row.front is None else row.front.note)],
    }
