"""Rows as a data frame."""

import math
from collections.abc import Mapping
from importlib.util import find_spec
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from cfsearch.errors import DataError, MissingExtraError

from ._cells import is_absent, level_values
from ._columns import Column, ColumnKind, Missing
from ._schema import TableSchema

if TYPE_CHECKING:
    import pandas as pd


def frame_of(
    x: Float[Tensor, "n d"],
    *,
    schema: TableSchema,
    levels: Mapping[str, NDArray[Any]] = MappingProxyType({}),
) -> "pd.DataFrame":
    """Rows as a data frame whose cells have the types that ``pandas.read_csv`` gives their columns.

    A column of the levels "true" and "false" is bool, one of whole numbers int64 (where they may be
    missing, float64), other numbers float64, other texts str; ``Column.dtype`` overrules that.

    Args:
        x: numbers in their own units, levels as their index.
        schema: what the columns mean.
        levels: by column, the value of each level instead of that of the schema.

    Raises:
        DataError: a code is none of its column's levels.
        MissingExtraError: pandas is not installed (extra ``tables``).
    """
    require_pandas()
    import pandas as pd

    rows = x.detach().cpu().double().numpy()
    columns = {}
    for j, column in enumerate(schema.columns):
        codes = rows[:, j]
        if not column.has_levels:
            columns[column.name] = _numbers(codes, column)
            continue
        index = np.rint(codes).astype(np.int64)
        if index.min(initial=0) < 0 or index.max(initial=0) >= len(column.levels):
            raise DataError(
                f"table, column {column.name!r}: codes must lie in 0 to {len(column.levels) - 1}, got "
                f"{int(index.min())} to {int(index.max())}."
            )
        values = levels.get(column.name)
        values = values_of_levels(column) if values is None else values
        made = values[index]
        if column.dtype == "category":
            made = pd.Categorical(
                made,
                categories=[v for v in values.tolist() if not is_absent(v)],
                ordered=column.kind is ColumnKind.ORDINAL,
            )
        columns[column.name] = made
    return pd.DataFrame(columns)


def frame_of_codes(x: Float[Tensor, "n d"], *, schema: TableSchema) -> "pd.DataFrame":
    """Rows as a data frame of numbers alone, levels as their index."""
    require_pandas()
    import pandas as pd

    return pd.DataFrame(x.detach().cpu().double().numpy(), columns=list(schema.names))


def values_of_levels(column: Column) -> NDArray[Any]:
    """The value of each level of a column, as models are given it; bool, numbers or object."""
    return level_values(column.levels, dtype=column.dtype, absent=column.missing is Missing.LEVEL)


def _numbers(values: NDArray[np.float64], column: Column) -> NDArray[Any]:
    if column.dtype == "str":
        return np.array([v if math.isnan(v) else column.text(v) for v in values.tolist()], dtype=object)
    if column.dtype == "bool":
        return np.rint(values).astype(bool)
    real = column.dtype == "float64" or column.missing is Missing.KEEP  # pandas has no missing whole number
    if column.kind is ColumnKind.INTEGER and not real:
        return np.rint(values).astype(np.int64)
    return values


def require_pandas() -> None:
    """Refuses where pandas is not installed (extra ``tables``)."""
    if find_spec("pandas") is None:
        raise MissingExtraError(
            "table: a data frame needs pandas, which is not installed: pip install 'cfsearch[tables]'."
        )
