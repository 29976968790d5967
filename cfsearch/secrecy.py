"""Secrets in addresses, taken out of whatever is shown or written."""

import math
import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import unquote_plus

_ADDRESS: Final = re.compile(
    r"(?P<scheme>\b[A-Za-z][A-Za-z0-9+.-]*://)(?P<user>[^\s/?#,'\"<>]*@|[^\s/?#,'\"<>:@]*:(?!\d+/)[^\s'\"<>@]*@)?(?P<path>[^\s?#,'\"<>]*)(?P<query>\?[^\s'\"<>]*)?"
)
_PLAIN: Final = frozenset(
    {
        "api-version",
        "api_version",
        "deployment",
        "deployment_id",
        "deployment_name",
        "endpoint",
        "format",
        "model",
    }
    | {"model_id", "model_name", "model_version", "name", "output", "v", "variant", "version"}
)
"""Names of a query whose values are no secrets, and tell models apart."""
HIDDEN: Final = "[redacted]"
_SHOWN: Final = 80
_LONGEST: Final = 256
"""Bits of a whole number that is written out; Python writes none of more than 4,300 digits."""


def redacted(text: str) -> str:
    """A text whose addresses hold no user, no password, and of their queries no values that may be secrets.

    Args:
        text: a message, a command line, an address.

    Example:
        >>> redacted("search --model 'https://me:pw@host/v2/models/m?version=3&key=abc' -v")
        "search --model 'https://[redacted]@host/v2/models/m?version=3&key=[redacted]' -v"
    """
    return _ADDRESS.sub(_harmless, text) if "://" in text else text


def redacted_settings(settings: Mapping[str, Any]) -> dict[str, Any]:  # Any: plain values
    """Resolved settings whose models' addresses hold no secrets.

    Args:
        settings: as ``Config.resolved`` or an older version of it gave them.

    Example:
        >>> redacted_settings({"model": {"path": "https://host/m?key=abc"}, "search": {"seed": 1}})
        {'model': {'path': 'https://host/m?key=[redacted]'}, 'search': {'seed': 1}}
    """
    model = settings.get("model")
    if isinstance(model, Mapping):
        return {**settings, "model": _model(model)}
    if isinstance(model, list):
        return {**settings, "model": [_model(one) if isinstance(one, Mapping) else one for one in model]}
    return dict(settings)


def redacted_audit(document: Mapping[str, Any]) -> dict[str, Any]:  # Any: JSON values
    """The content of an ``audit.json``, of whatever version, whose commands and models hold no secrets.

    Args:
        document: as it is stored.

    Example:
        >>> redacted_audit({"command": "cfsearch audit --model https://host/m?key=abc"})
        {'command': 'cfsearch audit --model https://host/m?key=[redacted]'}
    """
    found = dict(document)
    if isinstance(found.get("command"), str):
        found["command"] = redacted(found["command"])
    reproduce, models = found.get("reproduce"), found.get("models")
    if isinstance(reproduce, Mapping) and isinstance(reproduce.get("command"), str):
        found["reproduce"] = {**reproduce, "command": redacted(reproduce["command"])}
    if isinstance(models, list):
        found["models"] = [_named(one) if isinstance(one, Mapping) else one for one in models]
    return found


def secrets_of(query: str) -> list[str]:
    """The values of a query that may be secrets, as they are written and as they are meant.

    Args:
        query: what stands behind the `?` of an address.

    Example:
        >>> secrets_of("version=3&key=a%2Fb")
        ['a%2Fb', 'a/b']
    """
    parts = (part.partition("=") for part in query.split("&"))
    values = [value if sign else name for name, sign, value in parts if name.lower() not in _PLAIN]
    return [one for value in values if value for one in dict.fromkeys((value, unquote_plus(value)))]


def without_query(name: str) -> str:
    """The last part of an address or path, without what stands behind its `?`.

    Args:
        name: of a model, as older versions wrote it.

    Example:
        >>> without_query("m?key=abc"), without_query("what?.onnx")
        ('m', 'what?.onnx')
    """
    before, mark, after = name.partition("?")
    return before if mark and before and "=" in after else name


def _model(model: Mapping[str, Any]) -> dict[str, Any]:  # Any: plain values
    return {**model, "path": redacted(model["path"])} if isinstance(model.get("path"), str) else dict(model)


def _named(model: Mapping[str, Any]) -> dict[str, Any]:  # Any: JSON values
    return (
        {**model, "file": without_query(model["file"])} if isinstance(model.get("file"), str) else dict(model)
    )


def _harmless(found: re.Match[str]) -> str:
    user, query = found["user"], found["query"]
    parts = [] if not query else [_part(part) for part in query[1:].partition("#")[0].split("&")]
    shown = f"?{'&'.join(parts)}" if parts else ""
    return f"{found['scheme']}{HIDDEN + '@' if user else ''}{found['path']}{shown}"


def _part(part: str) -> str:
    name, sign, _ = part.partition("=")
    if not sign:
        return HIDDEN if part not in ("", "...") else part
    return part if name.lower() in _PLAIN else f"{name}={HIDDEN}"


def shown(value: object) -> str:
    """A refused value in a sentence: short, without secrets, and whatever its size.

    Args:
        value: as it stands in a file of settings, or was given from Python.

    Example:
        >>> shown("https://me:pw@host/m"), shown(16**5000)
        ("'https://[redacted]@host/m'", 'a whole number of 6,021 digits')
    """
    if isinstance(value, int) and value.bit_length() > _LONGEST:
        return f"a whole number of {math.floor(value.bit_length() * math.log10(2.0)) + 1:,} digits"
    try:
        return redacted(repr(value))[:_SHOWN]
    except Exception:  # noqa: BLE001  # a whole number inside has too many digits, or a stranger's __repr__ raises
        return f"a {type(value).__name__} that cannot be written out"
