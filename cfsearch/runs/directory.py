"""Run directories: what is on disk while an audit runs, and after it.

``run.sqlite`` (WAL) is the truth: one row an instance, one blob a front. A row is written in one
transaction when its instance is done, and is never written again: what was acknowledged is
never lost and never recomputed. ``manifest.json``, ``audit.json`` and ``report.html`` are
written whole from it; ``events.jsonl`` is a hash-chained record of what happened when.
"""

import contextlib
import fcntl
import hashlib
import json
import os
import socket
import sqlite3
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any, Self, final

import tomli_w

from cfsearch.errors import RunError
from cfsearch.files import dump_json, write_atomically
from cfsearch.fronts.front import ParetoFront

SCHEMA = 1
_TABLES = """
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE instances (
    name TEXT PRIMARY KEY, position INTEGER NOT NULL, status TEXT NOT NULL, code TEXT NOT NULL,
    message TEXT NOT NULL, sha256 TEXT NOT NULL, notes TEXT NOT NULL, front BLOB
) WITHOUT ROWID;
"""


@final
@dataclass(frozen=True, slots=True)
class InstanceRow:
    """What is kept of one instance.

    ``status`` is found, not_found, already_target or failed; ``code`` the reason or the error;
    ``front`` None where it failed.
    """

    name: str
    position: int
    status: str
    code: str
    message: str
    sha256: str
    notes: tuple[str, ...]
    front: ParetoFront | None


@final
class RunDirectory:
    """One run on disk, held by one process at a time.

    Use ``start`` (new or resumed) and, to read a finished or running one, ``read``.
    """

    def __init__(
        self, path: Path, store: sqlite3.Connection, *, lock: IO[str] | None, new: bool = False
    ) -> None:
        self.path = path
        self._store = store
        self._lock = lock
        self._new = new

    @classmethod
    def start(cls, path: str | Path, *, config: dict[str, Any], hashes: dict[str, str]) -> Self:
        """Begin a run, or go on with it where its settings and files are the same.

        Args:
            path: the directory; made if it is not there.
            config: the resolved settings that decide results.
            hashes: SHA-256 of the model, the generator and the data.

        Raises:
            RunError: read-only, held by another process, from a newer version, no run
                directory, or started with other settings or files (with the difference).
        """
        path = Path(path)
        existing = path.exists()
        if existing and not path.is_dir():
            raise RunError(f"run {str(path)!r}: is a file; give a directory.")
        if existing and any(path.iterdir()) and not (path / "run.sqlite").exists() and not _only_ours(path):
            raise RunError(f"run {str(path)!r}: holds other files and no run; give a new directory.")
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"run {str(path)!r}: cannot be made: {error.strerror}.") from error
        lock = _take_lock(path)
        new = not (path / "run.sqlite").exists()
        try:
            store = _connect(path / "run.sqlite")
            run = cls(path, store, lock=lock, new=new)
            run._agree(config, hashes)
        except BaseException:
            lock.close()
            raise
        return run

    def discard_if_empty(self) -> bool:
        """Remove the run where this process began it and no instance is done, and close it.

        A start that fails (a wrong setting that only the first search finds) must not leave a
        directory that refuses the corrected command.

        Returns:
            Whether it was removed.
        """
        if not self._new or self.done():
            return False
        self.close()
        for name in _FILES_OF_A_START:
            (self.path / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):  # it holds files of others: leave them, and it
            self.path.rmdir()
        return True

    @classmethod
    def read(cls, path: str | Path) -> Self:
        """Open a run to look at it.

        Args:
            path: the directory.

        Raises:
            RunError: there is none, or it is from a newer version.
        """
        path = Path(path)
        if not (path / "run.sqlite").is_file():
            raise RunError(f"run {str(path)!r}: no run directory (it has no run.sqlite).")
        return cls(path, _connect(path / "run.sqlite"), lock=None)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the run; another process may take it."""
        self._store.close()
        if self._lock is not None:
            self._lock.close()

    @property
    def run_id(self) -> str:
        """The run's own name, from its settings and files."""
        return self._meta("run_id")

    @property
    def created(self) -> str:
        """When it was started, ISO 8601 in UTC."""
        return self._meta("created")

    @property
    def config(self) -> dict[str, Any]:
        """The settings it was started with."""
        value: dict[str, Any] = json.loads(self._meta("config"))
        return value

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of the files it was started with."""
        value: dict[str, str] = json.loads(self._meta("hashes"))
        return value

    def done(self) -> set[str]:
        """Names of the instances that are done."""
        return {row[0] for row in self._store.execute("SELECT name FROM instances")}

    def forget_failures(self, codes: Sequence[str]) -> int:
        """Drop instances that failed for a passing reason, so that they are tried again.

        Returns:
            How many were dropped.
        """
        marks = ", ".join("?" * len(codes))
        with self._store:
            query = f"DELETE FROM instances WHERE status = 'failed' AND code IN ({marks})"  # noqa: S608 - question marks only
            return self._store.execute(query, tuple(codes)).rowcount

    def add(self, rows: Sequence[InstanceRow]) -> None:
        """Keep instances, all of them or none.

        Raises:
            RunError: the disk is full or the directory has become read-only.
        """
        values = [
            (
                row.name,
                row.position,
                row.status,
                row.code,
                row.message,
                row.sha256,
                json.dumps(row.notes),
                None if row.front is None else row.front.to_bytes(),
            )
            for row in rows
        ]
        try:
            with self._store:
                self._store.executemany("INSERT INTO instances VALUES (?, ?, ?, ?, ?, ?, ?, ?)", values)
        except sqlite3.Error as error:
            raise RunError(f"run {str(self.path)!r}: cannot store results: {error}.") from error

    def rows(self) -> Iterable[InstanceRow]:
        """All instances that are done, in the order of the input, one at a time."""
        query = "SELECT name, position, status, code, message, sha256, notes, front FROM instances ORDER BY position, name"
        for name, position, status, code, message, sha256, notes, blob in self._store.execute(query):
            yield InstanceRow(
                name,
                position,
                status,
                code,
                message,
                sha256,
                tuple(json.loads(notes)),
                None if blob is None else ParetoFront.from_bytes(blob),
            )

    def front(self, name: str) -> ParetoFront:
        """The front of one instance.

        Raises:
            RunError: no such instance, or it failed.
        """
        row = self._store.execute("SELECT front, message FROM instances WHERE name = ?", (name,)).fetchone()
        if row is None:
            known = ", ".join(sorted(self.done())[:5])
            raise RunError(f"run {str(self.path)!r}: no instance {name!r}; it has {known} ...")
        if row[0] is None:
            raise RunError(f"run {str(self.path)!r}: instance {name!r} has no front: {row[1]}")
        return ParetoFront.from_bytes(row[0])

    def event(self, what: str, detail: dict[str, Any] | None = None) -> None:
        """Write down what happened; each line holds the hash of the one before."""
        path = self.path / "events.jsonl"
        lines = path.read_bytes().splitlines() if path.exists() else []
        before = hashlib.sha256(lines[-1]).hexdigest() if lines else "0" * 64
        entry = {"at": now(), "event": what, "detail": detail or {}, "before": before}
        try:
            with path.open("a", encoding="utf-8") as file:
                file.write(json.dumps(entry, sort_keys=True) + "\n")
        except OSError as error:
            raise RunError(f"cannot write {str(path)!r}: {error.strerror}.") from error

    def write(self, name: str, content: str | dict[str, Any]) -> Path:
        """Write one of the run's files whole; dictionaries become JSON, or TOML by the name."""
        if isinstance(content, dict):
            content = tomli_w.dumps(content) if name.endswith(".toml") else dump_json(content)
        return write_atomically(self.path / name, content)

    def _meta(self, key: str) -> str:
        row = self._store.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
        if row is None:
            raise RunError(f"run {str(self.path)!r}: run.sqlite lacks {key!r}; it is damaged.")
        return str(row[0])

    def _agree(self, config: dict[str, Any], hashes: dict[str, str]) -> None:
        text = json.dumps(config, sort_keys=True)
        stored = self._store.execute("SELECT value FROM meta WHERE key = 'config'").fetchone()
        if stored is None:
            digest = hashlib.sha256((text + json.dumps(hashes, sort_keys=True)).encode()).hexdigest()
            values = {
                "config": text,
                "hashes": json.dumps(hashes, sort_keys=True),
                "run_id": digest[:12],
                "created": now(),
            }
            with self._store:
                self._store.executemany("INSERT INTO meta VALUES (?, ?)", values.items())
            return
        changes = _differences(json.loads(stored[0]), config)
        if changes:
            raise RunError(
                f"run {str(self.path)!r} was started with other settings: {'; '.join(changes[:5])}. "
                "Give a new directory, or the old settings."
            )
        for what, digest in self.hashes.items():
            if hashes.get(what) != digest:
                raise RunError(
                    f"run {str(self.path)!r}: the {what} has changed since it was started: "
                    f"{digest} then, {hashes.get(what)} now. Give a new directory."
                )


def now() -> str:
    """The time in UTC, ISO 8601 to the second."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def _connect(path: Path) -> sqlite3.Connection:
    try:
        store = sqlite3.connect(path, timeout=30.0)
        version = store.execute("PRAGMA user_version").fetchone()[0]
        if version > SCHEMA:
            raise RunError(
                f"{str(path)!r} was written by a newer cfsearch (schema {version}, this one reads {SCHEMA}). "
                "Update cfsearch."
            )
        if version == 0:
            store.execute("PRAGMA journal_mode = WAL")
            with store:
                store.executescript(f"BEGIN; {_TABLES} PRAGMA user_version = {SCHEMA}; COMMIT;")
        store.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error as error:
        raise RunError(f"{str(path)!r} cannot be used as a run store: {error}.") from error
    return store


_FILES_OF_A_START = (
    *("run.sqlite", "run.sqlite-wal", "run.sqlite-shm", "events.jsonl", "manifest.json"),
    *("config.resolved.toml", "schema.toml", "run.lock"),
)
"""What a run holds before its first instance is done."""


def _only_ours(path: Path) -> bool:
    """Whether a directory without a store holds nothing but what a killed start leaves."""
    return all(entry.name in {"run.lock", "events.jsonl", "inputs"} for entry in path.iterdir())


def _take_lock(path: Path) -> IO[str]:
    """An open file that this process holds; the system lets go of it when the process dies."""
    lock = path / "run.lock"
    try:
        file = lock.open("a+", encoding="utf-8")
    except OSError as error:
        raise RunError(f"run {str(path)!r}: cannot be written: {error.strerror}.") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        holder = file.read().strip() or "another process"
        file.close()
        raise RunError(f"run {str(path)!r} is in use by {holder}. Wait for it to end.") from None
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}")
    file.flush()
    return file


def _differences(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key in sorted({*old, *new}):
        a, b = old.get(key), new.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += _differences(a, b, f"{prefix}{key}.")
        elif a != b:
            found.append(f"{prefix}{key} was {a!r}, now {b!r}")
    return found
