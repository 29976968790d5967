"""Shared changes in words, in the units that a reader knows."""

from collections.abc import Mapping
from typing import Any

from cfsearch.contracts.modality import Modality
from cfsearch.datasets.tables import TableSchema, Variables
from cfsearch.report import wording

from .candidates import Move, SharedChange


def change_words(change: SharedChange, *, modality: Modality, schema: TableSchema | None) -> str:
    """A change in words: "income +7,500 and job -> clerk", "+Blond_Hair to 1.25".

    Args:
        change: any.
        modality: of the inputs.
        schema: of a table; None of other inputs.
    """
    each = [
        _row_words(move, schema) if schema is not None else _words(move, modality) for move in change.moves
    ]
    return " and ".join(each)


def _words(move: Move, modality: Modality) -> str:
    name = modality.counted(move.variable, move.direction)
    return f"{name} {move.how} {move.value if move.how == 'to' else abs(move.value):.2f}"


def _row_words(move: Move, schema: TableSchema) -> str:
    variable = Variables.of(schema).all[move.place]
    columns = [schema.columns[j] for j in variable.columns]
    if variable.rows is not None:
        names = ", ".join(c.name for c in columns)
        if move.how == "by":
            return f"{names} {move.value:+g} steps"
        row = variable.rows[int(move.value)].tolist()
        return f"{names} -> {', '.join(c.text(v) for c, v in zip(columns, row, strict=True))}"
    (column,) = columns
    if move.how == "to":
        return f"{column.name} -> {column.text(move.value)}"
    if column.has_levels:
        levels = "level" if abs(move.value) == 1 else "levels"
        return f"{column.name} {move.value:+g} {levels}"
    return f"{column.name} {move.value:+,.10g}{f' {column.unit}' if column.unit else ''}"


def sentence(entry: Mapping[str, Any], *, noun: str) -> str:
    """What the changes chosen for all inputs of one class do, in one sentence.

    Args:
        entry: of ``shared`` in ``audit.json``.
        noun: what one input is called.
    """
    to = f"to {entry['to']}" if entry["to"] else "to another class"
    changes = entry["sets"][0]["changes"]
    if not changes:
        return f"From {entry['from']} {to}: no change that {noun}s share flips any of them."
    last, count = changes[-1]["together"], len(changes)
    shared = "1 shared change flips" if count == 1 else f"{count} shared changes flip"
    return (
        f"From {entry['from']} {to}: {shared} {last['count']} of {wording.counted(last['n'], noun)} that they were not "
        f"chosen on ({wording.percent(wording.rate(last['rate']))}, 95 % interval {wording.span(last['rate'])})."
    )


def compared(entry: Mapping[str, Any]) -> list[str]:
    """What the changes chosen for all inputs of one class do in each group, and how the groups differ.

    Args:
        entry: of ``shared`` in ``audit.json``.
    """
    lines = []
    for attribute in dict.fromkeys(group["attribute"] for group in entry["groups"]):
        parts = [
            f"{group['name']} {wording.percent(wording.rate(group['rate']))} of {group['n']}"
            for group in entry["groups"]
            if group["attribute"] == attribute
        ]
        lines.append(f"by {attribute}, flipped by these: {'; '.join(parts)}.")
        for one in entry["comparisons"]:
            if one["attribute"] == attribute and one["difference"] is not None:
                p = "" if one["p"] is None else f"; p {wording.small(one['p'])} after Holm"
                difference = one["difference"]
                lines.append(
                    f"{one['name']} less {one['against']}: {wording.points(difference['value'])} "
                    f"({wording.span(difference, form='points')}){p}"
                )
    return lines
