"""The density of an adversarial random forest, against known densities and the axioms of probability."""

import itertools
import math
import sys

import numpy as np
import pytest
import torch
from scipy.stats import multivariate_normal, norm
from torch import Tensor

from cfsearch.contracts.generator import Critic
from cfsearch.datasets.tables import Column, ColumnKind, Link, Missing, TableSchema, Variables
from cfsearch.errors import ConfigError, MissingExtraError
from cfsearch.generators.rows.forest import RowForest
from cfsearch.generators.rows.generator import Rows, RowsWithCritic
from cfsearch.testing.tables import random_rows, random_schema

PLANE = TableSchema(
    columns=(
        Column(name="a", kind=ColumnKind.REAL, low=-5.0, high=5.0),
        Column(name="b", kind=ColumnKind.REAL, low=-5.0, high=5.0),
    )
)
TOWN = TableSchema(
    columns=(
        Column(name="job", kind=ColumnKind.CATEGORICAL, levels=("w", "x", "y")),
        Column(name="years", kind=ColumnKind.INTEGER, low=0.0, high=12.0, codes=(-9.0,)),
        Column(name="rank", kind=ColumnKind.ORDINAL, levels=("low", "mid", "high")),
        Column(name="owner", kind=ColumnKind.CATEGORICAL, levels=("no", "yes")),
    )
)


def plane(n: int, seed: int) -> Tensor:
    """Points of a normal distribution with correlation 0.9."""
    draw = np.random.default_rng(seed)
    return torch.from_numpy(draw.multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]], n).clip(-5, 5))


def town(n: int, seed: int) -> Tensor:
    """Years by job, rank by years, owners by rank; no record of the years of each tenth."""
    draw = np.random.default_rng(seed)
    job = draw.integers(0, 3, n)
    years = draw.binomial(12, 0.2 + 0.3 * job)
    rank = (years > 3).astype(int) + (years > 8)
    owner = draw.random(n) < 0.1 + 0.4 * rank
    years = np.where(draw.random(n) < 0.1, -9, years)
    return torch.from_numpy(np.stack([job, years, rank, owner], axis=1).astype(np.float64))


@pytest.fixture(scope="module")
def of_plane() -> RowForest:
    return RowForest.of(Variables.of(PLANE), plane(1500, 0), seed=0, trees=10)


@pytest.fixture(scope="module")
def of_town() -> RowForest:
    return RowForest.of(Variables.of(TOWN), town(800, 0), seed=0, trees=10)


def test_probabilities_of_all_rows_add_up_to_one(of_town: RowForest) -> None:
    every = [range(3), [-9, *range(13)], range(3), range(2)]
    rows = torch.tensor(list(itertools.product(*every)), dtype=torch.float64)
    assert float(of_town.score(rows).exp().sum()) == pytest.approx(1.0, abs=1e-9)


def test_a_density_integrates_to_one(of_plane: RowForest) -> None:
    grid = torch.linspace(-5, 5, 101, dtype=torch.float64)
    rows = torch.cartesian_prod(grid, grid)
    # by the share of each range, which is ten
    assert float(of_plane.score(rows).exp().sum()) / 100**2 == pytest.approx(1.0, abs=0.02)


def test_it_is_near_the_true_density_and_knows_what_goes_together(of_plane: RowForest) -> None:
    fresh = plane(600, 1)
    true = multivariate_normal([0, 0], [[1, 0.9], [0.9, 1]]).logpdf(fresh.numpy()).mean() + 2 * math.log(10)
    apart = norm.logpdf(fresh.numpy()).sum(1).mean() + 2 * math.log(10)
    assert true - 0.15 < float(of_plane.score(fresh).mean()) <= true
    assert apart < true - 0.8


def test_the_share_of_a_code_is_that_of_the_rows(of_town: RowForest) -> None:
    rows = torch.tensor(list(itertools.product(range(3), [-9], range(3), range(2))), dtype=torch.float64)
    share = float((town(800, 0)[:, 1] == -9).double().mean())
    assert float(of_town.score(rows).exp().sum()) == pytest.approx(share, abs=0.01)


def test_rows_that_cannot_be_are_far_less_likely(of_town: RowForest) -> None:
    real = town(200, 3)
    real = real[real[:, 1] >= 0]
    off = real.clone()
    off[:, 2] = 2 - off[:, 2]
    moved = off[:, 2] != real[:, 2]
    assert float((of_town.score(real) - of_town.score(off))[moved].mean()) > 2.0


def test_the_last_forest_cannot_tell_its_rows_from_real_ones(of_plane: RowForest) -> None:
    assert of_plane.accuracies[0] > 0.65
    assert of_plane.accuracies[-1] < 0.55


def test_independent_columns_need_one_forest() -> None:
    draw = torch.Generator().manual_seed(0)
    rows = torch.randn((800, 2), generator=draw, dtype=torch.float64).clamp(-5, 5)
    forest = RowForest.of(Variables.of(PLANE), rows, seed=0, trees=10, delta=0.1)
    assert len(forest.accuracies) == 1


def test_rows_do_not_see_each_other(of_town: RowForest, of_plane: RowForest) -> None:
    for forest, rows in ((of_town, town(97, 2)), (of_plane, plane(97, 2))):
        alone = torch.cat([forest.score(row[None]) for row in rows])
        assert torch.equal(forest.score(rows), alone)


def test_the_same_rows_and_seed_give_the_same_forest(of_town: RowForest) -> None:
    again = RowForest.of(Variables.of(TOWN), town(800, 0), seed=0, trees=10)
    assert again.fingerprint == of_town.fingerprint
    assert RowForest.of(Variables.of(TOWN), town(800, 0), seed=1, trees=10).fingerprint != again.fingerprint


def test_any_schema_and_any_row_has_a_finite_density() -> None:
    for seed in range(4):
        draw = np.random.default_rng(seed)
        schema = random_schema(draw, relations=seed % 2)
        rows = random_rows(schema, n=120, draw=draw)
        forest = RowForest.of(Variables.of(schema), rows, seed=0, trees=3, rounds=2)
        others = random_rows(schema, n=50, draw=draw)
        assert bool(torch.isfinite(forest.score(torch.cat([rows, others]))).all())


def test_missing_numbers_and_numbers_out_of_range_are_rows_like_others() -> None:
    kept = Column(name="a", kind=ColumnKind.REAL, low=-5.0, high=5.0, missing=Missing.KEEP)
    schema = TableSchema(columns=(kept, PLANE.columns[1]))
    rows = plane(400, 0)
    rows[:100, 0] = math.nan
    forest = RowForest.of(Variables.of(schema), rows, seed=0, trees=5)
    absent = torch.tensor([[math.nan, 0.1 * i] for i in range(-50, 51)], dtype=torch.float64)
    assert float(forest.score(absent).exp().mean()) == pytest.approx(0.25, abs=0.05)
    far = torch.tensor([[1e6, 0.0], [5.0, 0.0]], dtype=torch.float64)
    assert torch.isfinite(forest.score(far)).all()


def test_linked_columns_count_once() -> None:
    level = Column(name="level", kind=ColumnKind.CATEGORICAL, levels=("a", "b", "c"))
    number = Column(name="number", kind=ColumnKind.INTEGER, low=1.0, high=3.0)
    link = Link(columns=("level", "number"), rows=((0.0, 1.0), (1.0, 2.0), (2.0, 3.0)))
    schema = TableSchema(columns=(level, number), links=(link,))
    draw = np.random.default_rng(0)
    one = torch.from_numpy(draw.choice(3, 300, p=[0.6, 0.3, 0.1]).astype(float))
    forest = RowForest.of(Variables.of(schema), torch.stack([one, one + 1], dim=1), seed=0, trees=5)
    rows = torch.tensor([[0.0, 1.0], [1.0, 2.0], [2.0, 3.0]], dtype=torch.float64)
    shares = torch.bincount(one.long()) / 300
    assert torch.allclose(forest.score(rows).exp(), shares.double(), atol=0.02)


def test_rows_with_it_have_a_critic_that_says_what_it_is() -> None:
    rows = Rows(TOWN).with_forest(town(200, 0), seed=0)
    assert isinstance(rows, RowsWithCritic | Critic)
    assert "adversarial random forest of 30 trees" in rows.critic_kind
    x = town(6, 5).reshape(2, 3, 4)
    assert rows.realism(x).shape == (2, 3)
    assert rows.fingerprint != Rows(TOWN).with_forest(town(200, 0), seed=1).fingerprint


@pytest.mark.parametrize(
    ("n", "settings", "said"),
    [(49, {}, "50 reference rows or more, got 49"), (60, {"alpha": 0.0}, "`alpha` above 0"), (60, {"trees": 0}, "`trees`")],
)  # fmt: skip
def test_what_cannot_be_a_forest_is_refused(n: int, settings: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        RowForest.of(Variables.of(TOWN), town(n, 0), seed=0, **settings)  # type: ignore[arg-type]  # wrong on purpose


def test_without_scikit_learn_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "sklearn.ensemble", None)
    with pytest.raises(MissingExtraError, match=r"cfsearch\[sklearn\]"):
        RowForest.of(Variables.of(TOWN), town(60, 0), seed=0)
