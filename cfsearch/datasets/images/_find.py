"""Discovery of images in folders and zips."""

import os
import stat
import warnings
import zipfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import BinaryIO, Final, final

from cfsearch.errors import CfsearchWarning, DataError, listed
from cfsearch.files import open_file as regular_file
from cfsearch.files import reason

from ._pixels import TooLargeImageError, UnreadableImageError

SUFFIXES: Final = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff")
"""Endings, in any case, by which an image is found; the content decides how it is read."""

OTHERS: Final = (
    ".heic", ".heif", ".avif", ".jxl", ".jp2", ".j2k", ".jfif", ".jpe", ".apng", ".ico", ".ppm", ".pgm", ".pnm", ".tga",
    ".psd", ".svg", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".exr", ".dcm",
)  # fmt: skip
"""Endings of pictures that are not looked for; a folder that holds such ones says so."""

_MAX_MEMBER = 256 * 2**20
_ENCRYPTED = 0x1


@final
@dataclass(frozen=True, slots=True)
class ImageRef:
    """Location of an image: a file, or a member of a zip.

    Args:
        name: what to call it: its path under the folder or in the zip, with ``/``.
        path: the image file, or the zip that holds it.
        member: its name in the zip; None for a file.
    """

    name: str
    path: Path
    member: str | None = None


def find_images(path: str | Path, *, recursive: bool = False) -> tuple[ImageRef, ...]:
    """The images in a folder or zip, sorted by name, or the one file given.

    Hidden files are passed over. Pictures of formats that are not read are left out, and one warning names
    them. What has an image's ending but is no regular file (a named pipe, a broken link) is never opened;
    one warning names such entries.

    Args:
        path: a folder, a zip, or one image of any name.
        recursive: look into sub-folders too, each once however it is linked; a zip is always
            searched whole.

    Raises:
        DataError: there is no such path, it cannot be listed, or no image is found.
    """
    path = Path(path)
    mode, others = _mode(path), list[str]()
    if stat.S_ISDIR(mode):
        refs = _in_folder(path, recursive=recursive, others=others)
    elif not stat.S_ISREG(mode):
        raise DataError(
            f"images: {str(path)!r} must be an image, a folder or a zip, got a pipe, socket or "
            "device, which is not opened. Give a file or a folder."
        )
    elif _is_zip(path):
        refs = _in_zip(path, others=others)
    else:
        return (ImageRef(path.name, path),)
    if not refs:
        where = "" if recursive or _is_zip(path) else ", not in sub-folders"
        raise DataError(
            f"images: no images found under {str(path)!r} (looked for "
            f"{', '.join('*' + s for s in SUFFIXES)}{where}). {_left_out(others) or 'Check the path.'}"
        )
    if others:
        warnings.warn(f"images: under {str(path)!r} {_left_out(others)}", CfsearchWarning, stacklevel=2)
    return tuple(sorted(refs, key=lambda ref: ref.name))


def _left_out(others: Sequence[str]) -> str:
    if not others:
        return ""
    shown = listed([repr(one) for one in sorted(others)], most=3)
    are, their = (
        ("picture is", "its format is") if len(others) == 1 else ("pictures are", "their formats are")
    )
    return f"{len(others):,} {are} left out, as {their} not read ({shown}). Save as PNG or JPEG what is to be searched."


def _mode(path: Path) -> int:
    try:
        return path.stat().st_mode
    except (OSError, ValueError) as error:  # ValueError: a NUL in the path
        why = reason(error) if isinstance(error, OSError) else str(error)
        raise DataError(
            f"images: {str(path)!r} must be an image, a folder or a zip, but cannot be found "
            f"({why}). Check the path."
        ) from error


def open_file(ref: ImageRef) -> BinaryIO:
    """The file, open for reading, if it is a regular one."""
    try:
        return regular_file(ref.path)
    except OSError as error:
        raise UnreadableImageError(
            f"images: {ref.name!r} must be readable, but {reason(error)}. Check that it exists and may be read."
        ) from error


def _is_zip(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(4) in (b"PK\x03\x04", b"PK\x05\x06")
    except OSError:
        return False


def archive_of(path: Path) -> zipfile.ZipFile:
    """The zip, open for reading."""
    try:
        return zipfile.ZipFile(path)
    # UnicodeDecodeError: a name that is no text
    except (OSError, zipfile.BadZipFile, NotImplementedError, UnicodeDecodeError) as error:
        raise UnreadableImageError(
            f"images: {str(path)!r} must be an undamaged zip, got: {error}. Pack it again."
        ) from error


def unpacked(ref: ImageRef, archive: zipfile.ZipFile) -> BytesIO:
    """The member's bytes, of which there are never more than its header admits."""
    try:
        info = archive.getinfo(ref.member or "")
        if info.file_size > _MAX_MEMBER:
            raise TooLargeImageError(
                f"images: {ref.name!r} must unpack to at most {_MAX_MEMBER:,} bytes, got "
                f"{info.file_size:,}. Leave it out of the zip."
            )
        if info.flag_bits & _ENCRYPTED:
            raise UnreadableImageError(
                f"images: {ref.name!r} must not be encrypted in its zip. Pack it without a password."
            )
        return BytesIO(archive.read(info))
    except DataError:
        raise
    except Exception as error:
        # a crafted zip can raise almost anything here; it is caught here alone
        raise UnreadableImageError(
            f"images: {ref.name!r} must be undamaged in its zip, but it cannot be unpacked "
            f"({type(error).__name__}). Pack it again."
        ) from error


def _in_zip(path: Path, *, others: list[str]) -> list[ImageRef]:
    with archive_of(path) as archive:
        found = [name for name in archive.namelist() if not name.endswith("/")]
    names = dict.fromkeys(found)
    if len(names) < len(found):
        twice = next(name for name in names if found.count(name) > 1)
        warnings.warn(
            f"images: {path.name!r} holds {len(found) - len(names)} entries under names that others have ({twice!r}); of "
            "each name the last one is read.",
            CfsearchWarning,
            stacklevel=4,
        )
    shown = [
        name for name in names if not any(part.startswith((".", "__MACOSX")) for part in name.split("/"))
    ]
    others += [name for name in shown if name.lower().endswith(OTHERS)]
    return [ImageRef(name, path, name) for name in shown if name.lower().endswith(SUFFIXES)]


def _in_folder(root: Path, *, recursive: bool, others: list[str]) -> list[ImageRef]:
    refs: list[ImageRef] = []
    skipped: list[str] = []
    here = root.stat()
    seen = {(here.st_dev, here.st_ino)}
    folders = [(root, "")]
    while folders:
        folder, prefix = folders.pop()
        for entry in _entries(folder, root=root, skipped=skipped):
            name = prefix + entry.name
            is_image = entry.name.lower().endswith(SUFFIXES)
            try:
                found = entry.stat()
            except OSError:  # a link to nothing or to itself
                if is_image:
                    skipped.append(name)
                continue
            if stat.S_ISDIR(found.st_mode):
                if recursive and (found.st_dev, found.st_ino) not in seen:
                    seen.add((found.st_dev, found.st_ino))
                    folders.append((Path(entry.path), name + "/"))
            elif is_image and stat.S_ISREG(found.st_mode):
                refs.append(ImageRef(name, Path(entry.path)))
            elif is_image:
                skipped.append(name)
            elif entry.name.lower().endswith(OTHERS):
                others.append(name)
    if skipped:
        warnings.warn(
            f"images: left out {len(skipped)} entries under {str(root)!r} that are no regular "
            f"files or cannot be listed ({', '.join(map(repr, skipped[:3]))})",
            CfsearchWarning,
            stacklevel=3,
        )
    return refs


def _entries(folder: Path, *, root: Path, skipped: list[str]) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(folder) as entries:
            yield from sorted((e for e in entries if not e.name.startswith(".")), key=lambda e: e.name)
    except OSError as error:
        if folder == root:
            raise DataError(
                f"images: {str(root)!r} must be a folder that can be listed, got "
                f"{error.strerror}. Check its rights."
            ) from error
        skipped.append(str(folder.relative_to(root)) + "/")
