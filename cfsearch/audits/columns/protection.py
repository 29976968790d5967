"""Protected columns of a table, and the groups that they make of its rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import torch
from jaxtyping import Int
from torch import Tensor

from cfsearch.assembly.table import TableInput
from cfsearch.datasets.tables import is_missing_group, protected_kind, row_groups
from cfsearch.errors import DataError

LEAST: Final = 10
"""Groups of fewer rows have no figures: they would say more of persons than of the model."""
NONE: Final = -1
"""Stands for a row that is in no group."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Protected:
    """A protected column and its groups.

    Args:
        column: its name.
        kind: what its name says that it holds, "sex"; empty where it says nothing.
        guessed: whether the name alone made it protected.
        taken: whether the model takes it.
        names: of its groups of at least 10 rows; fewer than two where there is nothing to compare.
        of: for each row the index of its group, -1 for none.
        reference: the same of the rows whose distributions are taken; None where those are the rows.
        unknown: rows whose cell is missing.
        small: groups of fewer than 10 rows, which are left out.
        because: why there is nothing to compare; empty where there is.
        note: how the groups came about; empty where they are simply the values.
    """

    column: str
    kind: str
    guessed: bool
    taken: bool
    names: tuple[str, ...]
    of: Int[Tensor, " n"]
    reference: Int[Tensor, " r"] | None = None
    unknown: int = 0
    small: tuple[str, ...] = ()
    because: str = ""
    note: str = ""


def protected_columns(table: TableInput) -> list[Protected]:
    """The protected columns of a table, with their groups.

    Args:
        table: as it was opened.
    """
    return [_one(table, column) for column in table.protected]


def _one(table: TableInput, column: str) -> Protected:
    cells = table.protected[column]
    known = table.protected_reference.get(column, ())
    kind, taken = protected_kind(column) or "", column in table.schema.names
    n = len(cells)
    try:
        groups = row_groups(column, (*cells, *known), schema=table.schema)
    except DataError as error:
        because = str(error).split(". ")[0].removeprefix("by: ")
        nowhere = torch.full((n,), NONE)
        return Protected(column, kind, table.guessed_protected, taken, (), nowhere, because=because)
    of = torch.tensor(groups.of)
    counts = torch.bincount(of[:n], minlength=len(groups.names)).tolist()
    missing = {i for i, name in enumerate(groups.names) if is_missing_group(name)}
    kept = [i for i in range(len(groups.names)) if i not in missing and counts[i] >= LEAST]
    place = torch.full((len(groups.names),), NONE)
    place[kept] = torch.arange(len(kept))
    of = place[of]
    small = [i for i in range(len(groups.names)) if i not in missing and 0 < counts[i] < LEAST]
    because = f"{_fewer(len(kept))} of {column} has {LEAST} rows" if len(kept) < 2 else ""
    return Protected(
        column,
        kind,
        table.guessed_protected,
        taken,
        tuple(groups.names[i] for i in kept),
        of[:n],
        of[n:] if known else None,
        sum(counts[i] for i in missing),
        tuple(groups.names[i] for i in small),
        because,
        groups.note,
    )


def _fewer(groups: int) -> str:
    return "only one group" if groups else "no group"


def pairs(names: Sequence[str]) -> list[tuple[int, str]]:
    """Which group is compared with what: the first of two with the second, of more each with all others.

    Args:
        names: of the groups.
    """
    from cfsearch.audits.groups import OTHERS

    if len(names) < 2:
        return []
    return [(0, names[1])] if len(names) == 2 else [(i, OTHERS) for i in range(len(names))]
