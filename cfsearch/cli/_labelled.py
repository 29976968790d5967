"""Options of commands that take labelled images: rendered faces, a folder with a table, CelebA."""

from typing import Final

import click
from click.core import ParameterSource

from ._options import FILE, WHOLE, Function

PEOPLE: Final = 10_000
"""Rendered faces where no number is given."""

_OPTIONS = (
    click.option("--data", metavar="faces|FOLDER|ZIP", help="Rendered faces, or images with --attributes."),
    click.option(
        "--attributes", "table", type=FILE, metavar="CSV", help="One row an image, one column an attribute."
    ),
    click.option(
        "--celeba", type=FILE, metavar="ROOT", help="CelebA in torchvision's layout, or CelebA-HQ zips."
    ),
    click.option(
        "--people",
        type=click.IntRange(min=2),
        default=PEOPLE,
        show_default=True,
        help="Rendered faces, for --data faces.",
    ),
    click.option("--limit", type=WHOLE, help="The first so many images."),
)


def labelled_images(command: Function) -> Function:
    """The options of labelled images.

    Args:
        command: a command.
    """
    for option in reversed(_OPTIONS):
        command = option(command)
    return command


def given_people(people: int) -> int | None:
    """The number of rendered faces where the caller gave one; None where it is the default.

    Args:
        people: the value of the option.
    """
    source = click.get_current_context().get_parameter_source("people")
    return None if source is ParameterSource.DEFAULT else people
