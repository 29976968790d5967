"""Sentences with labels, and the vocabulary between words and the numbers of a model."""

import gzip
import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Final, Self, final

import torch
from jaxtyping import Int
from torch import Tensor

from cfsearch.errors import ConfigError, DataError, ShapeError
from cfsearch.places import is_file

PADDING: Final = 0
"""Stands where a text has ended."""
UNKNOWN: Final = 1
"""Stands for a word that the vocabulary lacks."""
FIRST: Final = 2
"""The number of the first word."""

POLARITY: Final = ("negative", "positive")
"""The labels of sentence polarity, in the order of its class numbers."""

TOKEN: Final = re.compile(r"\w+(?:[-'.\u2019]+\w+)*|'\w+|[^\w\s]+")
_FILES: Final = ("rt-polarity.neg", "rt-polarity.pos")


def tokens(text: str) -> list[str]:
    """Lower-cased words and signs; text that is already separated by spaces hardly changes.

    Example:
        >>> tokens("It's a ground-breaking film , isn't it?")
        ["it's", 'a', 'ground-breaking', 'film', ',', "isn't", 'it', '?']
    """
    return TOKEN.findall(text.lower())


class Part(Enum):
    """Which part of a data set a text belongs to."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


def part_of(text: str) -> Part:
    """The part of a text where a data set has no official split: 80, 10 and 10 %.

    By the remainder of the text's SHA-256 over 10 (0 test, 1 validation): the same on every
    machine, whatever the order of the lines, and the same for copies of a line.
    """
    place = int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") % 10
    return Part.TEST if place == 0 else Part.VALIDATION if place == 1 else Part.TRAIN


@final
@dataclass(frozen=True, slots=True)
class Sentences:
    """Texts with their classes.

    Args:
        texts: as they stand in the file, without spaces around them.
        classes: one class number a text.
        labels: names of the classes.
    """

    texts: tuple[str, ...]
    classes: tuple[int, ...]
    labels: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(self.texts) != len(self.classes):
            raise ShapeError(f"texts: got {len(self.texts)} texts but {len(self.classes)} classes.")

    def __len__(self) -> int:
        return len(self.texts)

    def part(self, part: Part) -> Self:
        """Those of one part, see ``part_of``."""
        keep = [i for i, text in enumerate(self.texts) if part_of(text) is part]
        return type(self)(
            tuple(self.texts[i] for i in keep), tuple(self.classes[i] for i in keep), self.labels
        )


def read_polarity(folder: str | Path) -> Sentences:
    """Sentence polarity in its own format: ``rt-polarity.neg`` and ``rt-polarity.pos``, plain or ``.gz``.

    One snippet a line, UTF-8, separated by line feeds alone (other signs that Python takes for
    the end of a line stand inside snippets). There is no official split; see ``part_of``.

    Raises:
        DataError: a file is missing, damaged or empty.

    References:
        Pang and Lee 2005, Seeing stars, https://aclanthology.org/P05-1015, data set v1.0.
    """
    texts: list[str] = []
    classes: list[int] = []
    for number, name in enumerate(_FILES):
        lines = [line.strip() for line in _text(Path(folder) / name).split("\n")]
        lines = [line for line in lines if line]
        if not lines:
            raise DataError(f"texts: {name!r} in {folder} holds no snippet. Fetch it again.")
        texts += lines
        classes += [number] * len(lines)
    return Sentences(tuple(texts), tuple(classes), POLARITY)


def _text(path: Path) -> str:
    packed = path.with_name(path.name + ".gz")
    if not is_file(path) and not is_file(packed):
        raise DataError(f"texts: expected {path.name} or {packed.name} in {path.parent}, found neither.")
    try:
        content = path.read_bytes() if is_file(path) else gzip.decompress(packed.read_bytes())
        return content.decode("utf-8")
    except (OSError, EOFError) as error:
        raise DataError(f"texts: {packed} cannot be unpacked ({error}). Fetch it again.") from error
    except UnicodeDecodeError as error:
        raise DataError(f"texts: {path.name} must be UTF-8, but byte {error.start} is not.") from error


@final
@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The words that a model knows, each with its number.

    Args:
        words: without doubles; word ``i`` has the number ``FIRST + i``.

    Raises:
        ConfigError: no word, an empty one, or one twice.
    """

    words: tuple[str, ...]
    _numbers: dict[str, int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        numbers = {word: FIRST + i for i, word in enumerate(self.words)}
        if not self.words or len(numbers) != len(self.words) or "" in numbers:
            raise ConfigError(
                f"vocabulary: expected words, none empty and each once, got {len(self.words)} with "
                f"{len(self.words) - len(numbers)} doubled."
            )
        object.__setattr__(self, "_numbers", numbers)

    @classmethod
    def of(cls, texts: Sequence[str], *, least: int = 2) -> Self:
        """The words that occur ``least`` times or more, the most frequent first."""
        count = Counter(token for text in texts for token in tokens(text))
        kept = [word for word, n in count.items() if n >= least]
        return cls(tuple(sorted(kept, key=lambda word: (-count[word], word))))

    @property
    def size(self) -> int:
        """How many numbers there are, padding and unknown among them."""
        return FIRST + len(self.words)

    def number(self, word: str) -> int:
        """The number of a word, ``UNKNOWN`` where it has none."""
        return self._numbers.get(word, UNKNOWN)

    def encode(self, texts: Sequence[str], *, length: int | None = None) -> Int[Tensor, "n t"]:
        """Word numbers of texts, filled up with padding.

        Args:
            texts: of any kind; they are tokenised first.
            length: t; without it that of the longest text.

        Raises:
            DataError: a text without a word, or longer than ``length``.
        """
        rows = [[self.number(token) for token in tokens(text)] for text in texts]
        t = max((len(row) for row in rows), default=1) if length is None else length
        for text, row in zip(texts, rows, strict=True):
            if not row:
                raise DataError(f"texts: expected one word or more, got {text[:40]!r}. Leave it out.")
            if len(row) > t:
                raise DataError(
                    f"texts: {text[:40]!r} ... has {len(row)} words, more than the {t} there is room for. "
                    "Raise `length`, or shorten it."
                )
        out = torch.full((len(rows), max(t, 1)), PADDING, dtype=torch.long)
        for i, row in enumerate(rows):
            out[i, : len(row)] = torch.tensor(row)
        return out

    def decode(self, ids: Int[Tensor, "n t"], *, origin: Sequence[str] | None = None) -> list[str]:
        """Texts of word numbers, words separated by spaces.

        Args:
            ids: numbers as ``encode`` gives them.
            origin: the texts that they were made from: words that the vocabulary lacks are taken
                from there instead of being shown as ``<unknown>``.

        Raises:
            ShapeError: not one original a text.
        """
        return [" ".join(words) for words in self.split(ids, origin=origin)]

    def split(self, ids: Int[Tensor, "n t"], *, origin: Sequence[str] | None = None) -> list[list[str]]:
        """The words of each text; arguments as for ``decode``."""
        if origin is not None and len(origin) != len(ids):
            raise ShapeError(f"texts: expected one original for each of {len(ids)} texts, got {len(origin)}.")
        out = []
        for i, row in enumerate(ids.tolist()):
            own = tokens(origin[i]) if origin is not None else []
            words = []
            for j, number in enumerate(row):
                if number >= FIRST:
                    words.append(self.words[number - FIRST])
                elif number == UNKNOWN:
                    words.append(own[j] if j < len(own) else "<unknown>")
            out.append(words)
        return out
