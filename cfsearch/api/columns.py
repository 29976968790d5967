"""``cfsearch.column_effects``: does a model lean on a protected column, directly or through others? No search."""

import math
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Unpack

from cfsearch.assembly.model import open_model
from cfsearch.audits.columns.measuring import MOST_ROWS
from cfsearch.audits.columns.result import ColumnEffects, measured_table
from cfsearch.contracts.provider import ScoreKind
from cfsearch.errors import ConfigError

from .prepare import prepared
from .settings import Settings, names_of

_MOST: Final = 10**9


def column_effects(
    model: object,
    data: object,
    *,
    protected: Sequence[str] = (),
    target: str | None = None,
    practical: float = 0.25,
    rows_measured: int = MOST_ROWS,
    labels: Sequence[str] | None = None,
    scores: str | ScoreKind | None = None,
    **settings: Unpack[Settings],
) -> ColumnEffects:
    """Effects of a table's protected columns on a model: alone, and through the other columns.

    Each row is queried with the column set to each group and all else held; that is the *direct* effect. What the
    model still tells apart with the column counted alike for all goes *through the other columns*, and each of these is
    moved by itself to the other group's distribution, so that proxies have names.

    Args:
        model: as for ``cfsearch.search``.
        data: a data frame, or the path of a CSV file.
        protected: columns; those whose names say sex, age, race and the like when left out. The model need not take
            them.
        target: the class that figures are of; the last one when left out.
        practical: size in logits from which an effect matters.
        rows_measured: the most rows, spread over the table; the model is queried about each several times.
        labels: names of the classes, where the model does not say them.
        scores: "logits", "probabilities" or "labels"; found out when left out.
        **settings: see ``cfsearch.Settings``; ``reference`` names the table whose distributions are taken.

    Raises:
        CfsearchError: something that was given cannot be used.

    Example:
        >>> import numpy as np, pandas as pd, cfsearch
        >>> people = pd.DataFrame({"sex": ["f", "m"] * 20, "income": [*range(30, 50)] * 2})
        >>> def approve(rows):
        ...     odds = 0.8 * (rows["sex"] == "m") + 0.1 * (rows["income"] - 40)
        ...     return np.stack([1 / (1 + np.exp(odds)), 1 / (1 + np.exp(-odds))], axis=1)
        >>> found = cfsearch.column_effects(approve, people, labels=["no", "yes"], protected=["sex"])
        >>> print(found.verdicts[0]["headline"][-16:], found["sex"]["comparisons"][0]["effect"]["logits"]["value"])
        on sex directly. -0.8
    """
    if type(rows_measured) is not int or not 0 <= rows_measured <= _MOST:
        raise ConfigError(
            f"column_effects: `rows_measured` must be a whole number from 0 to {_MOST:,}, got {rows_measured!r}."
        )
    if isinstance(practical, bool) or not isinstance(practical, int | float) or not 0 < practical < math.inf:
        raise ConfigError(
            f"column_effects: `practical` must be a finite number of logits above 0, got {practical!r}."
        )
    with tempfile.TemporaryDirectory(prefix="cfsearch-columns-") as folder:
        call = prepared(
            model,
            data,
            Path(folder),
            generator=None,
            target=target,
            labels=labels,
            scores=scores,
            data={},
            given=settings,
            audit={"protected": names_of(protected) or None},
        )
        if call.config.data.table is None:
            raise ConfigError(
                "column_effects: expected a table. Give a data frame or the path of a CSV file."
            )
        opened = open_model(call.config, table=call.parts.table, model=call.parts.model)
        if opened.table is None:
            raise ConfigError("column_effects: expected rows of a table. Give a data frame or a CSV file.")
        measured = measured_table(
            opened.model, opened.table, target=target, rows=rows_measured, seed=call.config.search.seed
        )
    return ColumnEffects(measured, model=opened.model.name, practical=practical, notes=opened.notes)
