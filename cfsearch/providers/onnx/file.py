"""Checked parsing of ONNX files, before any runtime opens them.

Nothing of the file is run here, and no other file is opened before it is known to be an
ordinary one inside the model's own folder.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Final, final

import onnx
from google.protobuf.message import DecodeError, Message

from cfsearch.errors import ModelFileError, UnsafeModelError
from cfsearch.files import read_file

_LARGEST: Final = 2 * 1024**3
"""A protobuf message cannot be larger; beyond it weights are external data."""
_IN_MEMORY: Final = "_ORT_MEM_ADDR_"
"""onnxruntime takes such a location for an address in its own memory."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class OnnxFile:
    """A file that parses as ONNX and reaches nothing outside its folder.

    Args:
        path: where it lies.
        content: its bytes, as they were checked.
        model: the parsed message, without external data.
        external: the files of external data, inside ``path``'s folder.
        stamps: identity of each of those when it was hashed: device, number, size, time.
        sha256: hash over the file and its external data.
    """

    path: Path
    content: bytes
    model: onnx.ModelProto
    external: tuple[Path, ...]
    stamps: tuple[tuple[int, ...], ...]
    sha256: str


def read_onnx_file(path: Path) -> OnnxFile:
    """The file, checked.

    Raises:
        ModelFileError: it is missing, no ordinary file, empty, cut off, or no ONNX model.
        UnsafeModelError: its external data lies outside its folder, or is no ordinary file.
    """
    content = ordinary_file(path)
    model = _parsed(path, content)
    locations = _all_locations(path, model)
    external = tuple(_inside(path, location) for location in locations)
    stamps = tuple(_stamp(file) for file in external)
    for tensor in _tensors(model):
        _check_extent(path, tensor)
    digest = hashlib.sha256(content)
    for location, file in zip(locations, external, strict=True):
        digest.update(location.encode())
        with file.open("rb") as stream:
            digest.update(hashlib.file_digest(stream, "sha256").digest())
    return OnnxFile(
        path=path,
        content=content,
        model=model,
        external=external,
        stamps=stamps,
        sha256=digest.hexdigest(),
    )


def check_external(file: OnnxFile) -> None:
    """Looks again at external data, which a runtime opens by itself, just before it does.

    Raises:
        ModelFileError: it is gone, or has changed since the file was read.
        UnsafeModelError: it now leads out of the model's folder, or is no ordinary file.
    """
    locations = _all_locations(file.path, file.model) if file.external else []
    found = tuple(_inside(file.path, location) for location in locations)
    if found != file.external or tuple(_stamp(one) for one in found) != file.stamps:
        raise ModelFileError(
            f"{file.path}: its external data has changed since the model was read. Open it again."
        )


def ordinary_file(path: Path) -> bytes:
    """The bytes of a model file, which must be an ordinary file that is not empty.

    Raises:
        ModelFileError: it is missing, a folder, a pipe or device, empty or unreadable.
    """
    try:
        mode = path.stat().st_mode
        if stat.S_ISDIR(mode):
            raise ModelFileError(f"{path}: expected a model file, got a folder. Name the file in it.")
        if not stat.S_ISREG(mode):
            raise ModelFileError(f"{path}: expected a model file, got a pipe, socket or device. Name a file.")
        if path.stat().st_size > _LARGEST:
            raise ModelFileError(
                f"{path}: has more than 2 GiB; keep the weights of such a model in external data."
            )
        content = read_file(path, most=_LARGEST)
    except ModelFileError:
        raise
    except (FileNotFoundError, NotADirectoryError) as error:
        raise ModelFileError(f"{path}: there is no such model file. Check the path.") from error
    except (OSError, ValueError) as error:
        raise ModelFileError(f"{path}: the model file cannot be read: {_why(error)}.") from error
    if not content:
        raise ModelFileError(f"{path}: the model file is empty (0 bytes). Export or copy it again.")
    return content


def _why(error: OSError | ValueError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def _parsed(path: Path, content: bytes) -> onnx.ModelProto:
    model = onnx.ModelProto()
    try:
        model.ParseFromString(content)  # type: ignore[no-untyped-call]  # protobuf has no types
    except DecodeError as error:
        raise ModelFileError(
            f"{path}: expected an ONNX model, got bytes that are none (cut off, or another kind "
            "of file). Export or copy it again."
        ) from error
    if model.ir_version < 1 or not model.graph.node or not model.graph.output:
        raise ModelFileError(f"{path}: expected an ONNX model, got a file without a graph. Export it again.")
    return model


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    """Every tensor, wherever the file hides it: graphs, attributes, functions, training."""
    waiting: list[Message] = [model]
    while waiting:
        message = waiting.pop()
        if isinstance(message, onnx.TensorProto):
            yield message
            continue
        for field, value in message.ListFields():  # type: ignore[no-untyped-call]  # the same
            if field.type == field.TYPE_MESSAGE:
                waiting.extend([value] if isinstance(value, Message) else value)


def _locations(path: Path, tensor: onnx.TensorProto) -> tuple[str, ...]:
    """The locations of external data that a tensor names; none for ordinary tensors."""
    entries = tuple(entry.value for entry in tensor.external_data if entry.key == "location")
    if tensor.data_location != onnx.TensorProto.EXTERNAL and not tensor.external_data:
        return ()
    if len(entries) != 1 or not entries[0]:
        raise ModelFileError(
            f"{path}: external data of {tensor.name!r} must name one location, got {len(entries)}. "
            "Export the model again."
        )
    return entries


def _all_locations(path: Path, model: onnx.ModelProto) -> list[str]:
    return sorted({location for tensor in _tensors(model) for location in _locations(path, tensor)})


def _stamp(file: Path) -> tuple[int, ...]:
    seen = file.stat()
    return (seen.st_dev, seen.st_ino, seen.st_size, seen.st_mtime_ns)


def _inside(path: Path, location: str) -> Path:
    """The real file behind a location; never opens it."""
    posix, windows = PurePosixPath(location), PureWindowsPath(location)
    if _IN_MEMORY in location:
        raise UnsafeModelError(
            f"{path}: external data {location!r} points into the memory of the runtime. Do not use this file."
        )
    if posix.is_absolute() or windows.is_absolute() or windows.drive or windows.root:
        raise UnsafeModelError(
            f"{path}: external data must lie beside the model, got the absolute path "
            f"{location!r}. Do not use this file, or export it again."
        )
    if ".." in posix.parts or ".." in windows.parts or "\0" in location:
        raise UnsafeModelError(
            f"{path}: external data must lie beside the model, got {location!r}, which leads out "
            "of its folder. Do not use this file, or export it again."
        )
    folder = Path(os.path.realpath(path.parent))
    real = Path(os.path.realpath(folder / location))
    if not real.is_relative_to(folder):
        raise UnsafeModelError(
            f"{path}: external data {location!r} is a link out of the model's folder, to {real}. "
            "Put the file itself beside the model."
        )
    try:
        mode, names = real.stat().st_mode, real.stat().st_nlink
    except (OSError, ValueError) as error:
        raise ModelFileError(
            f"{path}: its external data {location!r} is missing. Copy it beside the model."
        ) from error
    if not stat.S_ISREG(mode):
        raise UnsafeModelError(
            f"{path}: external data {location!r} must be an ordinary file, got a folder, pipe or "
            "device. Do not use this file."
        )
    if names > 1 and names > _names_within(folder, real):
        raise UnsafeModelError(
            f"{path}: external data {location!r} is one file with {names} names (hard links), of which some lie outside "
            "the model's folder. Put a copy of it beside the model: cp."
        )
    return real


def _names_within(folder: Path, file: Path) -> int:
    """How many names of one file lie in a folder and those below it."""
    own = file.stat()
    count = 0
    for place, _, names in os.walk(folder):
        for name in names:
            seen = (Path(place) / name).lstat()
            count += (seen.st_dev, seen.st_ino) == (own.st_dev, own.st_ino)
    return count


def _check_extent(path: Path, tensor: onnx.TensorProto) -> None:
    """Offset and length lie within the file."""
    locations = _locations(path, tensor)
    if not locations:
        return
    size = _inside(path, locations[0]).stat().st_size
    entries = {entry.key: entry.value for entry in tensor.external_data}
    extent = [entries.get("offset", "0"), entries.get("length", "0")]
    if not all(text.isascii() and text.isdecimal() and len(text) < 20 for text in extent):
        raise ModelFileError(
            f"{path}: external data of {tensor.name!r} has offset {extent[0]!r} and length "
            f"{extent[1]!r}, expected whole numbers. Export the model again."
        )
    if sum(map(int, extent)) > size:
        raise ModelFileError(
            f"{path}: external data {locations[0]!r} ends after {size} bytes, expected at least "
            f"{sum(map(int, extent))}. It was cut off; copy it again."
        )
