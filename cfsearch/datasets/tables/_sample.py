"""Rows of a file as pandas reads them, beside the same rows as read by a schema."""

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.errors import DataError

from ._cells import NOT_AVAILABLE, level_values
from ._columns import Column, Missing
from ._file import bytes_of, parquet_frame
from ._frame import require_pandas
from ._odd_rows import bare_name
from ._schema import TableSchema, is_missing
from ._table import as_declared, table_of_text
from ._text_table import TextTable, as_csv
from ._types import CATEGORY, TEXT, ColumnType

if TYPE_CHECKING:
    import pandas as pd

_SAMPLED: Final = 32


@final
@dataclass(frozen=True, slots=True, eq=False)
class FileSample:
    """Rows spread through a file, to be compared with what pandas reads there.

    Args:
        path: the CSV file.
        delimiter: what stands between its cells.
        encoding: of its text.
        x: the rows as read by a schema.
        places: which row of the file each is, from 0 below the header.
        lines: on which line of the file each stands.
        total: rows of the file.
        text: its cells, where they are not those that pandas reads in the file.
        types: of its columns, as of ``TextTable``.
    """

    path: Path
    delimiter: str
    encoding: str
    x: Float[Tensor, "n d"]
    places: tuple[int, ...]
    lines: tuple[int, ...]
    total: int
    text: TextTable | None = None
    types: Mapping[str, ColumnType] = field(default_factory=dict)

    @property
    def _separator(self) -> str:
        return self.delimiter if self.text is None else ","

    def _source(self) -> io.BytesIO | io.StringIO:
        if self.text is None:
            return io.BytesIO(bytes_of(self.path))  # pandas would unpack by the ending alone
        return io.StringIO("".join(as_csv(self.text)))

    def frame(self, schema: TableSchema) -> "pd.DataFrame | None":
        """The same rows as ``pandas.read_csv`` reads them; None where it counts other rows.

        Types are those that pandas infers from the whole file, except where a column declares its
        ``dtype``, or where they are texts, categories or dates of a data frame or a parquet file. What the schema declares as missing in columns of numbers is NaN.

        Raises:
            MissingExtraError: pandas is not installed (extra ``tables``).
        """
        require_pandas()
        import pandas as pd

        missing = {
            c.name: sorted(NOT_AVAILABLE - set(c.levels))
            if c.has_levels
            else sorted(NOT_AVAILABLE | set(schema.missing_values))
            for c in schema.columns
        }
        names = pd.read_csv(
            self._source(),
            sep=self._separator,
            encoding=self.encoding,
            nrows=0,
            index_col=False,
        ).columns
        own = {bare_name(str(name)): str(name) for name in names}
        typed = {c.name: self.types[c.name] for c in schema.columns if c.has_levels and c.name in self.types}
        wanted = {own[c.name]: c.dtype for c in schema.columns if c.dtype in ("str", "float64")}
        wanted |= {own[name]: TEXT for name, kind in typed.items() if kind.name == TEXT or kind.categories}
        try:
            read = pd.read_csv(
                self._source(),
                sep=self._separator,
                encoding=self.encoding,
                index_col=False,
                keep_default_na=False,
                na_values={own[name]: words for name, words in missing.items()},
                dtype=wanted,
                low_memory=False,
            )
            for name, kind in typed.items():
                read[own[name]] = _of_type(read[own[name]], kind)
        except (ValueError, KeyError, TypeError):  # what pandas cannot read in its own way is not compared
            return None
        if len(read) != self.total:
            return None
        frame = read.iloc[list(self.places)][[own[name] for name in schema.names]]
        frame = frame.set_axis(list(schema.names), axis=1).reset_index(drop=True)
        return self._with_types_of_parquet(frame, names=list(typed))

    def _with_types_of_parquet(self, frame: "pd.DataFrame", *, names: list[str]) -> "pd.DataFrame":
        """Rows whose texts, categories and dates are those of the parquet file itself, where it is one."""
        if not names or self.path.suffix.lower() != ".parquet":
            return frame
        whole = parquet_frame(self.path)
        if len(whole) != self.total:
            return frame
        own = {bare_name(str(name)): at for at, name in reversed(list(enumerate(whole.columns)))}
        rows = whole.iloc[list(self.places)].reset_index(drop=True)
        return frame.assign(**{name: _plainly_missing(rows.iloc[:, own[name]]) for name in names})


def _of_type(values: "pd.Series[Any]", kind: ColumnType) -> "pd.Series[Any]":  # Any: as below
    """The texts of a column as the data frame held them."""
    import pandas as pd

    if not kind.categories or not set(values.dropna().astype(str).str.strip()) <= set(kind.categories):
        return values.astype(pd.api.types.pandas_dtype(kind.name))
    known = level_values(kind.categories, dtype=CATEGORY).tolist()
    places = {text: at for at, text in enumerate(kind.categories)}
    codes = [places.get(str(cell).strip(), -1) for cell in values.tolist()]
    return pd.Series(pd.Categorical.from_codes(codes, categories=known, ordered=kind.ordered), values.index)


def _plainly_missing(values: "pd.Series[Any]") -> "pd.Series[Any]":  # Any: texts, categories or dates
    """Cells of which missing ones are NaN, as in what pandas reads from a file, and no NA of its own."""
    if values.dtype.kind != "O" or str(values.dtype) == "category":
        return values
    return values.astype(object).where(values.notna(), math.nan)


def sample_of(text: TextTable, path: str | Path, *, schema: TableSchema) -> FileSample | None:
    """Rows spread evenly through a file, of those that hold nothing which the schema replaces.

    Args:
        text: the file's cells.
        path: where it lies.
        schema: what the columns mean.

    Returns:
        At most 32 rows; None if no row can be read.
    """
    text = as_declared(text, schema)
    spread = dict.fromkeys(np.linspace(0, len(text.rows) - 1, _SAMPLED).round().astype(int).tolist())
    whole: list[int] = []
    for place in spread:
        cells = dict(zip(text.header, text.rows[place], strict=True))
        if not any(_replaced(cells.get(c.name, ""), c, schema) for c in schema.columns):
            whole.append(place)
    places, x = _readable(text, schema, whole)
    if not places:
        return None
    return FileSample(
        path=Path(path),
        delimiter=text.delimiter,
        encoding="utf-8-sig" if text.encoding.lower() in ("utf-8", "utf8") else text.encoding,
        x=x,
        places=tuple(places),
        lines=tuple(text.lines[i] for i in places),
        total=len(text.rows),
        text=None if text.as_written else text,
        types=text.types,
    )


def _readable(text: TextTable, schema: TableSchema, places: list[int]) -> tuple[list[int], Tensor]:
    """The rows that can be read, and their numbers: all at once, or where one cannot be read each by itself."""
    try:
        return places, table_of_text(text, schema, rows=places).x
    except DataError:
        if len(places) <= 1:
            return [], torch.zeros(0, schema.d, dtype=torch.float64)
    each = [_readable(text, schema, [place]) for place in places]
    return [place for found, _ in each for place in found], torch.cat([x for _, x in each])


def _replaced(cell: str, column: Column, schema: TableSchema) -> bool:
    """Whether a schema puts another value in the place of this cell."""
    if cell in column.levels:
        return False
    if is_missing(cell, schema.missing_values):
        return column.missing not in (Missing.LEVEL, Missing.KEEP)
    return bool(column.unknown)
