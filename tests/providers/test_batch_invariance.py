"""Row by row: which scikit-learn models promise it, that they keep it to the last bit, who does not."""

from typing import Any

import numpy as np
import pytest
import torch
from sklearn.compose import ColumnTransformer
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    GradientBoostingClassifier,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
)
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from torch import Tensor

from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.datasets.tables import Encoding, Table
from cfsearch.providers.batch_invariance import BLOCK, LARGE, by_row, in_blocks, keeps_places, large_block_for
from cfsearch.providers.budget import CountingProvider
from cfsearch.providers.cache import CachedProvider
from cfsearch.providers.sklearn import SklearnProvider
from cfsearch.providers.votes import VotingProvider
from cfsearch.providers.wrapping import WrappedProvider
from cfsearch.testing import FakeProvider
from cfsearch.testing.tables import random_schema, random_table

DRAW = np.random.default_rng(3)
SCHEMA = random_schema(DRAW, columns=6)
TABLE = random_table(SCHEMA, n=300, draw=DRAW)
MANY = random_table(SCHEMA, n=BLOCK + 90, draw=DRAW).x
MODELS: tuple[Any, ...] = (  # Any: estimators have no types
    RandomForestClassifier(8, random_state=0),
    GradientBoostingClassifier(n_estimators=5, random_state=0),
    HistGradientBoostingClassifier(max_iter=5, random_state=0),
    DecisionTreeClassifier(random_state=0),
    LogisticRegression(max_iter=50),
    MLPClassifier((40, 24), solver="lbfgs", max_iter=5, random_state=0, tol=1.0),
)


class Own(RandomForestClassifier):  # type: ignore[misc]  # scikit-learn has no types
    """A stranger's forest, which may do anything."""


class Labels(WrappedProvider):
    """The same model saying the class alone, row by row."""

    def __init__(self, provider: Provider) -> None:
        super().__init__(provider)
        self.scores = ScoreKind.LABELS

    @property
    def batch_invariant(self) -> bool:
        return True


def columns() -> ColumnTransformer:
    levels = [c.name for c in SCHEMA.columns if c.has_levels]
    numbers = [c.name for c in SCHEMA.columns if not c.has_levels]
    return ColumnTransformer(
        [("levels", OneHotEncoder(handle_unknown="ignore"), levels), ("numbers", StandardScaler(), numbers)]
    )


def fitted(model: Any, *, pipeline: bool, table: Table = TABLE) -> SklearnProvider:
    assert table.target is not None
    classes = np.array(SCHEMA.labels)[table.target.numpy()]
    if pipeline:
        made = make_pipeline(columns(), model).fit(table.frame(), classes)
        return SklearnProvider(made, schema=SCHEMA)
    encoding = Encoding.standard(SCHEMA, table.x)
    return SklearnProvider(model.fit(encoding.apply(table.x).numpy(), classes), schema=SCHEMA, form=encoding)


def alone(provider: Provider, x: Tensor) -> Tensor:
    return torch.cat([provider.predict(one[None]) for one in x])


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge", "ignore:Found unknown categories")
@pytest.mark.parametrize("pipeline", [False, True], ids=["numbers", "pipeline"])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: type(model).__name__)
def test_an_answer_is_the_same_to_the_last_bit_in_any_company(model: Any, pipeline: bool) -> None:
    provider = fitted(model, pipeline=pipeline)
    assert provider.batch_invariant
    together = provider.predict(MANY)
    assert torch.equal(together[:5], alone(provider, MANY[:5]))
    assert torch.equal(together[40:140], provider.predict(MANY[40:140]))
    assert torch.equal(together.flip(0), provider.predict(MANY.flip(0)))


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")
def test_blocks_answer_what_the_model_answers() -> None:
    provider = fitted(MODELS[-1], pipeline=False)
    network = MODELS[-1].predict_proba(Encoding.standard(SCHEMA, TABLE.x).apply(MANY).numpy())
    assert np.abs(provider.predict(MANY).numpy() - network).max() < 1e-12


@pytest.mark.parametrize(
    "model",
    [
        KNeighborsClassifier(3),
        make_pipeline(PCA(3), RandomForestClassifier(3, random_state=0)),
        make_pipeline(PCA(3), LogisticRegression()),
        Own(3, random_state=0),
    ],
    ids=["neighbours", "forest behind a rotation", "linear behind a rotation", "a stranger's class"],
)
def test_what_is_not_known_promises_nothing(model: Any) -> None:
    assert not by_row(model)
    assert not fitted(model, pipeline=False).batch_invariant


def test_a_model_that_looks_at_its_place_is_found_out() -> None:
    rows = torch.from_numpy(DRAW.normal(size=(64, 3)))
    assert keeps_places(lambda x: (x[:, 0] + x[:, 1]) + x[:, 2], rows)

    def by_place(x: Tensor) -> Tensor:
        out = (x[:, 0] + x[:, 1]) + x[:, 2]
        out[40:] = (x[40:, 2] + x[40:, 1]) + x[40:, 0]  # the same sum, rounded in another order
        return out

    assert not keeps_places(by_place, rows)


def test_a_linear_model_that_looks_at_its_place_promises_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    honest = LogisticRegression.predict_proba

    def by_place(self: LogisticRegression, x: Any) -> Any:  # Any: scikit-learn has no types
        return honest(self, x) + 1e-16 * np.arange(len(x))[:, None]

    monkeypatch.setattr(LogisticRegression, "predict_proba", by_place)
    assert not fitted(LogisticRegression(max_iter=50), pipeline=False).batch_invariant


def test_wrappers_pass_it_on_where_they_may() -> None:
    forest = fitted(MODELS[0], pipeline=False)
    assert CountingProvider(forest).batch_invariant and CachedProvider(forest).batch_invariant
    assert not CountingProvider(FakeProvider()).batch_invariant
    assert not VotingProvider(Labels(forest)).batch_invariant


@pytest.mark.parametrize(
    ("n", "large", "sizes"),
    [(3, 8, [4]), (4, 8, [4]), (5, 8, [8]), (11, 8, [8, 4]), (13, 8, [8, 8]), (9, 0, [4, 4, 4])],
)
def test_more_rows_than_a_block_go_in_large_ones(n: int, large: int, sizes: list[int]) -> None:
    asked: list[int] = []

    def ask(rows: Tensor) -> Tensor:
        asked.append(len(rows))
        return 2 * rows

    x = torch.arange(float(n))[:, None]
    assert torch.equal(in_blocks(x, block=4, ask=ask, large=large), 2 * x)
    assert asked == sizes


def test_large_blocks_are_taken_only_where_they_give_the_same_bits() -> None:
    def sums(x: Tensor) -> Any:
        return x.nan_to_num().numpy().sum(1)

    def by_size(x: Tensor) -> Any:
        return sums(x) * (1 + 1e-15 * (len(x) > BLOCK))

    def by_place(x: Tensor) -> Any:
        return sums(x) * (1 + 1e-15 * (np.arange(len(x)) >= LARGE - 5))

    def refusing(x: Tensor) -> Any:
        if len(x) > BLOCK:
            raise MemoryError
        return sums(x)

    found = [
        large_block_for(SCHEMA, block=BLOCK, most=LARGE, ask=ask)
        for ask in (sums, by_size, by_place, refusing)
    ]
    assert found == [LARGE, 0, 0, 0]
    assert large_block_for(SCHEMA, block=BLOCK, most=LARGE - 1, ask=sums) == 0
    assert large_block_for(SCHEMA, block=0, most=LARGE, ask=sums) == 0


def test_a_linear_pipeline_answers_a_row_alike_alone_and_in_a_large_block() -> None:
    provider = fitted(LogisticRegression(max_iter=50), pipeline=True)
    assert torch.equal(
        torch.cat([provider.predict(row[None]) for row in MANY[:5]]), provider.predict(MANY)[:5]
    )
