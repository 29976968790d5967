"""Codes, gaps, largest changes and relations under every solver: none is ever broken."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from torch import Tensor

from cfsearch.contracts.solver import Solver
from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
from cfsearch.engine.search import Search
from cfsearch.fronts.front import ParetoFront
from cfsearch.generators.rows.generator import Rows
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.changed import Changed
from cfsearch.objectives.gower import Gower
from cfsearch.solvers.bayesian import Bayesian
from cfsearch.solvers.bridged import Nsga3, Spea2
from cfsearch.solvers.differential import Gde3
from cfsearch.solvers.genetic import AgeMoea2, Nsga2
from cfsearch.solvers.random import RandomSearch
from cfsearch.solvers.swarm import Smpso
from cfsearch.testing import FakeProvider
from cfsearch.testing.tables import broken_rules, random_rows, random_schema

SOLVERS = (AgeMoea2, Bayesian, Gde3, Nsga2, Nsga3, RandomSearch, Smpso, Spea2)


def searched(schema: TableSchema, x: Tensor, *, solver: type[Solver], evaluations: int) -> list[ParetoFront]:
    """Fronts of a linear model on the columns of a schema."""
    centre, span = x.mean(0), x.std(0).clamp_min(1e-6)
    weight = tuple((torch.linspace(-1.0, 2.0, schema.d, dtype=torch.float64) / span).tolist())
    bias = -float((torch.tensor(weight) * centre).sum())
    provider = FakeProvider(weight=((0.0,) * schema.d, weight), bias=(0.0, bias), labels=("no", "yes"))
    search = Search(
        provider,
        Rows(schema),
        [Adversarial(), Gower(), Changed()],
        lambda population: solver(population=population, **QUICK.get(solver.name, {})),  # type: ignore[call-arg]  # as registered ones do
        evaluations=evaluations,
        population=12,
    )
    found = search.run(x, names=[f"row {i}" for i in range(len(x))])
    return [one for one in found if isinstance(one, ParetoFront)]


QUICK: dict[str, dict[str, int]] = {"bayesian": {"inner_population": 12, "inner_generations": 2}}


@pytest.mark.parametrize("solver", SOLVERS, ids=[solver.name for solver in SOLVERS])
@settings(max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 2**32 - 1))
def test_no_solver_stores_a_row_that_breaks_a_rule(solver: type[Solver], seed: int) -> None:
    draw = np.random.default_rng(seed)
    schema = random_schema(draw, columns=4, immutable=1, monotone=1, relations=2)
    x = random_rows(schema, n=3, draw=draw).nan_to_num(nan=0.0)
    for i, front in enumerate(searched(schema, x, solver=solver, evaluations=60)):
        assert front.rows is not None
        for j, row in enumerate(front.rows.tolist()):
            assert not broken_rules(schema, before=x[i].tolist(), after=row)
            assert front.words(j) == schema.words(x[i].tolist(), row)


def test_what_a_point_says_is_what_the_row_is() -> None:
    """A row out of its range, and bounds that let it half-way back: the change says what is decoded."""
    age = Column(name="age", kind=ColumnKind.INTEGER, low=30, high=40)
    income = Column(name="income", kind=ColumnKind.REAL, low=0.0, high=20_000.0, step=0.1)
    generator = Rows(TableSchema(columns=(age, income)))
    x = torch.tensor([[72.0, 9_000.0]], dtype=torch.float64)
    state = generator.encode(x)
    space = generator.space(state)
    z = space.sample(200, rngs=[np.random.default_rng(0)])
    values = space.origin[:, None] + space.scale * z
    decoded = generator.decode(state, z)
    assert torch.allclose(values, decoded, atol=1e-9)
    assert set(decoded[0, :, 0].tolist()) <= {72.0, *map(float, range(30, 41))}


@given(
    kind=st.sampled_from((ColumnKind.REAL, ColumnKind.INTEGER)),
    low=st.integers(-60, 60),
    span=st.integers(1, 200),
    step=st.sampled_from((0.0, 0.1, 0.25, 1.0, 3.0, 10.0)),
    edges=st.lists(st.integers(-800, 2600), min_size=2, max_size=6, unique=True),
    own=st.integers(-100, 300),
    seed=st.integers(0, 2**32 - 1),
)
def test_gaps_that_end_between_steps_are_as_wide_as_the_steps(
    kind: ColumnKind, low: int, span: int, step: float, edges: list[int], own: int, seed: int
) -> None:
    """Every multiple of the step in the range and in no gap can be reached; nothing else, and repair leaves it."""
    ends = sorted(edge / 10 for edge in edges[: len(edges) // 2 * 2])
    gaps = tuple(zip(ends[::2], ends[1::2], strict=True))
    if kind is ColumnKind.INTEGER and step != int(step):
        step = 1.0
    column = Column(name="a", kind=kind, low=low, high=low + span, step=step, gaps=gaps)
    generator = Rows(TableSchema(columns=(column,)), dead_zone=0.0)
    state = generator.encode(torch.tensor([[float(own)]], dtype=torch.float64))
    space = generator.space(state)
    z = space.sample(200, rngs=[np.random.default_rng(seed)])
    assert torch.allclose(space.repair(z), z, atol=1e-9)
    reached = set(generator.decode(state, z)[0, :, 0].tolist()) - {float(own)}
    unit = column.step
    for value in reached:
        assert low - 1e-9 <= value <= low + span + 1e-9
        assert not any(a < value < b for a, b in gaps)
        assert not unit or abs(value / unit - round(value / unit)) < 1e-6


@given(seed=st.integers(0, 2**32 - 1))
@example(seed=40000)
@example(seed=40215)
def test_repaired_points_are_left_as_they_are(seed: int) -> None:
    draw = np.random.default_rng(seed)
    schema = random_schema(draw, relations=2)
    generator = Rows(schema)
    x = random_rows(schema, n=3, draw=draw)
    space = generator.space(generator.encode(x))
    z = space.sample(10, rngs=[np.random.default_rng([seed, i]) for i in range(3)])
    again = space.repair(z)
    assert torch.allclose(again, z, atol=1e-9)
    assert bool(space.contains(z).all())
    assert torch.equal(space.query(1).repair(z[1:2]), again[1:2])
    held = space.restrict(immutable=[space.names[0]])
    assert not bool(held.repair(z)[..., 0].any())
