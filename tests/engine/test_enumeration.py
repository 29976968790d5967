"""Every point of a small space: against a product of values by hand, and exact fronts against brute force."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.contracts.records import Reason
from cfsearch.contracts.space import Kind, SearchSpace
from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
from cfsearch.engine.course import Course
from cfsearch.engine.enumeration import every_point
from cfsearch.engine.search import Search
from cfsearch.fronts.front import ParetoFront
from cfsearch.generators.rows.generator import Rows
from cfsearch.numerics import pareto
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.changed import Changed
from cfsearch.objectives.gower import Gower
from cfsearch.solvers.genetic import Nsga2
from cfsearch.testing.tables import random_rows, random_schema


def space(*, upper: float = 2.0, steps: tuple[float, ...] = (1.0, 1.0), origin: float = 0.0) -> SearchSpace:
    return SearchSpace(
        names=("a", "b"),
        lower=torch.tensor([[-1.0, 0.0]]),
        upper=torch.tensor([[upper, 1.0]]),
        origin=torch.tensor([[origin, 0.0]]),
        kinds=(Kind.INTEGER, Kind.CATEGORICAL),
        steps=torch.tensor(steps),
    )


def test_worked_by_hand() -> None:
    points = every_point(space(), most=8)
    assert points is not None
    assert points[0].tolist() == [0.0, 0.0], "no change comes first"
    assert {tuple(p) for p in points.tolist()} == set(itertools.product((-1.0, 0.0, 1.0, 2.0), (0.0, 1.0)))
    assert every_point(space(), most=7) is None


def test_large_whole_numbers_are_distinct_points() -> None:
    at = torch.tensor([[2.0**30 + 1]], dtype=torch.float64)
    one = SearchSpace(
        names=("cents",),
        lower=torch.full_like(at, -2.0),
        upper=torch.full_like(at, 2.0),
        origin=at,
        kinds=(Kind.INTEGER,),
        steps=torch.ones(1, dtype=torch.float64),
    )
    points = every_point(one, most=5)
    assert points is not None
    assert sorted(points.flatten().tolist()) == [-2.0, -1.0, 0.0, 1.0, 2.0]


def test_a_value_that_is_no_step_may_stay() -> None:
    points = every_point(space(origin=0.5), most=20)
    assert points is not None
    # the values 0, 1 and 2 lie within -0.5 and 2.5, and 0.5 is the query's own
    assert sorted({float(p[0]) + 0.5 for p in points}) == [0.0, 0.5, 1.0, 2.0]


def test_a_variable_without_steps_makes_a_space_infinite_unless_it_is_held() -> None:
    loose = space(steps=(0.0, 1.0))
    assert every_point(loose, most=10**9) is None
    held = every_point(loose.restrict(immutable=("a",)), most=2)
    assert held is not None and held.tolist() == [[0.0, 0.0], [0.0, 1.0]]


def test_a_column_of_a_billion_values_is_counted_and_not_listed() -> None:
    assert every_point(space(upper=1e9), most=5000) is None


@given(seed=st.integers(0, 500))
@settings(max_examples=25, deadline=None)
def test_all_points_keep_the_rules_and_differ(seed: int) -> None:
    draw = np.random.default_rng(seed)
    schema = random_schema(draw, columns=3, immutable=1)
    x = random_rows(schema, n=1, draw=draw)
    generator = Rows(schema)
    one = generator.space(generator.encode(x))
    points = every_point(one, most=3000)
    if points is not None:
        assert bool(one.contains(points[None]).all())
        assert len(torch.unique(points, dim=0)) == len(points)
        drawn = one.sample(200, rngs=[draw])[0]
        assert bool(((drawn[:, None] - points[None]).abs().amax(-1) < 1e-9).any(1).all()), "none is missing"


class Counting(Provider):
    """A linear model of rows that keeps what it was asked about."""

    name = "counting"
    labels = ("no", "yes")
    scores = ScoreKind.LOGITS
    max_batch = 4096

    @property
    def batch_invariant(self) -> bool:
        return True

    @property
    def fingerprint(self) -> str:
        return "counting"

    def __init__(self) -> None:
        self.rows: list[tuple[float, ...]] = []

    def predict(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n 2"]:
        self.rows += [tuple(row) for row in x.tolist()]
        lead = (x * x.new_tensor([0.7, 1.1, -0.4])).sum(1) - 4.2
        return torch.stack([torch.zeros_like(lead), lead], dim=1)


SCHEMA = TableSchema(
    columns=(
        Column(name="years", kind=ColumnKind.INTEGER, high=9.0),
        Column(name="job", kind=ColumnKind.CATEGORICAL, levels=("a", "b", "c", "d")),
        Column(name="loans", kind=ColumnKind.INTEGER, high=4.0, monotone=-1),
    ),
)
X = torch.tensor([[1.0, 0.0, 3.0], [4.0, 0.0, 1.0]], dtype=torch.float64)


def run(x: Tensor, *, evaluations: int = 500, capacity: int = 100) -> tuple[list[ParetoFront], Counting]:
    model = Counting()
    search = Search(
        model,
        Rows(SCHEMA),
        [Adversarial(), Gower(), Changed()],
        lambda population: Nsga2(population=population),
        evaluations=evaluations,
        population=20,
        capacity=capacity,
    )
    found = search.run(x, names=[f"row {i}" for i in range(len(x))])
    return [front for front in found if isinstance(front, ParetoFront)], model


def brute_force(row: Tensor) -> Tensor:
    """Objective values of the exact front, from all rows that the rules allow."""
    every = torch.tensor(list(itertools.product(range(10), range(4), range(int(row[2]) + 1)))).double()
    p = Counting().predict(every).softmax(-1)[:, 1]
    gap = (every - row).abs() / torch.tensor([9.0, 1.0, 4.0])
    gap[:, 1] = (every[:, 1] != row[1]).double()
    # adversarial success is some falling function of p; dominance asks for no more
    f = torch.stack([-p, gap.mean(1), (every != row).double().sum(1)], dim=1)
    return torch.cat([every[pareto.non_dominated(f)], p[pareto.non_dominated(f), None]], dim=1)


def test_a_front_of_a_small_domain_is_that_of_brute_force_and_says_so() -> None:
    fronts, model = run(X)
    assert len(model.rows) == 160 + 80, "each row of each domain once"
    for front, x, size in zip(fronts, X, (160, 80), strict=True):
        assert front.rows is not None and front.reason is Reason.EXACT and front.exact
        exact = {tuple(row[:3].tolist()) for row in brute_force(x)}
        assert {tuple(row) for row in front.rows.tolist()} == exact
        assert front.queries == size and front.evaluations == size - 1
        assert front.origins == ("enumeration",) * len(front)
        assert f"all {size} candidates" in front.note[0]


def test_an_exact_front_is_the_same_bytes_alone_in_company_and_from_a_file() -> None:
    both, _ = run(X)
    for i in (0, 1):
        [alone], _ = run(X[i : i + 1])
        # the name is the place in the batch
        assert alone.f.tolist() == both[i].f.tolist() and alone.queries == both[i].queries
    again = ParetoFront.from_bytes(both[0].to_bytes())
    assert again.exact and again.digest == both[0].digest


@pytest.mark.parametrize(("evaluations", "reasons"), [(159, (False, True)), (79, (False, False))])
def test_what_is_larger_than_the_budget_is_searched(evaluations: int, reasons: tuple[bool, bool]) -> None:
    fronts, _ = run(X, evaluations=evaluations)
    assert tuple(front.exact for front in fronts) == reasons


def test_a_front_that_was_thinned_is_not_called_exact() -> None:
    fronts, _ = run(X[:1], capacity=4)
    assert len(fronts[0]) == 4 and not fronts[0].exact


JOINT = TableSchema(
    columns=(
        Column(name="low", kind=ColumnKind.INTEGER, high=3.0),
        Column(name="high", kind=ColumnKind.INTEGER, high=3.0),
        Column(name="owner", kind=ColumnKind.CATEGORICAL, levels=("a", "b")),
    ),
    relations=("low <= high",),
)


def test_values_that_are_permitted_only_beside_other_changes_are_listed() -> None:
    generator = Rows(JOINT)
    one = generator.space(generator.encode(torch.tensor([[1.0, 1.0, 0.0]], dtype=torch.float64)))
    points = every_point(one, most=100)
    assert points is not None
    rows = {(1 + round(3 * a), 1 + round(3 * b), round(c)) for a, b, c in points.tolist()}
    assert rows == {(a, b, c) for a in range(4) for b in range(4) for c in range(2) if a <= b}
    assert len(points) == 20


class Raised(Counting):
    """Says yes where both are raised."""

    def predict(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n 2"]:
        self.rows += [tuple(row) for row in x.tolist()]
        return torch.stack([torch.zeros(len(x), dtype=x.dtype), 4.0 * x[:, 0] - 7.0], dim=1)


def searched(x: Tensor, **settings: Any) -> list[ParetoFront]:  # Any: settings of Search
    found = Search(
        Raised(), Rows(JOINT), [Adversarial(), Gower()], lambda population: Nsga2(population=population),
        population=20, **settings,
    ).run(x, names=[f"row {i}" for i in range(len(x))])  # fmt: skip
    return [front for front in found if isinstance(front, ParetoFront)]


def test_an_exact_front_holds_flips_that_need_two_changes() -> None:
    [front] = searched(torch.tensor([[1.0, 1.0, 0.0]], dtype=torch.float64), evaluations=500)
    assert front.reason is Reason.EXACT and front.found and front.rows is not None
    flips = {tuple(row) for row in front.rows[front.verified].tolist()}
    assert (2.0, 2.0, 0.0) in flips and all(low <= high for low, high, _ in flips)


@pytest.mark.parametrize("limit", [{}, {"max_queries": 60}])
def test_a_small_domain_is_listed_whatever_stands_beside_it(
    limit: dict[str, Any],
) -> None:  # Any: settings of Search
    """Of a row whose "low" is 3 and may only rise with "high" there are few; its neighbour has more than the queries."""
    schema = TableSchema(
        columns=(
            Column(name="years", kind=ColumnKind.INTEGER, high=49.0, monotone=1),
            Column(name="loans", kind=ColumnKind.INTEGER, high=9.0),
        ),
    )
    x = torch.tensor([[49.0, 3.0], [1.0, 3.0]], dtype=torch.float64)

    def fronts(rows: Tensor) -> list[ParetoFront]:
        found = Search(
            Raised(), Rows(schema), [Adversarial(), Gower()], lambda population: Nsga2(population=population),
            evaluations=400, population=20, **limit,
        ).run(rows, names=[f"row {i}" for i in range(len(rows))])  # fmt: skip
        return [front for front in found if isinstance(front, ParetoFront)]

    both, [alone] = fronts(x), fronts(x[:1])
    assert len(both) == 2 and alone.reason is both[0].reason
    assert alone.to_bytes() == both[0].to_bytes()


def test_an_enumeration_that_time_ends_is_thinned_to_its_members(monkeypatch: pytest.MonkeyPatch) -> None:
    taken = Course._taken
    turns: list[int] = []

    def ended(self: Course, *values: Any, **more: Any) -> bool:  # Any: as there
        turns.append(1)
        return taken(self, *values, **more) and len(turns) < 4

    monkeypatch.setattr(Course, "_taken", ended)
    [front] = run(X[:1], capacity=3)[0]
    assert len(turns) == 4 and len(front) <= 3 and not front.exact


def test_a_value_beside_the_steps_counts_for_the_budget() -> None:
    one = SearchSpace(
        names=tuple("abcde"),
        lower=torch.full((1, 5), -0.5),
        upper=torch.full((1, 5), 0.5),
        origin=torch.full((1, 5), 0.5),
        kinds=(Kind.INTEGER,) * 5,
        steps=torch.ones(5),
    )
    assert every_point(one, most=242) is None  # 0, 1 and 0.5 of each
    points = every_point(one, most=243)
    assert points is not None and len(points) == 243
