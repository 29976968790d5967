"""Shared changes as rows of a table, for data frames and exports."""

from collections.abc import Mapping
from typing import Any

from cfsearch.fronts.frame import Cell


def shared_cells(document: Mapping[str, Any]) -> list[dict[str, Cell]]:
    """One row a change of each set.

    Args:
        document: the content of ``audit.json``.
    """
    return [
        {
            "model": entry["model"],
            "from": entry["from"],
            "to": entry["to"],
            "attribute": part["attribute"],
            "group": part["name"],
            "size": size,
            "change": change["words"],
            **_ends(change["alone"]["rate"], ("alone", "alone_low", "alone_high")),
            **_ends(change["together"]["rate"], ("rate", "low", "high")),
            "n": part["n"],
            "cost": None if change["cost"] is None else change["cost"]["value"],
            "held_back": change["held_back"],
        }
        for entry in document.get("shared", ())
        for part in entry["sets"]
        for size, change in enumerate(part["changes"], start=1)
    ]


def _ends(rate: Mapping[str, float] | None, names: tuple[str, str, str]) -> dict[str, Cell]:
    values = rate or {}
    return {name: values.get(end) for name, end in zip(names, ("value", "low", "high"), strict=True)}
