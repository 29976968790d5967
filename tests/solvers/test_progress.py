"""Every solver that learns beats random search, keeps constraints, and repeats itself."""

import numpy as np
import pytest
import torch
from torch import Tensor

from cfsearch.contracts.records import Evaluation
from cfsearch.contracts.solver import Solver
from cfsearch.contracts.space import Kind, SearchSpace
from cfsearch.numerics import pareto
from cfsearch.solvers.random import RandomSearch

NAMES = tuple("abcdefgh")
TURNS = 25
FEW_TURNS = {"bayesian": 8}
"""What learns from few evaluations is compared with all turns of chance, after these."""
POPULATION = 32


def space(b: int) -> SearchSpace:
    one = torch.ones(b, len(NAMES))
    return SearchSpace(names=NAMES, lower=-one, upper=one)


def centres(m: int) -> Tensor:
    """The best point of each objective: one variable at 0.6, the others at 0.1."""
    return torch.full((m, len(NAMES)), 0.1).index_put((torch.arange(m), torch.arange(m)), torch.tensor(0.6))


def judged(z: Tensor, *, m: int, constrained: bool) -> Evaluation:
    """Squared distances to the centres, of which the Pareto set is the convex hull.

    The constraint, the first variable at most 0.2, cuts the hull in two.
    """
    f = ((z[..., None, :] - centres(m)) ** 2).sum(-1)
    violation = (z[..., 0] - 0.2).clamp_min(0.0) if constrained else torch.zeros_like(z[..., 0])
    return Evaluation(z=z, f=f, violation=violation, scores=torch.zeros(*z.shape[:2], 2))


def run(
    solver: Solver,
    where: SearchSpace,
    *,
    m: int,
    constrained: bool = False,
    first: int = 0,
    turns: int = TURNS,
) -> list[Evaluation]:
    turns = min(turns, FEW_TURNS.get(solver.name, turns))
    solver.start(
        where,
        objectives=m,
        constrained=constrained,
        rngs=[np.random.default_rng([5, first + i]) for i in range(where.b)],
        generations=turns,
    )
    told = []
    for _ in range(turns):
        evaluation = judged(solver.ask(), m=m, constrained=constrained)
        solver.tell(evaluation)
        told.append(evaluation)
    return told


def volume(told: list[Evaluation], *, m: int) -> float:
    """Mean hypervolume of everything feasible that was evaluated, over queries."""
    f = torch.cat([e.f for e in told], dim=1)
    feasible = torch.cat([e.violation for e in told], dim=1) <= 0
    volumes = [pareto.hypervolume(f[i][feasible[i]], torch.full((m,), 1.5)) for i in range(len(f))]
    return float(np.mean(volumes))


@pytest.mark.parametrize("m", [2, 3, 4])
def test_it_beats_random_search_of_the_same_budget(learner: type[Solver], m: int) -> None:
    chance = RandomSearch(population=POPULATION)
    solver = learner()
    solver.population = POPULATION
    assert volume(run(solver, space(2), m=m), m=m) > volume(run(chance, space(2), m=m), m=m)


def test_it_comes_near_a_known_front(learner: type[Solver]) -> None:
    solver = learner()
    solver.population = POPULATION
    told = run(solver, space(1), m=2, turns=50)
    ends = centres(2)
    share = torch.linspace(0, 1, 50)[:, None]
    front = judged((share * ends[:1] + (1 - share) * ends[1:])[None], m=2, constrained=False).f[0]
    found = torch.cat([e.f for e in told], dim=1)[0]
    assert pareto.igd_plus(found, front) < 0.1


def test_a_constrained_search_ends_feasible(learner: type[Solver]) -> None:
    solver = learner()
    solver.population = POPULATION
    told = run(solver, space(2), m=2, constrained=True)
    chance = run(RandomSearch(population=POPULATION), space(2), m=2, constrained=True)
    assert volume(told, m=2) > volume(chance, m=2)
    # half of the moves of SMPSO lead away; what has learned where the border is goes on trying it
    if solver.name != "smpso":
        last = told[-4:] if solver.name == "bayesian" else told[-1:]
        kept = torch.cat([evaluation.violation for evaluation in last], dim=1) <= 0
        assert bool((kept.double().mean(1) > 0.5).all())


def awkward(b: int) -> SearchSpace:
    """All rules at once, and another number of variables that can change for each query."""
    one = torch.ones(b, len(NAMES))
    upper = one * 2
    upper[0, 6:] = 0.0
    lower = -one * 2
    lower[0, 6:] = 0.0
    return SearchSpace(
        names=NAMES,
        lower=lower,
        upper=upper,
        kinds=(Kind.REAL,) * 4 + (Kind.INTEGER, Kind.CATEGORICAL) + (Kind.REAL,) * 2,
        immutable=frozenset({"d"}),
        monotone=(("c", -1),),
        groups=(("a", "b"),),
        dead_zone=0.05,
    )


@pytest.mark.parametrize("m", [2, 4])
def test_rules_hold_and_neighbours_do_not_matter_under_constraints(
    solver_class: type[Solver], m: int
) -> None:
    solver = solver_class()
    solver.population = 16
    where = awkward(3)
    together = run(solver, where, m=m, constrained=True, turns=8)
    for evaluation in together:
        assert bool(where.contains(evaluation.z).all())
        assert evaluation.z.shape == (3, 16, len(NAMES))
    for i in range(3):
        alone = run(solver, where.query(i), m=m, constrained=True, turns=8, first=i)
        assert all(torch.equal(a.z[0], t.z[i]) for a, t in zip(alone, together, strict=True))
