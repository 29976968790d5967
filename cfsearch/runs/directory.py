"""Run directories: what is on disk while an audit runs, and after it.

``run.sqlite`` (WAL) is the truth: one row an instance, one blob a front, each with its checksum. A row
is written in one transaction when its instance is done, and is never written again: what was acknowledged
is never lost and never recomputed. ``manifest.json``, ``audit.json`` and ``report.html`` are
written whole from it; ``events.jsonl`` is a hash-chained record of what happened when, and
``checksums.json``, written last, has a checksum of each file.
"""

import contextlib
import json
import re
from collections.abc import Callable, Container, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Self, TypeAlias, final

import tomli_w

from cfsearch.errors import DamagedError, DataError, RunError
from cfsearch.files import dump_json, make_sole, open_to_append, read_file, write_atomically
from cfsearch.parsing import parse_json
from cfsearch.places import is_file

from . import checksums
from .guard import digest, guarded
from .record import InstanceRow, ListedRow, Stored, figures_of, listed_row, stored, verified
from .reservation import KEPT_OPEN, LOCK, Reservation, refuse_other_settings
from .salvage import mended, settings
from .store import SCHEMA, STORE, Store

if TYPE_CHECKING:
    from cfsearch.fronts.front import ParetoFront

__all__ = ["SCHEMA", "HashesWithout", "InstanceRow", "RunDirectory", "now"]

HashesWithout: TypeAlias = Callable[[Container[str]], dict[str, str]]
"""SHA-256 of a run's files as they were while the inputs of some names could not be read."""


@final
class RunDirectory:
    """One run on disk, held by one process at a time.

    Use ``start`` (new or resumed) and, to read a finished or running one, ``read``. After ``start``,
    ``damaged`` names what of a resumed run was not what was written, and is gone.

    Example:
        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     run = RunDirectory.start(folder, config={"seed": 1}, hashes={"model": "0f"})
        ...     print(run.config)
        ...     run.close()
        {'seed': 1}
    """

    def __init__(self, path: Path, store: Store, *, lock: IO[str] | None, new: bool = False) -> None:
        self.path = path
        self._store = store
        self._lock = lock
        self._new = new
        self.damaged: tuple[str, ...] = ()

    @classmethod
    def start(
        cls,
        path: str | Path,
        *,
        config: dict[str, Any],
        hashes: dict[str, str],
        held: Reservation | None = None,
        hashes_without: HashesWithout | None = None,
    ) -> Self:
        """Begin a run, or go on with it where its settings and files are the same.

        Args:
            path: the directory; made if it is not there.
            config: the resolved settings that decide results.
            hashes: SHA-256 of the model, the generator and the data.
            held: the directory, where this process holds it already.
            hashes_without: gives the hashes as they were while the inputs of some names could not be read: a run in
                which they failed goes on when they were replaced.

        Raises:
            RunError: read-only, held by another process, from a newer version, no run
                directory, or started with other settings or files (with the difference).
            DamagedError: it is damaged, and nothing says that it was started with these settings.
        """
        path = Path(path)
        held = Reservation.of(path) if held is None else held
        lock = held.taken()
        new = not (path / STORE).exists()
        try:
            run = cls._resumed(
                path, lock=lock, config=config, hashes=hashes, new=new, hashes_without=hashes_without
            )
        except BaseException:
            lock.close()
            raise
        return run

    @classmethod
    def _resumed(
        cls,
        path: Path,
        *,
        lock: IO[str],
        config: dict[str, Any],
        hashes: dict[str, str],
        new: bool,
        hashes_without: HashesWithout | None,
    ) -> Self:
        # what is refused stays as it is: to mend it, and to open it for writing, changes its bytes
        if not new:
            with contextlib.suppress(DamagedError):  # a store that cannot be read is mended first
                cls._refused_if_other(path, config, hashes, hashes_without)
        for name in KEPT_OPEN:  # a snapshot of the folder (hard links) stays as it is
            if name != LOCK:
                make_sole(path / name)
        damaged = () if new else mended(path, config=config, hashes=hashes)
        if (path / STORE).exists():
            cls._refused_if_other(path, config, hashes, hashes_without)
        store = Store.write(path / STORE)
        run = cls(path, store, lock=lock, new=new)
        run.damaged = damaged
        try:
            run._agree(config, hashes)
            checksums.unseal(path)
            if damaged:
                run.event("damaged", {"parts": list(damaged)})
        except BaseException:
            store.close()
            raise
        return run

    @classmethod
    def _refused_if_other(
        cls,
        path: Path,
        config: dict[str, Any],
        hashes: dict[str, str],
        hashes_without: HashesWithout | None,
    ) -> None:
        with Store.read(path / STORE) as before:
            run = cls(path, before, lock=None)
            run._refuse_others(config, hashes, hashes_without)

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
            DamagedError: its store is none, or is not what was written.
        """
        path = Path(path)
        if not is_file(path / STORE):
            raise RunError(f"run {str(path)!r}: no run directory (it has no run.sqlite).")
        return cls(path, Store.read(path / STORE), lock=None)

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
        return self._object("config")

    @property
    def hashes(self) -> dict[str, str]:
        """SHA-256 of the files it was started with."""
        return {what: str(digest) for what, digest in self._object("hashes").items()}

    @property
    def checksummed(self) -> bool:
        """Whether its results have checksums; runs of cfsearch before them have none."""
        return self._store.checksummed

    def done(self) -> set[str]:
        """Names of the instances that are done."""
        return self._store.names()

    def statuses(self) -> dict[str, int]:
        """How many of the instances that are done ended in which way."""
        return self._store.statuses()

    def contents(self) -> dict[str, str]:
        """SHA-256 of the content of each input that is done, by name; empty where it could not be read."""
        return self._store.contents()

    def forget(self, names: Iterable[str]) -> int:
        """Drop instances, so that they are searched again; returns how many there were.

        Args:
            names: of those to drop.
        """
        return self._store.remove(names)

    def forget_failures(self, codes: Sequence[str]) -> int:
        """Drop instances that failed for a passing reason, so that they are tried again.

        Returns:
            How many were dropped.
        """
        return self.forget(self._store.failed(codes))

    def add(self, rows: Sequence[InstanceRow]) -> None:
        """Keep instances, all of them or none.

        Raises:
            RunError: the disk is full or the directory has become read-only.
        """
        self.add_stored([stored(row) for row in rows])

    def add_stored(self, rows: Sequence[Stored]) -> None:
        """Keep instances in their stored form, all of them or none.

        Args:
            rows: with their checksums, which are compared.

        Raises:
            RunError: the disk is full or the directory has become read-only.
            DamagedError: a row is not what its checksums are of.
        """
        for row in rows:
            verified((*row[:7], row.front, *row[8:]), run=repr(str(self.path)))
        self._store.add(rows)

    def rows(self) -> Iterable[InstanceRow]:
        """All instances that are done, in the order of the input, one at a time.

        Raises:
            DamagedError: one of them, or their number, is not what was written.
        """
        return self._store.rows()

    def figures(self) -> Iterable[InstanceRow]:
        """As ``rows``, with fronts that keep no pictures: for what counts and compares.

        Raises:
            DamagedError: one of them, or their number, is not what was written.
        """
        return self._store.read_as(figures_of)

    def listed(self) -> Iterable[ListedRow]:
        """As ``rows``, without what a list does not show; needs no torch.

        Raises:
            DamagedError: one of them, or their number, is not what was written.
        """
        return self._store.read_as(listed_row)

    def front(self, name: str) -> "ParetoFront":
        """The front of one instance.

        Raises:
            RunError: no such instance, or it failed.
            DamagedError: it is not what was written.
        """
        row = self._store.row(name)
        if row is None:
            known = ", ".join(sorted(self.done())[:5])
            raise RunError(f"run {str(self.path)!r}: no instance {name!r}; it has {known} ...")
        if row.front is None:
            raise RunError(f"run {str(self.path)!r}: instance {name!r} has no front: {row.message}")
        return row.front

    def seal(self) -> None:
        """Write the checksums of all files, when everything else is written; the run has ended."""
        self._store.checkpoint()
        checksums.seal(self.path)

    def event(self, what: str, detail: dict[str, Any] | None = None) -> None:
        """Write down what happened; each line holds the hash of the one before."""
        path = self.path / "events.jsonl"
        with guarded(repr(str(path))):
            lines = read_file(path).splitlines() if path.exists() else []
        before = digest(lines[-1]) if lines else "0" * 64
        entry = {"at": now(), "event": what, "detail": detail or {}, "before": before}
        try:
            with open_to_append(path) as file:
                file.write(json.dumps(entry, sort_keys=True) + "\n")
        except OSError as error:
            raise RunError(f"cannot write {str(path)!r}: {error.strerror}.") from error

    def write(self, name: str, content: str | dict[str, Any]) -> Path:
        """Write one of the run's files whole; dictionaries become JSON, or TOML by the name."""
        if isinstance(content, dict):
            content = tomli_w.dumps(content) if name.endswith(".toml") else dump_json(content)
        return write_atomically(self.path / name, content, follow=False)

    def _meta(self, key: str) -> str:
        value = self._store.meta().get(key)
        if value is None:
            raise DamagedError(f"run {str(self.path)!r}: run.sqlite lacks {key!r}; it is damaged.")
        return value

    def _object(self, key: str) -> dict[str, Any]:
        text = self._meta(key)
        with guarded(f"run {str(self.path)!r}: its {key}"):
            value = parse_json(text)
            if not isinstance(value, dict):
                raise ValueError("it is no JSON object")
        return value

    def unread(self) -> frozenset[str]:
        """Names of the instances that are done and failed because their input could not be read."""
        contents = self.contents()
        return frozenset(name for name in self._store.failed(_UNREAD) if not contents[name])

    def _agree(self, config: dict[str, Any], hashes: dict[str, str]) -> None:
        """Keep the settings of a new run, and of one that goes on those of inputs that were replaced."""
        if "config" not in self._store.meta():
            self._store.set_meta(settings(config, hashes) | {"created": now()})
        elif any(hashes.get(what) != before for what, before in self.hashes.items()):
            self._store.set_meta(settings(config, hashes) | {"created": self.created})

    def _refuse_others(
        self, config: dict[str, Any], hashes: dict[str, str], hashes_without: HashesWithout | None
    ) -> None:
        if "config" not in self._store.meta():
            return
        refuse_other_settings(self.path, self.config, config)
        stored = self.hashes
        if hashes_without is not None and stored != hashes and stored == hashes_without(self.unread()):
            return
        for what, before in stored.items():
            if hashes.get(what) != before:
                raise RunError(
                    f"run {str(self.path)!r}: the {what} changed since it was started: "
                    f"{before} then, {hashes.get(what)} now.{_differing(before, hashes.get(what))} Give a new directory."
                )


def now() -> str:
    """The time in UTC, ISO 8601 to the second.

    Example:
        >>> now().endswith("+00:00")
        True
    """
    return datetime.now(UTC).isoformat(timespec="seconds")


def _differing(before: str, now: str | None) -> str:
    """A sentence on two fingerprints of a model: of an older version, or alike but for labels."""
    if now is not None and _LABELS.search(now) and not _LABELS.search(before):
        return " A version whose fingerprints hold less may have started it; go on with that version."
    alike = now is not None and _LABELS.sub("", before) == _LABELS.sub("", now)
    return " Only its labels, or their order, are others (`labels` in the sidecar)." if alike else ""


_LABELS = re.compile(r":labels-[0-9a-f]{16}")
_UNREAD = ("unreadable", "too_large", DataError.code)
_FILES_OF_A_START = (
    *("run.sqlite", "run.sqlite-wal", "run.sqlite-shm", "events.jsonl", "manifest.json"),
    *("checksums.json", "config.resolved.toml", "schema.toml", "run.lock"),
)
"""What a run holds before its first instance is done."""
