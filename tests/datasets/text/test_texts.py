"""Texts: the standard format, words and numbers, parts that never change."""

import gzip
import hashlib
import os
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cfsearch.datasets.text import (
    FIRST,
    PADDING,
    UNKNOWN,
    Part,
    Sentences,
    Vocabulary,
    part_of,
    read_polarity,
    tokens,
)
from cfsearch.errors import ConfigError, DataError, ShapeError

DATA = Path(os.environ.get("CFSEARCH_DATA", Path(__file__).parents[4] / "shared" / "data"))


def write(folder: Path, *, negative: str, positive: str, packed: bool) -> Path:
    for name, content in (("neg", negative), ("pos", positive)):
        data = content.encode()
        path = folder / f"rt-polarity.{name}"
        if packed:
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(data))
        else:
            path.write_bytes(data)
    return folder


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gz"])
def test_lines_end_at_line_feeds_alone(tmp_path: Path, packed: bool) -> None:
    # U+0085 and U+2028 end a line for str.splitlines, and stand inside snippets
    folder = write(
        tmp_path, negative="dull \x85 and long \neh . \n", positive="a \u2028 joy\n", packed=packed
    )
    data = read_polarity(folder)
    assert data.texts == ("dull \x85 and long", "eh .", "a \u2028 joy")
    assert data.classes == (0, 0, 1) and data.labels == ("negative", "positive")


def test_what_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(
        DataError, match=r"expected rt-polarity.neg or rt-polarity.neg.gz in .* found neither"
    ):
        read_polarity(tmp_path)
    write(tmp_path, negative="bad\n", positive="\n", packed=False)
    with pytest.raises(DataError, match="holds no snippet"):
        read_polarity(tmp_path)
    (tmp_path / "rt-polarity.neg").write_bytes(b"caf\xe9\n")
    with pytest.raises(DataError, match="must be UTF-8, but byte 3 is not"):
        read_polarity(tmp_path)
    (tmp_path / "rt-polarity.neg").unlink()
    (tmp_path / "rt-polarity.neg.gz").write_bytes(gzip.compress(b"bad film" * 99)[:-9])
    with pytest.raises(DataError, match="cannot be unpacked"):
        read_polarity(tmp_path)


@pytest.mark.data
def test_the_whole_data_set() -> None:
    data = read_polarity(DATA / "polarity")
    assert len(data) == 10_662 and sum(data.classes) == 5_331
    assert max(len(text.split()) for text in data.texts) == 59
    sizes = [len(data.part(part)) for part in Part]
    assert sum(sizes) == 10_662 and [round(size / 10_662, 2) for size in sizes] == [0.8, 0.1, 0.1]


def test_the_part_of_a_text_is_the_remainder_of_its_hash() -> None:
    texts = [f"line {i}" for i in range(400)]
    data = Sentences(tuple(texts), tuple(i % 2 for i in range(400)), ("a", "b"))
    for part, places in ((Part.TEST, {0}), (Part.VALIDATION, {1}), (Part.TRAIN, set(range(2, 10)))):
        # the first 8 bytes as a number: 16 hexadecimal digits
        wanted = [t for t in texts if int(hashlib.sha256(t.encode()).hexdigest()[:16], 16) % 10 in places]
        assert list(data.part(part).texts) == wanted and len(wanted) > 20
        assert {part_of(text) for text in wanted} == {part}
    kept = data.part(Part.TEST)
    assert [data.classes[texts.index(t)] for t in kept.texts] == list(kept.classes)


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("A smart, moving film.", ["a", "smart", ",", "moving", "film", "."]),
        ("it's so laddish and juvenile , only", ["it's", "so", "laddish", "and", "juvenile", ",", "only"]),
        ("a 10-year-old 's joy -- !", ["a", "10-year-old", "'s", "joy", "--", "!"]),
        ("Último sinal", ["último", "sinal"]),
        ("   ", []),
    ],
)
def test_tokens(text: str, wanted: list[str]) -> None:
    assert tokens(text) == wanted


@given(st.lists(st.text(max_size=30), max_size=4))
def test_tokens_of_tokens_are_the_same(texts: list[str]) -> None:
    for text in texts:
        for token in tokens(text):
            assert token and not any(c.isspace() for c in token)
        assert tokens(" ".join(tokens(text))) == tokens(text)


def test_the_vocabulary_counts_and_sorts() -> None:
    vocabulary = Vocabulary.of(["b a a c", "b a d", "C"], least=2)
    assert vocabulary.words == ("a", "b", "c") and vocabulary.size == FIRST + 3
    ids = vocabulary.encode(["c a zebra", "b"])
    assert ids.dtype == torch.long
    assert ids.tolist() == [[FIRST + 2, FIRST, UNKNOWN], [FIRST + 1, PADDING, PADDING]]
    assert vocabulary.encode(["b"], length=4).tolist() == [[FIRST + 1, 0, 0, 0]]
    assert vocabulary.decode(ids) == ["c a <unknown>", "b"]
    assert vocabulary.decode(ids, origin=["C a zebra", "b"]) == ["c a zebra", "b"]


@given(st.lists(st.lists(st.sampled_from(["good", "bad", "film", ","]), min_size=1, max_size=9), max_size=5))
def test_encoding_and_decoding_give_texts_back(rows: list[list[str]]) -> None:
    vocabulary = Vocabulary(("good", "bad", "film", ","))
    texts = [" ".join(words) for words in rows]
    assert vocabulary.decode(vocabulary.encode(texts)) == texts
    assert vocabulary.split(vocabulary.encode(texts, length=12)) == rows


def test_what_a_vocabulary_refuses() -> None:
    with pytest.raises(ConfigError, match="1 doubled"):
        Vocabulary(("a", "a"))
    with pytest.raises(ConfigError, match="got 0"):
        Vocabulary.of(["once"], least=2)
    vocabulary = Vocabulary(("a",))
    with pytest.raises(DataError, match="one word or more"):
        vocabulary.encode(["a", "  "])
    with pytest.raises(DataError, match="has 3 words, more than the 2"):
        vocabulary.encode(["a a a"], length=2)
    with pytest.raises(ShapeError, match="one original"):
        vocabulary.decode(vocabulary.encode(["a"]), origin=[])
    with pytest.raises(ShapeError, match="2 texts but 1 classes"):
        Sentences(("a", "b"), (0,), ("x", "y"))
