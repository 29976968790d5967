"""The second generator of an audit: another training of the same attributes, which must agree with the first."""

import hashlib
from pathlib import Path
from typing import Any

from cfsearch import registry
from cfsearch.config import Config, GeneratorConfig
from cfsearch.contracts.generator import AttributeTaker, Generator
from cfsearch.errors import CfsearchError, ConfigError, listed

from .generator import generator_file, open_generator


def open_second_generator(
    config: Config,
    first: Generator[Any],  # Any: a generator's state is its own business
    *,
    given: Generator[Any] | None = None,
) -> Generator[Any] | None:
    """The second generator that the settings name; None where they name none.

    Args:
        config: all settings.
        first: the generator of the search.
        given: an object that takes the place of what the settings name.

    Raises:
        ConfigError: it is the first again, edits other attributes, makes pictures of another size or none, or nobody measured its edits.
        ModelFileError: the file cannot be read.
    """
    named = config.search.second_generator
    if named is None:
        return None
    name = f"second generator {named.source!r}"
    second = (given or _opened(config, named, name=name)).to(config.run.device)
    if not isinstance(first, AttributeTaker):
        raise ConfigError(
            f"{name}: the first generator, {first.name!r}, edits no named attributes, so that no other can make the same edit. "
            "Leave it out, or search through a generator of attributes (faces64, your own)."
        )
    if not isinstance(second, AttributeTaker):
        raise _no_editor(name)
    if _same(config, first, second, live=given is not None):
        raise ConfigError(
            f"{name}: it is the first generator again, whose agreement with itself proves nothing; give an independent training, "
            "with another seed, on other pictures."
        )
    if set(second.attribute_names) != set(first.attribute_names):
        raise ConfigError(
            f"{name}: it edits other attributes than the first ({_apart(first.attribute_names, second.attribute_names)}); train one "
            f"with {listed(first.attribute_names)}."
        )
    if second.shape != first.shape:
        sizes = [" x ".join(map(str, one.shape[1:])) for one in (second, first)]
        raise ConfigError(
            f"{name}: it makes pictures of {sizes[0]} pixels, the first of {sizes[1]}; give one of the same size."
        )
    if not second.edit_success:
        raise ConfigError(
            f"{name}: whether its edits can be seen was never measured, so that its disagreement would mean nothing; run "
            "`cfsearch measure generator` on its file first."
        )
    return second


def _opened(
    config: Config,
    named: GeneratorConfig,
    *,
    name: str,
) -> Generator[Any]:  # Any: as above
    """The generator of a file, a shipped checkpoint or a plug-in that edits attributes."""
    with generator_file(named.source) as file:
        family: object = AttributeTaker
        if file is None and named.source in registry.installed("generators"):
            family = registry.load("generators", named.source)
    if isinstance(family, type) and not issubclass(family, AttributeTaker):
        raise _no_editor(name)
    try:
        return open_generator(config.model_copy(update={"generator": named}))
    except CfsearchError as error:
        raise type(error)(f"second generator: {error}") from error


def _no_editor(name: str) -> ConfigError:
    return ConfigError(
        f"{name}: it edits no named attributes of pictures; give another training of the first generator."
    )


def _same(config: Config, first: Generator[Any], second: Generator[Any], *, live: bool) -> bool:
    """Whether both are the same weights, by their fingerprints or by the bytes of their files."""
    named = config.search.second_generator
    if second is first or second.fingerprint == first.fingerprint:
        return True
    if live or named is None:
        return False
    with generator_file(named.source) as one, generator_file(config.generator.source) as other:
        return one is not None and other is not None and _sha256(one) == _sha256(other)


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _apart(first: tuple[str, ...], second: tuple[str, ...]) -> str:
    """Which attributes only one of both edits."""
    lacks, more = (
        [name for name in one if name not in other] for one, other in ((first, second), (second, first))
    )
    parts = [f"it lacks {listed(lacks)}"] if lacks else []
    parts += [f"the first lacks {listed(more)}"] if more else []
    return ", ".join(parts)
