"""First contact: what is seen, what is refused, what is only told."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.errors import ConfigError, ModelFileError, NonFiniteError, ShapeError
from cfsearch.providers.callable import CallableProvider
from cfsearch.providers.handshake import Handshake, handshake
from cfsearch.providers.probes import kind_of, known_inputs

SHAPE = (3, 8, 8)


def light(rows: Any) -> Any:
    value = rows.mean(axis=(1, 2, 3))
    return np.stack([-value, value], axis=1)


def soft(rows: Any) -> Any:
    power = np.exp(light(rows))
    return power / power.sum(axis=1, keepdims=True)


def meet(function: Any, *, scores: ScoreKind = ScoreKind.LOGITS, **settings: Any) -> Handshake:
    model = CallableProvider(function, labels=("a", "b"), scores=scores, name="stranger")
    return handshake(model, SHAPE, **settings)


def test_a_good_model_gets_no_warning() -> None:
    for function, scores in ((light, ScoreKind.LOGITS), (soft, ScoreKind.PROBABILITIES)):
        seen = meet(function, scores=scores)
        assert (seen.k, seen.finite, seen.repeatable, seen.batch_dependent) == (2, True, True, False)
        assert (seen.scores, seen.looks_like) == (scores, scores)
        assert seen.warnings == ()
        assert list(seen.seconds) == [1, 8, 32]
        assert all(value > 0 for value in seen.seconds.values())
        assert seen.queries == 64


def test_sums_and_range_are_those_of_the_answers() -> None:
    seen = meet(lambda rows: np.tile([[0.25, 0.75]], (len(rows), 1)) * np.linspace(1, 1, len(rows))[:, None])
    assert seen.sums == (1.0, 1.0)
    assert seen.range == (0.25, 0.75)


def test_labels_only_is_seen() -> None:
    seen = meet(lambda rows: (rows.mean(axis=(1, 2, 3)) > 0.5).astype(int), scores=ScoreKind.LABELS)
    assert seen.looks_like is ScoreKind.LABELS
    assert seen.warnings == ()


def test_f38_a_model_that_answers_nan_alone_is_refused() -> None:
    with pytest.raises(NonFiniteError, match="stranger: answered NaN or infinity to all of 8 known inputs"):
        meet(lambda rows: np.full((len(rows), 2), np.nan))


def test_f37_nan_in_some_rows_is_reported() -> None:
    def sometimes(rows: Any) -> Any:
        answer = light(rows)
        answer[rows.mean(axis=(1, 2, 3)) > 0.5] = np.inf
        return answer

    seen = meet(sometimes)
    assert not seen.finite
    assert "answered NaN or infinity to" in seen.warnings[0]


@pytest.mark.parametrize(
    "function",
    [light, lambda rows: 2 * soft(rows), lambda rows: np.full((len(rows), 2), 0.1)],
    ids=["logits", "twice", "a tenth"],
)
def test_f39_probabilities_that_do_not_sum_to_1_are_refused(function: Any) -> None:
    with pytest.raises(
        ConfigError, match=r'declares probabilities, but its rows sum to .* say scores = "logits"'
    ):
        meet(function, scores=ScoreKind.PROBABILITIES)


def test_probabilities_that_were_declared_as_logits_are_reported() -> None:
    assert 'Say scores = "probabilities" if they are' in meet(soft).warnings[0]


def test_f43_a_constant_model_is_reported() -> None:
    seen = meet(lambda rows: np.tile([[1.0, 2.0]], (len(rows), 1)))
    assert seen.constant
    assert "the model's output never changed" in seen.warnings[0]


def test_f44_a_model_with_noise_is_not_repeatable() -> None:
    rng = np.random.default_rng(0)
    seen = meet(lambda rows: light(rows) + rng.normal(scale=0.01, size=(len(rows), 2)))
    assert not seen.repeatable
    assert 0.01 < seen.eps_repeat < 0.1
    assert not seen.batch_dependent
    assert "is not repeatable: the same input differs by up to 0.0" in seen.warnings[0]


@pytest.mark.parametrize(
    "shift",
    [
        lambda rows: 0.1 * len(rows),
        lambda rows: 0.1 * rows.mean(),
        lambda rows: 0.1 * np.arange(len(rows))[:, None],
    ],
    ids=["size", "neighbours", "place"],
)
def test_f45_a_model_that_depends_on_the_batch_is_reported(shift: Any) -> None:
    seen = meet(lambda rows: light(rows) + shift(rows) * np.array([[1.0, -1.0]]))
    assert seen.batch_dependent
    assert seen.repeatable
    assert "depends on the batch" in seen.warnings[0]
    assert "Set max_batch = 1" in seen.warnings[0]


class Wrong(Provider):
    """Answers with any shape one likes."""

    name = "wrong"
    labels = ("a", "b", "c")
    scores = ScoreKind.LOGITS
    max_batch = 8

    def __init__(self, rows: int, columns: int) -> None:
        self.rows, self.columns = rows, columns

    def predict(self, x: Tensor) -> Tensor:
        return torch.zeros(len(x) + self.rows, self.columns)

    @property
    def fingerprint(self) -> str:
        return "wrong"


def test_f11_labels_that_do_not_fit_are_refused_with_both_numbers() -> None:
    with pytest.raises(ModelFileError, match="3 labels are declared, but the model answers with 2 outputs"):
        handshake(Wrong(0, 2), SHAPE)


def test_a_row_too_many_is_refused() -> None:
    with pytest.raises(ShapeError, match=r"one row of scores for each of 8 inputs, got shape \(9, 3\)"):
        handshake(Wrong(1, 3), SHAPE)


def test_scores_that_are_declared_as_labels_are_refused() -> None:
    class Scores(Wrong):
        scores = ScoreKind.LABELS

        def predict(self, x: Tensor) -> Tensor:
            return torch.rand(len(x), 3)

    with pytest.raises(ConfigError, match="declares labels only, expected rows with one 1"):
        handshake(Scores(0, 3), SHAPE)


def test_one_input_is_not_enough() -> None:
    with pytest.raises(ConfigError, match="`n` must be at least 2"):
        meet(light, n=1)


def test_known_inputs_are_the_same_everywhere_smooth_and_different() -> None:
    x = known_inputs((3, 32, 32), n=8)
    assert torch.equal(x, known_inputs((3, 32, 32), n=8))
    assert torch.equal(x[:3], known_inputs((3, 32, 32), n=3))
    assert not torch.equal(x, known_inputs((3, 32, 32), n=8, seed=1))
    assert float(x.min()) >= 0
    assert float(x.max()) <= 1
    assert float((x[..., 1:] - x[..., :-1]).abs().max()) < 0.35
    light_of = x.mean((1, 2, 3))
    assert float(light_of.max() - light_of.min()) > 0.3
    assert known_inputs((5,), n=2).shape == (2, 5)


@pytest.mark.parametrize(
    ("rows", "kind"),
    [
        ([[0.2, 0.8], [1.0, 0.0]], ScoreKind.PROBABILITIES),
        ([[0.2], [1.0]], ScoreKind.PROBABILITIES),
        ([[0.2, 0.9]], ScoreKind.LOGITS),
        ([[-0.2, 1.2]], ScoreKind.LOGITS),
        ([[1.5]], ScoreKind.LOGITS),
        ([[float("nan"), 1.0], [0.5, 0.5]], ScoreKind.PROBABILITIES),
        ([[float("nan"), 1.0]], ScoreKind.LOGITS),
    ],
)
def test_what_numbers_look_like(rows: list[list[float]], kind: ScoreKind) -> None:
    assert kind_of(torch.tensor(rows)) is kind
