"""One thing that can be turned in a table: a column, or columns that change together."""

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cfsearch.errors import ConfigError, DataError

from ._columns import Column, ColumnKind, Missing
from ._schema import Link, TableSchema

_HAIR: Final = 1e-9
"""By how much of its size the largest change may be missed through rounding."""
_FAR: Final = 1024.0
"""How many ranges below its column a missing number stands, where it must be some number."""


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
        codes: values that no search goes to.
        kept: those of them that no search leaves either.
        holes: open intervals that no search goes to, in order.
        max_change: by how much it may change; 0 for any.
        max_change_share: by which share of its own size it may change; 0 for any.
        limits: of linked columns, by how much each may change; 0 for any.
        absent: the value that stands for a missing number; None where none is kept.
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
    codes: tuple[float, ...] = ()
    kept: tuple[float, ...] = ()
    holes: tuple[tuple[float, float], ...] = ()
    max_change: float = 0.0
    max_change_share: float = 0.0
    limits: tuple[tuple[float, float], ...] = ()
    absent: float | None = None

    def values(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        """The variable's value in each row, float64.

        Raises:
            DataError: linked columns hold a combination that does not occur.
        """
        if self.rows is None:
            value = x[..., self.columns[0]].double()
            return value if self.absent is None else torch.nan_to_num(value, nan=self.absent)
        same = (x[..., self.columns].double()[..., None, :] == self.rows.to(x.device)).all(-1)
        if not bool(same.any(-1).all()):
            raise DataError(
                f"table: a row holds a combination of {self.name!r} and its linked columns "
                "that does not occur."
            )
        return same.double().argmax(-1).double()

    def is_code(self, values: Float[Tensor, "*n"]) -> Bool[Tensor, "*n"]:
        """Whether each value is one of ``codes``."""
        out = torch.zeros_like(values, dtype=torch.bool)
        for code in self.codes:
            out |= values == code
        return out

    def keeps(self, new: Float[Tensor, "*n"], old: Float[Tensor, "*n"]) -> Bool[Tensor, "*n"]:
        """Whether a new combination of linked columns keeps the direction and the largest change of each.

        True where no columns are linked: there ``monotone`` and ``max_change`` say it all.
        """
        if self.rows is None:
            return torch.ones_like(new, dtype=torch.bool)
        rows = self.rows.to(new.device)
        sign = torch.tensor(self.directions, device=new.device)
        before, change = rows[old.long()], rows[new.long()] - rows[old.long()]
        right = (change * sign >= 0).all(-1)
        for j, (most, share) in enumerate(self.limits):
            if most:
                right &= change[..., j].abs() <= most * (1.0 + _HAIR)
            if share:
                right &= change[..., j].abs() <= share * before[..., j].abs() * (1.0 + _HAIR)
        return right

    def out_of_holes(
        self, new: Float[Tensor, "*n"], *, toward: Float[Tensor, "*n"] | None = None
    ) -> Float[Tensor, "*n"]:
        """The values, of those in a hole its nearer end; or the end on the side of ``toward``."""
        if not self.holes:
            return new
        low, high = torch.tensor(self.holes, dtype=torch.float64, device=new.device).T.contiguous()
        at = (torch.searchsorted(low, new.contiguous()) - 1).clamp_min(0)
        a, b = low[at], high[at]
        nearer = new - a <= b - new if toward is None else toward < new
        return torch.where((new > a) & (new < b), torch.where(nearer, a, b), new)


def variables_of(schema: TableSchema, *, followers: frozenset[str]) -> tuple[Variable, ...]:
    """The variables of a schema, in the order of its columns; columns that follow others have none."""
    links = {name: link for link in schema.links for name in link.columns}
    made: list[Variable] = []
    places = {name: at for at, name in enumerate(schema.names)} if schema.links else {}
    for j, column in enumerate(schema.columns):
        link = links.get(column.name)
        if column.name in followers:
            continue
        if link is None:
            made.append(_single(j, column))
        elif j == min(places[name] for name in link.columns):
            made.append(_joined(link, schema, places))
    return tuple(made)


def _single(j: int, column: Column) -> Variable:
    low, high = column.bounds
    top = len(column.levels) - 1 if column.has_levels else high - low
    span = float(top) or 1.0
    absent = low - _FAR * span if column.missing is Missing.KEEP else None
    codes = (*column.codes, *(() if absent is None else (absent,)))
    return Variable(
        name=column.name,
        columns=(j,),
        kind=column.kind,
        low=low,
        high=high,
        span=span,
        step=1.0 if column.has_levels else column.step,
        immutable=column.immutable,
        monotone=column.monotone,
        decimals=column.decimals,
        codes=codes,
        kept=codes if not column.leave_codes else () if absent is None else (absent,),
        holes=column.holes,
        max_change=column.max_change,
        max_change_share=column.max_change_share,
        absent=absent,
    )


def _joined(link: Link, schema: TableSchema, places: Mapping[str, int]) -> Variable:
    """One variable for linked columns: which combination, in an order where there is one.

    Combinations that no search may go to (a level for "missing", a number out of range, a code) come last.
    """
    columns = [schema.column(name) for name in link.columns]
    order = [i for i, c in enumerate(columns) if c.kind is not ColumnKind.CATEGORICAL]
    ruled = [i for i in order if columns[i].monotone]
    order = [*ruled, *(i for i in order if i not in ruled)]

    def open_(row: tuple[float, ...]) -> bool:
        return all(_is_open(c, v) for c, v in zip(columns, row, strict=True))

    rows = sorted(link.rows, key=lambda row: (not open_(row), *(row[i] for i in order), row))
    fine = [row for row in rows if open_(row)]
    signs = {columns[i].monotone * (1 if _rises(fine, i) else -1) for i in ruled}
    if not fine or len(signs) > 1 or any(not (_rises(fine, i) or _falls(fine, i)) for i in ruled):
        why = "no combination may be gone to" if not fine else "its monotone columns contradict each other"
        raise ConfigError(f"table schema, link of {link.title}: {why}.")
    ordered = bool(order) and len({row[order[0]] for row in rows}) == len(rows)
    coded = [
        float(i)
        for i, row in enumerate(rows)
        if any(v in c.codes and not c.leave_codes for c, v in zip(columns, row, strict=True))
    ]
    return Variable(
        name=link.columns[0],
        columns=tuple(places[name] for name in link.columns),
        kind=ColumnKind.ORDINAL if ordered or ruled else ColumnKind.CATEGORICAL,
        low=0.0,
        high=float(len(fine) - 1),
        span=float(len(rows) - 1) or 1.0,
        step=1.0,
        immutable=any(c.immutable for c in columns),
        monotone=next(iter(signs), 0),
        rows=torch.tensor(rows, dtype=torch.float64),
        directions=tuple(c.monotone for c in columns),
        codes=tuple(coded),
        kept=tuple(coded),
        limits=tuple((c.max_change, c.max_change_share) for c in columns),
    )


def _is_open(column: Column, value: float) -> bool:
    inside = column.bounds[0] <= value <= column.bounds[1] and value not in column.codes
    return inside and not any(a < value < b for a, b in column.holes)


def _rises(rows: list[tuple[float, ...]], i: int) -> bool:
    return all(a[i] <= b[i] for a, b in pairwise(rows))


def _falls(rows: list[tuple[float, ...]], i: int) -> bool:
    return all(a[i] >= b[i] for a, b in pairwise(rows))
