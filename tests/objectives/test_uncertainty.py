"""Uncertainty: the contract, closed forms, members of real ensembles, and a search by it."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.ensemble import (
    BaggingClassifier,
    GradientBoostingClassifier,
    RandomForestClassifier,
    VotingClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeClassifier
from torch import Tensor

from cfsearch.assembly.ensembles import ensemble
from cfsearch.contracts.records import UNTARGETED
from cfsearch.datasets.tables import Column, ColumnKind, Table, TableSchema
from cfsearch.errors import ConfigError, ShapeError
from cfsearch.objectives.uncertainty import Uncertainty, UncertaintyKind
from cfsearch.providers.ensembles import bagged_trees, members_of
from cfsearch.providers.sklearn import SklearnProvider
from cfsearch.testing import ObjectiveCase, make_candidates, make_queries

SCHEMA = TableSchema(
    columns=(
        Column(name="a", kind=ColumnKind.REAL, low=-3.0, high=3.0),
        Column(name="b", kind=ColumnKind.REAL, low=-3.0, high=3.0),
    )
)
KINDS: list[UncertaintyKind] = ["mutual_information", "variance", "entropy"]


def three(x: Tensor) -> Tensor:
    """Members of three classes whose scores are multiples of the first pixel."""
    score = x.flatten(1)[:, :1].double() * torch.arange(3.0, dtype=torch.float64)
    return torch.stack([torch.softmax(m * score, dim=1) for m in (1.0, -1.0, 0.5, 2.0)])


class TestUncertaintyContract(ObjectiveCase):
    @pytest.fixture(params=KINDS)
    def objective(self, request: pytest.FixtureRequest) -> Uncertainty:
        return Uncertainty(three, request.param)


def ask(p: list[list[float]], kind: UncertaintyKind, *, target: int = 1, source: int = 0) -> float:
    """The value of one candidate of which the members give these probabilities."""
    members = torch.tensor(p, dtype=torch.float64)[:, None]
    x = torch.zeros(1, 1, 1)
    queries = make_queries(x=x[:, 0], k=members.shape[2], source=[source], target=[target])
    return float(Uncertainty(lambda _: members, kind)(make_candidates(queries=queries, x=x))[0, 0])


@pytest.mark.parametrize(
    ("p", "mutual", "variance", "entropy"),
    [
        ([[1, 0], [0, 1]], math.log(2), 0.25, math.log(2)),
        ([[0.5, 0.5], [0.5, 0.5]], 0.0, 0.0, math.log(2)),
        ([[0, 1], [0, 1]], 0.0, 0.0, 0.0),
        # means .6, .4; H(.2) = .5004, H(1) = 0, H(.6) = .6730
        ([[0.2, 0.8], [1.0, 0.0]], 0.673012 - 0.250201, 0.16, 0.673012),
    ],
)  # fmt: skip
def test_worked_by_hand(p: list[list[float]], mutual: float, variance: float, entropy: float) -> None:
    for kind, value in zip(KINDS, (mutual, variance, entropy), strict=True):
        assert ask(p, kind) == pytest.approx(value, abs=1e-6)


def test_away_from_a_class_the_variance_is_of_leaving_it() -> None:
    p = [[0.1, 0.7, 0.2], [0.5, 0.1, 0.4]]
    assert ask(p, "variance", target=UNTARGETED, source=0) == pytest.approx(0.04)
    assert ask(p, "variance", target=2, source=0) == pytest.approx(0.01)


def rows(n: int, seed: int) -> tuple[pd.DataFrame, np.ndarray]:
    draw = np.random.default_rng(seed)
    frame = pd.DataFrame({"a": draw.normal(size=n).clip(-3, 3), "b": draw.normal(size=n).clip(-3, 3)})
    return frame, np.where(frame["a"] + draw.normal(0, 0.3, n) > 0, "yes", "no")


def trees_of(estimator: Any, x: pd.DataFrame) -> np.ndarray:  # Any: an estimator
    """What each member answers, asked by hand."""
    last = estimator[-1] if hasattr(estimator, "steps") else estimator
    ready = estimator[:-1].transform(x) if hasattr(estimator, "steps") else x
    return np.stack([m.predict_proba(np.asarray(ready)) for m in last.estimators_])


@pytest.mark.parametrize("kind", ["forest", "pipeline", "bagging", "voting"])
def test_the_members_are_those_of_the_ensemble(kind: str) -> None:
    x, y = rows(120, 0)
    made = {
        "forest": lambda: RandomForestClassifier(7, random_state=0),
        "pipeline": lambda: make_pipeline(StandardScaler(), RandomForestClassifier(7, random_state=0)),
        "bagging": lambda: BaggingClassifier(DecisionTreeClassifier(max_depth=2), 5, random_state=0),
        "voting": lambda: VotingClassifier(
            [("one", LogisticRegression()), ("two", DecisionTreeClassifier(max_depth=2))], voting="soft"
        ),
    }[kind]()
    made.fit(x, y)
    model = SklearnProvider(made, schema=SCHEMA)
    members = members_of(model)
    assert members is not None
    z = torch.tensor(x.head(20).to_numpy())
    p = members(z)
    # of all these ensembles the answer is the mean of the members'
    assert torch.allclose(p.mean(0), model.predict(z), atol=1e-9)
    if kind in ("forest", "pipeline"):
        assert np.allclose(p.numpy(), trees_of(made, x.head(20)))
    assert p.shape[1:] == (20, 2)


def test_a_bag_whose_members_see_some_columns_is_queried_by_these() -> None:
    x, y = rows(120, 0)
    bag = BaggingClassifier(DecisionTreeClassifier(max_depth=2), 6, max_features=1, random_state=0).fit(x, y)
    model = SklearnProvider(bag, schema=SCHEMA)
    members = members_of(model)
    assert members is not None
    z = torch.tensor(x.to_numpy())
    assert torch.allclose(members(z).mean(0), model.predict(z), atol=1e-9)


def test_other_models_show_none_and_trees_stand_for_them() -> None:
    x, y = rows(300, 0)
    z = torch.tensor(x.to_numpy())
    for other in (LogisticRegression(), GradientBoostingClassifier(n_estimators=3)):
        assert members_of(SklearnProvider(other.fit(x, y), schema=SCHEMA)) is None
    linear = LogisticRegression().fit(x, y)
    model = SklearnProvider(linear, schema=SCHEMA)
    decided = Table(SCHEMA, z, model.predict(z).argmax(1), tuple(range(2, 302)))
    trees = ensemble(model, decided, seed=0)
    slope, rest = linear.coef_[0], linear.intercept_[0]
    b = torch.linspace(-2, 2, 21, dtype=torch.float64)
    edge = torch.stack([-(rest + slope[1] * b) / slope[0], b], dim=1)  # where the model is undecided
    at = torch.cat([edge - torch.tensor([1.0, 0.0]), edge, edge + torch.tensor([1.0, 0.0])])
    p = trees(at)
    assert p.shape == (25, 63, 2)
    left, _, right = torch.split(p.mean(0)[:, 1], 21)
    assert float(left.max()) < 0.1
    assert float(right.min()) > 0.9
    spread = [float(part.mean()) for part in torch.split(p[:, :, 1].var(0, correction=0), 21)]
    assert spread[1] > 5 * max(spread[0], spread[2], 1e-3)  # they disagree at the boundary
    assert torch.equal(ensemble(model, decided, seed=0)(at), p)
    assert not torch.equal(ensemble(model, decided, seed=1)(at), p)


def test_a_tree_that_never_saw_a_class_gives_it_nothing() -> None:
    x = torch.tensor([[0.0, 0.0]] * 60 + [[1.0, 1.0]] * 60, dtype=torch.float64)
    decided = torch.tensor([0] * 60 + [2] * 60)
    p = bagged_trees(SCHEMA, x, decided, classes=3, seed=0, trees=4)(x[:1])
    assert torch.allclose(p.sum(2), torch.ones(4, 1, dtype=p.dtype))
    assert bool((p[:, :, 1] == 0).all())


def test_without_members_and_reference_it_says_what_to_give() -> None:
    x, y = rows(60, 0)
    model = SklearnProvider(LogisticRegression().fit(x, y), schema=SCHEMA)
    with pytest.raises(ConfigError, match=r"--reference train\.csv"):
        ensemble(model, None, seed=0)


def test_models_of_a_user_are_an_ensemble() -> None:
    x, y = rows(120, 0)
    models = [
        SklearnProvider(DecisionTreeClassifier(max_depth=d, random_state=0).fit(x, y), schema=SCHEMA) for d in (1, 4)
    ]  # fmt: skip
    z = torch.tensor(x.head(5).to_numpy())
    p = Uncertainty.of_models(models).members(z)
    assert torch.allclose(p, torch.stack([m.predict(z) for m in models]), atol=1e-6)
    with pytest.raises(ConfigError, match="two members or more, got 1"):
        Uncertainty.of_models(models[:1])


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="mutual_information, variance, entropy, got 'sd'"):
        Uncertainty(three, "sd")  # type: ignore[arg-type]  # wrong on purpose
    with pytest.raises(ConfigError, match="`members` must be a function"):
        Uncertainty("forest")  # type: ignore[arg-type]  # as above
    with pytest.raises(ShapeError, match=r"\(m, 2, 2\), got \(4, 2, 3\)"):
        Uncertainty(three)(make_candidates(b=1, n=2, k=2))
