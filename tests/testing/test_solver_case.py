"""The case of solvers catches each way of breaking the contract."""

from collections.abc import Callable, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor

from cfsearch.contracts.records import Evaluation
from cfsearch.contracts.solver import Solver
from cfsearch.contracts.space import SearchSpace
from cfsearch.testing import SolverCase

CASE = SolverCase()


class Climber(Solver):
    """Keeps the best half by the sum of objectives and strews the other half around it."""

    name = "climber"
    population = 12

    def start(
        self,
        space: SearchSpace,
        *,
        objectives: int,
        constrained: bool,
        rngs: Sequence[np.random.Generator],
        generations: int,
        seeds: Tensor | None = None,
    ) -> None:
        self.space, self.rngs = space, list(rngs)
        z = space.sample(self.population, rngs=rngs)
        if seeds is not None:
            z[:, : seeds.shape[1]] = seeds
        self.z = space.repair(z)

    def ask(self) -> Tensor:
        return self.z

    def tell(self, evaluation: Evaluation) -> None:
        self.z = self.next(evaluation)

    def next(self, evaluation: Evaluation) -> Tensor:
        value = evaluation.f.sum(-1) + 10 * evaluation.violation
        order = value.argsort(dim=1, stable=True)[:, : self.population // 2, None]
        best = evaluation.z.gather(1, order.expand(-1, -1, self.space.d))
        noise = np.stack([rng.normal(size=best.shape[1:]) for rng in self.rngs])
        children = best + 0.3 * torch.from_numpy(noise).to(best)
        return self.space.repair(torch.cat([best, children], dim=1))


class TestGoodSolverPasses(SolverCase):
    @pytest.fixture
    def solver(self) -> Climber:
        return Climber()


Edit = Callable[[Climber], Tensor]


def proposing(edit: Edit) -> Climber:
    """The climber, asking for something else."""

    class Proposing(Climber):
        def ask(self) -> Tensor:
            return edit(self)

    return Proposing()


def telling(edit: Callable[[Climber, Evaluation], Tensor]) -> Climber:
    """The climber, going on from something else."""

    class Telling(Climber):
        def tell(self, evaluation: Evaluation) -> None:
            self.z = edit(self, evaluation)

    return Telling()


@pytest.mark.parametrize(
    ("edit", "complaint"),
    [
        (lambda s: s.z[:, :7], r"turn 0 must ask for shape \(3, 12, 6\) .*, got \(3, 7, 6\)"),
        (lambda s: s.z[0], r"got \(12, 6\)"),
        (lambda s: s.z + 0.01, "points of turn 0 break a rule of the space"),
    ],
    ids=["fewer points", "one query", "not repaired"],
)
def test_wrong_points_are_caught(edit: Edit, complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        CASE.test_points_stay_in_the_space(proposing(edit), "mixed", 2, False)


def test_breaking_the_rule_of_groups_is_caught() -> None:
    with pytest.raises(AssertionError, match="break a rule of the space"):
        CASE.test_points_stay_in_the_space(proposing(lambda s: torch.ones_like(s.z)), "grouped", 2, False)


def test_a_population_that_changes_is_caught() -> None:
    shrinking = telling(lambda s, e: s.next(e)[:, 1:])
    with pytest.raises(AssertionError, match=r"turn 1 must ask for shape \(3, 12, 6\) .*, got \(3, 11, 6\)"):
        CASE.test_points_stay_in_the_space(shrinking, "real", 2, True)


def test_another_dtype_is_caught() -> None:
    with pytest.raises(
        AssertionError, match=r"points must be torch.float32, like the space, got torch.float64"
    ):
        CASE.test_points_have_the_dtype_of_the_space(proposing(lambda s: s.z.double()))


def test_a_start_that_remembers_is_caught() -> None:
    class Hoarder(Climber):
        seen = 0

        def ask(self) -> Tensor:
            self.seen += 1
            return self.space.clamp(self.z + 1e-3 * self.seen)

    with pytest.raises(AssertionError, match="the same seed must take the same path"):
        CASE.test_the_same_seed_takes_the_same_path(Hoarder())


def test_random_numbers_of_its_own_are_caught() -> None:
    own = np.random.default_rng(0)
    drifting = proposing(lambda s: s.space.clamp(s.z + float(own.normal())))
    with pytest.raises(AssertionError, match="every random number must come from `rngs`"):
        CASE.test_the_same_seed_takes_the_same_path(drifting)


def test_sharing_one_generator_among_queries_is_caught() -> None:
    class Sharing(Climber):
        def start(
            self,
            space: SearchSpace,
            *,
            objectives: int,
            constrained: bool,
            rngs: Sequence[np.random.Generator],
            generations: int,
            seeds: Tensor | None = None,
        ) -> None:
            super().start(
                space,
                objectives=objectives,
                constrained=constrained,
                rngs=[rngs[0]] * space.b,
                generations=generations,
                seeds=seeds,
            )

    with pytest.raises(AssertionError, match=r"query 0 takes another path .* draw from rngs\[0\] only"):
        CASE.test_queries_do_not_see_each_other(Sharing(), "real")


def test_judging_by_the_values_of_neighbours_is_caught() -> None:
    def pooled(solver: Climber, e: Evaluation) -> Tensor:
        f = e.f + e.f.mean(0) * 5
        return solver.next(Evaluation(z=e.z, f=f, violation=e.violation, scores=e.scores))

    with pytest.raises(AssertionError, match="query 0 takes another path when it runs alone"):
        CASE.test_queries_do_not_see_each_other(telling(pooled), "bounds of its own for each query")


def test_dropping_the_seeds_is_caught() -> None:
    with pytest.raises(AssertionError, match="the first population must hold the `seeds`"):
        CASE.test_the_first_population_holds_the_seeds(proposing(lambda s: s.space.clamp(s.z + 0.1)))


@pytest.mark.parametrize(
    "solver",
    [
        telling(lambda s, e: s.space.sample(12, rngs=s.rngs)),
        telling(lambda s, e: s.next(Evaluation(z=e.z, f=-e.f, violation=e.violation, scores=e.scores))),
    ],
    ids=["random", "the wrong direction"],
)
def test_learning_nothing_is_caught(solver: Climber) -> None:
    with pytest.raises(AssertionError, match="must be better than at the start, got means of"):
        CASE.test_it_learns(solver)


def test_a_random_search_may_say_that_it_does_not_learn() -> None:
    case = SolverCase()
    case.learns = False
    with pytest.raises(pytest.skip.Exception, match="does not learn"):
        case.test_it_learns(Climber())


def test_changing_its_evaluations_is_caught() -> None:
    def careless(solver: Climber, e: Evaluation) -> Tensor:
        e.f.mul_(2)
        return solver.next(e)

    with pytest.raises(AssertionError, match="changed the evaluation that it was given"):
        CASE.test_evaluations_are_not_changed_in_place(telling(careless))


def test_global_randomness_is_caught() -> None:
    with pytest.raises(AssertionError, match="that of torch moved"):
        CASE.test_global_randomness_is_left_alone(proposing(lambda s: s.z + 0 * torch.rand(())))
