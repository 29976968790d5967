"""A generator for texts: near words in the place of words."""

import hashlib
import json
from abc import ABC
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Final, Self, final

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cfsearch.contracts.generator import Critic, Describer, Generator, Speller
from cfsearch.contracts.modality import TEXTS, Modality, Pieces
from cfsearch.contracts.space import Kind, SearchSpace
from cfsearch.datasets.text import Bigrams, Lexicon, WordVectors, is_content, replacements
from cfsearch.errors import ConfigError, ShapeError

_SETTINGS: Final = ("near", "least", "delete", "keep")
_RARE: Final = 1.5
"""Noise beyond this many standard deviations replaces a word."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class WordsState:
    """What each place of the queries may become.

    Args:
        choices: numbers of the lexicon: the own piece, then what may replace it.
        space: bounds.

    Shapes:
        choices ``(b, t, c)``.
    """

    choices: Int[Tensor, "b t c"]
    space: SearchSpace


class _Words(Generator[WordsState], Describer, Speller, ABC):
    """What the generators of texts share: each place of a text is a search variable."""

    batch_invariant: ClassVar[bool] = True

    def __init__(
        self,
        texts: Sequence[str],
        *,
        vectors: WordVectors,
        near: int = 20,
        least: float = 0.45,
        delete: bool = False,
        keep: Sequence[str] = (),
    ) -> None:
        if not isinstance(near, int) or near < 1:
            raise ConfigError(f"words: `near` must be a whole number of at least 1, got {near!r}.")
        if not 0.0 <= least < 1.0:
            raise ConfigError(f"words: `least` must lie in [0, 1), got {least!r}.")
        if isinstance(keep, str):
            keep = [keep]
        self.texts: tuple[str, ...] = tuple(texts)
        self.vectors: WordVectors = vectors
        self.lexicon: Lexicon = Lexicon.of(self.texts, vectors=vectors, near=near, least=least)
        self.shape: tuple[int, ...] = (int(self.lexicon.encode(self.texts).shape[1]),)
        self._near, self._least, self._delete = near, float(least), bool(delete)
        self._keep = frozenset(word.strip().lower() for word in keep)
        self._choices, self._counts = self._every_choice()

    @property
    def modality(self) -> Modality:
        return TEXTS

    def encode(self, x: Float[Tensor, "b t"]) -> WordsState:
        if x.ndim != 2 or tuple(x.shape[1:]) != self.shape:
            raise ShapeError(f"words: expected texts of shape (b, {self.shape[0]}), got {tuple(x.shape)}.")
        ids = x.long()
        counts = self._counts.to(x.device)[ids]
        most = self._choices.shape[1] - 1
        kind = x.dtype if x.is_floating_point() else torch.float64
        upper = counts.to(kind) / most
        return WordsState(
            self._choices.to(x.device)[ids],
            SearchSpace(
                names=tuple(f"word {i + 1}" for i in range(self.shape[0])),
                lower=torch.zeros_like(upper),
                upper=upper,
                kinds=(Kind.INTEGER,) * self.shape[0],
                scale=torch.full((self.shape[0],), float(most), dtype=kind, device=x.device),
            ),
        )

    def space(self, state: WordsState) -> SearchSpace:
        return state.space

    def select(self, state: WordsState, i: int) -> WordsState:
        return WordsState(state.choices[i : i + 1], state.space.query(i))

    def decode(self, state: WordsState, z: Float[Tensor, "b n d"]) -> Float[Tensor, "b n t"]:
        places = (state.space.repair(z) * state.space.scale).round().long()
        found = state.choices[:, None].expand(-1, z.shape[1], -1, -1).gather(-1, places[..., None])
        return found[..., 0].to(z.dtype)

    def words(self, x: Float[Tensor, " t"], others: Float[Tensor, "n t"]) -> tuple[tuple[str, ...], ...]:
        before = [piece.strip() for piece in self.lexicon.split(x[None])[0]]
        return tuple(
            tuple(
                f"{old} -> {new.strip()}" if new.strip() else f"{old} removed"
                for old, new in zip(before, pieces, strict=True)
                if old != new.strip()
            )
            for pieces in self.lexicon.split(others)
        )

    def spell(self, x: Float[Tensor, "n t"]) -> tuple[Pieces, ...]:
        return self.lexicon.split(x)

    def embedding(self) -> Float[Tensor, "v e"]:
        """The vector of each number of the lexicon, zeros where a word has none."""
        return self.lexicon.vectors_in(self.vectors)

    def neighbour(self, x: Float[Tensor, "n t"], noise: Float[Tensor, " t"]) -> Float[Tensor, "n t"]:
        """Texts in which the words under strong noise are replaced by their nearest ones.

        Args:
            x: texts.
            noise: for each place, in standard deviations.
        """
        ids = x.long()
        able = (self._counts.to(x.device)[ids] > 0) & (noise.abs() > _RARE)
        return torch.where(able, self._choices.to(x.device)[ids][..., 1], ids).to(x.dtype)

    def to(self, device: str) -> Self:
        return self

    def _every_choice(self) -> tuple[Int[Tensor, "v c"], Int[Tensor, " v"]]:
        """For each piece what may replace it, itself first, and how many these are."""
        lexicon, width = self.lexicon, 1 + self._near + self._delete
        choices = torch.arange(lexicon.size)[:, None].repeat(1, width)
        counts = torch.zeros(lexicon.size, dtype=torch.long)
        searched = {piece for pieces in lexicon.split(lexicon.encode(self.texts)) for piece in pieces}
        for piece in searched - {""}:
            if not is_content(piece) or piece.strip().lower() in self._keep:
                continue
            number = lexicon.number(piece)
            found = replacements(piece, vectors=self.vectors, near=self._near, least=self._least)
            row = [*(lexicon.number(one) for one in found), *([0] if self._delete else [])]
            choices[number, 1 : 1 + len(row)] = torch.tensor(row, dtype=torch.long)
            counts[number] = len(row)
        return choices, counts

    def _print(self, *parts: str) -> str:
        settings = [
            self._near,
            self._least,
            self._delete,
            sorted(self._keep),
            self.vectors.fingerprint,
            *parts,
        ]
        return hashlib.sha256(json.dumps(["words/1", *settings]).encode()).hexdigest()


@final
class Words(_Words):
    """Replaces words of a text by near words; function words, numbers and signs stay.

    One search variable a place: 0 leaves the word, 1 puts the nearest word there, 2 the next, and with
    ``delete`` the last value removes it. Capitals and spaces are those of the word that was there, so
    that a text without a change is the text to the letter.

    Has no critic: for plausibility give it reference texts (``with_density``).

    Args:
        texts: all that are searched; they decide which pieces there are.
        vectors: say which words are near.
        near: most near words of a word, >= 1.
        least: similarity (cosine) that a near word must have, in [0, 1).
        delete: whether words may be removed as well.
        keep: words that must not change.

    Shapes:
        ``z`` ``(b, n, t)`` in shares of ``near`` -> numbers of pieces ``(b, n, t)``.

    Raises:
        ConfigError: a setting is out of range.
        DataError: a text without a word.

    Example:
        >>> from cfsearch.datasets.text import WordVectors
        >>> generator = Words(["a good film"], vectors=WordVectors.shipped(), near=2)
        >>> generator.lexicon.decode(generator.lexicon.encode(["a good film"]))
        ['a good film']
    """

    name: ClassVar[str] = "words"

    @classmethod
    def open(cls, source: Path | None, *, settings: Mapping[str, Any]) -> "Words":  # Any: as the contract
        raise ConfigError(
            "words: made of the texts that are searched, got none. Give --text, --texts FILE, or in Python "
            'Words.of_texts(["a text", ...]).'
        )

    @classmethod
    def of_texts(
        cls,
        texts: Sequence[str],
        *,
        vectors: WordVectors | None = None,
        settings: Mapping[str, Any] | None = None,  # Any: as the contract
    ) -> "Words":
        """The generator of some texts.

        Args:
            texts: all that are searched.
            vectors: say which words are near; those of film reviews without it.
            settings: as for the class.

        Raises:
            ConfigError: a setting is unknown or out of range.
        """
        given = dict(settings or {})
        unknown = [key for key in given if key not in _SETTINGS]
        if unknown:
            raise ConfigError(f"words: unknown setting {unknown[0]!r}; it takes {', '.join(_SETTINGS)}.")
        return cls(texts, vectors=vectors or WordVectors.shipped(), **given)

    def with_density(self, reference: Sequence[str]) -> "WordsWithBigrams":
        """The same with a plausibility: how likely each word is after the one before it.

        Args:
            reference: what people write.
        """
        return WordsWithBigrams(
            self.texts,
            vectors=self.vectors,
            reference=Bigrams.of(reference),
            near=self._near,
            least=self._least,
            delete=self._delete,
            keep=tuple(self._keep),
        )

    @property
    def fingerprint(self) -> str:
        return self._print()


@final
class WordsWithBigrams(_Words, Critic):
    """``Words`` with a plausibility: mean log2 probability of a word given the word before it.

    Args:
        texts, vectors, near, least, delete, keep: as for ``Words``.
        reference: counts of reference texts.
    """

    name: ClassVar[str] = "words"
    critic_kind = "mean log2 probability of each word given the word before it in the reference texts"

    def __init__(
        self,
        texts: Sequence[str],
        *,
        vectors: WordVectors,
        reference: Bigrams,
        near: int,
        least: float,
        delete: bool,
        keep: Sequence[str],
    ) -> None:
        super().__init__(texts, vectors=vectors, near=near, least=least, delete=delete, keep=keep)
        self._reference = reference
        self._scorer = reference.scorer(self.lexicon)

    @classmethod
    def open(cls, source: Path | None, *, settings: Mapping[str, Any]) -> "WordsWithBigrams":  # Any: contract
        raise ConfigError("words: a plausibility is made with Words.with_density(reference).")

    def realism(self, x: Float[Tensor, "b n t"]) -> Float[Tensor, "b n"]:
        score = self._scorer(x.flatten(0, 1))
        return score.reshape(x.shape[:2]).to(x.dtype)

    @property
    def fingerprint(self) -> str:
        return self._print(self._reference.fingerprint)
