"""How likely word after word is, against sums by hand."""

import math
from itertools import pairwise

import pytest
import torch

from cfsearch.datasets.text import Bigrams, Lexicon
from cfsearch.errors import DataError

COUNTS = Bigrams.of(["a dull film", "a film", "dull"])


def test_a_probability_is_that_of_the_pair_and_of_the_word() -> None:
    # words: "" 3, a 2, dull 2, film 2: 9 in all, 4 different, so a word alone has (n + 1) / (9 + 4 + 1)
    assert COUNTS.probability("dull", after="a") == pytest.approx(0.6 * 1 / 2 + 0.4 * 3 / 14)
    assert COUNTS.probability("a", after="") == pytest.approx(0.6 * 2 / 3 + 0.4 * 3 / 14)
    assert COUNTS.probability("strange", after="a") == pytest.approx(0.4 * 1 / 14)
    assert COUNTS.probability("film", after="strange") == pytest.approx(3 / 14)


@pytest.mark.parametrize("text", ["A dull film", "dull dull", "A strange film", "film a"])
def test_many_texts_at_once_have_the_mean_of_their_words(text: str) -> None:
    lexicon = Lexicon(("A", " dull", " film", "dull", " strange", "film", " a"))
    ids = torch.cat([lexicon.encode([text], length=5), lexicon.encode(["A dull film"], length=5)])
    words = ["", *text.lower().split(), ""]
    bits = [math.log2(COUNTS.probability(b, after=a)) for a, b in pairwise(words)]
    assert float(COUNTS.scorer(lexicon)(ids)[0]) == pytest.approx(sum(bits) / len(bits))


def test_a_removed_word_does_not_count() -> None:
    lexicon = Lexicon(("A", " dull", " film"))
    score = COUNTS.scorer(lexicon)
    assert torch.equal(score(torch.tensor([[1.0, 0.0, 3.0]])), score(torch.tensor([[1.0, 3.0, 0.0]])))


def test_other_texts_are_distinguished_and_none_is_refused() -> None:
    assert COUNTS.fingerprint == Bigrams.of(["dull", "a film", "a dull film"]).fingerprint
    assert COUNTS.fingerprint != Bigrams.of(["a dull film", "a film"]).fingerprint
    with pytest.raises(DataError, match="expected reference texts, got none"):
        Bigrams.of([])
