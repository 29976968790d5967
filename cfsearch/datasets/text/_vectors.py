"""Near words: vectors of the contexts that words stand in."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final, Self, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.errors import ConfigError, DataError, ModelFileError
from cfsearch.parsing import parse_json

from ._texts import tokens

SHIPPED: Final = "word_vectors_reviews.safetensors"
"""Vectors of the words of film reviews, part of the package."""
FEWEST_TEXTS: Final = 200
"""From fewer texts than this no vectors are learned: most words would have no neighbours."""

_FORMAT: Final = "cfsearch-word-vectors/1"
_PLACES: Final = (-2, -1, 1, 2)
_EDGE: Final = ""


@final
@dataclass(frozen=True, slots=True, eq=False)
class WordVectors:
    """A vector for each word; words that occur in the same contexts have similar ones.

    Args:
        words: lower case, without doubles.
        values: of length 1.
        source: what they were learned from, for notes.

    Shapes:
        values ``(v, e)`` float32.

    Raises:
        ConfigError: not one vector a word.
    """

    words: tuple[str, ...]
    values: Float[Tensor, "v e"]
    source: str
    _places: dict[str, int] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        if len(self.words) != len(self.values) or len(set(self.words)) != len(self.words):
            raise ConfigError(
                f"word vectors: expected one vector for each of {len(set(self.words))} different words, got "
                f"{len(self.values)} vectors for {len(self.words)} words."
            )
        object.__setattr__(self, "_places", {word: i for i, word in enumerate(self.words)})

    @classmethod
    def of(
        cls,
        texts: Iterable[str],
        *,
        source: str,
        dimensions: int = 64,
        least: int = 3,
        contexts: int = 1500,
    ) -> Self:
        """Vectors learned from texts: positive pointwise mutual information, made small by an SVD.

        The two words before and the two behind are the context of a word, each with its place. The
        same texts give the same vectors up to rounding.

        Args:
            texts: at least 200, of the kind that is searched.
            source: what they are, for notes.
            dimensions: of a vector, at most.
            least: words that occur less often have none.
            contexts: so many of the most frequent words count as context.

        Raises:
            DataError: too few texts.

        References:
            Levy, Goldberg and Dagan 2015, Improving distributional similarity,
            https://doi.org/10.1162/tacl_a_00134: exponent 3/4 on contexts, and of the singular values 1/2.
        """
        from scipy.sparse import coo_matrix
        from scipy.sparse.linalg import svds

        lines = [[_EDGE, *tokens(text), _EDGE] for text in texts]
        if len(lines) < FEWEST_TEXTS:
            raise DataError(
                f"texts: expected {FEWEST_TEXTS} texts or more to learn near words from, got {len(lines)}. Give "
                "more with --reference, or none to use those of film reviews."
            )
        count = Counter(word for line in lines for word in line)
        words = sorted(
            (w for w, n in count.items() if n >= least and w != _EDGE), key=lambda w: (-count[w], w)
        )
        row = {word: i for i, word in enumerate(words)}
        frequent = sorted(count, key=lambda w: (-count[w], w))[:contexts]
        column = {word: i for i, word in enumerate(frequent)}
        pairs = [
            (row[word], k * len(frequent) + column[line[i + gap]])
            for line in lines
            for i, word in enumerate(line)
            if word in row
            for k, gap in enumerate(_PLACES)
            if 0 <= i + gap < len(line) and line[i + gap] in column
        ]
        shape = (len(words), len(_PLACES) * len(frequent))
        at = np.array(pairs, dtype=np.int64).reshape(-1, 2)
        together = coo_matrix((np.ones(len(at)), (at[:, 0], at[:, 1])), shape=shape).tocsr()
        together.sum_duplicates()
        of_word = np.asarray(together.sum(1)).ravel()
        of_context = np.asarray(together.sum(0)).ravel() ** 0.75
        of_context /= of_context.sum()
        found = together.tocoo()
        found.data = np.maximum(np.log(found.data / of_word[found.row] / of_context[found.col]), 0.0)
        size = min(dimensions, min(shape) - 1)
        left, strength, _ = svds(found.tocsr(), k=size, v0=np.ones(min(shape)))
        values = torch.from_numpy(np.ascontiguousarray((left * np.sqrt(strength))[:, ::-1])).float()
        return cls(tuple(words), torch.nn.functional.normalize(values, dim=1), source)

    @classmethod
    def shipped(cls) -> "WordVectors":
        """Those of film reviews, which are part of the package."""
        return _shipped()

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Vectors as ``save`` writes them.

        Args:
            path: of the file.

        Raises:
            ModelFileError: it cannot be read, or is another kind of file.
        """
        from safetensors import SafetensorError, safe_open

        try:
            with safe_open(path, framework="pt") as file:
                about, levels = dict(file.metadata() or {}), file.get_tensor("levels")
            if about.get("format") != _FORMAT:
                raise ModelFileError(
                    f"word vectors: expected the format {_FORMAT!r} in {path}, got {about.get('format')!r}."
                )
            values = torch.nn.functional.normalize(levels.float(), dim=1)
            return cls(tuple(parse_json(about["words"])), values, about["source"])
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            raise ModelFileError(
                f"word vectors: expected a file of word vectors at {path}, but it cannot be read: {error}. "
                "Make it with benchmarks/quality/train_word_vectors.py."
            ) from error

    def save(self, path: Path) -> Path:
        """Write the vectors to a file, in 8 bits a number.

        Args:
            path: of the file.
        """
        from safetensors.torch import save

        from cfsearch.files import write_atomically

        levels = (self.values / self.values.abs().amax(1, keepdim=True).clamp_min(1e-9) * 127).round()
        about = {
            "format": _FORMAT,
            "words": json.dumps(self.words, ensure_ascii=False),
            "source": self.source,
        }
        return write_atomically(path, save({"levels": levels.to(torch.int8)}, metadata=about))

    @property
    def fingerprint(self) -> str:
        """A hash of words and vectors."""
        words = json.dumps(self.words).encode()
        return hashlib.sha256(words + self.values.contiguous().numpy().tobytes()).hexdigest()

    def get(self, word: str) -> Float[Tensor, " e"] | None:
        """The vector of a word; None where it has none.

        Args:
            word: in lower case.
        """
        place = self._places.get(word)
        return None if place is None else self.values[place]

    def near(self, word: str, *, least: float) -> Sequence[tuple[str, float]]:
        """Other words by similarity, the nearest first; none of a word without a vector.

        Args:
            word: in lower case.
            least: cosine that a near word must have.
        """
        place = self._places.get(word)
        if place is None:
            return ()
        cosine = self.values @ self.values[place]
        cosine[place] = -1.0
        order = torch.argsort(cosine, descending=True, stable=True)[: int((cosine >= least).sum())]
        return [(self.words[i], float(cosine[i])) for i in order.tolist()]


@cache
def _shipped() -> WordVectors:
    with as_file(files("cfsearch.models") / SHIPPED) as path:
        return WordVectors.read(path)
