"""What a function has bound to it, as a hash that is the same in every process."""

import contextlib
import functools
import hashlib
import inspect
import pickle
from collections.abc import Callable, Mapping
from typing import Final, final

import numpy as np
import torch
from torch import Tensor, nn

_DEEPEST: Final = 20


def content_hash(value: object) -> bytes:
    """A hash of an object by what does not change with use and is written alike in every process.

    Numbers, texts, lists, tables of them, arrays and tensors count by their values, networks by their weights,
    scikit-learn's estimators by their pickle, functions by their source, frozen data classes by their fields. Of
    another object the networks and estimators among its attributes count.

    Args:
        value: what is bound.

    Example:
        >>> content_hash({"a": 1, "b": 2}) == content_hash({"b": 2, "a": 1}), content_hash([1]) == content_hash([2])
        (True, False)
    """
    return _hash(value, 0)


def source_hash(function: object) -> str:
    """A hash of the source of a function, or of an object's class, with the model bound to it; it does not see what it calls.

    Of a bound method, or of an object that is called, the networks and estimators that it holds are part of the
    hash, of a ``functools.partial`` its function and its arguments. What else an object holds is not: counters,
    caches and random states change with use, and a run could not go on. What cannot be read (a sparse tensor)
    leaves the source alone.

    Args:
        function: what is called.
    """
    return _sourced(function, 0).hex()


def _hash(value: object, depth: int) -> bytes:
    digest = hashlib.sha256(f"{type(value).__module__}.{type(value).__qualname__}".encode())
    if depth > _DEEPEST:
        return digest.digest()

    def inner(one: object) -> bytes:
        return _hash(one, depth + 1)

    match value:
        case None | bool() | int() | float() | complex() | str() | bytes():
            digest.update(repr(value).encode("utf-8", "surrogatepass"))
        case list() | tuple():
            digest.update(b"".join(map(inner, value)))
        case set() | frozenset():
            digest.update(b"".join(sorted(map(inner, value))))
        case Mapping():
            digest.update(b"".join(sorted(inner(key) + inner(one) for key, one in value.items())))
        case np.ndarray() if value.dtype.kind != "O":
            digest.update(f"{value.dtype.str}{value.shape}".encode())
            digest.update(np.ascontiguousarray(value).tobytes())
        case Tensor():
            digest.update(f"{value.dtype}{tuple(value.shape)}".encode())
            digest.update(
                value.detach().cpu().contiguous().flatten().view(torch.uint8).numpy().tobytes()
                if value.numel()
                else b""
            )
        case nn.Module():
            digest.update(f"{value}".encode("utf-8", "replace") + inner(dict(value.state_dict())))
        case functools.partial():
            digest.update(inner(value.func) + inner(value.args) + inner(value.keywords))
        case _ if inspect.isroutine(value):
            digest.update(_sourced(value, depth + 1))
        case _ if _is_estimator(value):
            digest.update(_pickled(value))
        case _:
            held = getattr(value, "__dict__", {})
            if not _is_frozen(value):
                held = {name: one for name, one in held.items() if _is_model(one)}
            parts = (name.encode("utf-8", "replace") + inner(one) for name, one in sorted(held.items()))
            digest.update(b"".join(parts))
    return digest.digest()


def _sourced(function: object, depth: int) -> bytes:
    owner = function if inspect.isroutine(function) else type(function)
    place = f"{getattr(owner, '__module__', '?')}:{getattr(owner, '__qualname__', '?')}"
    try:
        text = inspect.getsource(owner)
    except (OSError, TypeError):
        text = ""
    digest = hashlib.sha256(f"{place}\n{text}".encode())
    bound = function if owner is not function else getattr(function, "__self__", None)
    if bound is not None and depth <= _DEEPEST:
        with contextlib.suppress(
            Exception
        ):  # torch reads no bytes of sparse tensors, Python writes no endless numbers
            digest.update(_hash(bound, depth + 1))
    return digest.digest()


def _is_frozen(value: object) -> bool:
    parameters = getattr(type(value), "__dataclass_params__", None)
    return bool(getattr(parameters, "frozen", False))


def _is_model(value: object) -> bool:
    return isinstance(value, nn.Module) or _is_estimator(value)


def _is_estimator(value: object) -> bool:
    return not isinstance(value, type) and hasattr(value, "get_params") and hasattr(value, "fit")


def _pickled(value: object) -> bytes:
    """A hash of a pickle, which is written and never read; empty where there is none."""
    digest = hashlib.sha256()
    try:
        pickle.Pickler(_Hashed(digest.update), protocol=4).dump(value)
    except Exception:  # noqa: BLE001  # what an object's own pickling may raise
        return b""
    return digest.digest()


@final
class _Hashed:
    """A file whose content is hashed and not kept."""

    def __init__(self, update: Callable[[bytes], object]) -> None:
        self._update: Final = update

    def write(self, part: bytes, /) -> int:
        self._update(part)
        return memoryview(part).nbytes
