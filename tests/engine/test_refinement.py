"""Refinement: every point that is one step from the members, and answers that no one change taken back would better."""

from dataclasses import replace
from itertools import product

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from cfsearch.contracts.solver import Solver
from cfsearch.datasets.tables import Column, ColumnKind, Table, TableSchema, Variables
from cfsearch.engine.archive import Archive
from cfsearch.engine.problem import Problem
from cfsearch.engine.refinement import stepped
from cfsearch.engine.search import Search
from cfsearch.engine.standing import Standing
from cfsearch.engine.tracker import Tracker
from cfsearch.fronts.front import ParetoFront
from cfsearch.generators.rows import Rows
from cfsearch.generators.rows.seeds import NearestRows
from cfsearch.objectives import Adversarial, Changed, Gower, Neighbours
from cfsearch.solvers.genetic import Nsga2
from cfsearch.testing import FakeProvider

SCHEMA = TableSchema(
    columns=(
        Column(name="age", kind=ColumnKind.INTEGER, low=0.0, high=9.0),
        Column(name="income", kind=ColumnKind.INTEGER, low=0.0, high=9.0),
        Column(name="hours", kind=ColumnKind.INTEGER, low=0.0, high=9.0),
        Column(name="job", kind=ColumnKind.CATEGORICAL, levels=("a", "b", "c")),
    )
)
WEIGHT = (0.0, 0.5, 0.3, 0.4)
BIAS = -3.6


def drawn(n: int, *, seed: int) -> Tensor:
    share = torch.rand(n, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    return (share * torch.tensor([10.0, 10.0, 10.0, 3.0])).floor()


def leads(x: Tensor) -> Tensor:
    """The model in closed form: by how much the wanted class leads, in logits."""
    return x.double() @ torch.tensor(WEIGHT, dtype=torch.float64) + BIAS


def known() -> Table:
    x = drawn(300, seed=9)
    return Table(SCHEMA, x, (leads(x) > 0).long(), tuple(range(300)))


def measures() -> tuple[Adversarial, Gower, Changed, Neighbours]:
    return Adversarial(), Gower(), Changed(), Neighbours(known())


MODEL = FakeProvider(weight=((0.0,) * 4, WEIGHT), bias=(0.0, BIAS), name="model")


def nsga2(population: int) -> Solver:
    return Nsga2(population=population)


def search(**settings: object) -> Search:
    made = Search(
        MODEL,
        Rows(SCHEMA),
        measures(),
        nsga2,
        evaluations=900,
        population=50,
        target="bright",
        pruning=0.3,
        patience=6,
        seeds=NearestRows(Rows(SCHEMA), known()),
    )
    return replace(made, **settings)  # type: ignore[arg-type]  # settings by name


def refused(n: int) -> Tensor:
    x = drawn(200, seed=4)
    return x[leads(x) < -0.5][:n]


def judged(x: Tensor, home: Tensor) -> Tensor:
    """Columns changed, Gower's distance and that of the five nearest known rows, by their definitions."""
    variables, rows = Variables.of(SCHEMA), known()
    near = variables.gower_values(
        variables.values(x.double()),
        variables.values(rows.x[rows.target == 1] if rows.target is not None else rows.x),
    )
    apart = variables.gower_values(variables.values(x.double()), variables.values(home.double()[None]))
    changed = (x.double() != home.double()).sum(1).double()
    return torch.stack([changed, apart[:, 0], near.topk(5, dim=1, largest=False).values.mean(1)], dim=1)


def dominates(one: Tensor, other: Tensor) -> bool:
    return bool((one <= other + 1e-9).all() and (one < other - 1e-7).any())


@given(seed=st.integers(0, 1000), members=st.integers(1, 4), rows=st.integers(0, 3))
def test_steps_are_all_points_that_differ_in_one_variable_by_the_three_kinds(
    seed: int, members: int, rows: int
) -> None:
    draw = torch.Generator().manual_seed(seed)
    z = torch.randint(-2, 3, (members, 3), generator=draw) / 4
    lent = torch.randint(-2, 3, (rows, 3), generator=draw) / 4
    categorical = torch.tensor([False, False, True])
    found = {tuple(row) for row in stepped(z, known=lent, categorical=categorical).tolist()}
    wanted = set()
    for member, j in product(z.tolist(), range(3)):
        values = {0.0} if member[j] else set()
        values |= {member[j] / 2} if member[j] and j != 2 else set()
        values |= {row[j] for row in lent.tolist()} - {
            member[j]
        }  # of three rows each is one of the four nearest
        wanted |= {(*member[:j], value, *member[j + 1 :]) for value in values}
    assert found == wanted


def test_the_values_lent_are_those_of_the_nearest_known_inputs() -> None:
    z = torch.tensor([[0.5, 0.5]])
    rows = torch.tensor([[0.5, 0.1 * k] for k in range(9)])
    found = stepped(z, known=rows, categorical=torch.tensor([False, False]))
    lent = sorted({round(v, 3) for v in found[found[:, 0] == 0.5][:, 1].tolist()} - {0.0, 0.25})
    assert lent == [0.3, 0.4, 0.6], "0.5 is the member's own"


def answers(fronts: list[ParetoFront]) -> list[Tensor]:
    return [front.rows[front.answers(4)].double() for front in fronts if front.rows is not None]


def searched(made: Search, x: Tensor) -> list[ParetoFront]:
    fronts = made.run(x, names=[f"row {i}" for i in range(len(x))])
    return [front for front in fronts if isinstance(front, ParetoFront)]


def test_no_answer_is_dominated_by_itself_with_a_change_taken_back() -> None:
    x = refused(6)
    found = answers(searched(search(), x))
    assert len(found) == 6
    for home, rows in zip(x, found, strict=True):
        assert bool((leads(rows) > 0).all())
        for row in rows:
            for j in (row != home).nonzero().flatten().tolist():
                back = row.clone()
                back[j] = home[j]
                if leads(back[None])[0] > 1e-3:
                    assert not dominates(judged(back[None], home)[0], judged(row[None], home)[0])


def test_no_answer_is_dominated_by_the_nearest_known_rows_with_which_the_search_began() -> None:
    x = refused(6)
    rows = known()
    good = rows.x[leads(rows.x) > 0]
    variables = Variables.of(SCHEMA)
    apart = variables.gower_values(variables.values(x), variables.values(good))
    for i, mine in enumerate(answers(searched(search(), x))):
        near = judged(good[apart[i].topk(20, largest=False).indices], x[i])
        assert not any(dominates(f, own) for f in near for own in judged(mine, x[i]))


def test_fronts_are_the_same_alone_and_in_company_and_cost_no_more_than_the_budget() -> None:
    x = refused(4)
    together = searched(search(), x)
    for i, front in enumerate(together):
        alone = search().run(x[i : i + 1], names=[f"row {i}"])[0]
        assert isinstance(alone, ParetoFront) and alone.to_bytes() == front.to_bytes()
        assert front.evaluations <= 900


def test_immutable_columns_and_directions_are_kept() -> None:
    schema = replace(
        SCHEMA, columns=(*SCHEMA.columns[:1], replace(SCHEMA.columns[1], monotone=1), *SCHEMA.columns[2:])
    )
    rows = Table(schema, known().x, known().target, known().lines)
    made = search(
        generator=Rows(schema),
        objectives=(Adversarial(), Gower(), Changed(), Neighbours(rows)),
        seeds=NearestRows(Rows(schema), rows),
        immutable=("hours",),
    )
    x = refused(4)
    for home, front in zip(x, searched(made, x), strict=True):
        assert front.rows is not None
        assert bool((front.rows[:, 2] == home[2]).all()) and bool((front.rows[:, 1] >= home[1]).all())


def tracked(problem: Problem, *, capacity: int, turns: int, seed: int) -> tuple[Tracker, Tensor, Tensor]:
    """A tracker after random generations, and everything that it saw: inputs and leads."""
    tracker, draw = Tracker(problem, capacity=capacity), torch.Generator().manual_seed(seed)
    every = []
    for turn in range(turns):
        z = 2 * torch.rand(1, 30, 4, dtype=torch.float64, generator=draw) - 1
        z = torch.where(torch.rand(z.shape, generator=draw) < 0.5, 0.0, z)
        made = problem.evaluate(z)
        tracker.add(made, generation=turn)
        every.append(problem.decode(made.z, query=0))
    x = torch.cat(every)
    return tracker, x, leads(x)


@pytest.mark.parametrize("seed", range(4))
def test_an_archive_keeps_every_flip_that_no_other_flip_dominates_however_crowded(seed: int) -> None:
    home = refused(1)
    problem = Problem(
        home, names=["row"], provider=MODEL, generator=Rows(SCHEMA), objectives=measures(), target="bright"
    )
    tracker, x, lead = tracked(problem, capacity=24, turns=25, seed=seed)
    flips = torch.unique(x[lead > 0], dim=0)
    f = judged(flips, home[0])
    best = {
        tuple(f[i].mul(1e6).round().tolist()) for i in range(len(f)) if not any(dominates(g, f[i]) for g in f)
    }
    assert 3 < len(best) <= 12 < len(flips), "fewer than half of the capacity, of many"
    assert len(tracker.archives[0].z) == 24, "the archive had to drop some"
    kept = judged(problem.decode(tracker.archives[0].z[None], query=0), home[0])
    assert best <= {tuple(row) for row in kept.mul(1e6).round().tolist()}


def test_without_known_inputs_nothing_says_what_answers_are() -> None:
    problem = Problem(
        refused(1),
        names=["row"],
        provider=MODEL,
        generator=Rows(SCHEMA),
        objectives=measures()[:3],
        target="bright",
    )
    assert Standing.of(problem) is None and Tracker(problem, capacity=10).standing is None


def test_members_for_steps_flip_and_are_the_best_of_those_that_do() -> None:
    home = refused(1)
    problem = Problem(
        home, names=["row"], provider=MODEL, generator=Rows(SCHEMA), objectives=measures(), target="bright"
    )
    standing = Standing.of(problem)
    assert standing is not None
    made = problem.evaluate(
        2 * torch.rand(1, 200, 4, generator=torch.Generator().manual_seed(1)).double() - 1
    )
    archive = Archive.none(problem).updated(made, 0, capacity=200)
    x = problem.decode(archive.z[None], query=0)
    f, flips = judged(x, home[0]), leads(x) > 0
    best = [
        i
        for i in range(len(x))
        if flips[i] and not any(dominates(f[j], f[i]) for j in range(len(x)) if flips[j])
    ]
    assert 5 < len(best) < int(flips.sum())
    assert set(standing.best(archive, 0, most=200).tolist()) <= set(best)
    assert len(standing.best(archive, 0, most=5)) == 5
    assert torch.allclose(standing.judged(archive), f, atol=1e-6)
