"""Scores of scikit-learn models: which method gives them, and which class they name."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
from numpy.typing import NDArray

from cfsearch.contracts.provider import ScoreKind
from cfsearch.errors import ConfigError

Ask = Callable[[Any], Any]  # Any: a data frame or an array; whatever an estimator answers

OUTLIERS: Final = ("outlier", "inlier")
"""Names of -1 and 1 of an outlier detector."""
_METHODS: Final = (
    ("predict_proba", ScoreKind.PROBABILITIES),
    ("decision_function", ScoreKind.LOGITS),
    ("predict", ScoreKind.LABELS),
)
_LEAST: Final = 1e-12
"""Of probabilities, before their log-odds are taken."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Scores:
    """How an estimator is queried.

    Args:
        ask: rows as it takes them -> its scores.
        kind: of these.
        classes: of the estimator, in the order of the scores.
        labels: names for these; empty where they are called as they are.
        note: what the reader of a result must know; ``{}`` stands for the model.
        regression: whether the score is the number that a regressor predicts.
    """

    ask: Ask
    kind: ScoreKind
    classes: tuple[Any, ...]  # Any: of whatever type they were learned
    labels: tuple[str, ...] = ()
    note: str = ""
    regression: bool = False


_BY_DECISION: Final = "{} has no probabilities; values of its decision function count as logits."


def scores_of_estimator(
    estimator: Any, *, regression: bool, who: str
) -> Scores:  # Any: scikit-learn has no type for it
    """How a fitted classifier is queried; also a regressor, and an outlier detector.

    Args:
        estimator: what was fitted, or a pipeline that ends in it.
        regression: whether a regressor may stand here.
        who: for messages.

    Raises:
        ConfigError: it is none of these, or was not fitted.
    """
    classes = getattr(estimator, "classes_", None)
    if classes is None and is_fitted_regressor(estimator):
        if regression:
            return Scores(estimator.predict, ScoreKind.LOGITS, (0, 1), regression=True)
        raise ConfigError(
            f"{who}: {type(estimator).__name__} predicts a number and has no classes; the target is a range, 50000..60000 or "
            "250000.. then. Give it: --target LOW..HIGH, or target= from Python."
        )
    if classes is None and _is_kind(estimator, "is_outlier_detector"):
        return _of_outliers(estimator, who=who)
    if not (
        isinstance(classes, np.ndarray) and classes.ndim == 1 and len(classes) >= 2
    ) or _of_several_labels(estimator):
        raise ConfigError(f"{who}: {_refusal(estimator, classes)}")
    known = tuple(classes.tolist())
    last = _last(estimator)
    if type(last).__name__ in ("FixedThresholdClassifier", "TunedThresholdClassifierCV"):
        moved = _of_threshold(estimator, last, known)
        if moved is not None:
            return moved
    for method, kind in _METHODS:
        found = getattr(estimator, method, None)
        if found is None:
            continue
        if kind is ScoreKind.LOGITS:
            pairs = getattr(last, "decision_function_shape", None) == "ovo" and len(known) > 2
            return Scores(_of_pairs(found, len(known)) if pairs else found, kind, known, note=_BY_DECISION)
        return Scores(found, kind, known)
    raise ConfigError(
        f"{who}: expected a classifier with predict_proba, decision_function or predict, got {type(estimator).__name__}."
    )


def is_fitted_regressor(estimator: Any) -> bool:  # Any: as above
    """Whether it predicts one number a row; a pipeline is what its last step is.

    Args:
        estimator: any object.
    """
    from sklearn.exceptions import NotFittedError
    from sklearn.utils.validation import check_is_fitted

    try:
        if not _is_kind(estimator, "is_regressor"):
            return False
        check_is_fitted(estimator)
    except (AttributeError, NotFittedError, TypeError):  # no estimator by scikit-learn's own reckoning
        return False
    return True


def _is_kind(estimator: Any, predicate: str) -> bool:  # Any: as above
    """What scikit-learn says of a kind of estimator: ``is_regressor``, ``is_clusterer``."""
    from sklearn import base

    try:
        return bool(getattr(base, predicate)(estimator))
    except (AttributeError, TypeError):
        return False


def _last(estimator: Any) -> Any:  # Any: as above
    """What decides in the end: the last step of a pipeline, the best of a search."""
    for _ in range(20):
        steps = getattr(estimator, "steps", None)
        inner = (
            steps[-1][1] if isinstance(steps, list) and steps else getattr(estimator, "best_estimator_", None)
        )
        if inner is None:
            return estimator
        estimator = inner
    return estimator


def _of_outliers(estimator: Any, *, who: str) -> Scores:  # Any: as above
    """Two classes by the score of an outlier detector, which is under 0 for outliers."""
    score = getattr(estimator, "decision_function", None)
    if score is None or getattr(estimator, "predict", None) is None:
        raise ConfigError(
            f"{who}: {type(_last(estimator)).__name__} detects outliers among the rows that it was fitted on, and scores no "
            "others. Fit it with novelty=True."
        )
    note = (
        f"{{}} is an outlier detector, taken for a model of two classes, {OUTLIERS[0]} (-1) and {OUTLIERS[1]} (1); its "
        "decision function, 0 and more for inliers, counts as a logit."
    )
    return Scores(lambda rows: np.asarray(score(rows)).reshape(-1), ScoreKind.LOGITS, (-1, 1), OUTLIERS, note)


def _of_threshold(estimator: Any, last: Any, classes: tuple[Any, ...]) -> Scores | None:  # Any: as above
    """Scores that change sign where a moved threshold changes the class; None where it stands where it would anyway."""
    by_share = last.response_method != "decision_function" and hasattr(last, "predict_proba")
    threshold = getattr(last, "best_threshold_", getattr(last, "threshold", "auto"))
    usual = 0.5 if by_share else 0.0
    limit = usual if threshold == "auto" else float(threshold)
    if limit == usual:
        return None
    named = getattr(last, "pos_label", None)
    params = getattr(getattr(last, "scoring", None), "_kwargs", {})
    named = params.get("pos_label") if named is None else named
    positive = classes.index(named) if named in classes else 1

    def above(rows: Any) -> NDArray[np.float64]:  # Any: as above
        if by_share:
            shares = np.asarray(estimator.predict_proba(rows), dtype=np.float64)[:, positive]
            return np.asarray(_log_odds(shares) - _log_odds(limit), dtype=np.float64)
        value = np.asarray(estimator.decision_function(rows), dtype=np.float64).reshape(-1)
        return (value if positive == 1 else -value) - limit

    def ask(rows: Any) -> NDArray[np.float64]:  # Any: as above
        return above(rows) if positive == 1 else -above(rows)

    what = "log-odds" if by_share else "decision function"
    note = (
        f"{{}} decides for {classes[positive]!r} from a {'probability' if by_share else 'value'} of {limit:.4g} on; its "
        f"scores are its {what} less that of this threshold."
    )
    return Scores(ask, ScoreKind.LOGITS, classes, note=note)


def _log_odds(p: Any) -> Any:  # Any: a number or an array
    p = np.clip(p, _LEAST, 1 - _LEAST)
    return np.log(p) - np.log1p(-p)


def _of_pairs(decide: Ask, k: int) -> Ask:
    """One score a class from one a pair of classes: pairs won, and a little for how clearly."""

    def ask(rows: Any) -> Any:  # Any: as above
        pairs = np.asarray(decide(rows), dtype=np.float64)
        if pairs.ndim != 2 or pairs.shape[1] != k * (k - 1) // 2:
            return pairs
        won, sure = np.zeros((len(pairs), k)), np.zeros((len(pairs), k))
        places = [(i, j) for i in range(k) for j in range(i + 1, k)]
        for (i, j), value in zip(places, pairs.T, strict=True):
            won[:, i] += value > 0
            won[:, j] += value <= 0
            sure[:, i] += value
            sure[:, j] -= value
        return won + sure / (3 * (np.abs(sure) + 1))

    return ask


def _of_several_labels(estimator: Any) -> bool:  # Any: as above
    """Whether a classifier gives several labels at once, though its classes stand in one list."""
    last = _last(estimator)
    if getattr(last, "multilabel_", False) is True:
        return True
    binarizer = getattr(last, "_label_binarizer", None)
    return "multilabel" in str(getattr(binarizer, "y_type_", ""))


def _refusal(estimator: Any, classes: Any) -> str:  # Any: as above
    if sentence := refused_object(estimator):
        return sentence
    name = type(_last(estimator)).__name__
    if classes is None and _is_kind(estimator, "is_clusterer"):
        return f"this {name} groups rows and has no classes. Give a function of its group: data frame -> labels (n,), with `labels`."
    if classes is None:
        return (
            f"expected a fitted classifier with two classes or more, got {name} without `classes_`. Fit it first; a model "
            "of another kind is queried as a function, data frame -> scores (n, k)."
        )
    if isinstance(classes, np.ndarray) and classes.ndim == 1 and len(classes) < 2:
        return f"this {name} was fitted on one class alone ({listed_classes(classes.tolist())}), and can never answer another. Fit it on two."
    return (
        f"this {name} has outputs of several labels, which cannot be audited at once. Give a function of one of them: data frame "
        "-> scores (n, k), as model.predict_proba gives them for it."
    )


def listed_classes(classes: Sequence[Any]) -> str:  # Any: as above
    """Classes of an estimator, for messages."""
    return ", ".join(repr(str(one)) for one in classes)


def refused_object(model: object) -> str:
    """Why an estimator without ``predict`` is no model of rows, and what to do; empty of other objects.

    Args:
        model: any object.
    """
    if not hasattr(model, "get_params") or hasattr(model, "predict"):
        return ""
    name = type(model).__name__
    if getattr(model, "refit", True) is False:
        return f"this {name} was fitted with refit=False and predicts nothing. Fit it with refit=True, or give its best estimator."
    if getattr(model, "novelty", True) is False:
        return f"this {name} scores the rows that it was fitted on and no others. Fit it with novelty=True."
    return f"this {name} predicts nothing. Give the whole pipeline, or the classifier behind it."


def disagreement(own: Sequence[str], scores: NDArray[np.float64], *, classes: Sequence[str]) -> str:
    """A note where an estimator's ``predict`` names other classes than its largest scores do; empty where it does not.

    Args:
        own: what ``predict`` named for some rows.
        scores: for the same rows.
        classes: in the order of the scores.

    Example:
        >>> disagreement(["a", "b"], np.array([[0.9, 0.1], [0.6, 0.4]]), classes=("a", "b"))
        '{} names another class by `predict` than by its largest probability, which counts here, for 1 of 2 tried rows.'
    """
    named = [classes[place] for place in scores.argmax(axis=1)]
    other = sum(a != b for a, b in zip(own, named, strict=True))
    if not other:
        return ""
    return (
        "{} names another class by `predict` than by its largest probability, which counts here, for "
        f"{other} of {len(named)} tried rows."
    )
