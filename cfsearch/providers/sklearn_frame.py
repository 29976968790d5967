"""Rows as the data frame that a fitted estimator takes."""

import math
import re
from typing import TYPE_CHECKING, Any, Final, final

from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from cfsearch.datasets.tables import (
    ColumnKind,
    Missing,
    TableSchema,
    bare_name,
    frame_of,
    is_absent,
    number_of,
    values_of_levels,
    written_numbers,
)
from cfsearch.errors import DataError, listed

from .sklearn_categories import category_values, unwrapped
from .sklearn_columns import encoder_values, known_numbers, matched_levels, refusing_columns, texts_wanted

if TYPE_CHECKING:
    import pandas as pd

_SHOWN: Final = 4
_NO_NUMBER: Final = re.compile(r"could not convert string to float: '(.{1,80}?)'")
"""What numpy says of a text where a number should stand."""


@final
class FittedFrames:
    """Data frames for one estimator: cells in the types that it was fitted on.

    Where the estimator does not show them, cells have the types that pandas reads from a file.

    Args:
        estimator: fitted on a data frame.
        schema: what the columns of a row mean.
    """

    def __init__(
        self, estimator: Any, *, schema: TableSchema
    ) -> None:  # Any: scikit-learn has no type for it
        self._schema: Final = schema
        # a header is read without the spaces around its names
        self._named: Final = {bare_name(str(n)): str(n) for n in getattr(estimator, "feature_names_in_", ())}
        known = {bare_name(name): values for name, values in encoder_values(unwrapped(estimator)).items()}
        self._categories: Final = {bare_name(n): values for n, values in category_values(estimator).items()}
        # boosters take an absent category for a missing one, beside those that they learned
        known |= {
            name: [*values, math.nan] for name, values in self._categories.items() if values is not None
        }
        self._known: Final = {
            name: frozenset(value for value in values or () if isinstance(value, str))
            for name, values in known.items()
        }
        self._levels: dict[str, NDArray[Any]] = {}
        strange: dict[str, tuple[str, ...]] = {}
        for column in schema.columns:
            if column.has_levels and column.name in known:
                self._levels[column.name], strange[column.name] = matched_levels(column, known[column.name])
        strict = {bare_name(name) for name in refusing_columns(unwrapped(estimator))}
        for name, levels in strange.items():
            column = schema.column(name)
            absent = column.levels[-1] if column.missing is Missing.LEVEL else None
            odd = [level for level in levels if level != absent]
            if odd and name in strict:
                raise DataError(
                    f"column {name!r}: the model's encoder fails on what it never saw, {listed([repr(v) for v in odd[:_SHOWN]])}"
                    f"{' and others' if len(odd) > _SHOWN else ''}; it knows {listed([repr(v) for v in known[name] if not is_absent(v)])}. Correct "
                    "these cells, or write a schema (`cfsearch schema table`) with `levels` that it knows, of which `unknown` "
                    "stands for any other."
                )
        self._texts: Final = {
            name: written_numbers(value for value in known[name] if not is_absent(value))
            for name in texts_wanted(schema, known)
        }
        self.known_numbers: Final = known_numbers(schema, known)
        unseen = [
            f"{', '.join(map(repr, levels[:_SHOWN]))}{' and others' if len(levels) > _SHOWN else ''} in {name}"
            for name, levels in strange.items()
            if levels
        ]
        notes = [
            f"its encoders never saw {listed(unseen)}, and may take each for any other unknown level."
        ] * bool(unseen)
        notes += [
            f"its encoder of {column.name} tells {listed([repr(one) for one in alike])} apart, which differ by spaces alone; cells are "
            f"read without these, and all are taken for {alike[0].strip()!r}. Give each a name of its own in the file and in "
            "the model."
            for column in schema.columns
            for alike in _alike(self._known.get(column.name, frozenset()))
        ]
        self.note: Final = " ".join(notes)

    def refusal(self, message: str) -> DataError | None:
        """What to do where a model takes a number and a column holds texts; None of any other failure.

        Args:
            message: of the failure.
        """
        found = _NO_NUMBER.search(message)
        text = "" if found is None else found[1].strip()
        for column in self._schema.columns:
            if text and column.has_levels and text in column.levels:
                return DataError(
                    f"column {column.name!r}: holds texts ({text!r}), where the model takes numbers. Write them plainly in the "
                    "file (1234.5, without signs or units), or give the file that the model was fitted on."
                )
        return None

    def of_rows(self, x: Float[Tensor, "n d"]) -> "pd.DataFrame":
        """The data frame for rows, levels as their index."""
        return self._converted(frame_of(x, schema=self._schema, levels=self._levels))

    def of_file(self, frame: "pd.DataFrame") -> "pd.DataFrame":
        """The data frame for rows as pandas reads them from a file."""
        made = frame.copy()
        for name, values in self._levels.items():
            column = self._schema.column(name)
            if values.dtype == values_of_levels(column).dtype and values.dtype != object:
                continue
            words = {str(value).strip(): value for value in values.tolist()}
            words |= dict(zip(column.levels, values.tolist(), strict=True))
            learned = self._known[name]  # two of them may differ by spaces alone
            made[name] = [
                cell if isinstance(cell, str) and cell in learned else words.get(str(cell).strip(), cell)
                for cell in frame[name].tolist()
            ]
            made[name] = made[name].astype(values.dtype)
        for column in self._schema.columns:
            if column.dtype == "category" and column.name not in self._categories:
                values = self._levels.get(column.name, values_of_levels(column))
                made[column.name] = _categorical(
                    made[column.name], values.tolist(), ordered=column.kind is ColumnKind.ORDINAL
                )
        return self._converted(made)

    def _converted(self, frame: "pd.DataFrame") -> "pd.DataFrame":
        for name in self._texts:
            frame[name] = [self._text(name, cell) for cell in frame[name].tolist()]
        for name, categories in self._categories.items():
            values = frame[name]
            known = categories
            if known is None:
                column = self._schema.column(name)
                known = (
                    values_of_levels(column).tolist() if column.has_levels else sorted(set(values.tolist()))
                )
            frame[name] = _categorical(values, known)
        return frame.rename(columns=self._named)

    def _text(self, name: str, cell: Any) -> Any:  # Any: a number, a text or a missing one
        if is_absent(cell):
            return cell
        text = cell if isinstance(cell, str) else self._schema.column(name).text(float(cell))
        number = number_of(text)
        return text if number is None else self._texts[name].get(number, text)


def _alike(known: frozenset[str]) -> list[list[str]]:
    """Values of one encoder that are the same text without the spaces around them."""
    bare: dict[str, list[str]] = {}
    for value in sorted(known):
        bare.setdefault(value.strip(), []).append(value)
    return [values for values in bare.values() if len(values) > 1]


def _categorical(
    values: "pd.Series[Any]", known: list[Any], *, ordered: bool = False
) -> "pd.Categorical[Any]":  # Any: numbers or texts
    import pandas as pd

    return pd.Categorical(values, categories=[v for v in known if not is_absent(v)], ordered=ordered)
