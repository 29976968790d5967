"""Numbers as people write them: decimal commas, and marks between thousands."""

import re
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import Final

from ._numbers import is_number
from ._text_table import TextTable

_DECIMAL_COMMA: Final = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:\.\d{3})+),\d+", re.ASCII)
_WITH_COMMA: Final = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:\.\d{3})+)(?:,\d+)?(?:[eE][+-]?\d+)?", re.ASCII)
_THOUSANDS: Final = re.compile(r"[+-]?\d{1,3}(?:,\d{3})+(?:\.\d+)?", re.ASCII)
_PLAIN: Final = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_SPACED: Final = re.compile(r"[+-]?\d{1,3}(?:[ \u00a0\u202f']\d{3})+(?:[.,]\d+)?", re.ASCII)
_BOTH: Final = re.compile(r"[+-]?(?:\d+|\d{1,3}(?:[ \u00a0\u202f']\d{3})+)(?:,\d+)?", re.ASCII)
"""With a decimal comma, and spaces between thousands."""
_MOSTLY: Final = 0.5
"""Share of the cells of a column that must be such numbers before the others count as words."""


def plain_numbers(table: TextTable, *, names: Collection[str] | None = None) -> TextTable:
    """Numbers with decimal commas or marks between thousands as plain ones, column by column.

    Args:
        table: the cells of a file.
        names: of columns; None for those that are not known to be texts.
    """
    commas: list[str] = []
    marks: list[str] = []
    if names is not None and not names:
        return table
    columns = list(zip(*table.rows, strict=True))
    for j, cells in enumerate(columns):
        name = table.header[j]
        chosen = name not in table.types if names is None else name in names
        form = _form(cells, table.delimiter) if chosen else None
        if form is not None:
            if form in ("comma", "both"):
                commas.append(table.header[j])
            if form != "comma":
                marks.append(table.header[j])
            columns[j] = tuple(_plain(cell, form) for cell in cells)
    if not (commas or marks):
        return table
    notes = []
    if commas:
        notes.append(f"{table.name}: numbers with decimal commas in {some_of(commas)}, read as points.")
    if marks:
        notes.append(f"{table.name}: marks between thousands in {some_of(marks)}, read without them.")
    return replace(
        table,
        rows=[list(row) for row in zip(*columns, strict=True)],
        notes=(*table.notes, *notes),
        as_written=False,
        types={name: kind for name, kind in table.types.items() if name not in (*commas, *marks)},
    )


def _form(cells: Sequence[str], delimiter: str) -> str | None:
    """How the numbers of a column are written: with a decimal "comma", "thousands", "spaces", "both" comma and spaces; None for plainly.

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
    if ways["spaces"] and not (delimiter == "," and ways["thousands"]):
        ways["both"] = sum(n for cell, n in odd.items() if _BOTH.fullmatch(cell))
    first = ("thousands", "comma") if delimiter == "," else ("comma", "thousands")
    order = [way for way in (*first, "spaces", "both") if way in ways]
    best = max(order, key=lambda way: (ways[way], -order.index(way)))
    points = sum(n for cell, n in count.items() if "." in cell and _PLAIN.fullmatch(cell))
    if best in ("comma", "both") and points:
        return None  # points and commas side by side: one of the two is wrong, which is reported later
    enough = ways[best] >= (2 if delimiter == "," else 1)
    return best if enough and ways[best] + plain > _MOSTLY * len(cells) else None


def _plain(cell: str, form: str) -> str:
    if form == "comma" and _WITH_COMMA.fullmatch(cell):
        return cell.replace(".", "").replace(",", ".")
    if form == "thousands" and _THOUSANDS.fullmatch(cell):
        return cell.replace(",", "")
    if form == "both" and _BOTH.fullmatch(cell):
        return re.sub(r"[ \u00a0\u202f']", "", cell).replace(",", ".")
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


def some_of(names: Sequence[str]) -> str:
    """The first five of some names.

    Args:
        names: all.
    """
    return ", ".join(names[:5]) + (f" and {len(names) - 5} more" if len(names) > 5 else "")
