"""Conditions on an audit: how they are written, in TOML or on one line.

On one line, as of ``--fail-if``::

    condition = figure operator number ["%"] ["at" number "%"]
    figure    = name | "|" name "|"
    name      = metric [":" subject] ["@" group]
    operator  = "<" | "<=" | ">" | ">="

A subject or a group that holds a space or one of ``<>|@"`` stands in double quotes. The subject ``protected`` stands for
each protected attribute, ``*`` for each subject there is. ``|effect:Male|`` is the size of an effect, whatever its sign.
"""

import math
import re
import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

from cfsearch.errors import ConfigError
from cfsearch.files import read_text, reason
from cfsearch.registry import unknown
from cfsearch.secrecy import shown

from .metrics import METRICS

_LARGEST: Final = 16 * 2**20
_WIDEST: Final = 53
"""Bits of a whole number that a float holds."""
_OPPOSITE: Final = {"<": ">=", "<=": ">", ">": "<=", ">=": "<"}
_KEYS: Final = ("metric", "subject", "group", "model", "op", "value", "confidence", "name")
_NAME: Final = r'(?:"[^"]+"|[^\s<>|@"]+)'
_LINE: Final = re.compile(
    rf"""\s*(?P<bar>\|)?\s*(?P<metric>\w+)\s*(?::\s*(?P<subject>{_NAME}))?\s*(?:@\s*(?P<group>{_NAME}))?
    \s*(?P<end>\|)?\s*(?P<op><=|>=|<|>)\s*(?P<value>[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)\s*(?P<percent>%)?
    (?:\s+at\s+(?P<confidence>\d+\.?\d*)\s*%)?\s*""",
    re.VERBOSE,
)
_SIGNED: Final = ("effect", "through", "proxy", "contribution")
_SIZES: Final = (
    *("abs_effect", "effect_gap", "abs_through", "abs_proxy", "impact_ratio", "cost_gap", "hypervolume_gap"),
)
PROTECTED: Final = "protected"
EVERY: Final = "*"


@final
@dataclass(frozen=True, slots=True)
class Condition:
    """What must hold of a figure.

    Args:
        metric: which figure, one of ``cfsearch.audits.metrics.METRICS``.
        op: "<", "<=", ">" or ">=".
        value: the bound.
        subject: of which attribute or change; "protected" and "*" stand for several.
        group: in which group, or between which; "*" stands for each.
        model: id of the model; each of them when left out.
        confidence: of the interval whose end is judged.
        name: what the condition is called; what it says when left out.

    Raises:
        ConfigError: no such metric or operator, a number that is none or out of range, or a bound beyond all that
            the metric can be, so that the condition would hold of every audit or of none.

    Example:
        >>> Condition("flip_rate", "<=", 0.05, subject="Male").words
        'flip_rate:Male <= 0.05'
    """

    metric: str
    op: str
    value: float
    subject: str = ""
    group: str = ""
    model: str = ""
    confidence: float = 0.95
    name: str = ""

    def __post_init__(self) -> None:
        if self.metric not in METRICS:
            raise ConfigError(f"gate: {unknown('metric', self.metric, list(METRICS))}")
        if self.op not in _OPPOSITE:
            raise ConfigError(f"gate: `op` must be one of {', '.join(_OPPOSITE)}, got {self.op!r}.")
        if not math.isfinite(self.value):
            raise ConfigError(f"gate: `value` must be a finite number, got {self.value!r}.")
        if not 0.5 <= self.confidence < 1.0:
            raise ConfigError(
                f"gate: `confidence` must lie in 0.5 to 1, for example 0.95, got {self.confidence!r}."
            )
        low, high = limits(self.metric)
        if not low <= self.value <= high:
            raise ConfigError(f"gate: {_idle(self, low=low, high=high)}")

    @property
    def words(self) -> str:
        """The condition on one line, as what must hold."""
        parts = [
            self.metric,
            f":{_quoted(self.subject)}" if self.subject else "",
            f"@{_quoted(self.group)}" if self.group else "",
        ]
        at = "" if self.confidence == 0.95 else f" at {100 * self.confidence:g}%"
        return f"{''.join(parts)} {self.op} {self.value:g}{at}"

    @property
    def title(self) -> str:
        """What it is called."""
        return self.name or self.words


def limits(metric: str) -> tuple[float, float]:
    """The least and the largest value that a metric can have; infinite where there is none.

    Args:
        metric: its name, one of ``METRICS``.

    Example:
        >>> limits("failed_rate"), limits("probability"), limits("abs_effect")
        ((0.0, 1.0), (-1.0, 1.0), (0.0, inf))
    """
    if metric in _SIGNED:
        return -math.inf, math.inf
    if metric in _SIZES:
        return 0.0, math.inf
    return (-1.0 if metric == "probability" else 0.0), 1.0


def _idle(condition: Condition, *, low: float, high: float) -> str:
    """Why a condition with a bound beyond all values judges nothing."""
    value = condition.value
    always = (value > high) == condition.op.startswith("<")
    extent = f"goes from {low:g} to {high:g}" if math.isfinite(high) else f"is never below {low:g}"
    what = (
        f"{condition.metric} {extent}, so {condition.words!r} holds of {'every' if always else 'no'} audit."
    )
    if high < value <= 100.0 * high:
        return f"{what} Write {value:g}% (on the command line) or {value / 100:g}."
    return f"{what} Give a bound that it can reach."


def fail_if(text: str) -> Condition:
    """The condition that a line forbids: ``|effect:Male| > 0.5`` gives ``abs_effect:Male <= 0.5``.

    Args:
        text: one condition in the language above.

    Raises:
        ConfigError: it is none.
    """
    match = _LINE.fullmatch(text)
    if match is None or bool(match["bar"]) != bool(match["end"]):
        raise ConfigError(
            f"gate: {text!r} is no condition. Write metric:subject@group, one of < <= > >=, and a number, for example "
            '"flip_rate:Male > 5%", "|effect:Male| > 0.5" or "found_gap@Young > 0.1 at 99%".'
        )
    metric = f"abs_{match['metric']}" if match["bar"] else match["metric"]
    if metric not in METRICS and match["bar"]:
        raise ConfigError(
            f"gate: |{match['metric']}| is no size of anything; effect and probability have one."
        )
    return Condition(
        metric,
        _OPPOSITE[match["op"]],
        float(match["value"]) / (100.0 if match["percent"] else 1.0),
        subject=_bare(match["subject"]),
        group=_bare(match["group"]),
        confidence=float(match["confidence"] or 95) / 100.0,
    )


def read_conditions(path: Path) -> list[Condition]:
    """The conditions of a TOML file, a table ``[[gate]]`` each: what must hold.

    Args:
        path: the file.

    Raises:
        ConfigError: it cannot be read, holds none, or one of them is none.
    """
    try:
        values = tomllib.loads(read_text(path, most=_LARGEST))
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(
            f"{str(path)!r} cannot be read: {reason(error)}. Give a TOML file with a table [[gate]] for each."
        ) from error
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"{str(path)!r}: not valid TOML: {error}.") from error
    tables = values.get("gate")
    if not isinstance(tables, list) or not tables:
        raise ConfigError(f"{str(path)!r} holds no condition; write a table [[gate]] for each.")
    return [
        _condition(table, where=f"{str(path)!r}, [[gate]] {i}") for i, table in enumerate(tables, start=1)
    ]


def _condition(table: Any, *, where: str) -> Condition:  # Any: whatever stands in the file
    if not isinstance(table, Mapping):
        raise ConfigError(f"{where}: must be a table with {', '.join(_KEYS)}, got {shown(table)}.")
    for key in table:
        if key not in _KEYS:
            raise ConfigError(f"{where}: {unknown('setting', str(key), list(_KEYS))}")
    for key in ("metric", "op", "value"):
        if key not in table:
            raise ConfigError(f"{where}: the setting `{key}` is missing.")
    for key, kind in (("value", int | float), ("confidence", int | float)):
        if key in table and (not isinstance(table[key], kind) or isinstance(table[key], bool)):
            raise ConfigError(f"{where}: `{key}` must be a number, got {shown(table[key])}.")
    texts = {key: table[key] for key in _KEYS if key in table and key not in ("value", "confidence")}
    for key, value in texts.items():
        if not isinstance(value, str):
            raise ConfigError(f"{where}: `{key}` must be a text, got {shown(value)}.")
    numbers = {"value": table["value"], "confidence": table.get("confidence", 0.95)}
    for key, value in numbers.items():
        if isinstance(value, int) and value.bit_length() > _WIDEST:
            raise ConfigError(f"{where}: `{key}` must be a number of at most 15 digits, got {shown(value)}.")
    try:
        return Condition(value=float(numbers["value"]), confidence=float(numbers["confidence"]), **texts)
    except ConfigError as error:
        raise ConfigError(f"{where}: {error}") from error


def named(conditions: Sequence[Condition]) -> Sequence[Condition]:
    """The conditions, refused where there are none or two have one name.

    Args:
        conditions: all of a gate.

    Raises:
        ConfigError: there are none, or two of them have one name.
    """
    if not conditions:
        raise ConfigError(
            'gate: no condition is given. Give --fail-if "METRIC:SUBJECT > NUMBER" or --gates FILE.toml.'
        )
    titles = [condition.title for condition in conditions]
    for title in titles:
        if titles.count(title) > 1:
            raise ConfigError(f"gate: two conditions are called {title!r}. Give one of them another `name`.")
    return conditions


def _quoted(text: str) -> str:
    return text if re.fullmatch(_NAME, text) else f'"{text}"'


def _bare(text: str | None) -> str:
    return (text or "").strip('"')
