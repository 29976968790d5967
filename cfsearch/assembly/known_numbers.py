"""Columns of numbers that a model learned as categories: a search goes to the numbers that the model knows."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.datasets.tables import Column, ColumnKind
from cfsearch.errors import listed
from cfsearch.providers.tabular import TabularProvider

from .table import TableInput

_SHOWN: Final = 12


def with_known_numbers(table: TableInput, model: TabularProvider) -> TableInput:
    """The table with a search that stays among numbers which the model knows.

    An encoder of postcodes takes a number that it never saw for an unknown category, and answers all the same. A
    guessed schema gets the known numbers as ``values``; of a schema that somebody wrote a note says what is wrong.

    Args:
        table: the rows and their schema.
        model: the model, opened with that schema.
    """
    linked = {name for link in table.schema.links for name in link.columns}
    columns, notes = dict[str, Column](), []
    for name, numbers in model.known_numbers.items():
        column = table.schema.column(name)
        wanted = _reachable(column, numbers)
        if wanted is None or name in linked:
            continue
        if table.guessed is not None and wanted:
            step = 1.0 if column.kind is ColumnKind.INTEGER else 0.0
            columns[name] = replace(column, values=wanted, gaps=(), step=step)
            notes.append(
                f"{name}: {model.name} learned {len(numbers)} numbers as categories; a search goes to these alone (values)."
            )
            continue
        shown = listed([column.text(v) for v in numbers[:_SHOWN]])
        more = f" and {len(numbers) - _SHOWN} more" if len(numbers) > _SHOWN else ""
        notes.append(
            f"{name}: {model.name} learned {len(numbers)} numbers as categories ({shown}{more}) and takes any other for an "
            "unknown one, but the schema lets a search go to others. List those that it knows as `values` of this column."
        )
    if not notes:
        return table
    schema = replace(table.schema, columns=tuple(columns.get(c.name, c) for c in table.schema.columns))
    return replace(
        table,
        schema=schema,
        probes=_nearest(table, columns),
        reference=None if table.reference is None else replace(table.reference, schema=schema),
        guessed=None if table.guessed is None else replace(table.guessed, schema=schema),
        notes=(*table.notes, *notes),
    )


def _nearest(table: TableInput, columns: Mapping[str, Column]) -> Float[Tensor, "p c"]:
    """The probes, with the nearest of its values in each of these columns: some are drawn between."""
    probes = table.probes.clone()
    for name, column in columns.items():
        values = torch.tensor(column.values, dtype=probes.dtype)
        at = table.schema.names.index(name)
        nearest = (probes[:, at, None] - values).abs().argmin(1)
        probes[:, at] = torch.where(probes[:, at].isnan(), probes[:, at], values[nearest])
    return probes


def _reachable(column: Column, numbers: tuple[float, ...]) -> tuple[float, ...] | None:
    """Of known numbers those that a search may go to; None where it goes to no other anyway."""
    if column.immutable:
        return None
    known = frozenset(numbers)
    if column.values:
        return None if known.issuperset(column.values) else tuple(v for v in column.values if v in known)
    inside = tuple(v for v in numbers if column.low <= v <= column.high and v not in column.codes)
    places = (column.high - column.low) / column.step + 1 if column.step else float("inf")
    return None if len(inside) >= places else inside
