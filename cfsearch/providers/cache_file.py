"""Cache file that processes share: SQLite in WAL mode, with checksums."""

import hashlib
import os
import sqlite3
import time
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, final

from cfsearch.errors import CfsearchWarning, ConfigError
from cfsearch.places import is_folder

_OURS: Final = 0x63667363  # "cfsc"
_VERSION: Final = 1
_PATIENCE_S: Final = 60.0
_AT_ONCE: Final = 500
_SEAL: Final = 8


@final
class CacheFile:
    """Key-value store of bytes, each with a checksum, so that a damaged value is a miss.

    A file that is damaged or not ours is moved aside with a warning and a new one begun. Where
    the file cannot be used any more (disk full, read-only), a warning is given once and nothing
    is remembered there from then on. Safe after a fork; to be called under the owner's lock.

    Raises:
        ConfigError: the path is a folder, or its folder does not exist.
    """

    _connection: sqlite3.Connection | None = None  # also of one whose constructor refused

    def __init__(self, path: Path) -> None:
        if is_folder(path) or not is_folder(path.parent):
            raise ConfigError(f"cache: {path} must be a file in a folder that exists.")
        self.path: Final = path
        self._pid = 0
        self._off = False
        self._guarded(())

    def read(self, keys: Sequence[bytes]) -> dict[bytes, bytes]:
        """The values that are there and whole."""
        return self._guarded(keys)

    def write(self, values: Mapping[bytes, bytes]) -> None:
        """Keeps values; the first one written for a key stays."""
        self._guarded(values)

    def close(self) -> None:
        """Lets go of the file."""
        if self._connection is not None and self._pid == os.getpid():
            self._connection.close()
        self._connection = None

    def __del__(self) -> None:
        self.close()

    def _guarded(self, what: Sequence[bytes] | Mapping[bytes, bytes]) -> dict[bytes, bytes]:
        """Reads (a sequence of keys) or writes (a mapping); renews the file where it is damaged."""
        for _ in range(3):
            if self._off:
                return {}
            seen = _identity(self.path)
            try:
                connection = self._opened()
                if isinstance(what, Mapping):
                    _write(connection, what)
                    return {}
                return _read(connection, what)
            except sqlite3.OperationalError as error:
                self.close()
                if not _is_damage(error):
                    self._off = True
                    warnings.warn(
                        f"cache: {self.path} cannot be used ({error}); going on without it.",
                        CfsearchWarning,
                        stacklevel=4,
                    )
            except sqlite3.DatabaseError as error:
                self.close()
                self._move_aside(str(error), seen=seen)
        return {}

    def _opened(self) -> sqlite3.Connection:
        if self._connection is not None and self._pid == os.getpid():
            return self._connection
        self._connection = None  # one from before a fork belongs to the parent: never close it
        connection = sqlite3.connect(
            os.fsencode(self.path), timeout=_PATIENCE_S, isolation_level=None, check_same_thread=False
        )
        try:
            _prepare(connection)
        except BaseException:
            connection.close()
            raise
        self._connection, self._pid = connection, os.getpid()
        return connection

    def _move_aside(self, why: str, *, seen: tuple[int, int] | None) -> None:
        """Renames the file, unless another process has already put a new one in its place."""
        if seen is None or _identity(self.path) != seen:
            return
        number = 1
        while (aside := self.path.with_name(f"{self.path.name}.damaged-{number}")).exists():
            number += 1
        try:
            self.path.replace(aside)
            for ending in ("-wal", "-shm"):
                self.path.with_name(self.path.name + ending).unlink(missing_ok=True)
        except OSError as error:
            self._off = True
            why = f"{why}; it cannot be moved either: {error.strerror}"
        warnings.warn(
            f"cache: {self.path} is damaged or not ours ({why}); it was moved to {aside.name} and a "
            "new one begun.",
            CfsearchWarning,
            stacklevel=5,
        )


def _prepare(connection: sqlite3.Connection) -> None:
    """Makes a new file ours, or makes sure that an old one is.

    Raises:
        sqlite3.DatabaseError: it is damaged or not ours.
    """
    _patiently(connection, "PRAGMA journal_mode=WAL")
    connection.execute("PRAGMA synchronous=NORMAL")
    _patiently(connection, "BEGIN IMMEDIATE")
    try:
        mark = connection.execute("PRAGMA application_id").fetchone()[0]
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        tables = connection.execute("SELECT name FROM sqlite_master").fetchall()
        if mark == 0 and not tables:
            connection.execute("CREATE TABLE answers (key BLOB PRIMARY KEY, value BLOB) WITHOUT ROWID")
            connection.execute(f"PRAGMA application_id={_OURS}")
            connection.execute(f"PRAGMA user_version={_VERSION}")
        elif (mark, version) != (_OURS, _VERSION) or ("answers",) not in tables:
            raise sqlite3.DatabaseError("it is another program's or another version's")
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _patiently(connection: sqlite3.Connection, statement: str) -> None:
    """Repeats what sqlite refuses while another process holds the file, for a minute.

    Changing the journal mode does not wait as other statements do.
    """
    end = time.monotonic() + _PATIENCE_S
    while True:
        try:
            connection.execute(statement)
        except sqlite3.OperationalError as error:
            if "locked" not in str(error) or time.monotonic() > end:
                raise
            time.sleep(0.01)
        else:
            return


def _read(connection: sqlite3.Connection, keys: Sequence[bytes]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for i in range(0, len(keys), _AT_ONCE):
        part = list(keys[i : i + _AT_ONCE])
        marks = ",".join("?" * len(part))
        rows = connection.execute(f"SELECT key, value FROM answers WHERE key IN ({marks})", part)  # noqa: S608  # marks only
        for key, sealed in rows:
            if isinstance(sealed, bytes) and sealed[:_SEAL] == _seal(key, sealed[_SEAL:]):
                found[key] = sealed[_SEAL:]
    return found


def _write(connection: sqlite3.Connection, values: Mapping[bytes, bytes]) -> None:
    rows = [(key, _seal(key, value) + value) for key, value in values.items()]
    connection.execute("BEGIN IMMEDIATE")
    try:
        connection.executemany("INSERT OR IGNORE INTO answers VALUES (?, ?)", rows)
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


def _seal(key: bytes, value: bytes) -> bytes:
    return hashlib.blake2b(key + value, digest_size=_SEAL).digest()


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _is_damage(error: sqlite3.OperationalError) -> bool:
    return "malformed" in str(error) or "no such table" in str(error)
