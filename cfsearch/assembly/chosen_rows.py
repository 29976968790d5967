"""Which rows of a table are wanted."""

from cfsearch.config import DataConfig
from cfsearch.datasets.tables import TextTable
from cfsearch.errors import ConfigError, DataError
from cfsearch.registry import unknown


def chosen_rows(data: DataConfig, text: TextTable) -> list[int] | None:
    """Indices of the rows that ``rows`` and ``where`` choose; None for all.

    Args:
        data: the settings of the inputs.
        text: the table.

    Raises:
        ConfigError: a row twice, or a condition that is none of the table.
        DataError: there is no such row, or none keeps all conditions.
    """
    if data.rows is not None and len(set(data.rows)) != len(data.rows):
        raise ConfigError("rows: the same row was given twice.")
    total = len(text.rows)
    for i in data.rows or ():
        if not 0 <= i < total:
            raise DataError(
                f"rows: {text.name!r} has no row {i}; it has {total} rows, counted from 0 (0 to {total - 1})."
            )
    if data.where is None:
        return None if data.rows is None else list(data.rows)
    found = list(range(len(text.rows)))
    for condition in data.where:
        name, equals, value = (part.strip() for part in condition.partition("="))
        value = value.removeprefix("=").strip()
        if name not in text.header:
            known = unknown("column", name, list(text.header))
            raise ConfigError(f"where: expected COLUMN=VALUE, got {condition!r}; {known}")
        if not equals:
            raise ConfigError(f"where: expected COLUMN=VALUE, got {condition!r}; write '{name}=VALUE'.")
        at = text.header.index(name)
        found = [i for i in found if _stands(text.rows[i][at], value)]
    if not found:
        raise DataError(f"where: no row of {text.name!r} has {' and '.join(data.where)}.")
    if data.rows is None:
        return found
    matching = frozenset(found)
    chosen = [i for i in data.rows if i in matching]
    if not chosen:
        raise DataError(
            f"where: none of the {len(data.rows)} rows that were chosen has {' and '.join(data.where)}. Choose others, or leave "
            "one of the two out."
        )
    return chosen


def _stands(cell: str, value: str) -> bool:
    """Whether a cell holds a value: the same text, or the same number in other digits."""
    if cell == value:
        return True
    try:
        return float(cell) == float(value)
    except ValueError:
        return False
