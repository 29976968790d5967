"""Our parts of pymoo's algorithms against pymoo's own, and directions by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from pymoo.algorithms.moo.spea2 import SPEA2Survival
from pymoo.core.population import Population
from pymoo.core.problem import Problem
from pymoo.operators.survival.rank_and_crowding import RankAndCrowding

from cfsearch.errors import ConfigError
from cfsearch.solvers import _parts, _strength
from cfsearch.solvers.directions import directions

Floats = _parts.Floats


def population(f: Floats, cv: Floats | None = None) -> Any:  # Any: a pymoo population
    pop = Population.new(X=np.arange(len(f), dtype=float)[:, None], F=f)
    for individual, own in zip(pop, np.zeros(len(f)) if cv is None else cv, strict=True):
        individual.CV = np.array([own])
    return pop


def survivors(survival: Any, f: Floats, n: int, cv: Floats | None = None) -> set[int]:  # Any: pymoo's
    problem = Problem(n_var=1, n_obj=f.shape[1], n_ieq_constr=int(cv is not None), xl=0, xu=1)
    kept = survival.do(problem, population(f, cv), n_survive=n, random_state=np.random.default_rng(0))
    return {int(individual.X[0]) for individual in kept}


def cloud(m: int, seed: int, n: int = 60) -> Floats:
    return np.random.default_rng([m, seed]).random((n, m))


def front(m: int, seed: int, n: int = 60) -> Floats:
    f = cloud(m, seed, n)
    scaled: Floats = f / np.linalg.norm(f, axis=1, keepdims=True) * [1.0, 5.0, 0.3, 20.0][:m]
    return scaled


@pytest.mark.parametrize("m", [2, 3, 4])
@pytest.mark.parametrize("make", [cloud, front])
@pytest.mark.parametrize("constrained", [False, True], ids=["free", "constrained"])
def test_rank_and_crowding_keeps_whom_pymoo_keeps(
    make: Callable[[int, int], Floats], m: int, constrained: bool
) -> None:
    f = make(m, 1)
    cv = np.maximum(np.random.default_rng(2).normal(0, 1, 60), 0) if constrained else None
    # 40 of 60: enough for the ends of the last front, of which pymoo draws at random otherwise
    assert survivors(_parts.RankAndCrowding(), f, 40, cv) == survivors(RankAndCrowding(), f, 40, cv)


@pytest.mark.parametrize("m", [2, 3, 4])
@pytest.mark.parametrize("make", [cloud, front])
def test_strength_keeps_whom_pymoo_keeps(make: Callable[[int, int], Floats], m: int) -> None:
    f = make(m, 3)
    ours, theirs = _strength.StrengthSurvival(), SPEA2Survival(normalize=True)
    assert survivors(ours, f, 30) == survivors(theirs, f, 30)


def test_thinning_by_hand() -> None:
    # 0 and 0.1 are nearest; of the two 0.1 has the nearer second neighbour
    x = np.array([0.0, 0.1, 1.0, 2.0])
    gap = np.abs(x[:, None] - x[None])
    np.fill_diagonal(gap, np.inf)
    assert _strength.thinned(gap, 3).tolist() == [0, 2, 3]


def test_a_tournament_goes_by_the_first_rule_that_can_tell() -> None:
    pop = population(np.array([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]]), np.array([1.0, 0.0, 0.0]))
    for individual, rank in zip(pop, (0, 1, 2), strict=True):
        individual.data["rank"] = rank
    rules = _parts.Tournament(_parts.less_violated, _parts.smaller("rank"))
    pairs = np.array([[0, 1], [1, 2], [2, 0]])
    assert rules.winners(pop, pairs, random_state=np.random.default_rng(0))[:, 0].tolist() == [1, 1, 2]


def test_trials_have_three_unlike_donors() -> None:
    x = np.eye(5)
    problem = Problem(n_var=5, n_obj=2, xl=-np.ones(5) * 9, xu=np.ones(5) * 9)
    pop = _parts.candidates(x)
    trials = _parts.Differential(rate=1.0, scale=1.0).do(
        problem, pop, 5, random_state=np.random.default_rng(0)
    )
    made = _parts.variables(trials).round(2)
    # base + one - two: three ones in three places, none of them the parent's own
    assert sorted(np.unique(made).tolist()) == [-1.0, 0.0, 1.0]
    assert made.sum(axis=1).tolist() == [1.0] * 5
    assert np.diag(made).tolist() == [0.0] * 5


@pytest.mark.parametrize("m", [2, 3, 5])
@pytest.mark.parametrize("n", [12, 91, 100])
def test_there_are_exactly_as_many_directions_as_requested(m: int, n: int) -> None:
    made = directions(m, n)
    assert made.shape == (n, m)
    assert np.allclose(made.sum(axis=1), 1.0)
    assert bool((made >= 0).all())
    assert len(np.unique(made.round(9), axis=0)) == n
    assert all((made == corner).all(axis=1).any() for corner in np.eye(m))


def test_directions_by_hand() -> None:
    assert sorted(directions(2, 3).tolist()) == [[0.0, 1.0], [0.5, 0.5], [1.0, 0.0]]


def test_more_objectives_than_directions_are_refused() -> None:
    with pytest.raises(ConfigError, match="got population 2 for 3"):
        directions(3, 2)
