"""Options that are none because the command takes their value by its place: ``doctor --model M``, ``show --run R``."""

import re
from collections.abc import Sequence
from typing import Final

import click

_ALSO: Final = {
    "run": ("folder", "dir", "directory", "path", "input"),
    "folder": ("dir", "directory", "path", "input"),
    "file": ("path", "input"),
    "front": ("path", "input"),
    "image": ("images", "picture", "pictures", "photo", "file", "path", "input"),
    "sound": ("sounds", "recording"),
    "config": ("settings", "configuration", "toml"),
    "model": ("file", "path"),
    "table": ("data", "csv"),
}
"""What else people call a value that a command takes by its place."""


def by_place(error: click.NoSuchOption, command: click.Command, *, path: str, words: Sequence[str]) -> str:
    """The sentence for an option that is none, where its value belongs to an argument; empty where it does not.

    Args:
        error: of click, which names the option.
        command: that was called.
        path: its name as it is called, ``cfsearch show``.
        words: of the command line, behind that name.
    """
    meant = error.option_name.lstrip("-").replace("-", "_").lower()
    arguments = [param for param in command.params if isinstance(param, click.Argument)]
    for place, argument in enumerate(arguments):
        if meant in _names(argument):
            shape = [_shape(one) for one in arguments[:place]]
            shape.append(_value(error.option_name, words) or _shape(argument))
            shape += [_shape(one) for one in arguments[place + 1 :] if one.required]
            others = [
                word for word in words if word.startswith("-") and word.partition("=")[0] != error.option_name
            ]
            shape += ["..."] if others else []
            return (
                f"No such option {error.option_name!r}: `{path}` takes that by its place, without an option. "
                f"Write: {path} {' '.join(shape)}"
            )
    return ""


def _names(argument: click.Argument) -> set[str]:
    shown = {word for form in ("[a-z]+", "[a-z_]+") for word in re.findall(form, _shape(argument).lower())}
    also = (word for name in (argument.name or "", *shown) for word in _ALSO.get(name, ()))
    return {argument.name or "", *shown, *also}


def _shape(argument: click.Argument) -> str:
    return argument.metavar or f"[{(argument.name or '').upper()}]"


def _value(option: str, words: Sequence[str]) -> str:
    """What stands behind an option, or behind its ``=``."""
    for here, word in enumerate(words):
        if word == option and here + 1 < len(words) and not words[here + 1].startswith("-"):
            return words[here + 1]
        if word.startswith(f"{option}="):
            return word.partition("=")[2]
    return ""
