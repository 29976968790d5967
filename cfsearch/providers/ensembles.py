"""Members of an ensemble of scikit-learn, and of a bag of trees that stands for a model that shows none."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from cfsearch.contracts.provider import Provider
from cfsearch.datasets.tables import Encoding, TableSchema
from cfsearch.errors import MissingExtraError

from .sklearn import SklearnProvider

TREES: Final = 25
_MIN_LEAF: Final = 5
_FEWEST: Final = 2

Members = Callable[[Tensor], Tensor]
"""Rows ``(n, c)`` -> probabilities of each member ``(m, n, k)``."""


def members_of(model: Provider) -> Members | None:
    """The members of a forest, or of a bagging or voting ensemble; None of any other model.

    Args:
        model: a scikit-learn estimator or pipeline on rows of a table, in this process.

    Example:
        >>> from sklearn.ensemble import RandomForestClassifier
        >>> from cfsearch.datasets.tables import Column, ColumnKind
        >>> schema = TableSchema(columns=(Column(name="age", kind=ColumnKind.REAL, high=100.0),))
        >>> forest = RandomForestClassifier(3, random_state=0).fit([[20.0], [30.0], [60.0], [70.0]], [0, 0, 1, 1])
        >>> ask = members_of(SklearnProvider(forest, schema=schema))
        >>> tuple(ask(torch.tensor([[25.0], [65.0]], dtype=torch.float64)).shape)
        (3, 2, 2)
    """
    if not isinstance(model, SklearnProvider):
        return None
    estimator = model.estimator
    steps = getattr(estimator, "steps", None)
    last = estimator if steps is None else steps[-1][1]
    parts = getattr(last, "estimators_", None)
    if not isinstance(parts, list) or len(parts) < _FEWEST:
        return None
    if not all(hasattr(part, "predict_proba") for part in parts):
        return None
    features = getattr(last, "estimators_features_", None)
    classes = len(model.labels)

    def ask(x: Tensor) -> Tensor:
        rows = model.ready(x)
        if steps is not None:
            for _, step in steps[:-1]:
                rows = rows if step in (None, "passthrough") else step.transform(rows)
        # members of bagging and forests were fitted on arrays
        plain = rows.to_numpy() if hasattr(rows, "to_numpy") and not _named(parts[0]) else rows
        answers = [
            _in_order(part, part.predict_proba(plain if features is None else plain[:, chosen]), classes)
            for part, chosen in zip(parts, features or [None] * len(parts), strict=True)
        ]
        return torch.from_numpy(np.stack(answers))

    return ask


def _named(part: Any) -> bool:  # Any: scikit-learn has no type for what it calls an estimator
    return hasattr(part, "feature_names_in_")


def _in_order(part: Any, answer: Any, classes: int) -> Any:  # Any: as above; an array
    """A member's probabilities for all classes: one that never saw a class gives it none."""
    if answer.shape[1] == classes:
        return answer
    out = np.zeros((len(answer), classes))
    out[:, np.asarray(part.classes_).astype(int)] = answer
    return out


def bagged_trees(
    schema: TableSchema,
    x: Float[Tensor, "r c"],
    decided: Int[Tensor, " r"],
    *,
    classes: int,
    seed: int,
    trees: int = TREES,
) -> Members:
    """Trees on bootstrap samples of rows with the classes that a model gives them.

    Args:
        schema: what the columns of a row mean.
        x: reference rows.
        decided: the model's class of each.
        classes: how many the model has.
        seed: of the samples and the trees.
        trees: how many.

    Raises:
        MissingExtraError: scikit-learn is not installed.

    References:
        Breiman 1996, *Bagging predictors*, https://doi.org/10.1007/BF00058655.
    """
    try:
        from sklearn.tree import DecisionTreeClassifier
    except ImportError as error:
        raise MissingExtraError(
            "uncertainty: members for a model that shows none are trees of scikit-learn. Install it with "
            "`uv add 'cfsearch[sklearn]'`, or give `members`."
        ) from error

    encoding = Encoding.ranged(schema)
    points = np.nan_to_num(encoding.apply(x.cpu().double()).numpy(), nan=-1.0)
    truth = decided.cpu().numpy()
    rng = np.random.default_rng(seed)
    bag = []
    for i in range(trees):
        drawn = rng.integers(0, len(points), len(points))
        tree = DecisionTreeClassifier(min_samples_leaf=_MIN_LEAF, random_state=i)
        bag.append(tree.fit(points[drawn], truth[drawn]))

    def ask(rows: Tensor) -> Tensor:
        u = np.nan_to_num(encoding.apply(rows.detach().cpu().double()).numpy(), nan=-1.0)
        return torch.from_numpy(np.stack([_in_order(tree, tree.predict_proba(u), classes) for tree in bag]))

    return ask
