"""Python code that the user names on the command line: ``pkg.mod:function``."""

import importlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cfsearch.errors import ConfigError
from cfsearch.registry import unknown

_FORM = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")


def is_name(spec: str) -> bool:
    """Whether a text has the form ``pkg.mod:function``."""
    return _FORM.fullmatch(spec) is not None


def named(spec: str, *, what: str) -> Callable[..., Any]:
    """The function behind ``pkg.mod:function``; importing it runs the user's own code.

    The present folder is searched last, as ``python`` would search it, and stays on
    ``sys.path`` so that what the function imports later is found as well.

    Args:
        spec: what the user wrote.
        what: what it is for, for messages.

    Raises:
        ConfigError: the form is wrong, it cannot be imported, or is nothing to be called.
    """
    if not is_name(spec):
        raise ConfigError(f"{what}: expected the form pkg.mod:function, got {spec!r}.")
    module_name, _, path = spec.partition(":")
    here = str(Path.cwd())
    if here not in sys.path and "" not in sys.path:
        sys.path.append(here)
    try:
        found: object = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is not None and f"{module_name}.".startswith(f"{error.name}."):
            raise ConfigError(
                f"{what}: there is no module {error.name!r} for {spec!r}. Install it, or run "
                "from the folder that holds it."
            ) from error
        raise ConfigError(
            f"{what}: module {module_name!r} needs {error.name!r}, which is not installed."
        ) from error
    except Exception as error:  # the user's code may raise anything while it is imported
        raise ConfigError(
            f"{what}: module {module_name!r} failed while it was imported: {type(error).__name__}: {error}."
        ) from error
    for part in path.split("."):
        try:
            found = getattr(found, part)
        except AttributeError as error:
            known = [name for name in dir(found) if not name.startswith("_")]
            raise ConfigError(
                f"{what}: module {module_name!r} has no {path!r}: {unknown('name', part, known[:20])}"
            ) from error
    if not callable(found):
        raise ConfigError(f"{what}: {spec!r} must be a function or class, got {type(found).__name__}.")
    return found
