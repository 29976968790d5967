"""SMPSO: published behaviour, and its parts by hand."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from cfsearch.contracts.records import Evaluation
from cfsearch.contracts.space import SearchSpace
from cfsearch.errors import ConfigError
from cfsearch.numerics import pareto
from cfsearch.solvers.swarm import Smpso, constriction
from cfsearch.testing.problems import volumes

RECORDED = json.loads(Path(__file__).with_name("jmetalpy_smpso.json").read_text(encoding="utf-8"))["problems"]


@pytest.mark.parametrize(
    ("name", "seeds"),
    [
        ("zdt1", 2),
        pytest.param("zdt1", 10, marks=pytest.mark.slow),
        pytest.param("dtlz2", 20, marks=pytest.mark.slow),
        pytest.param("dtlz7", 20, marks=pytest.mark.slow),
    ],
)
def test_hypervolume_is_that_of_jmetalpy_within_one_percent(name: str, seeds: int) -> None:
    found = volumes(Smpso(), name, seeds=seeds, generations=250)
    assert np.mean(found) > 0.99 * np.mean(RECORDED[name]["hypervolume"])


def test_constriction_by_hand() -> None:
    # 2 / (2 - 5 - sqrt(25 - 20)) = 2 / (-3 - 2.236)
    assert constriction(torch.tensor([3.0, 4.0, 5.0])).tolist() == pytest.approx([1.0, 1.0, -0.381966])


def where() -> SearchSpace:
    half = torch.full((1, 6), 0.5)
    return SearchSpace(names=tuple("abcdef"), lower=-half, upper=half)


def slopes(z: Tensor, *, constrained: bool = False) -> Evaluation:
    """Two squared distances, and a constraint that cuts the first variable in half."""
    f = torch.stack([((z - goal) ** 2).sum(-1) for goal in (-0.3, 0.2)], dim=-1)
    violation = (-z[..., 0]).clamp(min=0.0) if constrained else torch.zeros(z.shape[:2])
    return Evaluation(z, f, violation, torch.zeros(*z.shape[:2], 2))


def started(swarm: Smpso) -> Smpso:
    rngs = [np.random.default_rng(0)]
    seeds = torch.rand(1, 100, 6, generator=torch.Generator().manual_seed(0)) - 0.5
    swarm.start(where(), objectives=2, constrained=False, rngs=rngs, generations=10, seeds=seeds)
    swarm.tell(slopes(swarm.ask()))
    return swarm


def test_at_a_bound_the_speed_turns_round() -> None:
    swarm = started(Smpso(population=40, mutate_every=1000))
    swarm.speed = torch.full((1, 40, 6), 100.0)
    x, speed = swarm.ask()[0, 1:], swarm.speed[0, 1:]  # the first particle is mutated
    assert bool((speed[x == 0.5] == -0.5).all())
    assert bool((speed[x == -0.5] == 0.5).all())
    assert bool((x.abs() == 0.5).any())


def test_speeds_are_cut_to_half_the_range() -> None:
    swarm = started(Smpso(population=40))
    swarm.speed = torch.full((1, 40, 6), 100.0)
    swarm.ask()
    assert float(swarm.speed.abs().amax()) == 0.5


def test_every_sixth_particle_is_mutated() -> None:
    plain, mutated = (
        started(Smpso(population=20, mutate_every=every, mutation_probability=1.0)).ask()[0]
        for every in (1000, 6)
    )
    assert (~(plain == mutated).all(1)).nonzero().flatten().tolist() == [6, 12, 18]  # the first is in both


def test_how_far_mutants_go_is_a_setting() -> None:
    plain, near, far = (
        started(Smpso(population=60, mutate_every=2, mutation_probability=rate, mutation_eta=eta)).ask()[0]
        for rate, eta in ((0.0, 20.0), (1.0, 100.0), (1.0, 1.0))
    )
    assert float((far - plain).abs().mean()) > 3 * float((near - plain).abs().mean()) > 0
    with pytest.raises(ConfigError, match="smpso: `mutation_eta` must be 1 to 100, got 0.5"):
        Smpso(mutation_eta=0.5)
    with pytest.raises(ConfigError, match="smpso: `mutation_probability` must be 0 to 1, got 2.0"):
        Smpso(mutation_probability=2.0)


def test_leaders_are_non_dominated_and_no_more_than_the_archive_holds() -> None:
    swarm = started(Smpso(population=30, archive=12))
    for _ in range(20):
        swarm.tell(slopes(swarm.ask()))
    f = slopes(swarm.leaders(0)[None]).f[0]
    assert len(f) == 12
    assert bool(pareto.non_dominated(f).all())


def test_constraints_come_first() -> None:
    swarm = Smpso(population=30)
    rngs = [np.random.default_rng(1)]
    swarm.start(where(), objectives=2, constrained=True, rngs=rngs, generations=20)
    for _ in range(20):
        swarm.tell(slopes(swarm.ask(), constrained=True))
    assert bool((swarm.leaders(0)[:, 0] >= 0.0).all())
