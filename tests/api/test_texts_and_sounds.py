"""Texts and recordings from Python in one call."""

import wave
from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline

import cfsearch
from cfsearch.errors import ConfigError

DULL = "A dull, lifeless film"


def mentions(texts: list[str]) -> np.ndarray:
    """Surer of "film" the more of its words a text holds."""
    hits = np.array([sum(word in text for word in ("film", "dull")) for text in texts])
    return np.stack([1 - 0.4 * hits, 0.4 * hits], axis=1)


def test_a_plain_function_on_texts() -> None:
    fronts = cfsearch.search(mentions, [DULL], labels=["no", "film"], evaluations=200, population=20, seed=1)
    front = fronts[0]
    assert front.labels == ("no", "film") and front.source == 1 and front.found
    picked = front.pick("sparsest")
    assert picked is not None and front.texts is not None
    assert mentions(["".join(front.texts[picked])])[0].argmax() == 0


def test_a_pipeline_brings_its_classes_and_a_reference_its_words() -> None:
    texts = ["a dull film", "a bleak film", "a funny film", "a sweet film"] * 60
    model = make_pipeline(CountVectorizer(), LogisticRegression()).fit(
        texts, ["bad", "bad", "good", "good"] * 60
    )
    fronts = cfsearch.search(
        model, "A dull film", reference=texts, generator="words:least=0.1", evaluations=100, population=20
    )
    front = fronts[0]
    assert front.labels == ("bad", "good") and front.found
    assert "plausibility" in front.objectives
    told = {word for member in front.texts or () for word in "".join(member).lower().split()}
    assert told <= {"a", "dull", "bleak", "funny", "sweet", "film"}


def test_a_recording_and_the_models_that_ship(tmp_path: Path) -> None:
    path = tmp_path / "a.wav"
    t = np.arange(4000) / 8000
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes((20000 * np.sin(2 * np.pi * 500 * t) * np.exp(-6 * t)).astype("<i2").tobytes())
    (heard,) = cfsearch.search("audio_cnn_digits", path, evaluations=100, population=20)
    assert heard.name == "a.wav" and heard.sound is not None
    (read,) = cfsearch.search("text_cnn_polarity", DULL, evaluations=100, population=20)
    assert read.labels == ("negative", "positive") and "".join(read.text or ()) == DULL


def test_what_takes_no_texts_is_refused() -> None:
    with pytest.raises(ConfigError, match="expected a function of a list of texts"):
        cfsearch.search(3, [DULL])
