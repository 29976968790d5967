"""What a model answered within one search, so that no candidate is queried twice."""

from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor


@final
class Memory:
    """Values of the distinct points of one query, in the order in which they were met.

    Two points are the same where every bit is the same, but for the sign of zero.

    Args:
        width: how many values belong to a point.

    Shapes:
        points ``(n, *x)``; values ``(n, width)``; all on the CPU.
    """

    def __init__(self, width: int) -> None:
        self._place: dict[bytes, int] = {}
        self._values = torch.zeros(0, width)

    def __len__(self) -> int:
        return len(self._place)

    def new(self, points: Float[Tensor, "n *x"]) -> list[int]:
        """Places of the points that are not known, of equal ones the first.

        Args:
            points: on any device.
        """
        found: dict[bytes, int] = {}
        for i, key in enumerate(_keys(points)):
            if key not in self._place:
                found.setdefault(key, i)
        return list(found.values())

    def known(self, points: Float[Tensor, "n *x"]) -> Bool[Tensor, " n"]:
        """Which points are known.

        Args:
            points: on any device.
        """
        return torch.tensor([key in self._place for key in _keys(points)], dtype=torch.bool)

    def add(self, points: Float[Tensor, "n *x"], values: Float[Tensor, "n width"]) -> None:
        """Remember points that are new (``new``) and all different.

        Args:
            points: on any device.
            values: what belongs to them.
        """
        # a value keeps the precision in which it was measured
        kind = (
            values.dtype if not len(self._values) else torch.promote_types(self._values.dtype, values.dtype)
        )
        start = len(self._values)
        self._values = torch.cat([self._values.to(kind), values.detach().cpu().to(kind)])
        for at, key in enumerate(_keys(points), start=start):
            self._place[key] = at

    def recall(self, points: Float[Tensor, "n *x"]) -> Float[Tensor, "n width"]:
        """The values of known points.

        Args:
            points: on any device.

        Raises:
            KeyError: one of them is not known.
        """
        return self._values[[self._place[key] for key in _keys(points)]]


def _keys(points: Tensor) -> list[bytes]:
    rows = points.detach().cpu().flatten(1).numpy() + 0.0  # minus zero is zero
    every, width = rows.tobytes(), rows.itemsize * rows.shape[1]
    return [every[at : at + width] for at in range(0, len(every), width)] if width else [b""] * len(rows)
