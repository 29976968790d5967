"""Files: read only where they are regular ones, written whole or not at all."""

import errno
import hashlib
import json
import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedIOBase, BufferedReader
from pathlib import Path
from typing import IO, Any, Final

from cfsearch.errors import RunError
from cfsearch.places import NOT_OPENED, landing, why_not_written, wrong_place

MOST_BYTES: Final = 2**31
"""The largest file that is read as a whole where no other limit is given."""

_PART: Final = 2**20


def read_file(path: Path, *, most: int = MOST_BYTES) -> bytes:
    """The content of a regular file.

    A folder, a pipe, a socket or a device is not opened: reading a pipe that nobody writes to never ends. A file
    that grows while it is read is read to ``most`` and no further.

    Args:
        path: the file, or a link to it.
        most: bytes beyond which it is refused.

    Raises:
        OSError: it is not there, none of these, too large, or may not be read; see ``reason``.

    Example:
        >>> read_file(Path("."))
        Traceback (most recent call last):
        IsADirectoryError: [Errno 21] it is a folder: '.'
    """
    with open_file(path) as file:
        content = read_most(file, most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"it has more than {most:,} bytes", str(path))
    return content


def read_most(file: IO[bytes] | BufferedIOBase, most: int) -> bytes:
    """What is left of a stream, and at most so many bytes, with no more memory than they take.

    ``file.read(most)`` asks for all of the memory before it reads.

    Args:
        file: open for reading.
        most: bytes.

    Example:
        >>> import io
        >>> read_most(io.BytesIO(b"abc"), 2)
        b'ab'
    """
    parts: list[bytes] = []
    while most > 0 and (part := file.read(min(most, _PART))):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)


def open_file(path: Path) -> BufferedReader:
    """A regular file, open for reading.

    Args:
        path: the file, or a link to it.

    Raises:
        OSError: as ``read_file``.
    """
    try:
        mode = path.stat().st_mode
    except ValueError as error:  # a path with a NUL in it
        raise FileNotFoundError(errno.ENOENT, str(error), str(path)) from error
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, "it is a folder", str(path))
    if not stat.S_ISREG(mode):
        raise OSError(errno.EINVAL, NOT_OPENED, str(path))
    # had a pipe taken its place since, opening it would wait for a writer without this
    descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0))
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, NOT_OPENED, str(path))
    return os.fdopen(descriptor, "rb")


def read_text(path: Path, *, most: int = MOST_BYTES) -> str:
    """The text of a regular file in UTF-8, without a byte order mark.

    Args:
        path: the file, or a link to it.
        most: bytes beyond which it is refused.

    Raises:
        OSError: as ``read_file``.
        UnicodeDecodeError: it is no UTF-8 text.
    """
    return read_file(path, most=most).decode("utf-8-sig")


def reason(error: OSError | UnicodeError) -> str:
    """Why a file cannot be read, in the middle of a sentence.

    Args:
        error: of ``read_file`` or ``read_text``.

    Example:
        >>> reason(FileNotFoundError(2, "No such file or directory"))
        'there is no such file'
        >>> reason(IsADirectoryError(21, "it is a folder"))
        'it is a folder'
    """
    match error:
        case FileNotFoundError() | NotADirectoryError():
            return "there is no such file"
        case UnicodeDecodeError():
            return f"it is no UTF-8 text (byte {error.start})"
        case OSError(errno=errno.ELOOP):
            return "it is a link that leads back to itself"
        case OSError():
            return error.strerror or str(error)
    return str(error)


def why_no_file(path: Path) -> str:
    """Why a path is no regular file that can be read, as ``reason`` says it; empty where it is one.

    Args:
        path: that is looked at, and not read.
    """
    try:
        open_file(path).close()
    except OSError as error:
        return reason(error)
    return ""


def write_atomically(path: Path, content: bytes | str, *, mode: int = 0o666, follow: bool = True) -> Path:
    """Write through a temporary file beside the target, flushed to disk, then renamed.

    Args:
        path: the file.
        content: all of it; text becomes UTF-8.
        mode: its rights, of which the process's umask takes away what it always does.
        follow: as for ``atomic_writer``.

    Raises:
        RunError: as ``cfsearch.places.check_place``.
    """
    with atomic_writer(path, mode=mode, follow=follow) as file:
        file.write(_encoded(path, content) if isinstance(content, str) else content)
    return path


def _encoded(path: Path, text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise RunError(
            f"cannot write {str(path)!r}: {text[max(0, error.start - 40) : error.end]!r} is no text; a file or folder "
            "whose name is no UTF-8, perhaps. Rename it, or reach it through a link with another name."
        ) from error


@contextmanager
def atomic_writer(path: Path, *, mode: int = 0o666, follow: bool = True) -> Iterator[IO[bytes]]:
    """A file to write in parts, which stands at its place when the block ends without an error, and not before.

    Of a link at its place the file that it leads to is written, but where it stands among results (``landing``).

    Args:
        path: the file.
        mode: as for ``write_atomically``.
        follow: False where the file is one of a run's own: a link at its place is replaced, whatever stands beside it.

    Raises:
        RunError: as ``cfsearch.places.check_place``.
    """
    temporary: Path | None = None
    if wrong := wrong_place(path, follow=follow):
        raise RunError(f"cannot write {str(path)!r}: {wrong}")
    try:
        target = landing(path, follow=follow)
        place = target.with_name(f".{target.name[:40]}.{secrets.token_hex(6)}")
        with os.fdopen(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            temporary = place
            yield file
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(target)
    except OSError as error:
        raise RunError(f"cannot write {str(path)!r}: {why_not_written(error, path)}") from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)  # it has been renamed where all went well


def make_sole(path: Path) -> bool:
    """Give a file of several names (hard links) a copy of its own under this one, so that the others stay as they are.

    A snapshot of a folder (``cp -al``, ``rsync --link-dest``) shares its files with the folder, and what is written
    into one of them in place is written into both.

    Args:
        path: the file; nothing happens where it is none, or has one name.

    Returns:
        Whether it was copied.

    Raises:
        RunError: the copy cannot be written.
        OSError: the file may not be read.
    """
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    if not stat.S_ISREG(found.st_mode) or found.st_nlink < 2:
        return False
    with (
        open_file(path) as before,
        atomic_writer(path, mode=stat.S_IMODE(found.st_mode), follow=False) as own,
    ):
        shutil.copyfileobj(before, own)
    return True


def open_to_append(path: Path) -> IO[str]:
    """A run's own file in UTF-8, open to be read and appended to; made where it is not there.

    A run may come from somebody else: a link at its place is not followed, for what it leads to would be written.

    Args:
        path: the file.

    Raises:
        OSError: it is a link, is no regular file, or may not be written.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_NOFOLLOW", 0)
    if path.is_symlink():
        raise OSError(errno.ELOOP, "it is a link, which is not followed in a run; remove it", str(path))
    descriptor = os.open(path, flags, 0o666)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, NOT_OPENED, str(path))
    return os.fdopen(descriptor, "a+", encoding="utf-8")


def dump_json(value: Any) -> str:  # Any: whatever JSON holds
    """Indented JSON without NaN tokens, keys as given, one trailing newline."""
    return json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def json_digest(value: Any) -> str:  # Any: whatever JSON holds
    """SHA-256 of JSON values, whatever the order of their keys."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, allow_nan=False).encode()).hexdigest()
