"""Gower's distance: the mean over variables of differences on one scale."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from .sifting import Sift

_PIECE: Final = 2**16
"""Distances of one variable that are held at a time."""

_LEVELS: Final = 64
"""Most levels of a category that is compared by a product of matrices."""


def gower(change: Float[Tensor, "*n v"], *, categorical: Bool[Tensor, " v"]) -> Float[Tensor, "*n"]:
    """``1/v sum_i g_i`` with ``g_i = min(|change_i|, 1)``, and ``[change_i != 0]`` for a category; in [0, 1].

    Args:
        change: differences of two rows, as shares of each variable's range.
        categorical: which variables have values without an order.

    References:
        Gower 1971, *A general coefficient of similarity and some of its properties*,
        https://doi.org/10.2307/2528823.

    Example:
        >>> change = torch.tensor([0.5, 0.0, 1.0])  # shares of the range; the last is a category
        >>> round(gower(change, categorical=torch.tensor([False, False, True])).item(), 4)
        0.5
    """
    share = change.abs().clamp_max(1.0)
    distance: Tensor = torch.where(categorical, (change != 0).to(change.dtype), share).mean(-1)
    return distance


def gower_table(
    a: Float[Tensor, "n v"], b: Float[Tensor, "r v"], *, categorical: Sequence[bool]
) -> Float[Tensor, "n r"]:
    """``gower(a[i] - b[j])`` for every pair, one variable at a time so that memory stays small.

    Args:
        a: rows, each variable as a share of its range.
        b: other rows, likewise.
        categorical: which variables have values without an order.

    Example:
        >>> rows, others = torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, 1.0], [0.5, 2.0]])
        >>> gower_table(rows, others, categorical=[False, True]).tolist()
        [[0.0, 0.75]]
    """
    a, b = a.T, b.T.contiguous()
    out = torch.zeros(a.shape[1], b.shape[1], dtype=a.dtype, device=a.device)
    piece = max(1, _PIECE // max(1, b.shape[1]))
    for at in range(0, len(out), piece):
        total = out[at : at + piece]
        for i, category in enumerate(categorical):
            mine = a[i, at : at + piece, None]
            total += mine != b[i] if category else (mine - b[i]).abs_().clamp_(max=1.0)
    return out / len(categorical)


@final
@dataclass(frozen=True, slots=True, eq=False)
class GowerIndex:
    """Rows to which Gower's distance is measured again and again; ``of`` makes it.

    The distances are those of ``gower_table`` but for rounding, in about half its time: numbers are summed in one
    pass, and of categories equal ones are counted by a product of matrices.

    Args:
        rows: each variable as a share of its range.
        categorical: which variables have values without an order.
        levels: of each category that is counted by a product, its values in order, by its place.
        hot: one column a level of these, 1 where a row has it.
        ends: the smallest and the largest value of each variable; None without rows.
        sift: finds known rows that may be near; None where it would not help.

    Shapes:
        rows ``(r, v)``; hot ``(r, l)``, float32; ends ``(2, v)``.

    Example:
        >>> index = GowerIndex.of(torch.tensor([[0.0, 1.0], [0.5, 2.0]]), categorical=[False, True])
        >>> index.distance(torch.tensor([[0.0, 1.0]])).tolist()
        [[0.0, 0.75]]
    """

    rows: Float[Tensor, "r v"]
    categorical: tuple[bool, ...]
    levels: dict[int, Float[Tensor, " l"]]
    hot: Float[Tensor, "r l"]
    ends: Float[Tensor, "2 v"] | None = None
    sift: Sift | None = None

    @classmethod
    def of(cls, rows: Float[Tensor, "r v"], *, categorical: Sequence[bool]) -> Self:
        """The index of known rows.

        Args:
            rows: each variable as a share of its range.
            categorical: which variables have values without an order.
        """
        levels = {i: torch.unique(rows[:, i]) for i, category in enumerate(categorical) if category}
        levels = {i: values for i, values in levels.items() if len(values) <= _LEVELS}
        ends, sift = _ends(rows) if len(rows) else None, Sift.of(rows, categorical=categorical)
        return cls(rows, tuple(categorical), levels, _hot(rows, levels), ends, sift)

    def __len__(self) -> int:
        return len(self.rows)

    def to(self, device: torch.device) -> "GowerIndex":
        """The same on another device.

        Args:
            device: where distances will be measured.
        """
        if self.rows.device == device:
            return self
        levels = {i: values.to(device) for i, values in self.levels.items()}
        ends = None if self.ends is None else self.ends.to(device)
        return GowerIndex(self.rows.to(device), self.categorical, levels, self.hot.to(device), ends)

    def distance(self, rows: Float[Tensor, "n v"]) -> Float[Tensor, "n r"]:
        """Gower's distance of every given row to every known one.

        Args:
            rows: each variable as a share of its range.
        """
        return self._summed(rows).div_(len(self.categorical))

    def nearest(self, rows: Float[Tensor, "n v"], *, k: int) -> Float[Tensor, "n k"]:
        """Gower's distance of every given row to its nearest known ones, the nearest first.

        The ``k`` smallest values of ``distance`` of each row alone, to the last bit, whatever rows stand beside it. On a
        CPU small whole numbers say first which known rows may be among them.

        Args:
            rows: each variable as a share of its range.
            k: how many, at most as many as there are.
        """
        within = self._within(rows)
        if not len(rows) or bool((within == within[0]).all()):
            return self._nearest_alike(rows, k=k)
        out = rows.new_empty(len(rows), k)
        for pattern in torch.unique(within, dim=0):
            alike = (within == pattern).all(1)
            out[alike] = self._nearest_alike(rows[alike], k=k)
        return out

    def _nearest_alike(self, rows: Tensor, *, k: int) -> Float[Tensor, "n k"]:
        """``nearest`` of rows whose differences exceed the range in the same variables."""
        within = self._within(rows).all(0).tolist()
        pairs = None
        if self.sift is not None and len(rows) and rows.dtype is torch.float64 and rows.device.type == "cpu":
            pairs = self.sift.pairs(rows, within=within, k=k)
        if pairs is None:
            pieces = torch.split(rows, max(1, 2 * _PIECE // max(1, len(self))))
            near = torch.cat([self._summed(part).topk(k, dim=-1, largest=False).values for part in pieces])
            return near.div_(len(self.categorical))
        i, j = pairs
        place = torch.arange(len(i)) - torch.searchsorted(i, torch.arange(len(rows)))[i]
        found = rows.new_full((len(rows), int(place.max()) + 1), torch.inf)
        found[i, place] = self._pairs(rows[i], self.rows[j], within=within)
        return found.topk(k, dim=-1, largest=False).values.div_(len(self.categorical))

    def _pairs(self, mine: Tensor, known: Tensor, *, within: Sequence[bool]) -> Float[Tensor, " p"]:
        """``_summed`` of some pairs alone, to the same bits."""
        summed, rest = self._kinds(within)
        out: Tensor = torch.cdist(mine[:, None, summed], known[:, None, summed], p=1.0)[:, 0, 0]
        levels = list(self.levels)
        if levels:
            out += (mine[:, levels] != known[:, levels]).sum(1)
        for at in rest:
            a, b = mine[:, at], known[:, at]
            out += a != b if self.categorical[at] else (a - b).abs_().clamp_(max=1.0)
        return out

    def _within(self, rows: Tensor) -> Bool[Tensor, "n v"]:
        """Of each row and variable whether no difference exceeds the range, so that none has to be cut; NaN does."""
        low, high = _ends(self.rows) if self.ends is None else self.ends
        return torch.maximum(rows, high) - torch.minimum(rows, low) <= 1.0

    def _kinds(self, within: Sequence[bool]) -> tuple[list[int], list[int]]:
        """The numbers that are summed in one pass, and what is compared one by one."""
        summed = [i for i, category in enumerate(self.categorical) if not category and within[i]]
        rest = [i for i in range(len(self.categorical)) if i not in self.levels and i not in summed]
        return summed, rest

    def _summed(self, rows: Tensor) -> Float[Tensor, "n r"]:
        """Differences summed over the variables; the tensor is the caller's to change."""
        if not len(rows) or self.ends is None:
            return rows.new_zeros(len(rows), len(self.rows))
        summed, rest = self._kinds(self._within(rows).all(0).tolist())
        out = torch.cdist(rows[:, summed], self.rows[:, summed].to(rows.dtype), p=1.0)
        if self.levels:
            # in place: each tensor of this size costs more to get than to fill
            out += (_hot(rows, self.levels) @ self.hot.T).neg_().add_(len(self.levels))
        for i in rest:
            mine, known = rows[:, i, None], self.rows[:, i]
            out += mine != known if self.categorical[i] else (mine - known).abs_().clamp_(max=1.0)
        return out


def _ends(rows: Tensor) -> Float[Tensor, "2 v"]:
    """The smallest and the largest value of each variable."""
    return torch.stack([rows.amin(0), rows.amax(0)])


def _hot(rows: Tensor, levels: dict[int, Tensor]) -> Float[Tensor, "n l"]:
    """One column a level, 1 where a row has it."""
    columns = [rows[:, i, None] == values for i, values in levels.items()]
    return torch.cat(columns, dim=1).float() if columns else rows.new_zeros(len(rows), 0, dtype=torch.float32)
