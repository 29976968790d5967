"""Search: fronts that hold what they promise, whatever runs beside them."""

from dataclasses import replace
from typing import Any, final

import moocore
import numpy as np
import pytest
import torch
from torch import Tensor

from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.contracts.records import Evaluation, Reason
from cfsearch.contracts.solver import Solver
from cfsearch.contracts.space import SearchSpace
from cfsearch.engine.archive import Archive
from cfsearch.engine.problem import Problem
from cfsearch.engine.progress import Failure, Progress
from cfsearch.engine.search import Search
from cfsearch.errors import ConfigError, NonFiniteError
from cfsearch.fronts.front import ParetoFront
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.flip import Flip
from cfsearch.objectives.intensity import Intensity
from cfsearch.objectives.plausibility import Plausibility
from cfsearch.solvers.random import RandomSearch
from cfsearch.testing import FakeGenerator, FakeProvider

GENERATOR = FakeGenerator()


def random_search(population: int) -> Solver:
    return RandomSearch(population=population)


def images(*levels: float) -> Tensor:
    noise = 0.02 * torch.rand(len(levels), 3, 16, 16, generator=torch.Generator().manual_seed(0))
    return torch.tensor(levels)[:, None, None, None] + noise


def search(**changes: object) -> Search:
    settings: dict[str, object] = {
        "provider": FakeProvider(),
        "generator": GENERATOR,
        "objectives": [Adversarial(), Plausibility(), Intensity()],
        "solver": random_search,
        "evaluations": 300,
        "population": 50,
    } | changes
    return Search(**settings)  # type: ignore[arg-type]  # settings vary by test


def fronts(results: list[ParetoFront | Failure]) -> list[ParetoFront]:
    kept = [r for r in results if isinstance(r, ParetoFront)]
    assert len(kept) == len(results)
    return kept


def test_members_are_not_dominated_finite_and_verified_by_the_stored_pixels() -> None:
    x = images(0.3, 0.4)
    for front in fronts(search().run(x, names=["a", "b"])):
        assert len(front) > 3
        assert front.images is not None
        assert bool(moocore.is_nondominated(front.f.numpy(), keep_weakly=False).all())
        assert bool(torch.isfinite(front.f).all())
        assert bool((front.z.abs() <= 1).all())
        again = FakeProvider().predict(front.images.float() / 255.0).argmax(-1) == 1
        assert torch.equal(again, front.verified)
        assert front.evaluations == 300
        assert front.reason is Reason.BUDGET


def test_a_front_does_not_depend_on_company_or_order() -> None:
    x = images(0.2, 0.3, 0.4)
    together = fronts(search().run(x, names=["a", "b", "c"]))
    backwards = fronts(search().run(x.flip(0), names=["c", "b", "a"]))
    alone = fronts(search().run(x[1:2], names=["b"]))
    assert [f.digest for f in together] == [f.digest for f in backwards[::-1]]
    assert alone[0].digest == together[1].digest


def test_the_seed_decides() -> None:
    x = images(0.3)
    first, again, other = (fronts(search(seed=s).run(x, names=["a"]))[0].digest for s in (1, 1, 2))
    assert first == again != other


def test_an_instance_that_has_the_target_already_is_not_searched() -> None:
    result = fronts(search(target="bright").run(images(0.9, 0.3), names=["bright", "dark"]))
    assert (len(result[0]), result[0].reason, result[0].evaluations) == (0, Reason.ALREADY_TARGET, 0)
    assert result[1].found


def test_the_budget_is_kept_and_a_small_one_makes_a_small_population() -> None:
    seen: list[Progress] = []
    front = fronts(search(evaluations=30, watchers=[seen.append]).run(images(0.3), names=["a"]))[0]
    assert front.evaluations == 30
    assert [p.evaluations for p in seen] == [30]


def test_a_budget_that_is_no_whole_number_of_populations_is_kept_to_the_last_candidate() -> None:
    heard: list[int] = []

    @final
    class Listening(RandomSearch):  # type: ignore[misc]  # final, and only to listen
        def tell(self, evaluation: Evaluation) -> None:
            heard.append(evaluation.z.shape[1])

    for pruning, told, most in ((0.0, [100], 199), (0.5, [100], 199)):
        heard.clear()
        seen: list[Progress] = []
        front = fronts(
            search(
                evaluations=199,
                population=100,
                pruning=pruning,
                solver=lambda population: Listening(population=population),
                watchers=[seen.append],
            ).run(images(0.3), names=["a"])
        )[0]
        assert (front.evaluations == most) if not pruning else 100 < front.evaluations <= most
        assert [p.evaluations for p in seen] == [100, front.evaluations], (
            "pruning ends where it has no ideas left"
        )
        assert heard == told, "the solver does not learn of a generation that was cut short"


def test_a_model_that_never_moves_is_reported_as_constant() -> None:
    constant = FakeProvider(weight=((0.0,) * 3, (0.0,) * 3), bias=(1.0, 0.0))
    front = fronts(search(provider=constant).run(images(0.3), names=["a"]))[0]
    assert front.reason is Reason.CONSTANT
    assert not front.found


def test_what_may_not_change_at_all_is_reported_as_such_and_not_as_a_constant_model() -> None:
    every = tuple(GENERATOR.space(images(0.3)).names)
    front = fronts(search(immutable=every).run(images(0.3), names=["a"]))[0]
    assert front.reason is Reason.FIXED
    assert (len(front), front.note, front.found) == (1, (), False)
    assert repr(front).endswith("1 member, 0 verified, nothing_may_change)")


def test_constraints_that_cannot_be_met_are_reported_as_such() -> None:
    fixed = tuple(GENERATOR.space(images(0.3)).names)[:3]
    front = fronts(
        search(constraints=[Flip(margin=0.2)], immutable=fixed, target="bright").run(images(0.2), names=["a"])
    )[0]
    assert front.reason is Reason.INFEASIBLE
    assert not front.found
    assert bool((front.z[:, :3] == 0).all())


def test_with_the_constraint_every_member_flips() -> None:
    front = fronts(search(constraints=[Flip(margin=0.1)]).run(images(0.4), names=["a"]))[0]
    assert bool(front.verified.all())
    assert float(front.lead().amin()) > 0.09


def test_a_failing_instance_leaves_the_others(monkeypatch: pytest.MonkeyPatch) -> None:
    class NanAbove(Provider):
        name, labels, scores, max_batch = "nan", ("a", "b"), ScoreKind.LOGITS, 99

        @property
        def fingerprint(self) -> str:
            return "nan"

        def predict(self, x: Tensor) -> Tensor:
            mean = x.flatten(1).mean(1)
            return torch.stack([torch.zeros_like(mean), torch.where(mean > 0.8, torch.nan, mean - 0.5)], -1)

    # changes of brightness stay below the model's fault for the dark image only
    result = search(provider=NanAbove(), immutable=("green", "blue")).run(
        images(0.1, 0.79), names=["dark", "light"]
    )
    assert isinstance(result[0], ParetoFront)
    assert isinstance(result[1], Failure)
    assert isinstance(result[1].error, NonFiniteError)


def test_a_verifier_has_the_last_word() -> None:
    strict = FakeProvider(bias=(0.0, -9.0))  # bright only above 0.75
    front = fronts(search(verifier=strict).run(images(0.4), names=["a"]))[0]
    assert front.images is not None
    bright = front.images.float().div(255).mean((1, 2, 3)) > 0.75
    assert torch.equal(bright, front.verified)


@pytest.mark.parametrize("name", ["evaluations", "population", "capacity"])
@pytest.mark.parametrize("value", [0, -1, 2.5])
def test_sizes_must_be_whole_and_positive(name: str, value: float) -> None:
    with pytest.raises(ConfigError, match=f"`{name}` must be a whole number of at least 1, got {value}"):
        search(**{name: value})


def test_global_random_state_is_left_alone() -> None:
    torch.manual_seed(5)
    np.random.seed(5)  # noqa: NPY002 - the global state is what is looked at
    before = torch.random.get_rng_state(), np.random.get_state()[1].copy()  # type: ignore[index]  # noqa: NPY002
    search().run(images(0.3), names=["a"])
    assert torch.equal(before[0], torch.random.get_rng_state())
    assert np.array_equal(before[1], np.random.get_state()[1])  # type: ignore[index]  # noqa: NPY002


def test_pruning_takes_out_changes_that_do_no_work() -> None:
    only_red = FakeProvider(weight=((0, 0, 0), (9.0, 0.0, 0.0)), bias=(0, -5.0))
    counts = {}
    for share in (0.0, 0.2):
        front = fronts(
            search(provider=only_red, evaluations=500, pruning=share).run(images(0.3), names=["a"])
        )[0]
        i = front.pick("sparsest")
        assert i is not None
        assert front.evaluations == 500 if not share else front.evaluations <= 500
        counts[share] = int(front.changed[i].sum())
    assert counts[0.2] == 1 <= counts[0.0]


def test_a_member_that_flips_by_less_than_the_margin_is_not_verified() -> None:
    front = fronts(search(margin=0.3, evaluations=500).run(images(0.4), names=["a"]))[0]
    lead = front.lead()
    assert bool(((lead > 0) & (lead < 0.3)).any()), "some flip by less"
    assert torch.equal(front.verified, lead >= 0.3)


def test_the_share_for_pruning_is_taken_from_the_solver() -> None:
    planned: list[int] = []
    heard: list[Tensor] = []

    class Planned(RandomSearch):  # type: ignore[misc]  # final, and only to listen
        def start(self, space: SearchSpace, *, generations: int, **rest: Any) -> None:
            planned.append(generations)
            super().start(space, generations=generations, **rest)

        def tell(self, evaluation: Evaluation) -> None:
            heard.append(evaluation.z)

    for share, expected in ((0.0, 10), (0.3, 7)):
        heard.clear()
        search(evaluations=500, pruning=share, solver=lambda population: Planned(population=population)).run(
            images(0.4), names=["a"]
        )
        assert planned[-1] == len(heard) == expected


def test_a_front_has_no_more_members_than_its_capacity() -> None:
    whole = fronts(search().run(images(0.4), names=["a"]))[0]
    small = fronts(search(capacity=3).run(images(0.4), names=["a"]))[0]
    assert len(whole) > 3 == len(small)


def test_members_are_in_the_order_of_their_objectives_first_to_last() -> None:
    front = fronts(search().run(images(0.4), names=["a"]))[0]
    rows = [tuple(row) for row in front.f.tolist()]
    assert len(rows) > 3 and rows == sorted(rows)
    tied = Archive(
        z=torch.arange(4.0)[:, None],
        f=torch.tensor([[2.0, 1.0], [1.0, 3.0], [1.0, 2.0], [0.0, 9.0]]),
        violation=torch.zeros(4),
        scores=torch.zeros(4, 2),
    )
    assert tied.ordered().z.flatten().tolist() == [3.0, 2.0, 1.0, 0.0]


def test_failures_and_fronts_are_shown_in_one_line() -> None:
    front = fronts(search(target="bright").run(images(0.4), names=["a"]))[0]
    assert repr(front) == (
        f"ParetoFront('a', dark -> bright, {len(front)} members, {int(front.verified.sum())} verified, budget_exhausted)"
    )
    free = fronts(search().run(images(0.4), names=["a"]))[0]
    assert "dark -> any other class, " in repr(free)
    assert (
        repr(Failure("b", NonFiniteError("a model: NaN.\nMore.")))
        == r"Failure('b', NonFiniteError: a model: NaN.\u000aMore.)"
    )


def test_problems_and_spaces_are_shown_in_one_line() -> None:
    problem = Problem(
        images(0.3, 0.4),
        names=["a", "b"],
        provider=FakeProvider(),
        generator=GENERATOR,
        objectives=[Adversarial(), Intensity()],
        constraints=[Flip()],
        immutable=["red"],
    )
    assert repr(problem) == (
        "Problem(2 queries, model 'fake', generator 'fake', 4 variables, judged by adversarial, intensity, flip)"
    )
    assert repr(problem.space) == "SearchSpace(2 queries, 4 variables: red, green, blue, ..., 1 immutable)"
    assert repr(problem.queries) == "Queries(2 inputs of shape (3, 16, 16))"
    evaluation = problem.evaluate(torch.zeros(2, 5, 4))
    assert repr(evaluation) == "Evaluation(2 queries, 5 candidates each, 2 objectives)"


def test_the_problem_of_a_stored_front_gives_its_members_again() -> None:
    made = search(target="bright", immutable=["red"])
    [front] = fronts(made.run(images(0.4), names=["a"]))
    problem = made.problem_of(front)
    assert front.original is not None and front.images is not None
    assert problem.queries.names == ("a",)
    assert problem.target == 1
    assert problem.space.upper[0, front.variables.index("red")] == 0.0
    again = problem.decode(front.z[None], query=0)
    stored = front.images.float() / 255.0
    # the original was stored with 8 bits a channel, and the members too
    assert (again - stored).abs().max() <= 1.01 / 255.0
    torch.testing.assert_close(problem.queries.scores[0], front.original_scores)


def test_a_front_without_its_input_is_no_problem_any_more() -> None:
    made = search()
    [front] = fronts(made.run(images(0.4), names=["a"]))
    with pytest.raises(ValueError, match="a: this front keeps no input to restore"):
        made.problem_of(replace(front, original=None, images=None))


@pytest.mark.parametrize("margin", [-2.0, 1.0, float("nan")])
def test_a_margin_is_a_share(margin: float) -> None:
    with pytest.raises(ConfigError, match=r"`margin` must lie in \[0, 1\)"):
        search(margin=margin)


def test_patience_waits_for_a_flip_that_keeps_the_constraints() -> None:
    """Candidates that flip by too little are no end: a search with patience finds what one without it does."""
    found = [
        fronts(
            search(constraints=[Flip(margin=0.9)], evaluations=1500, patience=patience).run(
                images(0.4), names=["a"]
            )
        )[0]
        for patience in (0, 2)
    ]
    assert [front.found for front in found] == [True, True]
