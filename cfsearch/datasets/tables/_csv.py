"""A CSV file as rows of text, or one sentence that says which line is wrong."""

import csv
import io
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Final

from cfsearch.errors import ConfigError, DataError

from ._file import text_of
from ._number_forms import plain_numbers, some_of
from ._odd_rows import bare_name, has_sums, is_second_header, is_unseen
from ._text_table import TextTable

_DELIMITERS: Final = (",", ";", "\t", "|")
_NAMES: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_TABS: Final = ("\\t", "tab", "TAB")
"""How a tabulator is written where a shell does not know one."""


def read_text_table(
    path: str | Path, *, encoding: str | None = None, delimiter: str | None = None
) -> TextTable:
    """The cells of a CSV file with a header; ``.gz``, ``.zip`` and ``.parquet`` are unpacked.

    Empty lines are skipped, and comments (``#``) above the header. Quoted cells may hold line breaks. Columns of
    numbers with decimal commas or marks between thousands are brought to plain numbers, which ``notes``
    says. A column without a name is "Unnamed: 0" as in pandas; one at the end without any cell is left out.

    Args:
        path: the file.
        encoding: None to find out.
        delimiter: between cells; None for that of comma, semicolon, tab and bar that makes columns.

    Raises:
        DataError: there is no such file, or it is no such table; names the line.
        ConfigError: the encoding or delimiter makes no sense.
    """
    path = Path(path)
    delimiter = "\t" if delimiter in _TABS else delimiter
    if delimiter is not None and (len(delimiter) != 1 or delimiter in '"\r\n'):
        raise ConfigError(
            f"table: `delimiter` must be one character ('tab' for a tabulator), got {delimiter!r}."
        )
    file = text_of(path, encoding)
    notes = file.notes
    body, skipped = _without_preface(file.text)
    if delimiter is None:
        delimiter = _delimiter(body)
        if delimiter != ",":
            notes += (f"{path.name}: {_NAMES[delimiter]} stand between the cells.",)
    header, rows, lines = _cells(body, path, delimiter, skipped)
    header, rows, changed = _trimmed(header, rows)
    unseen = [bare_name(name) for name in header if is_unseen(name)]
    if unseen:
        notes += (f"{path.name}: letters that nobody sees were taken out of the names {some_of(unseen)}.",)
    header = [bare_name(name) for name in header]
    table = TextTable(
        path.name,
        tuple(header),
        rows,
        lines,
        notes,
        file.encoding,
        delimiter,
        not (changed or skipped or path.suffix.lower() in (".zip", ".parquet")),
        {bare_name(name): kind for name, kind in file.types.items()},
    )
    return _without_odd_rows(plain_numbers(table))


def text_and_delimiter(path: Path) -> tuple[str, str, int]:
    r"""The text of a table's file from its header on, what stands between its cells, and how many lines stand above.

    Args:
        path: the file; packed, in another encoding, or parquet, as ``read_text_table`` reads it.

    Raises:
        DataError: there is no such file, or it is no text.
        MissingExtraError: a parquet file without pyarrow (extra ``export``).

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as place:
        ...     file = Path(place) / "a.csv"
        ...     _ = file.write_bytes("sep=;\nage;job\n31;café\n".encode("cp1252"))
        ...     text_and_delimiter(file)
        ('age;job\n31;café\n', ';', 1)
    """
    body, skipped = _without_preface(text_of(path, None).text)
    return body, _delimiter(body), skipped


def _without_odd_rows(table: TextTable) -> TextTable:
    """The table without units below its header and sums at its end, which ``notes`` says."""
    notes = []
    first, end = 0, len(table.rows)
    if is_second_header(table.rows):
        first = 1
        shown = some_of([cell for cell in table.rows[0] if cell])
        notes.append(
            f"{table.name}: line {table.lines[0]} ({shown}) has words where all others have numbers; left out, as a second header."
        )
    if has_sums(table.rows):
        end -= 1
        notes.append(f"{table.name}: line {table.lines[-1]} holds the sums of the others; left out.")
    if not notes:
        return table
    return replace(
        table,
        rows=table.rows[first:end],
        lines=table.lines[first:end],
        notes=(*table.notes, *notes),
        as_written=False,
    )


def _without_preface(text: str) -> tuple[str, int]:
    """The text from its header on, and how many lines stand above it: comments, and Excel's ``sep=;``."""
    skipped, at = 0, 0
    while True:
        end = text.find("\n", at)
        line = text[at : end if end >= 0 else len(text)].strip()
        if end < 0 or not (line.startswith("#") or line.lower().startswith("sep=")):
            return text[at:], skipped
        at, skipped = end + 1, skipped + 1


def _delimiter(text: str) -> str:
    """The delimiter that splits the first lines into as many cells each, two or more; else the comma."""
    sample = "\n".join(text.splitlines()[:20])
    for delimiter in sorted(_DELIMITERS, key=lambda one: -sample.partition("\n")[0].count(one)):
        try:
            rows = [row for row in csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter) if row]
        except csv.Error:
            continue
        if rows and len(rows[0]) > 1 and sum(len(row) == len(rows[0]) for row in rows) * 2 > len(rows):
            return delimiter
    return ","


def _cells(
    text: str, path: Path, delimiter: str, skipped: int
) -> tuple[list[str], list[list[str]], list[int]]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header, path, delimiter, skipped + 1)
        for row in reader:
            if not any(row) and len(row) != len(header):
                continue
            if len(row) == len(header) + 1 and not row[-1].strip():
                row.pop()
            if len(row) != len(header):
                what = f"must have {len(header)} cells, got {len(row)}{_ragged_hint(row, header, delimiter)}"
                raise _wrong(path, reader.line_num + skipped, what)
            rows.append([cell.strip() for cell in row])
            lines.append(reader.line_num + skipped)
    except csv.Error as error:
        line = max(1, reader.line_num) + skipped
        raise _wrong(path, line, f"is no row of a table ({error})") from error
    if not rows:
        raise _wrong(path, skipped + 2, "must be the first row, but there is only the header")
    return header, rows, lines


def _ragged_hint(row: Sequence[str], header: Sequence[str], delimiter: str) -> str:
    if delimiter == "," and len(row) > len(header) and any(cell.strip().isdigit() for cell in row):
        return ' (a comma within a number or a text stands in quotes: "1,5")'
    return ""


def _check_header(header: list[str], path: Path, delimiter: str, line: int) -> None:
    if not any(header):
        raise _wrong(path, line, "must be a header, but there is nothing")
    if len(header) == 1:
        for other, what in _NAMES.items():
            if other in header[0] and other != delimiter:
                raise _wrong(
                    path,
                    line,
                    f"has {what} between names, expected {delimiter!r}; give delimiter = {other!r}",
                )
    seen: set[str] = set()
    for name in map(bare_name, header):
        if name and name in seen:
            raise _wrong(
                path,
                line,
                f"names column {name[:60]!r} twice (if the line below holds the names, take this one out)",
            )
        seen.add(name)


def _trimmed(header: list[str], rows: list[list[str]]) -> tuple[list[str], list[list[str]], bool]:
    """Without a last column that has neither name nor cells; other columns without a name get one."""
    last = len(header) - 1
    empty = not header[last] and all(not row[last] for row in rows)
    if empty:
        header, rows = header[:last], [row[:last] for row in rows]
    named = [name or f"Unnamed: {i}" for i, name in enumerate(header)]
    return named, rows, empty


def _wrong(path: Path, line: int, what: str) -> DataError:
    return DataError(f"table: {path.name!r}, line {line} {what}. Correct the file.")
