"""Sums on scores: worked values, all digits at the ends, and the refusal of labels."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cfsearch.contracts.provider import ScoreKind
from cfsearch.contracts.records import UNTARGETED, flipped
from cfsearch.contracts.scores import lead, log_odds, log_probability, objective_scores
from cfsearch.errors import CapabilityError

ONE = torch.tensor([0])


def of(*rows: tuple[float, ...]) -> torch.Tensor:
    """One query with these candidates."""
    return torch.tensor([rows])


def test_two_classes_odds_are_the_difference_of_logits() -> None:
    assert log_odds(of((3.0, 1.0), (0.0, 4.0)), ONE).tolist() == [[2.0, -4.0]]


def test_three_classes_odds_are_against_the_sum_of_the_others() -> None:
    #  p = 1/2, 1/4, 1/4, so the odds of class 0 are 1 to 1 and those of class 1 are 1 to 3
    scores = of((math.log(2.0), 0.0, 0.0))
    assert log_odds(scores.double(), ONE).item() == pytest.approx(0.0, abs=1e-6)
    assert log_odds(scores.double(), torch.tensor([1])).item() == pytest.approx(-math.log(3.0))


def test_log_probability_is_log_softmax() -> None:
    scores = 5 * torch.randn(4, 6, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    index = torch.tensor([0, 1, 2, 0])
    expected = scores.log_softmax(-1)[torch.arange(4), :, index]
    assert torch.allclose(log_probability(scores, index), expected, rtol=0, atol=1e-12)


def test_log_probability_keeps_its_digits_where_the_model_is_certain() -> None:
    # p = 1 / (1 + e^-100): log p = -e^-100, which log_softmax rounds to 0
    assert log_probability(of((100.0, 0.0)), ONE).item() == pytest.approx(-math.exp(-100.0), rel=1e-12)
    assert log_probability(of((-1e4, 0.0)), ONE).item() == -1e4


def test_each_query_has_its_own_class() -> None:
    scores = torch.tensor([[[1.0, 0.0], [3.0, 0.0]], [[1.0, 0.0], [3.0, 0.0]]])
    assert log_odds(scores, torch.tensor([0, 1])).tolist() == [[1.0, 3.0], [-1.0, -3.0]]


def test_scores_of_the_queries_themselves_fit_too() -> None:
    assert log_odds(torch.tensor([[1.0, 0.0], [3.0, 0.0]]), torch.tensor([0, 1])).tolist() == [1.0, -3.0]


def test_lead_towards_and_away_in_one_batch() -> None:
    scores = torch.tensor([[[5.0, 2.0, 1.0]], [[5.0, 2.0, 1.0]], [[1.0, 2.0, 5.0]]])
    won = lead(scores, source=torch.tensor([0, 0, 0]), target=torch.tensor([1, UNTARGETED, UNTARGETED]))
    #                       2 - 5    2 - 5    5 - 1
    assert won.tolist() == [[-3.0], [-3.0], [4.0]]


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(seed=st.integers(0, 2**16), k=st.integers(2, 5))
def test_lead_is_positive_where_the_class_has_flipped(seed: int, k: int) -> None:
    draw = torch.Generator().manual_seed(seed)
    scores = torch.randn(3, 8, k, generator=draw)
    source, target = torch.tensor([0, 1, 0]), torch.tensor([1, 0, UNTARGETED])
    done = flipped(scores, source=source[:, None], target=target[:, None])
    assert torch.equal(lead(scores, source=source, target=target) > 0, done)


def test_logits_are_taken_as_they_are() -> None:
    raw = of((3.0, -2.0), (math.nan, math.inf))
    assert objective_scores(raw, ScoreKind.LOGITS) is raw


def test_probabilities_become_clipped_logarithms() -> None:
    raw = torch.tensor([[1.0, 0.0], [0.25, 0.75], [1e-9, 1.0]])
    got = objective_scores(raw, ScoreKind.PROBABILITIES)
    tiny = math.log(1e-7)
    expected = torch.tensor([[0.0, tiny], [math.log(0.25), math.log(0.75)], [tiny, 0.0]])
    assert torch.allclose(got, expected, rtol=1e-6)


def test_probabilities_that_are_not_finite_stay_visible() -> None:
    got = objective_scores(torch.tensor([[math.nan, math.inf, -math.inf, 0.5]]), ScoreKind.PROBABILITIES)
    assert torch.equal(got.isfinite(), torch.tensor([[False, False, False, True]]))


def test_labels_are_refused_with_what_would_do() -> None:
    with pytest.raises(CapabilityError, match=r"labels only\. Wrap it in the VotingProvider"):
        objective_scores(torch.tensor([[1.0, 0.0]]), ScoreKind.LABELS)
