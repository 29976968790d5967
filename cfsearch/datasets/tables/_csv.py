"""A CSV file as rows of text, or one sentence that says which line is wrong."""

import csv
import gzip
import io
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final, final

from cfsearch.errors import ConfigError, DataError

MAX_BYTES: Final = 2**30
"""Tables of more bytes (unpacked) are refused."""

_DELIMITERS: Final = {";": "semicolons", "\t": "tabs", "|": "bars"}


@final
@dataclass(frozen=True, slots=True)
class TextTable:
    """The cells of a file as text, without spaces at their ends.

    ``lines`` says for each row on which line of the file it ends.
    """

    name: str
    header: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]

    def column(self, name: str) -> list[str]:
        """The cells of one column."""
        at = self.header.index(name)
        return [row[at] for row in self.rows]


def read_text_table(path: str | Path, *, encoding: str = "utf-8", delimiter: str = ",") -> TextTable:
    """The cells of a CSV file with a header; ``.gz`` is unpacked.

    Empty lines are skipped. Quoted cells may hold line breaks.

    Raises:
        DataError: there is no such file, or it is no such table; names the line.
        ConfigError: the encoding or delimiter makes no sense.
    """
    path = Path(path)
    if len(delimiter) != 1 or delimiter in '"\r\n':
        raise ConfigError(f"table: `delimiter` must be one character, got {delimiter!r}.")
    text = _text(path, encoding)
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header, path, delimiter)
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise _wrong(path, reader.line_num, f"must have {len(header)} cells, got {len(row)}")
            rows.append([cell.strip() for cell in row])
            lines.append(reader.line_num)
    except csv.Error as error:
        raise _wrong(path, max(1, reader.line_num), f"is no row of a table ({error})") from error
    if not rows:
        raise _wrong(path, 2, "must be the first row, but there is only the header")
    return TextTable(path.name, tuple(header), rows, lines)


def _text(path: Path, encoding: str) -> str:
    raw = _bytes(path)
    if raw[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(f"table: {path.name!r} is UTF-16, expected UTF-8. Save it as UTF-8.")
    if b"\0" in raw:
        line = raw[: raw.index(b"\0")].count(b"\n") + 1
        raise _wrong(path, line, "holds a NUL byte, so this is no text file")
    try:
        return raw.decode("utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding)
    except LookupError as error:
        raise ConfigError(f"table: `encoding` {encoding!r} is unknown; use utf-8 or latin-1.") from error
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
        raise DataError(
            f"table: {path.name!r}, line {line} is not {encoding} text. Save the file as UTF-8, or say "
            "which encoding it has (latin-1, perhaps)."
        ) from error


def _bytes(path: Path) -> bytes:
    try:
        if not path.is_file():
            raise DataError(
                f"table: {str(path)!r} must be a CSV file, but there is no such file. Check the path."
            )
        if path.suffix == ".gz":
            with gzip.open(path) as packed:
                raw = packed.read(MAX_BYTES + 1)
        else:
            with path.open("rb") as file:
                raw = file.read(MAX_BYTES + 1)
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise DataError(f"table: {path.name!r} is a broken gzip file ({error}). Copy it again.") from error
    except OSError as error:
        raise DataError(
            f"table: {str(path)!r} cannot be read: {error.strerror}. Check its rights."
        ) from error
    if len(raw) > MAX_BYTES:
        raise DataError(f"table: {path.name!r} has more than {MAX_BYTES // 2**20} MiB. Take a part of it.")
    return raw


def _check_header(header: list[str], path: Path, delimiter: str) -> None:
    if not any(header):
        raise _wrong(path, 1, "must be a header, but there is nothing")
    if len(header) == 1:
        for other, what in _DELIMITERS.items():
            if other in header[0] and other != delimiter:
                raise _wrong(
                    path, 1, f"has {what} between names, expected {delimiter!r}; give delimiter = {other!r}"
                )
    for i, name in enumerate(header):
        if not name:
            raise _wrong(path, 1, f"has no name for column {i + 1}")
        if name in header[:i]:
            raise _wrong(path, 1, f"names column {name[:60]!r} twice")


def _wrong(path: Path, line: int, what: str) -> DataError:
    return DataError(f"table: {path.name!r}, line {line} {what}. Correct the file.")
