"""Domain of texts: gradients with respect to word embeddings."""

from typing import Final, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cfsearch.contracts.domain import Domain
from cfsearch.datasets.text import FIRST, PADDING
from cfsearch.errors import ConfigError, ShapeError

_SAME: Final = 1e-6
"""A place whose numbers moved less than this, relative to their size, was not touched."""
_PIECE: Final = 1024
"""Places whose distances to all words are computed at once."""


@final
class TokenDomain(Domain):
    """Domain whose numbers are word embeddings and whose features are places in the text.

    ``project`` puts the nearest word of the vocabulary at each place that was touched (the
    original's own word where that is nearest), never padding and never "unknown". Places after
    the end of a text are fixed.

    Args:
        embedding: a row a word number, padding and unknown first.
        length: places of a text, t.

    Shapes:
        embedding ``(v, e)``; inputs ``(b, t)`` int64; numbers ``(b, t, e)``.

    Raises:
        ConfigError: no word to choose from, or no place.
    """

    def __init__(self, embedding: Float[Tensor, "v e"], *, length: int) -> None:
        if embedding.ndim != 2 or len(embedding) <= FIRST or length < 1:
            raise ConfigError(
                f"token domain: expected an embedding of a word or more and a place or more, got shape "
                f"{tuple(embedding.shape)} and length {length!r}."
            )
        self.embedding: Tensor = embedding.detach().float()
        self.shape: tuple[int, ...] = (length, embedding.shape[1])
        self.layout: tuple[int, ...] = (length,)
        self.owner: Tensor = torch.arange(length)[:, None].expand(self.shape).contiguous()
        self._ends = self.embedding[FIRST:].amin(0), self.embedding[FIRST:].amax(0)

    def encode(self, x: Int[Tensor, "b t"]) -> Float[Tensor, "b t e"]:
        """The embeddings of word numbers; of any length.

        Raises:
            ShapeError: not one row of word numbers a text.
        """
        if x.ndim != 2:
            raise ShapeError(f"token domain: expected word numbers of shape (b, t), got {tuple(x.shape)}.")
        return self.embedding.to(x.device)[x.long()]

    def project(self, u: Float[Tensor, "b t e"], *, origin: Int[Tensor, "b t"]) -> Int[Tensor, "b t"]:
        home = self.encode(origin)
        moved = (u - home).abs().amax(-1) > _SAME * home.abs().amax(-1).clamp_min(1.0)
        moved &= self.free(origin)
        words = self.embedding[FIRST:].to(u.device)
        out = origin.clone()
        touched = torch.split(u[moved].detach(), _PIECE)
        nearest = torch.cat([torch.cdist(piece, words).argmin(1) for piece in touched])
        out[moved] = (FIRST + nearest).to(origin.dtype)
        return out

    def free(self, x: Int[Tensor, "b t"]) -> Bool[Tensor, "b f"]:
        return x != PADDING

    def bounds(self, x: Int[Tensor, "b t"]) -> tuple[Float[Tensor, "b t e"], Float[Tensor, "b t e"]]:
        """The box around all words, widened to the original's; padding is fixed."""
        home = self.encode(x)
        least, greatest = (end.to(x.device) for end in self._ends)
        fixed = ~self.free(x)[..., None]
        return (
            torch.where(fixed, home, torch.minimum(home, least)),
            torch.where(fixed, home, torch.maximum(home, greatest)),
        )
