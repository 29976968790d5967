"""Bigram language model: plausibility of a text."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Final, Self, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cfsearch.errors import DataError

from ._lexicon import Lexicon, closed
from ._texts import tokens

_EDGE: Final = ""
_WEIGHT: Final = 0.6
"""Of the pair of words; the rest goes to the word alone, as deleted interpolation does."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Bigrams:
    """Counts of words and of pairs of words in reference texts.

    Args:
        words: how often each occurs, begin and end of a text under "".
        pairs: how often each pair occurs.
        texts: how many texts were read.

    References:
        Jelinek and Mercer 1980, interpolated estimation; here with fixed weights 0.6 and 0.4, and one
        added to the count of each word.
    """

    words: dict[str, int]
    pairs: dict[tuple[str, str], int]
    texts: int

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """The counts of texts.

        Args:
            texts: what people write.

        Raises:
            DataError: there is none.
        """
        words: Counter[str] = Counter()
        pairs: Counter[tuple[str, str]] = Counter()
        n = 0
        for text in texts:
            line = [_EDGE, *tokens(text), _EDGE]
            words.update(line[:-1])
            pairs.update(pairwise(line))
            n += 1
        if not n:
            raise DataError("texts: expected reference texts, got none. Give a file with some lines.")
        return cls(dict(words), dict(pairs), n)

    @property
    def fingerprint(self) -> str:
        """A hash of the counts."""
        counts = json.dumps([sorted(self.words.items()), sorted((*k, v) for k, v in self.pairs.items())])
        return hashlib.sha256(counts.encode()).hexdigest()

    def probability(self, word: str, *, after: str) -> float:
        """Of a word behind another one.

        Args:
            word: the second; "" is the end of a text.
            after: the first; "" is the beginning of a text.
        """
        total = sum(self.words.values()) + len(self.words) + 1
        alone = (self.words.get(word, 0) + 1) / total
        begun = self.words.get(after, 0)
        pair = self.pairs.get((after, word), 0) / begun if begun else alone
        return _WEIGHT * pair + (1 - _WEIGHT) * alone

    def scorer(self, lexicon: Lexicon) -> "Scorer":
        """The same for the numbers of a lexicon, for many texts at once.

        Args:
            lexicon: of the texts that are judged.
        """
        words = [piece.strip().lower() for piece in lexicon.pieces]
        known = {word: 1 + i for i, word in enumerate(dict.fromkeys((*words, *self.words))) if word}
        total = sum(self.words.values()) + len(self.words) + 1
        count = torch.zeros(1 + max(known.values(), default=0), dtype=torch.float64)
        for word, n in self.words.items():
            count[known.get(word, 0)] = n
        inside = [(known.get(a, 0), known.get(b, 0), n) for (a, b), n in self.pairs.items()]
        table = torch.tensor(sorted((a * len(count) + b, n) for a, b, n in inside), dtype=torch.int64)
        return Scorer(
            number=torch.tensor([0, *(known.get(word, 0) for word in words)]),
            alone=(count + 1) / total,
            begun=count,
            keys=table[:, 0].contiguous(),
            counts=table[:, 1].double(),
        )


@final
@dataclass(frozen=True, slots=True, eq=False)
class Scorer:
    """Bigrams as tensors; ``Bigrams.scorer`` makes it.

    Args:
        number: for each piece its word among those counted, 0 for none.
        alone: the probability of each word.
        begun: how often each word begins a pair.
        keys: pairs of words as one number, sorted.
        counts: how often each pair occurs.

    Shapes:
        number ``(v,)``; alone, begun ``(w,)``; keys, counts ``(p,)``.
    """

    number: Int[Tensor, " v"]
    alone: Float[Tensor, " w"]
    begun: Float[Tensor, " w"]
    keys: Int[Tensor, " p"]
    counts: Float[Tensor, " p"]

    def __call__(self, ids: Float[Tensor, "n t"]) -> Float[Tensor, " n"]:
        """Mean log2 probability of a word and of the end, given the word before.

        Args:
            ids: numbers of a lexicon.
        """
        words = closed(self.number.to(ids.device)[ids.long()])
        edge = words.new_zeros(len(words), 1)
        before, after = torch.cat([edge, words], 1), torch.cat([words, edge], 1)
        key = before * len(self.alone) + after
        place = torch.searchsorted(self.keys.to(ids.device), key).clamp_max(len(self.keys) - 1)
        seen = self.keys.to(ids.device)[place] == key
        together = torch.where(seen, self.counts.to(ids.device)[place], 0.0)
        begun, alone = self.begun.to(ids.device)[before], self.alone.to(ids.device)[after]
        pair = torch.where(begun > 0, together / begun.clamp_min(1.0), alone)
        bits = (_WEIGHT * pair + (1 - _WEIGHT) * alone).log2()
        # of the places behind the last word only the first counts: it is the end of the text
        length = (words > 0).sum(1)
        inside = torch.arange(bits.shape[1], device=ids.device) <= length[:, None]
        return (bits * inside).sum(1) / (length + 1)
