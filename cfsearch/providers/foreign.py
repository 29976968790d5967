"""Calls of a model's own code: whatever it raises becomes an error that names the model."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from cfsearch.errors import CfsearchError, ModelMemoryError, ProviderError, cause_of, crash

_SHOWN: Final = 240
"""Letters of a stranger's message that are shown."""
_NO_MEMORY: Final = ("can't allocate memory", "out of memory")
"""What torch and onnxruntime write where they raise no MemoryError."""


_SCRIPT: Final = "The following operation failed in the TorchScript interpreter."
"""How torch begins what a TorchScript program raised: the program's own lines come first, the cause is last."""
_FRAME: Final = re.compile(r"<--- HERE$|^\S.*\(\d+\): \S+$")
"""A line on where it failed, of a script, or of a program that was traced."""


@contextmanager
def foreign_code(name: str, *, part: str, given: str, n: int) -> Iterator[None]:
    """What the code inside raises, as an error of ours; ours, and an interruption by the user, as they are.

    Args:
        name: the model.
        part: what of it runs, as a sentence calls it: "the function", "the network".
        given: what it was given, for the sentence: "inputs of shape (2, 3, 8, 8)".
        n: inputs in this call.

    Raises:
        ModelMemoryError: it ran out of memory.
        ProviderCrashedError: it raised what ends a program.
        ProviderError: it raised anything else.

    Example:
        >>> with foreign_code("m", part="the function", given="2 rows", n=2):
        ...     1 / 0
        Traceback (most recent call last):
            ...
        cfsearch.errors.ProviderError: m: the function failed on 2 rows: ZeroDivisionError: division by zero.
    """
    try:
        yield
    except (CfsearchError, KeyboardInterrupt):
        raise  # a served model, or a provider of cfsearch inside the function, speaks for itself
    except Exception as error:  # a stranger's code may raise anything
        text = _of_a_script(error) or cause_of(error, most=_SHOWN)
        if isinstance(error, MemoryError) or any(sign in text for sign in _NO_MEMORY):
            raise ModelMemoryError(
                f"{name}: out of memory for {n} inputs at once. Lower `max_batch`."
            ) from error
        raise ProviderError(f"{name}: {part} failed on {given}: {text}.") from error
    except BaseException as error:
        raise crash(f"{name}: {part}", error) from error


def _of_a_script(error: Exception) -> str:
    """The cause of what a TorchScript program raised, in one line; empty of any other exception."""
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  # whatever an exception's own __str__ raises
        return ""
    if not text.startswith(_SCRIPT):
        return ""
    lines = [line.rstrip() for line in text.rstrip().splitlines()]
    last = max((i for i, line in enumerate(lines) if _FRAME.search(line)), default=len(lines) - 2)
    cause = lines[last + 1 :]
    while len(cause) > 1 and not cause[0][:1].strip():
        del cause[0]  # the program's own lines after the one that failed are indented
    return " ".join(" ".join(cause).split())[:_SHOWN].rstrip(". ")
