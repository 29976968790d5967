"""The rows of a file that can be read, and of each other row why it cannot."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import final

from cfsearch.errors import DataError

from ._columns import Cell, Column, Missing
from ._schema import TableSchema, is_missing, stand_in
from ._table import Table, table_of_text
from ._text_table import TextTable


@final
@dataclass(frozen=True, slots=True, eq=False)
class ReadableRows:
    """A table without the rows that cannot be read.

    Args:
        table: the others; without classes.
        unread: by place in the file, from 0, why a row cannot be read: with its line and column.
    """

    table: Table
    unread: dict[int, str]


def readable_rows(text: TextTable, schema: TableSchema) -> ReadableRows:
    """The rows of a file that can be read, where a single one must not refuse the whole file.

    What a class column holds is not looked at.

    Args:
        text: the file's cells.
        schema: what the columns mean.

    Raises:
        DataError: a column is missing, or no row can be read; says why of the first.

    Example:
        >>> from cfsearch.datasets.tables import ColumnKind
        >>> schema = TableSchema(columns=(Column(name="age", kind=ColumnKind.INTEGER, high=99.0),))
        >>> found = readable_rows(TextTable("t.csv", ("age",), [["31"], ["old"]], [2, 3]), schema)
        >>> len(found.table), found.unread[1][:32]
        (1, "table: 't.csv', line 3, column '")
    """
    bare = replace(schema, target=None) if schema.target is not None else schema
    known = frozenset(text.header)
    unread: dict[int, str] = {}
    for column in bare.columns:
        if column.name in known:
            _look(column, text.column(column.name), text, bare, unread)
    _look_at_links(text, bare, unread)
    places = [i for i in range(len(text.rows)) if i not in unread]
    if not places:
        raise DataError(unread[0])
    return ReadableRows(table_of_text(text, bare, rows=places), unread)


def _look(
    column: Column, cells: Sequence[Cell], text: TextTable, schema: TableSchema, unread: dict[int, str]
) -> None:
    """Notes the rows whose cell is no value of the column; each different cell is looked at once."""
    wrong: dict[Cell, str] = {}
    for cell in dict.fromkeys(cells):
        try:
            _code(column, cell, schema)
        except DataError as error:
            wrong[cell] = str(error)
            if is_missing(cell, schema.missing_values) and column.missing is Missing.DROP:
                wrong[cell] = (
                    f"column {column.name!r}: the cell is missing, and the schema drops such rows. Fill it in, or set "
                    "`missing` in the schema to 'fill' or, where the model takes missing numbers, 'keep'; of levels to 'level'."
                )
    if not wrong:
        return
    for i, cell in enumerate(cells):
        if cell in wrong and i not in unread:
            unread[i] = f"table: {text.name!r}, line {text.lines[i]}, {wrong[cell]}"


def _look_at_links(text: TextTable, schema: TableSchema, unread: dict[int, str]) -> None:
    """Notes the rows whose linked columns hold a combination that does not occur."""
    known = frozenset(text.header)
    for link in (link for link in schema.links if known.issuperset(link.columns)):
        columns = [schema.column(name) for name in link.columns]
        cells = list(zip(*(text.column(name) for name in link.columns), strict=True))
        for i, row in enumerate(cells):
            if i in unread:
                continue
            codes = [_code(column, cell, schema) for column, cell in zip(columns, row, strict=True)]
            if not link.occurs(codes):
                unread[i] = f"table: {text.name!r}, line {text.lines[i]}: {schema.apart(link, codes)}"


def _code(column: Column, cell: Cell, schema: TableSchema) -> float:
    gone = is_missing(cell, schema.missing_values) and cell not in column.levels
    return column.code(stand_in(column) if gone else cell)
