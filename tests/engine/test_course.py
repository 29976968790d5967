"""The generations of a batch: what solvers are told, what watchers see, and when it ends."""

import itertools
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.contracts.records import Evaluation, Reason
from cfsearch.contracts.solver import Solver
from cfsearch.contracts.space import SearchSpace
from cfsearch.engine.course import Course
from cfsearch.engine.problem import Problem
from cfsearch.engine.progress import Progress
from cfsearch.engine.schedule import Schedule
from cfsearch.engine.search import Search
from cfsearch.errors import BudgetExhausted, PluginError, ShapeError
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.flip import Flip
from cfsearch.objectives.intensity import Intensity
from cfsearch.providers.budget import CountingProvider
from cfsearch.testing import FakeGenerator, FakeProvider

X = torch.tensor([0.3, 0.4])[:, None, None, None].expand(2, 3, 16, 16).contiguous()
MEASURES = (Adversarial(), Intensity())


class Recorded(Solver):
    """Lightens all colours a little more with each turn, and keeps what it is told."""

    name = "recorded"

    def __init__(self, population: int) -> None:
        self.population, self.turns = population, itertools.count(1)
        self.started: dict[str, Any] = {}
        self.told: list[Evaluation] = []

    def start(
        self,
        space: SearchSpace,
        *,
        objectives: int,
        constrained: bool,
        rngs: Sequence[np.random.Generator],
        generations: int,
        seeds: Float[Tensor, "b s d"] | None = None,
    ) -> None:
        self.started = {
            "b": space.b,
            "objectives": objectives,
            "constrained": constrained,
            "numbers": [int(rng.integers(1 << 60)) for rng in rngs],
            "generations": generations,
            "seeds": seeds,
        }

    def ask(self) -> Float[Tensor, "b n d"]:
        steps = 0.01 * next(self.turns) + 0.0001 * torch.arange(float(self.population))
        return (steps[:, None] * torch.tensor([1.0, 1.0, 1.0, 0.0])).expand(2, -1, -1).clone()

    def tell(self, evaluation: Evaluation) -> None:
        self.told.append(evaluation)


class Stingy(Provider):
    """Raises ``BudgetExhausted`` after so many inputs, and counts how often."""

    name, labels, scores, max_batch = "stingy", ("dark", "bright"), ScoreKind.LOGITS, 1000

    def __init__(self, left: int) -> None:
        self.left, self.refused = left, 0

    @property
    def fingerprint(self) -> str:
        return "stingy"

    def predict(self, x: Tensor) -> Tensor:
        if len(x) > self.left:
            self.refused += 1
            raise BudgetExhausted("no queries are left.")
        self.left -= len(x)
        return FakeProvider().predict(x)


def course(
    sizes: tuple[int, ...] = (20, 20, 20),
    *,
    model: Provider | None = None,
    searching: int | None = None,
    solver: Any = None,  # Any: some are wrong on purpose
    **settings: Any,  # Any: of a search
) -> tuple[Course, Recorded]:
    """A course over two queries, and the solver that it starts where no other is given."""
    recorded = Recorded(sizes[0])
    problem = Problem(
        X,
        names=["a", "b"],
        provider=model or FakeProvider(),
        generator=FakeGenerator(),
        objectives=MEASURES,
        constraints=settings.get("constraints", ()),
    )
    search = Search(FakeProvider(), FakeGenerator(), MEASURES, solver or (lambda _: recorded), **settings)
    schedule = Schedule(sizes, len(sizes) if searching is None else searching)
    return Course(problem, schedule, begin=100.0, search=search, members=7), recorded


def test_a_solver_is_started_with_what_the_search_is_and_learns_of_each_turn() -> None:
    run, solver = course((20, 20, 20, 5), searching=3, constraints=[Flip()], seed=5)
    run.solve()
    started = solver.started
    assert (started["b"], started["objectives"], started["generations"]) == (2, 2, 3)
    assert started["constrained"] is True and started["seeds"] is None
    assert len(solver.told) == 3
    # the first candidate of turn t lightens by 0.01 t, and leaves a flip of size 12 (0.2 - 0.01 t) to do
    for turn, told in enumerate(solver.told, start=1):
        torch.testing.assert_close(told.z[:, 0, 0], torch.full((2,), 0.01 * turn))
        torch.testing.assert_close(
            told.scores[:, 0, 0] - told.scores[:, 0, 1],
            12 * torch.tensor([0.2 - 0.01 * turn, 0.1 - 0.01 * turn]),
        )
    assert run.origin == "recorded"
    again, same_seed = course(seed=5)
    other, another_seed = course(seed=6)
    again.solve()
    other.solve()
    assert same_seed.started["constrained"] is False
    assert same_seed.started["numbers"] == started["numbers"] != another_seed.started["numbers"]
    assert len(set(started["numbers"])) == 2


def test_watchers_see_every_generation() -> None:
    seen: list[Progress] = []
    run, _ = course(watchers=[seen.append])
    run.solve()
    # flips take a change of 0.2 and of 0.1, and none is above 0.04
    assert seen == [Progress(turn, 3, 2, 0, 40 * turn) for turn in (1, 2, 3)]


@pytest.mark.parametrize("left", [2 + 40, 2 + 60])
def test_nothing_is_queried_any_more_once_no_queries_are_left(left: int) -> None:
    seen: list[Progress] = []
    model = Stingy(left)
    run, solver = course((20,) * 4, model=model, watchers=[seen.append], searching=3)
    run.solve()
    refused = model.refused
    run.prune()
    assert refused == model.refused == (2 if left == 42 else 1), "each query once, in one turn"
    assert next(solver.turns) == 3, "asked for two turns"
    assert (run.stopped, run.notes) == (True, ["no queries are left."])
    assert len(seen) == len(solver.told) == 1
    assert run.tracker.spent == ([20, 20] if left == 42 else [40, 20])
    for i, spent in enumerate(run.tracker.spent):
        assert run.reason(i) is Reason.BUDGET
        assert run.remarks(i, evaluations=80) == [
            f"no queries are left. {spent} of 80 candidates were evaluated."
        ]


@pytest.mark.parametrize(("last", "reason"), [(5, Reason.STALLED), (6, Reason.BUDGET)])
def test_a_search_without_a_flip_has_stalled_after_nothing_came_nearer_for_a_third_of_it(
    last: int, reason: Reason
) -> None:
    class Waning(Recorded):
        def ask(self) -> Float[Tensor, "b n d"]:
            return super().ask() if len(self.told) <= last else torch.zeros(2, self.population, 4)

    # of ten generations, counted from 0, more than three after the last gain: the sixth and before
    run, _ = course((20,) * 10, solver=Waning)
    run.solve()
    assert run.reason(0) is run.reason(1) is reason


def test_a_tie_is_no_flip_however_long_it_lasts() -> None:
    class Undecided(FakeProvider):  # type: ignore[misc]  # final, and only to answer otherwise
        def predict(self, x: Tensor) -> Tensor:
            return (
                FakeProvider().predict(x).clamp_max(0.0)
            )  # the second class never leads, and ties in the light

    class Light(Recorded):
        def ask(self) -> Float[Tensor, "b n d"]:
            return torch.full((2, self.population, 4), 0.3)

    run, _ = course((20,) * 6, solver=Light, model=Undecided(), patience=2)
    run.solve()
    assert not run.tracker.still
    assert run.reason(0) is run.reason(1) is Reason.STALLED


def test_what_converged_before_the_time_was_up_stays_converged(monkeypatch: pytest.MonkeyPatch) -> None:
    class OneStill(Recorded):
        def ask(self) -> Float[Tensor, "b n d"]:
            steps = torch.linspace(0.0, 0.5, self.population)
            z = steps[:, None].expand(2, -1, 4).clone()
            z[0, :, 3] = 0.0
            z[1, :, 3] = 0.9 - 0.1 * next(
                self.turns
            )  # a slope flips nothing: with less of it the front moves
            return z

    now = [100.0]
    monkeypatch.setattr("cfsearch.engine.course.time.monotonic", lambda: now[0])

    def pass_time(_: Progress) -> None:
        now[0] += 10.0

    run, _ = course((20,) * 6, solver=OneStill, patience=2, max_time=35.0, watchers=[pass_time])
    run.solve()
    assert run.stopped
    assert (run.reason(0), run.reason(1)) == (Reason.CONVERGED, Reason.BUDGET)


def test_every_point_ends_there_too_and_is_then_no_exact_front() -> None:
    model = CountingProvider(FakeProvider(), 2 + 40)
    run, _ = course(model=model)
    points = 0.001 * torch.arange(50.0)[:, None] * torch.ones(4)
    run.enumerate([points, points])
    assert run.origin == "enumeration"
    assert run.stopped and run.tracker.spent == [20, 20]
    assert run.reason(0) is Reason.BUDGET
    assert "exact" not in run.remarks(0, evaluations=60)[0]


def test_every_point_is_evaluated_once_and_counted_with_no_change() -> None:
    seen: list[Progress] = []
    run, _ = course(watchers=[seen.append])
    points = [0.01 * torch.arange(float(n))[:, None] * torch.tensor([1.0, 1, 1, 0]) for n in (45, 7)]
    run.enumerate(points)
    assert [(p.generation, p.generations, p.evaluations) for p in seen] == [
        (1, 3, 27),
        (2, 3, 47),
        (3, 3, 52),
    ]
    assert run.tracker.spent == [45, 7]
    # larger changes flip more: no candidate dominates another, so the first front is thinned to 7
    assert [len(archive.z) for archive in run.tracker.archives] == [7, 7]
    assert run.reason(0) is not Reason.EXACT
    assert run.reason(1) is Reason.EXACT
    assert run.remarks(1, evaluations=60) == [
        "The front is exact: all 7 candidates that the rules allow were evaluated."
    ]


@pytest.mark.parametrize(("limit", "turns"), [(9.0, 1), (15.0, 2), (25.0, 3), (1000.0, 3)])
def test_time_is_counted_from_the_begin_and_the_last_generation_is_never_early(
    limit: float, turns: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("cfsearch.engine.course.time.monotonic", lambda: now[0])

    def pass_time(_: Progress) -> None:
        now[0] += 10.0

    run, solver = course(watchers=[pass_time], max_time=limit)
    run.solve()
    assert len(solver.told) == turns
    early = turns < 3
    assert run.stopped is early
    assert run.notes == ([f"`max_time` = {limit:g} s ended the search early."] if early else [])


def test_a_generation_that_is_cut_short_is_the_last_and_the_solver_need_not_learn_of_it() -> None:
    run, solver = course((20, 8))
    run.solve()
    assert [told.z.shape[1] for told in solver.told] == [20]
    assert run.tracker.spent == [28, 28]


def test_a_front_that_moves_no_more_ends_the_search_and_says_so() -> None:
    class Same(Recorded):
        def ask(self) -> Float[Tensor, "b n d"]:
            steps = torch.linspace(0.0, 0.5, self.population)[:, None]
            return (steps * torch.tensor([1.0, 1.0, 1.0, 0.0])).expand(2, -1, -1).clone()

    run, _ = course((20,) * 6, solver=Same, patience=2)
    run.solve()
    # no candidate is new after the first turn
    assert run.tracker.spent == [20, 20]
    assert run.reason(0) is run.reason(1) is Reason.CONVERGED
    assert run.remarks(0, evaluations=120) == [
        "The front grew by less than 0.1 % over 2 generations: the search ended after 20 of 120 candidates."
    ]


def test_seeds_of_different_numbers_are_filled_up_with_no_change() -> None:
    seeds = [torch.full((3, 4), 0.2), torch.full((1, 4), 0.1)]
    run, solver = course(seeds=lambda _: seeds)
    run.solve()
    given = solver.started["seeds"]
    assert torch.equal(given[0], seeds[0])
    assert given[1].tolist() == [seeds[1][0].tolist(), [0.0] * 4, [0.0] * 4]


@pytest.mark.parametrize(
    "seeds",
    [[torch.zeros(1, 4)], [torch.zeros(1, 4), torch.zeros(4)], [torch.zeros(1, 4), torch.zeros(1, 3)]],
)
def test_seeds_of_the_wrong_shape_are_refused(seeds: list[Tensor]) -> None:
    run, _ = course(seeds=lambda _: seeds)
    with pytest.raises(
        ShapeError, match=r"`seeds` must give one list of changes of shape \(s, 4\) for each of 2"
    ):
        run.solve()


def test_solvers_that_are_none_or_have_no_name_are_refused() -> None:
    with pytest.raises(PluginError, match=r"expected `solver` to make a cfsearch.Solver .*, got str"):
        course(solver=lambda _: "nsga2")[0].solve()

    class Nameless(Recorded):
        name = None  # type: ignore[assignment]  # wrong on purpose

    with pytest.raises(PluginError, match="solver Nameless: expected a class attribute `name`"):
        course(solver=Nameless)[0].solve()
