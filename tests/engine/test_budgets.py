"""Limits on queries and time: kept, divided fairly, and a result instead of an exception."""

from collections.abc import Sequence
from typing import final

import pytest
import torch
from torch import Tensor

from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.contracts.records import Reason
from cfsearch.engine.progress import Failure
from cfsearch.engine.schedule import Allowance, Schedule
from cfsearch.engine.search import Search
from cfsearch.errors import BudgetExhausted, ConfigError
from cfsearch.fronts.front import ParetoFront
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.intensity import Intensity
from cfsearch.providers.budget import CountingProvider, remaining_queries
from cfsearch.providers.cache import CachedProvider
from cfsearch.providers.votes import VotingProvider
from cfsearch.solvers.random import RandomSearch
from cfsearch.testing import FakeGenerator, FakeProvider


def images(*levels: float) -> Tensor:
    noise = 0.02 * torch.rand(len(levels), 3, 16, 16, generator=torch.Generator().manual_seed(0))
    return torch.tensor(levels)[:, None, None, None] + noise


def search(provider: Provider | None = None, **changes: object) -> Search:
    settings: dict[str, object] = {
        "provider": provider or FakeProvider(),
        "generator": FakeGenerator(),
        "objectives": [Adversarial(), Intensity()],
        "solver": lambda population: RandomSearch(population=population),
        "evaluations": 300,
        "population": 50,
    } | changes
    return Search(**settings)  # type: ignore[arg-type]  # settings vary by test


def fronts(results: Sequence[ParetoFront | Failure]) -> list[ParetoFront]:
    kept = [r for r in results if isinstance(r, ParetoFront)]
    assert len(kept) == len(results)
    return kept


@pytest.mark.parametrize(
    ("evaluations", "population", "pruning", "sizes", "searching"),
    [
        (300, 100, 0.0, (100, 100, 100), 3),
        (199, 100, 0.0, (100, 99), 2),
        (30, 50, 0.15, (30,), 1),
        (500, 50, 0.15, (50,) * 10, 9),
        (501, 50, 0.2, (*(50,) * 10, 1), 9),
        (0, 50, 0.15, (), 0),
    ],
)
def test_schedules_by_hand(
    evaluations: int, population: int, pruning: float, sizes: tuple[int, ...], searching: int
) -> None:
    made = Schedule.of(evaluations, population=population, pruning=pruning)
    assert (made.sizes, made.searching) == (sizes, searching)


@pytest.mark.parametrize(
    ("limit", "original", "evaluations", "members"),
    [
        # the original, its two ends, and 97 of which a fifth (19) is kept back
        (100, True, 78, 19),
        (100, False, 79, 19),
        (10_000, True, 300, 100),
        (450, True, 300, 100),
        (5, True, 1, 1),
        (4, True, 0, 0),
    ],
)
def test_what_a_limit_allows_by_hand(limit: int, original: bool, evaluations: int, members: int) -> None:
    model = FakeProvider()
    made = Allowance.of(limit, model=model, through=model, evaluations=300, capacity=100, original=original)
    assert (made.evaluations, made.members) == (evaluations, members)
    assert made.least == 4 + original


@pytest.mark.parametrize("limit", [5, 60, 120, 299, 1000])
def test_max_queries_is_kept_and_what_is_found_is_verified(limit: int) -> None:
    counted = CountingProvider(FakeProvider())
    [front] = fronts(search(counted, max_queries=limit).run(images(0.4), names=["a"]))
    assert counted.spent == front.queries
    assert counted.spent <= limit
    assert front.found == (limit > 5)
    limited = [text for text in front.note if f"`max_queries` = {limit}" in text]
    assert len(limited) == (limit < 500)
    if limited:
        assert f"{front.evaluations} of 300 candidates" in limited[0]
        assert front.reason is Reason.BUDGET or limit == 5


def test_max_queries_counts_votes_and_not_the_answers_of_a_surrogate() -> None:
    labels = CountingProvider(FakeProvider(scores=ScoreKind.LABELS))
    votes = VotingProvider(labels, votes=4, sigma=0.05)
    [front] = fronts(search(votes, verifier=labels, max_queries=200).run(images(0.4), names=["a"]))
    assert labels.spent == front.queries
    assert 150 < labels.spent <= 200
    model = CountingProvider(FakeProvider(bias=(0.0, -6.5)))
    [front] = fronts(search(FakeProvider(), verifier=model, max_queries=20).run(images(0.4), names=["a"]))
    assert front.evaluations == 300
    assert model.spent == front.queries == 20


def test_max_queries_does_not_depend_on_company() -> None:
    x = images(0.3, 0.4)
    together = fronts(search(max_queries=130).run(x, names=["a", "b"]))
    alone = fronts(search(max_queries=130).run(x[1:], names=["b"]))
    assert together[1].digest == alone[0].digest


@pytest.mark.parametrize(
    ("setting", "value"), [("max_queries", 0), ("max_queries", 2.5), ("max_queries", True)]
)
def test_a_limit_that_is_no_whole_number_is_refused(setting: str, value: object) -> None:
    with pytest.raises(ConfigError, match=f"`{setting}` must be a whole number of at least 1, got {value}"):
        search(**{setting: value})  # type: ignore[arg-type]  # wrong on purpose


@pytest.mark.parametrize("value", [0.0, -1.0, float("inf"), float("nan"), "long"])
def test_a_time_that_is_none_is_refused(value: object) -> None:
    with pytest.raises(ConfigError, match="`max_time` must be"):
        search(max_time=value)


def test_a_limit_that_allows_no_search_is_refused_with_what_would_do() -> None:
    with pytest.raises(ConfigError, match="`max_queries` must be at least 5, .* got 4"):
        search(max_queries=4).run(images(0.4), names=["a"])


def test_after_max_time_no_generation_begins() -> None:
    [front] = fronts(search(max_time=1e-9).run(images(0.4), names=["a"]))
    assert (front.evaluations, front.reason, front.found) == (50, Reason.BUDGET, True)
    assert "`max_time` = 1e-09 s ended the search early. 50 of 300 candidates were evaluated." in front.note
    [whole] = fronts(search(max_time=1e9).run(images(0.4), names=["a"]))
    assert (whole.evaluations, whole.note) == (300, ())


@pytest.mark.parametrize("limit", [120, 400])
def test_a_budget_that_ends_inside_a_search_is_a_result(limit: int) -> None:
    counted = CountingProvider(FakeProvider(), limit)
    results = fronts(search(counted).run(images(0.3, 0.4), names=["a", "b"]))
    assert counted.spent <= limit
    for front in results:
        assert front.reason is Reason.BUDGET and front.found
        assert 0 < front.evaluations < 300
        assert any(
            f"{limit - 2} queries to the model were left for 2 searches" in text for text in front.note
        )


def test_a_budget_that_ends_before_a_search_is_an_empty_result() -> None:
    counted = CountingProvider(FakeProvider(), 2)
    [front] = fronts(search(counted).run(images(0.4), names=["a"]))
    assert (len(front), front.reason, front.evaluations, front.queries) == (0, Reason.BUDGET, 0, 1)
    failure = search(CountingProvider(FakeProvider(), 0)).run(images(0.4), names=["a"])[0]
    assert isinstance(failure, Failure) and isinstance(failure.error, BudgetExhausted)


@final
class Stingy(Provider):
    """Raises ``BudgetExhausted`` after so many inputs, and does not say beforehand how many are left."""

    name, labels, scores, max_batch = "stingy", ("dark", "bright"), ScoreKind.LOGITS, 1000

    def __init__(self, left: int, *, invariant: bool) -> None:
        self.left, self._invariant = left, invariant

    @property
    def fingerprint(self) -> str:
        return "stingy"

    @property
    def batch_invariant(self) -> bool:
        return self._invariant

    def predict(self, x: Tensor) -> Tensor:
        if len(x) > self.left:
            raise BudgetExhausted("stingy: no queries are left.")
        self.left -= len(x)
        return FakeProvider().predict(x)


@pytest.mark.parametrize("invariant", [False, True])
def test_queries_that_a_budget_still_reached_keep_what_was_found(invariant: bool) -> None:
    # two originals, two generations of both, and a third of the first alone
    stingy = Stingy(2 + 5 * 50, invariant=invariant)
    first, second = fronts(search(stingy).run(images(0.3, 0.4), names=["a", "b"]))
    assert (first.evaluations, second.evaluations) == (150, 100)
    for front in (first, second):
        assert front.reason is Reason.BUDGET
        assert len(front) > 1 and not front.found, "nothing was left to verify it"
        assert front.queries == 1 + front.evaluations
        assert (
            f"stingy: no queries are left. {front.evaluations} of 300 candidates were evaluated."
            in front.note
        )
        assert any("none counts as verified" in text for text in front.note)


def test_what_is_left_is_known_through_wrappers_but_not_behind_a_cache() -> None:
    counted = CountingProvider(FakeProvider(), 10)
    counted.predict(images(0.3, 0.4))
    assert remaining_queries(counted) == 8
    assert remaining_queries(CountingProvider(counted, 5)) == 5
    assert remaining_queries(CountingProvider(counted)) == 8
    assert remaining_queries(CachedProvider(counted)) is None
    assert remaining_queries(FakeProvider()) is None
