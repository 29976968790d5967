"""A pretend CUDA device: tensors that say they are on it, hold their numbers on the CPU, and refuse to mix.

As on a real one, an operation on tensors of two devices raises, but for numbers without dimensions and
for indices; and what is on it reaches the host only by a copy, which is counted.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Self, final

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map

_AT: torch.device = torch.device("cuda", 0)
_READS = ("aten._local_scalar_dense.default", "aten.nonzero.default", "aten.equal.default")
_INDEX = ("aten.index.Tensor", "aten.index_put_.default")


@final
class OnCard(Tensor):
    """A tensor of the pretend device."""

    held: Tensor

    @staticmethod
    def __new__(cls, held: Tensor) -> "OnCard":
        made: OnCard = Tensor._make_wrapper_subclass(
            cls, held.shape, strides=held.stride(), dtype=held.dtype, device=_AT
        )
        made.held = held
        return made

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]  # torch types its stub, not its protocol
        cls,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # Any: torch's signature
        return _run(func, args, dict(kwargs or {}))


@final
class PretendCard(TorchDispatchMode):  # type: ignore[no-untyped-call]  # torch's
    """Within it, tensors can be made on the pretend device; ``reads`` counts waits of the host for it."""

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # torch's
        self.reads = 0
        # so marked, torch does not look for a driver before it makes a tensor on the device
        self._mode_key = torch._C._TorchDispatchModeKey.FAKE
        torch._C._ensureCUDADeviceGuardSet()

    def __enter__(self) -> Self:
        self._lifted = torch._C._only_lift_cpu_tensors()
        self._cudnn = torch.backends.cudnn.enabled
        self._overwritten = torch.__future__.get_overwrite_module_params_on_conversion()
        torch._C._set_only_lift_cpu_tensors(True)
        torch.backends.cudnn.enabled = False  # whose batch norm has no form for the CPU
        torch.__future__.set_overwrite_module_params_on_conversion(
            True
        )  # a moved parameter is another tensor
        super().__enter__()  # type: ignore[no-untyped-call]  # torch's
        return self

    def __exit__(self, *exc: Any) -> None:  # Any: as the base class
        super().__exit__(*exc)  # type: ignore[no-untyped-call]  # torch's
        torch._C._set_only_lift_cpu_tensors(self._lifted)
        torch.backends.cudnn.enabled = self._cudnn
        torch.__future__.set_overwrite_module_params_on_conversion(self._overwritten)

    def __torch_dispatch__(
        self,
        func: Any,
        types: Sequence[type],
        args: Sequence[Any] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:  # Any: torch's signature
        kwargs = dict(kwargs or {})
        flat, _ = tree_flatten((args, kwargs))
        moved = any(isinstance(part, OnCard) for part in flat)
        target = kwargs.get("device")
        leaves = target is not None and torch.device(target).type == "cpu"
        # how many rows a mask takes is known only when it is read
        masked = str(func) in _INDEX and any(
            isinstance(part, OnCard) and part.dtype is torch.bool for part in flat[1:]
        )
        if moved and (str(func) in _READS or leaves or masked):
            self.reads += 1
        return _run(func, args, kwargs)


def _run(func: Callable[..., Any], args: Sequence[Any], kwargs: dict[str, Any]) -> Any:  # Any: torch's
    flat, _ = tree_flatten((args, kwargs))
    tensors = [part for part in flat if isinstance(part, Tensor)]
    here = any(isinstance(part, OnCard) for part in tensors)
    device = kwargs.get("device")
    if device is not None:
        kwargs["device"] = torch.device("cpu")
        goes = torch.device(device).type == "cuda"
    else:
        goes = here
        strange = [t for t in tensors if not isinstance(t, OnCard) and t.ndim]
        if here and strange and str(func) not in _INDEX and str(func) != "aten.copy_.default":
            raise RuntimeError(f"{func}: expected all tensors to be on the same device, found cuda:0 and cpu")
    inner = tree_map(lambda part: part.held if isinstance(part, OnCard) else part, (tuple(args), kwargs))
    out = func(*inner[0], **inner[1])
    name = str(func).split(".")[1]
    if name.endswith("_") and not name.endswith("__") and flat and isinstance(args[0], Tensor):
        return args[0]  # in place
    return tree_map(lambda part: OnCard(part) if goes and isinstance(part, Tensor) else part, out)
