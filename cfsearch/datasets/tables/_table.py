"""A table in canonical form: one float64 row an input, beside its schema."""

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self, final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from cfsearch.errors import DataError, ShapeError, listed

from ._cells import truth_of
from ._columns import Cell, Column, Missing
from ._csv import read_text_table
from ._frame import frame_of
from ._number_forms import plain_numbers
from ._numbers import is_number
from ._schema import TableSchema, is_missing, stand_in
from ._text_table import TextTable

if TYPE_CHECKING:
    import pandas as pd


@final
@dataclass(frozen=True, slots=True, eq=False)
class Table:
    """Rows of a table, as numbers: real values in their own units, levels as their index.

    Args:
        schema: what the columns mean.
        x: the rows.
        target: the true class of each row as an index of ``schema.labels``; None where the table
            does not say.
        lines: where each row stood, a line of a file or the number of a record.
        notes: what a reader must know (rows dropped, columns left out).
        places: which row of the file each was, from 0; empty where that is not known.

    Shapes:
        x ``(n, d)`` float64; target ``(n,)``.

    Raises:
        ShapeError: the parts do not fit each other.
    """

    schema: TableSchema
    x: Float[Tensor, "n d"]
    target: Int[Tensor, " n"] | None
    lines: tuple[int, ...]
    notes: tuple[str, ...] = ()
    places: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        n = len(self.lines)
        if tuple(self.x.shape) != (n, self.schema.d) or (self.target is not None and len(self.target) != n):
            raise ShapeError(
                f"table: expected {n} rows of {self.schema.d} columns, got {tuple(self.x.shape)} and "
                f"{'no' if self.target is None else len(self.target)} targets."
            )

    def __len__(self) -> int:
        return len(self.lines)

    def take(self, rows: Sequence[int]) -> Self:
        """These rows alone, in this order."""
        index = list(rows)
        return type(self)(
            self.schema,
            self.x[index],
            None if self.target is None else self.target[index],
            tuple(self.lines[i] for i in index),
            self.notes,
            tuple(self.places[i] for i in index) if self.places else (),
        )

    def spread(self, most: int) -> Self:
        """At most so many rows, evenly spread over the table; the table itself where it has no more.

        Args:
            most: how many rows, at least 1.
        """
        if len(self) <= most:
            return self
        return self.take([int(i) for i in np.linspace(0, len(self) - 1, most).round()])

    def labelled(self, target: Int[Tensor, " n"]) -> Self:
        """The same rows with other classes, as a model gives them."""
        return type(self)(self.schema, self.x, target, self.lines, self.notes, self.places)

    def cells(self, i: int) -> dict[str, Cell]:
        """What stands in row ``i``, by column."""
        return self.schema.decode(self.x[i].tolist())

    def frame(self) -> "pd.DataFrame":
        """The inputs as a data frame, each column in the type that pandas reads from a file; see ``frame_of``.

        Raises:
            MissingExtraError: pandas is not installed (extra ``tables``).
        """
        return frame_of(self.x, schema=self.schema)

    @classmethod
    def of_frame(cls, frame: "pd.DataFrame", *, schema: TableSchema) -> Self:
        """The rows of a data frame; ``lines`` are its positions from 0.

        Raises:
            DataError: a column is missing, or a cell is no value of its column.
        """
        records = [{str(k): _bare(v) for k, v in row.items()} for row in frame.to_dict("records")]
        return cls.of_records(records, schema=schema)

    @classmethod
    def of_records(cls, records: Iterable[Mapping[str, Cell]], *, schema: TableSchema) -> Self:
        """The rows of dictionaries by column; ``lines`` are their positions from 0.

        Raises:
            DataError: as ``of_frame``; says which row.
        """
        rows = list(enumerate(records))
        names = list(rows[0][1]) if rows else []
        made = _assembled(
            schema, names, [[r.get(n, "") for n in names] for _, r in rows], [i for i, _ in rows], _row
        )
        return cls(schema, *made)


def read_table(
    path: str | Path,
    *,
    schema: TableSchema,
    encoding: str | None = None,
    delimiter: str | None = None,
    rows: Sequence[int] | None = None,
) -> Table:
    """The rows of a CSV file (``.csv``, ``.csv.gz``) with a header.

    Columns may stand in any order. Those that the schema does not know are left out, which
    ``notes`` says. The target column may be missing: applicants have no answer yet.

    Args:
        path: the file.
        schema: what the columns mean; ``infer_schema`` guesses one.
        encoding: "utf-8", "cp1252", ...; None to find out.
        delimiter: what stands between cells; None to find out.
        rows: these alone, counted from 0 below the header; the others are not looked at.

    Raises:
        DataError: the file is no table, a column is missing, a cell is no value of its column;
            names line and column. There is no such row, or it must be dropped.
    """
    return table_of_text(read_text_table(path, encoding=encoding, delimiter=delimiter), schema, rows=rows)


def table_of_text(text: TextTable, schema: TableSchema, *, rows: Sequence[int] | None = None) -> Table:
    """The rows of a file whose cells are at hand; see ``read_table``."""
    text = as_declared(text, schema)
    total = len(text.rows)
    for i in () if rows is None else rows:
        if not 0 <= i < total:
            raise DataError(
                f"table: {text.name!r} has no row {i}; it has {total} rows, counted from 0 (0 to {total - 1})."
            )
    chosen = range(total) if rows is None else list(rows)

    def where(line: int) -> str:
        return f"table: {text.name!r}, line {line}"

    lines, dropping = [text.lines[i] for i in chosen], _dropping(schema)
    for i in () if rows is None else chosen:
        cells = dict(zip(reversed(text.header), reversed(text.rows[i]), strict=True))  # of twice the first
        names = [
            c.name for c in dropping if c.name in cells and is_missing(cells[c.name], schema.missing_values)
        ]
        if names:
            raise DataError(
                f"{where(text.lines[i])} (row {i}): a cell is missing in {listed(names)}, and the schema drops such rows. Fill it "
                f"in, or set `missing` of {'this column' if len(names) == 1 else 'these columns'} to 'fill' or, where the model takes missing numbers, 'keep'; of levels to 'level'."
            )
    parts = _assembled(schema, text.header, [text.rows[i] for i in chosen], lines, where)
    place = dict(zip(lines, chosen, strict=True))
    kept = parts[2]
    x, target, _, notes = parts
    return Table(schema, x, target, kept, (*text.notes, *notes), tuple(place[line] for line in kept))


def as_declared(text: TextTable, schema: TableSchema) -> TextTable:
    """The cells of a file, with marks between thousands and decimal commas taken out of texts that the schema declares as numbers.

    Args:
        text: the cells.
        schema: what the columns mean.
    """
    return plain_numbers(
        text, names=[c.name for c in schema.columns if not c.has_levels and c.name in text.types]
    )


Where = Callable[[int], str]


def _row(i: int) -> str:
    return f"table: row {i}"


def _assembled(
    schema: TableSchema, header: Sequence[str], rows: Sequence[Sequence[Cell]], lines: list[int], where: Where
) -> tuple[Tensor, Tensor | None, tuple[int, ...], tuple[str, ...]]:
    """The parts of a table after its schema, in the order of its fields."""
    if not rows:
        raise DataError("table: there is no row.")
    places = {name: i for i, name in reversed(list(enumerate(header)))}  # of names that come twice the first
    for name in schema.names:
        if name not in places:
            raise DataError(
                f"{where(lines[0])}: the column {name!r} is missing. It has {listed(header, most=30)}. "
                "Add it, or take it out of the schema and of the model."
            )
    gaps = {
        column.name: [
            i for i, row in enumerate(rows) if is_missing(row[places[column.name]], schema.missing_values)
        ]
        for column in _dropping(schema)
    }
    drop = {i for absent in gaps.values() for i in absent}
    emptied = listed([f"{name} {len(absent)}" for name, absent in gaps.items() if absent])
    kept = [i for i in range(len(rows)) if i not in drop]
    if not kept:
        raise DataError(
            f"{where(lines[0])}: every row has a missing cell ({emptied}), and the schema drops such rows. Fill them in, "
            "or set `missing` of a column to 'fill' or, where the model takes missing numbers, 'keep'; of levels to 'level'."
        )
    x = np.empty((len(kept), schema.d))
    for j, column in enumerate(schema.columns):
        at = places[column.name]
        x[:, j] = _codes(column, [rows[i][at] for i in kept], [lines[i] for i in kept], schema, where)
    schema.check_links(x, where=lambda i: where(lines[kept[i]]))
    target = None
    if schema.target is not None and schema.target.name in places:
        at = places[schema.target.name]
        goal = _codes(schema.target, [rows[i][at] for i in kept], [lines[i] for i in kept], schema, where)
        target = torch.tensor(goal, dtype=torch.int64)
    known = {*schema.names, *schema.ignore, *([schema.target.name] if schema.target else [])}
    strange = [name for name in header if name not in known]
    notes = []
    if strange:
        notes.append(f"columns that the schema does not know were left out: {listed(strange, most=30)}.")
    if drop:
        notes.append(
            f"{len(drop)} of {len(rows)} rows were dropped for a missing cell ({emptied}; first: {_lines(lines, drop)})."
        )
    return torch.from_numpy(x), target, tuple(lines[i] for i in kept), tuple(notes)


def _dropping(schema: TableSchema) -> list[Column]:
    """The columns of which a missing cell drops its row."""
    return [column for column in schema.columns if column.missing is Missing.DROP]


def _lines(lines: Sequence[int], chosen: set[int]) -> str:
    """The first of some rows by their lines in the file; ``--row`` counts from 0 below the header."""
    shown = [str(lines[i]) for i in sorted(chosen)[:5]]
    return f"line{'' if len(shown) == 1 else 's'} {', '.join(shown)} of the file"


def _codes(
    column: Column, cells: Sequence[Cell], lines: Sequence[int], schema: TableSchema, where: Where
) -> list[float]:
    known: dict[Cell, float] = {}
    out = []
    for cell, line in zip(cells, lines, strict=True):
        code = known.get(cell)
        if code is None:
            try:
                gone = is_missing(cell, schema.missing_values) and cell not in column.levels
                code = column.code(stand_in(column) if gone else cell)
            except DataError as error:
                raise DataError(f"{where(line)}, {error}") from error
            known[cell] = code
        out.append(code)
    return out


def _bare(value: Any) -> Cell:  # Any: whatever a data frame holds
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, np.generic):
        return _bare(value.item())
    text = "" if value is None else str(value)
    return "" if text in ("<NA>", "NaT") else text


def check_labels(schema: TableSchema, labels: Sequence[str], *, beside: str = "") -> None:
    """Refuses a model whose classes are not those of the table, in the same order.

    Args:
        schema: of the table.
        labels: the model's, in the order of its outputs.
        beside: the file that names them; empty where there is none.

    Raises:
        DataError: the words differ, or stand in another order.
    """
    if schema.target is None or schema.labels == tuple(labels):
        return
    same = set(schema.labels) == set(labels)
    raise DataError(
        f"table: the model's classes {listed(labels)} "
        + ("stand in another order than" if same else "are not")
        + f" those of column {schema.target.name!r}, {listed(schema.labels)}. "
        + _way_out(schema.labels, labels, beside=beside)
    )


def _way_out(known: Sequence[str], labels: Sequence[str], *, beside: str) -> str:
    """What to write where a model and a table name their classes differently."""
    if set(known) == set(labels):
        return f"Write a schema (`cfsearch schema table`) whose [target] has them in the model's order: {_line(labels)}"
    where = f"in {beside}" if beside else "as the model's labels"
    alike = _alike(known, labels)
    if alike:
        return f"They look like the same in other words: write this line {where}: {_line(alike)}"
    if len(known) != len(labels):
        return f"Is {len(known)} classes of {len(labels)} right? Name another column (--label), or leave the label out."
    if list(labels) == [str(i) for i in range(len(known))]:
        return (
            f"The model's are numbers alone: if 0 is {known[0]!r} and so on, write this line {where}, else the words in "
            f"the order of the model's outputs: {_line(known)}"
        )
    return (
        f"Name another column (--label), leave the label out, or write its words {where}, in the order of the model's "
        f"outputs: {_line(known)}"
    )


def _alike(known: Sequence[str], labels: Sequence[str]) -> list[str]:
    """The table's words in the order of the model's, where they differ in case, spaces or the spelling of a number alone."""
    forms = [{_form(word): word for word in known}, {_form(word): word for word in labels}]
    if any(len(found) != len(words) for found, words in zip(forms, (known, labels), strict=True)):
        return []
    found = [forms[0].get(_form(word)) for word in labels]
    return [word for word in found if word is not None] if None not in found else []


def _form(word: str) -> str:
    bare = word.strip().casefold()
    truth = truth_of(bare)
    if truth is not None:
        return str(int(truth))
    return f"{float(bare):g}" if is_number(bare) else bare


def _line(words: Sequence[str]) -> str:
    return f"labels = [{', '.join(json.dumps(word, ensure_ascii=False) for word in words)}]"
