"""Places that a command will write, checked before it works; what it reads is none of them."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

import click

from cfsearch.errors import ConfigError
from cfsearch.places import check_place

from ._options import FilePath

if TYPE_CHECKING:
    from cfsearch.config import Config


_ENDED: Final = "cfsearch.places.ended"
"""Under which a context keeps the places that were written with a slash at their end."""


@final
class Place(FilePath):
    """A path that is written to.

    Args:
        folder: whether it is a folder; None where that depends on other options.
    """

    def __init__(self, *, folder: bool | None = False) -> None:
        super().__init__(path_type=Path)
        self.folder: Final = folder

    def convert(
        self,
        value: Any,  # Any: click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:
        """The path.

        Args:
            value: as it was given.
            param: of which option.
            ctx: of the command.
        """
        text = os.fspath(value)
        if self.folder is False and isinstance(text, str) and text.endswith("/") and text.strip():
            self.fail(f"{text!r} names a folder. Name a file in it.", param, ctx)
        place = super().convert(value, param, ctx)
        if ctx is not None and isinstance(text, str) and text.endswith("/"):
            ctx.meta.setdefault(_ENDED, []).append(place)
        return place


PLACE = Place()
FOLDER_PLACE = Place(folder=True)
EITHER_PLACE = Place(folder=None)


def check_either(place: Path, *, folder: bool) -> None:
    """Refuse a place that cannot be written, once it is known whether a folder or a file will stand there.

    Args:
        place: as ``EITHER_PLACE`` gave it.
        folder: whether it is a folder.

    Raises:
        ConfigError: it is a file, and was written as a folder is, with a slash at its end.
        RunError: it cannot be written.
    """
    context = click.get_current_context(silent=True)
    if not folder and context is not None and place in context.meta.get(_ENDED, ()):
        raise ConfigError(f"{f'{place}/'!r} names a folder, and one file is written. Name a file in it.")
    check_place(place, folder=folder)


def check_places(ctx: click.Context) -> None:
    """Refuse what a command is to write where it cannot be written, is an input of it, or belongs to a run.

    Args:
        ctx: of the command, with the values of its options.

    Raises:
        RunError: a place cannot be written.
        ConfigError: it is an input, is named twice, or belongs to a run.
    """
    files: set[Path] = set()
    for option, place, folder in _places(ctx):
        check_place(place, folder=folder)
        if folder is False and place.resolve() in files:
            raise ConfigError(f"{option}: {str(place)!r} was named for two results. Name another place.")
        if folder is False:
            files.add(place.resolve())
        if not folder:
            _refuse_of_a_run(option, place)
    names = {param.name for param in ctx.command.params if isinstance(param.type, Place)}
    _refuse_read(ctx, [value for name, value in ctx.params.items() if name not in names])


def check_places_against(config: "Config") -> None:
    """Refuse what the running command is to write where the settings of a file name it as an input.

    Args:
        config: the settings.

    Raises:
        ConfigError: a place is one of the inputs.
    """
    context = click.get_current_context(silent=True)
    if context is not None:
        _refuse_read(context, config.model_dump())


def _places(ctx: click.Context) -> Iterator[tuple[str, Path, bool | None]]:
    for param in ctx.command.params:
        if isinstance(param.type, Place):
            given = ctx.params.get(param.name or "")
            for path in given if isinstance(given, tuple) else (given,):
                if path is not None:
                    yield _named(param), Path(path), param.type.folder


def _named(param: click.Parameter) -> str:
    return param.opts[0] if isinstance(param, click.Option) else str(param.human_readable_name)


def _refuse_read(ctx: click.Context, values: object) -> None:
    read = list(_paths(values))
    for option, place, _ in _places(ctx):
        if any(_same(place, path) for path in read):
            raise ConfigError(_is_read(option, place))


def _is_read(option: str, place: Path) -> str:
    return (
        f"{option}: {str(place)!r} is an input of this command and would be overwritten. Name another place."
    )


def _paths(values: object) -> Iterator[Path]:
    """Whatever among values may be the path of a file."""
    match values:
        case Path():
            yield values
        case str():
            yield Path(values)
        case dict():
            for one in values.values():
                yield from _paths(one)
        case list() | tuple():
            for one in values:
                yield from _paths(one)


def _same(place: Path, other: Path) -> bool:
    """Whether two paths are one file, whatever links lead to it; never of two folders."""
    try:
        return place.is_file() and place.samefile(other)
    except (OSError, ValueError):
        return False


def _refuse_of_a_run(option: str, place: Path) -> None:
    from cfsearch.runs.reservation import OWN

    folder = place.resolve().parent
    if place.name not in OWN and place.suffix != ".safetensors":
        return
    if any((folder / name).is_file() for name in ("run.sqlite", "checksums.json")):
        raise ConfigError(
            f"{option}: {str(place)!r} is a file of the run {str(folder)!r}, which would be damaged. Name another place."
        )
