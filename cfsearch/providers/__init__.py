"""Providers: adapters of audited models (one kind a file), and wrappers that count, cache and vote."""

from typing import TYPE_CHECKING, Final

from cfsearch.lazy import lazy_names

if TYPE_CHECKING:
    from .callable import CallableProvider as CallableProvider
    from .onnx import OnnxProvider as OnnxProvider
    from .sklearn import SklearnProvider as SklearnProvider
    from .text import TextProvider as TextProvider
    from .torch_module import TorchProvider as TorchProvider

_HOME: Final = {
    "CallableProvider": "callable",
    "OnnxProvider": "onnx",
    "SklearnProvider": "sklearn",
    "TextProvider": "text",
    "TorchProvider": "torch_module",
}

__all__ = [
    "CallableProvider",
    "OnnxProvider",
    "SklearnProvider",
    "TextProvider",
    "TorchProvider",
]

if not TYPE_CHECKING:  # to a type checker a name that is not listed is an error
    __getattr__ = lazy_names(__name__, _HOME)


def __dir__() -> list[str]:
    return sorted(__all__)
