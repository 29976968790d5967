"""Every solver keeps the contract of solvers."""

import pytest

from cfsearch.contracts.solver import Solver
from cfsearch.testing import SolverCase


class TestEverySolver(SolverCase):
    @pytest.fixture
    def solver(self, solver_class: type[Solver]) -> Solver:
        solver = solver_class()
        solver.population = 16
        # what SMPSO asks for does not get better on average, since half of its moves lead away
        # from what it knows; that it learns is seen in its archive (test_progress.py)
        self.learns = solver.name not in {"random", "smpso"}
        return solver
