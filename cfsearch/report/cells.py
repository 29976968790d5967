"""Rows of a table side by side: what stood in each column, and what each counterfactual makes of it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from cfsearch.fronts.frame import schema_of_front
from cfsearch.fronts.front import ParetoFront
from cfsearch.numerics.differing import differs

from . import wording
from .plan import MOST_LINES


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
    """The columns that at least one counterfactual changes, and those that all leave as they are.

    Args:
        changed: with their cells.
        kept: with the original's cell.
        changed_more: further columns that are changed.
        kept_more: further columns that are not.
    """

    changed: tuple[Line, ...]
    kept: tuple[tuple[str, str], ...]
    changed_more: int = 0
    kept_more: int = 0


def build_cells(front: ParetoFront, members: Sequence[int], *, most: int = MOST_LINES) -> Cells | None:
    """The cells of some members beside the original's; None for fronts that are not of rows.

    Args:
        front: of a row.
        members: those that are shown.
        most: columns of each kind; of more that are changed those that the most members change.
    """
    schema, original, every = schema_of_front(front), front.stored_original, front.stored_members
    if schema is None or original is None or every is None:
        return None
    old = original.tolist()
    new = [every[i].tolist() for i in members]
    counts = [sum(differs(row[j], old[j]) for row in new) for j in range(len(schema.columns))]
    moved = sorted((j for j, count in enumerate(counts) if count), key=lambda j: -counts[j])
    still = [j for j, count in enumerate(counts) if not count]
    changed, kept = [], []
    for j in sorted([*moved[:most], *still[:most]]):
        column = schema.columns[j]
        before = wording.mark(column.text(old[j]))
        after = tuple(wording.mark(column.text(row[j])) if differs(row[j], old[j]) else None for row in new)
        name = wording.mark(column.name)
        if counts[j]:
            changed.append(Line(name, wording.mark(column.unit), before, after))
        else:
            kept.append((name, f"{before} {wording.mark(column.unit)}".strip()))
    more = (max(0, len(some) - most) for some in (moved, still))
    return Cells(tuple(changed), tuple(kept), *more)
