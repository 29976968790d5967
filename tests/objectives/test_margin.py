"""Margin: the contract, worked values of both directions, and the refusal."""

import math

import pytest
import torch

from cfsearch.contracts.records import UNTARGETED
from cfsearch.errors import ConfigError
from cfsearch.objectives.margin import Margin
from cfsearch.testing import ObjectiveCase, make_candidates, make_queries


class TestMarginContract(ObjectiveCase):
    @pytest.fixture(params=[0.0, 0.5], ids="lead={}".format)
    def objective(self, request: pytest.FixtureRequest) -> Margin:
        return Margin(lead=request.param)


SCORES = torch.tensor([[[3.0, 1.0, 0.0], [2.0, 2.0, 0.0], [0.0, 4.0, 1.0]]])


@pytest.mark.parametrize(
    ("target", "lead", "values"),
    [
        (1, 0.0, [2.0, 0.0, -3.0]),
        (1, 1.0, [3.0, 1.0, -2.0]),
        (UNTARGETED, 0.0, [2.0, 0.0, -4.0]),
        (UNTARGETED, 1.0, [3.0, 1.0, -3.0]),
    ],
    ids=["towards", "towards with a lead", "away", "away with a lead"],
)
def test_worked_by_hand(target: int, lead: float, values: list[float]) -> None:
    queries = make_queries(scores=SCORES[:, 0], source=(0,), target=(target,))
    assert Margin(lead=lead)(make_candidates(scores=SCORES, queries=queries))[0].tolist() == values


def test_with_its_clamp_it_is_function_f6_of_carlini_and_wagner() -> None:
    c = make_candidates(b=1, n=20, k=4, queries=make_queries(b=1, k=4, source=(0,), target=(2,)))
    rivals = c.scores[..., [0, 1, 3]].max(-1).values
    f6 = (rivals - c.scores[..., 2]).clamp_min(0.0)
    assert torch.allclose(Margin()(c).clamp_min(0.0), f6)


@pytest.mark.parametrize("lead", [-0.1, math.inf, math.nan])
def test_lead_must_be_finite_and_not_negative(lead: float) -> None:
    with pytest.raises(ConfigError, match=r"margin: `lead` must be a finite number >= 0, got"):
        Margin(lead=lead)
