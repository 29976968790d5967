"""The text of a table's file, whatever it is packed and encoded in."""

import bz2
import codecs
import gzip
import io
import lzma
import zipfile
import zlib
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, final

from cfsearch.errors import ConfigError, DataError, MissingExtraError
from cfsearch.files import open_file, read_most, why_no_file

from ._types import ColumnType, types_beside, types_of_frame

if TYPE_CHECKING:
    import pandas as pd

MAX_BYTES: Final = 2**30
"""Tables of more bytes (unpacked) are refused."""

_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""What stands at the beginning of files that say how they are encoded; the longer mark first."""

_OTHER_KINDS: Final = {
    **dict.fromkeys((".xlsx", ".xls", ".xlsm", ".ods"), "a spreadsheet; save it as CSV there (Save as, CSV UTF-8)"),
    **dict.fromkeys(
        (".json", ".jsonl", ".ndjson"),
        "JSON; write it as CSV: pandas.read_json(FILE).to_csv('table.csv', index=False) (lines=True for .jsonl)",
    ),
    **dict.fromkeys(
        (".feather", ".arrow", ".pkl", ".pickle", ".sav", ".dta", ".sas7bdat", ".rds", ".h5", ".db", ".sqlite"),
        "no text; write it as CSV with pandas (read_..., then to_csv('table.csv', index=False))",
    ),
}  # fmt: skip


_PACKED: Final = {b"\x1f\x8b": "gzip", b"BZh": "bzip2", b"\xfd7zXZ\0": "xz"}
"""How files begin that are packed, and with what."""

_UNPACKED: Final[
    Mapping[str, Callable[[IO[bytes]], AbstractContextManager[Any]]]
] = {  # Any: gzip's is no IO[bytes]
    "": nullcontext,
    "gzip": lambda file: gzip.GzipFile(fileobj=file),
    "bzip2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
}


_ZSTD: Final = b"\x28\xb5\x2f\xfd"


@final
@dataclass(frozen=True, slots=True)
class FileText:
    """The text of a file, its encoding, and what a reader must know of how it was read.

    Args:
        text: without a byte order mark.
        encoding: in which it was written.
        notes: one sentence each.
        types: as of ``TextTable``.
    """

    text: str
    encoding: str
    notes: tuple[str, ...] = ()
    types: Mapping[str, ColumnType] = field(default_factory=dict)


def text_of(path: Path, encoding: str | None) -> FileText:
    """The text of a file, unpacked and decoded.

    gzip, bzip2, xz and ``.zip`` are unpacked, ``.parquet`` is read by pyarrow. Without a declared encoding the byte
    order mark says which it is; else UTF-8, and where it is none Windows-1252, the usual one of older
    programs, which the notes say.

    Args:
        path: the file.
        encoding: as declared; None to find out.

    Raises:
        DataError: there is no such file, it is broken, or no text.
        ConfigError: the encoding is unknown.
        MissingExtraError: a parquet file without pyarrow (extra ``export``).
    """
    kind = _OTHER_KINDS.get(path.suffix.lower())
    if kind is not None:
        raise DataError(f"table: {path.name!r} must be a CSV file, got {kind}.")
    if path.suffix.lower() == ".parquet":
        frame = parquet_frame(path)
        frame = frame.set_axis([str(name) for name in frame.columns], axis="columns")
        return FileText(
            frame.to_csv(index=False), "utf-8", (f"{path.name} was read as parquet.",), types_of_frame(frame)
        )
    raw = bytes_of(path)
    if raw[:4] == b"PK\x03\x04":
        raise DataError(
            f"table: {path.name!r} must be a CSV file, got a packed one (a spreadsheet, perhaps). Save it as CSV."
        )
    if encoding is not None:
        return FileText(_decoded(raw, path, encoding), encoding, types=types_beside(path))
    notes: tuple[str, ...]
    for mark, name in _MARKS:
        if raw.startswith(mark):
            marked = f"{path.name} is {name.upper()} text, by its byte order mark."
            notes = () if name == "utf-8-sig" else (marked,)
            return FileText(_decoded(raw, path, name), name, notes, types_beside(path))
    if raw.startswith(_ZSTD):
        raise DataError(
            f"table: {path.name!r} must be a CSV file, got one packed by zstd. Unpack it (unzstd FILE), or pack it with gzip."
        )
    if raw.startswith(b"PAR1"):
        raise DataError(
            f"table: {path.name!r} must be a CSV file, got parquet. Give its name the ending .parquet."
        )
    if b"\0" in raw:
        raise _nul(path, line=raw[: raw.index(b"\0")].count(b"\n") + 1)
    try:
        return FileText(raw.decode("utf-8"), "utf-8", types=types_beside(path))
    except UnicodeDecodeError as error:
        line = raw[: error.start].count(b"\n") + 1
    name = "cp1252"
    try:
        text = raw.decode(name)
    except UnicodeDecodeError:
        name = "latin-1"
        text = raw.decode(name)
    note = (
        f"{path.name} is no UTF-8 text (line {line}); read as {'Windows-1252' if name == 'cp1252' else 'Latin-1'}. "
        "If letters look wrong, declare another: --encoding."
    )
    return FileText(text, name, (note,), types_beside(path))


def bytes_of(path: Path) -> bytes:
    """The bytes of a file, unpacked.

    Args:
        path: the file.

    Raises:
        DataError: there is no such file, it is broken or too large.
    """
    kind = ""
    try:
        absent = why_no_file(path)
        if absent:
            raise DataError(f"table: {str(path)!r} must be a CSV file, but {absent}. Check the path.")
        kind = _packing(path)
        if kind == "zip":
            raw = _unzipped(path)
        else:
            with open_file(path) as file, _UNPACKED[kind](file) as unpacked:
                raw = read_most(unpacked, MAX_BYTES + 1)
    except (
        *(EOFError, zlib.error, gzip.BadGzipFile, zipfile.BadZipFile, lzma.LZMAError),
        *(NotImplementedError, UnicodeDecodeError),  # packed in a way unknown here; a name that is no text
    ) as error:
        raise DataError(f"table: {path.name!r} is a broken {kind} file ({error}). Copy it again.") from error
    except OSError as error:
        if error.errno is None:  # what bz2 raises for broken data
            raise DataError(
                f"table: {path.name!r} is a broken {kind} file ({error}). Copy it again."
            ) from error
        raise DataError(
            f"table: {str(path)!r} cannot be read: {error.strerror}. Check its rights."
        ) from error
    if len(raw) > MAX_BYTES:
        raise DataError(f"table: {path.name!r} has more than {MAX_BYTES // 2**20} MiB. Take a part of it.")
    return raw


def _packing(path: Path) -> str:
    """What a file is packed with, by its first bytes; an ending that says gzip or zip is believed."""
    if path.suffix.lower() == ".zip":
        return "zip"
    if path.suffix.lower() == ".gz":
        return "gzip"
    with open_file(path) as file:
        begin = file.read(6)
    return next((kind for mark, kind in _PACKED.items() if begin.startswith(mark)), "")


def _unzipped(path: Path) -> bytes:
    with zipfile.ZipFile(path) as packed:
        names = [
            name
            for name in packed.namelist()
            if not name.endswith("/") and not Path(name).name.startswith(".") and "__MACOSX" not in name
        ]
        if len(names) != 1:
            shown = ", ".join(names[:4])
            raise DataError(
                f"table: {path.name!r} must hold one CSV file, got {len(names)} files ({shown}). Unpack it, and give one."
            )
        try:
            with packed.open(names[0]) as member:
                return read_most(member, MAX_BYTES + 1)
        except RuntimeError as error:  # what zipfile raises for encrypted members
            raise DataError(
                f"table: {path.name!r} cannot be unpacked: {error}. Unpack it yourself."
            ) from error


def parquet_frame(path: Path) -> "pd.DataFrame":
    """The rows of a parquet file; an index with a name is a column.

    Args:
        path: the file.

    Raises:
        DataError: it is no parquet file.
        MissingExtraError: pyarrow or pandas is missing (extra ``export``).
    """
    if find_spec("pyarrow") is None or find_spec("pandas") is None:
        raise MissingExtraError(
            f"table: {path.name!r} needs pyarrow, which is not installed: pip install 'cfsearch[export]'; or save "
            "it as CSV."
        )
    import pandas as pd

    raw = bytes_of(path)
    try:
        frame: pd.DataFrame = pd.read_parquet(io.BytesIO(raw))
    except (OSError, ValueError) as error:  # pyarrow's errors are of these
        raise DataError(
            f"table: {path.name!r} is no parquet file ({str(error)[:80]}). Copy it again."
        ) from error
    named = all(name is not None and name not in frame.columns for name in frame.index.names)
    return frame.reset_index() if named else frame.reset_index(drop=True)


def _decoded(raw: bytes, path: Path, encoding: str) -> str:
    name = "utf-8-sig" if encoding.lower() in ("utf-8", "utf8") else encoding
    try:
        text = raw.decode(name)
    except LookupError as error:
        raise ConfigError(
            f"table: `encoding` {encoding!r} is unknown; use utf-8, cp1252, latin-1, utf-16, cp1251, gbk or another "
            "of Python's."
        ) from error
    except UnicodeError as error:
        start = error.start if isinstance(error, UnicodeDecodeError) else 0
        line = raw[:start].count(b"\n") + 1
        raise DataError(
            f"table: {path.name!r}, line {line} is not {encoding} text. Declare another encoding, or none to let "
            "it be found."
        ) from error
    if "\0" in text:
        raise _nul(path, line=text[: text.index("\0")].count("\n") + 1)
    return text


def _nul(path: Path, *, line: int) -> DataError:
    return DataError(
        f"table: {path.name!r}, line {line} holds a NUL byte, so this is no text file, or a damaged one. Save it as CSV in UTF-8 "
        "(of UTF-16 without a byte order mark: --encoding utf-16-le), or look at that line and take the byte out "
        "(tr -d '\\000' < FILE > CLEAN)."
    )
