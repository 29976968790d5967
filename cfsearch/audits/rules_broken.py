"""Which rules of a table's schema a changed row breaks, in words."""

import math

from jaxtyping import Float
from torch import Tensor

from cfsearch.datasets.tables import Column, Follow, Limit, TableSchema, Variables, condition_of, holds
from cfsearch.errors import DataError
from cfsearch.numerics.differing import differing, differs
from cfsearch.numerics.percent import percent

_HAIR = 1e-9
_ROUNDING = 1e-6
"""By how much of its size a computed number may miss what it follows, beside its own steps."""


def rules_broken(
    schema: TableSchema, before: Float[Tensor, " d"], after: Float[Tensor, " d"]
) -> tuple[str, ...]:
    """Each rule that a change breaks, by column; empty where it keeps all.

    A relation binds where one of its columns changed, and none of them is missing or holds a code. A column
    that follows others keeps it on either step beside the computed number where that lies half-way.

    Args:
        schema: with what may change and how.
        before: the original, in canonical form.
        after: the counterfactual, likewise.
    """
    broken: list[str] = []
    for j, column in enumerate(schema.columns):
        old, new = float(before[j]), float(after[j])
        if not differs(old, new):
            continue
        broken += _of_column(schema, column, before, old=old, new=new)
    variables = Variables.of(schema)
    broken += [
        f"breaks {rule.text}"
        for rule in variables.relations.all
        if _binds(variables, rule, before, after) and not _keeps(schema, rule, after)
    ]
    try:
        schema.check_links(after[None].double().numpy(), where=lambda _: "links")
    except DataError:
        broken.append("linked columns hold a combination that does not occur")
    return tuple(broken)


def _binds(
    variables: Variables, rule: Limit | Follow, before: Float[Tensor, " d"], after: Float[Tensor, " d"]
) -> bool:
    columns = rule.columns if isinstance(rule, Limit) else (rule.column, *rule.sources)
    changed = differing(before[list(columns)], after[list(columns)])
    return bool(changed.any()) and not bool(variables.is_void(after, columns))


def _keeps(schema: TableSchema, rule: Limit | Follow, after: Float[Tensor, " d"]) -> bool:
    if isinstance(rule, Limit):
        return float(rule.excess(after)) == 0.0
    made = float(rule.value(after, schema.names))
    slack = schema.columns[rule.column].step / 2.0 + _ROUNDING * max(1.0, abs(made))
    return math.isfinite(made) and abs(made - float(after[rule.column])) <= slack


def _of_column(
    schema: TableSchema, column: Column, before: Float[Tensor, " d"], *, old: float, new: float
) -> list[str]:
    name, found = column.name, []
    if column.immutable:
        found.append(f"{name} must not change")
    elif column.immutable_if:
        condition = condition_of(column.immutable_if, schema.columns)
        if bool(holds(condition, before, schema.columns)):
            found.append(f"{name} must not change where {column.immutable_if}")
    if column.monotone and (new - old) * column.monotone < 0:
        found.append(f"{name} may only {'rise' if column.monotone > 0 else 'fall'}")
    if column.has_levels:
        return found
    if math.isnan(old):
        return [*found, f"{name} is missing, and must stay so"]
    if math.isnan(new):
        return [*found, f"{name} must not become missing"]
    if not column.low <= new <= column.high:
        found.append(f"{name} is outside {_end(column, column.low)} to {_end(column, column.high)}")
    if new in column.codes:
        found.append(f"{name} goes to the code {new:g}")
    if old in column.codes and not column.leave_codes:
        found.append(f"{name} leaves the code {old:g}")
    if column.step and abs(new / column.step - round(new / column.step)) > _HAIR * max(1.0, abs(new)):
        found.append(f"{name} is no multiple of {column.step:g}")
    if column.values and new not in column.values:
        found.append(f"{name} is none of the numbers that occur")
    if any(a < new < b for a, b in column.gaps):
        found.append(f"{name} lies in a gap")
    if column.max_change and abs(new - old) > column.max_change * (1 + _HAIR):
        found.append(f"{name} changes by more than {column.max_change:g}")
    if column.max_change_share and abs(new - old) > column.max_change_share * abs(old) * (1 + _HAIR):
        found.append(f"{name} changes by more than {percent(column.max_change_share)}")
    return found


def _end(column: Column, value: float) -> str:
    return column.text(value) if column.digits else f"{value:g}"
