"""Cost: the contract, values by hand, the schema's keys, and what a search and its answers do with it."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import cfsearch
from cfsearch.assembly.search import default_objectives
from cfsearch.contracts.objective import Constraint, Objective
from cfsearch.contracts.records import Candidates
from cfsearch.datasets.tables import Column, ColumnKind, Missing, TableSchema, read_schema, write_schema
from cfsearch.errors import ConfigError, ShapeError
from cfsearch.generators import Rows
from cfsearch.objectives.cost import Cost
from cfsearch.testing import ObjectiveCase, make_candidates, make_queries
from cfsearch.testing.tables import random_rows

INTEGER, REAL = ColumnKind.INTEGER, ColumnKind.REAL
SCHEMA = TableSchema(
    columns=(
        Column(name="years", kind=INTEGER, low=0, high=40, step=5, cost_per_step=10.0),
        Column(name="savings", kind=REAL, low=0, high=9000, cost=1.0, cost_per_step=0.01),
        Column(name="grade", kind=ColumnKind.ORDINAL, levels=("a", "b", "c"), cost_per_step=4.0),
        Column(name="job", kind=ColumnKind.CATEGORICAL, levels=("x", "y"), cost=7.0),
        Column(name="town", kind=ColumnKind.CATEGORICAL, levels=("x", "y")),
    )
)
HOME = [10.0, 500.0, 0.0, 0.0, 0.0]


class TestCostContract(ObjectiveCase):
    @pytest.fixture
    def objective(self) -> Cost:
        return Cost(SCHEMA)

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
        assert isinstance(measure, Cost) and isinstance(measure.schema, TableSchema)
        x = random_rows(measure.schema, n=b * n, draw=np.random.default_rng(seed)).reshape(b, n, -1)
        queries = make_queries(x=x[:, 0].to(dtype), critic=False, references=False, seed=seed, dtype=dtype)
        return make_candidates(
            x=x.to(dtype), queries=queries, critic=False, seed=seed, dtype=dtype, device=device
        )


def cost(row: list[float], *, home: list[float] = HOME, schema: TableSchema = SCHEMA) -> float:
    x = torch.tensor([[row]], dtype=torch.float64)
    queries = make_queries(x=torch.tensor([home], dtype=torch.float64), dtype=torch.float64)
    return float(Cost(schema)(make_candidates(queries=queries, x=x, dtype=torch.float64))[0, 0])


@pytest.mark.parametrize(
    ("row", "value"),
    [
        (HOME, 0.0),
        ([20.0, 500.0, 0.0, 0.0, 0.0], 20.0),  # two steps of five years
        ([10.0, 800.0, 0.0, 0.0, 0.0], 4.0),  # 1, and 300 units of 0.01
        ([10.0, 500.0, 2.0, 0.0, 0.0], 8.0),  # two levels
        ([10.0, 500.0, 0.0, 1.0, 0.0], 7.0),
        ([10.0, 500.0, 0.0, 0.0, 1.0], 1.0),  # nothing declared
        ([5.0, 400.0, 1.0, 1.0, 1.0], 10 + 2 + 4 + 7 + 1),
    ],
)
def test_worked_by_hand(row: list[float], value: float) -> None:
    assert cost(row) == pytest.approx(value)


def test_a_missing_number_that_stays_costs_nothing() -> None:
    schema = TableSchema(
        columns=(Column(name="a", kind=REAL, low=0, high=9, missing=Missing.KEEP, cost_per_step=2.0),)
    )
    assert cost([math.nan], home=[math.nan], schema=schema) == 0.0


@given(st.floats(0, 1e6), st.floats(0, 1e6), st.sampled_from([0.0, 0.5, 5.0]), st.integers(-20, 20))
def test_costs_add_up_over_steps(fixed: float, each: float, step: float, steps: int) -> None:
    column = Column(name="a", kind=REAL, low=-200, high=200, step=step, cost=fixed, cost_per_step=each)
    expected = 0.0 if steps == 0 else fixed + each * abs(steps)
    schema = TableSchema(columns=(column,))
    assert cost([steps * (step or 1.0)], home=[0.0], schema=schema) == pytest.approx(expected, rel=1e-9)


def test_a_file_keeps_costs(tmp_path: Path) -> None:
    path = tmp_path / "t.schema.toml"
    write_schema(SCHEMA, path)
    assert read_schema(path) == SCHEMA
    assert Cost(str(path)).schema == str(path)
    assert SCHEMA.has_costs
    assert not TableSchema(columns=(Column(name="a", kind=REAL, high=1.0),)).has_costs


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"cost": -1.0}, "`cost_per_step` must be finite numbers >= 0"),
        ({"cost_per_step": math.inf}, "must be finite numbers >= 0"),
        ({"cost_per_step": 1.0}, "is of numbers and ordinal columns"),
    ],
)
def test_what_costs_cannot_be(settings: dict[str, float], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        Column(name="a", kind=ColumnKind.CATEGORICAL, levels=("x", "y"), **settings)  # type: ignore[arg-type]  # of cost


def test_rows_of_another_table_are_refused() -> None:
    with pytest.raises(ShapeError, match="5 columns, the rows have 1"):
        cost([0.0], home=[0.0])


def test_costs_take_the_place_of_the_distance_where_they_are_declared() -> None:
    assert [o.name for o in default_objectives(Rows(SCHEMA))] == ["adversarial", "cost", "changed"]
    plain = TableSchema(columns=(Column(name="a", kind=REAL, high=1.0),))
    assert [o.name for o in default_objectives(Rows(plain))] == ["adversarial", "gower", "changed"]


def approve(frame: pd.DataFrame) -> np.ndarray:
    p = 1 / (1 + np.exp(-(frame["a"] + frame["b"] - 10).to_numpy(float)))
    return np.stack([1 - p, p], axis=1)


@pytest.mark.parametrize(("dear", "cheap"), [("a", "b"), ("b", "a")])
def test_a_search_takes_the_cheaper_of_two_equal_ways(dear: str, cheap: str, tmp_path: Path) -> None:
    columns = tuple(
        Column(name=name, kind=INTEGER, low=0, high=30, cost_per_step=50.0 if name == dear else 1.0)
        for name in ("a", "b")
    )
    path = tmp_path / "t.csv"
    pd.DataFrame({"a": [4, 20], "b": [4, 20]}).to_csv(path, index=False)
    (front,) = cfsearch.search(
        approve, path, rows=[0], schema=TableSchema(columns=columns), labels=("no", "yes"), evaluations=200,
        population=30, isolate=False,
    )  # fmt: skip
    assert "cost" in front.objectives
    closest = front.pick("closest")
    assert closest is not None
    assert [word.split()[0] for word in front.words(closest)] == [cheap]
    assert float(front.column("cost")[closest]) <= 10.0  # the dear way takes 150
