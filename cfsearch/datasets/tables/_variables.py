"""Search variables of a table, the rules on them, and the way from rows to values and back."""

from dataclasses import dataclass, field
from typing import Final, Self, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cfsearch.numerics.differing import differing
from cfsearch.numerics.gower import GowerIndex, gower, gower_table

from ._columns import ColumnKind
from ._language import Condition
from ._mending import Mender
from ._numbers import on_grid
from ._relations import Follow, Relations, condition_of, holds
from ._schema import TableSchema
from ._variable import Variable, variables_of

_HAIR: Final = 1e-9
"""How far past the end of a range a number may be by rounding, in ranges."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Variables:
    """All variables of a schema, and the way from rows to values and back.

    Raises:
        ConfigError: linked columns cannot keep all of their rules.
    """

    schema: TableSchema
    all: tuple[Variable, ...]
    relations: Relations = field(default_factory=Relations)
    _conditions: tuple[tuple[int, Condition], ...] = field(init=False, repr=False)
    _units: Float[Tensor, "u v"] = field(init=False, repr=False)
    _decimal: bool = field(init=False, repr=False)
    _turners: dict[int, tuple[int, ...]] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        conditions = [
            (i, condition_of(column.immutable_if, self.schema.columns))
            for i, variable in enumerate(self.all)
            for column in (self.schema.columns[j] for j in variable.columns)
            if column.immutable_if
        ]
        object.__setattr__(self, "_conditions", tuple(conditions))
        object.__setattr__(self, "_turners", self._found_turners())
        inf = float("inf")
        units = [
            (v.low, v.high, v.span, v.step, 10.0 ** (v.decimals or 0), float(v.monotone), float(v.immutable),
             v.max_change or inf, v.max_change_share or inf)
            for v in self.all
        ]  # fmt: skip
        object.__setattr__(self, "_decimal", any(v.decimals for v in self.all))
        object.__setattr__(self, "_units", torch.tensor(units, dtype=torch.float64).T.contiguous())

    @classmethod
    def of(cls, schema: TableSchema) -> Self:
        """The variables of a schema, in the order of its columns."""
        relations = schema.related()
        followers = frozenset(schema.names[follow.column] for follow in relations.follows)
        return cls(schema, variables_of(schema, followers=followers), relations)

    @property
    def missing_as(self) -> dict[str, float]:
        """Of each variable that may be missing, its value where it is."""
        return {variable.name: variable.absent for variable in self.all if variable.absent is not None}

    def values(self, x: Float[Tensor, "*n d"]) -> Float[Tensor, "*n v"]:
        """What each variable is in each row, float64.

        Raises:
            DataError: linked columns hold a combination that does not occur.
        """
        return torch.stack([variable.values(x) for variable in self.all], dim=-1)

    def bounds(self, x: Float[Tensor, "*n d"]) -> tuple[Float[Tensor, "*n v"], Float[Tensor, "*n v"]]:
        """The smallest and largest value that each variable may take from each row, on its steps.

        A value out of its range may stay, and may come back in; what may not change is both ends.

        Args:
            x: the rows as they are.

        Raises:
            DataError: linked columns hold a combination that does not occur.
        """
        old = self.values(x)
        low, high, span, step, _, sign, fixed, most, share = self._units.to(x.device)
        lower, upper = torch.minimum(low, old), torch.maximum(high, old)
        largest = torch.minimum(most, torch.nan_to_num(share * old.abs(), nan=torch.inf))
        still = (fixed > 0).expand(old.shape).clone()
        for i, variable in enumerate(self.all):
            if not variable.codes:
                continue
            largest[..., i] = torch.where(variable.is_code(old[..., i]), torch.inf, largest[..., i])
            for code in variable.kept:
                still[..., i] |= old[..., i] == code
        for i, condition in self._conditions:
            still[..., i] |= holds(condition, x, self.schema.columns)
        lower = torch.maximum(lower, old - largest)
        upper = torch.minimum(upper, old + largest)
        some, hair = torch.where(step > 0, step, 1.0), _HAIR * span
        lower = torch.where(step > 0, torch.ceil((lower - hair) / some) * some, lower)
        upper = torch.where(step > 0, torch.floor((upper + hair) / some) * some, upper)
        lower = torch.where(still | (sign > 0), old, torch.minimum(lower, old))
        upper = torch.where(still | (sign < 0), old, torch.maximum(upper, old))
        return lower, upper

    def snapped(self, values: Float[Tensor, "*n v"]) -> Float[Tensor, "*n v"]:
        """The values on their steps and out of their gaps, float64; other rules are not looked at."""
        low, high, span, step, tens, *_ = self._units.to(values.device)
        values, hair = values.double(), _HAIR * span
        nearest = torch.round(values / torch.where(step > 0, step, 1.0)) * step
        if self._decimal:
            nearest = torch.where(tens > 1, torch.round(nearest * tens) / tens, nearest)
        new = torch.where(step > 0, nearest, values)
        new = torch.where((new < low) & (new >= low - hair), low, new)
        new = torch.where((new > high) & (new <= high + hair), high, new)
        for i, variable in enumerate(self.all):
            if variable.holes:
                new[..., i] = variable.out_of_holes(new[..., i])
        return new

    def allowed(
        self,
        values: Float[Tensor, "*n v"],
        *,
        origin: Float[Tensor, "*n v"],
        x: Float[Tensor, "*n d"] | None = None,
        lower: Float[Tensor, "*n v"] | None = None,
        upper: Float[Tensor, "*n v"] | None = None,
        least: Float[Tensor, " v"] | None = None,
    ) -> Float[Tensor, "*n v"]:
        """The values on their steps; where one may not be gone to from ``origin``, that instead.

        What is required: a value in its range and in no gap, none that stands for something else ("missing",
        a code), a monotone one in its direction, an immutable one as it was, none changed by more than it
        may, and every relation between columns. Of a relation that is broken, changes are taken back as
        far as it needs; sums that must come out are filled up.

        Args:
            values: to go to.
            origin: the values of the rows as they are.
            x: those rows; left out, those that the values stand for.
            lower: the least values; left out, those of ``bounds``.
            upper: the largest values, likewise.
            least: the smallest change of each variable that counts, in its own unit; 0 when left out.
        """
        old = origin.double()
        rows = self.rows(old) if x is None else x.double()
        if lower is None or upper is None:
            lower, upper = self.bounds(rows)
        low, high, span, *_ = self._units.to(values.device)
        new, hair = self.snapped(values), _HAIR * span
        right = (new >= torch.maximum(low, lower) - hair) & (new <= torch.minimum(high, upper) + hair)
        right &= values != old  # a value that is on no step may stay
        if least is not None:
            right &= (new - old).abs() >= least * (1.0 - 1e-6)
        for i, v in enumerate(self.all):
            if v.codes:
                right[..., i] &= ~v.is_code(new[..., i])
            if v.rows is not None:
                right[..., i] &= v.keeps(new[..., i], old[..., i])
        new = torch.where(right, new, old)
        if not (self.relations.limits or self.relations.follows):
            return new
        mender = Mender(self, rows, old, lower=lower, upper=upper, least=least)
        return mender.kept(new)

    def rows(self, values: Float[Tensor, "*n v"]) -> Float[Tensor, "*n d"]:
        """The rows of values that are allowed, float64; columns that follow others are computed."""
        out = values.new_zeros(*values.shape[:-1], self.schema.d, dtype=torch.float64)
        for i, variable in enumerate(self.all):
            if variable.rows is None:
                one = values[..., i].double()
                one = one if variable.absent is None else torch.where(one == variable.absent, torch.nan, one)
                out[..., variable.columns[0]] = one
            else:
                out[..., list(variable.columns)] = variable.rows.to(values.device)[values[..., i].long()]
        for follow in self.relations.follows:
            out[..., follow.column] = self.followed(follow, out)
        return out

    def onto(
        self, values: Float[Tensor, "*n v"], *, origin: Float[Tensor, "*n v"], x: Float[Tensor, "*n d"]
    ) -> Float[Tensor, "*n d"]:
        """Rows with new values, float64; columns of which nothing changed are as they were.

        Args:
            values: that are allowed.
            origin: the values of the rows as they are.
            x: those rows.
        """
        changed = (values != origin)[..., list(self.owner)]
        old = x.double().expand(*changed.shape[:-1], -1)
        out = torch.where(changed, self.rows(values), old)
        for follow in self.relations.follows:
            sources = list(follow.sources)
            moved = differing(out[..., sources], old[..., sources]).any(-1)
            void = self.is_void(out, follow.sources) | self.is_void(old, (follow.column,))
            new = torch.where(moved & ~void, self.followed(follow, out), old[..., follow.column])
            out[..., follow.column] = new
        return out

    def followed(self, follow: Follow, rows: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        """What a column that follows others is by them, on its steps."""
        column = self.schema.columns[follow.column]
        made = follow.value(rows, self.schema.names)
        return on_grid(made, step=column.step, decimals=column.decimals)

    def is_void(self, rows: Float[Tensor, "*n d"], columns: tuple[int, ...]) -> Bool[Tensor, "*n"]:
        """Whether a relation says nothing of a row: one of its columns holds a code, or no number."""
        out = torch.zeros(rows.shape[:-1], dtype=torch.bool, device=rows.device)
        for j in columns:
            out |= torch.isnan(rows[..., j])
            for code in self.schema.columns[j].codes:
                out |= rows[..., j] == code
        return out

    @property
    def owner(self) -> tuple[int, ...]:
        """Which variable turns each column; of one that follows others the first of those."""
        return tuple(self._turners[j][0] for j in range(self.schema.d))

    def _found_turners(self) -> dict[int, tuple[int, ...]]:
        """The variables of each column, found once: a table may have tens of thousands of them."""
        own: dict[int, list[int]] = {}
        for i, variable in enumerate(self.all):
            for column in variable.columns:
                own.setdefault(column, []).append(i)
        follows = {follow.column: follow.sources for follow in reversed(self.relations.follows)}

        def of(column: int) -> tuple[int, ...]:
            if column in own:
                return tuple(own[column])
            return tuple(dict.fromkeys(i for source in follows[column] for i in of(source)))

        return {column: of(column) for column in (*own, *follows)}

    def turners(self, column: int) -> tuple[int, ...]:
        """All variables that turn a column.

        Args:
            column: its place.
        """
        return self._turners[column]

    def gower(self, x: Float[Tensor, "*n d"], y: Float[Tensor, "*n d"]) -> Float[Tensor, "*n"]:
        """Gower's distance of rows, in [0, 1]: the mean over the variables of how much they differ.

        Numbers and ordinal levels by their difference over the range, at most 1; categories by 0
        or 1; columns that change together count once, those that follow others not at all.

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
        return gower_table(self.scaled(a), self.scaled(b), categorical=self._categorical)

    def indexed(self, b: Float[Tensor, "r v"]) -> GowerIndex:
        """Rows to which distances are measured again and again, with ``scaled``.

        Args:
            b: values of the rows.
        """
        return GowerIndex.of(self.scaled(b), categorical=self._categorical)

    def scaled(self, values: Float[Tensor, "n v"]) -> Float[Tensor, "n v"]:
        """Values as shares of the range of their variable.

        Args:
            values: of rows.
        """
        return values / self._span(values)

    @property
    def _categorical(self) -> tuple[bool, ...]:
        return tuple(v.kind is ColumnKind.CATEGORICAL for v in self.all)

    def _span(self, like: Tensor) -> Float[Tensor, " v"]:
        return torch.tensor([v.span for v in self.all], dtype=torch.float64, device=like.device).to(
            like.dtype
        )
