"""Rows of a table as a program holds them: data frames, records, columns, matrices, or the path of a file."""

import csv
import io
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch

from cfsearch.datasets.tables import ColumnType, types_of_columns, types_of_frame, write_types
from cfsearch.errors import DataError
from cfsearch.files import write_atomically

_FRAMES: Final = ("pandas", "polars", "pyarrow", "modin", "cudf", "dask")
_OF_ROWS: Final = ("rows", "where", "decided", "label", "schema", "critic")
"""Settings that only rows have."""
_NARROW: Final = 8
"""A matrix of fewer columns is no picture."""


def is_table(x: object, *, model: object = None, given: Mapping[str, object] | None = None) -> bool:
    """Whether inputs are rows of a table and not pictures.

    A matrix may be either: it holds rows where the model was fitted on rows, where a setting of rows is given, or where it
    has fewer than eight columns.

    Args:
        x: as for ``cfsearch.search``, but no path.
        model: likewise.
        given: settings of the call.

    Example:
        >>> is_table({"age": 30}), is_table([[1.0, 2.0], [3.0, 4.0]]), is_table(np.zeros((28, 28)))
        (True, True, False)
        >>> is_table(np.zeros((28, 28)), given={"label": "outcome"})
        True
    """
    if isinstance(x, Mapping) or _is_frame(x):
        return True
    if isinstance(x, Sequence) and not isinstance(x, str):
        if x and all(isinstance(one, Mapping) for one in x):
            return True
        if not x or not all(_is_cell(one) or (isinstance(one, list | tuple) and _flat(one)) for one in x):
            return False
        x = np.array(list(x), dtype=object)
    if not isinstance(x, np.ndarray | torch.Tensor) or x.ndim > 2:
        return False
    if getattr(x, "dtype", None) is not None and getattr(x.dtype, "names", None):
        return True
    if x.ndim == 1 or x.shape[-1] < _NARROW:
        return True
    return (
        hasattr(model, "n_features_in_")
        or str(model).endswith(".skops")
        or any((given or {}).get(name) is not None for name in _OF_ROWS)
    )


def written_table(x: object, folder: Path, *, columns: Sequence[str] | None = None) -> Path:
    """Rows as a CSV file, with the types of its columns beside it; the path of a file is given back.

    Args:
        x: a data frame (of pandas, polars or pyarrow), a row of one (``Series``), a row as ``{column: value}``, a list of
            such rows, columns as ``{column: values}``, a matrix, a record array, or a path.
        folder: where the file is written.
        columns: names of the columns of a matrix; ``x0``, ``x1`` and so on when left out.

    Raises:
        DataError: it is nothing of that kind, has no rows, or its columns have different lengths.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     written_table([{"age": 30, "job": "cook"}, {"age": 41}], Path(folder)).read_text().split()
        ['age,job', '30,cook', '41,']
    """
    if isinstance(x, str | Path):
        return Path(x)
    text, types = _text(x, columns)
    if text.count("\n") < 2:
        raise DataError("table: expected one row at least, got none.")
    folder.mkdir(parents=True, exist_ok=True)
    path = write_atomically(folder / "table.csv", text)
    write_types(path, types)
    return path


def rows_in(x: object) -> int | None:
    """How many rows inputs have; None of a path.

    Args:
        x: as for ``written_table``.

    Example:
        >>> rows_in({"age": 30}), rows_in({"age": [30, 41]}), rows_in([{"age": 30}]), rows_in("a.csv")
        (1, 2, 1, None)
    """
    if isinstance(x, str | Path):
        return None
    if isinstance(x, Mapping):
        return len(next(iter(x.values()))) if _of_columns(x) else 1
    shape = getattr(x, "shape", None)
    if shape is not None:
        return 1 if len(shape) == 1 and not getattr(getattr(x, "dtype", None), "names", None) else shape[0]
    return len(x) if isinstance(x, Sequence) and not all(map(_is_cell, x)) else 1


def is_matrix(x: object) -> bool:
    """Whether rows came as numbers without names.

    Args:
        x: as for ``written_table``.

    Example:
        >>> is_matrix([[0.5, 1.0]]), is_matrix({"age": 30}), is_matrix("rows.csv")
        (True, False, False)
    """
    if isinstance(x, np.ndarray):
        return not x.dtype.names
    if isinstance(x, list | tuple):
        return not any(isinstance(one, Mapping) for one in x)
    return isinstance(x, torch.Tensor)


def _text(x: object, columns: Sequence[str] | None) -> tuple[str, dict[str, ColumnType]]:
    """The content of the file, and the types of its columns that it does not show."""
    if _is_frame(x):
        frame: Any = x  # Any: pandas is not imported where nobody uses it
        frame = frame.to_pandas() if hasattr(frame, "to_pandas") else frame
        frame = frame.compute() if hasattr(frame, "compute") else frame
        frame = frame.to_frame().T if frame.ndim == 1 else frame
        frame = frame.set_axis([str(name) for name in frame.columns], axis="columns")
        return str(frame.to_csv(index=False, lineterminator="\n")), types_of_frame(frame)
    if isinstance(x, Mapping):
        if not _of_columns(x):
            return _lines(list(x), [list(x.values())])
        every = {name: list(values) for name, values in x.items()}
        lengths = {name: len(values) for name, values in every.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(
                "table: expected columns of one length, got "
                + ", ".join(f"{name!r} of {n}" for name, n in list(lengths.items())[:5])
                + "."
            )
        return _lines(list(every), zip(*every.values(), strict=True))
    if isinstance(x, Sequence) and x and all(isinstance(one, Mapping) for one in x):
        names = list(dict.fromkeys(name for one in x for name in one))
        return _lines(names, ([one.get(name) for name in names] for one in x))
    if isinstance(x, list | tuple):
        wide = {len(one) for one in x if isinstance(one, list | tuple)}
        if len(wide) > 1:
            raise DataError(f"table: expected rows of one length, got rows of {sorted(wide)[:5]} values.")
        x = np.array(x, dtype=object)
    if isinstance(x, torch.Tensor):
        x = x.detach().cpu().numpy()
    if isinstance(x, np.ndarray) and x.dtype.names:
        return _lines(x.dtype.names, np.atleast_1d(x).tolist())
    if isinstance(x, np.ndarray) and x.ndim in (1, 2):
        rows = np.atleast_2d(x)
        return _lines(columns or [f"x{i}" for i in range(rows.shape[1])], rows.tolist())
    raise DataError(
        f"table: expected a data frame, a row of one, rows as {{column: value}}, a matrix of numbers or the path of a "
        f"CSV file, got {type(x).__name__}."
    )


def _lines(names: Sequence[object], rows: Iterable[Sequence[object]]) -> tuple[str, dict[str, ColumnType]]:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    header = [str(name) for name in names]
    cells = [[_cell(value) for value in row] for row in rows]
    writer.writerow(header)
    writer.writerows(cells)
    return text.getvalue(), types_of_columns(dict(zip(header, zip(*cells, strict=True), strict=False)))


def _cell(value: object) -> object:
    """A value as a file holds it: nothing where it is missing."""
    plain = value.item() if isinstance(value, np.generic) else value
    if isinstance(plain, float):
        return "" if math.isnan(plain) else plain
    return "" if plain is None or type(plain).__name__ in ("NAType", "NaTType") else plain


def _of_columns(x: Mapping[object, object]) -> bool:
    """Whether a mapping holds columns and not one row."""
    return bool(x) and all(hasattr(value, "__len__") and not isinstance(value, str) for value in x.values())


def _flat(row: Sequence[object]) -> bool:
    return bool(row) and all(_is_cell(value) for value in row)


def _is_cell(value: object) -> bool:
    return value is None or isinstance(value, int | float | np.generic)


def _is_frame(x: object) -> bool:
    """Whether it is a data frame, or a row of one, of a library that has these."""
    column_names = "index" if type(x).__name__ == "Series" else "columns"
    return type(x).__module__.partition(".")[0] in _FRAMES and hasattr(x, column_names)
