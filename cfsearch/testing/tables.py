"""Random tables to try plug-ins on, and a judge that knows no shortcut.

::

    draw = np.random.default_rng(seed)
    schema = random_schema(draw)
    x = random_rows(schema, n=20, draw=draw)
    ...
    assert not broken_rules(schema, before=x[0], after=counterfactual)
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.datasets.tables import Column, ColumnKind, Link, Missing, Table, TableSchema
from cfsearch.numerics.differing import differs

_STEPS: Final = (0.0, 0.0, 0.01, 0.25, 10.0)
_KINDS: Final = tuple(ColumnKind)


def random_schema(
    draw: np.random.Generator,
    *,
    columns: int = 9,
    immutable: int = 3,
    monotone: int = 2,
    links: int = 1,
    labels: Sequence[str] = ("no", "yes"),
    relations: int = 0,
) -> TableSchema:
    """A schema of columns of every kind, with rules on some of them.

    Each link joins two columns of its own; the others are drawn. Some columns have a level for
    "missing", some numbers have steps. At most as many are immutable or monotone as given. With
    ``relations`` so many groups of four columns are added whose numbers hang together (``a <= b``,
    ``a + b + c = 60``, ``d = 12 * a``); then some numbers also have codes, gaps, values, a largest change
    or are missing, and some columns must not change in some rows.

    Args:
        draw: draws everything.
        columns: how many are drawn.
        immutable: at most so many.
        monotone: at most so many.
        links: pairs of linked columns.
        labels: classes of the target.
        relations: groups of related columns.
    """
    made = [_column(f"column {j}", draw, plain=not relations) for j in range(columns)]
    linked, joined = [], []
    for i in range(links):
        size = int(draw.integers(3, 8))
        names = (f"grade {i}", f"grade number {i}")
        joined.append(
            Column(name=names[0], kind=ColumnKind.CATEGORICAL, levels=tuple(f"g{t}" for t in range(size)))
        )
        joined.append(Column(name=names[1], kind=ColumnKind.INTEGER, low=0.0, high=float(2 * size)))
        numbers = draw.permutation(2 * size)[:size]
        rows = tuple((float(level), float(number)) for level, number in enumerate(numbers))
        linked.append(Link(names, rows))
    made += joined
    if relations:
        made = [_conditioned(column, made, draw) for column in made]
    rules: list[str] = []
    for i in range(relations):
        group, described = _related(i, draw)
        made += group
        rules += described
    order = draw.permutation(len(made))
    shuffled = [made[j] for j in order]
    free = [c.name for c in shuffled if c.kind is not ColumnKind.CATEGORICAL]
    signs = {name: int(draw.choice((-1, 1))) for name in draw.permutation(free)[:monotone].tolist()}
    held = draw.permutation([c.name for c in shuffled])[:immutable].tolist()
    target = Column(name="target", kind=ColumnKind.CATEGORICAL, levels=tuple(labels))
    plain = TableSchema(columns=tuple(shuffled), target=target, links=tuple(linked), relations=tuple(rules))
    return plain.ruled(immutable=held, monotone=signs)


def random_rows(schema: TableSchema, *, n: int, draw: np.random.Generator) -> Float[Tensor, "n d"]:
    """Rows of a schema, float64: some numbers out of range or between steps, as data are."""
    x = np.empty((n, schema.d))
    for j, column in enumerate(schema.columns):
        if column.has_levels:
            x[:, j] = draw.integers(len(column.levels), size=n)
            continue
        span = column.high - column.low
        values = draw.uniform(column.low - 0.05 * span, column.high + 0.05 * span, size=n)
        steps = column.step or 1e-3
        on_step = np.round(np.round(values / steps) * steps, 6)
        odd = draw.random(n) < 0.1
        x[:, j] = np.round(values) if column.kind is ColumnKind.INTEGER else np.where(odd, values, on_step)
    for link in schema.links:
        at = [schema.names.index(name) for name in link.columns]
        x[:, at] = np.array(link.rows)[draw.integers(len(link.rows), size=n)]
    for i in range(sum(name.endswith("_a") for name in schema.names)):
        _relate(x, i, schema, draw)
    for j, column in enumerate(schema.columns):
        if column.codes:
            x[draw.random(n) < 0.2, j] = column.codes[0]
        if column.missing is Missing.KEEP:
            x[draw.random(n) < 0.2, j] = np.nan
    return torch.from_numpy(x)


def random_table(schema: TableSchema, *, n: int, draw: np.random.Generator) -> Table:
    """Rows of a schema with random classes."""
    target = torch.from_numpy(draw.integers(len(schema.labels), size=n))
    return Table(schema, random_rows(schema, n=n, draw=draw), target, tuple(range(n)))


def broken_rules(schema: TableSchema, *, before: Sequence[float], after: Sequence[float]) -> list[str]:
    """Every rule that a changed row breaks, one sentence each; none where it keeps them all.

    A column that did not change keeps every rule, also where the data themselves did not.
    """
    faults = []
    row = dict(zip(schema.names, after, strict=True))
    for column, old, new in zip(schema.columns, before, after, strict=True):
        if not differs(new, old):
            continue
        change = f"{column.name!r} went from {old!r} to {new!r}"
        if column.immutable:
            faults.append(f"{change}, but is immutable")
        if (new - old) * column.monotone < 0:
            faults.append(f"{change}, against its direction")
        if column.has_levels:
            last = len(column.levels) - 1
            if new != int(new) or not 0 <= new <= last:
                faults.append(f"{change}, which is no level")
            elif column.missing is Missing.LEVEL and new == last:
                faults.append(f"{change}, which stands for missing")
            continue
        if not column.low <= new <= column.high:
            faults.append(f"{change}, out of {column.low} to {column.high}")
        if math.isnan(new) or math.isnan(old):
            faults.append(f"{change}: a missing number is neither found nor lost")
            continue
        if new in column.codes or (old in column.codes and not column.leave_codes):
            faults.append(f"{change}, a code")
        if column.values and not any(abs(new - v) <= 1e-5 for v in column.values):
            faults.append(f"{change}, which is none of its values")
        if any(a + 1e-6 < new < b - 1e-6 for a, b in column.gaps):
            faults.append(f"{change}, which lies in a gap")
        if old not in column.codes:
            limits = (column.max_change, column.max_change_share * abs(old))
            if any(most and abs(new - old) > most * (1 + 1e-6) for most in limits):
                faults.append(f"{change}, more than it may")
        if column.kind is ColumnKind.INTEGER and new != int(new):
            faults.append(f"{change}, which is not whole")
        linked = any(column.name in link.columns for link in schema.links)
        steps = new / column.step if column.step and not linked and not column.values else 0.0
        if abs(steps - round(steps)) > 1e-6 * max(1.0, abs(steps)):  # also of rows in float32
            faults.append(f"{change}, no multiple of {column.step}")
    faults += [
        f"{link.title} hold a combination that does not occur"
        for link in schema.links
        if tuple(row[name] for name in link.columns) not in link.rows
    ]
    return faults + _broken_relations(schema, dict(zip(schema.names, before, strict=True)), row)


def _broken_relations(schema: TableSchema, before: dict[str, float], after: dict[str, float]) -> list[str]:
    """Relations that do not hold, judged by Python itself; those of untouched columns do not bind.

    A column that follows others is on its own steps, so at most half of one off what it follows.
    """
    faults = []
    for text in schema.relations:
        code = compile(text.replace(" = ", " == "), "<relation>", "eval")
        used = [schema.column(name) for name in code.co_names]
        if all(before[c.name] == after[c.name] for c in used):
            continue
        values = [after[c.name] for c in used]
        if any(math.isnan(v) or v in c.codes for c, v in zip(used, values, strict=True)):
            continue
        loose = text.replace(" <= ", " <= 1e-5 + ").replace(" < ", " < 1e-5 + ")
        left, equals, right = loose.partition(" = ")
        step = schema.column(left).step if left in schema.names else 0.0
        loose = f"abs({left} - ({right})) <= {step / 2.0} + 1e-4" if equals else loose
        if not eval(loose, {"abs": abs}, after):  # noqa: S307  # a rule that this file wrote
            faults.append(f"{text!r} does not hold: { ({c.name: after[c.name] for c in used}) }")
    for column in schema.columns:
        name, _, level = column.immutable_if.replace('"', "").partition(" = ")
        if name and after[column.name] != before[column.name]:
            own = schema.column(name)
            if own.cell(before[name]) == level.strip("'"):
                faults.append(f"{column.name!r} changed, but must not where {column.immutable_if}")
    return faults


def _related(i: int, draw: np.random.Generator) -> tuple[list[Column], list[str]]:
    """Columns whose numbers hang together, and what is declared of them; names are words of Python."""
    step = float(draw.choice((0.0, 0.5, 1.0)))
    kind = ColumnKind.INTEGER if step == 1.0 else ColumnKind.REAL
    a, b, c, d = (f"part_{i}_{letter}" for letter in "abcd")
    made = [Column(name=name, kind=kind, low=0.0, high=60.0, step=step) for name in (a, b, c)]
    made.append(Column(name=d, kind=kind, low=0.0, high=500.0, step=step))
    if draw.random() < 0.3:
        made[0] = replace(made[0], codes=(-9.0,), max_change=20.0)
    if draw.random() < 0.3:
        made[1] = replace(made[1], immutable=True)
    choice = int(draw.integers(4))
    rules = (
        [f"{a} <= {b}", f"{b} <= {c}"],
        [f"{a} + {b} + {c} = 60"],
        [f"{a} <= {b}", f"{d} = 12 * {a}"],
        [f"{a} < {c}", f"{d} = {a} * 2 + {b}", f"{b} + {c} <= 90"],
    )[choice]
    return made, rules


def _relate(x: np.ndarray, i: int, schema: TableSchema, draw: np.random.Generator) -> None:
    """Makes most rows keep the relations of one group, and leaves some that do not."""
    at = [schema.names.index(f"part_{i}_{letter}") for letter in "abcd"]
    own = [text for text in schema.relations if f"part_{i}_" in text]
    rows = draw.random(len(x)) < 0.8
    three = np.sort(np.clip(x[:, at[:3]], 0.0, 40.0), axis=1)
    three = np.round(three * 2.0) / 2.0 if schema.columns[at[0]].kind is ColumnKind.REAL else np.round(three)
    if "= 60" in own[0]:
        three[:, 2] = 60.0 - three[:, 0] - three[:, 1]
    elif "<" in own[0] and "<=" not in own[0]:
        three[:, 2] += 1.0
    four = np.column_stack(
        [three, 12.0 * three[:, 0] if "12" in own[-1] else 2.0 * three[:, 0] + three[:, 1]]
    )
    for k, j in enumerate(at):
        x[rows, j] = four[rows, k]


def _conditioned(column: Column, others: Sequence[Column], draw: np.random.Generator) -> Column:
    """The column, in one of five cases with a condition under which it must not change."""
    levels = [c for c in others if c.has_levels and c.name != column.name]
    if draw.random() > 0.2 or not levels:
        return column
    other = levels[int(draw.integers(len(levels)))]
    return replace(column, immutable_if=f"\"{other.name}\" = '{other.levels[0]}'")


def _column(name: str, draw: np.random.Generator, *, plain: bool) -> Column:
    kind = _KINDS[int(draw.integers(len(_KINDS)))]
    if kind in (ColumnKind.ORDINAL, ColumnKind.CATEGORICAL):
        missing = bool(draw.random() < 0.3)
        levels = [f"level {i}" for i in range(int(draw.integers(2, 7)))]
        return Column(
            name=name,
            kind=kind,
            levels=(*levels, "?") if missing else tuple(levels),
            missing=Missing.LEVEL if missing else Missing.REFUSE,
        )
    low = float(draw.integers(-50, 50))
    high = low + float(draw.integers(0, 2000))
    support = {} if plain else _support(low, high, draw)
    if not plain and draw.random() < 0.3:
        support |= {"cost": 2.0, "cost_per_step": 0.5}
    if kind is ColumnKind.INTEGER:
        return Column(name=name, kind=kind, low=low, high=high, **support)
    step = 0.0 if "values" in support else float(draw.choice(_STEPS))
    return Column(name=name, kind=kind, low=low, high=high + 0.5, step=step, **support)


def _support(low: float, high: float, draw: np.random.Generator) -> dict[str, Any]:  # Any: settings
    """Settings of where a column of numbers may go; mostly none."""
    span = high - low
    if span < 10.0:
        return {}
    choices: tuple[dict[str, Any], ...] = (
        {"codes": (low - 9.0, low - 8.0)},
        {"codes": (low - 9.0, low + 3.0), "leave_codes": True},
        {"values": (low, low + 2.0, low + 7.0, high)},
        {"gaps": ((low + 1.0, low + float(int(span / 3.0)) + 2.0),)},
        {"max_change": float(int(span / 5.0) + 1)},
        {"max_change_share": 0.25},
        {"missing": Missing.KEEP},
    )
    return choices[int(draw.integers(len(choices)))] if draw.random() < 0.5 else {}
