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
from ._preface import delimiter_of, without_preface
from ._text_table import TextTable

_NAMES: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_TABS: Final = ("\\t", "tab", "TAB")
"""How a tabulator is written where a shell does not know one."""


def read_text_table(
    path: str | Path, *, encoding: str | None = None, delimiter: str | None = None
) -> TextTable:
    """The cells of a CSV file with a header; ``.gz``, ``.zip`` and ``.parquet`` are unpacked.

    Empty lines are skipped, comments (``#``) above the header too, and names of rows (R). Quoted cells may hold line breaks. Columns of
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
    body, skipped = without_preface(file.text, delimiter=delimiter)
    if skipped:
        above = "1 line" if skipped == 1 else f"{skipped} lines"
        notes += (f"{path.name}: {above} above the header (empty, comments or sep=) passed over.",)
    if delimiter is None:
        delimiter = delimiter_of(body)
        if delimiter != ",":
            notes += (f"{path.name}: {_NAMES[delimiter]} stand between the cells.",)
    header, rows, lines = _cells(body, path, delimiter, skipped)
    named = bool(rows) and len(rows[0]) > len(header)
    if named:
        rows = [row[1:] for row in rows]
        notes += (
            f"{path.name}: each row has one cell more than the header names; the first ones, names of rows, were left out.",
        )
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
        not (changed or named or skipped or path.suffix.lower() in (".zip", ".parquet")),
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
    body, skipped = without_preface(text_of(path, None).text, delimiter=None)
    return body, delimiter_of(body), skipped


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


def _cells(
    text: str, path: Path, delimiter: str, skipped: int
) -> tuple[list[str], list[list[str]], list[int]]:
    """The header, the rows, and the line on which each ends; rows with names have one cell more than the header."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True, delimiter=delimiter)
    rows: list[list[str]] = []
    lines: list[int] = []
    try:
        header = [name.strip() for name in next(reader, [])]
        _check_header(header, path, delimiter, skipped + 1)
        for cells in reader:
            row = [cell.strip() for cell in cells]
            if not any(row):
                # as pandas has it: a line of spaces is none, one of delimiters a row of missing cells
                if len(row) < 2 and (len(header) > 1 or cells != [""]):
                    continue
                row += [""] * (len(header) - len(row))
            rows.append(row)
            lines.append(reader.line_num + skipped)
    except csv.Error as error:
        line = max(1, reader.line_num) + skipped
        raise _wrong(path, line, f"is no row of a table ({error})") from error
    if not rows:
        raise _wrong(path, skipped + 2, "must be the first row, but there is only the header")
    if _have_names(rows, header, text, delimiter):
        return header, rows, lines
    for row, line in zip(rows, lines, strict=True):
        if len(row) == len(header) + 1 and not row[-1]:
            row.pop()
        if len(row) != len(header):
            what = f"must have {len(header)} cells, got {len(row)}{_ragged_hint(row, header, delimiter)}"
            raise _wrong(path, line, what)
    return header, rows, lines


def _have_names(rows: Sequence[Sequence[str]], header: Sequence[str], text: str, delimiter: str) -> bool:
    """Whether names of rows, all different, stand before the cells, as R writes them.

    Between commas only in quotes: a decimal comma would make one cell more of each row too.
    """
    if len(header) < 2 or any(len(row) != len(header) + 1 for row in rows):
        return False
    if not any(row[-1] for row in rows) or len({row[0] for row in rows}) < len(rows):
        return False
    return delimiter != "," or all(line.startswith('"') for line in text.splitlines() if line.strip())


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
