"""Queries are counted, and a limit is never passed."""

import threading
from typing import Any

import numpy as np
import pytest
import torch

from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.errors import BudgetExhausted, ConfigError
from cfsearch.providers.budget import CountingProvider
from cfsearch.providers.callable import CallableProvider
from cfsearch.providers.votes import VotingProvider
from cfsearch.testing.provider_case import ProviderCase


def constant(rows: Any) -> Any:
    return np.tile(np.array([1.0, 0.0]), (len(rows), 1))


def model(scores: ScoreKind = ScoreKind.LOGITS) -> CallableProvider:
    return CallableProvider(constant, labels=("a", "b"), scores=scores)


class TestCountingContract(ProviderCase):
    @pytest.fixture
    def provider(self) -> Provider:
        return CountingProvider(model(), 10**6)


def test_rows_are_counted_up_to_the_limit_and_not_beyond() -> None:
    counting = CountingProvider(model(), 10)
    counting.predict(torch.zeros(7, 2))
    with pytest.raises(BudgetExhausted, match="4 queries were wanted, but 3 of 10 are left"):
        counting.predict(torch.zeros(4, 2))
    assert (counting.spent, counting.remaining) == (7, 3)
    counting.predict(torch.zeros(3, 2))
    assert (counting.spent, counting.remaining) == (10, 0)


def test_without_a_limit_everything_is_counted() -> None:
    counting = CountingProvider(model())
    counting.predict(torch.zeros(1000, 2))
    assert (counting.spent, counting.remaining) == (1000, None)


def test_a_limit_of_zero_asks_nothing() -> None:
    with pytest.raises(BudgetExhausted, match="0 of 0 are left"):
        CountingProvider(model(), 0).predict(torch.zeros(1, 2))


def test_votes_cost_what_they_ask() -> None:
    counting = CountingProvider(VotingProvider(model(ScoreKind.LABELS), votes=5), 20)
    counting.predict(torch.zeros(4, 2))
    assert counting.spent == 20
    with pytest.raises(BudgetExhausted):
        counting.predict(torch.zeros(1, 2))


def test_threads_share_one_limit() -> None:
    counting = CountingProvider(model(), 100)
    refused: list[int] = []

    def work() -> None:
        for _ in range(50):
            try:
                counting.predict(torch.zeros(1, 2))
            except BudgetExhausted:
                refused.append(1)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (counting.spent, len(refused)) == (100, 100)


def test_a_negative_limit_is_refused() -> None:
    with pytest.raises(ConfigError, match="whole number >= 0, got -1"):
        CountingProvider(model(), -1)
