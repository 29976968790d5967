"""Random numbers of many queries at once, computed from counters instead of drawn one after the other."""

from collections.abc import Sequence
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

_GOLDEN: Final = -0x61C8864680B583EB
_FIRST: Final = -0x40A7B892E31B1A47
_SECOND: Final = -0x6B2FB644ECCEEE15
"""The constants of SplitMix64, as signed numbers."""

_PURPOSES: Final = 8
_PLACES: Final = 24
"""Bits of a counter for what a number is for, and for its place in a tensor."""


@final
class Streams:
    """One stream of random numbers a query; a number depends on its query, turn, purpose and place alone.

    So a query's numbers are the same alone and in any company, on every device, and however many
    numbers another query used up.

    Args:
        rngs: one generator a query, from which its key is drawn.
        device: where numbers are made.

    References:
        Steele, Lea and Flood 2014, Fast splittable pseudorandom number generators,
        https://doi.org/10.1145/2660193.2660195 (SplitMix64, whose state is a counter).
        Salmon et al. 2011, Parallel random numbers: as easy as 1, 2, 3,
        https://doi.org/10.1145/2063384.2063405 (why counters).

    Example:
        >>> two = Streams([np.random.default_rng(i) for i in range(2)], device="cpu")
        >>> one = Streams([np.random.default_rng(1)], device="cpu")
        >>> torch.equal(two.uniform(0, (3,))[1], one.uniform(0, (3,))[0])
        True
    """

    def __init__(self, rngs: Sequence[np.random.Generator], *, device: torch.device | str) -> None:
        keys = np.array([rng.integers(2**64, dtype=np.uint64) for rng in rngs], dtype=np.uint64)
        self._keys = torch.from_numpy(keys.view(np.int64)).to(device)[:, None]
        self.turn: int = 0
        """Raised by whoever uses them, once a generation."""

    def uniform(
        self, purpose: int, shape: tuple[int, ...], *, dtype: torch.dtype = torch.float32
    ) -> Float[Tensor, "b *shape"]:
        """Uniform numbers in [0, 1).

        Args:
            purpose: what they are for, 0 to 255; each is used once a turn.
            shape: for each query.
            dtype: float32 (24 random bits) or float64 (32).
        """
        h = self._hashed(purpose, shape)
        return _unit(h, dtype) if dtype is torch.float32 else ((h >> 32) + 2.0**31).to(dtype) * 2.0**-32

    def pair(
        self, purpose: int, shape: tuple[int, ...], *, dtype: torch.dtype = torch.float32
    ) -> tuple[Float[Tensor, "b *shape"], Float[Tensor, "b *shape"]]:
        """Two independent tensors of uniform numbers in [0, 1) for the price of one.

        Args:
            purpose: as for ``uniform``.
            shape: likewise.
            dtype: likewise.
        """
        h = self._hashed(purpose, shape)
        low = h & 0xFFFFFFFF
        if dtype is torch.float32:
            return _unit(h, dtype), (low >> 8).to(dtype) * 2.0**-24
        return ((h >> 32) + 2.0**31).to(dtype) * 2.0**-32, low.to(dtype) * 2.0**-32

    def _hashed(self, purpose: int, shape: tuple[int, ...]) -> Int[Tensor, "b *shape"]:
        count = int(np.prod(shape))
        start = ((self.turn << _PURPOSES) | purpose) << _PLACES
        counter = torch.arange(start, start + count, device=self._keys.device)
        return mixed_bits(self._keys + counter * _GOLDEN).reshape(len(self._keys), *shape)


def mixed_bits(z: Int[Tensor, "*n"]) -> Int[Tensor, "*n"]:
    """The finaliser of SplitMix64: every bit of the result depends on every bit of the argument.

    Example:
        >>> mixed_bits(torch.tensor([0x1234567])).tolist() == mixed_bits(torch.tensor([0x1234567])).tolist()
        True
    """
    z = (z ^ ((z >> 30) & 0x3FFFFFFFF)) * _FIRST
    z = (z ^ ((z >> 27) & 0x1FFFFFFFFF)) * _SECOND
    return z ^ ((z >> 31) & 0x1FFFFFFFF)


def _unit(h: Tensor, dtype: torch.dtype) -> Tensor:
    return ((h >> 40) + 2**23).to(dtype) * 2.0**-24
