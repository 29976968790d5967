"""The bridge to pymoo: fills, repetitions, odd sizes, odd values, and errors."""

import subprocess
import sys
import warnings
from dataclasses import dataclass
from typing import Any, ClassVar, final

import numpy as np
import pytest
import torch
from torch import Tensor

from cfsearch import registry
from cfsearch.contracts.records import Evaluation
from cfsearch.contracts.solver import Solver
from cfsearch.contracts.space import Kind, SearchSpace
from cfsearch.errors import ConfigError, PluginError, ShapeError
from cfsearch.solvers.bridged import Nsga3, Spea2
from cfsearch.solvers.differential import Gde3
from cfsearch.solvers.genetic import Nsga2
from cfsearch.solvers.pymoo import PymooSolver, Setting
from cfsearch.solvers.random import RandomSearch
from cfsearch.solvers.swarm import Smpso


def space(d: int = 4, *, b: int = 1, kind: Kind = Kind.REAL, reach: float = 2.0) -> SearchSpace:
    one = torch.ones(b, d) * reach
    return SearchSpace(names=tuple("abcdefgh"[:d]), lower=-one, upper=one, kinds=(kind,) * d)


def begin(
    solver: Solver,
    where: SearchSpace,
    *,
    m: int = 2,
    constrained: bool = False,
    seeds: Tensor | None = None,
    turns: int = 10,
) -> None:
    rngs = [np.random.default_rng([1, i]) for i in range(where.b)]
    solver.start(where, objectives=m, constrained=constrained, rngs=rngs, generations=turns, seeds=seeds)


def evaluated(z: Tensor, f: Tensor, violation: Tensor | None = None) -> Evaluation:
    broken = torch.zeros(z.shape[:2]) if violation is None else violation
    return Evaluation(z=z, f=f, violation=broken, scores=torch.zeros(*z.shape[:2], 2))


def slopes(z: Tensor, m: int = 2) -> Tensor:
    centre = torch.eye(m, z.shape[-1])
    return ((z[..., None, :] - centre) ** 2).sum(-1)


def test_every_solver_is_installed_under_its_name(solver_classes: tuple[type[Solver], ...]) -> None:
    names = {solver.name: solver for solver in solver_classes}
    assert set(names) == set(registry.installed("solvers"))
    assert all(registry.load("solvers", name) is solver for name, solver in names.items())


def test_every_solver_is_made_with_keywords_alone(solver_class: type[Solver]) -> None:
    assert solver_class(population=30).population == 30  # type: ignore[call-arg]  # the contract has no constructor
    with pytest.raises(ConfigError, match=f"{solver_class.name}: `population` must be at least 1, got 0"):
        solver_class(population=0)  # type: ignore[call-arg]  # the contract has no constructor
    with pytest.raises(TypeError, match="positional"):
        solver_class(30)  # type: ignore[call-arg]  # wrong on purpose


def test_nothing_of_pymoo_is_imported_before_a_search_starts() -> None:
    code = (
        "import sys; from cfsearch.solvers import differential, genetic, random, swarm; "
        "genetic.Nsga2(); swarm.Smpso(); sys.exit(any(m == 'pymoo' or m.startswith('pymoo.') for m in sys.modules))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_the_first_population_holds_seeds_the_query_and_sparse_points() -> None:
    solver = Nsga2(population=40)
    seeds = torch.tensor([[[0.5, 0.0, 0.0, 1.0], [9.0, 0.0, 0.0, 0.0]]])
    begin(solver, space(), seeds=seeds)
    z = solver.ask()[0]
    assert z[0].tolist() == [0.5, 0.0, 0.0, 1.0]
    assert z[1].tolist() == [2.0, 0.0, 0.0, 0.0]  # repaired
    assert z[2].tolist() == [0.0] * 4
    changed = (z[3:] != 0).sum(-1)
    assert bool((changed[::2] <= 3).all())
    assert bool((changed[1::2] == 4).all())


def test_seeds_must_fit_the_space() -> None:
    with pytest.raises(ShapeError, match=r"expected seeds of shape \(1, s, 4\), got \(1, 2, 3\)"):
        begin(Nsga2(), space(), seeds=torch.zeros(1, 2, 3))


def test_what_was_evaluated_is_not_proposed_again() -> None:
    # 7 ** 3 = 343 points of whole numbers, of which ten turns may see 160
    solver = Nsga2(population=16)
    where = space(3, kind=Kind.INTEGER, reach=3.0)
    begin(solver, where)
    asked = []
    for _ in range(10):
        z = solver.ask()
        asked.append(z[0])
        solver.tell(evaluated(z, slopes(z)))
    assert len({tuple(row) for row in torch.cat(asked).tolist()}) >= 140


def test_a_space_with_fewer_points_than_candidates_is_searched_all_the_same(
    solver_class: type[Solver],
) -> None:
    solver = solver_class()
    solver.population = 20
    where = space(2, kind=Kind.INTEGER, reach=1.0)
    begin(solver, where)
    for _ in range(4):
        z = solver.ask()
        assert z.shape == (1, 20, 2)
        solver.tell(evaluated(z, slopes(z)))


@pytest.mark.parametrize("population", [1, 2, 5, 13])
def test_any_population_works(solver_class: type[Solver], population: int) -> None:
    solver = solver_class()
    solver.population = population
    begin(solver, space(b=2), m=3)
    for _ in range(30 // population + 2):
        z = solver.ask()
        assert z.shape == (2, population, 4)
        solver.tell(evaluated(z, slopes(z, 3)))


def test_a_query_in_which_nothing_can_change_does_not_stop_the_others(solver_class: type[Solver]) -> None:
    reach = torch.tensor([[0.0] * 4, [1.0] * 4])
    solver = solver_class()
    solver.population = 14
    begin(solver, SearchSpace(names=tuple("abcd"), lower=-reach, upper=reach))
    for _ in range(3):
        z = solver.ask()
        assert bool((z[0] == 0).all())
        assert bool((z[1] != 0).any())
        solver.tell(evaluated(z, slopes(z)))


@pytest.mark.parametrize("constrained", [False, True], ids=["free", "constrained"])
@pytest.mark.parametrize("m", [2, 4])
def test_a_model_that_fails_half_way_or_never_moves_is_survived(
    solver_class: type[Solver], m: int, constrained: bool
) -> None:
    # what Problem tells of a query whose model failed, and of a model with one answer to all
    solver = solver_class()
    solver.population = 14
    begin(solver, space(b=3), m=m, constrained=constrained)
    for turn in range(6):
        z = solver.ask()
        assert z.shape == (3, 14, 4)
        assert bool(z.isfinite().all())
        f, violation = slopes(z, m), torch.zeros(3, 14)
        f[0] = 0.25
        if turn >= 2:
            f[1], violation[1] = 1e30, 1e30
        f[2, :, 0] = 1.0
        solver.tell(evaluated(z, f, violation))


def test_filters_of_warnings_and_numbers_are_left_alone() -> None:
    before = (list(warnings.filters), np.geterr())
    solver = Nsga3(population=14)
    begin(solver, space(), m=3)
    for _ in range(3):
        z = solver.ask()
        solver.tell(evaluated(z, slopes(z, 3)))
    assert (list(warnings.filters), np.geterr()) == before


@final
@dataclass(kw_only=True, eq=False)
class Scripted(PymooSolver):
    """An algorithm that asks for a given number of candidates, whatever the population."""

    name: ClassVar[str] = "scripted"
    wanted: int = 3

    def build(self, setting: Setting) -> Any:  # Any: pymoo's algorithms have no types
        from pymoo.core.algorithm import Algorithm

        from cfsearch.solvers._parts import candidates

        wanted = self.wanted

        class Proposing(Algorithm):  # type: ignore[misc]  # pymoo ships no types
            heard: ClassVar[list[int]] = []

            def _initialize_infill(self) -> Any:
                return self._infill()

            def _infill(self) -> Any:
                if wanted < 0:
                    raise RuntimeError("out of ideas")
                return candidates(self.random_state.random((wanted, self.problem.n_var)))

            def _advance(self, infills: Any = None, **_: Any) -> None:
                assert all(individual.F.shape == (2,) for individual in infills)
                self.heard.append(len(infills))

            _initialize_advance = _advance

        Scripted.made = Proposing
        return Proposing(evaluator=setting.common["evaluator"])

    made: ClassVar[Any] = None  # Any: the class of the algorithm built last


@pytest.mark.parametrize(
    ("wanted", "heard"), [(3, [3, 3, 3, 3]), (8, [8, 8, 8, 8]), (12, [12, 12]), (20, [20]), (0, [])]
)
def test_an_algorithm_may_ask_for_fewer_or_more(wanted: int, heard: list[int]) -> None:
    solver = Scripted(population=8, wanted=wanted)
    begin(solver, space())
    for _ in range(4):
        z = solver.ask()
        assert z.shape == (1, 8, 4)
        solver.tell(evaluated(z, slopes(z)))
    assert Scripted.made.heard == heard


def test_errors_of_pymoo_become_ours() -> None:
    solver = Scripted(wanted=-1)
    begin(solver, space())
    with pytest.raises(
        PluginError, match="solver 'scripted': pymoo failed with RuntimeError: out of ideas"
    ) as caught:
        solver.ask()
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_settings_that_pymoo_refuses_become_ours() -> None:
    @final
    @dataclass(kw_only=True, eq=False)
    class Wrong(PymooSolver):
        name: ClassVar[str] = "wrong"

        def build(self, setting: Setting) -> Any:  # Any: pymoo's algorithms have no types
            raise KeyError("no such operator")

    with pytest.raises(
        ConfigError, match="solver 'wrong': pymoo refuses the settings: KeyError: 'no such operator'"
    ):
        begin(Wrong(), space())


def test_turns_must_be_in_order() -> None:
    for solver in (Nsga2(), RandomSearch()):
        with pytest.raises(PluginError, match="expected `start` before `ask`"):
            solver.ask()


def test_one_objective_is_not_enough() -> None:
    with pytest.raises(ConfigError, match="nsga2: a solver needs two objectives or more, got 1"):
        begin(Nsga2(), space(), m=1)


@pytest.mark.parametrize(
    ("make", "complaint"),
    [
        (lambda: Nsga2(crossover_probability=1.5), "nsga2: `crossover_probability` must be 0 to 1, got 1.5"),
        (lambda: Spea2(mutation_eta=0.0), "spea2: `mutation_eta` must be finite and > 0, got 0.0"),
        (lambda: Gde3(crossover_rate=-0.1), "gde3: `crossover_rate` must be 0 to 1, got -0.1"),
        (lambda: Gde3(scale=3.0), "gde3: `scale` must be above 0 and at most 2, got 3.0"),
        (lambda: Smpso(archive=0), "smpso: `archive` and `mutate_every` must be at least 1, got 0 and 6"),
    ],
)
def test_settings_outside_their_range_are_refused(make: Any, complaint: str) -> None:  # Any: five makers
    with pytest.raises(ConfigError, match=complaint):
        make()
