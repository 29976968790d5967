"""Each setting of a built-in solver reaches its place in the algorithm that is built."""

from dataclasses import fields
from typing import Any

import numpy as np
import pytest

from cfsearch.contracts.solver import Solver
from cfsearch.solvers._parts import Given, NotEvaluated
from cfsearch.solvers.differential import Gde3
from cfsearch.solvers.genetic import AgeMoea2, GeneticSolver, Nsga2, Nsga3, Spea2
from cfsearch.solvers.pymoo import PymooSolver, Setting
from cfsearch.solvers.swarm import Smpso


def built(solver: PymooSolver) -> Any:  # Any: pymoo's algorithms have no types
    common = {"sampling": Given(np.zeros((20, 3))), "evaluator": NotEvaluated()}
    return solver.build(Setting(objectives=2, population=20, generations=5, common=common))


@pytest.mark.parametrize("kind", [Nsga2, Spea2, AgeMoea2, Nsga3])
def test_of_a_genetic_algorithm(kind: type[GeneticSolver]) -> None:
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


def test_of_a_swarm() -> None:
    algorithm = built(Smpso(archive=7, mutation_probability=0.4, mutation_eta=9.0, mutate_every=3))
    assert algorithm.pop_size == 20
    assert algorithm.archive_size == 7
    assert algorithm.mutate_every == 3
    assert (algorithm.mutation_prob, algorithm.mutation_eta) == (0.4, 9.0)


def test_every_setting_is_tried_above(solver_classes: tuple[type[Solver], ...]) -> None:
    tried = {"population", "crossover_probability", "crossover_eta", "mutation_probability", "mutation_eta"}
    tried |= {"crossover_rate", "scale", "archive", "mutate_every"}
    settings = {f.name for one in solver_classes for f in fields(one) if f.init}  # type: ignore[arg-type]  # all are dataclasses
    assert settings == tried
