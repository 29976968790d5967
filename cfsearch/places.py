"""Places that are to be written: refused before the work whose result would be lost there."""

import errno
import os
import stat
import tempfile
from pathlib import Path
from typing import Final

from cfsearch.errors import RunError

NOT_OPENED: Final = "it is a pipe, socket or device, which is not opened"
"""Why what is neither file nor folder is left alone."""

_PAGE: Final = 4096
_OF_RUNS: Final = ("run.sqlite", "audit.json", "checksums.json", "manifest.json", "config.resolved.toml")
"""Files by which a folder of results is known: of one model, or of several side by side."""


def check_place(path: str | Path, *, folder: bool | None = False) -> None:
    """Refuse a place that cannot be written, before work is done whose result would be lost there.

    What only an attempt can tell (rights, a read-only file system, no space left) is tried with a nameless file of
    4 kB beside it, which is gone at once.

    Args:
        path: of the file or folder that will be written.
        folder: whether it is a folder, which is made with those above it where it is not there; None where it may be
            either.

    Raises:
        RunError: it cannot be written; says why, and what to do.

    Example:
        >>> check_place("nowhere/page.html")
        Traceback (most recent call last):
        cfsearch.errors.RunError: cannot write 'nowhere/page.html': there is no folder 'nowhere'. Make it first, or name another place.
    """
    path = Path(path)
    wrong = wrong_place(path, folder=folder) or _tried(_holder(path, folder=folder), path)
    if wrong:
        raise RunError(f"cannot write {str(path)!r}: {wrong}")


def is_there(path: str | Path) -> bool:
    """Whether something is at a place, or may be: what may not be looked at is left to what reads it.

    Unlike ``Path.exists``, which raises for a text that is no name a file can have.

    Args:
        path: that is looked at.

    Example:
        >>> is_there("nowhere"), is_there("long" * 100), is_there(".")
        (False, False, True)
    """
    try:
        Path(path).stat()
    except PermissionError:
        return True
    except (OSError, ValueError):  # ValueError: a NUL in it
        return False
    return True


def is_file(path: str | Path) -> bool:
    """Whether a regular file, or a link to one, is at a place that may be looked at.

    Args:
        path: that is looked at, and not read.

    Example:
        >>> is_file("nowhere.toml"), is_file(f"{'long' * 100}.toml")
        (False, False)
    """
    return os.path.isfile(path)  # noqa: PTH113  # which raises nothing, unlike Path.is_file


def is_folder(path: str | Path) -> bool:
    """Whether a folder, or a link to one, is at a place that may be looked at.

    Args:
        path: that is looked at.

    Example:
        >>> is_folder("."), is_folder("long" * 100)
        (True, False)
    """
    return os.path.isdir(path)  # noqa: PTH112  # which raises nothing, unlike Path.is_dir


def landing(path: Path, *, follow: bool = True) -> Path:
    """The file that is written where a path is to be: of a link what it leads to, but not of one among results.

    Results may come from somebody else: a link among them is replaced, and what it leads to stays as it is.

    Args:
        path: of a file.
        follow: False where the file is known to be one of a run's own, whatever stands beside it.

    Example:
        >>> landing(Path("page.html"))
        PosixPath('page.html')
    """
    if not path.is_symlink() or _replaced(path, follow=follow):
        return path
    return Path(os.path.realpath(path))  # of links that lead back to themselves, which resolve() refuses, too


def _replaced(path: Path, *, follow: bool) -> bool:
    """Whether a link is itself replaced, and not what it leads to."""
    if not follow:
        return True
    folder = path.parent
    return any((folder / name).is_file() for name in _OF_RUNS) or any(folder.glob("*/run.sqlite"))


def wrong_place(path: Path, *, folder: bool | None = False, follow: bool = True) -> str:
    """Why a file or folder cannot stand at a place, with what to do; empty where nothing there is in its way.

    Args:
        path: that is looked at; nothing is written.
        folder: as for ``check_place``.
        follow: as for ``landing``.
    """
    try:
        found = path.lstat()
        if stat.S_ISLNK(found.st_mode):
            if not folder and _replaced(path, follow=follow):
                return ""  # the link itself is replaced
            found = path.stat()
    except FileNotFoundError:
        if path.is_symlink():
            return f"it is a link to {str(path.readlink())!r}, which is not there. Remove the link, or name another place."
        return "" if folder or path.parent.is_dir() else _without_folder(path.parent)
    except OSError as error:
        return why_not_written(error, path)
    except ValueError:
        return "a NUL is no part of a path. Name another place."
    if folder is not True and stat.S_ISDIR(found.st_mode):
        return "" if folder is None else "it is a folder. Name a file in it."
    if folder and not stat.S_ISDIR(found.st_mode):
        return "it is a file. Name a folder."
    if not stat.S_ISDIR(found.st_mode) and not stat.S_ISREG(found.st_mode):
        return f"{NOT_OPENED}. Name a file."
    if not stat.S_ISDIR(found.st_mode) and not _may_be_written(path):
        return "the file there may not be written to. Remove it, or name another one."
    return ""


def why_not_written(error: OSError, path: Path) -> str:
    """Why an attempt to write failed, with what to do.

    Args:
        error: of the attempt.
        path: that was to be written.

    Example:
        >>> why_not_written(OSError(30, "Read-only file system"), Path("page.html"))
        'its file system is read-only. Name another place.'
    """
    match error.errno:
        case errno.EACCES | errno.EPERM:
            return f"the folder {str(_nearest(path.parent))!r} may not be written to. Name a place in another one."
        case errno.EROFS:
            return "its file system is read-only. Name another place."
        case errno.ENOSPC | errno.EDQUOT:
            return f"{error.strerror}. Make room, or name another place."
        case errno.ENAMETOOLONG:
            return "the name is too long for its file system. Give a shorter one."
        case errno.ELOOP:
            return "it is a link that leads back to itself. Remove the link, or name another place."
        case errno.ENOTDIR:
            above = next((str(one) for one in path.parents if _is_no_folder(one)), str(path.parent))
            return f"{above!r} is no folder. Name a place in one."
        case errno.ENOENT:
            return _without_folder(path.parent)
    return f"{error.strerror or error}. Name another place."


def _without_folder(folder: Path) -> str:
    if folder.is_dir():
        return f"the folder {str(folder)!r} takes no files. Name a place in another one."
    return f"there is no folder {str(folder)!r}. Make it first, or name another place."


def _may_be_written(path: Path) -> bool:
    return os.access(path, os.W_OK, effective_ids=os.access in os.supports_effective_ids)


def _is_no_folder(path: Path) -> bool:
    try:
        return not stat.S_ISDIR(path.stat().st_mode)
    except OSError:
        return False


def _nearest(path: Path) -> Path:
    """A folder, or the first above it that is there."""
    return next((one for one in (path, *path.parents) if one.is_dir()), path)


def _holder(path: Path, *, folder: bool | None) -> Path:
    """The folder in which an attempt shows whether a place can be written."""
    if folder:
        return _nearest(path)
    return path if folder is None and path.is_dir() else landing(path).parent


def _tried(folder: Path, path: Path) -> str:
    try:
        with tempfile.TemporaryFile(dir=folder) as file:
            file.write(bytes(_PAGE))
            file.flush()
    except OSError as error:
        return why_not_written(error, path)
    return ""
