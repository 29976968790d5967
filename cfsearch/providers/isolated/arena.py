"""Tensors in memory that two processes share."""

import math
import mmap
import os
from collections.abc import Sequence
from typing import Any, Final, final

import torch
from torch import Tensor

from cfsearch.errors import ProviderError

Spec = dict[str, Any]  # Any: plain JSON values: dtype, shape, offset

_ALIGNED: Final = 64
_DTYPES: Final = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        *(torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.bool),
        *(torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    )
}


@final
class Arena:
    """Shared memory that tensors are written to and read from.

    Args:
        descriptor: of the shared file; both sides open the same.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor: Final = descriptor
        self._map: mmap.mmap | None = None
        self._size = 0

    def write(self, tensors: Sequence[Tensor]) -> list[Spec]:
        """Write tensors, over what was there, and say where each lies.

        Args:
            tensors: on any device, in any order of memory.
        """
        specs, end = [], 0
        for tensor in tensors:
            dtype = str(tensor.dtype).removeprefix("torch.")
            specs.append({"dtype": dtype, "shape": list(tensor.shape), "offset": end})
            end += -(-tensor.numel() * tensor.element_size() // _ALIGNED) * _ALIGNED
        if end > os.fstat(self._descriptor).st_size:
            os.ftruncate(self._descriptor, max(2**20, end + end // 4))
        for tensor, spec in zip(tensors, specs, strict=True):
            if tensor.numel():
                self._view(spec).copy_(tensor.detach())
        return specs

    def read(self, specs: Sequence[Any]) -> list[Tensor]:  # Any: what the other side says is checked
        """Copies of the tensors that the other side wrote.

        Args:
            specs: what its ``write`` returned.

        Raises:
            ProviderError: these are no tensors in this memory.
        """
        return [self._view(spec).clone() for spec in specs]

    def _view(self, spec: Any) -> Tensor:  # Any: see `read`
        known = isinstance(spec, dict) and isinstance(spec.get("shape"), list)
        if not (known and spec.get("dtype") in _DTYPES and isinstance(spec.get("offset"), int)):
            raise _foreign()
        dtype, shape, offset = _DTYPES[spec["dtype"]], spec["shape"], spec["offset"]
        if not all(isinstance(size, int) and size >= 0 for size in shape) or offset < 0:
            raise _foreign()
        count = math.prod(shape)
        if not count:
            return torch.empty(shape, dtype=dtype)
        end = offset + count * dtype.itemsize
        if self._map is None or end > self._size:
            size = os.fstat(self._descriptor).st_size
            if end > size:
                raise _foreign()
            # the old map goes when the last tensor on it does
            self._map, self._size = mmap.mmap(self._descriptor, size), size
        return torch.frombuffer(self._map, dtype=dtype, count=count, offset=offset).reshape(shape)


def _foreign() -> ProviderError:
    return ProviderError("the model's process answered with what is no tensor.")
