"""SMPSO: published behaviour, its parts by hand, and use with pymoo alone."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pymoo.core.problem import Problem
from pymoo.optimize import minimize
from pymoo.problems import get_problem

from cfsearch.numerics import pareto
from cfsearch.solvers._smpso import SMPSO, constriction

RECORDED = json.loads(Path(__file__).with_name("jmetalpy_smpso.json").read_text(encoding="utf-8"))["problems"]


def volumes(name: str, *, seeds: int) -> list[float]:
    """Hypervolume of our archive, for each seed, with the settings of the recording."""
    import moocore

    about = RECORDED[name]
    size = {} if name == "zdt1" else {"n_var": about["variables"], "n_obj": about["objectives"]}
    runs = [minimize(get_problem(name, **size), SMPSO(), ("n_gen", 250), seed=seed) for seed in range(seeds)]
    return [float(moocore.hypervolume(run.F, ref=about["reference"])) for run in runs]


@pytest.mark.parametrize(
    ("name", "seeds"),
    [
        ("zdt1", 1),
        pytest.param("zdt1", 10, marks=pytest.mark.slow),
        pytest.param("dtlz2", 20, marks=pytest.mark.slow),
        pytest.param("dtlz7", 20, marks=pytest.mark.slow),
    ],
)
def test_hypervolume_is_that_of_jmetalpy_within_one_percent(name: str, seeds: int) -> None:
    assert np.mean(volumes(name, seeds=seeds)) == pytest.approx(
        np.mean(RECORDED[name]["hypervolume"]), rel=0.01
    )


def test_constriction_by_hand() -> None:
    # 2 / (2 - 5 - sqrt(25 - 20)) = 2 / (-3 - 2.236)
    assert constriction(np.array([3.0, 4.0, 5.0])) == pytest.approx([1.0, 1.0, -0.381966], abs=1e-6)


class Slope(Problem):  # type: ignore[misc]  # pymoo ships no types
    """Two squared distances in the unit cube, and a constraint if asked for."""

    def __init__(self, *, constrained: bool = False) -> None:
        super().__init__(n_var=6, n_obj=2, n_ieq_constr=int(constrained), xl=0.0, xu=1.0)

    def _evaluate(self, x: Any, out: dict[str, Any], *_: Any, **__: Any) -> None:  # Any: pymoo's objects
        out["F"] = np.stack([((x - goal) ** 2).sum(1) for goal in (0.2, 0.7)], axis=1)
        if self.n_ieq_constr:
            out["G"] = 0.5 - x[:, :1]


def started(swarm: SMPSO) -> SMPSO:
    swarm.setup(Slope(), seed=0, termination=("n_gen", 10))
    swarm.next()
    return swarm


def test_at_a_bound_the_speed_turns_round() -> None:
    swarm = started(SMPSO(pop_size=40, inertia=1.0, mutate_every=1000))
    swarm.velocity = np.full((40, 6), 10.0)
    asked = swarm.ask()
    x, speed = asked.get("X")[1:], swarm.velocity[1:]  # the first particle is mutated
    assert (speed[x == 1.0] == -0.5).all()
    assert (speed[x == 0.0] == 0.5).all()
    assert (x == 1.0).any()
    assert (x == 0.0).any()


def test_speeds_are_cut_to_half_the_range() -> None:
    swarm = started(SMPSO(pop_size=40, inertia=1.0))
    swarm.velocity = np.full((40, 6), 10.0)
    swarm.ask()
    assert np.abs(swarm.velocity).max() == 0.5


def test_every_sixth_particle_is_mutated() -> None:
    plain, mutated = (
        started(SMPSO(pop_size=20, mutate_every=every, mutation_prob=1.0)) for every in (1000, 6)
    )
    same = (plain.ask().get("X") == mutated.ask().get("X")).all(axis=1)
    assert np.flatnonzero(~same[1:]).tolist() == [5, 11, 17]  # 6, 12 and 18; the first is in both


def test_leaders_are_non_dominated_and_no_more_than_the_archive_holds() -> None:
    import torch

    swarm = SMPSO(pop_size=30, archive_size=12)
    run = minimize(Slope(), swarm, ("n_gen", 20), seed=1)
    assert len(run.F) == 12
    assert bool(pareto.non_dominated(torch.from_numpy(run.F)).all())


def test_constraints_come_first() -> None:
    run = minimize(Slope(constrained=True), SMPSO(pop_size=30), ("n_gen", 20), seed=1)
    assert (run.X[:, 0] >= 0.5).all()


def test_the_seed_decides() -> None:
    one, two = (minimize(Slope(), SMPSO(pop_size=20), ("n_gen", 5), seed=3).F for _ in range(2))
    assert (one == two).all()
