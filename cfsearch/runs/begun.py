"""Stores that were made, and in which nothing stood yet."""

import contextlib
import os
import sqlite3
from pathlib import Path
from urllib.parse import quote

from cfsearch.errors import DamagedError, RunError


def never_begun(path: Path) -> bool:
    """Whether a store was made and killed, or out of room, before anything stood in it.

    Args:
        path: the file.
    """
    try:
        with contextlib.closing(
            sqlite3.connect(f"file:{quote(os.fsencode(path))}?mode=ro", uri=True)
        ) as connection:
            [version] = connection.execute("PRAGMA user_version").fetchone()
            [tables] = connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    except sqlite3.Error:
        return False
    return (version, tables) == (0, 0)


def remove_store(path: Path) -> None:
    """Take a store away, with what belongs to it.

    Args:
        path: the file.
    """
    for end in ("", "-wal", "-shm"):
        path.with_name(path.name + end).unlink(missing_ok=True)


def unusable(path: Path, error: sqlite3.Error, *, new: bool) -> RunError:
    """The error of a store that cannot be used; a new one is taken away, as what is half made looks like damage.

    Args:
        path: the file.
        error: of the database.
        new: whether nothing was there before.
    """
    if new:
        remove_store(path)
        return RunError(f"cannot write {str(path)!r}: {error}. Make room, or name another place.")
    return DamagedError(f"{str(path)!r} cannot be used as a run store: {error}.")
