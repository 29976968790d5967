"""The options of every command as text: what scripts of users rely on.

uv run python tests/cli/interface.py > tests/cli/interface.txt
"""

from collections.abc import Iterator
from typing import Any

import click

from cfsearch.cli import main


def commands(command: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command with its words."""
    yield name, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for part in command.list_commands(context):
            below = command.get_command(context, part)
            assert below is not None
            yield from commands(below, f"{name} {part}".strip())


def taken(param: click.Parameter) -> str:
    """What a parameter takes: type, range, choices, how many, its default."""
    facts: dict[str, Any] = {**param.type.to_info_dict()}  # Any: what click says of a type
    parts = [str(facts.pop("name"))]
    facts.pop("param_type")
    parts += [
        f"{key}={value}" for key, value in sorted(facts.items()) if value is not None and value is not False
    ]
    if param.nargs != 1:
        parts.append(f"nargs={param.nargs}")
    if isinstance(param, click.Option):
        parts += [word for word in ("multiple", "is_flag", "count", "hidden") if getattr(param, word)]
    if param.required:
        parts.append("required")
    default = param.to_info_dict().get("default")
    if (
        isinstance(default, str | int | float | list | tuple)
        and not isinstance(default, bool)
        and default != ()
    ):
        parts.append(f"default={default}")
    return ", ".join(parts)


def interface() -> str:
    """A line a parameter, in the order of commands and of their options."""
    lines = []
    for name, command in commands(main):
        for param in command.params:
            title = "/".join([*param.opts, *param.secondary_opts])
            lines.append(f"{name or 'cfsearch'} {title}: {taken(param)}")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    print(interface(), end="")
