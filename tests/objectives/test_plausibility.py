"""Plausibility: the contract, worked values, and what it refuses."""

import pytest
import torch

from cfsearch.contracts.records import Need
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


def test_it_declares_that_it_needs_a_critic() -> None:
    assert Plausibility.needs == {Need.CRITIC}


def test_without_the_realism_of_the_queries_it_says_what_would_do() -> None:
    with pytest.raises(CapabilityError, match="plausibility: expected the realism of the queries, got none"):
        Plausibility()(make_candidates(critic=False))
