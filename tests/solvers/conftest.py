"""All solvers in one place: every test that asks for ``solver_class`` runs on each."""

from typing import Final

import pytest

from cfsearch.contracts.solver import Solver
from cfsearch.solvers.bayesian import Bayesian
from cfsearch.solvers.bridged import Nsga3, Spea2
from cfsearch.solvers.differential import Gde3
from cfsearch.solvers.genetic import AgeMoea2, Nsga2
from cfsearch.solvers.random import RandomSearch
from cfsearch.solvers.swarm import Smpso

SOLVERS: Final[tuple[type[Solver], ...]] = (
    AgeMoea2,
    Bayesian,
    Gde3,
    Nsga2,
    Nsga3,
    RandomSearch,
    Smpso,
    Spea2,
)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "solver_class" in metafunc.fixturenames:
        metafunc.parametrize("solver_class", SOLVERS, ids=[solver.name for solver in SOLVERS])
    if "learner" in metafunc.fixturenames:
        learners = [solver for solver in SOLVERS if solver is not RandomSearch]
        metafunc.parametrize("learner", learners, ids=[solver.name for solver in learners])


@pytest.fixture(scope="session")
def solver_classes() -> tuple[type[Solver], ...]:
    """Every solver that we ship."""
    return SOLVERS
