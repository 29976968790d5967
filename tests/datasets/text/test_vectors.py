"""Near words: learned from contexts, kept in a file, shipped."""

from itertools import product
from pathlib import Path

import pytest
import torch

from cfsearch.datasets.text import WordVectors
from cfsearch.errors import ConfigError, DataError, ModelFileError

# nouns only behind "the", verbs only behind "they": 288 sentences of which the classes follow
NOUNS, VERBS = ("cat", "dog", "cow", "pig", "hen", "fox"), ("eat", "run", "nap", "hop")
TEXTS = [
    f"the {a} and the {b} {how} {v}" for a, b, v in product(NOUNS, NOUNS, VERBS) for how in ("do", "can")
]


def test_words_of_like_contexts_are_near() -> None:
    vectors = WordVectors.of(TEXTS, source="a grammar", dimensions=8)
    assert torch.allclose(vectors.values.norm(dim=1), torch.ones(len(vectors.words)), atol=1e-5)
    assert {word for word, _ in vectors.near("cat", least=-1.0)[:5]} == set(NOUNS) - {"cat"}
    assert {word for word, _ in vectors.near("run", least=-1.0)[:3]} == set(VERBS) - {"run"}


def test_near_words_are_sorted_and_above_the_least() -> None:
    vectors = WordVectors(("a", "b", "c"), torch.tensor([[1.0, 0.0], [0.6, 0.8], [0.8, 0.6]]), "a test")
    assert [word for word, _ in vectors.near("a", least=0.0)] == ["c", "b"]
    assert [word for word, _ in vectors.near("a", least=0.7)] == ["c"]
    assert vectors.near("z", least=0.0) == ()
    assert vectors.get("z") is None


def test_a_file_gives_the_vectors_back(tmp_path: Path) -> None:
    vectors = WordVectors.of(TEXTS, source="a grammar", dimensions=4)
    again = WordVectors.read(vectors.save(tmp_path / "a.safetensors"))
    assert again.words == vectors.words
    assert again.source == "a grammar"
    assert float((again.values * vectors.values).sum(1).min()) > 0.999
    (tmp_path / "b.safetensors").write_bytes(b"no")
    with pytest.raises(ModelFileError, match="expected a file of word vectors"):
        WordVectors.read(tmp_path / "b.safetensors")


def test_the_shipped_ones_know_adjectives_from_nouns() -> None:
    vectors = WordVectors.shipped()
    assert len(vectors.words) == 3763
    assert {"terrific", "solid", "good"} <= {word for word, _ in vectors.near("fine", least=0.5)}
    assert vectors.near("film", least=0.9)[0][0] == "movie"


def test_too_few_texts_and_wrong_shapes_are_refused() -> None:
    with pytest.raises(DataError, match="expected 200 texts or more"):
        WordVectors.of(TEXTS[:199], source="a grammar")
    with pytest.raises(ConfigError, match="one vector for each of 1 different words"):
        WordVectors(("a", "a"), torch.zeros(2, 2), "a test")
