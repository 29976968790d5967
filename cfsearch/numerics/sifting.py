"""Which known rows may be among the nearest by Gower's distance, from sums of small whole numbers."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self, final

import numpy as np
import torch
from jaxtyping import Float, Int, Int16, UInt8
from numpy.typing import NDArray
from torch import Tensor

_FINE: Final = 1024
"""Units of a range, at most."""

_COARSE: Final = 64
"""Units of a range below which too many rows would be left."""

_WHOLE: Final = 2**15 - 1
_FAR: Final = 8
"""Ranges from the smallest known value within which numbers may lie."""

_LEVELS: Final = 250
_UNKNOWN: Final = 255
"""Code of a level that no known row has."""

_BLOCKS: Final = 64
"""The smallest sums of so many groups of rows bound the k-th smallest of all."""

_CELLS: Final = 2**17
"""Sums that are held at a time."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Sift:
    """Known rows as small whole numbers; ``of`` makes it.

    A difference of numbers is off by a unit at most, so a sum of ``c`` of them by ``c`` units. A row whose sum exceeds
    that of ``k`` others by more than twice as much is not among the ``k`` nearest.

    Args:
        unit: whole numbers in one range.
        low: what the numbers begin at.
        numbers: which variables are numbers.
        values: their whole numbers.
        levels: the values of each category, in order.
        codes: their places.

    Shapes:
        low ``(c,)``; values ``(c, r)``; codes ``(g, r)``.

    Example:
        >>> known = torch.arange(300, dtype=torch.float64)[:, None] / 299
        >>> sift = Sift.of(known, categorical=[False])
        >>> _, places = sift.pairs(known[150:151], within=[True], k=3)
        >>> {149, 150, 151} <= set(places.tolist()), len(places) < 30
        (True, True)
    """

    unit: int
    low: Float[Tensor, " c"]
    numbers: tuple[int, ...]
    values: Int16[np.ndarray, "c r"]
    levels: dict[int, Float[Tensor, " l"]]
    codes: UInt8[np.ndarray, "g r"]

    @classmethod
    def of(cls, rows: Float[Tensor, "r v"], *, categorical: Sequence[bool]) -> Self | None:
        """The sift of known rows; None where there are few, very wide ones, missing or far numbers, or very many levels.

        Args:
            rows: each variable as a share of its range.
            categorical: which variables have values without an order.
        """
        v = len(categorical)
        unit = min(_FINE, _WHOLE // (v + 1))
        if len(rows) < 4 * _BLOCKS or unit < _COARSE or not bool(torch.isfinite(rows).all()):
            return None
        numbers = tuple(i for i, category in enumerate(categorical) if not category)
        levels = {i: torch.unique(rows[:, i]) for i, category in enumerate(categorical) if category}
        low = rows[:, list(numbers)].amin(0)
        moved = rows[:, list(numbers)] - low
        if any(len(one) > _LEVELS for one in levels.values()) or bool((moved > _FAR).any()):
            return None
        codes = np.empty((len(levels), len(rows)), dtype=np.uint8)
        for place, (i, values) in enumerate(levels.items()):
            codes[place] = torch.searchsorted(values, rows[:, i].contiguous()).numpy()
        return cls(unit, low, numbers, _whole(moved, unit), levels, codes)

    def pairs(
        self, rows: Float[Tensor, "n v"], *, within: Sequence[bool], k: int
    ) -> tuple[Int[Tensor, " p"], Int[Tensor, " p"]] | None:
        """Pairs of a row and a known row that may be among its ``k`` nearest; None where numbers lie too far out.

        Args:
            rows: each variable as a share of its range.
            within: of which variables no difference exceeds the range.
            k: how many, at most 64.
        """
        moved = rows[:, list(self.numbers)] - self.low
        if k > _BLOCKS or not bool((moved.abs() <= _FAR).all()):
            return None
        values, codes = _whole(moved, self.unit), self._codes_of(rows)
        step = max(1, _CELLS // self.values.shape[1])
        found = [
            self._near(values[:, at : at + step], codes[:, at : at + step], within=within, k=k, first=at)
            for at in range(0, len(rows), step)
        ]
        i, j = (np.concatenate(part) for part in zip(*found, strict=True))
        return torch.from_numpy(i), torch.from_numpy(j)

    def _codes_of(self, rows: Tensor) -> NDArray[np.uint8]:
        codes = np.empty((len(self.levels), len(rows)), dtype=np.uint8)
        for place, (i, values) in enumerate(self.levels.items()):
            own = rows[:, i].contiguous()
            at = torch.searchsorted(values, own).clamp_(max=len(values) - 1)
            codes[place] = torch.where(values[at] == own, at, _UNKNOWN).numpy()
        return codes

    def _near(
        self,
        values: NDArray[np.int16],
        codes: NDArray[np.uint8],
        *,
        within: Sequence[bool],
        k: int,
        first: int,
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        n, r = values.shape[1] if len(values) else codes.shape[1], self.values.shape[1]
        sums, held = np.zeros((n, r), dtype=np.int16), np.empty((n, r), dtype=np.int16)
        for at, mine, known in zip(self.numbers, values, self.values, strict=True):
            np.abs(np.subtract(mine[:, None], known, out=held), out=held)
            if not within[at]:
                np.minimum(held, np.int16(self.unit), out=held)
            sums += held
        unequal, other = np.zeros((n, r), dtype=np.uint8), np.empty((n, r), dtype=bool)
        for mine, known in zip(codes, self.codes, strict=True):
            unequal += np.not_equal(mine[:, None], known, out=other).view(np.uint8)
        sums += np.multiply(unequal, np.int16(self.unit), out=held)
        groups = sums[:, : r // _BLOCKS * _BLOCKS].reshape(n, -1, _BLOCKS).min(axis=1)
        limit = np.partition(groups, k - 1, axis=1)[:, k - 1] + 2 * len(self.numbers)
        i, j = np.divmod(np.flatnonzero(sums <= limit[:, None].astype(np.int16)), r)
        return i + first, j


def _whole(moved: Tensor, unit: int) -> NDArray[np.int16]:
    numbers: NDArray[np.int16] = (moved.T * unit).round().to(torch.int16).contiguous().numpy()
    return numbers
