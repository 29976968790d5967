"""Data augmentation: mixup without labels (Haffar et al. 2022, algorithm 1).

From ``m`` inputs come the ``m`` themselves and a mixture of every pair, ``m + C(m, 2)`` in all;
where fewer may be queried, the pairs are drawn without repetition. What is drawn depends on
the seed alone, not on how many are requested at once, and no more than one piece is in memory.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Protocol, final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from cfsearch.contracts.modality import PICTURES
from cfsearch.datasets.tables import ColumnKind, TableSchema, Variable, Variables, on_grid
from cfsearch.errors import ConfigError, ShapeError

_PIECE: Final = 1024


class Mixer(Protocol):
    """How two inputs become one."""

    def __call__(
        self,
        a: Float[Tensor, "n *x"],
        b: Float[Tensor, "n *x"],
        *,
        share: Float[Tensor, " n"],
        draw: np.random.Generator,
    ) -> Float[Tensor, "n *x"]:
        """A mixture of each pair, of which ``share`` is of ``a``."""
        ...


@final
@dataclass(frozen=True, slots=True)
class Shares:
    """How much of the first input is in a mixture.

    Args:
        choices: one of these, drawn evenly; (0.5,) for the mean of two.
        alpha: when there are no choices, drawn from Beta(alpha, alpha), > 0.

    Raises:
        ConfigError: a share outside [0, 1], or ``alpha`` not above 0.
    """

    choices: tuple[float, ...] = ()
    alpha: float = 0.25

    def __post_init__(self) -> None:
        if any(not 0.0 <= share <= 1.0 for share in self.choices):
            raise ConfigError(f"mixup: shares must lie in [0, 1], got {self.choices!r}.")
        if not 0.0 < self.alpha < math.inf:
            raise ConfigError(f"mixup: `alpha` must be a finite number > 0, got {self.alpha!r}.")

    def draw(self, n: int, *, rng: np.random.Generator) -> Float[Tensor, " n"]:
        """One share for each of ``n`` mixtures."""
        if self.choices:
            return torch.from_numpy(np.array(self.choices)[rng.integers(len(self.choices), size=n)])
        return torch.from_numpy(rng.beta(self.alpha, self.alpha, size=n))


def count(m: int) -> int:
    """How many inputs mixup makes of ``m``: the inputs and all pairs."""
    return m + math.comb(m, 2)


def pairs(m: int, *, limit: int | None = None, rng: np.random.Generator) -> Int[np.ndarray, "n 2"]:
    """All pairs ``i < j`` of ``m`` inputs in order, or ``limit`` of them, each at most once."""
    total = math.comb(m, 2)
    if limit is None or limit >= total:
        return unranked(np.arange(total, dtype=np.int64), m=m)
    if limit <= 0:
        return np.zeros((0, 2), dtype=np.int64)
    return unranked(np.sort(rng.choice(total, size=limit, replace=False)), m=m)


def unranked(rank: Int[np.ndarray, " n"], *, m: int) -> Int[np.ndarray, "n 2"]:
    """The pairs that stand at these places of (0, 1), (0, 2), ..., (1, 2), ..."""
    back = math.comb(m, 2) - 1 - np.asarray(rank, dtype=np.int64)
    row = ((np.sqrt(8.0 * back + 1.0) - 1.0) / 2.0).astype(np.int64)
    row -= row * (row + 1) // 2 > back  # the root may round up or down
    row += (row + 1) * (row + 2) // 2 <= back
    i = m - 2 - row
    j = m - 1 - (back - row * (row + 1) // 2)
    return np.stack([i, j], axis=1)


def mixup(
    x: Float[Tensor, "m *x"],
    *,
    mixer: Mixer,
    shares: Shares,
    limit: int | None = None,
    seed: int = 0,
    piece: int = _PIECE,
) -> Iterator[Float[Tensor, "n *x"]]:
    """The inputs themselves, then mixtures of pairs, in pieces.

    Args:
        x: the inputs: images as float32 RGB in [0, 1], channels first, or rows in column units.
        mixer: how two become one.
        shares: how much of the first is in a mixture.
        limit: most that may come out; the inputs come first.
        seed: decides which pairs, which shares, which categories.
        piece: most at once, >= 1.

    Raises:
        ShapeError: there is no input.
        ConfigError: ``limit`` or ``piece`` is below 1.
    """
    m = len(x)
    if m == 0:
        raise ShapeError("mixup: there is no input to begin with.")
    if piece < 1 or (limit is not None and limit < 1):
        raise ConfigError(f"mixup: `limit` and `piece` must be 1 or more, got {limit!r} and {piece!r}.")
    chosen, sharing, mixing = (np.random.default_rng(s) for s in np.random.SeedSequence(seed).spawn(3))
    own = m if limit is None else min(m, limit)
    for at in range(0, own, piece):
        yield x[at : min(at + piece, own)].clone()
    rest = None if limit is None else limit - own
    places = pairs(m, limit=rest, rng=chosen)
    for at in range(0, len(places), piece):
        part = torch.from_numpy(places[at : at + piece]).to(x.device)
        share = shares.draw(len(part), rng=sharing).to(x.device)
        yield mixer(x[part[:, 0]], x[part[:, 1]], share=share, draw=mixing)


@final
@dataclass(frozen=True, slots=True)
class ImageMixer:
    """Mixes images pixel by pixel, in 8 bits as a provider would be sent them."""

    def __call__(
        self,
        a: Float[Tensor, "n c h w"],
        b: Float[Tensor, "n c h w"],
        *,
        share: Float[Tensor, " n"],
        draw: np.random.Generator,
    ) -> Float[Tensor, "n c h w"]:
        """A mixture of each pair."""
        return in_8_bits(torch.lerp(b, a, share.to(a)[:, None, None, None]))


def in_8_bits(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n c h w"]:
    """Images as a file with 8 bits a channel holds them."""
    return PICTURES.restored(PICTURES.stored(x)).to(x.dtype)


@final
@dataclass(frozen=True, slots=True)
class RowMixer:
    """Mixes rows of a table so that each is a row that could occur.

    Numbers and ordinal levels are mixed and brought to their steps, never beyond the two they
    came from. Categories, combinations of linked columns, and everything where one of the two
    lies outside of what a search may go to ("missing", a number out of range) are taken from one
    of the two, from the first with the share as its probability. Rules on changes (immutable,
    monotone) do not bind: a mixture is nobody's change.
    """

    variables: Variables

    @classmethod
    def of(cls, schema: TableSchema) -> "RowMixer":
        """For rows of a schema."""
        return cls(Variables.of(schema))

    def __call__(
        self,
        a: Float[Tensor, "n d"],
        b: Float[Tensor, "n d"],
        *,
        share: Float[Tensor, " n"],
        draw: np.random.Generator,
    ) -> Float[Tensor, "n d"]:
        """A mixture of each pair of rows, float64."""
        a, b, share = a.double(), b.double(), share.double()
        old, other = self.variables.values(a), self.variables.values(b)
        # drawn for every variable, needed or not: so that pieces of any size draw the same
        luck = torch.from_numpy(draw.random(old.shape)).to(a.device)
        first = luck < share[:, None]
        values = torch.where(first, old, other)
        for i, variable in enumerate(self.variables.all):
            if variable.rows is None and variable.kind is not ColumnKind.CATEGORICAL:
                values[:, i] = _between(old[:, i], other[:, i], values[:, i], share=share, variable=variable)
        return self.variables.rows(values)


def _between(a: Tensor, b: Tensor, one: Tensor, *, share: Tensor, variable: Variable) -> Tensor:
    """The mixed number on its steps, or ``one`` of the two where none that may occur lies between them."""
    mixed = on_grid(torch.lerp(b, a, share), step=variable.step, decimals=variable.decimals)
    mixed = variable.out_of_holes(mixed)
    low, high = torch.minimum(a, b), torch.maximum(a, b)
    inside = (low >= variable.low) & (high <= variable.high) & (mixed >= low) & (mixed <= high) & (a != b)
    inside &= ~(variable.is_code(a) | variable.is_code(b) | variable.is_code(mixed))
    return torch.where(inside, mixed, one)


def mixer_for(schema: TableSchema | None) -> Mixer:
    """How inputs are mixed: rows by their schema, images pixel by pixel."""
    return ImageMixer() if schema is None else RowMixer.of(schema)
