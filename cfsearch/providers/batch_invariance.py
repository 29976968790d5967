"""Bitwise batch invariance of models of tables: a row's answer does not depend on its batch.

Of scikit-learn's that is known by their class; of ONNX graphs see ``onnx_rows``.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.datasets.tables import TableSchema

BLOCK: Final = 512
"""Block size of queries to a model that multiplies matrices, neither more nor fewer rows."""

LARGE: Final = 4 * BLOCK
"""Block size where there are more rows than one block holds, if it gives the same bits."""

_TREES: Final = frozenset(
    {
        "DecisionTreeClassifier",
        "DecisionTreeRegressor",
        "ExtraTreeClassifier",
        "ExtraTreeRegressor",
        "ExtraTreesClassifier",
        "ExtraTreesRegressor",
        "GradientBoostingClassifier",
        "GradientBoostingRegressor",
        "HistGradientBoostingClassifier",
        "HistGradientBoostingRegressor",
        "RandomForestClassifier",
        "RandomForestRegressor",
    }
)
"""They compare numbers and add up leaves, row by row and in one order."""

_PRODUCTS: Final = frozenset(
    {
        "ElasticNet",
        "Lasso",
        "LinearDiscriminantAnalysis",
        "LinearRegression",
        "LinearSVC",
        "LogisticRegression",
        "LogisticRegressionCV",
        "MLPClassifier",
        "MLPRegressor",
        "Perceptron",
        "Ridge",
        "RidgeClassifier",
        "RidgeClassifierCV",
        "SGDClassifier",
        "SGDRegressor",
    }
)
"""They multiply the rows with matrices, cheaply: a library chooses its kernels by how many rows there are."""

_COLUMNS: Final = frozenset(
    {
        "Binarizer",
        "KBinsDiscretizer",
        "MaxAbsScaler",
        "MinMaxScaler",
        "OneHotEncoder",
        "OrdinalEncoder",
        "RobustScaler",
        "SimpleImputer",
        "StandardScaler",
    }
)
"""They work number by number: no sums over a row, no products of matrices."""


def by_row(estimator: Any) -> bool:  # Any: scikit-learn has no type for what it calls an estimator
    """Whether a fitted classifier, regressor or pipeline is known to answer row by row.

    Known are trees and sums of trees, behind transformers of single columns; of the exact classes,
    since a subclass may do anything. Threads (``n_jobs``) add up a forest's trees in the order in
    which they finish, alone as in company.
    """
    return _ends_in(estimator, _TREES)


def block_for(
    estimator: Any,  # Any: as above
    *,
    schema: TableSchema,
    most: int,
    ask: Callable[[Float[Tensor, "n d"]], Any],  # Any: an array
) -> int:
    """How many rows to ask at once, always, so that it answers row by row; 0 where nothing is known.

    Queried in blocks of one size, linear models and MLPs behind transformers of single columns can
    only depend on a row's place: the shapes of all products are fixed, and with them the kernels.
    That places do not matter either is tried out, on rows of all values that the schema knows.

    Args:
        estimator: the scikit-learn model or pipeline.
        schema: what the columns of a row mean.
        most: rows that may be queried at once.
        ask: the model's answer for rows, one number a column in its own unit, levels as their index.
    """
    return tried_block(schema, most=most, ask=ask) if _ends_in(estimator, _PRODUCTS) else 0


def tried_block(
    schema: TableSchema,
    *,
    most: int,
    ask: Callable[[Float[Tensor, "n d"]], Any],  # Any: an array
) -> int:
    """How many rows to ask at once, always, of a model that keeps rows apart; 0 if places matter still.

    Args:
        schema: rows of all values that it knows are tried.
        most: rows in one call.
        ask: the model's answer for rows in canonical form.
    """
    block = min(BLOCK, most)
    rows = tried_rows(schema, n=block)
    try:
        return block if keeps_places(ask, rows) else 0
    except Exception:  # noqa: BLE001  # whatever a model raises at rows that nobody supplied
        return 0


def large_block_for(
    schema: TableSchema,
    *,
    block: int,
    most: int,
    ask: Callable[[Float[Tensor, "n d"]], Any],  # Any: an array
) -> int:
    """A larger size of blocks that gives the same bits as the small one, whatever a row's place; 0 if none does.

    Pipelines of scikit-learn take milliseconds a call, nearly whatever the number of rows.

    Args:
        schema: rows of all values that it knows are tried.
        block: the usual size; 0 where there is none.
        most: rows in one call.
        ask: as for ``tried_block``.
    """
    if not block or most < LARGE:
        return 0
    rows = tried_rows(schema, n=LARGE)
    try:
        small = np.concatenate([np.asarray(ask(part)) for part in torch.split(rows, block)])
        moved = np.roll(np.arange(LARGE), block // 2 + 1)
        same = np.array_equal(np.asarray(ask(rows)), small) and np.array_equal(
            np.asarray(ask(rows[torch.from_numpy(moved)])), small[moved]
        )
    except Exception:  # noqa: BLE001  # whatever a model raises at rows that nobody supplied
        return 0
    return LARGE if same else 0


def in_blocks(
    x: Float[Tensor, "n d"], *, block: int, ask: Callable[[Float[Tensor, "b d"]], Tensor], large: int = 0
) -> Float[Tensor, "n k"]:
    """The answers to rows, queried in blocks of one size, the last one filled up.

    Args:
        x: the rows.
        block: the size.
        ask: the model's answer for rows.
        large: another size that gives the same bits, for more rows than one block; 0 for none.
    """
    if not len(x):
        return ask(x)
    answers, at = [], 0
    while at < len(x):
        size = large if large and len(x) - at > block else block
        part = x[at : at + size]
        answers.append(ask(torch.cat([part, x[:1].expand(size - len(part), -1)])))
        at += size
    return torch.cat(answers)[: len(x)]


def keeps_places(ask: Callable[[Float[Tensor, "n d"]], Any], rows: Float[Tensor, "n d"]) -> bool:
    """Whether answers to rows stay the same, to the last bit, when the rows change places.

    Tried out with the very shape that is queried later: two places whose kernels round differently
    give other bits for about every other row.
    """
    expected = np.asarray(ask(rows))
    order = np.arange(len(rows))
    return all(
        np.array_equal(np.asarray(ask(rows[torch.from_numpy(moved)])), expected[moved])
        for moved in (np.roll(order, 1), order[::-1].copy(), order // 2)
    )


def tried_rows(schema: TableSchema, *, n: int) -> Float[Tensor, "n d"]:
    """Rows of all values that a schema knows.

    Args:
        schema: what the columns of a row mean.
        n: how many.
    """
    draw = np.random.default_rng(0)
    columns = [
        draw.integers(len(c.levels), size=n) if c.has_levels else draw.uniform(*c.bounds, size=n)
        for c in schema.columns
    ]
    return torch.from_numpy(np.stack(columns, axis=1).astype(np.float64))


def _ends_in(estimator: Any, known: frozenset[str]) -> bool:  # Any: as above
    name = _own_name(estimator)
    if name != "Pipeline":
        return name in known
    *before, last = (step for _, step in estimator.steps)
    return all(_by_column(step) for step in before) and _ends_in(last, known)


def _by_column(step: Any) -> bool:  # Any: as above
    if isinstance(step, str):
        return step in ("passthrough", "drop")
    match _own_name(step):
        case "Pipeline":
            return all(_by_column(part) for _, part in step.steps)
        case "ColumnTransformer":
            return all(_by_column(part) for _, part, _ in step.transformers_)
        case name:
            return name in _COLUMNS


def _own_name(estimator: Any) -> str:  # Any: as above
    """The name of a class of scikit-learn itself; empty for anybody else's."""
    kind = type(estimator)
    return kind.__name__ if kind.__module__.split(".")[0] == "sklearn" else ""
