"""Texts from a file: a line each, or a column of a CSV table."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from cfsearch.datasets.tables import read_text_table
from cfsearch.errors import ConfigError, DataError
from cfsearch.files import read_text, reason

_MAX_BYTES: Final = 256 * 2**20
_TABLES: Final = frozenset({".csv", ".tsv", ".parquet"})
"""Endings of tables, also before that of what packs them."""


@final
@dataclass(frozen=True, slots=True)
class TextLine:
    """A text under its name, ``text 17`` for the text of index 17.

    Args:
        name: counted from 0: the row of a table, or over the lines that are not empty.
        text: without spaces around it.
    """

    name: str
    text: str


@final
@dataclass(frozen=True, slots=True)
class FileTexts:
    """The texts of a file.

    Args:
        lines: those that are not empty.
        note: how many rows of a table hold none; empty where each has one.
    """

    lines: tuple[TextLine, ...]
    note: str = ""


def read_texts(path: str | Path, *, column: str | None = None) -> tuple[TextLine, ...]:
    """The texts of a file, without the note on empty ones; see ``texts_of_file``.

    Args:
        path: as for ``texts_of_file``.
        column: likewise.

    Raises:
        DataError, ConfigError: likewise.
    """
    return texts_of_file(path, column=column).lines


def texts_of_file(path: str | Path, *, column: str | None = None) -> FileTexts:
    """The texts of a file; empty ones are passed over. Tables are read as those of rows are, packed ones too.

    A text of a table bears the number of its row, from 0 below the header.

    Args:
        path: ``.csv``, ``.tsv`` or ``.parquet`` with a header, or any other file with one text a line, in UTF-8.
        column: of a table; without it the column ``text``, or the only one.

    Raises:
        DataError: no such file, no UTF-8 text, no table, or no text in it.
        ConfigError: an unknown column, or several and none named.
    """
    path = Path(path)
    if _TABLES.intersection(suffix.lower() for suffix in path.suffixes):
        cells, places = _column(path, column)
    else:
        cells, places = [line for line in _lines(path, column) if line.strip()], []
    found = tuple(TextLine(f"text {i}", cell.strip()) for i, cell in enumerate(cells) if cell.strip())
    if not found:
        raise DataError(f"texts: expected one text or more in {str(path)!r}, got none. Give another file.")
    empty = [place for place, cell in zip(places, cells, strict=False) if not cell.strip()]
    if not empty:
        return FileTexts(found)
    what = "1 row holds no text" if len(empty) == 1 else f"{len(empty)} rows hold no text"
    return FileTexts(
        found,
        f"{path.name}: {what} (the first on line {empty[0]}); passed over, and the others bear the numbers of their rows.",
    )


def _lines(path: Path, column: str | None) -> list[str]:
    try:
        content = read_text(path, most=_MAX_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"texts: expected a UTF-8 file at {str(path)!r}, but it cannot be read: {reason(error)}. Give a "
            "text file of one text a line, or a .csv."
        ) from error
    if column is not None:
        raise ConfigError(
            f"texts: `column` {column!r} goes with a .csv file, got {path.name!r}. Leave it out."
        )
    return content.split("\n")


def _column(path: Path, column: str | None) -> tuple[list[str], list[int]]:
    """The cells of a column, and the line on which each ends."""
    table = read_text_table(path)
    header = list(table.header)
    name = column or ("text" if "text" in header else header[0] if len(header) == 1 else None)
    if name is None or name not in header:
        what = "which column holds the texts" if name is None else f"the column {name!r}"
        raise ConfigError(
            f"texts: expected {what} in {path.name!r}, got {' '.join(', '.join(header).split()) or 'no header'}. Name one of "
            "these with --column."
        )
    return table.column(name), table.lines
