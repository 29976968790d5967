"""A call of a stranger's code, after which this process is what it was before."""

import contextlib
import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch

from cfsearch.errors import CfsearchWarning


@contextmanager
def undisturbed(who: str) -> Iterator[None]:
    """Put back what a model changes of the process that it is called in, and say so.

    That is the current folder (relative paths of the run would lead elsewhere), the standard streams, the default type and the
    gradients of torch, and numpy's handling of floating-point errors. Global generators of
    random numbers are the model's own: cfsearch draws from none of them.

    Args:
        who: the model, for messages.

    Example:
        >>> with warnings.catch_warnings(action="ignore"), undisturbed("m"):
        ...     torch.set_default_dtype(torch.float64)
        >>> torch.get_default_dtype()
        torch.float32
    """
    folder, held, streams = _folder(), _held(), (sys.stdout, sys.stderr)
    try:
        yield
    finally:
        changed = _put_back(held)
        if (sys.stdout, sys.stderr) != streams:
            sys.stdout, sys.stderr = streams
            changed.append("where it prints")
        if folder is not None and _folder() != folder:
            with contextlib.suppress(OSError):
                os.chdir(folder)
                changed.append("the current folder")
        if changed:
            warnings.warn(
                f"{who}: a call of the model changed {', '.join(changed)} of this process; it was put back. Keep "
                "the model in a process of its own (--isolation), where it may.",
                CfsearchWarning,
                stacklevel=3,
            )


def _folder() -> str | None:
    try:
        return os.getcwd()  # noqa: PTH109  # on the way of every call
    except OSError:
        return None


def _held() -> tuple[torch.dtype, bool, Any]:  # Any: numpy keeps the type of its settings to itself
    return torch.get_default_dtype(), torch.is_grad_enabled(), np.geterr()


def _put_back(held: tuple[torch.dtype, bool, Any]) -> list[str]:  # Any: as above
    """What was changed and is again what it was."""
    dtype, gradients, errors = held
    changed: list[str] = []
    if torch.get_default_dtype() is not dtype:
        torch.set_default_dtype(dtype)
        changed.append("torch's default type")
    if torch.is_grad_enabled() is not gradients:
        torch.set_grad_enabled(gradients)
        changed.append("torch's gradients")
    if np.geterr() != errors:
        np.seterr(**errors)
        changed.append("numpy's handling of errors")
    return changed
