"""Which rules of a table's schema a changed row breaks, in words."""

import math

from jaxtyping import Float
from torch import Tensor

from cfsearch.datasets.tables import Column, Limit, TableSchema, condition_of, holds
from cfsearch.errors import DataError

_HAIR = 1e-9


def rules_broken(
    schema: TableSchema, before: Float[Tensor, " d"], after: Float[Tensor, " d"]
) -> tuple[str, ...]:
    """Each rule that a change breaks, by column; empty where it keeps all.

    Args:
        schema: with what may change and how.
        before: the original, in canonical form.
        after: the counterfactual, likewise.
    """
    broken: list[str] = []
    for j, column in enumerate(schema.columns):
        old, new = float(before[j]), float(after[j])
        if old == new or (math.isnan(old) and math.isnan(new)):
            continue
        broken += _of_column(schema, column, before, old=old, new=new)
    for rule in schema.related().all:
        if isinstance(rule, Limit):
            if float(rule.excess(after)) > 0:
                broken.append(f"breaks {rule.text}")
        elif abs(float(rule.value(after, schema.names)) - float(after[rule.column])) > 1e-6:
            broken.append(f"breaks {rule.text}")
    try:
        schema.check_links(after[None].double().numpy(), where=lambda _: "links")
    except DataError:
        broken.append("linked columns hold a combination that does not occur")
    return tuple(broken)


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
    if not column.low <= new <= column.high:
        found.append(f"{name} is outside {column.low:g} to {column.high:g}")
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
        found.append(f"{name} changes by more than {column.max_change_share:.0%}")
    return found
