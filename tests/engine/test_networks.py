"""What a search calls: in pieces, timed, each network only where its answer is needed."""

from functools import partial

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.contracts.records import Candidates
from cfsearch.engine.clock import Clock
from cfsearch.engine.networks import Networks, encoded
from cfsearch.engine.problem import Problem
from cfsearch.errors import CapabilityError, PluginError
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.intensity import Intensity
from cfsearch.testing import FakeGenerator, FakeProvider
from cfsearch.testing.fakes import WithoutCritic

X = torch.tensor([0.3, 0.6])[:, None, None, None].expand(2, 3, 16, 16).contiguous()
Z = torch.tensor([[[0.0, 0, 0, 0], [0.2, 0.2, 0.2, 0]], [[0.1, 0.1, 0.1, 0], [-0.3, -0.3, -0.3, 0]]])
MEANS = torch.tensor([[0.3, 0.5], [0.7, 0.3]])
"""Of what ``Z`` makes of ``X``: each channel gets the same more."""
LEADS = 12 * (MEANS - 0.5)
"""Of the class "bright", in logits."""


class Counting(Provider):
    """The model of the fakes, which keeps how many inputs each call had."""

    name, labels, scores, max_batch = "counting", ("dark", "bright"), ScoreKind.LOGITS, 3

    def __init__(self) -> None:
        self.calls: list[int] = []

    @property
    def fingerprint(self) -> str:
        return "counting"

    def predict(self, x: Float[Tensor, "n *x"]) -> Float[Tensor, "n 2"]:
        self.calls.append(len(x))
        return FakeProvider().predict(x)


def seen(
    model: Counting, clock: Clock, *, x: Tensor | None = None, scores: Tensor | None = None
) -> Candidates:
    """The candidates ``Z`` of ``X``; their decoding shows in the clock, their queries in the model."""
    problem = Problem(
        X,
        names=["a", "b"],
        provider=model,
        generator=FakeGenerator(),
        objectives=[Adversarial(), Intensity()],
    )
    model.calls.clear()
    made = Networks(model, FakeGenerator(), clock)
    return made.candidates(
        Z, queries=problem.queries, space=problem.space, state=problem.state, x=x, scores=scores
    )


def test_candidates_are_decoded_queried_and_judged_when_they_are_read() -> None:
    model, clock = Counting(), Clock()
    candidates = seen(model, clock)
    assert clock.seconds == {} and model.calls == []
    torch.testing.assert_close(candidates.x.mean((2, 3, 4)), MEANS)
    assert set(clock.seconds) == {"decode"}
    torch.testing.assert_close(candidates.scores[..., 1] - candidates.scores[..., 0], LEADS)
    assert model.calls == [3, 1], "at most `max_batch` inputs a call"
    assert set(clock.seconds) == {"decode", "provider"}
    torch.testing.assert_close(candidates.realism, -3 * 256 * (MEANS - 0.5) ** 2)
    assert set(clock.seconds) == {"decode", "provider", "critic"}


def test_inputs_and_scores_that_are_known_are_not_computed_again() -> None:
    model, clock = Counting(), Clock()
    known = torch.full((2, 2, 3, 16, 16), 0.25)
    candidates = seen(model, clock, x=known)
    assert torch.equal(candidates.x, known)
    torch.testing.assert_close(
        candidates.scores[..., 1] - candidates.scores[..., 0], torch.full((2, 2), -3.0)
    )
    assert set(clock.seconds) == {"provider"}, "nothing was decoded"
    answers = torch.arange(8.0).reshape(2, 2, 2)
    candidates = seen(model, clock, scores=answers)
    assert torch.equal(candidates.scores, answers)
    assert model.calls == []


def test_probabilities_are_read_as_their_logarithms() -> None:
    networks = Networks(FakeProvider(scores=ScoreKind.PROBABILITIES), FakeGenerator(), None)
    expected = torch.log(torch.sigmoid(torch.tensor([[2.4, -2.4], [-1.2, 1.2]])))
    torch.testing.assert_close(networks.score(X), expected)


def test_a_clock_adds_up_and_hands_on_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    now = [0.0]
    monkeypatch.setattr("cfsearch.engine.clock.time.perf_counter", lambda: now[0])

    def work(seconds: float) -> Tensor:
        now[0] += seconds
        return torch.tensor(seconds)

    clock = Clock()
    for what, seconds in (("a", 2.0), ("b", 3.0), ("a", 4.0)):
        assert float(clock.timed(what, partial(work, seconds))) == seconds
    assert clock.seconds == {"a": 6.0, "b": 3.0}


def test_what_a_generator_lacks_is_reported_with_its_name() -> None:
    networks = Networks(FakeProvider(), WithoutCritic(FakeGenerator()), None)
    with pytest.raises(CapabilityError, match="generator 'without_critic' has no critic"):
        networks.realism(X[:, None])
    with pytest.raises(CapabilityError, match="'fake' takes no attributes"):
        encoded(FakeGenerator(), X, torch.zeros(2, 1))


def test_a_wrong_answer_names_who_gave_it_and_what_it_was() -> None:
    class Short(FakeGenerator):  # type: ignore[misc]  # final, and only to answer wrongly
        def decode(self, state: Tensor, z: Tensor) -> Tensor:
            return super().decode(state, z)[:, :1]

        def realism(self, x: Tensor) -> Tensor:
            return super().realism(x)[:, :1]

    networks = Networks(FakeProvider(), Short(), None)
    with pytest.raises(
        PluginError, match=r"generator 'fake': .*decode.*\(2, 2, 3, 16, 16\).*\(2, 1, 3, 16, 16\)"
    ):
        networks.decode(Z, X)
    with pytest.raises(PluginError, match=r"generator 'fake': .*realism.*\(2, 2\).*\(2, 1\)"):
        networks.realism(X[:, None].expand(2, 2, 3, 16, 16))
