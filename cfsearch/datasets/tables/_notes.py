"""Notes on guesses, each piece of advice given once."""

import re
from collections.abc import Iterable, Sequence
from typing import Final

from cfsearch.errors import listed

_MOST: Final = 12
"""What is so of different columns, in one note."""


def joined_notes(notes: Sequence[str], *, columns: Sequence[str]) -> tuple[str, ...]:
    """Notes of which those that end alike are one: what is so of each column, then what follows from it.

    A note of a column is "NAME: WHAT; WHAT FOLLOWS". Others stay as they are.

    Args:
        notes: on columns and on the file.
        columns: names of the columns.

    Example:
        >>> joined_notes(["a: 3 whole numbers; check.", "b is fine.", "c: 4 whole numbers; check."], columns=["a", "c"])
        ('a: 3 whole numbers; c: 4 whole numbers; check.', 'b is fine.')
        >>> joined_notes(["a: steps of 5; kept.", "c: steps of 5; kept."], columns=["a", "c"])
        ('a, c: steps of 5; kept.',)
    """
    made: dict[str, dict[str, list[str]]] = {}
    known = frozenset(columns)
    for note in notes:
        # the longest name, where one begins with another
        ends = [end.start() for end in re.finditer(": ", note)]
        name = next((note[:end] for end in reversed(ends) if note[:end] in known), "")
        what, _, follows = note[len(name) + 2 :].partition("; ")
        if name and follows:
            made.setdefault(follows, {}).setdefault(what, []).append(name)
        else:
            made.setdefault(note, {})
    return tuple(
        "; ".join([*_first(f"{listed(names)}: {what}" for what, names in parts.items()), follows])
        for follows, parts in made.items()
    )


def _first(parts: Iterable[str]) -> list[str]:
    every = list(parts)
    more = len(every) - _MOST
    return every if more <= 1 else [*every[:_MOST], f"{more:,} more columns alike"]
