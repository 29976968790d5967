"""Which candidates were proposed before: a table of fingerprints for each query."""

from collections.abc import Callable
from typing import Final, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from .streams import mixed_bits

_MOST: Final = 2**16
_LEAST: Final = 2**12
"""Places of a table."""

_ROOM: Final = 8
"""Places a candidate that will be seen."""

_ATTEMPTS: Final = 4
"""How often a candidate that was there before is drawn anew."""

_NO: Final = -1


@final
class Seen:
    """Candidates that were proposed, of each query.

    A candidate is known by 64 bits of its own. One that is new is never called seen (two would have to
    share all bits); one that was seen is forgotten where another took its place in the table.

    Args:
        queries: how many.
        candidates: how many each will propose.
        d: search variables.
        device: where the table lies.

    Example:
        >>> seen = Seen(1, candidates=10, d=2, device="cpu")
        >>> z = torch.tensor([[[1.0, 0.0], [1.0, 0.0], [0.0, 2.0]]])
        >>> seen.again(z).tolist()
        [[False, True, False]]
        >>> seen.add(z)
        >>> seen.again(z).tolist()
        [[True, True, True]]
    """

    def __init__(self, queries: int, *, candidates: int, d: int, device: torch.device | str) -> None:
        places = _LEAST
        while places < min(_MOST, _ROOM * candidates):
            places *= 2
        self._mask = places - 1
        self._table = torch.full((queries, places), _NO, dtype=torch.int64, device=device)
        # odd factors, so that every bit of every variable counts
        self._factors = mixed_bits(torch.arange(1, d + 1, device=device)) | 1

    def again(self, z: Float[Tensor, "b n d"]) -> Bool[Tensor, "b n"]:
        """Which candidates were seen before, or stand earlier in the same tensor.

        Args:
            z: the candidates.
        """
        return self._again(self._print(z))

    def _again(self, print_: Int[Tensor, "b n"]) -> Bool[Tensor, "b n"]:
        known = self._table.gather(1, print_ & self._mask) == print_
        ordered, order = print_.sort(dim=1, stable=True)
        double = torch.nn.functional.pad(ordered[:, 1:] == ordered[:, :-1], (1, 0))
        return known | torch.zeros_like(double).scatter(1, order, double)

    def add(self, z: Float[Tensor, "b n d"]) -> None:
        """Remember candidates.

        Args:
            z: the candidates.
        """
        self._add(self._print(z))

    def _add(self, print_: Int[Tensor, "b n"]) -> None:
        # where two fall on one place the larger stays, in whatever order a device writes them
        self._table.scatter_reduce_(1, print_ & self._mask, print_, "amax", include_self=False)

    def made_new(
        self,
        z: Float[Tensor, "b k d"],
        draw: Callable[[int, int], Float[Tensor, "b q d"]],
        *,
        count: int | None = None,
    ) -> Float[Tensor, "b n d"]:
        """The first candidates that were not seen, with those that were drawn anew a few times; all are remembered.

        Where a small space holds no more new points, repetitions stay.

        Args:
            z: the candidates.
            draw: points for an attempt and so many places of each query; the first places of a query are
                the same however many there are.
            count: how many are wanted, at most as many as there are; all when left out.
        """
        print_ = self._print(z)
        again = self._again(print_)
        if count is not None:  # whether it was seen does not change where those that were go last
            order = again.to(torch.uint8).sort(dim=1, stable=True).indices[:, :count]
            again, print_ = again.gather(1, order), print_.gather(1, order)
            z = z.gather(1, order[..., None].expand(*order.shape, z.shape[-1]))
        for attempt in range(_ATTEMPTS):
            places = z.shape[1]
            if z.device.type == "cpu":
                places = int(again.sum(1).amax())
                if not places:
                    break
            fresh = draw(attempt, places)
            place = (again.long().cumsum(1) - 1).clamp(min=0)
            z = torch.where(again[..., None], fresh.gather(1, place[..., None].expand_as(z)), z)
            print_ = torch.where(again, self._print(fresh).gather(1, place), print_)
            if attempt + 1 < _ATTEMPTS:
                again = self._again(print_)
        self._add(print_)
        return z

    def _print(self, z: Tensor) -> Int[Tensor, "b n"]:
        bits = (z + 0.0).contiguous().view(torch.int32 if z.dtype is torch.float32 else torch.int64).long()
        if z.dtype is not torch.float32:
            bits = mixed_bits(
                bits
            )  # of 0, 1/2 and 1 all but the first twelve bits are 0: a sum of them would be, too
        # never negative, as what marks an empty place is
        return mixed_bits((bits * self._factors).sum(-1)) & 0x7FFFFFFFFFFFFFFF
