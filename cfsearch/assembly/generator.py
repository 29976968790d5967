"""The generator that the settings name: a file, a checkpoint that comes with the package, a plug-in."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Final, Protocol, runtime_checkable

from cfsearch import registry
from cfsearch.config import Config
from cfsearch.contracts.generator import Generator
from cfsearch.datasets.images import read_image
from cfsearch.datasets.images.labelled import find_photographs
from cfsearch.datasets.sound import Spectrogram
from cfsearch.datasets.tables import TableSchema
from cfsearch.datasets.text import WordVectors
from cfsearch.errors import ConfigError, DataError, PluginError
from cfsearch.places import is_there

from .inputs import TextInputs, spectrogram_of
from .table import TableInput

_SMALLEST: Final = 4
"""Least height and width of the pictures of ``pixels``."""
_APART: Final = ("celeba64",)
"""Checkpoints of the repository whose terms keep them out of the package."""


@runtime_checkable
class TextsFamily(Protocol):
    """A family of generators for texts."""

    def of_texts(
        self, texts: Sequence[str], /, *, vectors: WordVectors, settings: Mapping[str, Any]
    ) -> Generator[Any]: ...


@runtime_checkable
class SoundsFamily(Protocol):
    """A family of generators for spectrograms of recordings."""

    def of_spectrograms(self, form: Spectrogram, /, *, settings: Mapping[str, Any]) -> Generator[Any]: ...


@runtime_checkable
class RowsFamily(Protocol):
    """A family of generators for the rows of a table."""

    def of(self, schema: TableSchema, /, *, settings: Mapping[str, Any]) -> Generator[Any]: ...


def open_generator(config: Config, *, table: TableInput | None = None) -> Generator[Any]:
    """The generator that the settings name: a file, a shipped checkpoint or a plug-in.

    Args:
        config: all settings.
        table: whose rows it turns, where inputs are rows.

    Raises:
        ConfigError: nothing has that name.
        ModelFileError: the file cannot be read.
    """
    source = config.generator.source
    settings: dict[str, Any] = dict(config.generator.settings)
    if table is not None:
        family: object = _family(source)
        if not isinstance(family, RowsFamily):
            raise ConfigError(f"generator {source!r} makes no rows of a table; leave it out, or give 'rows'.")
        return family.of(table.schema, settings=settings)
    if config.data.sounds is not None:
        sounds: object = _family(source)
        if not isinstance(sounds, SoundsFamily):
            raise ConfigError(f"generator {source!r} makes no recordings; leave it out, or give 'bands'.")
        return sounds.of_spectrograms(spectrogram_of(config.model.path), settings=settings)
    with generator_file(source) as path:
        if path is not None:
            return _family("attgan").open(path, settings=settings)
    if source.endswith((".safetensors", ".pth", ".pt")) or "/" in source:
        raise ConfigError(f"generator: there is no file {source!r}.")
    if source in _APART:
        raise ConfigError(
            f"generator: {source!r} is not in the package, since it may be used for non-commercial research "
            f"only; take attgan_{source}.safetensors from the folder models/ of the repository and name the file."
        )
    if source not in registry.installed("generators") and not registry.is_path(source):
        known = [*registry.installed("generators"), *registry.shipped_generators()]
        raise ConfigError(registry.unknown("generator", source, known))
    named = _family(source)
    if source == "pixels" and "size" not in settings:
        settings["size"] = _first_size(config)
    return named.open(None, settings=settings)


@contextmanager
def generator_file(source: str) -> Iterator[Path | None]:
    """The file of weights that a setting names, by its path or as a shipped checkpoint; None where it names none.

    Args:
        source: of the settings.
    """
    shipped = {one.name: one for one in files("cfsearch.models").iterdir()}.get(
        f"attgan_{source}.safetensors"
    )
    if is_there(source):
        yield Path(source)
    elif shipped is not None:
        with as_file(shipped) as path:
            yield path
    else:
        yield None


def open_words(config: Config, inputs: TextInputs) -> Generator[Any]:
    """The generator of texts that the settings name.

    Args:
        config: all settings; words in ``search.immutable`` are kept as they are.
        inputs: the texts.

    Raises:
        ConfigError: nothing has that name, or it makes no texts.
    """
    source = config.generator.source
    family: object = _family(source)
    if not isinstance(family, TextsFamily):
        raise ConfigError(f"generator {source!r} makes no texts; leave it out, or give 'words'.")
    settings: dict[str, Any] = dict(config.generator.settings)
    kept = [*_listed(settings.pop("keep", [])), *config.search.immutable]
    return family.of_texts(
        inputs.texts, vectors=inputs.vectors, settings={**settings, **({"keep": kept} if kept else {})}
    )


def _listed(value: Any) -> list[str]:  # Any: a setting
    return [value] if isinstance(value, str) else list(value)


def _family(name: str) -> type[Generator[Any]]:
    family = registry.load("generators", name)
    if not issubclass(family, Generator):
        raise PluginError(f"generator {name!r} must be a subclass of cfsearch.Generator, got {family!r}.")
    return family


def _first_size(config: Config) -> tuple[int, int]:
    refs = find_photographs(Path(config.data.image_path), recursive=config.data.recursive)[0]
    first = ""
    for ref in refs:
        try:
            pixels = read_image(ref).pixels
        except DataError as error:
            first = first or str(error)
            continue
        height, width = int(pixels.shape[1]), int(pixels.shape[2])
        if min(height, width) >= _SMALLEST:
            return height, width
        first = first or (
            f"images: {ref.name!r} has {height} x {width} pixels; a search needs {_SMALLEST} x {_SMALLEST} or more."
        )
    raise DataError(
        f"images: none of {len(refs)} under {config.data.images!r} can be searched. The first: {first}"
    )
