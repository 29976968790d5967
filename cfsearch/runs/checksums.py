"""Checksums of the files of a finished run, and the chain of its events.

``checksums.json`` is written last, when everything else is. It tells damage and careless changes;
whoever can write the whole directory can write it too, which only a signature would tell.
"""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from cfsearch.errors import DamagedError
from cfsearch.files import dump_json, read_file, write_atomically
from cfsearch.parsing import parse_json

from .guard import digest, file_digest, guarded, read_object

FORMAT: Final = "cfsearch-checksums/1"
CHECKSUMS: Final = "checksums.json"
EVENTS: Final = "events.jsonl"
SEALED: Final = (
    *("run.sqlite", EVENTS, "manifest.json", "audit.json", "report.html"),
    *("config.resolved.toml", "schema.toml", "genuineness.json", "effects.safetensors", "groups.json"),
)
"""Files of a run that have a checksum, those of them that are there."""


def seal(folder: Path, *, inside: Iterable[str] = ()) -> Path:
    """Write the checksums of a run that has ended.

    Args:
        folder: the run directory.
        inside: folders in it that hold runs of their own, with checksums of their own.

    Raises:
        RunError: it cannot be written.
    """
    measured = sorted(path.name for path in folder.glob("*.effects.safetensors"))  # of several models
    names = [*SEALED, *measured, *(f"{name}/{CHECKSUMS}" for name in inside)]
    return _write(folder, {name: file_digest(folder / name) for name in names if (folder / name).is_file()})


def reseal(folder: Path, name: str) -> None:
    """Renew the checksum of one file that was written again; the others stay as they are.

    A run without checksums stays without.

    Args:
        folder: the run directory.
        name: of the file.
    """
    known = sums(folder)
    if known is not None:
        _write(folder, {**known, name: file_digest(folder / name)})


def unseal(folder: Path) -> None:
    """Take the checksums away, before anything is written again.

    Args:
        folder: the run directory.
    """
    (folder / CHECKSUMS).unlink(missing_ok=True)


def sums(folder: Path) -> dict[str, str] | None:
    """SHA-256 of each file of a finished run; None where none were kept.

    Args:
        folder: the run directory.

    Raises:
        DamagedError: they are not what was written.
    """
    path = folder / CHECKSUMS
    if not path.exists():
        return None
    document = read_object(path)
    with guarded(repr(str(path))):
        files = document["files"]
        if document["format"] != FORMAT or not all(isinstance(v, str) for v in files.values()):
            raise ValueError("it has another format")
        if document["sha256"] != _own(files):
            raise DamagedError(f"{str(path)!r} is damaged: its own checksum is another.")
        return dict(files)


def changed_files(folder: Path) -> list[str]:
    """Names of the files of a finished run that are gone or not what was written; empty without checksums.

    Args:
        folder: the run directory.

    Raises:
        DamagedError: the checksums themselves are not what was written.
    """
    known = sums(folder) or {}
    return [
        name
        for name, expected in known.items()
        if not (folder / name).is_file() or file_digest(folder / name) != expected
    ]


def events(folder: Path) -> list[dict[str, Any]]:  # Any: JSON values
    """What happened in a run, in order.

    Args:
        folder: the run directory.

    Raises:
        DamagedError: a line is none of ours, or does not hold the hash of the one before.
    """
    path = folder / EVENTS
    found: list[dict[str, Any]] = []
    before = "0" * 64
    with guarded(repr(str(path))):
        lines = read_file(path).splitlines() if path.exists() else []
        for number, line in enumerate(lines, start=1):
            entry = parse_json(line)
            if entry["before"] != before:
                raise DamagedError(
                    f"{str(path)!r}, line {number}: the chain of events is broken; a line before it was changed, moved "
                    "or taken away."
                )
            before = digest(line)
            found.append(entry)
    return found


def _write(folder: Path, files: dict[str, str]) -> Path:
    document = {"format": FORMAT, "files": files, "sha256": _own(files)}
    return write_atomically(folder / CHECKSUMS, dump_json(document), follow=False)


def _own(files: dict[str, str]) -> str:
    return digest(json.dumps(files, sort_keys=True))
