"""Columns that a model takes, looked for in a table."""

from collections.abc import Sequence
from pathlib import Path

from cfsearch.errors import DataError, listed


def check_taken(source: str, columns: Sequence[str], *, known: Sequence[str]) -> None:
    """Refuses a table that lacks a column which the model takes.

    Args:
        source: the table's file.
        columns: those of the model.
        known: those of the table.

    Raises:
        DataError: names the first that is not there, and what may be wrong.
    """
    had = frozenset(known)
    lacking = [name for name in columns if name not in had]
    if lacking:
        raise DataError(
            f"table: the model takes the column {lacking[0]!r}, which {Path(source).name!r} does not have, or "
            f"which looks like no input there. It has {listed(known, most=30)}. {_header_hint(columns, known)}"
        )


def _header_hint(columns: Sequence[str], known: Sequence[str]) -> str:
    """What may be wrong with a header that lacks a column of the model."""
    bare = {name.casefold(): name for name in known}
    lacking = next(name for name in columns if name not in known)
    if len(known) == 1 < len(columns):
        return "If another mark stands between its cells, give it with --delimiter."
    if (alike := bare.get(lacking.casefold())) is not None:
        return f"Is it {alike!r}? Write the names in the file as the model has them."
    if len(known) == len(columns) and not set(columns) & set(known):
        return "If its first line holds values, put a line with the names of the columns above it."
    return "Correct the file, or give --schema."
