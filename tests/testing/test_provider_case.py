"""The case of providers catches each way of breaking the contract."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor

from cfsearch.contracts.provider import DifferentiableProvider, Provider, ScoreKind
from cfsearch.testing import FakeProvider, ProviderCase

CASE = ProviderCase()
FAKE = FakeProvider()


class Trial(Provider):
    """The fake provider, but for what is replaced."""

    def __init__(
        self,
        predict: Callable[[Tensor], Tensor] = FAKE.predict,
        *,
        scores: ScoreKind = ScoreKind.LOGITS,
        labels: tuple[str, ...] = ("dark", "bright"),
        name: str = "trial",
        max_batch: int = 8,
        fingerprint: Callable[[], str] = lambda: "one",
    ) -> None:
        self._predict, self._fingerprint = predict, fingerprint
        self.scores, self.labels, self.name, self.max_batch = scores, labels, name, max_batch

    def predict(self, x: Tensor) -> Tensor:
        return self._predict(x)

    @property
    def fingerprint(self) -> str:
        return self._fingerprint()


class WhiteTrial(Trial, DifferentiableProvider):
    """The same, promising gradients."""


class TestGoodProviderPasses(ProviderCase):
    @pytest.fixture
    def provider(self) -> Provider:
        return WhiteTrial()


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"name": ""}, "`name` must not be empty"),
        ({"labels": ("only",)}, "labels must be two or more, all different, got"),
        ({"labels": ("a", "a")}, "labels must be two or more, all different, got"),
        ({"scores": "logits"}, "`scores` must be a ScoreKind, got 'logits'"),
        ({"max_batch": 0}, "`max_batch` must be >= 1, got 0"),
    ],
    ids=["name", "one label", "label twice", "kind", "batch"],
)
def test_wrong_words_about_itself_are_caught(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        CASE.test_it_says_what_it_is(Trial(**settings))


@pytest.mark.parametrize(
    ("predict", "complaint"),
    [
        (lambda x: FAKE.predict(x)[:, :1], r"expected shape \(3, 2\), got \(3, 1\)"),
        (lambda x: FAKE.predict(x)[0], r"expected shape \(3, 2\), got \(2,\)"),
        (lambda x: FAKE.predict(x).log(), r"with \d non-finite values"),
        (lambda x: FAKE.predict(x).long(), "must answer in floating point, got torch.int64"),
    ],
    ids=["columns", "rows", "not finite", "dtype"],
)
def test_a_wrong_answer_is_caught(predict: Callable[[Tensor], Tensor], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        CASE.test_one_finite_score_per_class(Trial(predict), 3)


@pytest.mark.parametrize("scores", [ScoreKind.PROBABILITIES, ScoreKind.LABELS])
def test_logits_under_another_name_are_caught(scores: ScoreKind) -> None:
    with pytest.raises(AssertionError, match=r"must be >= 0 and sum to 1 .* Did you mean logits\?"):
        CASE.test_its_numbers_are_what_it_calls_them(Trial(scores=scores))


def test_probabilities_called_labels_are_caught() -> None:
    soft = Trial(lambda x: FAKE.predict(x).softmax(-1), scores=ScoreKind.LABELS)
    with pytest.raises(
        AssertionError, match="labels must be one for the chosen class and zero for the others"
    ):
        CASE.test_its_numbers_are_what_it_calls_them(soft)


def test_batch_statistics_are_caught() -> None:
    with pytest.raises(AssertionError, match="an input must get the same answer alone"):
        CASE.test_rows_do_not_see_each_other(Trial(lambda x: FAKE.predict(x - x.mean(0))))


def test_an_answer_by_place_is_caught() -> None:
    def by_place(x: Tensor) -> Tensor:
        # the first row is right, so that asking alone does not show it
        return FAKE.predict(x) + torch.arange(len(x))[:, None]

    with pytest.raises(AssertionError, match=r"an input must get the same answer (alone|at another place)"):
        CASE.test_rows_do_not_see_each_other(Trial(by_place))


def test_noise_is_caught() -> None:
    draw = torch.Generator().manual_seed(0)
    with pytest.raises(AssertionError, match="must answer the same twice"):
        CASE.test_it_answers_the_same_twice(
            Trial(lambda x: FAKE.predict(x) + 0.01 * torch.randn((), generator=draw))
        )


def test_global_randomness_is_caught() -> None:
    with pytest.raises(AssertionError, match="that of torch moved"):
        CASE.test_it_answers_the_same_twice(Trial(lambda x: FAKE.predict(x) + 0 * torch.randn(())))


def test_changing_its_inputs_is_caught() -> None:
    with pytest.raises(AssertionError, match="must leave its inputs alone"):
        CASE.test_inputs_are_left_alone(Trial(lambda x: FAKE.predict(x.sub_(0.5))))


def test_a_fingerprint_that_moves_is_caught() -> None:
    count = iter(range(100))
    with pytest.raises(AssertionError, match="the fingerprint must be a text that stays"):
        CASE.test_its_fingerprint_stays(Trial(fingerprint=lambda: str(next(count))))


@pytest.mark.parametrize(
    ("predict", "complaint"),
    [
        (lambda x: FAKE.predict(x.detach()), "its answer carries none"),
        (
            lambda x: FAKE.predict(x.round() * 0 + x * 0),
            "none that is finite and not zero reached the inputs",
        ),
    ],
    ids=["cut off", "zero"],
)
def test_a_broken_promise_of_gradients_is_caught(predict: Callable[[Tensor], Tensor], complaint: str) -> None:
    with pytest.raises(AssertionError, match=complaint):
        CASE.test_gradients_reach_the_inputs_where_promised(WhiteTrial(predict))
