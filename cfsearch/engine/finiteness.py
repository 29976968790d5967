"""Checks that numbers are finite: at once on the CPU, together and with one read on a device."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import final

import torch
from jaxtyping import Bool
from torch import Tensor

from cfsearch.errors import CfsearchError


@final
class Finiteness:
    """Refuses NaN and infinity.

    Each look at a tensor of a device makes the host wait for it. Within ``together`` the looks are
    gathered, and the first that failed is raised at its end.

    Example:
        >>> from cfsearch.errors import QueryError
        >>> checks = Finiteness()
        >>> checks.check(torch.tensor([1.0, 2.0]), lambda value: QueryError("not finite"))
        >>> checks.check(torch.tensor([1.0, torch.nan]), lambda value: QueryError("not finite"))
        Traceback (most recent call last):
        ...
        cfsearch.errors.QueryError: not finite
    """

    def __init__(self) -> None:
        self._gathering = False
        self._found: list[tuple[Tensor, Tensor, Callable[[Tensor], CfsearchError]]] = []

    def check(self, value: Tensor, refused: Callable[[Tensor], CfsearchError]) -> None:
        """Refuse a tensor that holds NaN or infinity.

        Args:
            value: the tensor.
            refused: makes the error from it.

        Raises:
            CfsearchError: what ``refused`` made; within ``together`` at its end.
        """
        fine = _finite(value)
        if self._gathering and value.device.type != "cpu":
            self._found.append((fine, value, refused))
        elif not bool(fine):
            raise refused(value)

    @contextmanager
    def together(self) -> Iterator[None]:
        """Within it, tensors of a device are looked at together, at its end.

        Raises:
            CfsearchError: of the first tensor that was refused.
        """
        self._gathering, self._found = True, []
        try:
            yield
            found = self._found
            if found:
                fine = torch.stack([one for one, _, _ in found]).cpu().tolist()
                for good, (_, value, refused) in zip(fine, found, strict=True):
                    if not good:
                        raise refused(value)
        finally:
            self._gathering, self._found = False, []


def _finite(value: Tensor) -> Bool[Tensor, ""]:
    """Whether all numbers are finite.

    The least and the largest number answer it, as a NaN is handed on by both: one pass without a temporary of the tensor's
    size, where ``isfinite`` makes three.
    """
    if not value.numel() or not value.is_floating_point():
        return torch.isfinite(value).all()
    least, largest = torch.aminmax(value)
    return torch.isfinite(least) & torch.isfinite(largest)
