"""Which scikit-learn models answer a row the same, to the last bit, in whatever company it is asked."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from jaxtyping import Float

BLOCK: Final = 512
"""Rows that a model which multiplies matrices is asked at once, neither more nor fewer."""

_TREES: Final = frozenset(
    {
        "DecisionTreeClassifier",
        "ExtraTreeClassifier",
        "ExtraTreesClassifier",
        "GradientBoostingClassifier",
        "HistGradientBoostingClassifier",
        "RandomForestClassifier",
    }
)
"""They compare numbers and add up leaves, row by row and in one order."""

_PRODUCTS: Final = frozenset(
    {
        "LinearDiscriminantAnalysis",
        "LinearSVC",
        "LogisticRegression",
        "LogisticRegressionCV",
        "MLPClassifier",
        "Perceptron",
        "RidgeClassifier",
        "RidgeClassifierCV",
        "SGDClassifier",
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
    """Whether a fitted classifier or pipeline is known to answer row by row.

    Known are trees and sums of trees, behind transformers of single columns; of the exact classes,
    since a subclass may do anything. Threads (``n_jobs``) add up a forest's trees in the order in
    which they finish, alone as in company.
    """
    return _ends_in(estimator, _TREES)


def by_block(estimator: Any) -> bool:  # Any: as above
    """Whether its answers can only depend on a row's place, where it is always asked ``BLOCK`` rows.

    So it is with linear models and MLPs behind transformers of single columns: the shapes of all
    products are fixed then, and with them the kernels.
    """
    return _ends_in(estimator, _PRODUCTS)


def keeps_places(ask: Callable[[Float[np.ndarray, "n d"]], Any], rows: Float[np.ndarray, "n d"]) -> bool:
    """Whether answers to rows stay the same, to the last bit, when the rows change places.

    Tried out with the very shape that is asked later: two places whose kernels round differently
    give other bits for about every other row.
    """
    told = np.asarray(ask(rows))
    orders = (np.roll(np.arange(len(rows)), 1), np.arange(len(rows))[::-1], np.arange(len(rows)) // 2)
    return all(np.array_equal(np.asarray(ask(rows[order])), told[order]) for order in orders)


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
