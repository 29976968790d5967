"""One parser of JSON: what it takes, what it refuses and where, and every reader that uses it."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cfsearch.audits.exchange.attestation import read_statement
from cfsearch.audits.tensor_file import read_tensors, write_tensors
from cfsearch.audits.theirs import read_theirs
from cfsearch.datasets.croissant import read_croissant
from cfsearch.datasets.sound import Spectrogram
from cfsearch.errors import CfsearchError
from cfsearch.fronts.front import ParetoFront
from cfsearch.generators.attgan.published import _settings_of
from cfsearch.parsing import MOST_DEEP, JSONError, parse_json
from cfsearch.providers.onnx.graph import _names
from cfsearch.providers.served.address import Address
from cfsearch.providers.served.messages import BadAnswerError, Response, UnreadableAnswerError
from cfsearch.providers.served.settings import ServedTable
from cfsearch.providers.served.template import Template
from cfsearch.providers.surrogate_file import Surrogate
from cfsearch.runs import checksums
from cfsearch.runs.guard import guarded, read_object

VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@given(value=VALUES, ascii_only=st.booleans(), indent=st.sampled_from([None, 1]))
def test_whatever_json_writes_is_read_as_it_was(value: object, ascii_only: bool, indent: int | None) -> None:
    text = json.dumps(value, ensure_ascii=ascii_only, indent=indent, allow_nan=False)
    assert parse_json(text) == value
    assert parse_json(text.encode()) == value
    assert parse_json(text.encode("utf-8-sig")) == value


REFUSED: dict[str, tuple[str | bytes, str]] = {
    "empty": ("", "it is empty"),
    "blank": (b" \n", "it is empty"),
    "NaN": ('{"a": "NaN",\n "b": [1, NaN]}', "NaN is no number of JSON (line 2, column 11)"),
    "infinity": ("[-Infinity]", "-Infinity is no number of JSON (line 1, column 2)"),
    "1e400": ("[1, 1e400]", "the number 1e400 is too large (line 1, column 5)"),
    "-1e999": ("[-1E+0999]", "the number -1E+0999 is too large (line 1, column 2)"),
    "digits": ("[\n" + "7" * 10**5 + "]", "a whole number of 100,000 digits is too large (line 2, column 1)"),
    "twice": ('{"a": {"b": 1},\n"b": 2, "a": 3}', "the key 'a' stands twice in one object (line 2, column 9)"),
    "twice, escaped": ('[{"a": 1}, {"a": 1, "\\u0061": 2}]', "the key 'a' stands twice in one object (line 1, column 21)"),
    "twice, then broken": ('{"a": 1, "a": 2}]]] "x\x01": {"a": 1, "a": 2', "the key 'a' stands twice in one object"),
    "too large in what is none": ('{"a": {}, "b": 1e400ws.csv", "c": []}]', "the number 1e400 is too large"),
    "half a letter": ('["fine", "\\ud83d"]', "half of a surrogate pair, which is no letter (line 1, column 10)"),
    "half a key": ('{"\\udc00": 1}', "half of a surrogate pair, which is no letter (line 1, column 2)"),
    "lists": ("[" * 90_000, f"more than {MOST_DEEP} lists or objects"),
    "closed lists": ("[" * 90_000 + "]" * 90_000, f"more than {MOST_DEEP} lists or objects"),
    "objects": ('{"[\\"": ' * 90_000, f"more than {MOST_DEEP} lists or objects"),
    "one too many": ("[" * (MOST_DEEP + 1) + "]" * (MOST_DEEP + 1), f"more than {MOST_DEEP} lists or objects"),
    "behind texts": ('["]",' * 600 + "1" + "]" * 600, f"more than {MOST_DEEP} lists or objects"),
    "truncated": ('{"a": [1, 2', "expecting ',' delimiter (line 1, column 12)"),
    "more": ("[1] [2]", "extra data (line 1, column 5)"),
    "UTF-16": ("[1]".encode("utf-16"), "it is text in UTF-16, expected UTF-8; save it as UTF-8"),
    "UTF-16 without a mark": ('{"a": 1}'.encode("utf-16-le"), "it is text in UTF-16, expected UTF-8"),
    "UTF-32": ("[1]".encode("utf-32"), "it is text in UTF-32, expected UTF-8"),
    "Latin-1": ('["é"]'.encode("latin-1"), "it is no UTF-8 text (byte 2)"),
    "a control letter": ('["\x01"]', "invalid control character at (line 1, column 3)"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_refused_says_why_and_where(name: str) -> None:
    content, says = REFUSED[name]
    with pytest.raises(JSONError) as raised:
        parse_json(content)
    assert says in str(raised.value)
    assert len(str(raised.value)) < 200


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("[1e-400]", [0.0]),
        ("[1e308, -1e+0307]", [1e308, -1e307]),
        ("9" * 305, int("9" * 305)),
        (f"[0.{'3' * 400}]", [1 / 3]),
        ('"\\ud83d\\ude00"', "\U0001f600"),
        ('"a: {[[[ 1e999 NaN"', "a: {[[[ 1e999 NaN"),
        ('[{"a": 1}, {"a": {"a": 2}}]', [{"a": 1}, {"a": {"a": 2}}]),
        (f'["{"[" * 600}"]', ["[" * 600]),
        ("[" * MOST_DEEP + "]" * MOST_DEEP, None),
        ("\ufeff[1]", [1]),
    ],
)
def test_what_stands_next_to_it_is_taken(text: str, value: object) -> None:
    found = parse_json(text)
    assert value is None or found == value


def test_constants_are_taken_where_tools_write_them() -> None:
    assert parse_json("[Infinity, 1e999]", constants=True) == [float("inf")] * 2


WRITTEN = [name for name in REFUSED if name not in ("empty", "blank")]
SYNTAX = ("truncated", "more", "UTF-16", "empty", "a control letter")


@pytest.mark.parametrize("name", WRITTEN)
def test_an_answer_that_may_have_been_garbled_is_queried_again_and_no_other(name: str) -> None:
    content = REFUSED[name][0]
    body = content if isinstance(content, bytes) else content.encode()
    with pytest.raises(BadAnswerError, match="no valid JSON: ") as raised:
        Response({}, body).json()
    garbled = name in SYNTAX or "UTF" in name or name == "Latin-1"
    assert isinstance(raised.value, UnreadableAnswerError) == garbled


def _kept(path: Path) -> object:
    """A file of tensors with this in place of its metadata."""
    content = path.read_bytes().decode("utf-8", "replace")
    write_tensors(path, {"a": torch.ones(1)}, meta={"format": "x"})
    blob = path.read_bytes()
    size = int.from_bytes(blob[:8], "little")
    head = json.loads(blob[8 : 8 + size])
    head["__metadata__"]["cfsearch"] = content
    packed = json.dumps(head).encode()
    path.write_bytes(len(packed).to_bytes(8, "little") + packed + blob[8 + size :])
    with guarded(repr(str(path))):
        return read_tensors(path, kind="x")


def _front(path: Path) -> object:
    content = path.read_bytes()
    return ParetoFront.from_bytes(len(content).to_bytes(8, "little") + content)


def _surrogate(path: Path) -> object:
    from safetensors.torch import save_file

    head = path.read_bytes().decode("utf-8", "replace")
    save_file({"a": torch.ones(1)}, path, {"cfsearch": head})
    return Surrogate.read(path)


def _template(path: Path) -> object:
    table = ServedTable(
        protocol="template", template=path.read_bytes().decode("utf-8", "replace"), pointer="/a"
    )
    return Template(Address.of("http://127.0.0.1:9/x", protocol="template"), table, output=None)


def _sums(path: Path) -> object:
    path.rename(path.with_name(checksums.CHECKSUMS))
    return checksums.sums(path.parent)


def _events(path: Path) -> object:
    path.write_bytes(b" ".join(path.read_bytes().split()))
    path.rename(path.with_name(checksums.EVENTS))
    return checksums.events(path.parent)


READERS: dict[str, Callable[[Path], object]] = {
    "statement": read_statement,
    "theirs": lambda path: read_theirs(path, columns=("a",)),
    "document of a run": read_object,
    "checksums": _sums,
    "events": _events,
    "croissant": read_croissant,
    "kept tensors": _kept,
    "front": _front,
    "surrogate": _surrogate,
    "template": _template,
    "published settings": lambda path: _settings_of(path, path),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("name", WRITTEN)
def test_no_reader_lets_it_in(reader: str, name: str, tmp_path: Path) -> None:
    content = REFUSED[name][0]
    path = tmp_path / "x.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(CfsearchError) as raised:
        READERS[reader](path)
    assert len(str(raised.value)) < 700


@pytest.mark.parametrize("name", ["NaN", "digits", "lists", "half a letter"])
def test_hints_and_settings_of_models_are_read_by_it_as_well(name: str) -> None:
    content = REFUSED[name][0]
    assert isinstance(content, str)
    with pytest.raises(JSONError):
        Spectrogram.from_json(content)
    assert all(isinstance(label, str) for label in _names(content))
