"""The small language of rules between columns: read by a parser of its own, never evaluated as Python.

::

    rule       = sum (("<=" | "<" | ">=" | ">" | "=") sum)+       words <= 2 * lines + 10
    condition  = and_part ("or" and_part)*                         employed = 'no' or age < 16
    and_part   = test ("and" test)*
    test       = name ("=" | "!=" | "<" | "<=" | ">" | ">=") (number | 'text')
    sum        = product (("+" | "-") product)*
    product    = factor (("*" | "/") factor)*
    factor     = number | name | "-" factor | "(" sum ")"

A column's name is written as it is where it is one word (letters, digits, ``_`` and ``.``), else in double
quotes or back-ticks: ``"loan amount" <= 5 * income``. Texts stand in single quotes.
"""

import difflib
import re
from collections.abc import Collection
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, final

from cfsearch.errors import ConfigError, listed

_TOKEN: Final = re.compile(
    r"""\s*(?:
        (?P<number>(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d{1,3})?)(?![\w.])
      | (?P<name>[^\W\d][\w.]*)
      | "(?P<quoted>[^"]*)" | `(?P<ticked>[^`]*)`
      | '(?P<text>[^']*)'
      | (?P<sign><=|>=|!=|==|[-+*/()<>=])
    )""",
    re.VERBOSE,
)
_COMPARISONS: Final = ("<=", "<", ">=", ">", "=")
_MOST: Final = 2_000
_DEEPEST: Final = 50


@final
@dataclass(frozen=True, slots=True)
class Term:
    """A node of arithmetic: a number, a column's name, or an operation on two others.

    Args:
        sign: one of ``+ - * /``; empty for a number or a name.
        number: of a number.
        name: of a column.
        parts: what the operation joins.
    """

    sign: str = ""
    number: float = 0.0
    name: str = ""
    parts: tuple["Term", ...] = ()

    @property
    def names(self) -> tuple[str, ...]:
        """The columns that occur, each once."""
        if self.name:
            return (self.name,)
        return tuple(dict.fromkeys(name for part in self.parts for name in part.names))


@final
@dataclass(frozen=True, slots=True)
class Comparison:
    """Two sides of a rule, and how they compare: ``<=``, ``<`` or ``=``."""

    left: Term
    sign: str
    right: Term


@final
@dataclass(frozen=True, slots=True)
class CellTest:
    """A column beside a value: ``age < 16``, ``employed = 'no'``."""

    name: str
    sign: str
    value: float | str


Condition = tuple[tuple[CellTest, ...], ...]
"""Tests that must all hold, or all of another such group."""


def parse_rule(text: str, *, columns: Collection[str]) -> tuple[Comparison, ...]:
    """The comparisons of a rule; ``0 <= a <= b`` is two.

    Args:
        text: as it stands in a schema.
        columns: names that may occur.

    Raises:
        ConfigError: it is no rule; says at which place, and what was expected.
    """
    reader = _Reader(text, columns, "relation")
    sides, signs = [reader.sum()], []
    while reader.sign in (*_COMPARISONS, "=="):
        signs.append(reader.take().replace("==", "="))
        sides.append(reader.sum())
    if not signs:
        raise reader.wrong("expected one of <=, <, =, >= and >")
    reader.end()
    out = []
    for (left, right), sign in zip(pairwise(sides), signs, strict=True):
        low, high = (right, left) if sign in (">=", ">") else (left, right)
        out.append(Comparison(low, sign.replace(">", "<"), high))
    return tuple(out)


def parse_condition(text: str, *, columns: Collection[str]) -> Condition:
    """The tests of a condition.

    Args:
        text: as it stands in a schema.
        columns: names that may occur.

    Raises:
        ConfigError: it is no condition; says at which place, and what was expected.
    """
    reader = _Reader(text, columns, "condition")
    groups = [_all_of(reader)]
    while reader.word("or"):
        groups.append(_all_of(reader))
    reader.end()
    return tuple(groups)


def _all_of(reader: "_Reader") -> tuple[CellTest, ...]:
    tests = [reader.test()]
    while reader.word("and"):
        tests.append(reader.test())
    return tuple(tests)


class _Reader:
    """The words of one text from left to right; every refusal says where it stands."""

    def __init__(self, text: str, columns: Collection[str], what: str) -> None:
        self._text, self._columns, self._what = text, columns, what
        self._at, self._words, self._depth = 0, list[tuple[str, str, int]](), 0
        if len(text) > _MOST:
            raise ConfigError(
                f"table schema, {what}: {len(text)} letters are too many, expected at most {_MOST}. Split it."
            )
        place, end = 0, len(text.rstrip())
        while place < end:
            found = _TOKEN.match(text, place)
            if found is None:
                place += len(text[place:]) - len(text[place:].lstrip())
                raise self._refusal(place, f"{text[place]!r} cannot stand here{_quote_hint(text[place])}")
            kind = found.lastgroup or ""
            self._words.append((kind, found[kind], found.start(kind)))
            place = found.end()

    @property
    def sign(self) -> str:
        """The next sign; empty where no sign comes next."""
        return self._words[self._at][1] if self._kind == "sign" else ""

    @property
    def _kind(self) -> str:
        return self._words[self._at][0] if self._at < len(self._words) else ""

    def take(self) -> str:
        """The next word, which is behind us then."""
        self._at += 1
        return self._words[self._at - 1][1]

    def word(self, name: str) -> bool:
        """Whether the next word is this one; if so it is taken."""
        if self._kind != "name" or self._words[self._at][1] != name:
            return False
        self._at += 1
        return True

    def end(self) -> None:
        """Refuses whatever is left."""
        if self._at < len(self._words):
            raise self.wrong("expected a sign or the end")

    def wrong(self, expected: str) -> ConfigError:
        """A refusal of the next word."""
        if self._at == len(self._words):
            return self._refusal(len(self._text), f"{expected}, but it ends here")
        _, word, place = self._words[self._at]
        return self._refusal(place, f"{expected}, got {word!r}")

    def sum(self) -> Term:
        """Products that are added or subtracted."""
        self._depth += 1
        if self._depth > _DEEPEST:
            raise self.wrong(f"expected at most {_DEEPEST} brackets in one another")
        term = self._product()
        while self.sign in ("+", "-"):
            term = Term(sign=self.take(), parts=(term, self._product()))
        self._depth -= 1
        return term

    def _product(self) -> Term:
        term = self._factor()
        while self.sign in ("*", "/"):
            term = Term(sign=self.take(), parts=(term, self._factor()))
        return term

    def _factor(self) -> Term:
        minus = False
        while self.sign in ("-", "+"):
            minus ^= self.take() == "-"
        if self._kind == "number":
            term = Term(number=float(self.take()))
        elif self.sign == "(":
            self.take()
            term = self.sum()
            if self.sign != ")":
                raise self.wrong("expected ')'")
            self.take()
        else:
            term = Term(name=self._name("a column, a number or '('"))
        return Term(sign="-", parts=(Term(), term)) if minus else term

    def test(self) -> CellTest:
        """One column beside a value."""
        name = self._name("a column")
        if self.sign not in (*_COMPARISONS, "==", "!="):
            raise self.wrong("expected one of =, !=, <, <=, > and >=")
        sign = self.take().replace("==", "=")
        if self._kind == "text":
            if sign not in ("=", "!="):
                raise self.wrong(f"expected a number after {sign!r}")
            return CellTest(name, sign, self.take())
        minus = self.sign == "-"
        if minus:
            self.take()
        if self._kind != "number":
            raise self.wrong("expected a number, or a text in single quotes")
        return CellTest(name, sign, -float(self.take()) if minus else float(self.take()))

    def _name(self, expected: str) -> str:
        if self._kind not in ("name", "quoted", "ticked", "text"):
            raise self.wrong(f"expected {expected}")
        _, word, place = self._words[self._at]
        if word not in self._columns:
            near = difflib.get_close_matches(word, self._columns, n=1, cutoff=0.5)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            spaced = [
                c for c in self._columns if c.startswith(word) and not re.fullmatch(r"[^\W\d][\w.]*", c)
            ]
            if self._kind == "name" and spaced:
                hint = f' Write names that are not one word in quotes: "{spaced[0]}".'
            raise self._refusal(place, f"no column {word!r}.{hint} Columns: {listed(self._columns, most=30)}")
        return self.take()

    def _refusal(self, place: int, what: str) -> ConfigError:
        return ConfigError(f"table schema, {self._what} {self._text!r}, at letter {place + 1}: {what}.")


def _quote_hint(letter: str) -> str:
    return " (the quotes are not closed)" if letter in "\"'`" else ""
