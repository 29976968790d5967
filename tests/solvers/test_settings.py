"""Each setting of a built-in solver reaches its place in the algorithm that is built."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cfsearch.contracts.records import Evaluation
from cfsearch.contracts.solver import Solver
from cfsearch.contracts.space import SearchSpace
from cfsearch.solvers._parts import Given, NotEvaluated
from cfsearch.solvers.bridged import GeneticSolver, Nsga3, Spea2
from cfsearch.solvers.differential import Gde3
from cfsearch.solvers.genetic import AgeMoea2, BatchedGenetic, Nsga2
from cfsearch.solvers.pymoo import PymooSolver, Setting


def built(solver: PymooSolver) -> Any:  # Any: pymoo's algorithms have no types
    common = {"sampling": Given(np.zeros((20, 3))), "evaluator": NotEvaluated()}
    return solver.build(Setting(objectives=2, population=20, generations=5, common=common))


@pytest.mark.parametrize("kind", [Spea2, Nsga3])
def test_of_a_genetic_algorithm_of_pymoo(kind: type[GeneticSolver]) -> None:
    algorithm = built(
        kind(crossover_probability=0.11, crossover_eta=3.5, mutation_probability=0.22, mutation_eta=4.5)
    )
    crossover, mutation = algorithm.mating.crossover, algorithm.mating.mutation
    assert (float(crossover.prob.value), float(crossover.eta.value)) == (0.11, 3.5)
    assert (float(mutation.prob.value), float(mutation.eta.value)) == (0.22, 4.5)
    assert algorithm.pop_size == 20


def test_of_differential_evolution() -> None:
    algorithm = built(Gde3(crossover_rate=0.3, scale=0.7))
    assert (algorithm.mating.rate, algorithm.mating.scale) == (0.3, 0.7)
    assert algorithm.pop_size == 20


def began(solver: Solver) -> Tensor:
    """The second generation, of 60 candidates of which the first were uniform."""
    where = SearchSpace(names=tuple("abcdef"), lower=-torch.ones(1, 6), upper=torch.ones(1, 6))
    seeds = torch.rand(1, 60, 6, generator=torch.Generator().manual_seed(0)) * 1.8 - 0.9
    solver.start(
        where,
        objectives=2,
        constrained=False,
        rngs=[np.random.default_rng(1)],
        generations=3,
        seeds=seeds,
    )
    z = solver.ask()
    f = torch.stack([(z[..., :1] - 0.5).abs().sum(-1), (z + 0.5).abs().sum(-1)], dim=-1)
    solver.tell(Evaluation(z, f, torch.zeros(1, 60), torch.zeros(1, 60, 2)))
    return seeds[0]


@pytest.mark.parametrize("kind", [Nsga2, AgeMoea2])
def test_of_a_genetic_algorithm_in_tensors(kind: type[BatchedGenetic]) -> None:
    def shares(**settings: float) -> tuple[float, float]:
        """Of the children's variables that are a member's own, and how far the others are from the nearest."""
        solver = kind(population=60, **settings)
        parents = began(solver)
        gap = (solver.ask()[0][:, None] - parents[None]).abs().amin(1)
        return float((gap < 1e-6).double().mean()), float(gap[gap >= 1e-6].median())

    crossed, _ = shares(crossover_probability=1.0, mutation_probability=0.0)
    mutated, _ = shares(crossover_probability=0.0, mutation_probability=1.0)
    assert (
        0.35 < crossed < 0.65 < mutated
    )  # half of a crossed pair's variables move, of a mutant's one in six
    # a child that is its parent gives way to a random point
    assert shares(crossover_probability=0.2, mutation_probability=0.0)[0] < crossed - 0.1
    assert shares(crossover_probability=0.0, mutation_probability=0.2)[0] < mutated - 0.1
    wide = shares(crossover_probability=1.0, mutation_probability=0.0, crossover_eta=1.0)
    narrow = shares(crossover_probability=1.0, mutation_probability=0.0, crossover_eta=200.0)
    assert wide[1] > 1.5 * narrow[1]
    wide = shares(crossover_probability=0.0, mutation_probability=1.0, mutation_eta=1.0)
    narrow = shares(crossover_probability=0.0, mutation_probability=1.0, mutation_eta=200.0)
    assert wide[1] > 1.5 * narrow[1]


def test_every_setting_is_tried_above(solver_classes: tuple[type[Solver], ...]) -> None:
    # those of the swarm in test_smpso.py, those that only bayesian has in test_bayesian.py
    tried = {"population", "crossover_probability", "crossover_eta", "mutation_probability", "mutation_eta"}
    tried |= {"crossover_rate", "scale", "archive", "mutate_every"}
    tried |= {"optimism", "inner_population", "inner_generations"}
    settings = {f.name for one in solver_classes for f in fields(one) if f.init}  # type: ignore[arg-type]  # all are dataclasses
    assert settings == tried
