"""A run directory held before its run begins: what cannot be written costs no query to a model."""

import contextlib
import fcntl
import json
import os
import shutil
import socket
from pathlib import Path
from typing import IO, Any, Final, Self, final

from cfsearch.errors import DamagedError, RunError
from cfsearch.files import make_sole, open_to_append
from cfsearch.parsing import parse_json
from cfsearch.places import check_place, why_not_written, wrong_place
from cfsearch.secrecy import redacted_settings

from .store import STORE, Store

LOCK: Final = "run.lock"
OWN: Final = (
    *(
        "run.sqlite",
        "run.sqlite-wal",
        "run.sqlite-shm",
        LOCK,
        "events.jsonl",
        "checksums.json",
        "manifest.json",
    ),
    *("audit.json", "report.html", "config.resolved.toml", "schema.toml", "genuineness.json", "groups.json"),
)
"""Files of a run, besides its tensors."""
_TURNS: Final = 20
KEPT_OPEN: Final = ("run.sqlite", "run.sqlite-wal", "run.sqlite-shm", LOCK, "events.jsonl")
"""Those that are written where they stand: a link there would lead the writing elsewhere."""


@final
class Reservation:
    """A run directory that this process may write to and no other does; see ``of``.

    Args:
        path: the directory.
        lock: an open file that this process holds; the system lets go of it when the process dies.
        made: the folders that were made for it, the innermost first.
    """

    def __init__(self, path: Path, lock: IO[str], *, made: tuple[Path, ...]) -> None:
        self.path: Final = path
        self._lock: IO[str] | None = lock
        self._made: Final = made

    @classmethod
    def of(cls, path: str | Path) -> Self:
        """Hold a directory, new or with a run in it.

        Args:
            path: the directory; made if it is not there.

        Raises:
            RunError: it cannot be written, holds other files and no run, or another process holds it.
        """
        path = Path(path)
        check_place(path, folder=True)
        existing = path.exists()
        if existing and not path.is_dir():
            raise RunError(f"run {str(path)!r}: is a file; give a directory.")
        if existing and any(path.iterdir()) and not (path / STORE).exists() and not _only_ours(path):
            raise RunError(f"run {str(path)!r}: holds other files and no run; give a new directory.")
        check_own_files(path)
        made = tuple(folder for folder in (path, *path.parents) if not folder.exists())
        try:
            path.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RunError(f"cannot write {str(path)!r}: {why_not_written(error, path)}") from error
        try:
            held = cls(path, _locked(path), made=made)
        except RunError:
            _remove(made)
            raise
        try:
            put_inputs_back(path / "inputs")
        except OSError as error:
            held.release()
            raise RunError(
                f"cannot write {str(path / 'inputs')!r}: {why_not_written(error, path)}"
            ) from error
        return held

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def taken(self) -> IO[str]:
        """The lock, which is the caller's to close from here on."""
        lock, self._lock = self._lock, None
        if lock is None:
            raise AssertionError("a reservation is taken once")
        return lock

    def release(self) -> None:
        """Let go of the directory where no run took it, and remove what was made for it."""
        if self._lock is None:
            return
        if not (self.path / STORE).exists() and self._made:
            (self.path / LOCK).unlink(missing_ok=True)
            _remove(self._made)
        self._lock.close()
        self._lock = None

    def check_settings(self, config: dict[str, Any]) -> None:
        """Refuse a run in the directory that was started with other settings.

        Args:
            config: the resolved settings that decide results.

        Raises:
            RunError: it was; says which differ.
        """
        if not (self.path / STORE).exists():
            return
        with contextlib.suppress(DamagedError, ValueError):  # what is damaged is mended where the run goes on
            with Store.read(self.path / STORE) as store:
                before = parse_json(store.meta().get("config", "null"))
            if isinstance(before, dict):
                refuse_other_settings(self.path, before, config)


def put_inputs_back(folder: Path) -> None:
    """Put the inputs of a run back that a call laid aside, which was refused, or killed before the run took its own.

    Args:
        folder: of the inputs of a run that this process holds.

    Raises:
        OSError: it cannot be written.
    """
    before = folder.with_name(f"{folder.name}.before")
    if before.is_dir() and not before.is_symlink():
        if folder.is_dir():
            shutil.rmtree(folder)
        before.rename(folder)


def check_own_files(folder: Path) -> None:
    """Refuse a folder in which something is in the way of the files of a run.

    Args:
        folder: of the run; none need be there.

    Raises:
        RunError: a folder or a pipe has the name of one of them, or a link that of one that is not replaced as a whole.
    """
    for name in OWN if folder.is_dir() else ():
        if name in KEPT_OPEN and (folder / name).is_symlink():
            raise RunError(
                f"cannot write {str(folder / name)!r}: it is a link, and what it leads to would be written; a run may come "
                "from somebody else. Put the file itself there, or remove the link."
            )
        if wrong := wrong_place(folder / name):
            raise RunError(f"cannot write {str(folder / name)!r}: {wrong}")


def refuse_other_settings(path: Path, before: dict[str, Any], config: dict[str, Any]) -> None:
    """Refuse settings that are not those of a run.

    Args:
        path: of the run.
        before: its settings.
        config: those of today.

    Raises:
        RunError: they differ; says where.
    """
    changes = _differences(redacted_settings(before), redacted_settings(json.loads(json.dumps(config))))
    if changes:
        raise RunError(
            f"run {str(path)!r} was started with other settings: {'; '.join(changes[:5])}. "
            "Give a new directory, or the old settings."
        )


def _remove(folders: tuple[Path, ...]) -> None:
    with contextlib.suppress(OSError):  # others have put something there
        for folder in folders:
            folder.rmdir()


def _only_ours(path: Path) -> bool:
    """Whether a directory without a store holds nothing but what a killed start leaves."""
    ours = {LOCK, "events.jsonl", "inputs", "inputs.before", "inputs.part"}
    return all(entry.name in ours for entry in path.iterdir())


def _locked(path: Path) -> IO[str]:
    """An open file that this process holds; the system lets go of it when the process dies."""
    for turn in range(_TURNS):
        file = _held(path)
        try:
            if _is_sole(file, path / LOCK, parted=turn > 0):
                _signed(file)
                return file
        except OSError as error:
            with contextlib.suppress(OSError):
                file.close()
            raise RunError(f"run {str(path)!r}: cannot be written: {error.strerror}.") from error
        except RunError:
            file.close()
            raise
        file.close()
    raise RunError(
        f"run {str(path)!r}: another process takes its lock away again and again. Try again later."
    )


def _is_sole(file: IO[str], path: Path, *, parted: bool) -> bool:
    """Whether a locked file is the one at a path, and there alone; a snapshot of the folder (hard links) may share it.

    Once it was parted from others it is, whatever a file system says of its names.
    """
    try:
        return (parted or not make_sole(path)) and os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:  # another process has just let go of the directory, and removed it
        return False


def _signed(file: IO[str]) -> None:
    file.truncate(0)
    file.write(f"process {os.getpid()} on {socket.gethostname()}")
    file.flush()
    os.fsync(file.fileno())


def _held(path: Path) -> IO[str]:
    try:
        file = open_to_append(path / LOCK)
    except OSError as error:
        raise RunError(f"cannot write {str(path / LOCK)!r}: {error.strerror}.") from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        file.seek(0)
        holder = file.read().strip() or "another process"
        if os.fstat(file.fileno()).st_nlink > 1:
            holder += ", perhaps in a copy of the folder that shares its files (hard links)"
        file.close()
        raise RunError(f"run {str(path)!r} is in use by {holder}. Wait for it to end.") from None
    return file


_OF_THE_SCHEMA: Final = frozenset(["data.missing_numbers"])
"""Settings that only decide what schema is guessed, whose hash is compared; runs of older versions lack them."""


def _differences(old: dict[str, Any], new: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key in sorted({*old, *new}):
        if f"{prefix}{key}" in _OF_THE_SCHEMA:
            continue
        a, b = old.get(key), new.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += _differences(a, b, f"{prefix}{key}.")
        elif a != b:
            found.append(f"{prefix}{key} was {a!r}, now {b!r}")
    return found
