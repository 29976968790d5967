"""Rows of a file that are none: sums below the others, units below the header; and letters in names that nobody sees."""

import re
from collections.abc import Sequence
from typing import Final

from ._cells import ABSENT, NOT_AVAILABLE
from ._numbers import is_number

_UNSEEN: Final = re.compile("[\u200b\u2060\ufeff]")
"""Zero-width spaces and byte order marks; joiners stay, which some scripts need."""
_SPACES: Final = re.compile("[\u00a0\u2007\u202f]")
_SUMS: Final = frozenset(
    {
        *("total", "totals", "grand total", "sum", "sums", "gesamt", "gesamtsumme", "insgesamt", "summe"),
        *(
            "somme",
            "total général",
            "suma",
            "suma total",
            "totale",
            "totaal",
            "razem",
            "итого",
            "всего",
            "合計",
            "总计",
        ),
    }
)
"""Words beside sums, in lower case."""
_FEWEST: Final = 3
"""Rows above a sum, and columns of which a row of units must have a word where the others have numbers: one fewer."""
_HAIR: Final = 1e-9


def bare_name(name: str) -> str:
    r"""The name of a column without letters that nobody sees, and without spaces at its ends.

    Args:
        name: as it stands in a header.

    Example:
        >>> bare_name("\ufeffage "), bare_name("net\u00a0income")
        ('age', 'net income')
    """
    return _SPACES.sub(" ", _UNSEEN.sub("", name)).strip()


def is_unseen(name: str) -> bool:
    """Whether a name holds letters that ``bare_name`` takes out, spaces at its ends aside.

    Args:
        name: as it stands in a header.
    """
    return bool(_UNSEEN.search(name) or _SPACES.search(name.strip()))


def has_sums(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the last row holds the sums of the others: a word that says so, and a column where that is right.

    Args:
        rows: the cells of a file.

    Example:
        >>> has_sums([["a", "1"], ["b", "2"], ["c", "4"], ["Total", "7"]])
        True
        >>> has_sums([["a", "1"], ["b", "2"], ["c", "4"], ["Total", "8"]])
        False
    """
    if len(rows) <= _FEWEST or not any(cell.rstrip(" :").casefold() in _SUMS for cell in rows[-1]):
        return False
    return any(_is_sum(rows, j) for j, cell in enumerate(rows[-1]) if is_number(cell))


def _is_sum(rows: Sequence[Sequence[str]], j: int) -> bool:
    cells = [row[j] for row in rows[:-1]]
    numbers = [float(cell) for cell in cells if is_number(cell)]
    total = float(rows[-1][j])
    alike = abs(sum(numbers) - total) <= _HAIR * max(1.0, *map(abs, numbers), abs(total)) * len(rows)
    return len(numbers) >= _FEWEST and total != 0.0 and alike


def is_second_header(rows: Sequence[Sequence[str]]) -> bool:
    """Whether the first row says more of the columns, as units do: words where all others have numbers, and no number.

    What stands for a missing number ("NA", "?", "unknown") is no such word.

    Args:
        rows: the cells of a file.

    Example:
        >>> is_second_header([["years", "EUR", ""], ["31", "40.5", "a"], ["", "20", "b"]])
        True
        >>> is_second_header([["years", "40.5", ""], ["31", "40.5", "a"], ["", "20", "b"]])
        False
    """
    if len(rows) < _FEWEST or any(is_number(cell) for cell in rows[0]):
        return False
    words = [
        j
        for j, cell in enumerate(rows[0])
        if cell not in NOT_AVAILABLE
        and cell.casefold() not in ABSENT
        and any(is_number(row[j]) for row in rows[1:_FEWEST])
    ]
    return len(words) >= _FEWEST - 1 and all(
        is_number(row[j]) or not row[j] for j in words for row in rows[1:]
    )
