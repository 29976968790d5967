"""Options that stand more than once on a command line: lists are joined, a file that is read stands there once."""

from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import click


def list_option(*names: str, **settings: Any) -> Callable[[Any], Any]:  # Any: click's own signature
    """An option that takes a list with commas; ``--by sex --by race`` is ``--by sex,race``.

    Args:
        names: of the option, and of its parameter.
        settings: as of ``click.option``.
    """
    return click.option(*names, metavar="A,B", multiple=True, callback=_joined, **settings)


def check_repeated(
    command: click.Command, ctx: click.Context, words: Sequence[str], *, written: type[click.Path]
) -> list[str]:
    """Refuse a file to be read that is given beside another, of which click would keep the last and say nothing.

    Of other settings the last counts, as where a script adds its own to those of a variable; a note says so. Where
    the help is wanted there is nothing to refuse.

    Args:
        command: that was called.
        ctx: of the call.
        words: of the command line, behind the command's name.
        written: the type of paths that are written, of which the last counts.

    Returns:
        The notes.

    Raises:
        UsageError: names the option.
    """
    _, _, order = command.make_parser(ctx).parse_args(list(words))
    notes: list[str] = []
    if command.get_help_option(ctx) in order:
        return notes
    for param, times in Counter(order).items():
        if (
            times > 1
            and isinstance(param, click.Option)
            and not (param.multiple or param.is_flag or param.count)
        ):
            flag = param.opts[-1]
            if isinstance(param.type, click.Path) and not isinstance(param.type, written):
                raise click.UsageError(
                    f"{flag} stands there {times} times, and takes one file. Write it once.", ctx=ctx
                )
            notes.append(f"{flag} stands there {times} times; the last one counts.")
    return notes


def _joined(_: click.Context, __: click.Parameter, value: Sequence[str]) -> str | None:
    return ",".join(value) if value else None
