"""The SQLite store of a run: one row an instance, each with its checksums.

Schema 3. ``instances`` has a SHA-256 of each front as it is stored and of each row (that of the front included);
``meta`` holds the settings of the run, a tally of the rows (how many, and the sum of their
checksums, so that a row which is gone is missed) and a SHA-256 of itself. Schema 2 held fronts that were not
compact, schema 1 no checksums either: both are read as they are, and migrated with a backup where a run goes on.
"""

import contextlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final, TypeVar, final
from urllib.parse import quote

from cfsearch.errors import DamagedError, RunError

from .begun import unusable
from .guard import REMEDY, digest, guarded
from .record import InstanceRow, Stored, Tally, row_of, sealed, verified
from .tables import INSERT, SELECT, TABLES

Made = TypeVar("Made")

SCHEMA: Final = 3
STORE: Final = "run.sqlite"
_PLAUSIBLE: Final = 999
"""No schema of any version will have a number beyond this."""
_COLUMNS: Final = "name, position, status, code, message, sha256, notes, front"


@final
class Store:
    """The open store of a run; every read of it is checked.

    Args:
        path: the file.
        connection: to it.
        schema: of the file.
    """

    def __init__(self, path: Path, connection: sqlite3.Connection, *, schema: int) -> None:
        self.path: Path = path
        self.schema: int = schema
        self._connection = connection

    @classmethod
    def read(cls, path: Path) -> "Store":
        """Open a store to look at it, also where nothing can be written.

        Args:
            path: the file.

        Raises:
            RunError: from a newer version.
            DamagedError: it is no store.
        """
        try:
            return cls._opened(path, "mode=ro")
        except sqlite3.Error as error:
            # a place that cannot be written has no room for the lock of a journal that is not there
            with contextlib.suppress(sqlite3.Error):
                if not path.with_name(path.name + "-wal").exists():
                    return cls._opened(path, "mode=ro&immutable=1")
            raise DamagedError(
                f"{str(path)!r} cannot be used as a run store: {error}. It is damaged, or none. {REMEDY}"
            ) from error

    @classmethod
    def _opened(cls, path: Path, flags: str) -> "Store":
        connection = sqlite3.connect(f"file:{quote(os.fsencode(path))}?{flags}", uri=True, timeout=30.0)
        try:
            return cls._checked(path, connection)
        except BaseException:
            connection.close()
            raise

    @classmethod
    def write(cls, path: Path) -> "Store":
        """Open a store to write to it, or make a new one.

        Args:
            path: the file.

        Raises:
            RunError: from a newer version, or it cannot be written.
            DamagedError: it is no store.
        """
        if path.exists() and not path.is_file():
            raise DamagedError(f"{str(path)!r} is no file, and no run store. Remove it. {REMEDY}")
        new = not path.exists() or path.stat().st_size == 0
        try:
            connection = sqlite3.connect(os.fsencode(path), timeout=30.0)
        except sqlite3.Error as error:
            raise DamagedError(f"{str(path)!r} cannot be used as a run store: {error}.") from error
        try:
            if new:
                connection.execute("PRAGMA journal_mode = WAL")
                with connection:
                    connection.executescript(f"BEGIN; {TABLES} PRAGMA user_version = {SCHEMA}; COMMIT;")
            made = cls._checked(path, connection)
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
        except sqlite3.Error as error:
            connection.close()
            raise unusable(path, error, new=new) from error
        except BaseException:
            connection.close()
            raise
        return made

    @classmethod
    def _checked(cls, path: Path, connection: sqlite3.Connection) -> "Store":
        version = connection.execute("PRAGMA user_version").fetchone()[0]
        made = cls(path, connection, schema=int(version))
        if not 1 <= version <= _PLAUSIBLE:
            raise DamagedError(f"{str(path)!r} is damaged: its schema number is {version}. {REMEDY}")
        if version > SCHEMA:
            raise RunError(
                f"{str(path)!r} was written by a newer cfsearch (schema {version}, this one reads {SCHEMA}). "
                "Update cfsearch."
            )
        return made

    def __enter__(self) -> "Store":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def _run(self) -> str:
        return repr(str(self.path.parent))

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    @property
    def checksummed(self) -> bool:
        """Whether its rows have checksums; those of schema 1 have none."""
        return self.schema >= 2

    def meta(self) -> dict[str, str]:
        """The settings of the run, and what is counted of its rows.

        Raises:
            DamagedError: they are not what was written.
        """
        with self._guarded("its settings"):
            found = {
                str(key): str(value) for key, value in self._connection.execute("SELECT key, value FROM meta")
            }
        if self.schema >= 2 and found and found.pop("meta_sha256", "") != _meta_digest(found):
            raise DamagedError(f"run {self._run}: its settings are damaged. {REMEDY}")
        return found

    def set_meta(self, values: Mapping[str, str]) -> None:
        """Keep the settings of a run; rows that it has stay.

        Args:
            values: by name.
        """
        with self._writing():
            tally = self.meta().get("tally", str(Tally()))
            self._set_meta({**values, "schema": str(SCHEMA), "tally": tally})

    def names(self) -> set[str]:
        """Names of all instances.

        Raises:
            DamagedError: they cannot be read.
        """
        with self._guarded("the list of its instances"):
            return {str(row[0]) for row in self._connection.execute("SELECT name FROM instances")}

    def contents(self) -> dict[str, str]:
        """SHA-256 of the content of each input, by name."""
        with self._guarded("the list of its instances"):
            rows = self._connection.execute("SELECT name, sha256 FROM instances").fetchall()
        return {str(name): str(sha256) for name, sha256 in rows}

    def rows(self) -> Iterator[InstanceRow]:
        """All instances in the order of the input, one at a time, each one checked.

        Raises:
            DamagedError: one of them, or the number of them, is not what was written.
        """
        return self.read_as(row_of)

    def read_as(self, made: Callable[..., Made]) -> Iterator[Made]:
        """As ``rows``, what is made of the columns of each.

        Args:
            made: of the columns and, as ``run``, the name of the run.
        """
        seen: list[str] = []
        for values in self.raw():
            seen.append(self._verified(values))
            yield made(values, run=self._run)
        self._counted(seen)

    def check(self) -> None:
        """Refuse a store of which anything is not what was written, without decoding its fronts.

        Raises:
            DamagedError: a row, the number of rows, the settings or the structure is not.
        """
        self._counted([self._verified(values) for values in self.raw()])
        if not self.sound():
            raise DamagedError(f"run {self._run}: the structure of {STORE} is damaged. {REMEDY}")

    def raw(self) -> Iterator[tuple[object, ...]]:
        """The columns of all instances as they stand in the file, in the order of the input."""
        with self._guarded("its results"):
            # names alone are put in order: SQLite would sort whole fronts, through a second copy of them
            names = self._connection.execute("SELECT name FROM instances ORDER BY position, name").fetchall()
        for (name,) in names:
            with self._guarded("its results"):
                if (values := self._selected(name)) is None:
                    raise KeyError(f"{str(name)[:100]!r} is listed and not there")
            yield values

    def _selected(self, name: object) -> tuple[object, ...] | None:
        sums = ", front_sha256, row_sha256" if self.checksummed else ""
        found = self._connection.execute(
            f"SELECT {_COLUMNS}{sums} FROM instances WHERE name = ?",  # noqa: S608 - our own names
            (name,),
        ).fetchone()
        return None if found is None else tuple(found)

    def row(self, name: str) -> InstanceRow | None:
        """One instance, checked; None where there is none.

        Args:
            name: of the instance.

        Raises:
            DamagedError: it is not what was written.
        """
        with self._guarded(f"the result of {name!r}"):
            values = self._selected(name)
        if values is None:
            return None
        self._verified(values)
        return row_of(values, run=self._run)

    def _verified(self, values: Sequence[object]) -> str:
        return verified(values, run=self._run) if self.checksummed else ""

    def _counted(self, sums: Sequence[str]) -> None:
        """Refuse rows that are fewer or others than those that were written."""
        if not self.checksummed:
            return
        written = Tally.parsed(self.meta().get("tally", ""))
        if written != Tally().plus(sums):
            raise DamagedError(
                f"run {self._run}: {written.count} results were written, and {len(sums)} of them can "
                f"be read: it is damaged. {REMEDY}"
            )

    def add(self, rows: Iterable[Stored]) -> None:
        """Keep rows, all of them or none.

        Args:
            rows: with their checksums.

        Raises:
            RunError: the disk is full, the directory has become read-only, or a row is there already.
        """
        values = list(rows)
        with self._writing():
            self._connection.executemany(INSERT, values)
            self._tallied(more=[row.row_sha256 for row in values])

    def remove(self, names: Iterable[str]) -> int:
        """Drop instances; returns how many there were.

        Args:
            names: of those to drop.
        """
        dropped: list[str] = []
        with self._writing():
            for name in names:
                found = self._connection.execute(
                    "SELECT row_sha256 FROM instances WHERE name = ?", (name,)
                ).fetchone()
                if found is not None:
                    self._connection.execute("DELETE FROM instances WHERE name = ?", (name,))
                    dropped.append(str(found[0]))
            self._tallied(fewer=dropped)
        return len(dropped)

    def statuses(self) -> dict[str, int]:
        """How many instances ended in which way."""
        with self._guarded("the list of its instances"):
            rows = self._connection.execute(
                "SELECT status, COUNT(*) FROM instances GROUP BY status"
            ).fetchall()
        return {str(status): int(count) for status, count in rows}

    def failed(self, codes: Sequence[str]) -> list[str]:
        """Names of the instances that failed for one of these reasons.

        Args:
            codes: the reasons.
        """
        with self._guarded("the list of its instances"):
            rows = self._connection.execute(
                "SELECT name, code FROM instances WHERE status = 'failed'"
            ).fetchall()
        return [str(name) for name, code in rows if code in codes]

    def saved(self) -> list[Stored]:
        """The rows that are what was written, as far as they can be reached by their names."""
        names: dict[str, None] = {}
        for order in ("ASC", "DESC"):
            with contextlib.suppress(sqlite3.Error):
                for row in self._connection.execute(f"SELECT name FROM instances ORDER BY name {order}"):  # noqa: S608 - ours
                    names[str(row[0])] = None
        found = []
        for name in names:
            with contextlib.suppress(sqlite3.Error, DamagedError):
                row = self._connection.execute(SELECT, (name,)).fetchone()
                if row is not None and row[0] == name:
                    values = Stored(*row)
                    verified(
                        (*values[:7], values.front, values.front_sha256, values.row_sha256), run=self._run
                    )
                    found.append(values)
        return found

    def checkpoint(self) -> None:
        """Make the file complete in itself, so that it can be read where nothing can be written."""
        with contextlib.suppress(sqlite3.Error):  # somebody looks at it: it stays as it is
            self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            self._connection.execute("PRAGMA journal_mode = DELETE")

    def sound(self) -> bool:
        """Whether SQLite finds the structure of the file in order."""
        try:
            return bool(self._connection.execute("PRAGMA integrity_check(1)").fetchone()[0] == "ok")
        except (sqlite3.Error, TypeError):
            return False

    def migrate(self) -> None:
        """Take a store of an older schema to the present one, with the checksums that it lacks; fronts stay in their form.

        Raises:
            RunError: it cannot be written.
            DamagedError: a row cannot be read.
        """
        first = [] if self.checksummed else [self._first(values) for values in self.raw()]
        kept = self.meta()
        with self._writing():
            if not self.checksummed:
                self._connection.execute("DROP TABLE instances")
                self._connection.execute("CREATE TABLE" + TABLES.split("CREATE TABLE")[2].split(";")[0])
                self._connection.executemany(INSERT, first)
                kept["tally"] = str(Tally().plus([row.row_sha256 for row in first]))
            self._connection.execute(f"PRAGMA user_version = {SCHEMA}")
            if kept:  # a run may have been killed before its settings were written
                self._set_meta({**kept, "schema": str(SCHEMA)})
        self.schema = SCHEMA

    def _first(self, values: Sequence[object]) -> Stored:
        row = row_of(values, run=self._run)
        blob = values[7]
        front = blob if isinstance(blob, bytes) else None
        return sealed(
            (row.name, row.position, row.status, row.code, row.message, row.sha256, str(values[6]), front)
        )

    def _tallied(self, *, more: Sequence[str] = (), fewer: Sequence[str] = ()) -> None:
        kept = self.meta()
        before = Tally.parsed(kept.get("tally", ""))
        after = before.plus(more).minus(fewer)
        self._set_meta({**kept, "tally": str(after)})

    def _set_meta(self, values: Mapping[str, str]) -> None:
        rows = [*values.items(), ("meta_sha256", _meta_digest(values))]
        self._connection.executemany("INSERT OR REPLACE INTO meta VALUES (?, ?)", rows)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            with self._connection:
                yield
        except sqlite3.Error as error:
            raise RunError(f"run {self._run}: cannot store results: {error}.") from error

    def _guarded(self, what: str) -> contextlib.AbstractContextManager[None]:
        return guarded(f"run {self._run}: {what}")


def _meta_digest(values: Mapping[str, str]) -> str:
    kept = {key: value for key, value in values.items() if key != "meta_sha256"}
    return digest(json.dumps(kept, sort_keys=True))
