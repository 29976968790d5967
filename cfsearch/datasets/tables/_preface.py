"""Where the header of a table's text stands, and what stands between its cells."""

import csv
import io
from typing import Final

from ._numbers import is_number

DELIMITERS: Final = (",", ";", "\t", "|")
_SAMPLED: Final = 20
"""Lines that say what stands between the cells."""
_FEW: Final = 2**14
"""Letters in which a header and the lines below it stand."""
_MOST_LINES: Final = 2**8
_BLANK: Final = frozenset(" \r\n")


def without_preface(text: str, *, delimiter: str | None) -> tuple[str, int]:
    """The text from its header on, and how many lines stand above it: empty ones, comments, and Excel's ``sep=;``.

    A line that begins with "#" is the header where it has two cells or more, as many as the next line, and
    that is no header itself.

    Args:
        text: of the file.
        delimiter: between its cells; None to find out.
    """
    skipped, at = 0, 0
    while True:
        end = text.find("\n", at)
        if end < 0:
            return text[at:], skipped
        line = text[at:end].strip(" \r")
        if not _is_above(line) or (line.startswith("#") and _is_header(text, at, delimiter)):
            return text[at:], skipped
        at, skipped = end + 1, skipped + 1


def _is_above(line: str) -> bool:
    return not line or line.startswith("#") or line.lower().startswith("sep=")


def _is_header(text: str, at: int, delimiter: str | None) -> bool:
    """Whether the line at a place of a text, one that begins with "#", names the columns of those below."""
    after = text.find("\n", at) + 1
    while after and text[after : after + 1] in _BLANK:
        after += 1
    if _is_above(text[after : after + len("sep=")]):
        return False
    sample = text[at : at + _FEW].split("\n", maxsplit=_MOST_LINES)[:_MOST_LINES]
    lines = [bare for line in sample if (bare := line.strip(" \r"))][:_SAMPLED]
    if len(lines) < 2 or _is_above(lines[1]):
        return False
    mark = delimiter_of("\n".join(lines[1:])) if delimiter is None else delimiter
    try:
        cells = [next(csv.reader([line], delimiter=mark)) for line in lines[:3]]
    except csv.Error:
        return False
    if len(cells[0]) < 2 or len(cells[0]) != len(cells[1]):
        return False
    numbers = [any(is_number(cell.strip()) for cell in row) for row in cells[1:]]
    if any(numbers):
        return numbers[0]  # names below, and numbers below these: the line is a comment
    return " " not in cells[0][0].strip()  # among texts a name has none, a sentence has


def delimiter_of(text: str) -> str:
    """The delimiter that splits the first lines into as many cells each, two or more; else the comma.

    Where none does, one that makes one cell more of those below the first, as names of rows do.

    Args:
        text: from its header on.
    """
    sample = "\n".join(text.splitlines()[:_SAMPLED])
    order = sorted(DELIMITERS, key=lambda one: -sample.partition("\n")[0].count(one))
    found = next((one for one in order if _splits(sample, one, more=0)), None)
    return found or next((one for one in order if _splits(sample, one, more=1)), ",")


def _splits(sample: str, delimiter: str, *, more: int) -> bool:
    """Whether a delimiter makes two cells or more of a header, and so many more of most lines below it."""
    try:
        reader = csv.reader(io.StringIO(sample, newline=""), delimiter=delimiter)
        widths = [len(row) for row in reader if row]
    except csv.Error:
        return False
    if not widths or widths[0] < 2:
        return False
    alike = sum(width == widths[0] + more for width in widths[bool(more) :])
    return alike * 2 > len(widths) - bool(more)
