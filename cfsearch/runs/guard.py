"""Reading of stored files, where whatever is wrong with one is an error of cfsearch."""

import contextlib
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cfsearch.errors import DamagedError, RunError
from cfsearch.files import open_file, read_file
from cfsearch.parsing import parse_json


@contextlib.contextmanager
def guarded(what: str) -> Iterator[None]:
    """A block in which every error of reading is a ``DamagedError``.

    Args:
        what: the file or the part of it that is read, as the error names it.

    Raises:
        DamagedError: whatever the block raises, but for a ``RunError`` and a lack of memory.
    """
    try:
        yield
    except (RunError, MemoryError):
        raise
    except Exception as error:
        cause = " ".join(str(error).split())[:120].rstrip(". ")
        raise DamagedError(
            f"{what} cannot be read ({type(error).__name__}{': ' if cause else ''}{cause}): it is damaged. {REMEDY}"
        ) from error


REMEDY = "Give the `cfsearch audit` command of this run again: what is damaged is searched again, and nothing else."
"""What a user can do about a damaged run."""


def read_object(path: Path) -> dict[str, Any]:  # Any: JSON values
    """The JSON object of a file.

    Args:
        path: the file.

    Raises:
        DamagedError: it cannot be read, or is no JSON object.
    """
    with guarded(repr(str(path))):
        value = parse_json(read_file(path))
        if not isinstance(value, dict):
            raise ValueError("it is no JSON object")
    return value


def digest(content: bytes | str) -> str:
    """SHA-256 in hexadecimal.

    Args:
        content: bytes, or text as UTF-8.
    """
    return hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()


def file_digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal.

    Args:
        path: the file.

    Raises:
        DamagedError: it cannot be read.
    """
    with guarded(repr(str(path))), open_file(path) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
