"""Files written whole or not at all."""

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from cfsearch.errors import RunError


def write_atomically(path: Path, content: bytes | str) -> Path:
    """Write through a temporary file beside the target, flushed to disk, then renamed.

    Raises:
        RunError: the folder does not exist, is read-only, or the disk is full.
    """
    with atomic_writer(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)
    return path


@contextmanager
def atomic_writer(path: Path) -> Iterator[IO[bytes]]:
    """A file to write in parts, which stands at its place when the block ends without an error, and not before.

    Args:
        path: the file.

    Raises:
        RunError: the folder does not exist, is read-only, or the disk is full.
    """
    temporary: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name[:40]}.", delete=False) as file:
            temporary = Path(file.name)
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except OSError as error:
        raise RunError(f"cannot write {str(path)!r}: {error.strerror or error}.") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)  # it has been renamed where all went well


def dump_json(value: Any) -> str:  # Any: whatever JSON holds
    """Indented JSON without NaN tokens, keys as given, one trailing newline."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def json_digest(value: Any) -> str:  # Any: whatever JSON holds
    """SHA-256 of JSON values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()
