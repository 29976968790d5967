"""Text for people: names with nothing hidden in them, numbers, intervals, changes in words."""

import math
import re
from collections.abc import Mapping
from typing import Any

from cfsearch.contracts.modality import PICTURES, ROWS, Modality
from cfsearch.errors import is_hidden
from cfsearch.numerics import percent as shares

MISSING = "\u2013"
SPACE = shares.SPACE
SMALL = 0.05
"""An attribute that changes less than this is counted but not named."""
MINUS = "\u2212"
_CELEBA = re.compile(r"[A-Z][a-z]+(_[A-Z][a-z]+)*")


def mark(text: str, *, keep: str = "") -> str:
    """``text`` with every invisible or direction-changing character but those of ``keep`` shown as its code point."""
    if text.isprintable():
        return text
    return "".join(
        f"⟨U+{ord(c):04X}⟩" if c not in keep and is_hidden(text, at) else c for at, c in enumerate(text)
    )


def mark_all(value: Any, *, keep: str = "") -> Any:  # Any: plain JSON, whatever it is
    """Plain JSON with ``mark`` on every text; the characters of ``keep`` stay as they are."""
    if isinstance(value, str):
        return mark(value, keep=keep)
    if isinstance(value, Mapping):
        return {mark(str(name)): mark_all(part, keep=keep) for name, part in value.items()}
    if isinstance(value, list | tuple):
        return [mark_all(part, keep=keep) for part in value]
    return value


def finite(value: float | None) -> float | None:
    """The number, or None where there is none to show."""
    return float(value) if value is not None and math.isfinite(value) else None


def number(value: float | None, *, signed: bool = False, digits: int = 2) -> str:
    """``1.234`` as "1.23"; a dash where there is no number."""
    value = finite(value)
    if value is None:
        return MISSING
    if value != 0 and not 10.0**-digits <= abs(value) < 1e5:
        text = f"{value:{'+' if signed else ''}.{digits}g}"
    else:
        text = f"{value:{'+' if signed else ''},.{digits}f}".replace(",", SPACE)
    return text.replace("-", MINUS)


def percent(value: float | None) -> str:
    """``0.917`` as "92 %"."""
    value = finite(value)
    return MISSING if value is None else shares.percent(value)


def points(value: float | None) -> str:
    """A difference of shares, ``0.12`` as "+12 points"."""
    value = finite(value)
    return MISSING if value is None else f"{_whole(value)}{SPACE}points"


def _whole(share: float) -> str:
    whole = round(100 * share)
    return f"{whole:+d}".replace("-", MINUS) if whole else "0"


def small(p: float) -> str:
    """A p-value, ``0.0312`` as "0.031"; "<0.001" below that."""
    return "<0.001" if p < 0.001 else number(p, digits=3)


def probability(value: float | None) -> str:
    """``0.917`` as "0.92"; never a rounded 0 or 1."""
    value = finite(value)
    if value is None:
        return MISSING
    if value < 0.005:
        return "0" if value <= 0 else "<0.01"
    return ">0.99" if 0.995 < value < 1 else f"{value:.2f}"


def rate(estimate: Mapping[str, float | None] | None) -> float | None:
    """The value of an estimate; None where there is none."""
    return None if estimate is None else finite(estimate["value"])


def span(rate: Mapping[str, float | None] | None, *, form: str = "percent") -> str:
    """The interval of an estimate in words: "65 to 99 %", or signed with ``form`` "logit" or "points"."""
    low, high = (None, None) if rate is None else (finite(rate["low"]), finite(rate["high"]))
    if low is None or high is None:
        return "no interval"
    if form == "percent":
        return f"{100 * low:.0f} to {percent(high)}"
    if form == "points":
        return f"{_whole(low)} to {points(high)}"
    return f"{number(low, signed=True)} to {number(high, signed=True)}"


def sides(effect: Mapping[str, float | None] | None) -> int | None:
    """-1 or 1 where the interval is on one side of 0, 0 where it holds 0; None without one."""
    low, high = (None, None) if effect is None else (finite(effect["low"]), finite(effect["high"]))
    if low is None or high is None:
        return None
    return 1 if low > 0 else -1 if high < 0 else 0


def tick(value: float) -> str:
    """A number beside a scale: "+2", "0", "+0.5"."""
    return "0" if abs(value) < 1e-9 else f"{value:+g}".replace("-", MINUS)


def ends(between: Mapping[str, float]) -> str:
    """The values between which an effect was measured: "0 to 1.5".

    Args:
        between: ``low`` and ``high``.
    """
    low, high = (f"{between[end]:.3g}".replace("-", MINUS) for end in ("low", "high"))
    return f"{low} to {high}"


def human(variable: str) -> str:
    """``Pale_Skin`` as "Pale skin"; names in another style stay as they are."""
    if not _CELEBA.fullmatch(variable):
        return variable
    return variable.replace("_", " ").capitalize()


def negated(variable: str) -> bool:
    """Whether the variable says that something is absent ("No_Beard")."""
    return variable.startswith("No_") and len(variable) > 3


def subject(variable: str) -> str:
    """What is added or removed: "Beard" for ``No_Beard``."""
    return human(variable[3:] if negated(variable) else variable)


def direction(variable: str, *, up: bool) -> str:
    """A counted change in words: "Eyeglasses added", "Beard removed"."""
    return f"{subject(variable)} {'added' if up != negated(variable) else 'removed'}"


def moved(column: str, *, direction: str) -> str:
    """A counted change of a table's column in words: "income raised", "job changed"."""
    return f"{column} {({'+': 'raised', '-': 'lowered'}).get(direction, 'changed')}"


def _switched(variable: str, *, up: bool) -> str:
    return direction(variable, up=up)


def shared(variable: str, *, direction: str, modality: Modality) -> str:
    """A change that many inputs share, in words.

    Args:
        variable: what changes.
        direction: "+", "-" or "~", as in ``audit.json``.
        modality: what the inputs are.
    """
    if modality is PICTURES:
        return _switched(variable, up=direction == "+")
    return moved(variable, direction=direction) if modality is ROWS else modality.counted(variable, direction)


def is_switch(before: float, after: float) -> bool:
    """Whether a change looks like one of an attribute that is there or not, from 0 to 1."""
    return -0.1 <= before <= 1.1 and -0.6 <= after <= 1.6


def nameable(before: float, after: float) -> bool:
    """Whether a change is large enough to be named."""
    return not is_switch(before, after) or abs(after - before) >= SMALL


def beyond(before: float, after: float) -> bool:
    """Whether an attribute that is fully there, or not at all, is pushed further still."""
    if not is_switch(before, after) or 0.0 <= after <= 1.0:
        return False
    inside = [min(1.0, max(0.0, value)) for value in (before, after)]
    return abs(inside[1] - inside[0]) < SMALL


def change(variable: str, before: float, after: float) -> str:
    """One change in words: "Eyeglasses added"; "increased" where it does not cross one half.

    Args:
        variable: name of the attribute or column.
        before: its value in the original.
        after: its value in the counterfactual.
    """
    up = (after > before) != negated(variable)
    if beyond(before, after):
        name = subject(variable)
        return f"Even {'more' if up else 'less'} {name[:1].lower()}{name[1:]}"
    if is_switch(before, after) and (before < 0.5) != (after < 0.5):
        return f"{subject(variable)} {'added' if up else 'removed'}"
    return f"{subject(variable)} {'increased' if up else 'reduced'}"


def values(variable: str, before: float, after: float) -> str:
    """The numbers of one change in the sense of its words: "0.02 → 0.98".

    Args:
        variable: name of the attribute; of "No_Beard" the numbers are those of a beard.
        before: its value in the original.
        after: its value in the counterfactual.
    """
    if negated(variable):
        before, after = 1.0 - before, 1.0 - after
    if is_switch(before, after):
        return f"{before:.2f} → {after:.2f}".replace("-", MINUS)
    return f"{number(before)} → {number(after)}"


def listing(parts: list[str], *, most: int = 4) -> str:
    """The parts as "a, b and c"; past ``most``, "a, b, c, d and 3 more"."""
    if len(parts) > most:
        return f"{', '.join(parts[:most])} and {len(parts) - most} more"
    return " and ".join([", ".join(parts[:-1]), parts[-1]]) if len(parts) > 1 else "".join(parts)


def counted(n: int, noun: str) -> str:
    """So many of a thing: "1 picture", "12 pictures"."""
    return f"{n:,}".replace(",", SPACE) + f" {noun}{'' if n == 1 else 's'}"
