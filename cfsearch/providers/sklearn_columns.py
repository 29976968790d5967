"""What a fitted estimator knows of its columns: the values that its encoders and boosters learned.

A model tells the whole number 1 from the text "1", and the truth value from the text "True". Where a
pipeline shows which of them it was fitted on, rows are handed to it so, whatever a file suggests.
"""

import math
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cfsearch.datasets.tables import (
    Column,
    TableSchema,
    is_absent,
    number_of,
    values_of_levels,
    written_numbers,
)

_ENCODERS: Final = ("OneHotEncoder", "OrdinalEncoder", "TargetEncoder")
_IDENTITIES: Final = ("SimpleImputer",)
"""Transformers that leave known values as they are, and let no missing one reach what follows them."""
_ABSENT: Final = ("NAType", "NaTType")


def encoder_values(estimator: Any) -> dict[str, list[Any]]:  # Any: scikit-learn has no types for them
    """The values of each column that the first encoder of a pipeline was fitted on.

    Args:
        estimator: fitted on a data frame; a pipeline, with a ColumnTransformer or without.
    """
    return {name: values for name, values, _ in _encoders(estimator)}


def refusing_columns(estimator: Any) -> frozenset[str]:  # Any: as above
    """The columns whose encoder fails on a value that it was not fitted on.

    Args:
        estimator: as for ``encoder_values``.
    """
    return frozenset(name for name, _, step in _encoders(estimator) if _handling(step) == "error")


def _handling(step: Any) -> str:  # Any: as above
    return str(getattr(step, "handle_unknown", ""))


def _encoders(estimator: Any) -> Iterator[tuple[str, list[Any], Any]]:  # Any: as above
    yield from _found(estimator, [str(name) for name in getattr(estimator, "feature_names_in_", ())])


def _found(step: Any, columns: list[str]) -> Iterator[tuple[str, list[Any], Any]]:  # Any: as above
    name = type(step).__name__
    if name == "Pipeline":
        filled: list[Any] = []  # Any: what a missing cell holds
        for _, part in step.steps:
            if part is None or part == "passthrough":
                continue
            if type(part).__name__ in _IDENTITIES:
                filled.append(_plain(part.missing_values))
                continue
            yield from ((c, [*values, *filled], end) for c, values, end in _found(part, columns))
            return
    elif name == "ColumnTransformer":
        for _, part, chosen in step.transformers_:
            if not isinstance(part, str):
                yield from _found(part, chosen_names(chosen, columns))
    elif name in _ENCODERS and len(getattr(step, "categories_", ())) == len(columns):
        yield from (
            (c, [_plain(value) for value in values.tolist()], step)
            for c, values in zip(columns, step.categories_, strict=True)
        )


def _plain(value: Any) -> Any:  # Any: whatever an encoder or an imputer holds
    """The value; NaN for pandas' own markers of a missing cell, of which no truth can be had."""
    return math.nan if is_absent(value) or type(value).__name__ in _ABSENT else value


def chosen_names(chosen: Any, columns: list[str]) -> list[str]:  # Any: names, places, a slice or a mask
    """The columns that a part of a ColumnTransformer takes.

    Args:
        chosen: as the ColumnTransformer holds it.
        columns: all columns.
    """
    if isinstance(chosen, str):
        return [chosen]
    if isinstance(chosen, slice):
        if isinstance(chosen.start, str) or isinstance(chosen.stop, str):
            start = 0 if chosen.start is None else columns.index(chosen.start)
            stop = len(columns) if chosen.stop is None else columns.index(chosen.stop) + 1
            return columns[start:stop]
        return columns[chosen]
    listed = np.asarray(chosen).reshape(-1)
    if listed.dtype == bool:
        return [c for c, taken in zip(columns, listed, strict=True) if taken]
    return [v if isinstance(v, str) else columns[int(v)] for v in listed.tolist()]


def matched_levels(
    column: Column,
    known: Sequence[Any],  # Any: whatever an encoder was fitted on
) -> tuple[NDArray[Any], tuple[str, ...]]:
    """The value of each level in the form that an encoder knows, and the levels that it never saw.

    Args:
        column: a column of levels.
        known: what the encoder was fitted on.
    """
    values = values_of_levels(column)
    texts: dict[str, Any] = {str(value).strip(): value for value in known}  # Any: as above
    numbers = {value: text for value, text in written_numbers(texts).items() if text not in column.levels}
    same = [_knows(known, value) for value in values.tolist()]
    if all(same):
        return values, ()
    chosen, strange = [], []
    for level, value, fits in zip(column.levels, values.tolist(), same, strict=True):
        if fits:
            chosen.append(value)
        elif level in texts or str(value) in texts:
            chosen.append(texts.get(level, texts.get(str(value))))
        elif (number := number_of(level)) is not None and number in numbers:
            chosen.append(texts[numbers[number]])
        else:
            chosen.append(value)
            strange.append(level)
    made = np.empty(len(chosen), dtype=object)
    made[:] = chosen
    kinds = {type(value) for value in chosen}
    return (np.array(chosen) if kinds in ({bool}, {int}, {float}) else made), tuple(strange)


def _knows(known: Sequence[Any], value: Any) -> bool:  # Any: as above
    """Whether an encoder finds a value among those it was fitted on; True and 1 are the same to it."""
    if is_absent(value):
        return any(is_absent(one) for one in known)
    return any(one == value for one in known if isinstance(one, str) == isinstance(value, str))


def texts_wanted(schema: TableSchema, known: Mapping[str, Sequence[Any]]) -> tuple[str, ...]:
    """The columns of numbers that an encoder knows as texts.

    Args:
        schema: what the columns mean.
        known: what each encoder was fitted on, by column.
    """
    return tuple(
        c.name
        for c in schema.columns
        if not c.has_levels
        and (seen := [value for value in known.get(c.name, ()) if not is_absent(value)])
        and all(isinstance(value, str) for value in seen)
    )


def known_numbers(schema: TableSchema, known: Mapping[str, Sequence[Any]]) -> dict[str, tuple[float, ...]]:
    """The numbers that an encoder knows of each column of numbers, in order; it takes any other for unknown.

    Args:
        schema: what the columns mean.
        known: what each encoder was fitted on, by column.
    """
    found: dict[str, tuple[float, ...]] = {}
    for column in schema.columns:
        values = [v for v in known.get(column.name, ()) if not is_absent(v)]
        if column.has_levels or not values:
            continue
        numbers = {float(v) for v in values if isinstance(v, int | float | Decimal)}
        numbers |= written_numbers(v for v in values if isinstance(v, str)).keys()
        found[column.name] = tuple(sorted(v for v in numbers if math.isfinite(v)))
    return found
