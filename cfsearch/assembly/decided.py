"""Rows of a table chosen by the model's own decision."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from cfsearch.contracts.provider import Provider, answers_of
from cfsearch.errors import ConfigError, DataError
from cfsearch.registry import unknown

from .table import TableInput


def chosen_by_decision(table: TableInput, model: Provider, *, decided: str, limit: int | None) -> TableInput:
    """The rows that a model puts into one class; what was read of all of them is kept as ``whole``.

    Args:
        table: with all rows that may be chosen.
        model: the audited model, which is queried about each of them once.
        decided: the class.
        limit: the most rows, the first ones; None for all.

    Raises:
        ConfigError: the model has no such class.
        DataError: it puts no row into the class.
    """
    if decided not in model.labels:
        raise ConfigError(f"decided: {unknown('class', decided, list(model.labels))}")
    with torch.no_grad():
        classes = answers_of(model, table.x).argmax(-1).cpu()
    found = (classes == model.labels.index(decided)).nonzero().flatten().tolist()
    if not found:
        raise DataError(
            f"decided: the model puts none of the {len(classes)} rows into {decided!r}. Name another class, or take more "
            "rows."
        )
    kept = found if limit is None else found[:limit]
    several = "the first " if len(kept) < len(found) else ""
    return replace(
        table,
        records=tuple(table.records[i] for i in kept),
        by={name: _at(cells, kept) for name, cells in table.by.items()},
        notes=(
            *table.notes,
            f"The model puts {len(found)} of {len(classes)} rows into {decided!r}; {several}{len(kept)} of these are "
            "searched (--decided), effects of protected columns are measured on all.",
        ),
        whole=table,
    )


def _at(cells: Sequence[str], rows: Sequence[int]) -> tuple[str, ...]:
    return tuple(cells[i] for i in rows)
