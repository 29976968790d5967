"""Options of what an audit measures beside its searches; ``plan`` foresees the queries of each."""

from collections.abc import Callable
from typing import Any

import click

from ._completion import generators

_OPTIONS = (
    click.option(
        "--genuineness/--no-genuineness",
        default=None,
        help="Measure which flips are the generator's own doing (generators of attributes; default on).",
    ),
    click.option(
        "--second-generator",
        metavar="G",
        shell_complete=generators,
        help="Another training of the same attributes, which must agree on what is genuine.",
    ),
    click.option(
        "--shared-queries",
        type=click.IntRange(min=0),
        metavar="N",
        help="The most queries for changes that many inputs share; default 10000, 0 for none.",
    ),
    click.option(
        "--contribution-queries",
        type=click.IntRange(min=0),
        metavar="N",
        help="The most queries for which changes are necessary, sufficient, and of what share; default 0.",
    ),
)


def beside_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options of what an audit measures beside its searches.

    Args:
        command: that gets them.
    """
    for option in reversed(_OPTIONS):
        command = option(command)
    return command
