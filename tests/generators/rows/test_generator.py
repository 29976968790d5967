"""Rows: the contract, every rule over random schemas, and what solvers store."""

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from cfsearch.contracts.generator import Generator
from cfsearch.contracts.solver import Solver
from cfsearch.contracts.space import Kind, SearchSpace
from cfsearch.datasets.tables import (
    Cell,
    Column,
    ColumnKind,
    Link,
    Missing,
    Table,
    TableSchema,
    write_schema,
)
from cfsearch.engine.search import Search
from cfsearch.errors import ConfigError, DataError, ShapeError
from cfsearch.fronts.front import ParetoFront
from cfsearch.generators.rows.generator import Rows, RowsState, RowsWithDensity
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.changed import Changed
from cfsearch.objectives.gower import Gower
from cfsearch.objectives.neighbours import Neighbours
from cfsearch.solvers.differential import Gde3
from cfsearch.solvers.genetic import Nsga2
from cfsearch.solvers.random import RandomSearch
from cfsearch.testing import FakeProvider, GeneratorCase
from cfsearch.testing.tables import broken_rules, random_rows, random_schema, random_table

APPLICANTS = TableSchema(
    columns=(
        Column(name="age", kind=ColumnKind.INTEGER, low=18, high=90, unit="years", monotone=1),
        Column(name="sex", kind=ColumnKind.CATEGORICAL, levels=("f", "m"), immutable=True),
        Column(name="income", kind=ColumnKind.REAL, low=0.0, high=10_000.0, step=0.01, unit="EUR"),
        Column(name="school", kind=ColumnKind.CATEGORICAL, levels=("none", "college", "high")),
        Column(name="years", kind=ColumnKind.INTEGER, low=0, high=16),
        Column(name="job", kind=ColumnKind.CATEGORICAL, levels=("clerk", "cook", "?"), missing=Missing.LEVEL),
    ),
    target=Column(name="decision", kind=ColumnKind.CATEGORICAL, levels=("no", "yes")),
    links=(Link(("school", "years"), ((0.0, 0.0), (1.0, 16.0), (2.0, 12.0))),),
)
ANNA: dict[str, Cell] = {
    "age": 39,
    "sex": "f",
    "income": 1200.5,
    "school": "high",
    "years": 12,
    "job": "cook",
}


def rows(*cells: dict[str, Cell]) -> Tensor:
    return torch.from_numpy(np.stack([APPLICANTS.encode(one) for one in cells]))


class RowsCase(GeneratorCase):
    def inputs(self, generator: Generator[RowsState], *, b: int, seed: int = 0) -> Tensor:
        assert isinstance(generator, Rows | RowsWithDensity)
        return random_rows(generator.schema, n=b, draw=np.random.default_rng(seed)).float()


class TestRowsContract(RowsCase):
    @pytest.fixture(params=[0, 1])
    def generator(self, request: pytest.FixtureRequest) -> Rows:
        return Rows(random_schema(np.random.default_rng(request.param), immutable=1))


class TestRowsWithDensityContract(RowsCase):
    @pytest.fixture
    def generator(self) -> RowsWithDensity:
        draw = np.random.default_rng(7)
        schema = random_schema(draw, immutable=1)
        return Rows(schema).with_density(random_rows(schema, n=30, draw=draw))


@given(seed=st.integers(0, 2**32 - 1), reach=st.sampled_from([0.05, 1.0, 30.0]))
def test_no_rule_is_ever_broken_whatever_z_is(seed: int, reach: float) -> None:
    draw = np.random.default_rng(seed)
    schema = random_schema(draw, relations=seed % 3)
    generator = Rows(schema)
    x = random_rows(schema, n=4, draw=draw)
    state = generator.encode(x)
    z = torch.from_numpy(draw.normal(scale=reach, size=(4, 12, len(generator.variables.all))))
    decoded = generator.decode(state, z)
    schema.check(decoded.flatten(0, 1))
    for i in range(4):
        for row in decoded[i].tolist():
            assert not broken_rules(schema, before=x[i].tolist(), after=row)


@given(seed=st.integers(0, 2**32 - 1))
def test_a_repaired_point_changes_what_it_says_and_can_be_read_back(seed: int) -> None:
    draw = np.random.default_rng(seed)
    schema = random_schema(draw)
    generator = Rows(schema)
    # values within their ranges and on their steps, as after a first change
    start = generator.encode(random_rows(schema, n=3, draw=draw))
    x = generator.decode(start, torch.from_numpy(draw.normal(size=(3, 1, start.space.d))))[:, 0]
    state = generator.encode(x)
    space = generator.space(state)
    z = space.sample(8, rngs=[np.random.default_rng([seed, i]) for i in range(3)])
    assert bool(space.contains(z).all())
    decoded = generator.decode(state, z)
    values, before = generator.variables.values(decoded), generator.variables.values(x)[:, None]
    within = (generator.variables.values(x) * 0 == 0)[:, None] & _inside(generator, before)
    assert torch.equal((values != before) & within, (z != 0) & within), "z = 0 is exactly no change"
    again = generator.changes(state, decoded)
    assert torch.allclose(torch.where(within, again, 0.0), torch.where(within, z, 0.0), atol=1e-9)


def _inside(generator: Rows, values: Tensor) -> Tensor:
    low = torch.tensor([v.low for v in generator.variables.all], dtype=torch.float64)
    high = torch.tensor([v.high for v in generator.variables.all], dtype=torch.float64)
    return (values >= low) & (values <= high)


@pytest.mark.parametrize("solver", [RandomSearch, Nsga2, Gde3])
@pytest.mark.parametrize("seed", range(4))
def test_no_stored_counterfactual_breaks_a_rule(solver: type[Solver], seed: int) -> None:
    draw = np.random.default_rng([11, seed])
    schema = random_schema(draw, immutable=3, monotone=2, links=1)
    table = random_table(schema, n=40, draw=draw)
    x = table.x[:3]
    fronts = _search(schema, table, x, solver=solver)
    assert any(len(front) for front in fronts)
    for i, front in enumerate(fronts):
        assert front.rows is not None
        schema.check(front.rows)
        for j, row in enumerate(front.rows.tolist()):
            assert not broken_rules(schema, before=x[i].tolist(), after=row)
            assert front.words(j) == schema.words(x[i].tolist(), row)
        back = ParetoFront.from_bytes(front.to_bytes())
        assert back.rows is not None and torch.equal(back.rows, front.rows)
        assert back.described == front.described and back.digest == front.digest


def _search(schema: TableSchema, table: Table, x: Tensor, *, solver: type[Solver]) -> list[ParetoFront]:
    generator = Rows(schema)
    centre, span = table.x.mean(0), table.x.std(0).clamp_min(1e-6)
    weight = tuple((torch.linspace(-1.0, 2.0, schema.d, dtype=torch.float64) / span).tolist())
    bias = -float((torch.tensor(weight) * centre).sum())
    provider = FakeProvider(weight=((0.0,) * schema.d, weight), bias=(0.0, bias), labels=("no", "yes"))
    search = Search(
        provider,
        generator,
        [Adversarial(), Gower(), Changed(), Neighbours(table, k=2)],
        lambda population: solver(population=population),  # type: ignore[call-arg]  # as registered ones do
        evaluations=200,
        population=20,
        capacity=25,
    )
    found = search.run(x, names=[f"row {i}" for i in range(len(x))])
    return [one for one in found if isinstance(one, ParetoFront)]


def test_measured_and_stored_rows_are_the_same_rows() -> None:
    draw = np.random.default_rng(5)
    schema = random_schema(draw)
    table = random_table(schema, n=30, draw=draw)
    [front] = _search(schema, table, table.x[:1], solver=Nsga2)
    assert front.rows is not None and front.row is not None
    variables = Rows(schema).variables
    gower = variables.gower(front.rows, front.row[None].expand_as(front.rows))
    assert torch.allclose(gower.float(), front.column("gower"), atol=1e-6)
    values, origin = variables.values(front.rows), variables.values(front.row)
    assert torch.equal((values != origin).sum(-1).float(), front.column("changed"))
    assert torch.allclose(front.values.double(), values, atol=1e-4)


def test_worked_by_hand() -> None:
    generator = Rows(APPLICANTS)
    x = rows(ANNA)
    state = generator.encode(x)
    space = generator.space(state)
    assert space.names == ("age", "sex", "income", "school", "job")
    assert space.kinds == (Kind.INTEGER, Kind.CATEGORICAL, Kind.REAL, Kind.INTEGER, Kind.CATEGORICAL)
    z = torch.tensor([[[10.4 / 72, 0.0, 0.1, 0.5, -1.0], [-0.2, 1.0, 1e-4, 0.1, 0.9]]], dtype=torch.float64)
    decoded = generator.decode(state, z)
    assert APPLICANTS.decode(decoded[0, 0].tolist()) == {
        "age": 49,
        "sex": "f",
        "income": 2200.5,
        "school": "college",
        "years": 16,
        "job": "clerk",
    }
    assert torch.equal(decoded[0, 1], x[0]), "younger, another sex, a hair more, half a step, no job: none"
    assert generator.words(x[0], decoded[0]) == (
        (
            "age 39 -> 49 years",
            "income 1200.50 -> 2200.50 EUR",
            "school high -> college",
            "years 12 -> 16",
            "job cook -> clerk",
        ),
        (),
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_space_has_the_precision_of_its_rows_and_steps_are_exact(dtype: torch.dtype) -> None:
    schema = TableSchema(
        columns=(
            Column(name="price", kind=ColumnKind.REAL, low=0.0, high=1.1, step=0.01),
            Column(name="count", kind=ColumnKind.INTEGER, low=0.0, high=2.0**30 + 1),
        )
    )
    generator = Rows(schema)
    space = generator.space(generator.encode(torch.tensor([[0.3, 7.0]], dtype=dtype)))
    for found, exact in ((space.steps, [0.01, 1.0]), (space.scale, [1.1, 2.0**30 + 1])):
        assert found.dtype is dtype
        assert found.tolist() == torch.tensor(exact, dtype=dtype).tolist()
    for bound in (space.lower, space.upper, space.origin):
        assert bound.dtype is dtype
    torch.testing.assert_close(space.upper, torch.tensor([[0.8 / 1.1, 1.0]], dtype=dtype))


def test_a_missing_job_may_be_found_but_never_lost() -> None:
    generator = Rows(APPLICANTS)
    state = generator.encode(rows({**ANNA, "job": "?"}, ANNA))
    space = generator.space(state)
    at = space.names.index("job")
    assert (float(space.lower[0, at]), float(space.upper[0, at])) == (-1.0, 0.0)
    assert (float(space.lower[1, at]), float(space.upper[1, at])) == (-0.5, 0.0)


def test_a_value_out_of_range_may_stay_or_come_back() -> None:
    generator = Rows(APPLICANTS)
    state = generator.encode(rows({**ANNA, "income": 12_000.0}))
    at = generator.space(state).names.index("income")
    z = torch.zeros(1, 3, 5, dtype=torch.float64)
    z[0, :, at] = torch.tensor([0.1, -0.1, -0.5])
    assert generator.decode(state, z)[0, :, 2].tolist() == [12_000.0, 12_000.0, 7_000.0]


def test_the_linked_columns_have_one_variable() -> None:
    generator = Rows(APPLICANTS)
    assert generator.variable_of("years") == generator.variable_of("school") == "school"
    with pytest.raises(ConfigError, match="no column 'yeers'. Did you mean 'years'"):
        generator.variable_of("yeers")
    held = Rows(APPLICANTS, immutable=["years"])
    space = held.space(held.encode(rows(ANNA)))
    assert float(space.upper[0, 3]) == float(space.lower[0, 3]) == 0.0


def test_rows_near_the_training_rows_are_more_real() -> None:
    x = rows(ANNA, {**ANNA, "age": 40}, {**ANNA, "age": 41}, {**ANNA, "job": "clerk"})
    dense = Rows(APPLICANTS).with_density(x, neighbours=2)
    other = rows(ANNA, {**ANNA, "age": 90, "sex": "m", "school": "none", "years": 0})
    real = dense.realism(other[None])[0]
    assert float(real[0]) == pytest.approx(-0.5 * (0 + 1 / 72 / 5))
    assert float(real[1]) < -0.4
    assert dense.fingerprint != Rows(APPLICANTS).fingerprint


def test_it_opens_a_schema_file(tmp_path: Path) -> None:
    write_schema(APPLICANTS, tmp_path / "applicants.toml")
    opened = Rows.open(tmp_path / "applicants.toml", settings={"dead_zone": 0.0, "immutable": ["age"]})
    assert opened.schema == APPLICANTS.ruled(immutable=["age"])
    with pytest.raises(ConfigError, match="unknown setting 'k'"):
        Rows.open(tmp_path / "applicants.toml", settings={"k": 1})
    with pytest.raises(ConfigError, match="expected the TOML file of a table schema"):
        Rows.open(None, settings={})
    with pytest.raises(ConfigError, match="with_density"):
        RowsWithDensity.open(None, settings={})


def test_refusals() -> None:
    with pytest.raises(ConfigError, match=r"`dead_zone` must lie in \[0, 1\)"):
        Rows(APPLICANTS, dead_zone=1.0)
    with pytest.raises(ConfigError, match="between 1 and the 1 reference rows"):
        Rows(APPLICANTS).with_density(rows(ANNA))
    with pytest.raises(ShapeError, match=r"expected shape \(n, 6\)"):
        Rows(APPLICANTS).encode(torch.zeros(1, 5))
    broken = rows(ANNA)
    broken[0, 3] = 0.0
    with pytest.raises(DataError, match="school and years are linked, and school none, years 12"):
        Rows(APPLICANTS).encode(broken)
    broken[0, 3] = 7.0
    with pytest.raises(DataError, match="column 'school': must be the index of one of 3 levels, got 7.0"):
        Rows(APPLICANTS).encode(broken)


class TestSteps:
    """What a space with units and steps does, without a table."""

    def space(self) -> SearchSpace:
        return SearchSpace(
            names=("a", "b"),
            lower=torch.tensor([[-1.0, -1.0]], dtype=torch.float64),
            upper=torch.tensor([[0.5, 1.0]], dtype=torch.float64),
            origin=torch.tensor([[0.29, 5.0]], dtype=torch.float64),
            scale=torch.tensor([2.0, 10.0], dtype=torch.float64),
            steps=torch.tensor([0.01, 2.0], dtype=torch.float64),
        )

    def test_values_are_multiples_of_their_steps(self) -> None:
        z = self.space().repair(torch.tensor([[[0.0051, 0.14], [0.001, 0.0]]], dtype=torch.float64))
        value = self.space().origin + self.space().scale * z
        assert value[0].tolist() == pytest.approx(np.array([[0.30, 6.0], [0.29, 5.0]]))
        assert float(z[0, 1, 0]) == 0.0, "a change of less than half a step is exactly none"

    def test_repairing_twice_changes_nothing(self) -> None:
        z = self.space().sample(200, rngs=[np.random.default_rng(0)])
        assert torch.equal(self.space().repair(z), z)

    @pytest.mark.parametrize(
        ("wrong", "message"),
        [
            ({"scale": torch.tensor([0.0, 1.0])}, "`scale` must be positive"),
            ({"steps": torch.tensor([-1.0, 1.0])}, "`steps` >= 0"),
        ],
    )
    def test_refusals(self, wrong: dict[str, Tensor], message: str) -> None:
        one = torch.ones(1, 2)
        with pytest.raises(ConfigError, match=message):
            SearchSpace(names=("a", "b"), lower=-one, upper=one, **wrong)  # type: ignore[arg-type]  # one of two
        with pytest.raises(ShapeError, match=r"expected scale of shape \(2,\), got \(1,\)"):
            SearchSpace(names=("a", "b"), lower=-one, upper=one, scale=torch.ones(1))
