"""Budgets, by arithmetic."""

from typing import Any

import pytest
import torch

from cfsearch.engine.schedule import Allowance, Schedule, allowance
from cfsearch.errors import ConfigError
from cfsearch.providers.budget import CountingProvider
from cfsearch.testing import FakeProvider


@pytest.mark.parametrize(
    ("evaluations", "population", "pruning", "sizes", "searching"),
    [
        (0, 10, 0.2, (), 0),
        (5, 10, 0.2, (5,), 1),
        (199, 100, 0.0, (100, 99), 2),
        (200, 100, 0.5, (100, 100), 1),
        (1000, 100, 0.25, (100,) * 10, 8),
        (1001, 100, 0.25, (*(100,) * 10, 1), 9),
    ],
)
def test_generations_spend_the_budget_to_the_last_candidate(
    evaluations: int, population: int, pruning: float, sizes: tuple[int, ...], searching: int
) -> None:
    made = Schedule.of(evaluations, population=population, pruning=pruning)
    assert (made.sizes, made.searching) == (sizes, searching)
    assert sum(made.sizes) == evaluations


def one_query_an_input() -> FakeProvider:
    """A model that needs one query an input, also to verify it."""
    return FakeProvider()


def test_a_fifth_of_the_queries_is_kept_back_for_verification() -> None:
    model = one_query_an_input()
    # 100 queries: 1 for the original, 2 for original and reconstruction again, 97 left, 97 // 5 = 19 for members
    part = Allowance.of(100, model=model, through=model, evaluations=1000, capacity=50, original=True)
    assert (part.evaluations, part.members, part.least) == (97 - 19, 19, 5)
    without = Allowance.of(100, model=model, through=model, evaluations=1000, capacity=50, original=False)
    assert (without.evaluations, without.members, without.least) == (98 - 19, 19, 4)


def test_what_the_search_does_not_need_goes_to_more_members() -> None:
    model = one_query_an_input()
    part = Allowance.of(100, model=model, through=model, evaluations=30, capacity=50, original=True)
    assert (part.evaluations, part.members) == (30, 50)
    part = Allowance.of(100, model=model, through=model, evaluations=60, capacity=50, original=True)
    assert (part.evaluations, part.members) == (60, 37)


@pytest.mark.parametrize(("limit", "evaluations", "members"), [(4, 0, 0), (5, 1, 1), (6, 2, 1)])
def test_the_least_that_a_search_takes(limit: int, evaluations: int, members: int) -> None:
    model = one_query_an_input()
    part = Allowance.of(limit, model=model, through=model, evaluations=9, capacity=9, original=True)
    assert (part.evaluations, part.members, part.least) == (evaluations, members, 5)


def test_a_limit_that_allows_no_search_is_refused_and_a_tight_one_is_noted() -> None:
    model = one_query_an_input()
    given: dict[str, Any] = {
        "model": model, "through": model, "evaluations": 100, "capacity": 20, "queries": 2
    }  # fmt: skip
    with pytest.raises(ConfigError, match="`max_queries` must be at least 5, .* got 4"):
        allowance(max_queries=4, **given)
    tight = allowance(max_queries=50, **given)
    assert tight.note == "`max_queries` = 50 limited the search."
    assert tight.evaluations + tight.members + 3 == 50
    assert allowance(max_queries=1000, **given) == Allowance(100, 20, 5)
    assert allowance(max_queries=None, **given) == Allowance(100, 20)


def test_what_a_counting_model_has_left_is_shared_by_the_queries() -> None:
    model = CountingProvider(one_query_an_input(), 60)
    given: dict[str, Any] = {
        "model": model, "through": model, "evaluations": 100, "capacity": 20, "max_queries": None
    }  # fmt: skip
    shared = allowance(queries=2, **given)
    assert shared.note == "60 queries to the model were left for 2 searches."
    assert shared.evaluations + shared.members + 2 == 30
    model.predict(torch.zeros(10, 3, 4, 4))
    assert allowance(queries=2, **given).evaluations < shared.evaluations
    assert allowance(queries=2, **given).note == "50 queries to the model were left for 2 searches."
    plenty = CountingProvider(one_query_an_input(), 10_000)
    assert allowance(**{**given, "model": plenty, "through": plenty}, queries=1).note == ""


def test_searching_on_a_surrogate_spends_nothing_of_the_model() -> None:
    model, surrogate = one_query_an_input(), FakeProvider(bias=(0.0, -5.0))
    part = Allowance.of(23, model=model, through=surrogate, evaluations=500, capacity=50, original=True)
    assert (part.evaluations, part.members, part.least) == (500, 21, 3)
