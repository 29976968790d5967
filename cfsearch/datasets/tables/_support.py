"""Which numbers of a column occur, and which only stand for something else: guesses, with their reasons."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from typing import Final, final

_CODES: Final = frozenset(
    {float(sign * v) for size in range(2, 8) for v in range(10**size - 4, 10**size) for sign in (1, -1)}
    | {float(sign * int(digit * size)) for size in range(2, 6) for digit in "78" for sign in (1, -1)}
    | {-float(v) for v in range(1, 10)}
)
"""Numbers by which data sets say "no answer", "not applicable" and the like."""

_FEW: Final = 20
"""Columns of at most so many different numbers may have only these."""
_ROWS_A_VALUE: Final = 10
_FEWEST: Final = 5
_NEAREST: Final = 5
"""Negative codes are at least so far below the others, which are not negative."""
_WIDE: Final = 0.25
"""A gap of this share of the range is one."""


@final
@dataclass(frozen=True, slots=True)
class Support:
    """The numbers that a column's cells hold.

    Args:
        codes: that stand for something else.
        step: of which the others are multiples; 0 for any number.
        values: the others, where only few different ones occur; else empty.
        gaps: pairs between which none occurs.
        notes: why, for people.
    """

    codes: tuple[float, ...]
    step: float
    values: tuple[float, ...]
    gaps: tuple[tuple[float, float], ...]
    notes: tuple[str, ...]


def support_of(name: str, count: Mapping[float, int], *, step: float, whole: bool) -> Support:
    """What the numbers of a column say of where a search may go.

    Args:
        name: of the column.
        count: how often each number occurs.
        step: of the numbers' decimals; 0 where they have too many.
        whole: whether all are whole.
    """
    codes = _codes(count)
    rest = sorted(v for v in count if v not in codes)
    rows = sum(count[v] for v in rest)
    notes = []
    if codes:
        shown = ", ".join(f"{_text(v)} ({count[v]} rows)" for v in codes)
        notes.append(
            f"{name}: {shown} far from the others, {_text(rest[0])} to {_text(rest[-1])}; taken for "
            f"{'a code' if len(codes) == 1 else 'codes'} (codes = [{', '.join(map(_text, codes))}]) that no search "
            "goes to or leaves. If they are numbers, take them out of `codes` and widen `range`."
        )
    coarse = _coarsest(rest, step) if step and len(rest) >= _FEWEST and rows >= 3 * _ROWS_A_VALUE else step
    if coarse > step:
        notes.append(f"{name}: every number is a multiple of {_text(coarse)}; a search keeps to that (step).")
    slots = round((rest[-1] - rest[0]) / coarse) + 1 if coarse else math.inf
    if 2 < len(rest) <= _FEW and rows >= _ROWS_A_VALUE * len(rest) and len(rest) < slots:
        absent = next((v for v in _between(rest, coarse)), None)
        never = "" if absent is None else f"; {_text(absent)}, for one, never does"
        notes.append(
            f"{name}: only {len(rest)} different numbers occur in {rows} rows{never}; a search goes to "
            "these alone (values)."
        )
        return Support(codes, 1.0 if whole else 0.0, tuple(rest), (), tuple(notes))
    gaps = _gaps(rest, count, rows)
    for a, b in gaps:
        notes.append(
            f"{name}: no number lies between {_text(a)} and {_text(b)}; no search goes there (gaps)."
        )
    return Support(codes, coarse, (), gaps, tuple(notes))


def _codes(count: Mapping[float, int]) -> tuple[float, ...]:
    """Repeated numbers at either end, far from the others; known codes may be nearer than strange ones."""
    values = sorted(count)
    found: list[float] = []
    for end in (values, values[::-1]):
        cluster = _cluster(end, count)
        found += cluster
    return tuple(sorted(found))


def _cluster(ordered: Sequence[float], count: Mapping[float, int]) -> list[float]:
    """The codes at the beginning of numbers that rise or fall."""
    for size in range(min(9, len(ordered) - 2), 0, -1):
        codes, rest = ordered[:size], ordered[size:]
        if any(count[v] < 2 for v in codes):
            continue
        # what stands at the other end may be codes as well, and says nothing of the range
        inner = [v for v in rest if v not in _CODES or 0 <= v < 10 or count[v] < 2] or list(rest)
        gap, extent = abs(rest[0] - codes[-1]), abs(inner[-1] - inner[0])
        if all(v in _CODES for v in codes):
            low = ordered[0] < ordered[-1]
            natural = low and rest[0] >= 0 > codes[-1]
            if natural and (gap >= _NEAREST or (codes[-1] == -1.0 and size == 1 and len(rest) >= _FEWEST)):
                return list(codes)
            if gap >= max(3.0, 0.5 * extent):
                return list(codes)
        elif size == 1 and len(rest) >= _FEWEST and count[codes[0]] >= 3 and gap > 3 * extent > 0:
            return list(codes)
    return []


def _coarsest(values: Sequence[float], step: float) -> float:
    """The largest number of which all values are multiples, at least the step."""
    unit = Fraction(repr(step)) if step != 1.0 else Fraction(1)
    common = 0
    for value in values:
        common = math.gcd(common, round(Fraction(repr(value)) / unit))
        if common == 1:
            return step
    return float(common * unit) if common else step


def _between(values: Sequence[float], step: float) -> Sequence[float]:
    """The first multiple of the step between two values that is none of them."""
    for a, b in pairwise(values):
        if step and round((b - a) / step) > 1:
            return [float(round(a / step) + 1) * step]
    return []


def _gaps(values: Sequence[float], count: Mapping[float, int], rows: int) -> tuple[tuple[float, float], ...]:
    """Empty stretches that are wide beside the range and the usual distance, with rows on both sides."""
    if len(values) < 4 or rows < 5 * _ROWS_A_VALUE:
        return ()
    extent = values[-1] - values[0]
    steps = sorted(b - a for a, b in pairwise(values))
    usual = steps[len(steps) // 2]
    out, below = [], 0
    for a, b in pairwise(values):
        below += count[a]
        if b - a >= _WIDE * extent and b - a >= 10 * usual and min(below, rows - below) >= 3:
            out.append((a, b))
    return tuple(out)


def _text(value: float) -> str:
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else f"{value:g}"
