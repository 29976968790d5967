"""Random tables to try plug-ins on, and a judge that knows no shortcut.

::

    draw = np.random.default_rng(seed)
    schema = random_schema(draw)
    x = random_rows(schema, n=20, draw=draw)
    ...
    assert not broken_rules(schema, before=x[0], after=counterfactual)
"""

from collections.abc import Sequence
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.datasets.tables import Column, ColumnKind, Link, Missing, Table, TableSchema

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
) -> TableSchema:
    """A schema of columns of every kind, with rules on some of them.

    Each link joins two columns of its own; the others are drawn. Some columns have a level for
    "missing", some numbers have steps. At most as many are immutable or monotone as given.
    """
    made = [_column(f"column {j}", draw) for j in range(columns)]
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
    order = draw.permutation(len(made))
    shuffled = [made[j] for j in order]
    free = [c.name for c in shuffled if c.kind is not ColumnKind.CATEGORICAL]
    signs = {name: int(draw.choice((-1, 1))) for name in draw.permutation(free)[:monotone].tolist()}
    held = draw.permutation([c.name for c in shuffled])[:immutable].tolist()
    target = Column(name="target", kind=ColumnKind.CATEGORICAL, levels=tuple(labels))
    plain = TableSchema(columns=tuple(shuffled), target=target, links=tuple(linked))
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
        if new == old:
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
        if column.kind is ColumnKind.INTEGER and new != int(new):
            faults.append(f"{change}, which is not whole")
        linked = any(column.name in link.columns for link in schema.links)
        steps = new / column.step if column.step and not linked else 0.0
        if abs(steps - round(steps)) > 1e-6 * max(1.0, abs(steps)):  # also of rows in float32
            faults.append(f"{change}, no multiple of {column.step}")
    faults += [
        f"{link.title} hold a combination that does not occur"
        for link in schema.links
        if tuple(row[name] for name in link.columns) not in link.rows
    ]
    return faults


def _column(name: str, draw: np.random.Generator) -> Column:
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
    if kind is ColumnKind.INTEGER:
        return Column(name=name, kind=kind, low=low, high=high)
    return Column(name=name, kind=kind, low=low, high=high + 0.5, step=float(draw.choice(_STEPS)))
