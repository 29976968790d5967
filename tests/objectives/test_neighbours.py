"""Neighbours: the contract, distances by hand and by scikit-learn, and every refusal."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn.neighbors import LocalOutlierFactor, NearestNeighbors

from cfsearch.contracts.objective import Constraint, Objective
from cfsearch.contracts.records import UNTARGETED, Candidates
from cfsearch.datasets.tables import Column, ColumnKind, Table, TableSchema, Variables, write_schema
from cfsearch.errors import ConfigError, DataError, ShapeError
from cfsearch.objectives.neighbours import Neighbours
from cfsearch.testing import ObjectiveCase, make_candidates, make_queries
from cfsearch.testing.tables import random_rows, random_schema, random_table

SCHEMA = TableSchema(
    columns=(
        Column(name="a", kind=ColumnKind.REAL, low=0.0, high=10.0),
        Column(name="b", kind=ColumnKind.CATEGORICAL, levels=("x", "y")),
    ),
    target=Column(name="t", kind=ColumnKind.CATEGORICAL, levels=("0", "1", "2")),
)
ROWS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [4.0, 1.0], [9.0, 1.0]], dtype=torch.float64)
TABLE = Table(SCHEMA, ROWS, torch.tensor([0, 1, 1, 2]), (1, 2, 3, 4))


class TestNeighboursContract(ObjectiveCase):
    @pytest.fixture
    def objective(self) -> Neighbours:
        draw = np.random.default_rng(3)
        schema = random_schema(draw, labels=("0", "1", "2"))
        return Neighbours(random_table(schema, n=40, draw=draw), k=3)

    def candidates(
        self,
        measure: Objective | Constraint,
        *,
        b: int = 2,
        n: int = 5,
        seed: int = 0,
        dtype: torch.dtype = torch.float32,
        device: str = "cpu",
    ) -> Candidates:
        assert isinstance(measure, Neighbours) and isinstance(measure.table, Table)
        draw = np.random.default_rng(seed)
        x = random_rows(measure.table.schema, n=b * n, draw=draw).reshape(b, n, -1)
        queries = make_queries(x=x[:, 0].to(dtype), critic=False, references=False, seed=seed, dtype=dtype)
        return make_candidates(
            x=x.to(dtype), queries=queries, critic=False, seed=seed, dtype=dtype, device=device
        )


def ask(rows: list[list[float]], *, target: int, source: int = 0, k: int = 1) -> list[float]:
    x = torch.tensor([rows], dtype=torch.float64)
    queries = make_queries(x=x[:, 0], source=[source], target=[target], dtype=torch.float64)
    value: list[float] = Neighbours(TABLE, k=k)(make_candidates(x=x, queries=queries, dtype=torch.float64))[
        0
    ].tolist()
    return value


def test_worked_by_hand() -> None:
    # to (1, x): |2 - 1| / 10 over two columns; to (4, y): (0.2 + 1) / 2
    assert ask([[2.0, 0.0], [4.0, 1.0]], target=1) == pytest.approx([0.05, 0.0])
    assert ask([[2.0, 0.0]], target=1, k=2) == pytest.approx([(0.05 + 0.6) / 2])
    assert ask([[2.0, 0.0]], target=UNTARGETED, source=1) == pytest.approx([0.1])


def test_against_scikit_learn() -> None:
    draw = np.random.default_rng(1)
    schema = replace(random_schema(draw, labels=("0", "1", "2")))
    table = random_table(schema, n=50, draw=draw)
    x = random_rows(schema, n=6, draw=draw)
    queries = make_queries(x=x[:1], source=[0], target=[2], dtype=torch.float64)
    got = Neighbours(table, k=4)(make_candidates(x=x[None], queries=queries, dtype=torch.float64))[0]
    assert table.target is not None
    distance = Variables.of(schema).gower_table(x, table.x[table.target == 2]).numpy()
    oracle = NearestNeighbors(n_neighbors=4, metric="precomputed")
    oracle.fit(np.zeros((distance.shape[1], distance.shape[1])))
    assert got.numpy() == pytest.approx(oracle.kneighbors(distance)[0].mean(1))


def test_it_opens_a_file_and_the_schema_beside_it(tmp_path: Path) -> None:
    (tmp_path / "train.csv").write_text("a,b,t\n0,x,0\n1,x,1\n4,y,1\n9,y,2\n")
    write_schema(SCHEMA, tmp_path / "train.toml")
    opened = Neighbours(str(tmp_path / "train.csv"), k=1)
    x = torch.tensor([[[2.0, 0.0]]], dtype=torch.float64)
    queries = make_queries(x=x[:, 0], source=[0], target=[1], dtype=torch.float64)
    assert opened(make_candidates(x=x, queries=queries, dtype=torch.float64)).tolist() == [
        [pytest.approx(0.05)]
    ]


def test_refusals() -> None:
    with pytest.raises(ConfigError, match="`k` must be a whole number >= 1, got 0"):
        Neighbours(TABLE, k=0)
    with pytest.raises(DataError, match="the training rows have no class"):
        Neighbours(Table(SCHEMA, ROWS, None, (1, 2, 3, 4)))
    with pytest.raises(
        DataError, match="'query0' asks for a class of which the table has 1 rows, fewer than k = 2"
    ):
        ask([[2.0, 0.0]], target=2, k=2)
    x = torch.zeros(1, 1, 2)
    with pytest.raises(ShapeError, match="the model has 5 classes, the table 3"):
        Neighbours(TABLE, k=1)(make_candidates(x=x, queries=make_queries(x=x[:, 0], k=5)))


def test_outlierness_is_scikit_learns_factor_among_rows_of_the_wanted_class() -> None:
    draw = np.random.default_rng(4)
    schema = random_schema(draw, labels=("0", "1", "2"))
    table = random_table(schema, n=120, draw=draw)
    assert table.target is not None
    objective, variables = Neighbours(table), Variables.of(schema)
    x = random_rows(schema, n=8, draw=draw)
    queries = make_queries(x=x[:2], source=[0, 2], target=[1, UNTARGETED], dtype=torch.float64)
    for i, fits in enumerate((table.target == 1, table.target != 2)):
        known = table.x[fits]
        theirs = LocalOutlierFactor(n_neighbors=20, novelty=True, metric="precomputed").fit(
            variables.gower_table(known, known).numpy()
        )
        ours = objective.outlierness(x, queries=queries, i=i)
        assert ours is not None
        np.testing.assert_allclose(
            ours.numpy(), -theirs.score_samples(variables.gower_table(x, known).numpy()), rtol=1e-6
        )


def test_outliers_are_those_among_rows_of_the_true_class_where_it_is_known() -> None:
    draw = np.random.default_rng(7)
    schema = random_schema(draw, labels=("0", "1", "2"))
    table, outcomes = (random_table(schema, n=n, draw=draw) for n in (90, 150))
    objective, variables = Neighbours(table, outcomes=outcomes), Variables.of(schema)
    x = random_rows(schema, n=8, draw=draw)
    queries = make_queries(x=x[:2], source=[0, 2], target=[1, UNTARGETED], dtype=torch.float64)
    assert outcomes.target is not None
    for i, fits in enumerate((outcomes.target == 1, outcomes.target != 2)):
        known = outcomes.x[fits]
        theirs = LocalOutlierFactor(n_neighbors=20, novelty=True, metric="precomputed").fit(
            variables.gower_table(known, known).numpy()
        )
        ours = objective.outlierness(x, queries=queries, i=i)
        assert ours is not None
        np.testing.assert_allclose(
            ours.numpy(), -theirs.score_samples(variables.gower_table(x, known).numpy()), rtol=1e-6
        )
    candidates = make_candidates(x=x[None], queries=make_queries(x=x[:1], target=[1]), dtype=torch.float64)
    assert torch.equal(objective(candidates), Neighbours(table)(candidates)), "nearness is that of the table"


@pytest.mark.parametrize("rows", [20, 21])
def test_too_few_rows_of_the_true_class_leave_those_of_the_table(rows: int) -> None:
    draw = np.random.default_rng(8)
    schema = random_schema(draw, labels=("0", "1", "2"))
    table, other = (random_table(schema, n=120, draw=draw) for _ in range(2))
    few = other.take(range(rows)).labelled(torch.ones(rows, dtype=torch.long))
    x = random_rows(schema, n=4, draw=draw)
    queries = make_queries(x=x[:1], source=[0], target=[1], dtype=torch.float64)
    own, given, unknown = (
        made.outlierness(x, queries=queries, i=0)
        for made in (
            Neighbours(table),
            Neighbours(table, outcomes=few),
            Neighbours(table, outcomes=replace(few, target=None)),
        )
    )
    assert own is not None and given is not None and unknown is not None
    assert torch.equal(own, unknown)
    assert torch.equal(own, given) is (rows == 20), "20 neighbours need 21 rows"


def test_outcomes_that_are_no_table_are_refused() -> None:
    with pytest.raises(ConfigError, match="`outcomes` must be a Table, .* got 'train.csv'"):
        Neighbours(TABLE, outcomes="train.csv")  # type: ignore[arg-type]  # what a file of settings would give


def test_too_few_rows_have_no_outliers() -> None:
    queries = make_queries(x=ROWS[:1], source=[0], target=[1], dtype=torch.float64)
    assert Neighbours(TABLE, k=1).outlierness(ROWS, queries=queries, i=0) is None
