"""Tensors in memory that two processes share."""

import math
import mmap
import os
from collections.abc import Sequence
from typing import Any, Final, final

import torch
from torch import Tensor

from cfsearch.errors import ProviderError

_ALIGNED: Final = 64
_KEPT: Final = 256
"""Places that are remembered: calls of one search have few shapes."""
_DTYPES: Final = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool),
        *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    )
}
_Form = tuple[torch.dtype, torch.Size]


@final
class Arena:
    """Shared memory that tensors are written to and read from.

    Where tensors lie is one text: ``dtype shape offset`` for each, such as ``float32 100x3 0``. Shapes of earlier calls
    are known again, as a search has few of them and a call of a fast model takes no longer than looking at a new one.

    Args:
        descriptor: of the shared file; both sides open the same.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor: Final = descriptor
        self._map: mmap.mmap | None = None
        self._size = 0
        self._views: Final[dict[str, list[Tensor]]] = {}
        self._texts: Final[dict[tuple[_Form, ...], str]] = {}

    def write(self, tensors: Sequence[Tensor]) -> str:
        """Write tensors, over what was there, and say where they lie.

        Args:
            tensors: on any device, in any order of memory.
        """
        forms = tuple([(tensor.dtype, tensor.shape) for tensor in tensors])
        text = self._texts.get(forms) or self._placed(forms)
        for tensor, view in zip(tensors, self._viewed(text), strict=True):
            view.copy_(tensor.detach())
        return text

    def read(self, text: Any) -> list[Tensor]:  # Any: what the other side says is checked
        """Copies of the tensors that the other side wrote.

        Args:
            text: what its ``write`` returned.

        Raises:
            ProviderError: these are no tensors in this memory.
        """
        return [view.clone() for view in self._viewed(text)]

    def _placed(self, forms: tuple[_Form, ...]) -> str:
        """Where tensors of these forms lie from now on; there is room for them."""
        words, end = [], 0
        for dtype, shape in forms:
            words.append(f"{str(dtype).removeprefix('torch.')} {'x'.join(map(str, shape))} {end}")
            end += -(-math.prod(shape) * dtype.itemsize // _ALIGNED) * _ALIGNED
        if end > os.fstat(self._descriptor).st_size:
            os.ftruncate(self._descriptor, max(2**20, end + end // 4))
        if len(self._texts) >= _KEPT:
            self._texts.clear()
        text = self._texts[forms] = ",".join(words)
        return text

    def _viewed(self, text: Any) -> list[Tensor]:  # Any: see `read`
        if not isinstance(text, str):
            raise _foreign()
        views = self._views.get(text)
        if views is None:
            views = [self._view(part) for part in text.split(",")] if text else []
            if len(self._views) >= _KEPT:
                self._views.clear()
            self._views[text] = views
        return views

    def _view(self, part: str) -> Tensor:
        words = part.split(" ")
        sizes = words[1].split("x") if len(words) == 3 and words[1] else []
        if len(words) != 3 or words[0] not in _DTYPES or not all(map(_is_count, (*sizes, words[2]))):
            raise _foreign()
        dtype, shape, offset = _DTYPES[words[0]], [int(size) for size in sizes], int(words[2])
        count = math.prod(shape)
        if not count:
            return torch.empty(shape, dtype=dtype)
        end = offset + count * dtype.itemsize
        if self._map is None or end > self._size:
            size = os.fstat(self._descriptor).st_size
            if end > size:
                raise _foreign()
            self._views.clear()  # the old map goes when the last tensor on it does
            self._map, self._size = mmap.mmap(self._descriptor, size), size
        return torch.frombuffer(self._map, dtype=dtype, count=count, offset=offset).reshape(shape)


def _is_count(word: str) -> bool:
    """Whether it is a whole number, not negative, of a length that can be one of bytes."""
    return word.isascii() and word.isdecimal() and len(word) < 20


def _foreign() -> ProviderError:
    return ProviderError("the model's process answered with what is no tensor.")
