"""Texts from a file: a line each, or a column of a CSV table."""

import csv
import io
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from cfsearch.errors import ConfigError, DataError
from cfsearch.files import read_text, reason

_MAX_BYTES: Final = 256 * 2**20


@final
@dataclass(frozen=True, slots=True)
class TextLine:
    """A text under its name, ``text 17`` for the text of index 17.

    Args:
        name: counted from 0 over the texts that are not empty.
        text: without spaces around it.
    """

    name: str
    text: str


def read_texts(path: str | Path, *, column: str | None = None) -> tuple[TextLine, ...]:
    """The texts of a UTF-8 file; empty ones are passed over.

    Args:
        path: ``.csv`` with a header, or any other file with one text a line.
        column: of a CSV file; without it the column ``text``, or the only one.

    Raises:
        DataError: no such file, not UTF-8, or no text in it.
        ConfigError: an unknown column, or several and none named.
    """
    path = Path(path)
    try:
        content = read_text(path, most=_MAX_BYTES)
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"texts: expected a UTF-8 file at {str(path)!r}, but it cannot be read: {reason(error)}. Give a "
            "text file of one text a line, or a .csv."
        ) from error
    cells = _column(content, path, column) if path.suffix.lower() == ".csv" else content.split("\n")
    if column is not None and path.suffix.lower() != ".csv":
        raise ConfigError(
            f"texts: `column` {column!r} goes with a .csv file, got {path.name!r}. Leave it out."
        )
    found = [cell.strip() for cell in cells if cell.strip()]
    if not found:
        raise DataError(f"texts: expected one text or more in {str(path)!r}, got none. Give another file.")
    return tuple(TextLine(f"text {i}", text) for i, text in enumerate(found))


def _column(content: str, path: Path, column: str | None) -> list[str]:
    rows = list(csv.reader(io.StringIO(content, newline="")))
    header = [name.strip() for name in rows[0]] if rows else []
    name = column or ("text" if "text" in header else header[0] if len(header) == 1 else None)
    if name is None or name not in header:
        what = "which column holds the texts" if name is None else f"the column {name!r}"
        raise ConfigError(
            f"texts: expected {what} in {path.name!r}, got {' '.join(', '.join(header).split()) or 'no header'}. Name one of "
            "these with --column."
        )
    at = header.index(name)
    return [row[at] for row in rows[1:] if len(row) > at]
