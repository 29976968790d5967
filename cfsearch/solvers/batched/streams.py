"""Random numbers of many queries at once, computed from counters instead of drawn one after the other.

On the CPU numpy computes them, whose unsigned integers need neither masks nor copies; a device gets them from
tensors. Both are the same numbers.
"""

from collections.abc import Sequence
from typing import Final, final

import numpy as np
import torch
from jaxtyping import Float, Int, UInt64
from torch import Tensor

_GOLDEN: Final = -0x61C8864680B583EB
_FIRST: Final = -0x40A7B892E31B1A47
_SECOND: Final = -0x6B2FB644ECCEEE15
"""The constants of SplitMix64, as signed numbers."""

_WORD: Final = 2**64

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
        self._host = keys[:, None] if self._keys.device.type == "cpu" else None
        self._steps = _steps(0)
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
        if self._host is not None:
            return _upper(self._drawn(self._host, purpose, shape), shape, dtype)
        return _unit(self._hashed(purpose, shape), dtype)

    def pair(
        self, purpose: int, shape: tuple[int, ...], *, dtype: torch.dtype = torch.float32
    ) -> tuple[Float[Tensor, "b *shape"], Float[Tensor, "b *shape"]]:
        """Two independent tensors of uniform numbers in [0, 1) for the price of one.

        Args:
            purpose: as for ``uniform``.
            shape: likewise.
            dtype: likewise.
        """
        if self._host is not None:
            drawn = self._drawn(self._host, purpose, shape)
            return _upper(drawn, shape, dtype), _lower(drawn, shape, dtype)
        h = self._hashed(purpose, shape)
        low = h & 0xFFFFFFFF
        if dtype is torch.float32:
            return _unit(h, dtype), (low >> 8).to(dtype) * 2.0**-24
        return _unit(h, dtype), low.to(dtype) * 2.0**-32

    def _drawn(
        self, keys: UInt64[np.ndarray, "b 1"], purpose: int, shape: tuple[int, ...]
    ) -> UInt64[np.ndarray, "b k"]:
        """As ``_hashed``, flat."""
        count = int(np.prod(shape))
        if count > len(self._steps):
            self._steps = _steps(count)
        start = ((self.turn << _PURPOSES) | purpose) << _PLACES
        z: UInt64[np.ndarray, "b k"] = keys + np.uint64(start * _GOLDEN % _WORD) + self._steps[:count]
        part = np.empty_like(z)
        for shift, factor in ((30, _FIRST), (27, _SECOND)):
            z ^= np.right_shift(z, np.uint64(shift), out=part)
            z *= np.uint64(factor % _WORD)
        z ^= np.right_shift(z, np.uint64(31), out=part)
        return z

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


def _steps(count: int) -> UInt64[np.ndarray, " k"]:
    """What each place adds to the first counter."""
    return np.arange(count, dtype=np.uint64) * np.uint64(_GOLDEN % _WORD)


def _upper(drawn: UInt64[np.ndarray, "b k"], shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Numbers in [0, 1) of the upper half of each word, as ``_unit`` makes them of signed ones."""
    if dtype is torch.float32:
        return _scaled((drawn >> np.uint64(40)).astype(np.int32) ^ np.int32(2**23), 24, shape, dtype)
    return _scaled((drawn >> np.uint64(32)).astype(np.int64) ^ np.int64(2**31), 32, shape, dtype)


def _lower(drawn: UInt64[np.ndarray, "b k"], shape: tuple[int, ...], dtype: torch.dtype) -> Tensor:
    """Numbers in [0, 1) of the lower half of each word."""
    half = drawn.astype(np.uint32)
    if dtype is torch.float32:
        return _scaled((half >> np.uint32(8)).astype(np.int32), 24, shape, dtype)
    return _scaled(half.astype(np.int64), 32, shape, dtype)


def _scaled(
    whole: Int[np.ndarray, "b k"], bits: int, shape: tuple[int, ...], dtype: torch.dtype
) -> Float[Tensor, "b *shape"]:
    return (torch.from_numpy(whole).to(dtype) * 2.0**-bits).reshape(len(whole), *shape)


def _unit(h: Tensor, dtype: torch.dtype) -> Tensor:
    if dtype is torch.float32:
        return ((h >> 40) + 2**23).to(dtype) * 2.0**-24
    return ((h >> 32) + 2**31).to(dtype) * 2.0**-32
