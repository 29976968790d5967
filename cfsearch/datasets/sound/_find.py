"""Wave files found in folders and zips, and what reads each of them."""

import os
import stat
import warnings
import zipfile
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Final

from cfsearch.errors import CfsearchWarning, DataError, listed
from cfsearch.files import read_file, reason

from ._wav import SUFFIXES, UnreadableRecordingError

_MAX_BYTES: Final = 256 * 2**20
_DAMAGED: Final = (
    OSError,
    zipfile.BadZipFile,
    NotImplementedError,
    RuntimeError,
    EOFError,
    UnicodeDecodeError,
)
"""RuntimeError: encrypted; NotImplementedError: packed in a way unknown here; EOFError: cut off; UnicodeDecodeError: a broken name."""


def contents(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    """Each recording by name, with what reads it; hidden files are passed over.

    Args:
        path: a folder (not its sub-folders), a zip (searched whole), or a wave file.

    Raises:
        DataError: nothing is there, or it cannot be listed.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError) as error:
        why = reason(error) if isinstance(error, OSError) else str(error)
        raise DataError(f"sound: {str(path)!r} cannot be found: {why}. Check the path.") from error
    if stat.S_ISDIR(mode):
        yield from _in_folder(path)
    elif path.suffix.lower() == ".zip":
        yield from _in_zip(path)
    else:
        yield path.name, partial(_read, path)


def holds_recordings(path: Path) -> bool:
    """Whether a path is that of a wave file, or of a folder or zip that can be listed and holds one.

    Args:
        path: that is looked at; what cannot be is left to what reads it.
    """
    if path.suffix.lower() == ".wav":
        return True
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            return bool(_waves(_files_of(path)))
        if not stat.S_ISREG(mode) or path.suffix.lower() != ".zip":
            return False
        with zipfile.ZipFile(path) as archive:
            return bool(_waves(_members_of(archive)))
    except (*_DAMAGED, ValueError):  # ValueError: a NUL in the path
        return False


def _in_folder(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    try:
        names = _files_of(path)
    except OSError as error:
        raise DataError(
            f"sound: {str(path)!r} must be a folder that can be listed, but {reason(error)}. Check its rights."
        ) from error
    found, others = _waves(names), _others(names)
    if not found:
        hint = f" {others[0]!r} is none: convert it (ffmpeg -i FILE FILE.wav)." if others else ""
        raise DataError(f"sound: no wave files found under {str(path)!r}, not in sub-folders.{hint}")
    _warn_of(others, path)
    for name in found:
        yield name, partial(_read, path / name)


def _in_zip(path: Path) -> Iterator[tuple[str, Callable[[], bytes]]]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = _members_of(archive)
            found = _waves(members)
            if not found:
                raise DataError(f"sound: no wave files found in {str(path)!r}.")
            _warn_of_equal(archive.namelist(), set(found), path)
            _warn_of(_others(members), path)
            for name in found:
                yield name, partial(_unpacked, archive, members[name])
    except _DAMAGED as error:
        raise DataError(
            f"sound: {str(path)!r} must be an undamaged zip, got: {error}. Pack it again."
        ) from error


def _files_of(folder: Path) -> list[str]:
    """Names of what is in a folder, without folders and hidden files."""
    with os.scandir(folder) as entries:
        return [entry.name for entry in entries if not _hidden(entry.name) and not _is_folder(entry)]


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: what reads it says so
        return False


def _members_of(archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    """What is in a zip, without folders and hidden files; of each name the last one."""
    return {
        info.filename: info
        for info in archive.infolist()
        if not info.filename.endswith("/") and not any(_hidden(part) for part in info.filename.split("/"))
    }


def _hidden(name: str) -> bool:
    return name.startswith((".", "__MACOSX"))


def _waves(names: Iterable[str]) -> list[str]:
    return sorted(name for name in names if name.lower().endswith(".wav"))


def _others(names: Iterable[str]) -> list[str]:
    """The recordings that are no wave files."""
    return sorted(name for name in names if PurePosixPath(name).suffix.lower() in SUFFIXES)


def _warn_of(others: list[str], path: Path) -> None:
    """Name the recordings that are no wave files, which are left out."""
    if others:
        are = "recording is" if len(others) == 1 else "recordings are"
        warnings.warn(
            f"sound: under {str(path)!r} {len(others):,} {are} left out, as wave files alone are read "
            f"({listed([repr(name) for name in others], most=3)}). Convert what is to be searched (ffmpeg -i FILE FILE.wav).",
            CfsearchWarning,
            stacklevel=4,
        )


def _warn_of_equal(names: list[str], found: set[str], path: Path) -> None:
    """Say that of recordings under one name the last is read."""
    times = Counter(name for name in names if name in found)
    more = times.total() - len(times)
    if more:
        twice = next(name for name in times if times[name] > 1)
        warnings.warn(
            f"sound: {path.name!r} holds {more:,} {'entry under a name' if more == 1 else 'entries under names'} that "
            f"others have ({twice!r}); of each name the last one is read.",
            CfsearchWarning,
            stacklevel=4,
        )


def _read(path: Path) -> bytes:
    try:
        return read_file(path, most=_MAX_BYTES)
    except OSError as error:
        raise UnreadableRecordingError(
            f"sound: {str(path)!r} must be a wave file, but {reason(error)}. Check the path, or cut a long one."
        ) from error


def _unpacked(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> bytes:
    if info.file_size > _MAX_BYTES:
        raise UnreadableRecordingError(
            f"sound: {info.filename!r} must unpack to at most {_MAX_BYTES:,} bytes, got {info.file_size:,}. Leave it "
            "out of the zip."
        )
    try:
        return archive.read(info)
    except (*_DAMAGED, zlib.error) as error:
        raise UnreadableRecordingError(
            f"sound: {info.filename!r} cannot be unpacked: {error}. Pack it again, or leave it out of the zip."
        ) from error
