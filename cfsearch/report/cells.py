"""Rows of a table side by side: what stood in each column, and what each counterfactual makes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from cfsearch.fronts.frame import schema_of_front
from cfsearch.fronts.front import ParetoFront

from . import wording


@final
@dataclass(frozen=True, slots=True)
class Line:
    """One column: its cell in the original, and in each counterfactual; None where it stays."""

    column: str
    unit: str
    before: str
    after: tuple[str | None, ...]


@final
@dataclass(frozen=True, slots=True)
class Cells:
    """The columns that at least one counterfactual changes, and those that all leave as they are."""

    changed: tuple[Line, ...]
    kept: tuple[tuple[str, str], ...]


def build_cells(front: ParetoFront, members: Sequence[int]) -> Cells | None:
    """The cells of some members beside the original's; None for fronts that are not of rows."""
    schema, original, every = schema_of_front(front), front.stored_original, front.stored_members
    if schema is None or original is None or every is None:
        return None
    old = original.tolist()
    new = [every[i].tolist() for i in members]
    changed, kept = [], []
    for j, column in enumerate(schema.columns):
        before = wording.mark(column.text(old[j]))
        after = tuple(wording.mark(column.text(row[j])) if row[j] != old[j] else None for row in new)
        name = wording.mark(column.name)
        if any(cell is not None for cell in after):
            changed.append(Line(name, wording.mark(column.unit), before, after))
        else:
            kept.append((name, f"{before} {wording.mark(column.unit)}".strip()))
    return Cells(tuple(changed), tuple(kept))
