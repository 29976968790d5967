"""A data set's description in Croissant: what it is called, its licence, its files, its columns.

Croissant is JSON-LD on the vocabulary of schema.org. Read is what a description says in its usual, compacted form,
whatever prefix stands before a key; nothing is fetched, and no file is opened but the description itself.

References:
    MLCommons, Croissant Format Specification 1.0 and 1.1, https://docs.mlcommons.org/croissant/docs/croissant-spec.html.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final, final

from cfsearch.errors import DataError
from cfsearch.files import read_file, reason
from cfsearch.parsing import parse_json

_LARGEST: Final = 64 * 2**20
_SCHEMA: Final = ("http://mlcommons.org/croissant/", "https://mlcommons.org/croissant/")
_NUMBERS: Final = frozenset({"Integer", "Float", "Number", "int32", "int64", "float32", "float64"})
_CODES: Final = frozenset({"Boolean", "Text", "Enumeration", "Date", "bool"})


@final
@dataclass(frozen=True, slots=True)
class CroissantFile:
    """A file of a data set.

    Args:
        key: its ``@id``.
        name: what it is called.
        url: where it is, ``contentUrl``; may be relative to the description.
        sha256: of its content, in lower-case hexadecimals; empty where none is stated.
        inside: whether it lies in an archive, and is no file of its own.
    """

    key: str
    name: str
    url: str
    sha256: str
    inside: bool

    @property
    def names(self) -> tuple[str, ...]:
        """Names under which it may lie on a disk."""
        last = self.url.split("?")[0].rstrip("/").rsplit("/", 1)[-1]
        return tuple(dict.fromkeys(one for one in (last, self.name, self.key) if one))


@final
@dataclass(frozen=True, slots=True)
class CroissantColumn:
    """A column of a table of a data set.

    Args:
        name: of the column in its file.
        file: key of the file.
        types: "Integer", "Text", ... without prefixes.
        levels: values of the enumeration that it refers to; empty where it refers to none.
        description: in words.
    """

    name: str
    file: str
    types: tuple[str, ...]
    levels: tuple[str, ...] = ()
    description: str = ""

    @property
    def is_category(self) -> bool:
        """True where its values are names, or numbers that stand for names."""
        return bool(self.levels) or bool(set(self.types) & _CODES and not set(self.types) & _NUMBERS)


@final
@dataclass(frozen=True, slots=True)
class Croissant:
    """What a description says.

    Args:
        path: of the description.
        sha256: of its content.
        about: name, licence and so on, as text; only what is stated.
        files: of the data set.
        columns: of its tables.
    """

    path: Path
    sha256: str
    about: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    files: tuple[CroissantFile, ...] = ()
    columns: tuple[CroissantColumn, ...] = ()

    def file_of(self, path: Path) -> CroissantFile | None:
        """The file of the data set that a file at hand is, by its name.

        Args:
            path: of the file at hand.
        """
        return next((one for one in self.files if path.name in one.names), None)

    def columns_of(self, path: Path) -> tuple[CroissantColumn, ...]:
        """The columns of a file at hand; of a data set of one table those, whatever the file is called.

        Args:
            path: of the file at hand.
        """
        one = self.file_of(path)
        keys = {column.file for column in self.columns}
        if one is None and len(keys) > 1:
            return ()
        return tuple(c for c in self.columns if one is None or len(keys) == 1 or c.file == one.key)


_ABOUT: Final = {
    "name": "name",
    "description": "description",
    "version": "version",
    "license": "licence",
    "citeAs": "cite_as",
    "url": "url",
    "creator": "creator",
    "datePublished": "date_published",
    "conformsTo": "conforms_to",
}


def read_croissant(path: str | Path) -> Croissant:
    """Read a description.

    Args:
        path: of ``croissant.json``.

    Raises:
        DataError: it cannot be read, or is no description of a data set in Croissant.

    Example:
        >>> import json, tempfile
        >>> folder = tempfile.TemporaryDirectory()
        >>> file = Path(folder.name) / "croissant.json"
        >>> written = {"@type": "sc:Dataset", "conformsTo": "http://mlcommons.org/croissant/1.0", "name": "people", "license": "CC0-1.0"}
        >>> _ = file.write_text(json.dumps(written))
        >>> read_croissant(file).about["licence"]
        'CC0-1.0'
        >>> folder.cleanup()
    """
    path = Path(path)
    try:
        blob = read_file(path, most=_LARGEST)
        value = parse_json(blob)
    except OSError as error:
        raise DataError(
            f"croissant {str(path)!r} cannot be read: {reason(error)}. Give croissant.json, not the data."
        ) from error
    except ValueError as error:
        raise DataError(f"croissant {str(path)!r}: expected JSON, got something else ({error}).") from error
    top = _plain(value)
    if not isinstance(top, dict) or "Dataset" not in _texts(top.get("@type")):
        raise DataError(
            f"croissant {str(path)!r}: expected the description of a data set (`@type` sc:Dataset), got none. Give the "
            "croissant.json that comes with the data."
        )
    if not any(text.startswith(_SCHEMA) for text in _texts(top.get("conformsTo"))):
        raise DataError(
            f"croissant {str(path)!r}: expected `conformsTo` http://mlcommons.org/croissant/1.0, got "
            f"{_one(top.get('conformsTo')) or 'nothing'}. It may be another kind of JSON-LD."
        )
    about = {ours: text for key, ours in _ABOUT.items() if (text := "; ".join(_texts(top.get(key))))}
    return Croissant(
        path,
        hashlib.sha256(blob).hexdigest(),
        MappingProxyType(about),
        tuple(_files(top)),
        tuple(_columns(top)),
    )


def _plain(value: Any) -> Any:  # Any: JSON
    """The value without prefixes before its keys and types: ``sc:name`` and ``https://schema.org/name`` are ``name``."""
    if isinstance(value, dict):
        return {(k := _short(key)): part if k == "data" else _plain(part) for key, part in value.items()}
    if isinstance(value, list):
        return [_plain(part) for part in value]
    return _short(value) if isinstance(value, str) and value.startswith(_PREFIXES) else value


_PREFIXES: Final = (
    *("sc:", "cr:", "schema:", "dct:", "https://schema.org/", "http://schema.org/"),
    *("http://mlcommons.org/croissant/", "https://mlcommons.org/croissant/", "http://purl.org/dc/terms/"),
)


def _short(text: str) -> str:
    for prefix in _PREFIXES:
        rest = text.removeprefix(prefix)
        if rest != text:
            return text if rest[:1].isdigit() else rest  # the version of the specification is no name
    return text


def _each(value: Any) -> Iterator[Any]:  # Any: JSON
    yield from value if isinstance(value, list) else () if value is None else (value,)


def _texts(value: Any) -> list[str]:  # Any: JSON
    """Texts of a value in whatever form JSON-LD gives it: text, ``@value``, ``@id``, or the name of a thing."""
    found = []
    for one in _each(value):
        if isinstance(one, dict):
            found += _texts(
                next((one[key] for key in ("@value", "name", "@id", "url") if one.get(key)), None)
            )
        elif isinstance(one, str | int | float) and not isinstance(one, bool) and str(one).strip():
            found.append(str(one).strip())
    return found


def _one(value: Any) -> str:  # Any: JSON
    return next(iter(_texts(value)), "")


def _files(top: dict[str, Any]) -> Iterator[CroissantFile]:
    for one in _each(top.get("distribution")):
        if isinstance(one, dict) and "FileObject" in _texts(one.get("@type")):
            yield CroissantFile(
                key=str(one.get("@id") or one.get("name") or ""),
                name=_one(one.get("name")),
                url=_one(one.get("contentUrl")),
                sha256=_one(one.get("sha256")).lower(),
                inside=bool(one.get("containedIn")),
            )


def _columns(top: dict[str, Any]) -> Iterator[CroissantColumn]:
    levels: dict[str, tuple[str, ...]] = {}
    sets = [one for one in _each(top.get("recordSet")) if isinstance(one, dict)]
    for one in sets:
        for inner in _each(one.get("field")):
            key = str(inner.get("@id", "")) if isinstance(inner, dict) else ""
            rows = [row for row in _each(one.get("data")) if isinstance(row, dict)]
            names = [str(row[k]) for row in rows for k in (key, key.rsplit("/", 1)[-1]) if k and k in row]
            if names:
                levels[key] = tuple(dict.fromkeys(names))
    for one in sets:
        for inner in _each(one.get("field")):
            source = inner.get("source") if isinstance(inner, dict) else None
            extract = source.get("extract") if isinstance(source, dict) else None
            column = _one(extract.get("column")) if isinstance(extract, dict) else ""
            if not column or not isinstance(source, dict):
                continue
            refers = inner.get("references")
            target = refers.get("field") if isinstance(refers, dict) else None
            yield CroissantColumn(
                name=column,
                file=_one(source.get("fileObject") or source.get("fileSet")),
                types=tuple(_texts(inner.get("dataType"))),
                levels=levels.get(_one(target), ()),
                description=_one(inner.get("description")),
            )
