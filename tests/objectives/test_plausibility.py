"""Plausibility: the contract, worked values, and what it refuses."""

from dataclasses import replace

import pytest
import torch

from cfsearch.contracts.records import Candidates, Need
from cfsearch.errors import CapabilityError
from cfsearch.objectives.plausibility import Plausibility
from cfsearch.testing import FakeGenerator, ObjectiveCase, make_candidates, make_queries


class TestPlausibilityContract(ObjectiveCase):
    @pytest.fixture
    def objective(self) -> Plausibility:
        return Plausibility()


def test_it_is_what_the_critic_lost() -> None:
    queries = make_queries(b=2, realism=torch.tensor([1.0, -2.0]))
    c = make_candidates(realism=torch.tensor([[0.25, 3.0], [-2.0, -3.0]]), queries=queries)
    assert Plausibility()(c).tolist() == [[0.75, -2.0], [0.0, 1.0]]


def test_it_agrees_with_a_critic_in_closed_form() -> None:
    generator = FakeGenerator(shape=(2,), prototype=0.5)
    original, changed = torch.tensor([[0.5, 1.0]]), torch.tensor([[[0.5, 0.5], [1.0, 1.0]]])
    queries = make_queries(x=original, shape=(2,), realism=generator.realism(original[:, None])[:, 0])
    c = make_candidates(x=changed, realism=generator.realism(changed), queries=queries)
    #        from 0.25 away to 0, and to 0.5
    assert Plausibility()(c).tolist() == [[-0.25, 0.25]]


def test_it_counts_in_the_numbers_of_the_changes_whatever_the_critic_has() -> None:
    made = make_candidates(b=1, n=2, dtype=torch.float64)
    single = Candidates(
        made.z,
        queries=replace(made.queries, realism=torch.tensor([1.0])),
        space=made.space,
        decode=lambda _: made.x,
        score=lambda _: made.scores,
        realism=lambda _: torch.tensor([[0.25, 3.0]]),
    )
    assert single.realism.dtype == torch.float32
    assert Plausibility()(single).dtype == made.z.dtype == torch.float64
    assert Plausibility()(single).tolist() == [[0.75, -2.0]]


def test_it_declares_that_it_needs_a_critic() -> None:
    assert Plausibility.needs == {Need.CRITIC}


def test_without_the_realism_of_the_queries_it_says_what_would_do() -> None:
    with pytest.raises(CapabilityError, match="plausibility: expected the realism of the queries, got none"):
        Plausibility()(make_candidates(critic=False))
