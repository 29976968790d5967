"""Plug-ins as settings name them: ``name:key=value``, or a table with a name."""

import re
import tomllib
from typing import Annotated, Any, Final, final

from pydantic import AfterValidator, Field, model_validator

from cfsearch.errors import ConfigError
from cfsearch.registry import PluginKind, installed
from cfsearch.secrecy import shown

from .checking import Strict

Setting = bool | int | float | str | list[Any]  # Any: TOML arrays nest
_WIDEST: Final = 63


def check_widths(settings: dict[str, Setting]) -> dict[str, Setting]:
    """The settings of a plug-in, none of whose whole numbers is wider than TOML promises: 64 bits.

    Args:
        settings: as given; lists are looked through.

    Raises:
        ValueError: one is.

    Example:
        >>> check_widths({"grid": 8})
        {'grid': 8}
    """
    for name, value in settings.items():
        every: list[Any] = [value]  # Any: as above
        while every:
            one = every.pop()
            every += one if isinstance(one, list) else one.values() if isinstance(one, dict) else []
            if isinstance(one, int) and one.bit_length() > _WIDEST:
                raise ValueError(f"`{name}` must be a number of at most 18 digits, got {shown(one)}")
    return settings


@final
class PluginConfig(Strict):
    """A plug-in by name, with its settings: ``"intensity"`` or ``{name = "intensity", norm = "l1"}``.

    The name is that of an installed plug-in or the path of a class, ``"package.module:Class"``.
    """

    name: str
    settings: Annotated[dict[str, Setting], AfterValidator(check_widths)] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _read(cls, value: Any) -> Any:  # Any: whatever stands in the file
        if isinstance(value, str):
            return parse_plugin(value)
        if isinstance(value, dict) and "settings" not in value and "name" in value:
            return {"name": value["name"], "settings": {k: v for k, v in value.items() if k != "name"}}
        return value


_PATH: Final = re.compile(
    r"([A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*)(?::(.*))?", re.DOTALL
)
_KINDS: Final[tuple[PluginKind, ...]] = ("constraints", "explainers", "generators", "objectives", "solvers")


def parse_plugin(text: str) -> dict[str, Any]:
    """``name`` or ``name:key=value,key=value``; values are TOML, or else text.

    A class or function of one's own is named by its path: ``package.module:Class``, with settings
    ``package.module:Class:key=value``; an algorithm of a family likewise, ``pymoo:rvea.RVEA:alpha=3``.

    Args:
        text: what stands on the command line or in the file.

    Raises:
        ConfigError: a setting without "=" or without a name.
    """
    name, colon, rest = text.partition(":")
    path = _PATH.fullmatch(text.strip())
    if colon and name.strip() in installed("solver_families"):
        member, _, rest = rest.partition(":")
        name = f"{name.strip()}:{member.strip()}"
    elif path is not None and not any(name in installed(kind) for kind in _KINDS):
        name, rest = path[1], path[2] or ""
    settings: dict[str, Any] = {}
    for part in _split(rest):
        key, equals, value = part.partition("=")
        if not equals or not key.strip():
            raise ConfigError(
                f"{text!r}: settings are written as name:key=value,key=value; {part!r} is not. A class of your "
                "own is named package.module:Class."
            )
        try:
            settings[key.strip()] = tomllib.loads(f"v = {value}")["v"]
        except (ValueError, RecursionError):
            settings[key.strip()] = value.strip()
    return {"name": name.strip(), "settings": settings}


def _split(text: str) -> list[str]:
    """Parts between commas that stand outside brackets and quotes."""
    parts, depth, quote, current = [], 0, "", ""
    for letter in text:
        if letter in "\"'":
            quote = "" if letter == quote else quote or letter
        elif not quote:
            depth += (letter in "[{") - (letter in "]}")
        if letter == "," and depth == 0 and not quote:
            parts.append(current)
            current = ""
        else:
            current += letter
    return [part for part in (*parts, current) if part.strip()]
