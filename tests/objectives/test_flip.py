"""Flip: the contract, worked margins, ties, and the refusal."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cfsearch.contracts.records import UNTARGETED, flipped
from cfsearch.errors import ConfigError
from cfsearch.objectives.flip import Flip
from cfsearch.testing import ConstraintCase, make_candidates, make_queries


class TestFlipContract(ConstraintCase):
    @pytest.fixture(params=[0.0, 0.3], ids="margin={}".format)
    def constraint(self, request: pytest.FixtureRequest) -> Flip:
        return Flip(margin=request.param)


def ask(*p: tuple[float, ...], source: int, target: int, margin: float) -> list[float]:
    scores = torch.tensor([p]).log()
    queries = make_queries(scores=scores[:, 0], source=(source,), target=(target,))
    value: list[float] = Flip(margin=margin)(make_candidates(scores=scores, queries=queries))[0].tolist()
    return value


def test_towards_it_is_what_the_target_lacks_over_its_best_rival() -> None:
    values = ask((0.6, 0.3, 0.1), (0.1, 0.7, 0.2), source=0, target=1, margin=0.2)
    #                           0.2 - (0.3 - 0.6)  0.2 - (0.7 - 0.2)
    assert values == pytest.approx([0.5, -0.3], abs=1e-6)


def test_away_it_is_what_the_best_other_lacks_over_the_source() -> None:
    values = ask((0.6, 0.3, 0.1), (0.1, 0.7, 0.2), source=0, target=UNTARGETED, margin=0.2)
    #                           0.2 - (0.3 - 0.6)  0.2 - (0.7 - 0.1)
    assert values == pytest.approx([0.5, -0.4], abs=1e-6)


def test_a_tie_that_the_old_class_wins_is_not_feasible() -> None:
    (tie,) = ask((0.5, 0.5), source=0, target=1, margin=0.0)
    assert 0.0 < tie < 1e-6


def test_a_tie_that_the_new_class_wins_is_feasible() -> None:
    assert ask((0.5, 0.5), source=1, target=0, margin=0.0) == [0.0]


@settings(max_examples=50, deadline=None, derandomize=True, database=None)
@given(seed=st.integers(0, 2**16), scale=st.sampled_from([1e-9, 1e-3, 1.0, 100.0]))
def test_feasible_means_flipped(seed: int, scale: float) -> None:
    c = make_candidates(
        scores=scale * torch.randn(3, 8, 3, generator=torch.Generator().manual_seed(seed)),
        queries=make_queries(b=3, source=(0, 1, 2), target=(UNTARGETED, 0, 1)),
    )
    done = flipped(c.scores, source=c.queries.source[:, None], target=c.queries.target[:, None])
    assert torch.equal(Flip()(c) <= 0, done)
    assert bool((done | (Flip(margin=0.5)(c) > 0)).all())


@pytest.mark.parametrize("margin", [-0.1, 1.0, math.nan])
def test_margin_must_be_reachable(margin: float) -> None:
    with pytest.raises(ConfigError, match=r"flip: `margin` must be a number in \[0, 1\), got"):
        Flip(margin=margin)
