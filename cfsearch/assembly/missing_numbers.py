"""Rows that lack a number, under a guessed schema: kept where the model takes missing numbers, else dropped."""

from collections.abc import Callable
from dataclasses import replace
from typing import TypeVar

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.config import Config
from cfsearch.contracts.provider import Provider
from cfsearch.datasets.tables import Missing
from cfsearch.errors import DataError, ProviderError
from cfsearch.providers.served.address import is_address
from cfsearch.providers.tabular import TabularProvider

from .table import TableInput

Model = TypeVar("Model", bound=Provider)


def may_keep(config: Config) -> bool:
    """Whether a model is queried about rows that lack a number before they are dropped.

    Not where rows go through a surrogate, whose numbers have no missing one, or to a server, whose form of a row
    need not have one either.

    Args:
        config: all settings.
    """
    if config.data.missing_numbers is not None:
        return config.data.missing_numbers == "keep"
    return config.model.surrogate is None and not config.further_models and not is_address(config.model.path)


def opened_with_missing(
    table: TableInput, opening: Callable[[TableInput], Model]
) -> tuple[TableInput, Model]:
    """The model, and the table with the rows that lack a number where the model answers them.

    Args:
        table: as it was read, with ``dropping`` where there is a choice.
        opening: opens the model for a table.

    Raises:
        CfsearchError: as of ``opening``.
    """
    if table.dropping is None:
        return table, opening(table)
    try:
        model = opening(table)
        if not isinstance(model, TabularProvider) or not bool(model.predict(_lacking(table)).isnan().any()):
            return replace(table, dropping=None), model
    except (ProviderError, DataError):  # of whatever cause: what is another one comes up again
        pass
    table = replace(table.dropping(), file=table.file)
    return table, opening(table)


def _lacking(table: TableInput) -> Float[Tensor, "n c"]:
    """A row for each column whose missing numbers are kept, which lacks that one, and a row that lacks them all."""
    at = [i for i, column in enumerate(table.schema.columns) if column.missing is Missing.KEEP]
    rows = table.probes[:1].repeat(len(at) + 1, 1)
    for row, place in zip(rows, at, strict=False):
        row[place] = torch.nan
    rows[-1, at] = torch.nan
    return rows
