"""Which class a scikit-learn model names: moved thresholds, pairs, outliers, and what is no classifier."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.cluster import KMeans
from sklearn.covariance import EllipticEnvelope
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import IsolationForest, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV, TunedThresholdClassifierCV
from sklearn.multiclass import OneVsRestClassifier
from sklearn.multioutput import MultiOutputClassifier
from sklearn.neighbors import LocalOutlierFactor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC, LinearSVC, OneClassSVM

from cfsearch.contracts.provider import ScoreKind
from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
from cfsearch.errors import ConfigError
from cfsearch.providers.live import live_tabular
from cfsearch.providers.tabular import TabularProvider

pytestmark = pytest.mark.filterwarnings("ignore")  # scikit-learn's own

SCHEMA = TableSchema(columns=tuple(Column(name=name, kind=ColumnKind.REAL, high=1.0) for name in "abc"))
X = np.random.default_rng(0).random((150, 3))
FRAME = pd.DataFrame(X, columns=list("abc"))
Y = (X[:, 0] + X[:, 1] > 1).astype(int)
FOUR = np.digitize(X[:, 0], [0.25, 0.5, 0.75])
WORDS = np.array(["no", "yes"])[Y]

Estimator = Any  # scikit-learn has no types


def opened(estimator: Estimator) -> TabularProvider:
    return live_tabular(estimator, schema=SCHEMA, probes=torch.from_numpy(X[:16]))


def named(model: TabularProvider) -> list[str]:
    return [model.labels[i] for i in model.predict(torch.from_numpy(X)).argmax(1).tolist()]


def fixed(threshold: float, **settings: Any) -> Estimator:  # Any: scikit-learn's own
    return FixedThresholdClassifier(LogisticRegression(), threshold=threshold, **settings)


THRESHOLDS: dict[str, Callable[[], Estimator]] = {
    "low": lambda: fixed(0.2).fit(FRAME, Y),
    "high": lambda: fixed(0.9).fit(FRAME, Y),
    "words": lambda: fixed(0.2, pos_label="yes").fit(FRAME, WORDS),
    "the other class": lambda: fixed(0.8, pos_label="no").fit(FRAME, WORDS),
    "in a pipeline": lambda: make_pipeline(StandardScaler(), fixed(0.2)).fit(FRAME, Y),
    "in a search": lambda: GridSearchCV(fixed(0.2), {"threshold": [0.2]}).fit(FRAME, Y),
    "by decision": lambda: FixedThresholdClassifier(
        LinearSVC(), threshold=0.5, response_method="decision_function"
    ).fit(FRAME, Y),
    "tuned": lambda: TunedThresholdClassifierCV(LogisticRegression()).fit(FRAME, (X[:, 0] > 0.9).astype(int)),
    "signs": lambda: fixed(0.3).fit(FRAME, 2 * Y - 1),
}


@pytest.mark.parametrize("form", THRESHOLDS)
def test_a_moved_threshold_decides(form: str) -> None:
    estimator = THRESHOLDS[form]()
    model = opened(estimator)
    assert named(model) == [str(value) for value in estimator.predict(FRAME).tolist()]
    assert "of this threshold" in model.note


def test_scores_are_log_odds_less_those_of_the_threshold() -> None:
    estimator = THRESHOLDS["low"]()
    p = estimator.predict_proba(FRAME)[:, 1]
    scores = opened(estimator).predict(torch.from_numpy(X))
    assert np.allclose(scores[:, 1], np.log(p / (1 - p)) - np.log(0.2 / 0.8), atol=1e-6)
    assert float(scores[:, 0].abs().max()) == 0.0


def test_a_threshold_where_it_stands_anyway_leaves_probabilities() -> None:
    estimator = fixed(0.5).fit(FRAME, Y)
    model = opened(estimator)
    assert model.scores is ScoreKind.PROBABILITIES
    assert np.allclose(model.predict(torch.from_numpy(X)), estimator.predict_proba(FRAME), atol=1e-6)


def test_one_score_a_pair_becomes_one_a_class() -> None:
    pairs, classes = (SVC(decision_function_shape=form).fit(FRAME, FOUR) for form in ("ovo", "ovr"))
    model = opened(pairs)
    assert model.labels == ("0", "1", "2", "3")
    assert np.allclose(model.predict(torch.from_numpy(X)), classes.decision_function(FRAME), atol=1e-6)


DETECTORS = {
    "isolation forest": IsolationForest(n_estimators=20, random_state=0),
    "one-class svm": OneClassSVM(nu=0.1),
    "local outlier factor": LocalOutlierFactor(novelty=True),
    "envelope": EllipticEnvelope(random_state=0),
    "in a pipeline": make_pipeline(StandardScaler(), OneClassSVM(nu=0.1)),
}


@pytest.mark.parametrize("form", DETECTORS)
def test_an_outlier_detector_has_two_classes(form: str) -> None:
    estimator = DETECTORS[form].fit(FRAME)
    model = opened(estimator)
    assert (model.labels, model.scores) == (("outlier", "inlier"), ScoreKind.LOGITS)
    expected = [{-1: "outlier", 1: "inlier"}[value] for value in estimator.predict(FRAME).tolist()]
    assert named(model) == expected
    assert "is an outlier detector, taken for a model of two classes" in model.note


@pytest.mark.parametrize("labels", [("odd", "usual"), ("-1", "1")])
def test_classes_of_a_detector_are_called_as_the_call_says(labels: tuple[str, str]) -> None:
    model = live_tabular(
        OneClassSVM(nu=0.1).fit(FRAME), schema=SCHEMA, probes=torch.from_numpy(X[:16]), labels=labels
    )
    assert model.labels == labels


@pytest.mark.parametrize(
    ("estimator", "says"),
    [
        (lambda: MultiOutputClassifier(LogisticRegression()).fit(FRAME, np.c_[Y, 1 - Y]), "outputs of several labels.*a function"),
        (lambda: RandomForestClassifier(5).fit(FRAME, np.c_[Y, FOUR]), "outputs of several labels"),
        (lambda: OneVsRestClassifier(LogisticRegression()).fit(FRAME, np.c_[Y, 1 - Y]), "outputs of several labels"),
        (lambda: KMeans(3, n_init=1).fit(FRAME), "groups rows and has no classes. Give a function of its group"),
        (lambda: LogisticRegression(), "without `classes_`. Fit it first"),  # noqa: PLW0108  # as the others
        (lambda: DummyClassifier().fit(FRAME, np.zeros(150, int)), r"fitted on one class alone \('0'\)"),
        (lambda: GridSearchCV(LogisticRegression(), {"C": [1]}, refit=False).fit(FRAME, Y), "Fit it with refit=True"),
        (lambda: LocalOutlierFactor().fit(FRAME), "Fit it with novelty=True"),
        (lambda: StandardScaler().fit(FRAME), "predicts nothing. Give the whole pipeline"),
    ],
)  # fmt: skip
def test_what_is_no_classifier_is_refused_with_a_way_out(
    estimator: Callable[[], Estimator], says: str
) -> None:
    with pytest.raises(ConfigError, match=says) as caught:
        opened(estimator())
    assert "\n" not in str(caught.value)


def test_a_note_says_where_predict_disagrees() -> None:
    svc = SVC(probability=True, random_state=0).fit(FRAME, np.random.default_rng(1).integers(0, 2, 150))
    own, scored = svc.predict(FRAME), svc.predict_proba(FRAME).argmax(1)
    assert (own != scored).any()  # the case at hand
    assert "names another class by `predict` than by its largest probability" in opened(svc).note
    assert opened(LogisticRegression().fit(FRAME, Y)).note == ""
