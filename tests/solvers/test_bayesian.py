"""Bayesian optimisation: few evaluations, known objectives learned, queries alone and in company, settings."""

import numpy as np
import pytest
import torch
from torch import Tensor

from cfsearch.contracts.records import NOT_EVALUATED, Evaluation
from cfsearch.contracts.space import Kind, SearchSpace
from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
from cfsearch.errors import ConfigError, PluginError
from cfsearch.generators.rows.generator import Rows
from cfsearch.numerics import pareto
from cfsearch.solvers._learner import Learner
from cfsearch.solvers.bayesian import Bayesian
from cfsearch.solvers.genetic import Nsga2

D = 6


def where(b: int, *, kinds: tuple[Kind, ...] = ()) -> SearchSpace:
    one = torch.ones(b, D)
    return SearchSpace(names=tuple("abcdef"), lower=-one, upper=2 * one, kinds=kinds)


def judged(z: Tensor) -> Evaluation:
    """How far from a place, how much was changed, and a function with a bend."""
    far = ((z - 0.7) ** 2 * torch.arange(1, D + 1)).sum(-1).sqrt()
    bent = (z[..., 0] - z[..., 1]).abs() + torch.sin(2 * z[..., 2]) + 1
    f = torch.stack([far, torch.linalg.vector_norm(z, dim=-1), bent], dim=-1)
    return Evaluation(z, f, torch.zeros(z.shape[:2]), torch.zeros(*z.shape[:2], 2))


def walked(solver: Bayesian | Nsga2, space: SearchSpace, *, turns: int, first: int = 0) -> Tensor:
    rngs = [np.random.default_rng([9, first + i]) for i in range(space.b)]
    solver.start(space, objectives=3, constrained=False, rngs=rngs, generations=turns)
    values = []
    for _ in range(turns):
        evaluation = judged(solver.ask())
        solver.tell(evaluation)
        values.append(evaluation.f)
    return torch.cat(values, dim=1)


def test_a_tenth_of_the_evaluations_of_nsga2_give_a_larger_volume() -> None:
    corner = torch.tensor([4.0, 2.5, 3.0])
    few, many = (
        walked(Bayesian(population=12), where(2), turns=10),
        walked(Nsga2(population=60), where(2), turns=20),
    )
    assert (few.shape[1], many.shape[1]) == (120, 1200)
    for one, other in zip(few, many, strict=True):
        assert pareto.hypervolume(one, corner) > pareto.hypervolume(other, corner)


def test_a_query_alone_takes_the_path_that_it_takes_in_company() -> None:
    together = walked(Bayesian(population=5), where(3), turns=4)
    for i in range(3):
        alone = walked(Bayesian(population=5), where(1), turns=4, first=i)
        assert torch.equal(alone[0], together[i])


def test_threads_are_left_as_they_were_and_change_nothing() -> None:
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(1)
        alone = walked(Bayesian(population=5), where(1), turns=3)
        torch.set_num_threads(2)
        assert torch.equal(walked(Bayesian(population=5), where(1), turns=3), alone)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(before)


def test_a_query_that_rests_costs_nothing_and_does_not_disturb_others(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    learned, learn = list[int](), Learner.learn

    def counted(self: Learner, z: Tensor, f: Tensor, violation: Tensor) -> None:
        learned.append(len(z))
        learn(self, z, f, violation)

    monkeypatch.setattr(Learner, "learn", counted)
    solver, space = Bayesian(population=5), where(2)
    rngs = [np.random.default_rng([9, i]) for i in range(2)]
    solver.start(space, objectives=3, constrained=False, rngs=rngs, generations=4)
    values = []
    for turn in range(4):
        evaluation = judged(solver.ask())
        if turn:  # what a search gives back of a query that it has left
            evaluation.f[1], evaluation.violation[1] = NOT_EVALUATED, NOT_EVALUATED
        solver.tell(evaluation)
        values.append(evaluation.f[0])
    assert len(learned) == 3 + 1, "three turns of the one, the first of the other"
    assert torch.equal(torch.cat(values), walked(Bayesian(population=5), where(1), turns=4)[0])


@pytest.mark.parametrize("origin", [0.0, 2.0, 4.0])
def test_every_level_of_a_table_is_another_point(origin: float) -> None:
    """Changes of a row are shares of the range of its column: a level is one fourth from the next of five."""
    levels = tuple("abcde")
    generator = Rows(
        TableSchema(
            columns=(
                Column(name="job", kind=ColumnKind.CATEGORICAL, levels=levels),
                Column(name="age", kind=ColumnKind.REAL, high=9.0),
            )
        )
    )
    space = generator.space(generator.encode(torch.tensor([[origin, 3.0]], dtype=torch.float64)))
    z = torch.zeros(5, 2, dtype=torch.float64)
    z[:, 0] = (torch.arange(5) - origin) / 4
    assert bool(space.contains(z[None]).all())
    learner = Learner(space, objectives=1, constrained=False)
    best = torch.tensor([3.0, 2.0, 1.0, 0.0, 2.5])[:, None]  # which no line through the levels would tell
    learner.learn(z.repeat(3, 1), best.repeat(3, 1), torch.zeros(15))
    mean, _ = learner.predicted(z, optimism=0.0)
    assert mean[:, 0].argmin() == 3 and float((mean - best).abs().max()) < 0.5


KINDS = (Kind.CATEGORICAL, Kind.INTEGER, *(Kind.REAL,) * (D - 2))


@pytest.mark.parametrize("kinds", [(), KINDS], ids=["real", "mixed"])
def test_a_learner_predicts_objectives_better_than_their_mean(kinds: tuple[Kind, ...]) -> None:
    space = where(1, kinds=kinds)
    z = space.sample(140, rngs=[np.random.default_rng(0)])
    z[:, :40, 3:] = 0.0  # few changes, as a search begins
    f = judged(z).f[0]
    learner = Learner(space, objectives=3, constrained=False)
    learner.learn(z[0, :100], f[:100], torch.zeros(100))
    mean, violation = learner.predicted(z[0, 100:], optimism=0.0)
    left = (mean - f[100:]).square().mean(0) / f[100:].var(0)
    assert bool((left < 0.2).all()) and bool((violation == 0).all())
    lowered, _ = learner.predicted(z[0, 100:], optimism=1.0)
    assert bool((lowered < mean).all())


def test_a_constraint_is_learned_from_both_sides() -> None:
    space = where(1)
    z = space.sample(160, rngs=[np.random.default_rng(1)])[0]
    violation = (z[:, 0] - 0.5).clamp_min(0.0)  # how well it is kept is not said
    learner = Learner(space, objectives=3, constrained=True)
    learner.learn(z[:100], judged(z[None]).f[0, :100], violation[:100])
    _, predicted = learner.predicted(z[100:], optimism=0.0)
    assert float(((predicted > 0) == (violation[100:] > 0)).double().mean()) > 0.9
    _, careful = learner.predicted(z[100:], optimism=1.0)
    assert bool((careful >= predicted).all())


def test_what_breaks_a_constraint_is_taken_last() -> None:
    learner = Learner(where(1), objectives=2, constrained=True)
    f = torch.tensor([[0.0, 0.0], [1.0, 2.0], [2.0, 1.0], [3.0, 3.0]]).double()
    assert learner.best(f, torch.tensor([1.0, 0.0, 0.0, 0.0]), 4).tolist()[-1] != 0
    assert set(learner.best(f, torch.tensor([1.0, 0.0, 0.0, 0.0]), 2).tolist()) == {1, 2}
    assert learner.best(f, torch.ones(4), 2).tolist() == [0, 1]


@pytest.mark.parametrize("m", [2, 3, 5])
def test_a_larger_front_is_worth_more_than_a_better_place_in_it(m: int) -> None:
    """Of two candidates beside a known front, the one that no member is near is taken first."""
    learner = Learner(where(1), objectives=m, constrained=False)
    z = where(1).sample(60, rngs=[np.random.default_rng(2)])[0]
    angle = torch.linspace(0, 0.5, 60)
    f = torch.stack([angle, 1 - angle, *[torch.full_like(angle, 0.5)] * (m - 2)], dim=1)
    learner.learn(z, f, torch.zeros(60))
    near, far = [0.249, 0.749, *[0.5] * (m - 2)], [0.4, 0.3, *[0.5] * (m - 2)]
    assert learner.best(torch.tensor([near, far]).double(), torch.zeros(2), 1).tolist() == [1]


def test_a_candidate_beyond_the_worst_of_the_front_counts_where_it_is_better_than_all_in_something() -> None:
    learner = Learner(where(1), objectives=2, constrained=False)
    z = where(1).sample(20, rngs=[np.random.default_rng(3)])[0]
    share = torch.linspace(0, 1, 20)
    learner.learn(z, torch.stack([share, 1 - share], dim=1), torch.zeros(20))
    beyond, between = [-1.0, 1.5], [0.49, 0.49]
    assert learner.best(torch.tensor([between, beyond]).double(), torch.zeros(2), 1).tolist() == [1]


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"optimism": -0.1}, "bayesian: `optimism` must be finite and >= 0, got -0.1"),
        ({"optimism": float("inf")}, "bayesian: `optimism` must be finite and >= 0, got inf"),
        ({"inner_population": 3}, "bayesian: `inner_population` must be at least 4, got 3"),
        ({"inner_generations": 0}, "bayesian: `inner_generations` must be at least 1, got 0"),
        ({"population": 0}, "bayesian: `population` must be at least 1, got 0"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, float], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        Bayesian(**settings)  # type: ignore[arg-type]  # that is what is tried


def test_inner_settings_reach_the_inner_search(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []
    ask = Nsga2.ask

    def counted(self: Nsga2) -> Tensor:
        asked.append(self.population)
        return ask(self)

    monkeypatch.setattr(Nsga2, "ask", counted)
    walked(Bayesian(population=4, inner_population=16, inner_generations=3), where(1), turns=3)
    assert asked == [16] * 6


def test_a_second_ask_needs_an_answer_to_the_first() -> None:
    solver = Bayesian(population=4)
    solver.start(where(1), objectives=2, constrained=False, rngs=[np.random.default_rng(0)], generations=3)
    solver.ask()
    with pytest.raises(PluginError, match="expected `tell` before the second `ask`"):
        solver.ask()
