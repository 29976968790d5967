"""Adversarial: the contract, worked values of both directions, certainty, and the refusal."""

import math

import pytest
import torch

from cfsearch.contracts.records import UNTARGETED
from cfsearch.errors import ConfigError
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.testing import ObjectiveCase, make_candidates, make_queries


class TestAdversarialContract(ObjectiveCase):
    @pytest.fixture(params=[None, -5.0], ids="floor={}".format)
    def objective(self, request: pytest.FixtureRequest) -> Adversarial:
        return Adversarial(floor=request.param)


def ask(*logits: tuple[float, ...], source: int, target: int, floor: float | None = None) -> list[float]:
    scores = torch.tensor([logits], dtype=torch.float64)
    queries = make_queries(scores=scores[:, 0], source=(source,), target=(target,), dtype=torch.float64)
    c = make_candidates(scores=scores, queries=queries, dtype=torch.float64)
    value: list[float] = Adversarial(floor=floor)(c)[0].tolist()
    return value


def test_away_is_the_log_probability_of_the_source() -> None:
    #  odds 3 to 1 for the source, then 1 to 3: p = 3/4, 1/4
    values = ask((math.log(3.0), 0.0), (0.0, math.log(3.0)), source=0, target=UNTARGETED)
    assert values == pytest.approx([math.log(3 / 4), math.log(1 / 4)])


def test_towards_is_minus_the_log_probability_of_the_target() -> None:
    #  p = 1/2, 1/4, 1/4
    values = ask((math.log(2.0), 0.0, 0.0), source=0, target=2)
    assert values == pytest.approx([math.log(4.0)])


def test_away_is_minus_the_cross_entropy_of_torch() -> None:
    c = make_candidates(b=1, n=6, k=5, dtype=torch.float64)
    label = c.queries.source.expand(6)
    cross_entropy = torch.nn.functional.cross_entropy(c.scores[0], label, reduction="none")
    assert torch.allclose(Adversarial()(c)[0], -cross_entropy)


def test_both_directions_stand_in_one_batch() -> None:
    scores = torch.tensor([[[0.0, 0.0]], [[0.0, 0.0]]])
    queries = make_queries(scores=scores[:, 0], source=(0, 0), target=(UNTARGETED, 1))
    values = Adversarial()(make_candidates(scores=scores, queries=queries))
    assert values[:, 0].tolist() == pytest.approx([-math.log(2.0), math.log(2.0)])


def test_a_certain_model_still_ranks_its_candidates() -> None:
    values = ask((100.0, 0.0), (99.0, 0.0), source=0, target=UNTARGETED)
    assert values[1] < values[0] < 0.0
    assert ask((0.0, 500.0), (0.0, 900.0), source=0, target=UNTARGETED) == [-500.0, -900.0]


def test_nothing_is_gained_below_the_floor() -> None:
    assert ask((0.0, 50.0), (0.0, 5.0), source=0, target=UNTARGETED, floor=-10.0) == pytest.approx(
        [-10.0, math.log(1 / (1 + math.exp(5.0)))]
    )


@pytest.mark.parametrize("floor", [0.0, 1.0, -math.inf, math.nan])
def test_floor_must_be_finite_and_negative(floor: float) -> None:
    with pytest.raises(
        ConfigError, match=r"adversarial: `floor` must be a finite number < 0 or left out, got"
    ):
        Adversarial(floor=floor)
