"""JSON from files and servers: one parser, which takes what the standard takes and says where it is not kept."""

import json
import math
import re
from typing import Any, Final, final

import numpy as np

MOST_DEEP: Final = 500
"""Lists and objects inside each other beyond which a text is refused."""

_TOKEN: Final = re.compile(r'"(?:[^"\\]|\\.)*"|[\[\]{}:,]|[^\s\[\]{}:,"]+', re.DOTALL)
_EXPONENT: Final = re.compile(r"[eE]\+?0*\d{3}")
_ZEROS: Final = bytes.maketrans(b"123456789", b"0" * 9)
_SURROGATE: Final = re.compile(r"\\u[dD][89a-fA-F]")
_NO_BRACKETS: Final = bytes(set(range(256)) - set(b"[]{}"))
_STEPS: Final = bytes.maketrans(b"[{]}", b"\1\1\xff\xff")
_TOO_DEEP: Final = f"more than {MOST_DEEP} lists or objects stand inside each other"
_SHOWN: Final = 40


@final
class JSONError(ValueError):
    """What was read is no JSON; the message says why and where, as the middle of a sentence.

    Args:
        message: that says so.
        broken: whether the text may have been cut short or garbled on its way, rather than written so.

    Example:
        >>> parse_json('{"a": [1, NaN]}')
        Traceback (most recent call last):
        cfsearch.parsing.JSONError: NaN is no number of JSON (line 1, column 11)
    """

    def __init__(self, message: str, *, broken: bool = False) -> None:
        super().__init__(message)
        self.broken: Final = broken


def parse_json(content: str | bytes, *, constants: bool = False) -> Any:  # Any: JSON values
    """The values of a JSON text.

    Beyond what ``json.loads`` refuses: NaN and infinity, also as numbers that are too large (``1e400``), keys that stand
    twice in one object, halves of surrogate pairs, text other than UTF-8, and more than 500 lists or objects inside each other.

    Args:
        content: a text, or its bytes in UTF-8, with or without a byte order mark.
        constants: whether NaN and infinity are taken, for files of tools that write them.

    Raises:
        JSONError: it is none.

    Example:
        >>> parse_json(b'{"a": [1, 2.5]}')
        {'a': [1, 2.5]}
        >>> parse_json('{"a": 1, "a": 2}')
        Traceback (most recent call last):
        cfsearch.parsing.JSONError: the key 'a' stands twice in one object (line 1, column 10)
    """
    text = (content if isinstance(content, str) else _decoded(content)).removeprefix("\ufeff")
    if not text.strip():
        raise JSONError("it is empty", broken=True)
    if text.count("[") + text.count("{") > MOST_DEEP:
        _check_depth(text)
    long = _has_long_numbers(text)  # looked for first: a function called for each number is slow
    try:
        value = json.loads(
            text,
            object_pairs_hook=_unique,
            parse_constant=None if constants else _refused,
            parse_float=_finite if long and not constants else None,
            parse_int=_counted if long else None,
        )
    except json.JSONDecodeError as error:
        what = f"{error.msg[:1].lower()}{error.msg[1:]} (line {error.lineno}, column {error.colno})"
        raise JSONError(what, broken=True) from error
    except _RefusedError as error:
        raise JSONError(f"{error}{_where(text, error)}") from None
    except RecursionError as error:
        raise JSONError(_TOO_DEEP) from error
    if _SURROGATE.search(text):
        _check_text(text, value)
    return value


class _RefusedError(Exception):
    """A token that is refused wherever it stands first."""

    def __init__(self, message: str, token: str, *, key: bool = False) -> None:
        super().__init__(message)
        self.token, self.key = token, key


def _decoded(content: bytes) -> str:
    encoding = json.detect_encoding(content)
    if encoding not in ("utf-8", "utf-8-sig"):
        raise JSONError(
            f"it is text in {encoding[:6].upper()}, expected UTF-8; save it as UTF-8", broken=True
        )
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise JSONError(f"it is no UTF-8 text (byte {error.start})", broken=True) from error


def _has_long_numbers(text: str) -> bool:
    digits = text.encode(errors="replace").translate(_ZEROS)
    return b"0" * 300 in digits or _EXPONENT.search(text) is not None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:  # Any: JSON values
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        for key, _ in pairs:
            if key in seen:
                raise _RefusedError(f"the key {_short(key)!r} stands twice in one object", key, key=True)
            seen.add(key)
    return made


def _refused(token: str) -> float:
    raise _RefusedError(f"{token} is no number of JSON", token)


def _finite(token: str) -> float:
    value = float(token)
    if not math.isfinite(value):
        raise _RefusedError(f"the number {_short(token)} is too large", token)
    return value


def _counted(token: str) -> int:
    if len(token) > 308:
        raise _RefusedError(f"a whole number of {len(token.removeprefix('-')):,} digits is too large", token)
    return int(token)


def _check_depth(text: str) -> None:
    outside = "".join(text.replace("\\\\", "").replace('\\"', "").split('"')[::2])
    brackets = outside.encode(errors="replace").translate(_STEPS, _NO_BRACKETS)
    if int(np.frombuffer(brackets, np.int8).cumsum(dtype=np.int64).max(initial=0)) > MOST_DEEP:
        raise JSONError(_TOO_DEEP)


def _check_text(text: str, value: Any) -> None:  # Any: JSON values
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        halves = (f for f in _TOKEN.finditer(text) if f[0].startswith('"') and not _is_text(f[0]))
        where = next((_at(text, found.start()) for found in halves), "")
        raise JSONError(f"a text holds half of a surrogate pair, which is no letter{where}") from None


def _is_text(token: str) -> bool:
    try:
        json.loads(token).encode()
    except ValueError:
        return False
    return True


def _text_of(token: str) -> str:
    try:
        return str(json.loads(token))
    except ValueError:
        return token


def _where(text: str, error: _RefusedError) -> str:
    """Where a refused token stands; of a key, where it stands for the second time."""
    objects: list[set[str] | None] = []
    token = json.dumps(error.token) if error.key else error.token
    found = list(_TOKEN.finditer(text))
    for i, one in enumerate(found):
        if one[0] in ("{", "["):
            objects.append(set() if one[0] == "{" else None)
        elif one[0] in ("}", "]"):
            objects = objects[:-1]  # of a text that is broken elsewhere there may be none
        elif not error.key and one[0] == token:
            return _at(text, one.start())
        elif error.key and one[0].startswith('"') and i + 1 < len(found) and found[i + 1][0] == ":":
            keys, key = objects[-1] if objects else None, _text_of(one[0])
            if keys is not None and key in keys and key == error.token:
                return _at(text, one.start())
            if keys is not None:
                keys.add(key)
    return ""


def _at(text: str, place: int) -> str:
    line = text.count("\n", 0, place) + 1
    return f" (line {line}, column {place - text.rfind(chr(10), 0, place)})"


def _short(text: str) -> str:
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
