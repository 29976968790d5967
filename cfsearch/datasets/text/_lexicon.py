"""Pieces of texts under numbers: what a search of texts moves in."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Final, Self, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cfsearch.contracts.modality import joined
from cfsearch.errors import ConfigError, DataError

from ._function_words import FUNCTION_WORDS
from ._texts import PADDING, TOKEN, Vocabulary
from ._vectors import WordVectors

MOST_PIECES: Final = 10_000
"""A text of more would need gigabytes for one generation of a hundred candidates."""
NOTHING: Final = 0
"""The number of no piece: behind the end of a text, or where one was removed."""

_PIECE: Final = re.compile(rf"\s*(?:{TOKEN.pattern})|\s+\Z")
_WORD: Final = re.compile(r"[^\W\d_]+(?:['\u2019-][^\W\d_]+)*")


def cut(text: str) -> tuple[str, ...]:
    """A text in pieces: each word or sign with the space in front of it; joined they are the text.

    Args:
        text: any.

    Example:
        >>> cut("Isn't it  fine, Tom?")
        ("Isn't", ' it', '  fine', ',', ' Tom', '?')
    """
    return tuple(_PIECE.findall(text))


def is_content(piece: str) -> bool:
    """Whether a piece is a word that says something: letters, two or more, and no function word.

    Args:
        piece: as ``cut`` gives it.
    """
    word = piece.strip()
    bare = word.lower().replace("\u2019", "'")
    short = bare.partition("'")[0]
    return (
        len(word) > 1
        and _WORD.fullmatch(word) is not None
        and bare not in FUNCTION_WORDS
        and ("'" not in bare or (short not in FUNCTION_WORDS and not bare.endswith("n't")))
    )


@final
@dataclass(frozen=True, slots=True)
class Lexicon:
    """Pieces, each with its number; number 0 is no piece.

    Args:
        pieces: without doubles; piece ``i`` has the number ``1 + i``.

    Raises:
        ConfigError: no piece, an empty one, or one twice.
    """

    pieces: tuple[str, ...]
    _numbers: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        numbers = {piece: 1 + i for i, piece in enumerate(self.pieces)}
        if not self.pieces or len(numbers) != len(self.pieces) or "" in numbers:
            raise ConfigError(
                f"lexicon: expected pieces of text, none empty and each once, got {len(self.pieces)} with "
                f"{len(self.pieces) - len(numbers)} doubled."
            )
        object.__setattr__(self, "_numbers", numbers)

    @classmethod
    def of(cls, texts: Iterable[str], *, vectors: WordVectors, near: int, least: float) -> Self:
        """The pieces of texts, and of what may stand in place of their words.

        Args:
            texts: those that are searched.
            vectors: say which words are near.
            near: most near words of a word.
            least: similarity that a near word must have.
        """
        found = dict.fromkeys(piece for text in texts for piece in cut(text))
        for piece in tuple(found):
            found |= dict.fromkeys(replacements(piece, vectors=vectors, near=near, least=least))
        return cls(tuple(found))

    @property
    def size(self) -> int:
        """How many numbers there are, that of no piece among them."""
        return 1 + len(self.pieces)

    def number(self, piece: str) -> int:
        """The number of a piece.

        Args:
            piece: with the space in front of it.

        Raises:
            DataError: the lexicon lacks it.
        """
        try:
            return self._numbers[piece]
        except KeyError:
            raise DataError(
                f"texts: the lexicon of this search lacks {piece!r}. Make it of all texts that are searched."
            ) from None

    def encode(self, texts: Sequence[str], *, length: int | None = None) -> Float[Tensor, "n t"]:
        """Numbers of texts, float64, filled up with zeros.

        Args:
            texts: cut into pieces first.
            length: t; without it that of the longest text.

        Raises:
            DataError: a text without a word, with an unknown piece, longer than ``length``, or of more than 10,000 pieces.
        """
        rows = [[self.number(piece) for piece in cut(text)] for text in texts]
        longest = max((len(row) for row in rows), default=1)
        if any(not text.strip() for text in texts):
            raise DataError("texts: expected one word or more in each text, got an empty one. Leave it out.")
        if longest > MOST_PIECES:
            text = max(texts, key=lambda one: len(cut(one)))
            raise DataError(
                f"texts: expected at most {MOST_PIECES:,} words and signs in a text, got {longest:,} in {text[:40]!r} ... "
                "Shorten it, or give its parts one by one."
            )
        if length is not None and longest > length:
            raise DataError(f"texts: expected at most {length} words, got {longest}. Shorten the text.")
        out = torch.zeros(len(rows), longest if length is None else length, dtype=torch.float64)
        for i, row in enumerate(rows):
            out[i, : len(row)] = torch.tensor(row, dtype=torch.float64)
        return out

    def split(self, ids: Float[Tensor, "n t"]) -> tuple[tuple[str, ...], ...]:
        """The pieces of each text, place by place; "" where nothing stands.

        Args:
            ids: numbers as ``encode`` gives them.
        """
        every = ("", *self.pieces)
        return tuple(tuple(every[number] for number in row) for row in ids.long().tolist())

    def decode(self, ids: Float[Tensor, "n t"]) -> list[str]:
        """Texts of numbers, without a space in front.

        Args:
            ids: numbers as ``encode`` gives them.
        """
        return [joined(pieces) for pieces in self.split(ids)]

    def numbers_in(self, vocabulary: Vocabulary) -> Int[Tensor, " v"]:
        """For each number of a piece the number of its word in a model's vocabulary.

        Args:
            vocabulary: of the model.
        """
        words = (piece.strip().lower() for piece in self.pieces)
        return torch.tensor([PADDING, *(vocabulary.number(word) if word else PADDING for word in words)])

    def vectors_in(self, vectors: WordVectors) -> Float[Tensor, "v e"]:
        """For each number of a piece the vector of its word; zeros where there is none.

        Args:
            vectors: of words.
        """
        none = torch.zeros(vectors.values.shape[1])
        every = [none, *(vectors.get(piece.strip().lower()) for piece in self.pieces)]
        return torch.stack([none if one is None else one for one in every])


def closed(ids: Int[Tensor, "n t"]) -> Int[Tensor, "n t"]:
    """The same numbers with zeros moved behind all others, which keep their order.

    Args:
        ids: numbers, 0 for nothing.
    """
    order = (ids == 0).to(torch.uint8).argsort(dim=1, stable=True)
    return ids.gather(1, order)


def replacements(piece: str, *, vectors: WordVectors, near: int, least: float) -> tuple[str, ...]:
    """What may stand in place of a piece, the nearest first: same space, same capitals.

    Args:
        piece: as ``cut`` gives it.
        vectors: say which words are near.
        near: most near words.
        least: similarity that a near word must have, in [0, 1].
    """
    word = piece.strip()
    if not is_content(piece):
        return ()
    space = piece[: len(piece) - len(piece.lstrip())]
    found = vectors.near(word.lower(), least=least)
    alike = (other for other, _ in found if is_content(other) and _adverb(other) == _adverb(word))
    return tuple(space + _cased(other, like=word) for other in alike)[:near]


def _adverb(word: str) -> bool:
    return word.lower().endswith("ly")


def _cased(word: str, *, like: str) -> str:
    if like.isupper():
        return word.upper()
    return word[:1].upper() + word[1:] if like[:1].isupper() else word
