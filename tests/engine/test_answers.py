"""Answers to many inputs as far as they come, and to originals one by one."""

from dataclasses import dataclass
from typing import final

import pytest
import torch
from torch import Tensor

from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.engine.answers import first_answers, original_scores
from cfsearch.engine.networks import Networks
from cfsearch.errors import CfsearchError, ProviderError
from cfsearch.testing import FakeGenerator


@final
@dataclass
class FailsAt(Provider):
    """Answers ``[0, x]``, two inputs a call; fails for calls that hold ``bad``."""

    bad: float
    together: bool
    labels: tuple[str, ...] = ("no", "yes")
    scores: ScoreKind = ScoreKind.LOGITS
    name: str = "fails at"
    max_batch: int = 2
    calls: int = 0

    def predict(self, x: Tensor) -> Tensor:
        self.calls += 1
        if bool((x == self.bad).any()):
            raise ProviderError("this input is refused.")
        return torch.cat([torch.zeros_like(x), x], dim=1)

    @property
    def batch_invariant(self) -> bool:
        return self.together

    @property
    def fingerprint(self) -> str:
        return "fixed"


def networks(provider: Provider) -> Networks:
    return Networks(provider, FakeGenerator(), None)


X = torch.arange(1.0, 7.0)[:, None]


@pytest.mark.parametrize(("bad", "answered"), [(99.0, 6), (6.0, 4), (4.0, 2), (1.0, 0)])
def test_answers_end_before_the_piece_that_fails(bad: float, answered: int) -> None:
    answers = first_answers(networks(FailsAt(bad, together=True)), X)
    assert answers.tolist() == [[0.0, value] for value in X[:answered, 0].tolist()]


@pytest.mark.parametrize(("together", "calls"), [(True, 1 + 1 + 4), (False, 6)])
def test_one_original_that_fails_is_noted_and_the_others_are_scored(together: bool, calls: int) -> None:
    model, failures = FailsAt(3.0, together=together), dict[int, CfsearchError]()
    scores = original_scores(networks(model), X, failures=failures)
    odds = scores[:, 1] - scores[:, 0]
    assert odds.tolist() == pytest.approx([1.0, 2.0, 0.0, 4.0, 5.0, 6.0])
    assert list(failures) == [2]
    assert "this input is refused" in str(failures[2])
    assert model.calls == calls  # together: two pieces, of which the second fails, then four alone
