"""Rows of a table in groups: the values of a column, or the quarters of its numbers."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from cfsearch.errors import DataError

from ._cells import fixed_digits
from ._columns import Column, ColumnKind, Missing
from ._numbers import is_number
from ._schema import TableSchema, is_missing

FEWEST: Final = 5
"""Values with fewer rows stand together, where there are several of them."""
MOST: Final = 8
"""Values that are groups of their own; of numbers and ordered levels more are split at quartiles."""

LEAST_SHARE: Final = 0.02
"""Share of the rows below which a crossed group is left out."""
_MISSING: Final = "missing"
_UNKNOWN: Final = frozenset({"", "?", "missing", "n/a", "na", "not stated", "unknown"})
_Value = float | str | None


@final
@dataclass(frozen=True, slots=True)
class RowGroups:
    """Partition of rows into groups by one column.

    Args:
        column: by which rows are grouped.
        names: of the groups, "female" or "age 17 to 28"; each has a row at least.
        of: for each row the index of its group; -1 for a row in none, which only crossed groups have.
        note: how groups came about, where they are not simply the values; else empty.
    """

    column: str
    names: tuple[str, ...]
    of: tuple[int, ...]
    note: str = ""


def row_groups(column: str, cells: Sequence[str], *, schema: TableSchema) -> RowGroups:
    """Rows by what stands in one column, which need not be an input of the model.

    Levels and numbers are groups by their value. Values with fewer than 5 rows each stand together,
    as do those beyond the 8 most frequent levels. More than 8 different numbers, or ordered levels,
    are split at the quartiles of these rows. Empty cells are a group of their own.

    Args:
        column: its name in the header; a column that the schema does not describe holds numbers
            where every cell is one, else levels; so do codes with zeros in front.
        cells: what stands in the rows, as text.
        schema: says what counts as missing, and the order of levels.

    Raises:
        DataError: all rows are of one group, or nearly every row has a value of its own.
    """
    declared = next((c for c in (*schema.columns, schema.target) if c is not None and c.name == column), None)
    missing = [_is_missing(cell, declared, schema) for cell in cells]
    numbers = (
        all(gone or is_number(cell) for cell, gone in zip(cells, missing, strict=True))
        and not fixed_digits(cell for cell, gone in zip(cells, missing, strict=True) if not gone)
        if declared is None
        else not declared.has_levels
    )
    values: list[_Value] = [
        None if gone else _value(cell, declared, numbers=numbers)
        for cell, gone in zip(cells, missing, strict=True)
    ]
    ordered = numbers or (declared is not None and declared.kind is ColumnKind.ORDINAL)
    count = Counter(value for value in values if value is not None)
    if ordered and len(count) > MOST:
        parts, note = _quarters(count), f"{column} is split at its quartiles among these rows."
    else:
        parts, note = _by_value(column, count, ordered=ordered)
    names = [_named(part, column, declared, numbers=numbers) for part in parts]
    place = {value: i for i, part in enumerate(parts) for value in part}
    if any(missing):
        names.append(_MISSING if _MISSING not in names else f"{_MISSING} (empty cells)")
    if len(names) < 2:
        raise DataError(
            f"by: all {len(cells)} rows are of one group by {column!r} ({', '.join(names)}), so there is nothing to "
            "compare. Take more rows, or another column."
        )
    return RowGroups(column, tuple(names), tuple(len(parts) if v is None else place[v] for v in values), note)


def crossed(name: str, parts: Sequence[RowGroups], *, least: float = LEAST_SHARE) -> RowGroups:
    """Rows in groups by several columns at once, "race*sex": "White, Male".

    Groups that hold under 2 % of the rows are left out, as rules on impact ratios allow, and so are rows of which a
    column is unknown; ``note`` counts both.

    Args:
        name: of the groups' column, "race*sex".
        parts: groups by each column, of the same rows.
        least: share of the rows that a group must hold.

    Raises:
        DataError: fewer than two groups are left.

    References:
        New York City 2023, rules on Local Law 144 of 2021, section 5-301 (categories under 2 % may be left out).
    """
    n = len(parts[0].of)
    keys = [tuple(part.of[i] for part in parts) for i in range(n)]
    unknown = {
        i for part in parts for i in range(n) if part.of[i] < 0 or is_unknown_group(part.names[part.of[i]])
    }
    count = Counter(key for i, key in enumerate(keys) if i not in unknown)
    named = {
        key: ", ".join(part.names[k] for part, k in zip(parts, key, strict=True)) for key in sorted(count)
    }
    kept = [key for key in named if count[key] >= least * n]
    small = [f"{named[key]} ({count[key]})" for key in named if key not in kept]
    if len(kept) < 2:
        raise DataError(
            f"by: {name!r} makes {len(kept)} groups of {100 * least:g} % of the {n} rows or more, so there is nothing to "
            "compare. Take more rows, or fewer columns."
        )
    place = {key: i for i, key in enumerate(kept)}
    notes = [part.note for part in parts if part.note]
    if small:
        notes.append(f"Under {100 * least:g} % of the rows, left out: {', '.join(small)}.")
    if unknown:
        notes.append(
            f"{len(unknown)} of {n} rows are of unknown {' or '.join(p.column for p in parts)}, left out."
        )
    of = tuple(-1 if i in unknown else place.get(key, -1) for i, key in enumerate(keys))
    return RowGroups(name, tuple(named[key] for key in kept), of, " ".join(notes))


def is_missing_group(name: str) -> bool:
    """Whether a group is that of the rows without a value.

    Args:
        name: of the group.
    """
    return name in (_MISSING, f"{_MISSING} (empty cells)")


def is_unknown_group(name: str) -> bool:
    """Whether a group's category is not known: its rows have no value, or a text that says so, such as "Unknown".

    Args:
        name: of the group.

    Example:
        >>> is_unknown_group("missing"), is_unknown_group("Not stated"), is_unknown_group("Female")
        (True, True, False)
    """
    return is_missing_group(name) or name.strip().lower() in _UNKNOWN


def _is_missing(cell: str, declared: Column | None, schema: TableSchema) -> bool:
    if declared is not None and declared.missing is Missing.LEVEL and cell == declared.levels[-1]:
        return True
    return is_missing(cell, schema.missing_values) and (declared is None or cell not in declared.levels)


def _value(cell: str, declared: Column | None, *, numbers: bool) -> float | str:
    if declared is None:
        return float(cell) if numbers else cell
    code = declared.code(cell)
    return declared.levels[round(code)] if declared.kind is ColumnKind.CATEGORICAL else code


def _by_value(
    column: str, count: Counter[float | str], *, ordered: bool
) -> tuple[list[tuple[float | str, ...]], str]:
    """Each value by itself, but for those that are too rare or too many."""
    order = sorted(count, key=lambda v: (0 if ordered else -count[v], v))
    frequent = sorted((v for v in order if count[v] >= FEWEST), key=lambda v: -count[v])[:MOST]
    if not frequent and len(order) > MOST:
        raise DataError(
            f"by: column {column!r} has {len(order)} different values and none of them in {FEWEST} rows, so it makes "
            "no groups. Name a column with fewer values, or take more rows."
        )
    own = [v for v in order if v in frequent]
    rare = [v for v in order if v not in frequent]
    if not own or len(rare) < 2:
        return [(v,) for v in order], ""
    return [*((v,) for v in own), tuple(rare)], (
        f"{len(rare)} values of {column} stand together: each has fewer than {FEWEST} rows"
        f"{f' or is not among the {MOST} most frequent' if any(count[v] >= FEWEST for v in rare) else ''}."
    )


def _quarters(count: Counter[float | str]) -> list[tuple[float | str, ...]]:
    """Different numbers split at the quartiles of all rows; fewer than four parts where many rows tie."""
    values = np.sort(np.array([float(v) for v in count]))
    rows = np.repeat(values, [count[float(v)] for v in values])
    edges = np.unique(np.quantile(rows, [0.25, 0.5, 0.75], method="inverted_cdf"))
    if edges[0] == values[-1]:
        edges = values[-2:-1]
    part = np.searchsorted(edges, values, side="left")
    return [tuple(float(v) for v in values[part == i]) for i in np.unique(part)]


def _named(part: Sequence[float | str], column: str, declared: Column | None, *, numbers: bool) -> str:
    """A value's name, with the column's where it is a number or a range: "age 17 to 28"."""

    def text(value: float | str) -> str:
        if isinstance(value, str):
            return value
        if declared is not None and declared.digits:
            return declared.text(value)
        if numbers and value == int(value):
            return str(int(value))
        return repr(value) if declared is None else declared.text(value)

    if len(part) == 1:
        return f"{column} {text(part[0])}" if numbers else text(part[0])
    if isinstance(part[0], str):
        return f"others ({len(part)} values)"
    return f"{column} {text(part[0])} to {text(part[-1])}"
