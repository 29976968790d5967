"""Pieces of texts: exact to the letter, and what may stand in their place."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cfsearch.contracts.modality import joined
from cfsearch.datasets.text import (
    Lexicon,
    Vocabulary,
    WordVectors,
    closed,
    cut,
    is_content,
    replacements,
    tokens,
)
from cfsearch.errors import ConfigError, DataError


def vectors() -> WordVectors:
    """Four words on a circle: dull is nearest to slow, then fine."""
    angle = torch.tensor([0.0, 0.3, 0.9, 3.0])
    return WordVectors(
        ("dull", "slow", "fine", "film"), torch.stack([angle.cos(), angle.sin()], dim=1), "a test"
    )


@given(st.text())
def test_pieces_joined_are_the_text(text: str) -> None:
    assert "".join(cut(text)) == text


@given(st.text(alphabet="aB '-.,!?\n3é", max_size=30))
def test_pieces_are_the_tokens_that_a_vocabulary_sees(text: str) -> None:
    assert [piece.strip().lower() for piece in cut(text) if piece.strip()] == tokens(text)


def test_only_words_that_say_something_are_content() -> None:
    assert [is_content(piece) for piece in (" Dull", "film", " ground-breaking", "actor's")] == [True] * 4
    for piece in (" the", " not", "isn't", " it's", ",", " 3", " a", "x", "  "):
        assert not is_content(piece), piece


def test_replacements_keep_space_and_capitals_and_come_nearest_first() -> None:
    assert replacements(" dull", vectors=vectors(), near=5, least=0.0) == (" slow", " fine")
    assert replacements("Dull", vectors=vectors(), near=1, least=0.0) == ("Slow",)
    assert replacements("\nDULL", vectors=vectors(), near=5, least=0.9) == ("\nSLOW",)
    assert replacements(" the", vectors=vectors(), near=5, least=0.0) == ()
    assert replacements(" unheard", vectors=vectors(), near=5, least=0.0) == ()


def test_a_lexicon_gives_texts_back_exactly() -> None:
    texts = ["  A Dull\tfilm , isn't it?  ", "Unheard-of: dull!"]
    lexicon = Lexicon.of(texts, vectors=vectors(), near=5, least=0.0)
    ids = lexicon.encode(texts)
    assert ids.dtype == torch.float64
    assert ["".join(pieces) for pieces in lexicon.split(ids)] == texts
    assert lexicon.decode(ids) == texts
    assert lexicon.encode(texts, length=12).shape == (2, 12)
    assert {" Slow", " Fine", " slow", " fine"} <= set(lexicon.pieces)


def test_a_removed_first_word_leaves_no_space() -> None:
    assert joined(("", " dull", "", " film")) == "dull film"
    assert joined((" a", " film")) == " a film"


def test_numbers_of_a_models_words() -> None:
    lexicon = Lexicon(("A", " Dull", " FILM", " \n"))
    assert lexicon.numbers_in(Vocabulary(("film", "dull"))).tolist() == [0, 1, 3, 2, 0]
    found = lexicon.vectors_in(vectors())
    assert torch.equal(found[2], vectors().values[0])
    assert torch.equal(found[[0, 1, 4]], torch.zeros(3, 2))


def test_closing_up_keeps_the_order() -> None:
    assert closed(torch.tensor([[0, 5, 0, 3], [1, 2, 0, 0]])).tolist() == [[5, 3, 0, 0], [1, 2, 0, 0]]


def test_what_is_no_text_is_refused() -> None:
    lexicon = Lexicon(("A", " film"))
    with pytest.raises(DataError, match="lacks ' play'"):
        lexicon.encode(["A play"])
    with pytest.raises(DataError, match="at most 1 words, got 2"):
        lexicon.encode(["A film"], length=1)
    with pytest.raises(DataError, match="one word or more"):
        lexicon.encode([""])
    with pytest.raises(ConfigError, match="1 doubled"):
        Lexicon(("a", "a"))
