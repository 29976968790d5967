"""Relations between columns: what they say of rows, which columns follow others, and how changes keep them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cfsearch.errors import ConfigError

from ._columns import Column, ColumnKind, Missing
from ._language import Comparison, Condition, Term, parse_condition, parse_rule
from ._numbers import is_number

_HAIR: Final = 1e-9
"""By how much of its size a sum may miss its limit through rounding."""


@final
@dataclass(frozen=True, slots=True)
class Limit:
    """``sum of weight_j x_j <= bound``, or equal to it.

    Args:
        text: of the rule, for messages.
        columns: places of the columns.
        weights: one a column.
        bound: of the sum.
        strict: the sum stays below the bound, by ``margin`` at least.
        equal: the sum is the bound.
        margin: the smallest difference that counts.
    """

    text: str
    columns: tuple[int, ...]
    weights: tuple[float, ...]
    bound: float
    strict: bool
    equal: bool
    margin: float

    def excess(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        """By how much each row is over the limit; at most 0 where it is kept, with rounding allowed for."""
        part = x[..., list(self.columns)] * torch.tensor(self.weights, dtype=x.dtype, device=x.device)
        slack = _HAIR * part.abs().sum(-1).clamp_min(max(1.0, abs(self.bound)))
        over = part.sum(-1) - self.bound
        if self.equal:
            return torch.where(over.abs() <= slack, 0.0, over)
        over = over + self.margin if self.strict else over
        return torch.where(over <= slack, 0.0, over)


@final
@dataclass(frozen=True, slots=True)
class Follow:
    """A column that is computed from others: ``months = 12 * years``."""

    text: str
    column: int
    sources: tuple[int, ...]
    term: Term

    def value(self, x: Float[Tensor, "*n d"], names: Sequence[str]) -> Float[Tensor, "*n"]:
        """What the column is by the other columns of each row, float64."""
        return _value(self.term, lambda name: x[..., names.index(name)].double(), like=x[..., 0].double())


@final
@dataclass(frozen=True, slots=True)
class Relations:
    """All rules between the columns of a schema.

    Args:
        limits: that rows keep.
        follows: columns that are computed, each after those that it needs.
    """

    limits: tuple[Limit, ...] = ()
    follows: tuple[Follow, ...] = ()

    @property
    def all(self) -> tuple[Limit | Follow, ...]:
        """Limits first."""
        return (*self.limits, *self.follows)


def relations_of(rules: Sequence[str], columns: Sequence[Column], *, linked: Sequence[str]) -> Relations:
    """The rules of a schema, read.

    Args:
        rules: as they stand there.
        columns: of the schema.
        linked: names of columns that change together with others; they cannot follow.

    Raises:
        ConfigError: a text is no rule, or the rules contradict each other; says which and where.
    """
    limits: list[Limit] = []
    follows: list[Follow] = []
    places = {column.name: at for at, column in enumerate(columns)} if rules else {}
    together = frozenset(linked)
    for text in rules:
        found = parse_rule(text, columns=places)
        for comparison in found:
            _check_columns(comparison, text, columns, places)
            follower = _follower(comparison) if len(found) == 1 else None
            if follower is not None and follower not in together and columns[places[follower]].has_levels:
                raise _wrong(text, f"{follower!r} has levels, which cannot be computed")
            if follower is not None and follower not in together:
                follows.append(
                    Follow(
                        text,
                        places[follower],
                        tuple(places[n] for n in comparison.right.names),
                        comparison.right,
                    )
                )
            else:
                limits.append(_limit(comparison, text, columns, places))
    return Relations(tuple(limits), _in_order(follows, [*places]))


def _follower(comparison: Comparison) -> str | None:
    """The column that a rule computes; None of one that only compares."""
    left, right = comparison.left, comparison.right
    if comparison.sign != "=" or not left.name or not right.names or left.name in right.names:
        return None
    return left.name


def _in_order(follows: list[Follow], names: Sequence[str]) -> tuple[Follow, ...]:
    known: set[int] = set()
    for one in follows:
        if one.column in known:
            raise _wrong(one.text, f"{names[one.column]!r} is computed by another relation already")
        known.add(one.column)
    done: list[Follow] = []
    left = list(follows)
    while left:
        waiting = {one.column for one in left}
        ready = [one for one in left if not waiting & set(one.sources)]
        if not ready:
            raise _wrong(left[0].text, f"{names[left[0].column]!r} is computed from itself in the end")
        done += ready
        computed = {one.column for one in ready}
        left = [one for one in left if one.column not in computed]
    return tuple(done)


def _check_columns(
    comparison: Comparison, text: str, columns: Sequence[Column], places: Mapping[str, int]
) -> None:
    names = {*comparison.left.names, *comparison.right.names}
    used = [columns[at] for at in sorted(places[name] for name in names)]
    levels = [c for c in used if c.has_levels]
    if not levels:
        return
    alike = len(used) == len(levels) == 2 and used[0].levels == used[1].levels
    plain = comparison.left.name and comparison.right.name
    if not (alike and plain and all(c.kind is ColumnKind.ORDINAL for c in levels)):
        raise _wrong(
            text,
            f"{levels[0].name!r} has levels; only two ordinal columns of the same levels can be compared, and "
            "only with each other",
        )
    if any(c.missing is Missing.LEVEL for c in levels):
        raise _wrong(
            text, f"{levels[0].name!r} has a level for missing cells, which has no place in an order"
        )


def _limit(comparison: Comparison, text: str, columns: Sequence[Column], places: Mapping[str, int]) -> Limit:
    weights = _linear(Term(sign="-", parts=(comparison.left, comparison.right)), text)
    bound = -weights.pop("", 0.0)
    weights = {name: weight for name, weight in weights.items() if weight != 0.0}
    if not weights:
        raise _wrong(text, "no column is left in it")
    used = [columns[places[name]] for name in weights]
    steps = [1.0 if c.has_levels else c.step for c in used]
    small = min(s * abs(w) for s, w in zip(steps, weights.values(), strict=True))
    size = max(
        abs(w) * max(abs(c.low), abs(c.high), 1.0) for c, w in zip(used, weights.values(), strict=True)
    )
    return Limit(
        text=text,
        columns=tuple(places[name] for name in weights),
        weights=tuple(weights.values()),
        bound=bound,
        strict=comparison.sign == "<",
        equal=comparison.sign == "=",
        margin=(small or 1e-6 * size) if comparison.sign == "<" else 0.0,
    )


def _linear(term: Term, text: str) -> dict[str, float]:
    """The weight of each column in a sum, of "" the constant."""
    if term.name:
        return {term.name: 1.0}
    if not term.parts:
        return {"": term.number}
    a, b = (_linear(part, text) for part in term.parts)
    if term.sign in ("+", "-"):
        sign = 1.0 if term.sign == "+" else -1.0
        return {name: a.get(name, 0.0) + sign * b.get(name, 0.0) for name in dict.fromkeys((*a, *b))}
    constant = b if set(b) <= {""} else a if term.sign == "*" and set(a) <= {""} else None
    if constant is None:
        raise _wrong(
            text,
            "columns can be added, and multiplied by numbers only; write a / b <= 0.4 as a <= 0.4 * b. (A column "
            "on the left of = may be computed in any way.)",
        )
    other, factor = (a, constant.get("", 0.0)) if constant is b else (b, constant.get("", 0.0))
    if term.sign == "/" and factor == 0.0:
        raise _wrong(text, "it divides by 0")
    return {name: w / factor if term.sign == "/" else w * factor for name, w in other.items()}


def _value(term: Term, get: Callable[[str], Tensor], *, like: Tensor) -> Tensor:
    if term.name:
        return get(term.name)
    if not term.parts:
        return torch.full_like(like, term.number)
    a, b = (_value(part, get, like=like) for part in term.parts)
    if term.sign == "+":
        return a + b
    if term.sign == "-":
        return a - b
    return a * b if term.sign == "*" else a / b


def _wrong(text: str, what: str) -> ConfigError:
    return ConfigError(f"table schema, relation {text!r}: {what}.")


def condition_of(text: str, columns: Sequence[Column]) -> Condition:
    """A condition on one row, read.

    Raises:
        ConfigError: it is none, or names a level that does not exist.
    """
    condition = parse_condition(text, columns=[column.name for column in columns])
    for test in (one for group in condition for one in group):
        column = next(c for c in columns if c.name == test.name)
        if isinstance(test.value, str) and not column.has_levels and not _is_code(column, test.value):
            raise ConfigError(
                f"table schema, condition {text!r}: {test.name!r} holds numbers, but stands beside the text "
                f"{test.value!r}. Write a number without quotes."
            )
        if column.has_levels and test.sign not in ("=", "!=") and column.kind is not ColumnKind.ORDINAL:
            raise ConfigError(
                f"table schema, condition {text!r}: the levels of {test.name!r} have no order; use = or !=."
            )
        if column.has_levels and _level(column, test.value) is None:
            raise ConfigError(
                f"table schema, condition {text!r}: {test.value!r} is none of the levels of {test.name!r} "
                f"({', '.join(column.levels[:6])})."
            )
    return condition


def _is_code(column: Column, text: str) -> bool:
    return bool(column.digits) and is_number(text)


def holds(condition: Condition, x: Float[Tensor, "*n d"], columns: Sequence[Column]) -> Bool[Tensor, "*n"]:
    """Whether each row fulfils a condition; a missing number fulfils none."""
    names = [column.name for column in columns]
    out = torch.zeros(x.shape[:-1], dtype=torch.bool, device=x.device)
    for group in condition:
        every = torch.ones_like(out)
        for test in group:
            at = names.index(test.name)
            level = _level(columns[at], test.value) if columns[at].has_levels else None
            value = float(test.value) if level is None else level
            every &= _SIGNS[test.sign](x[..., at].double(), value) & ~torch.isnan(x[..., at])
        out |= every
    return out


_SIGNS: Final[Mapping[str, Callable[[Tensor, float], Tensor]]] = {
    "=": lambda a, b: a == b,
    "!=": lambda a, b: a != b,
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
}


def _level(column: Column, value: float | str) -> float | None:
    name = value if isinstance(value, str) else str(int(value)) if value == int(value) else str(value)
    return float(column.levels.index(name)) if name in column.levels else None


def column_keeps(column: Column, new: Float[Tensor, "*n"], old: Float[Tensor, "*n"]) -> Bool[Tensor, "*n"]:
    """Whether a computed number is one that its column may go to; the old number always is."""
    change = new - old
    right = (new >= column.low) & (new <= column.high) & (change * column.monotone >= 0)
    right &= torch.isfinite(new) & (not column.immutable)
    for code in column.codes:
        right &= new != code
    for a, b in column.holes:
        right &= ~((new > a) & (new < b))
    if column.max_change:
        right &= change.abs() <= column.max_change * (1.0 + _HAIR)
    if column.max_change_share:
        right &= change.abs() <= column.max_change_share * old.abs() * (1.0 + _HAIR)
    return right | (new == old)
