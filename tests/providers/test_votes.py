"""Votes: worked shares, ties, common random numbers, costs."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.errors import CapabilityError, ConfigError
from cfsearch.providers.budget import CountingProvider
from cfsearch.providers.cache import CachedProvider
from cfsearch.providers.callable import CallableProvider
from cfsearch.providers.votes import VotingProvider
from cfsearch.providers.wrapping import queries_per_input
from cfsearch.testing.provider_case import ProviderCase


def threshold(rows: Any) -> Any:
    """Class 1 where the first number of a row is above one half."""
    return (rows.reshape(len(rows), -1)[:, 0] > 0.5).astype(int)


def labels_only(function: Callable[..., Any] = threshold, *, k: int = 2) -> CallableProvider:
    return CallableProvider(function, labels=tuple("abcdef"[:k]), scores=ScoreKind.LABELS, name="judge")


class TestVotesContract(ProviderCase):
    shape = (3, 8, 8)

    @pytest.fixture
    def provider(self) -> Provider:
        return VotingProvider(labels_only(), votes=5)


def test_shares_are_worked_by_hand() -> None:
    # Far from the boundary all 4 votes agree: (4 + s) / 5 with s = (1 - 0.001)/2 + 0.001.
    p = VotingProvider(labels_only(), votes=4, sigma=0.01).predict(torch.tensor([[0.9], [0.1]]))
    assert p[0].tolist() == pytest.approx([0.4995 / 5, 4.5005 / 5])
    assert p[1].tolist() == pytest.approx([4.5005 / 5, 0.4995 / 5])


def test_a_tie_is_won_by_the_class_of_the_input_itself() -> None:
    calls = iter([[2], [0], [2], [0]])  # the input itself, then three votes
    p = VotingProvider(labels_only(lambda rows: next(calls), k=3), votes=4).predict(torch.zeros(1, 1))
    assert p[0].argmax() == 2
    assert p[0, 2] - p[0, 0] == pytest.approx(0.001 / 5, rel=1e-2)
    assert p[0, 1] == pytest.approx(0.999 / 3 / 5)
    assert float(p.sum()) == pytest.approx(1.0)


def test_closer_to_the_boundary_is_less_sure() -> None:
    x = torch.tensor([[0.52], [0.6], [0.9], [0.4]])
    p = VotingProvider(labels_only(), votes=200, sigma=0.1).predict(x)[:, 1]
    assert p[3] < p[0] < p[1] < p[2]


def test_the_noise_is_the_same_in_any_batch_and_order() -> None:
    provider = VotingProvider(labels_only(), votes=16, sigma=0.2)
    x = torch.rand(6, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    p = provider.predict(x)
    assert torch.equal(provider.predict(x.flip(0)).flip(0), p)
    assert torch.equal(VotingProvider(labels_only(), votes=16, sigma=0.2).predict(x[2:3]), p[2:3])


def test_the_first_query_is_the_input_itself_and_images_stay_in_range() -> None:
    seen: list[Tensor] = []

    def look(rows: Any) -> Any:
        seen.append(torch.from_numpy(rows))
        return threshold(rows)

    x = torch.rand(2, 3, 4, 4)
    VotingProvider(labels_only(look), votes=3, sigma=1.0).predict(x)
    assert torch.equal(seen[0], x)
    assert not torch.equal(seen[1], x)
    assert all(float(rows.min()) >= 0 and float(rows.max()) <= 1 for rows in seen)


def test_a_row_without_an_answer_stays_without() -> None:
    def sometimes(rows: Any) -> Any:
        answer = threshold(rows).astype(float)
        answer[0] = float("nan")
        return answer

    p = VotingProvider(labels_only(sometimes), votes=3).predict(torch.zeros(2, 1))
    assert torch.isfinite(p).all(1).tolist() == [False, True]


def test_note_and_fingerprint_tell_the_settings() -> None:
    provider = VotingProvider(labels_only(), votes=8, sigma=0.1, seed=3)
    assert "judge gives labels only: its scores are shares of 8 votes" in provider.note
    assert "standard deviation 0.1 (seed 3)" in provider.note
    changes: list[dict[str, Any]] = [{}, {"votes": 8}, {"sigma": 0.1}, {"seed": 1}]
    prints = {VotingProvider(labels_only(), **change).fingerprint for change in changes}
    assert len(prints) == 4
    assert provider.scores is ScoreKind.PROBABILITIES


def test_every_vote_is_a_query() -> None:
    inner = CountingProvider(labels_only())
    votes = VotingProvider(inner, votes=7)
    votes.predict(torch.zeros(3, 1))
    assert inner.spent == 21
    assert votes.queries_per_input == 7
    assert queries_per_input(CountingProvider(CachedProvider(votes))) == 7
    assert queries_per_input(labels_only()) == 1


def test_wrong_settings_are_refused() -> None:
    scores = CallableProvider(threshold, labels=("a", "b"), scores=ScoreKind.LOGITS)
    with pytest.raises(CapabilityError, match="gives labels only, but callable gives logits"):
        VotingProvider(scores)
    with pytest.raises(ConfigError, match="`votes` must be at least 2, got 1"):
        VotingProvider(labels_only(), votes=1)
    for sigma in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="`sigma` must be a finite number > 0"):
            VotingProvider(labels_only(), sigma=sigma)
