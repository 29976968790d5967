"""Readers of what stands beside models and runs: descriptions, seals, keys, caches, networks, addresses; and of JSON itself."""

import hashlib
import io
import json
import tempfile
import wave
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

Load = Callable[[Path], object]

_CROISSANT: Final = {
    "@type": "sc:Dataset",
    "conformsTo": "http://mlcommons.org/croissant/1.0",
    "name": "people",
    "license": "CC0-1.0",
    "distribution": [{"@type": "cr:FileObject", "@id": "rows", "name": "rows.csv", "contentUrl": "rows.csv", "sha256": "ab" * 32}],
    "recordSet": [
        {
            "@type": "cr:RecordSet",
            "@id": "records",
            "field": [
                {
                    "@type": "cr:Field",
                    "@id": "records/age",
                    "dataType": "sc:Integer",
                    "source": {"fileObject": {"@id": "rows"}, "extract": {"column": "age"}},
                }
            ],
        }
    ],
}  # fmt: skip


def _croissant(path: Path) -> object:
    from cfsearch.datasets.croissant import read_croissant

    return read_croissant(path).columns_of(Path("rows.csv"))


def _sums(path: Path) -> object:
    from cfsearch.runs import checksums

    return checksums.sums(path.rename(path.with_name(checksums.CHECKSUMS)).parent)


def _events(path: Path) -> object:
    from cfsearch.runs import checksums

    return checksums.events(path.rename(path.with_name(checksums.EVENTS)).parent)


def _key(path: Path) -> object:
    from cfsearch.audits.exchange.commitment import read_key

    return read_key(path)


def _cache(path: Path) -> object:
    from cfsearch.errors import DataError
    from cfsearch.providers.cache_file import CacheFile

    cache = CacheFile(path)
    try:
        cache.write({b"k": b"v"})
        found = cache.read([b"k"])
    finally:
        cache.close()
    if found.get(b"k", b"v") != b"v":
        raise AssertionError(f"a wrong answer: {found}")
    ours = {path.name + end for end in ("", "-wal", "-shm")}
    if aside := [one.name for one in path.parent.iterdir() if one.name not in ours]:
        raise DataError(f"it was moved aside: {aside}")
    return found


def _recordings(path: Path) -> object:
    from cfsearch.datasets.sound import read_each

    return read_each(path.rename(path.with_suffix(".zip"))).failures


def _address(path: Path) -> object:
    from cfsearch.providers.served.address import Address
    from cfsearch.secrecy import redacted

    text = path.read_bytes().decode("latin-1")
    redacted(text)
    return Address.of(text).target("/infer")


def _attgan(path: Path) -> object:
    from cfsearch.generators.attgan.published import _settings_of

    return _settings_of(path, path)


def _json(path: Path) -> object:
    from cfsearch.errors import DataError
    from cfsearch.parsing import JSONError, parse_json

    content = path.read_bytes()
    try:
        value = parse_json(content)
    except JSONError as error:
        raise DataError(str(error)) from error
    return json.dumps(value, allow_nan=False, ensure_ascii=False).encode()


def _sealed() -> bytes:
    files = {"audit.json": "ab" * 32}
    own = hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest()
    return json.dumps({"format": "cfsearch-checksums/1", "files": files, "sha256": own}).encode()


def _chained() -> bytes:
    lines: list[bytes] = []
    for what in ("started", "ended"):
        before = hashlib.sha256(lines[-1]).hexdigest() if lines else "0" * 64
        entry: dict[str, Any] = {"at": "2026-01-01", "before": before, "detail": {}, "event": what}
        lines.append(json.dumps(entry, sort_keys=True).encode())
    return b"\n".join(lines) + b"\n"


def _packed_waves() -> bytes:
    heard, stream = io.BytesIO(), io.BytesIO()
    with wave.open(heard, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(b"\1\2" * 300)
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr("a.wav", heard.getvalue())
        packed.writestr("b.wav", heard.getvalue()[:-9])
    return stream.getvalue()


def _cached() -> bytes:
    from cfsearch.providers.cache_file import CacheFile

    with tempfile.TemporaryDirectory() as place:
        cache = CacheFile(Path(place) / "answers.sqlite")
        cache.write({b"a": b"1", b"b": b"2" * 40})
        cache.close()
        return (Path(place) / "answers.sqlite").read_bytes()


def beside() -> dict[str, tuple[Load, str, bytes]]:
    """The loader of each kind of file by its name, the ending of its files, and one that it takes."""
    return {
        "croissant": (_croissant, ".json", json.dumps(_CROISSANT).encode()),
        "checksums": (_sums, ".json", _sealed()),
        "events": (_events, ".jsonl", _chained()),
        "key": (_key, ".key", b"ab" * 32 + b"\n"),
        "cache": (_cache, ".sqlite", _cached()),
        "recordings": (_recordings, ".kept", _packed_waves()),
        "address": (_address, ".txt", b"oip+https://host:8080/v2/models/m/infer?key=a%20b&version=3#x"),
        "published settings": (_attgan, ".txt", b'{"img_size": 128, "attrs": ["Male"], "enc_layers": 5}'),
        "json": (_json, ".json", b'{"a": [1, -2.5e3, "\\u00e9\\ud83d\\ude00", null, true, {"b": {}}]}'),
    }
