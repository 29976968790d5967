"""What every solver must do: subclass, give the fixture."""

from collections.abc import Callable
from typing import Final

import numpy as np
import pytest
import torch
from torch import Tensor

from cfsearch.contracts.records import Evaluation
from cfsearch.contracts.solver import Solver
from cfsearch.contracts.space import Kind, SearchSpace

from ._watch import CARD, global_randomness_untouched, need_card

_NAMES: Final = ("a", "b", "c", "d", "e", "f")


def _real(b: int) -> SearchSpace:
    one = torch.ones(b, len(_NAMES))
    return SearchSpace(names=_NAMES, lower=-one, upper=2 * one)


def _mixed(b: int) -> SearchSpace:
    one = torch.ones(b, len(_NAMES))
    return SearchSpace(
        names=_NAMES,
        lower=-3 * one,
        upper=4 * one,
        origin=5 * one,
        kinds=(Kind.REAL, Kind.INTEGER, Kind.CATEGORICAL, Kind.REAL, Kind.REAL, Kind.REAL),
        immutable=frozenset({"d"}),
        monotone=(("e", 1),),
        dead_zone=0.1,
    )


def _grouped(b: int) -> SearchSpace:
    one = torch.ones(b, len(_NAMES))
    return SearchSpace(names=_NAMES, lower=-one, upper=one, groups=(("a", "b", "c"), ("d", "e")))


def _narrow(b: int) -> SearchSpace:
    one = torch.ones(b, len(_NAMES))
    width = torch.arange(1.0, b + 1.0)[:, None]
    return SearchSpace(names=_NAMES, lower=-one / width, upper=one * width)


SPACES: Final[dict[str, Callable[[int], SearchSpace]]] = {
    "real": _real,
    "mixed": _mixed,
    "grouped": _grouped,
    "bounds of its own for each query": _narrow,
}


class SolverCase:
    """Subclass it and give the fixture ``solver``; pytest does the rest.

    The problem it is tried on: the m-th objective is the squared distance to the point 0.1 with
    0.4 + 0.1 m in its m-th entry; a constraint, where there is one, keeps the first entry <= 0.5.

    Example:
        >>> import pytest
        >>> from cfsearch.solvers import RandomSearch
        >>> class TestRandom(SolverCase):
        ...     learns = False
        ...     @pytest.fixture
        ...     def solver(self) -> RandomSearch:
        ...         return RandomSearch(population=20)
        >>> "test_points_stay_in_the_space" in dir(TestRandom)
        True
    """

    generations: int = 4
    """Turns of each test."""

    learns: bool = True
    """Whether it must do better than its own first candidates; False for a random search."""

    lesson: int = 15
    """Turns that it is given to learn."""

    @pytest.fixture
    def solver(self) -> Solver:
        raise NotImplementedError("give the fixture `solver`")

    @pytest.mark.parametrize("kind", SPACES)
    @pytest.mark.parametrize("m", [2, 3])
    @pytest.mark.parametrize("constrained", [False, True], ids=["free", "constrained"])
    def test_points_stay_in_the_space(self, solver: Solver, kind: str, m: int, constrained: bool) -> None:
        space = SPACES[kind](3)
        for turn, z in enumerate(self._run(solver, space, m=m, constrained=constrained)):
            outside = int((~space.contains(z)).sum())
            assert not outside, (
                f"{solver.name}: {outside} of {z.shape[0] * z.shape[1]} points of turn {turn} break a rule "
                "of the space; pass them through `space.repair`."
            )

    def test_points_have_the_dtype_of_the_space(self, solver: Solver) -> None:
        space = _real(2)
        z = self._run(solver, space)[-1]
        assert z.dtype == space.lower.dtype, (
            f"{solver.name}: points must be {space.lower.dtype}, like the space, got {z.dtype}."
        )

    @pytest.mark.gpu
    def test_points_are_where_the_space_is(self, solver: Solver) -> None:
        need_card()
        z = self._run(solver, _real(2).to(CARD))[-1]
        assert z.is_cuda, f"{solver.name}: points must be on the card, like the space, got {z.device}."

    def test_the_same_seed_takes_the_same_path(self, solver: Solver) -> None:
        first = self._run(solver, _real(2), seed=3)
        self._run(solver, _mixed(3), seed=4)
        again = self._run(solver, _real(2), seed=3)
        assert _equal(first, again), (
            f"{solver.name}: the same seed must take the same path; `start` must forget everything, and "
            "every random number must come from `rngs`."
        )

    @pytest.mark.parametrize("kind", ["real", "bounds of its own for each query"])
    def test_queries_do_not_see_each_other(self, solver: Solver, kind: str) -> None:
        space = SPACES[kind](3)
        together = self._run(solver, space)
        for i in range(3):
            alone = self._run(solver, space.query(i), first=i)
            assert _equal(alone, [z[i : i + 1] for z in together]), (
                f"{solver.name}: query {i} takes another path when it runs alone; it must draw from "
                f"rngs[{i}] only and be judged by its own values only."
            )

    def test_the_first_population_holds_the_seeds(self, solver: Solver) -> None:
        space = _real(2)
        seeds = torch.tensor([[[0.25, 0.5, 0.0, 0.0, -0.5, 1.0]], [[0.0, 0.0, 0.75, 0.0, 0.5, -1.0]]])
        self._start(solver, space, seeds=seeds)
        z = solver.ask()
        held = (z[:, :, None] - seeds[:, None]).abs().amax(-1) <= 1e-6
        assert bool(held.any(1).all()), f"{solver.name}: the first population must hold the `seeds`."

    def test_it_learns(self, solver: Solver) -> None:
        if not self.learns:
            pytest.skip("this solver does not learn")
        path = self._run(solver, _real(3), generations=self.lesson)
        first, last = (_judge(z, m=2, constrained=False).f.sum(-1).mean(-1) for z in (path[0], path[-1]))
        assert bool((last < 0.9 * first).all()), (
            f"{solver.name}: after {self.lesson} turns the objectives (smaller is better) must be better "
            f"than at the start, got means of {last.tolist()} after {first.tolist()}."
        )

    def test_evaluations_are_not_changed_in_place(self, solver: Solver) -> None:
        self._start(solver, _real(2))
        evaluation = _judge(solver.ask(), m=2, constrained=False)
        before = [t.clone() for t in (evaluation.z, evaluation.f, evaluation.violation, evaluation.scores)]
        solver.tell(evaluation)
        solver.ask()
        after = (evaluation.z, evaluation.f, evaluation.violation, evaluation.scores)
        assert all(torch.equal(a, b) for a, b in zip(after, before, strict=True)), (
            f"{solver.name}: changed the evaluation that it was given."
        )

    def test_global_randomness_is_left_alone(self, solver: Solver) -> None:
        with global_randomness_untouched(solver.name):
            self._run(solver, _real(2))

    def _start(
        self,
        solver: Solver,
        space: SearchSpace,
        *,
        m: int = 2,
        constrained: bool = False,
        generations: int | None = None,
        seed: int = 0,
        first: int = 0,
        seeds: Tensor | None = None,
    ) -> None:
        solver.start(
            space,
            objectives=m,
            constrained=constrained,
            rngs=[np.random.default_rng([seed, first + i]) for i in range(space.b)],
            generations=self.generations if generations is None else generations,
            seeds=seeds,
        )

    def _run(
        self,
        solver: Solver,
        space: SearchSpace,
        *,
        m: int = 2,
        constrained: bool = False,
        generations: int | None = None,
        seed: int = 0,
        first: int = 0,
    ) -> list[Tensor]:
        turns = self.generations if generations is None else generations
        self._start(solver, space, m=m, constrained=constrained, generations=turns, seed=seed, first=first)
        expected = (space.b, solver.population, space.d)
        path = []
        for turn in range(turns):
            z = solver.ask()
            assert tuple(z.shape) == expected, (
                f"{solver.name}: turn {turn} must ask for shape {expected} (queries, `population`, "
                f"variables), got {tuple(z.shape)}."
            )
            path.append(z.clone())
            solver.tell(_judge(z, m=m, constrained=constrained))
        return path


def _judge(z: Tensor, *, m: int, constrained: bool) -> Evaluation:
    centre = torch.full((m, z.shape[-1]), 0.1, dtype=z.dtype, device=z.device)
    index = torch.arange(m, device=z.device)
    centre[index, index] = 0.4 + 0.1 * index.to(z.dtype)
    violation = (z[..., 0] - 0.5).clamp_min(0.0) if constrained else torch.zeros_like(z[..., 0])
    return Evaluation(
        z=z,
        f=((z[..., None, :] - centre) ** 2).sum(-1),
        violation=violation,
        scores=torch.zeros(*z.shape[:2], 2, dtype=z.dtype, device=z.device),
    )


def _equal(one: list[Tensor], two: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, two, strict=True))
