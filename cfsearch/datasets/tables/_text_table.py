"""The cells of a table's file as text."""

import csv
import io
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import final

from ._types import ColumnType


@final
@dataclass(frozen=True, slots=True)
class TextTable:
    """The cells of a file as text, without spaces at their ends.

    Args:
        name: of the file.
        header: names of the columns.
        rows: their cells.
        lines: for each row on which line of the file it ends.
        notes: what a reader must know of how the file was read.
        encoding: of the file's text.
        delimiter: between its cells.
        as_written: whether every cell stands as in the file, and pandas would read the same ones there.
        types: by column, the type that its text does not show, of those that came from a data frame.
    """

    name: str
    header: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]
    notes: tuple[str, ...] = ()
    encoding: str = "utf-8"
    delimiter: str = ","
    as_written: bool = True
    types: Mapping[str, ColumnType] = field(default_factory=dict)
    _places: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        places = {name: at for at, name in reversed(list(enumerate(self.header)))}
        object.__setattr__(self, "_places", places)

    def column(self, name: str) -> list[str]:
        """The cells of one column; of names that come twice the first."""
        at = self._places[name]
        return [row[at] for row in self.rows]


def as_csv(table: TextTable) -> Iterator[str]:
    """The lines of a plain CSV file of the same cells."""
    for row in (table.header, *table.rows):
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\n").writerow(row)
        yield out.getvalue()
