"""Changes of rows made to keep the relations between columns."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cfsearch.numerics.differing import differing

from ._numbers import on_grid
from ._relations import Follow, Limit, column_keeps, condition_of, holds

if TYPE_CHECKING:
    from ._variables import Variables

_HAIR: Final = 1e-9
_HALVINGS: Final = 4
"""How often a change that cannot be taken back exactly is halved before it is given up."""


@final
class Mender:
    """Changes of some rows, and what the relations between their columns leave of them.

    A rule binds a row only where one of its columns changed: what the data hold already may stay.

    Args:
        variables: of the schema.
        x: the rows as they are.
        origin: their values.
        lower: the least values.
        upper: the largest values.
        least: the smallest change of each variable that counts; None for any.
    """

    def __init__(
        self,
        variables: "Variables",
        x: Float[Tensor, "*n d"],
        origin: Float[Tensor, "*n v"],
        *,
        lower: Float[Tensor, "*n v"],
        upper: Float[Tensor, "*n v"],
        least: Float[Tensor, " v"] | None,
    ) -> None:
        self._variables, self._relations = variables, variables.relations
        self._x, self._origin = x, origin
        self._lower, self._upper = lower, upper
        self._least = torch.zeros(len(variables.all), dtype=torch.float64) if least is None else least

    def kept(self, values: Float[Tensor, "*n v"]) -> Float[Tensor, "*n v"]:
        """The values with which every relation holds; those that keep them all are left as they are."""
        broken = self._broken(values)
        if not bool(broken.any()):
            return values
        some = Mender(
            self._variables,
            self._x.expand(*values.shape[:-1], -1)[broken],
            self._origin.expand_as(values)[broken],
            lower=self._lower.expand_as(values)[broken],
            upper=self._upper.expand_as(values)[broken],
            least=self._least,
        )
        out = values.clone()
        out[broken] = some._mended(values[broken])
        return out

    def _mended(self, values: Float[Tensor, "m v"]) -> Float[Tensor, "m v"]:
        rules = self._relations.all
        for _ in range(_HALVINGS + len(rules)):
            clean = True
            for rule in rules:
                bad = self._breaks(rule, values)
                if not bool(bad.any()):
                    continue
                clean = False
                mended = self._mend(rule, values)
                values = torch.where(bad[:, None], mended, values)
            if clean:
                return values
        for rule in rules:  # what is left goes back, with all that hangs together with it
            bad = self._breaks(rule, values)
            back = self._together(rule)
            values = torch.where(bad[:, None] & back, self._origin, values)
        return values

    def _mend(self, rule: Limit | Follow, values: Float[Tensor, "m v"]) -> Float[Tensor, "m v"]:
        if isinstance(rule, Limit) and rule.equal:
            return self._filled(rule, values)
        return self._pulled(rule, values)

    def _broken(self, values: Float[Tensor, "*n v"]) -> Bool[Tensor, "*n"]:
        rows = self._rows(values)
        out = torch.zeros(values.shape[:-1], dtype=torch.bool, device=values.device)
        for rule in self._relations.all:
            out |= self._breaks(rule, values, rows=rows)
        return out

    def _rows(self, values: Float[Tensor, "*n v"]) -> Float[Tensor, "*n d"]:
        return self._variables.onto(values, origin=self._origin, x=self._x)

    def _breaks(
        self, rule: Limit | Follow, values: Float[Tensor, "*n v"], *, rows: Tensor | None = None
    ) -> Bool[Tensor, "*n"]:
        """Whether each row breaks a rule that one of its changes touches."""
        rows = self._rows(values) if rows is None else rows
        if isinstance(rule, Follow):
            return self._follows_wrongly(rule, rows)
        columns = list(rule.columns)
        touched = differing(rows[..., columns], self._x[..., columns]).any(-1)
        return touched & (rule.excess(rows) != 0) & ~self._variables.is_void(rows, rule.columns)

    def _follows_wrongly(self, rule: Follow, rows: Float[Tensor, "*n d"]) -> Bool[Tensor, "*n"]:
        column = self._variables.schema.columns[rule.column]
        new, old = rows[..., rule.column], self._x[..., rule.column]
        wrong = ~column_keeps(column, new, old)
        if column.immutable_if:
            columns = self._variables.schema.columns
            wrong |= holds(condition_of(column.immutable_if, columns), self._x, columns) & differing(new, old)
        return wrong & ~self._variables.is_void(self._x.expand_as(rows), (rule.column,))

    def _pulled(self, rule: Limit | Follow, values: Float[Tensor, "m v"]) -> Float[Tensor, "m v"]:
        """Changes taken back as far as the limit needs; halved where no distance is known."""
        direct = self._direct(rule)
        if not isinstance(rule, Limit) or direct is None:
            share = torch.full_like(values, 0.5)
            return self._toward_home(values, share, only=self._turners(rule))
        over = rule.excess(self._rows(values))
        weights = torch.tensor(rule.weights, dtype=values.dtype, device=values.device)
        harm = (weights * (values - self._origin)[:, direct]).clamp_min(0.0)
        left = (1.0 - over / harm.sum(1).clamp_min(1e-300)).clamp(0.0, 1.0)
        share = torch.ones_like(values)
        share[:, direct] = torch.where(harm > 0, left[:, None], 1.0)
        return self._toward_home(values, share, only=direct)

    def _toward_home(
        self, values: Float[Tensor, "m v"], share: Float[Tensor, "m v"], *, only: Sequence[int]
    ) -> Float[Tensor, "m v"]:
        """The share of each change that is left, on the next step on the way back."""
        out = values.clone()
        for i in only:
            old, variable = self._origin[:, i], self._variables.all[i]
            new = old + share[:, i] * (values[:, i] - old)
            if variable.step:
                up, size = new > old, variable.step
                whole = torch.where(up, torch.floor(new / size + _HAIR), torch.ceil(new / size - _HAIR))
                new = on_grid(whole * size, step=size, decimals=variable.decimals)
            new = variable.out_of_holes(new, toward=old)
            passed = ~((new - old) * (values[:, i] - old) > 0)  # an end without steps is infinite
            small = (new - old).abs() < self._least[i] * (1.0 - 1e-6)
            hair = _HAIR * variable.span  # from a number out of its range the way back leads out again
            outside = (new < variable.low - hair) | (new > variable.high + hair)
            stays = passed | small | outside | variable.is_code(new) | ~variable.keeps(new, old)
            new = torch.where(stays, old, new)
            out[:, i] = torch.where(share[:, i] < 1.0, new, values[:, i])
        return out

    def _filled(self, rule: Limit, values: Float[Tensor, "m v"]) -> Float[Tensor, "m v"]:
        """A sum that must come out, made so by its other columns: changed ones first, but for one of them."""
        direct = self._direct(rule)
        if direct is None:
            return self._toward_home(values, torch.full_like(values, 0.5), only=self._turners(rule))
        out = values.clone()
        changed = (values != self._origin)[:, direct]
        several = changed.sum(1) > 1
        order = list(enumerate(direct))
        passes = [(k, i, changed[:, k] & several) for k, i in reversed(order[1:])]
        passes += [(k, i, ~changed[:, k]) for k, i in order]
        for k, i, may in passes:
            short = -rule.excess(self._rows(out))
            variable, old = self._variables.all[i], self._origin[:, i]
            want = out[:, i] + short / rule.weights[k]
            want = torch.maximum(torch.minimum(want, self._upper[:, i]), self._lower[:, i])
            want = on_grid(want, step=variable.step, decimals=variable.decimals)
            fits = (want >= torch.clamp(self._lower[:, i], min=variable.low) - _HAIR * variable.span) & (
                want <= torch.clamp(self._upper[:, i], max=variable.high) + _HAIR * variable.span
            )
            fits &= ~variable.is_code(want) & (variable.out_of_holes(want) == want)
            fits &= (want == old) | ((want - old).abs() >= self._least[i] * (1.0 - 1e-6))
            out[:, i] = torch.where(may & fits & (short != 0), want, out[:, i])
        return out

    def _direct(self, rule: Limit | Follow) -> list[int] | None:
        """The variable of each column of a limit, where each is a column of its own; else None."""
        if not isinstance(rule, Limit):
            return None
        singles = {v.columns[0]: i for i, v in enumerate(self._variables.all) if v.rows is None}
        found = [singles.get(j) for j in rule.columns]
        return [i for i in found if i is not None] if None not in found else None

    def _turners(self, rule: Limit | Follow) -> list[int]:
        """All variables that turn the columns of a rule."""
        columns = rule.columns if isinstance(rule, Limit) else (rule.column, *rule.sources)
        return sorted({i for j in columns for i in self._variables.turners(j)})

    def _together(self, rule: Limit | Follow) -> Bool[Tensor, " v"]:
        """All variables that hang together with a rule, over whatever rules there are."""
        found = set(self._turners(rule))
        every = [set(self._turners(one)) for one in self._relations.all]
        grown = True
        while grown:
            grown = False
            for one in every:
                if one & found and not one <= found:
                    found |= one
                    grown = True
        return torch.tensor([i in found for i in range(len(self._variables.all))], device=self._x.device)
