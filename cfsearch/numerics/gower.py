"""Gower's distance: the mean over variables of differences on one scale."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Self, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

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

    @classmethod
    def of(cls, rows: Float[Tensor, "r v"], *, categorical: Sequence[bool]) -> Self:
        """The index of known rows.

        Args:
            rows: each variable as a share of its range.
            categorical: which variables have values without an order.
        """
        levels = {i: torch.unique(rows[:, i]) for i, category in enumerate(categorical) if category}
        levels = {i: values for i, values in levels.items() if len(values) <= _LEVELS}
        return cls(rows, tuple(categorical), levels, _hot(rows, levels), _ends(rows) if len(rows) else None)

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

        The ``k`` smallest values of ``distance``, to the last bit: only these are divided.

        Args:
            rows: each variable as a share of its range.
            k: how many, at most as many as there are.
        """
        near = self._summed(rows).topk(k, dim=-1, largest=False).values
        return near.div_(len(self.categorical))

    def _summed(self, rows: Tensor) -> Float[Tensor, "n r"]:
        """Differences summed over the variables; the tensor is the caller's to change."""
        if not len(rows) or self.ends is None:
            return rows.new_zeros(len(rows), len(self.rows))
        ends = _ends(rows), self.ends
        # where no difference exceeds the range none has to be cut; what is no number is compared one by one
        within = (
            torch.maximum(ends[0][1], ends[1][1]) - torch.minimum(ends[0][0], ends[1][0]) <= 1.0
        ).tolist()
        summed = [i for i, category in enumerate(self.categorical) if not category and within[i]]
        out = torch.cdist(rows[:, summed], self.rows[:, summed].to(rows.dtype), p=1.0)
        if self.levels:
            # in place: each tensor of this size costs more to get than to fill
            out += (_hot(rows, self.levels) @ self.hot.T).neg_().add_(len(self.levels))
        rest = [i for i in range(len(self.categorical)) if i not in self.levels and i not in summed]
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
