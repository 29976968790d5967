"""A damaged run made whole: every result that is what was written stays, all else is searched again."""

import contextlib
import json
import os
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cfsearch.errors import CfsearchError, DamagedError, RunError

from . import checksums
from .begun import never_begun, remove_store
from .guard import digest, read_object
from .record import Stored
from .store import SCHEMA, STORE, Store

_NEW: Final = ".new"


def run_id(config: Mapping[str, Any], hashes: Mapping[str, str]) -> str:
    """The name of a run, made of its settings and files alone.

    Args:
        config: the resolved settings that decide results.
        hashes: SHA-256 of the model, the generator and the data.
    """
    return digest(json.dumps(config, sort_keys=True) + json.dumps(hashes, sort_keys=True))[:12]


def settings(config: dict[str, Any], hashes: dict[str, str]) -> dict[str, str]:
    """What a store keeps of the settings of a run.

    Args:
        config: the resolved settings that decide results.
        hashes: SHA-256 of the model, the generator and the data.
    """
    return {
        "config": json.dumps(config, sort_keys=True),
        "hashes": json.dumps(hashes, sort_keys=True),
        "run_id": run_id(config, hashes),
    }


def mended(path: Path, *, config: dict[str, Any], hashes: dict[str, str]) -> tuple[str, ...]:
    """Take away what of a stored run is not what was written; returns the parts that were damaged.

    A run of an older schema is migrated, with a backup beside it.

    Args:
        path: the run directory, held by this process.
        config: the settings with which it is to go on.
        hashes: SHA-256 of the files with which it is to go on.

    Raises:
        RunError: from a newer version, or the place cannot be written.
        DamagedError: its settings are damaged, and the manifest does not say that they were these.
    """
    file = path / STORE
    if never_begun(file):
        remove_store(file)
        return ()
    damaged: list[str] = []
    with contextlib.suppress(DamagedError):
        damaged = [name for name in checksums.changed_files(path) if name not in (STORE, "report.html")]
    meta, whole = _examined(file)
    if whole:
        return tuple(damaged)
    saved = rebuild(file, meta or _known_settings(path, config=config, hashes=hashes))
    return (*damaged, f"{STORE}, of which {saved} results are as they were")


def _examined(file: Path) -> tuple[dict[str, str], bool]:
    """The settings in a store, as far as they can be read, and whether everything in it is what was written."""
    try:
        store = Store.read(file)
    except DamagedError:
        return {}, False
    with store:
        if not store.checksummed:
            _migrate(file, store.schema)
            return {}, True
        meta = _read(store)
        with contextlib.suppress(DamagedError):
            unused = not meta and not store.names()  # killed before its settings were written
            if unused or "config" in meta:
                if not unused:
                    store.check()
                if store.schema < SCHEMA:
                    _migrate(file, store.schema)
                return meta, True
        return meta, False


def _migrate(file: Path, schema: int) -> None:
    backup(file, suffix=f"schema-{schema}")
    with Store.write(file) as store:
        store.migrate()


def _read(store: Store) -> dict[str, str]:
    with contextlib.suppress(DamagedError):
        return store.meta()
    return {}


def _known_settings(path: Path, *, config: dict[str, Any], hashes: dict[str, str]) -> dict[str, str]:
    """The settings of a run whose store has lost them: those given, where the manifest bears them out."""
    manifest = read_object(path / "manifest.json")
    if manifest.get("run_id") != run_id(config, hashes):
        raise DamagedError(
            f"run {str(path)!r}: run.sqlite is damaged, and what manifest.json says of the run fits other settings "
            "than these. Give the old settings, or a new directory."
        )
    return settings(config, hashes) | {"created": str(manifest.get("created", ""))}


def saved_rows(path: Path) -> list[Stored]:
    """The rows of a damaged file that are what was written; none of a file without checksums.

    Args:
        path: the file.
    """
    try:
        store = Store.read(path)
    except CfsearchError:
        return []
    with store:
        return store.saved() if store.checksummed else []


def rebuild(path: Path, meta: Mapping[str, str]) -> int:
    """Replace a damaged file by one of the rows that could be saved; the damaged one is kept beside it.

    Args:
        path: the file; nobody has it open.
        meta: the settings of the run.

    Returns:
        How many rows were saved.

    Raises:
        RunError: the place cannot be written.
    """
    rows = saved_rows(path)
    new = path.with_name(path.name + _NEW)
    try:
        new.unlink(missing_ok=True)
        backup(path, suffix="damaged")
        with Store.write(new) as made:
            made.set_meta(meta)
            made.add(rows)
            made.checkpoint()
        for journal in ("-wal", "-shm"):
            path.with_name(path.name + journal).unlink(missing_ok=True)
        new.replace(path)
        _flush(path.parent)
    except OSError as error:
        raise RunError(f"run {str(path.parent)!r}: cannot be mended: {error.strerror or error}.") from error
    return len(rows)


def backup(path: Path, *, suffix: str) -> Path:
    """A copy of a store, with its journal, under a name that is free.

    Args:
        path: the file.
        suffix: what the name of the copy ends in.

    Raises:
        RunError: the place cannot be written.
    """
    number = 1
    while (copy := path.with_name(f"{path.name}.{suffix}{'' if number == 1 else f'-{number}'}")).exists():
        number += 1
    try:
        shutil.copyfile(path, copy)
        journal = path.with_name(path.name + "-wal")
        if journal.exists() and journal.stat().st_size:
            shutil.copyfile(journal, copy.with_name(copy.name + "-wal"))
    except OSError as error:
        raise RunError(f"run {str(path.parent)!r}: cannot be copied: {error.strerror or error}.") from error
    return copy


def _flush(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
