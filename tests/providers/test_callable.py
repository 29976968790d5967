"""Python functions: what they get, what they may return, and how they may fail."""

import threading
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.errors import ConfigError, DeadlineError, ModelFileError, ProviderError, ShapeError
from cfsearch.providers.callable import CallableProvider
from cfsearch.providers.contents import content_hash
from cfsearch.providers.preprocessing import Preprocessing
from cfsearch.testing.provider_case import ProviderCase


def brightness(rows: Any) -> Any:
    """Logits (n, 2): zero, and how much brighter than middle grey."""
    light = rows.mean(axis=(1, 2, 3)) - 0.5
    return np.stack([np.zeros_like(light), 8 * light], axis=1)


def images(n: int = 5) -> torch.Tensor:
    return torch.rand(n, 3, 4, 4, generator=torch.Generator().manual_seed(3))


def provider_of(function: Any, *, scores: ScoreKind = ScoreKind.LOGITS, **settings: Any) -> CallableProvider:
    return CallableProvider(function, labels=("dark", "light"), scores=scores, **settings)


class TestCallableContract(ProviderCase):
    shape = (3, 8, 8)

    @pytest.fixture(params=[None, 60.0], ids=["no deadline", "deadline"])
    def provider(self, request: pytest.FixtureRequest) -> Provider:
        return provider_of(brightness, deadline_s=request.param, max_batch=4)


def test_it_gives_what_the_function_gives() -> None:
    x = images()
    assert torch.equal(provider_of(brightness).predict(x), torch.from_numpy(brightness(x.numpy())))


def test_the_function_gets_the_form_that_is_declared() -> None:
    seen: list[Any] = []

    def look(rows: Any) -> Any:
        seen.append((rows.shape, rows.dtype, rows.max() <= 255, rows.max() > 1))
        return np.zeros((len(rows), 2))

    form = Preprocessing(size=(6, 7), layout="nhwc", dtype="uint8", range="0..255")
    provider_of(look, preprocessing=form, max_batch=2).predict(images(3))
    assert seen == [((2, 6, 7, 3), np.uint8, True, True), ((1, 6, 7, 3), np.uint8, True, True)]


def test_a_function_may_write_into_its_input() -> None:
    def greedy(rows: Any) -> Any:
        answer = brightness(rows)
        rows[:] = 0
        return answer

    x = images()
    before = x.clone()
    provider_of(greedy).predict(x)
    assert torch.equal(x, before)


def test_one_number_a_row_is_widened() -> None:
    p = provider_of(lambda rows: rows.mean(axis=(1, 2, 3)), scores=ScoreKind.PROBABILITIES).predict(images())
    assert torch.allclose(p.sum(1), torch.ones(5))
    assert torch.allclose(p[:, 1], images().mean((1, 2, 3)))


@pytest.mark.parametrize(
    "answer",
    [
        lambda rows: (rows.mean(axis=(1, 2, 3)) > 0.5).astype(int),
        lambda rows: [int(v) for v in rows.mean(axis=(1, 2, 3)) > 0.5],
        lambda rows: rows.mean(axis=(1, 2, 3)) > 0.5,
        lambda rows: np.where(rows.mean(axis=(1, 2, 3)) > 0.5, "light", "dark"),
        lambda rows: ["light" if v else "dark" for v in rows.mean(axis=(1, 2, 3)) > 0.5],
        brightness,
    ],
    ids=["integers", "a list", "booleans", "words", "a list of words", "scores"],
)
def test_labels_come_in_many_forms(answer: Any) -> None:
    x = torch.stack([torch.full((3, 2, 2), v) for v in (0.1, 0.9, 0.4)])
    out = provider_of(answer, scores=ScoreKind.LABELS).predict(x)
    assert out.tolist() == [[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]


@pytest.mark.parametrize(
    ("function", "scores", "kind", "says"),
    [
        (lambda rows: np.zeros((len(rows) + 1, 2)), "LOGITS", ShapeError, r"one row for each of the 5 inputs, got shape \(6, 2\)"),
        (lambda rows: np.zeros((len(rows), 3)), "LOGITS", ShapeError, "2 labels are declared, but the model answers with 3"),
        (lambda rows: 3.0, "LOGITS", ShapeError, r"got shape \(\)"),
        (lambda rows: None, "LOGITS", ProviderError, "must be numbers, one row of scores an input .* got None"),
        (lambda rows: ["a"] * len(rows), "LOGITS", ProviderError, "label words only with scores = 'labels'"),
        (lambda rows: [[1.0], [1.0, 2.0], [1.0], [1.0], [1.0]], "LOGITS", ProviderError, "must be an array of numbers, got 'list'"),
        (lambda rows: ["blue"] * len(rows), "LABELS", ProviderError, "answered 'blue', expected one of the labels 'dark', 'light'"),
        (lambda rows: [2] * len(rows), "LABELS", ProviderError, "answered class 2, but 2 labels are declared"),
        (lambda rows: [0.5] * len(rows), "LABELS", ProviderError, "answered class 0.5"),
        (lambda rows: 1 / 0, "LOGITS", ProviderError, "the function failed on a batch of shape .*ZeroDivisionError"),
    ],
)  # fmt: skip
def test_a_wrong_answer_is_named(function: Any, scores: str, kind: type[Exception], says: str) -> None:
    with pytest.raises(kind, match=says):
        provider_of(function, scores=ScoreKind[scores]).predict(images())


def test_the_cause_of_a_failure_is_kept() -> None:
    for deadline in (None, 30.0):
        with pytest.raises(ProviderError) as caught:
            provider_of(lambda rows: 1 / 0, deadline_s=deadline).predict(images())
        assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_nan_stays_in_its_row() -> None:
    def sometimes(rows: Any) -> Any:
        answer = brightness(rows)
        answer[1] = np.nan
        return answer

    for scores in (ScoreKind.LOGITS, ScoreKind.LABELS):
        out = provider_of(sometimes, scores=scores).predict(images(3))
        assert torch.isfinite(out).all(1).tolist() == [True, False, True]


def test_f47_a_function_that_hangs_meets_its_deadline() -> None:
    release = threading.Event()

    def hangs(rows: Any) -> Any:
        release.wait(60)
        return np.zeros((len(rows), 2))

    provider = provider_of(hangs, deadline_s=0.05)
    try:
        with pytest.raises(DeadlineError, match=r"did not answer 5 inputs within 0.05 s"):
            provider.predict(images())
        with pytest.raises(DeadlineError, match="an earlier call still runs"):
            provider.predict(images())
    finally:
        release.set()


@pytest.mark.parametrize("deadline", [0, -1.0, float("nan"), float("inf")])
def test_a_deadline_is_positive(deadline: float) -> None:
    with pytest.raises(ConfigError, match="`deadline_s` must be a positive number"):
        provider_of(brightness, deadline_s=deadline)


def test_the_fingerprint_follows_the_source() -> None:
    assert provider_of(brightness).fingerprint == provider_of(brightness).fingerprint
    assert provider_of(brightness).fingerprint != provider_of(lambda rows: rows).fingerprint
    assert "v2" in provider_of(brightness, fingerprint="v2").fingerprint


@dataclass(frozen=True)
class Scaled:
    """A model with a number of its own, as a method and as an object that is called."""

    by: float

    def scores(self, rows: Any) -> Any:
        return self.by * brightness(rows)

    def __call__(self, rows: Any) -> Any:
        return self.scores(rows)


class Weighted:
    """Holds a network, counts its calls and remembers the last one."""

    def __init__(self, weight: float) -> None:
        self.net = nn.Linear(1, 1)
        nn.init.constant_(self.net.weight, weight)
        nn.init.constant_(self.net.bias, 0.0)
        self.calls, self.last = 0, None

    def scores(self, rows: Any) -> Any:
        self.calls, self.last = self.calls + 1, rows
        return brightness(rows)

    def __call__(self, rows: Any) -> Any:
        return self.scores(rows)


def linear(rows: Any, *, weight: Any) -> Any:
    return brightness(rows) + 0.0 * float(weight.sum())


FORMS: list[Callable[[Any], Any]] = [  # Any: a model
    lambda made: made,
    lambda made: made.scores,
    lambda made: partial(type(made).scores, made),
]


@pytest.mark.parametrize("form", FORMS, ids=["object", "method", "partial"])
@pytest.mark.parametrize("kind", [Scaled, Weighted])
def test_the_model_that_is_bound_to_a_function_is_part_of_the_fingerprint(
    form: Callable[[Any], Any], kind: Callable[[float], Any]
) -> None:
    one, two, again = (provider_of(form(kind(number))).fingerprint for number in (1.0, 2.0, 1.0))
    assert one == again != two


@pytest.mark.parametrize("form", FORMS, ids=["object", "method", "partial"])
def test_a_model_that_was_used_is_the_same_model(form: Callable[[Any], Any]) -> None:
    made = Weighted(1.0)
    before = provider_of(form(made)).fingerprint
    made(np.zeros((2, 3, 4, 4), np.float32))
    assert made.calls > 0 and provider_of(form(made)).fingerprint == before


def test_arguments_of_a_partial_count_by_their_values() -> None:
    weights = [torch.tensor([value]) for value in (1.0, 2.0, 1.0)]
    one, two, again = (provider_of(partial(linear, weight=weight)).fingerprint for weight in weights)
    assert one == again != two
    assert content_hash({"b", "a", "c"}) == content_hash({"c", "b", "a"}) != content_hash({"a", "b"})
    assert content_hash({"x": 1, "y": [np.ones(2)]}) == content_hash({"y": [np.ones(2)], "x": 1})
    assert content_hash(np.ones(2)) != content_hash(np.ones(2, np.float32))
    for odd in (torch.eye(2).to_sparse(), 10**5000):  # whose bytes torch, whose digits Python does not give
        assert (
            provider_of(partial(linear, weight=odd)).fingerprint
            == provider_of(partial(linear, weight=odd)).fingerprint
        )
    endless: list[object] = []
    endless.append(endless)
    assert content_hash(endless) == content_hash(endless)


def test_labels_are_part_of_the_fingerprint() -> None:
    made = [
        CallableProvider(brightness, labels=labels, scores=ScoreKind.PROBABILITIES).fingerprint
        for labels in (("dark", "bright"), ("bright", "dark"))
    ]
    assert made[0] != made[1]


def test_a_function_is_opened_by_its_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_model.py").write_text(
        "def predict(rows):\n    return rows.mean(axis=(1, 2, 3))\n"
        "def label(rows):\n    return (rows.mean(axis=(1, 2, 3)) > 0.5).astype(int)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    provider = CallableProvider.open("my_model:predict")
    assert (provider.name, provider.labels, provider.scores) == (
        "my_model:predict",
        ("0", "1"),
        ScoreKind.PROBABILITIES,
    )
    assert "a single output in [0, 1]" in provider.note
    with pytest.raises(ModelFileError, match="answers class labels only, so the number of classes"):
        CallableProvider.open("my_model:label")
    sidecar = tmp_path / "s.toml"
    sidecar.write_text('labels = ["dark", "light"]')
    assert CallableProvider.open("my_model:label", sidecar=sidecar).scores is ScoreKind.LABELS
    with pytest.raises(ConfigError, match="has no 'guess'"):
        CallableProvider.open("my_model:guess")
