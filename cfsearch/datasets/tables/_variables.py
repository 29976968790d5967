"""What can be turned in a table: one variable a column, one for columns that change together."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.errors import ConfigError, DataError
from cfsearch.numerics.gower import gower, gower_table

from ._columns import Column, ColumnKind, on_grid
from ._schema import Link, TableSchema

_HAIR: Final = 1e-9
"""How far past the end of a range a number may be by rounding, in ranges."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Variable:
    """One thing to turn: a column's number or level, or which combination of linked columns.

    Args:
        name: the column's; of linked columns the first one's.
        columns: places of the columns in a row.
        kind: ordinal where its values have an order, also that of combinations.
        low, high: where a search may go.
        span: largest difference of two values, the 1 of Gower's distance.
        step: values are multiples of this; 0 for any number.
        immutable, monotone: as for ``Column``.
        decimals: that a multiple of ``step`` has.
        rows: of linked columns, what each value means.
        directions: of linked columns, the ``monotone`` of each.
    """

    name: str
    columns: tuple[int, ...]
    kind: ColumnKind
    low: float
    high: float
    span: float
    step: float
    immutable: bool
    monotone: int
    decimals: int | None = 0
    rows: Float[Tensor, "t c"] | None = None
    directions: tuple[int, ...] = ()

    def values(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        """The variable's value in each row, float64.

        Raises:
            DataError: linked columns hold a combination that does not occur.
        """
        if self.rows is None:
            return x[..., self.columns[0]].double()
        same = (x[..., self.columns].double()[..., None, :] == self.rows.to(x.device)).all(-1)
        if not bool(same.any(-1).all()):
            raise DataError(
                f"table: a row holds a combination of {self.name!r} and its linked columns "
                "that does not occur."
            )
        return same.double().argmax(-1).double()


@final
@dataclass(frozen=True, slots=True, eq=False)
class Variables:
    """All variables of a schema, and the way from rows to values and back.

    Raises:
        ConfigError: linked columns cannot keep all of their rules.
    """

    schema: TableSchema
    all: tuple[Variable, ...]

    @classmethod
    def of(cls, schema: TableSchema) -> Self:
        """The variables of a schema, in the order of its columns."""
        links = {name: link for link in schema.links for name in link.columns}
        made: list[Variable] = []
        for j, column in enumerate(schema.columns):
            link = links.get(column.name)
            if link is None:
                made.append(_single(j, column))
            elif not any(j in variable.columns for variable in made):
                made.append(_joined(link, schema))
        return cls(schema, tuple(made))

    def values(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n v"]:
        """What each variable is in each row, float64.

        Raises:
            DataError: linked columns hold a combination that does not occur.
        """
        return torch.stack([variable.values(x) for variable in self.all], dim=-1)

    def allowed(
        self, values: Float[Tensor, "*n v"], *, origin: Float[Tensor, "*n v"]
    ) -> Float[Tensor, "*n v"]:
        """The values on their steps; where one may not be gone to from ``origin``, that instead.

        The rules: a value in its range, none that stands for "missing", a monotone one in its
        direction, an immutable one as it was.
        """
        out = []
        for i, v in enumerate(self.all):
            old = origin[..., i].double()
            new = on_grid(values[..., i], step=v.step, decimals=v.decimals)
            inside = (new >= v.low - _HAIR * v.span) & (new <= v.high + _HAIR * v.span)
            new = new.clamp(v.low, v.high)
            right = inside & ((new - old) * v.monotone >= 0)
            if v.rows is not None:
                rows, sign = v.rows.to(new.device), torch.tensor(v.directions, device=new.device)
                right &= ((rows[new.long()] - rows[old.long()]) * sign >= 0).all(-1)
            out.append(old.expand_as(new) if v.immutable else torch.where(right, new, old))
        return torch.stack(out, dim=-1)

    def rows(self, values: Float[Tensor, "*n v"]) -> Float[Tensor, "*n d"]:
        """The rows of values that are allowed, float64."""
        out = values.new_zeros(*values.shape[:-1], self.schema.d, dtype=torch.float64)
        for i, variable in enumerate(self.all):
            if variable.rows is None:
                out[..., variable.columns[0]] = values[..., i].double()
            else:
                out[..., list(variable.columns)] = variable.rows.to(values.device)[values[..., i].long()]
        return out

    @property
    def owner(self) -> tuple[int, ...]:
        """Which variable turns each column."""
        place = {j: i for i, variable in enumerate(self.all) for j in variable.columns}
        return tuple(place[j] for j in range(self.schema.d))

    def gower(self, x: Float[Tensor, "*n d"], y: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        """Gower's distance of rows, in [0, 1]: the mean over the variables of how much they differ.

        Numbers and ordinal levels by their difference over the range, at most 1; categories by 0
        or 1; columns that change together count once.

        Args:
            x: rows.
            y: as many rows, compared one by one.
        """
        change = (self.values(x) - self.values(y)) / self._span(x)
        return gower(change, categorical=torch.tensor(self._categorical, device=x.device))

    def gower_table(self, x: Float[Tensor, "n d"], y: Float[Tensor, "r d"]) -> Float[Tensor, "n r"]:
        """Gower's distance of every row of one table to every row of another.

        Args:
            x: rows of the one.
            y: rows of the other.
        """
        return self.gower_values(self.values(x), self.values(y))

    def gower_values(self, a: Float[Tensor, "n v"], b: Float[Tensor, "r v"]) -> Float[Tensor, "n r"]:
        """``gower_table`` of rows whose ``values`` are at hand.

        Args:
            a: values of the rows of one table.
            b: values of the rows of another.
        """
        return gower_table(a / self._span(a), b / self._span(a), categorical=self._categorical)

    @property
    def _categorical(self) -> tuple[bool, ...]:
        return tuple(v.kind is ColumnKind.CATEGORICAL for v in self.all)

    def _span(self, like: Tensor) -> Float[Tensor, " v"]:
        return torch.tensor([v.span for v in self.all], dtype=torch.float64, device=like.device).to(
            like.dtype
        )


def _single(j: int, column: Column) -> Variable:
    low, high = column.reach
    top = len(column.levels) - 1 if column.has_levels else high - low
    return Variable(
        name=column.name,
        columns=(j,),
        kind=column.kind,
        low=low,
        high=high,
        span=float(top) or 1.0,
        step=1.0 if column.has_levels else column.step,
        immutable=column.immutable,
        monotone=column.monotone,
        decimals=column.decimals,
    )


def _joined(link: Link, schema: TableSchema) -> Variable:
    """One variable for linked columns: which combination, in an order where there is one.

    Combinations that no search may go to (a level for "missing", a number out of range) come last.
    """
    columns = [schema.column(name) for name in link.columns]
    order = [i for i, c in enumerate(columns) if c.kind is not ColumnKind.CATEGORICAL]
    ruled = [i for i in order if columns[i].monotone]
    order = [*ruled, *(i for i in order if i not in ruled)]

    def open_(row: tuple[float, ...]) -> bool:
        return all(c.reach[0] <= v <= c.reach[1] for c, v in zip(columns, row, strict=True))

    rows = sorted(link.rows, key=lambda row: (not open_(row), *(row[i] for i in order), row))
    fine = [row for row in rows if open_(row)]
    signs = {columns[i].monotone * (1 if _rises(fine, i) else -1) for i in ruled}
    if not fine or len(signs) > 1 or any(not (_rises(fine, i) or _falls(fine, i)) for i in ruled):
        why = "no combination may be gone to" if not fine else "its monotone columns contradict each other"
        raise ConfigError(f"table schema, link of {link.title}: {why}.")
    ordered = bool(order) and len({row[order[0]] for row in rows}) == len(rows)
    return Variable(
        name=link.columns[0],
        columns=tuple(schema.names.index(name) for name in link.columns),
        kind=ColumnKind.ORDINAL if ordered or ruled else ColumnKind.CATEGORICAL,
        low=0.0,
        high=float(len(fine) - 1),
        span=float(len(rows) - 1) or 1.0,
        step=1.0,
        immutable=any(c.immutable for c in columns),
        monotone=next(iter(signs), 0),
        rows=torch.tensor(rows, dtype=torch.float64),
        directions=tuple(c.monotone for c in columns),
    )


def _rises(rows: list[tuple[float, ...]], i: int) -> bool:
    return all(a[i] <= b[i] for a, b in pairwise(rows))


def _falls(rows: list[tuple[float, ...]], i: int) -> bool:
    return all(a[i] >= b[i] for a, b in pairwise(rows))
