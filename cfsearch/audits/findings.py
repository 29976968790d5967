"""What a check of a run finds, and where two JSON values differ."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, final

from cfsearch.errors import CfsearchError
from cfsearch.numerics.percent import SPACE

FORMAT: Final = "cfsearch-check/1"
_TOLERANCE: Final = 2e-6
"""Figures are rounded to 6 decimals."""
_PERCENT: Final = re.compile(rf"(?<=\d)[ {SPACE}]?%")


@final
@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is not what was written.

    Args:
        check: which of the checks found it, one word.
        part: the file or the part of it.
        message: what was expected and what came, a sentence.
    """

    check: str
    part: str
    message: str

    def to_dict(self) -> dict[str, str]:
        """As it stands in the output of ``cfsearch check --json``."""
        return {"check": self.check, "part": self.part, "message": self.message}


@final
@dataclass(frozen=True, slots=True)
class CheckResult:
    """What was checked of a run, and what was found.

    Args:
        run: the directory.
        findings: what is not what was written; empty where all is well.
        notes: what could not be checked, and why.
        checked: how much was checked, by what it is.
    """

    run: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...]
    checked: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """The document of ``cfsearch check --json``."""
        return {
            "format": FORMAT,
            "run": self.run,
            "ok": not self.findings,
            "findings": [finding.to_dict() for finding in self.findings],
            "notes": list(self.notes),
            "checked": dict(self.checked),
        }


@final
class Caught:
    """A block in which an error of cfsearch is a finding.

    Args:
        add: called with the error.
    """

    def __init__(self, add: Callable[[CfsearchError], None]) -> None:
        self._add = add

    def __enter__(self) -> None:
        return

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, CfsearchError):
            self._add(error)
            return True
        return False


def difference(found: Any, expected: Any) -> str | None:  # Any: JSON values
    """Where two values differ first, in words; None where they are the same.

    Args:
        found: what stands there.
        expected: what follows from the rest.
    """
    for place, one, other in _differing(found, expected, ""):
        at = f" at `{place}`" if place else ""
        return f"differ{'s' if not place else ''}{at}: {_short(one)} stands there, {_short(other)} follows from what is stored"
    return None


def _differing(found: Any, expected: Any, place: str) -> Iterator[tuple[str, Any, Any]]:  # Any: JSON values
    if isinstance(found, Mapping) and isinstance(expected, Mapping):
        for key in sorted({*found, *expected}, key=str):
            yield from _differing(found.get(key), expected.get(key), f"{place}.{key}".lstrip("."))
    elif isinstance(found, list | tuple) and isinstance(expected, list | tuple):
        if len(found) != len(expected):
            yield place, f"{len(found)} entries", f"{len(expected)}"
        for i, (one, other) in enumerate(zip(found, expected, strict=False)):
            yield from _differing(one, other, f"{place}[{i}]")
    elif isinstance(found, bool) != isinstance(expected, bool):
        yield place, found, expected  # equal in Python, not in JSON
    elif not _numbers(found, expected):
        if found != expected and _spaced(found) != _spaced(expected):
            yield place, found, expected
    elif not abs(found - expected) <= _TOLERANCE * max(1.0, abs(expected)):
        yield place, found, expected


def _spaced(value: Any) -> Any:  # Any: a JSON value
    """A text with a space before each per cent sign: documents of before had "53%" in some of their sentences."""
    return _PERCENT.sub(f"{SPACE}%", value) if isinstance(value, str) else value


def _numbers(*values: object) -> bool:
    return all(isinstance(value, int | float) for value in values)


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
