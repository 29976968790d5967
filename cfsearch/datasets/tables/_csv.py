"""A CSV file as rows of text, or one sentence that says which line is wrong."""

import csv
import io
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, final

from cfsearch.errors import ConfigError, DataError

from ._file import text_of
from ._numbers import is_number
from ._odd_rows import bare_name, has_sums, is_second_header, is_unseen

_DELIMITERS: Final = (",", ";", "\t", "|")
_NAMES: Final = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "bars"}
_TABS: Final = ("\\t", "tab", "TAB")
"""How a tabulator is written where a shell does not know one."""
_DECIMAL_COMMA: Final = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:\.\d{3})+),\d+", re.ASCII)
_WITH_COMMA: Final = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:\.\d{3})+)(?:,\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_THOUSANDS: Final = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?", re.ASCII)
_PLAIN: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_SPACED: Final = re.compile(r"[+-]?\d{1,3}(?:[ \u00a0\u202f']\d{3})+(?:[.,]\d+)?", re.ASCII)
_MOSTLY: Final = 0.5
"""Share of the cells of a column that must be such numbers before the others count as words."""


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
    """

    name: str
    header: tuple[str, ...]
    rows: list[list[str]]
    lines: list[int]
    notes: tuple[str, ...] = ()
    encoding: str = "utf-8"
    delimiter: str = ","
    as_written: bool = True
    _places: Mapping[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        places = {name: at for at, name in reversed(list(enumerate(self.header)))}
        object.__setattr__(self, "_places", places)

    def column(self, name: str) -> list[str]:
        """The cells of one column; of names that come twice the first."""
        at = self._places[name]
        return [row[at] for row in self.rows]


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
    text, encoding, notes = text_of(path, encoding)
    body, skipped = _without_preface(text)
    if delimiter is None:
        delimiter = _delimiter(body)
        if delimiter != ",":
            notes += (f"{path.name}: {_NAMES[delimiter]} stand between the cells.",)
    header, rows, lines = _cells(body, path, delimiter, skipped)
    header, rows, changed = _trimmed(header, rows)
    unseen = [bare_name(name) for name in header if is_unseen(name)]
    if unseen:
        notes += (f"{path.name}: letters that nobody sees were taken out of the names {_listed(unseen)}.",)
    header = [bare_name(name) for name in header]
    table = TextTable(
        path.name,
        tuple(header),
        rows,
        lines,
        notes,
        encoding,
        delimiter,
        not (changed or skipped or path.suffix.lower() in (".zip", ".parquet")),
    )
    return _without_odd_rows(_plain_numbers(table))


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
    text, _, _ = text_of(path, None)
    body, skipped = _without_preface(text)
    return body, _delimiter(body), skipped


def _without_odd_rows(table: TextTable) -> TextTable:
    """The table without units below its header and sums at its end, which ``notes`` says."""
    notes = []
    first, end = 0, len(table.rows)
    if is_second_header(table.rows):
        first = 1
        shown = _listed([cell for cell in table.rows[0] if cell])
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


def _plain_numbers(table: TextTable) -> TextTable:
    """Numbers with decimal commas or marks between thousands as plain ones, column by column."""
    commas: list[str] = []
    marks: list[str] = []
    columns = list(zip(*table.rows, strict=True))
    for j, cells in enumerate(columns):
        form = _form(cells, table.delimiter)
        if form is not None:
            (commas if form == "comma" else marks).append(table.header[j])
            columns[j] = tuple(_plain(cell, form) for cell in cells)
    if not (commas or marks):
        return table
    notes = []
    if commas:
        notes.append(f"{table.name}: numbers with decimal commas in {_listed(commas)}, read as points.")
    if marks:
        notes.append(f"{table.name}: marks between thousands in {_listed(marks)}, read without them.")
    return TextTable(
        table.name,
        table.header,
        [list(row) for row in zip(*columns, strict=True)],
        table.lines,
        (*table.notes, *notes),
        table.encoding,
        table.delimiter,
        as_written=False,
    )


def _form(cells: Sequence[str], delimiter: str) -> str | None:
    """How the numbers of a column are written: with a decimal "comma", "thousands", "spaces"; None for plainly.

    In a file of commas alone ``1,234`` is a thousand, in another one a decimal.
    """
    count = Counter(cells)
    odd = {cell: n for cell, n in count.items() if not _PLAIN.fullmatch(cell)}
    if not any("," in cell or _SPACED.fullmatch(cell) for cell in odd):
        return None
    plain = len(cells) - sum(odd.values())
    ways = {
        "thousands": sum(n for cell, n in odd.items() if _THOUSANDS.fullmatch(cell)),
        "comma": sum(n for cell, n in odd.items() if _DECIMAL_COMMA.fullmatch(cell)),
        "spaces": sum(n for cell, n in odd.items() if _SPACED.fullmatch(cell)),
    }
    order = ("thousands", "comma", "spaces") if delimiter == "," else ("comma", "thousands", "spaces")
    best = max(order, key=lambda way: (ways[way], -order.index(way)))
    points = sum(n for cell, n in count.items() if "." in cell and _PLAIN.fullmatch(cell))
    if best == "comma" and points:
        return None  # points and commas side by side: one of the two is wrong, which is reported later
    enough = ways[best] >= (2 if delimiter == "," else 1)
    return best if enough and ways[best] + plain > _MOSTLY * len(cells) else None


def _plain(cell: str, form: str) -> str:
    if form == "comma" and _WITH_COMMA.fullmatch(cell):
        return cell.replace(".", "").replace(",", ".")
    if form == "thousands" and _THOUSANDS.fullmatch(cell):
        return cell.replace(",", "")
    if form == "spaces" and _SPACED.fullmatch(cell):
        return re.sub(r"[ \u00a0\u202f']", "", cell).replace(",", ".")
    return cell


def written_numbers(texts: Iterable[str]) -> dict[float, str]:
    """Numbers, and how they are written: 7 as ``007``, 1000 as ``1,000``, 2 as ``2.0``.

    Of several ways to write a number the shortest holds.

    Args:
        texts: as they stand in a file; what is no number is left out.

    Example:
        >>> written_numbers(["007", "1,000", "2 500,5", "many", "7.50"])
        {7.0: '007', 1000.0: '1,000', 2500.5: '2 500,5', 7.5: '7.50'}
    """
    found: dict[float, str] = {}
    for text in texts:
        if (number := number_of(text)) is not None and len(text) < len(found.get(number, text + " ")):
            found[number] = text
    return found


def number_of(text: str) -> float | None:
    """The number that a text writes, with marks between thousands, a decimal comma or leading zeros; None of other texts."""
    plain = next((p for form in ("thousands", "comma", "spaces") if (p := _plain(text, form)) != text), text)
    return float(plain) if is_number(plain) else None


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")


def as_csv(table: TextTable) -> Iterator[str]:
    """The lines of a plain CSV file of the same cells."""
    for row in (table.header, *table.rows):
        out = io.StringIO(newline="")
        csv.writer(out, lineterminator="\n").writerow(row)
        yield out.getvalue()


def _wrong(path: Path, line: int, what: str) -> DataError:
    return DataError(f"table: {path.name!r}, line {line} {what}. Correct the file.")
