"""Schema of a table: columns, links between them, and the target."""

import difflib
import hashlib
import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Final, Self, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.errors import ConfigError, DataError, ShapeError, listed
from cfsearch.numerics.differing import differs

from ._cells import NOT_AVAILABLE
from ._columns import Cell, Column, ColumnKind, Missing
from ._relations import Relations, condition_of, relations_of

MISSING_VALUES: Final = ("?", *sorted(NOT_AVAILABLE))
"""Cells that count as missing when a schema does not say otherwise: what pandas reads as NaN, and "?"."""


@final
@dataclass(frozen=True, slots=True)
class Link:
    """Columns of which only certain combinations of values occur, so that they change together.

    Args:
        columns: two names or more.
        rows: every combination that may occur, in canonical form; for ``education`` and
            ``education-num`` one a level.
    """

    columns: tuple[str, ...]
    rows: tuple[tuple[float, ...], ...]
    _known: frozenset[tuple[float, ...]] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_known", frozenset(self.rows))
        if len(self.columns) < 2 or len(set(self.columns)) != len(self.columns):
            raise ConfigError(f"table schema: a link joins two columns or more, got {self.columns!r}.")
        if not self.rows or len(self._known) != len(self.rows):
            raise ConfigError(f"table schema, link of {self.title}: combinations must be given once each.")
        if any(len(row) != len(self.columns) for row in self.rows):
            raise ConfigError(
                f"table schema, link of {self.title}: each combination needs {len(self.columns)} values."
            )

    @property
    def title(self) -> str:
        """The columns' names, for messages."""
        return " and ".join(self.columns)

    def occurs(self, values: Sequence[float]) -> bool:
        """Whether values of the columns occur together.

        Args:
            values: in canonical form, in the order of the columns.

        Example:
            >>> Link(("job", "job code"), ((0.0, 1.0), (1.0, 7.0))).occurs([1.0, 7.0])
            True
        """
        return tuple(values) in self._known


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class TableSchema:
    """The columns of a table and the rules between them.

    Args:
        columns: what the model is given, in its order.
        target: the column with the true class, where a table has one; its levels are the
            labels. It is no input.
        links: columns that change together.
        ignore: columns of a file that are no inputs (an identifier, a weight).
        missing_values: cells that count as missing.
        relations: rules between columns, ``a <= b`` or ``months = 12 * years``; see ``_language``.

    Raises:
        ConfigError: names are doubled or unknown, or rules contradict each other.
    """

    columns: tuple[Column, ...]
    target: Column | None = None
    links: tuple[Link, ...] = ()
    ignore: tuple[str, ...] = ()
    missing_values: tuple[str, ...] = MISSING_VALUES
    relations: tuple[str, ...] = ()
    _by_name: Mapping[str, Column] = field(init=False, repr=False, compare=False)
    _names: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.columns:
            raise ConfigError("table schema: there is no column.")
        object.__setattr__(self, "_names", tuple(column.name for column in self.columns))
        names = [*self.names, *([self.target.name] if self.target else []), *self.ignore]
        if len(set(names)) < len(names):
            twice = next(name for name, count in Counter(names).items() if count > 1)
            raise ConfigError(f"table schema: column {twice!r} stands there twice.")
        if self.target is not None and not (self.target.has_levels and len(self.target.levels) >= 2):
            raise ConfigError("table schema: `target` needs two labels or more.")
        object.__setattr__(self, "_by_name", {column.name: column for column in self.columns})
        linked = Counter(name for link in self.links for name in link.columns)
        for name, count in linked.items():
            self.column(name)
            if count > 1:
                raise ConfigError(f"table schema: column {name!r} stands in two links; join them to one.")
        for link in self.links:
            self._check_link(link)
        self.related()
        for column in self.columns:
            if column.immutable_if:
                condition_of(column.immutable_if, self.columns)

    def _check_link(self, link: Link) -> None:
        for name, values in zip(link.columns, zip(*link.rows, strict=True), strict=True):
            column = self.column(name)
            if column.has_levels and not all(v in range(len(column.levels)) for v in values):
                raise ConfigError(f"table schema, link of {link.title}: {name!r} has no such level.")

    def related(self) -> Relations:
        """The rules between columns, read.

        Raises:
            ConfigError: one of them is no rule, or they contradict each other.
        """
        linked = [name for link in self.links for name in link.columns]
        return relations_of(self.relations, self.columns, linked=linked)

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns that the model is given."""
        return self._names

    @property
    def d(self) -> int:
        """How many columns the model is given."""
        return len(self.columns)

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes of the target column; none without one."""
        return () if self.target is None else self.target.levels

    @property
    def fingerprint(self) -> str:
        """A hash of the whole schema."""
        return hashlib.sha256(json.dumps(self.to_dict(), sort_keys=True).encode()).hexdigest()

    @property
    def has_costs(self) -> bool:
        """Whether a column says what its changes cost."""
        return any(c.cost is not None or c.cost_per_step > 0 for c in self.columns)

    def column(self, name: str) -> Column:
        """One column by its name.

        Raises:
            ConfigError: no column has that name; says which is nearest.
        """
        if name in self._by_name:
            return self._by_name[name]
        near = difflib.get_close_matches(name, self.names, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise ConfigError(f"table schema: no column {name!r}.{hint} Columns: {listed(self.names, most=30)}.")

    def ruled(
        self, *, immutable: Sequence[str] = (), monotone: Mapping[str, int] = MappingProxyType({})
    ) -> Self:
        """The same schema with more columns held fixed, or bound to one direction.

        Raises:
            ConfigError: no column has that name, or it cannot be monotone.
        """
        for name in (*immutable, *monotone):
            self.column(name)
        held = frozenset(immutable)
        columns = tuple(
            replace(c, immutable=c.immutable or c.name in held, monotone=monotone.get(c.name, c.monotone))
            for c in self.columns
        )
        return replace(self, columns=columns)

    def encode(self, cells: Mapping[str, Cell]) -> Float[np.ndarray, " d"]:
        """One row in canonical form, from its cells by name; more cells than columns do no harm.

        Raises:
            DataError: a column is missing, a cell is no value of its column, a combination of
                linked columns does not occur.
        """
        row = np.empty(self.d)
        for j, column in enumerate(self.columns):
            if column.name not in cells:
                raise DataError(f"the column {column.name!r} is missing; it has {listed(cells, most=30)}.")
            cell = cells[column.name]
            if is_missing(cell, self.missing_values) and cell not in column.levels:
                cell = stand_in(column)
            row[j] = column.code(cell)
        self.check_links(row[None])
        return row

    def decode(self, row: Iterable[float]) -> dict[str, Cell]:
        """The cells of one row in canonical form."""
        return {c.name: c.cell(float(v)) for c, v in zip(self.columns, row, strict=True)}

    def check(self, x: Float[Tensor, "n d"]) -> None:
        """Refuses what is no table of this schema.

        Raises:
            ShapeError: it has other columns.
            DataError: a number is not finite, a level does not exist, or linked columns hold a
                combination that does not occur.
        """
        if x.ndim != 2 or x.shape[1] != self.d:
            raise ShapeError(
                f"table: expected shape (n, {self.d}) for {self.d} columns, got {tuple(x.shape)}."
            )
        for j, column in enumerate(self.columns):
            codes = x[:, j]
            bad = ~torch.isfinite(codes)
            if column.missing is Missing.KEEP:
                bad &= ~torch.isnan(codes)
            if column.has_levels:
                bad |= (codes != codes.round()) | (codes < 0) | (codes > len(column.levels) - 1)
            if bool(bad.any()):
                i = int(bad.nonzero()[0, 0])
                what = f"the index of one of {len(column.levels)} levels" if column.has_levels else "finite"
                raise DataError(
                    f"table, row {i}, column {column.name!r}: must be {what}, got {float(codes[i])}."
                )
        self.check_links(x.detach().cpu().double().numpy())

    def check_links(
        self, rows: Float[np.ndarray, "n d"], *, where: Callable[[int], str] = "table: row {}".format
    ) -> None:
        """Refuses rows whose linked columns hold a combination that does not occur.

        Args:
            rows: in canonical form.
            where: what messages call a row.

        Raises:
            DataError: says which row, which combination, and what occurs.
        """
        places = {name: at for at, name in enumerate(self.names)} if self.links else {}
        for link in self.links:
            at = [places[name] for name in link.columns]
            for i, row in enumerate(rows[:, at].tolist()):
                if not link.occurs(row):
                    raise DataError(f"{where(i)}: {self.apart(link, row)}")

    def apart(self, link: Link, values: Sequence[float]) -> str:
        """What to say of values of linked columns that do not occur together.

        Args:
            link: that does not hold.
            values: of its columns, in canonical form.
        """
        got = ", ".join(f"{n} {self.column(n).text(v)}" for n, v in zip(link.columns, values, strict=True))
        return f"{link.title} are linked, and {got} do not occur together. Correct the row, or add the combination to the link."

    def words(self, before: Sequence[float], after: Sequence[float]) -> tuple[str, ...]:
        """What changed between two rows, in the columns' own units: "age 39 -> 45 years"."""
        return tuple(
            f"{c.name} {c.text(old)} -> {c.text(new)}{' ' + c.unit if c.unit else ''}"
            for c, old, new in zip(self.columns, before, after, strict=True)
            if differs(old, new)
        )

    def to_dict(self) -> dict[str, Any]:  # Any: plain values, whatever they are
        """Plain values, as in a TOML file."""
        out: dict[str, Any] = {"format": FORMAT, "missing_values": list(self.missing_values)}
        if self.ignore:
            out["ignore"] = list(self.ignore)
        if self.target is not None:
            out["target"] = {"name": self.target.name, "labels": list(self.target.levels)}
        out["columns"] = [_plain(column) for column in self.columns]
        if self.links:
            out["links"] = [
                {
                    "columns": list(link.columns),
                    "rows": [
                        [self.column(n).cell(v) for n, v in zip(link.columns, row, strict=True)]
                        for row in link.rows
                    ],
                }
                for link in self.links
            ]
        if self.relations:
            out["relations"] = list(self.relations)
        return out


FORMAT: Final = "cfsearch-table/1"


def is_missing(cell: Cell, markers: Sequence[str]) -> bool:
    """Whether a cell counts as missing; of numbers NaN alone."""
    return cell.strip() in markers if isinstance(cell, str) else math.isnan(cell)


def stand_in(column: Column) -> Cell:
    """What stands for a missing cell.

    Raises:
        DataError: the column's policy is to refuse, or to drop the row.
    """
    if column.missing is Missing.FILL and column.fill is not None:
        return column.fill
    if column.missing is Missing.LEVEL:
        return column.levels[-1]
    if column.missing is Missing.KEEP:
        return math.nan
    others = (
        "'fill' or 'level'"
        if column.has_levels
        else "'fill', or 'keep' where the model takes missing numbers"
    )
    raise DataError(
        f"column {column.name!r}: the cell is missing. Fill it in, or set `missing` in the schema to "
        f"'drop', {others}."
    )


def _plain(column: Column) -> dict[str, Any]:
    out: dict[str, Any] = {"name": column.name, "kind": column.kind.value}
    if column.has_levels:
        out["levels"] = list(column.levels)
    else:
        whole = column.kind is ColumnKind.INTEGER
        out["range"] = [int(v) if whole else v for v in (column.low, column.high)]
        if column.step != (1.0 if whole else 0.0):
            out["step"] = int(column.step) if whole else column.step
        if column.digits:
            out["digits"] = column.digits
    if column.unit:
        out["unit"] = column.unit
    if column.immutable:
        out["immutable"] = True
    if column.monotone:
        out["monotone"] = "up" if column.monotone > 0 else "down"
    if column.missing is not Missing.REFUSE:
        out["missing"] = column.missing.value
    if column.fill is not None:
        out["fill"] = column.fill
    if column.unknown:
        out["unknown"] = column.unknown
    if column.dtype:
        out["dtype"] = column.dtype
    for key, numbers in (("codes", column.codes), ("values", column.values)):
        if numbers:
            out[key] = [_short(column, v) for v in numbers]
    if column.leave_codes:
        out["leave_codes"] = True
    if column.gaps:
        out["gaps"] = [[_short(column, v) for v in gap] for gap in column.gaps]
    if column.max_change_share and column.max_change:
        out["max_change"] = [column.max_change, _share(column)]
    elif column.max_change_share:
        out["max_change"] = _share(column)
    elif column.max_change:
        out["max_change"] = column.max_change
    if column.immutable_if:
        out["immutable_if"] = column.immutable_if
    if column.cost is not None:
        out["cost"] = column.cost
    if column.cost_per_step:
        out["cost_per_step"] = column.cost_per_step
    return out


def _share(column: Column) -> str:
    return f"{100.0 * column.max_change_share:.12g} %"


def _short(column: Column, value: float) -> float | int:
    return int(value) if column.kind is ColumnKind.INTEGER else value
