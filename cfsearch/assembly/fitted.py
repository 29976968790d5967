"""A generator fitted to the inputs of a search: what stays fixed, what is known, how plausible an input is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol, final, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch import registry
from cfsearch.config import Config
from cfsearch.contracts.generator import Generator
from cfsearch.datasets.tables import Table, TableSchema, Variables
from cfsearch.errors import ConfigError

from .images import reference_images
from .inputs import Inputs, SoundInputs, TextInputs
from .reference import MOST_ROWS
from .table import TableInput


@runtime_checkable
class DensityMaker(Protocol):
    """A generator that can make itself a critic from reference inputs."""

    def with_density(self, reference: Float[Tensor, "r *x"]) -> Generator[Any]: ...


@runtime_checkable
class TextDensityMaker(Protocol):
    """A generator of texts that can make itself a critic from reference texts."""

    def with_density(self, reference: Sequence[str]) -> Generator[Any]: ...


@runtime_checkable
class CriticMaker(Protocol):
    """A generator that can train itself a critic on reference inputs."""

    def with_critic(self, reference: Float[Tensor, "r *x"], *, seed: int) -> Generator[Any]: ...


@runtime_checkable
class ForestMaker(Protocol):
    """A generator that can grow an adversarial random forest on reference inputs as its critic."""

    def with_forest(self, reference: Float[Tensor, "r *x"], *, seed: int) -> Generator[Any]: ...


@final
@dataclass(frozen=True, slots=True, eq=False)
class Fitted:
    """A generator for the inputs of one search.

    Args:
        generator: with a critic where reference inputs let it make one.
        immutable: search variables that must not change.
        reference: inputs whose scores stand for the classes; None where none were given.

    Shapes:
        reference ``(r, *x)``.
    """

    generator: Generator[Any]  # Any: a generator's state is its own business
    immutable: tuple[str, ...]
    reference: Float[Tensor, "r *x"] | None


def fitted(
    config: Config,
    inputs: Inputs | None,
    generator: Generator[Any],  # Any: as above
    *,
    given: Float[Tensor, "r *x"] | None,
    device: torch.device,
) -> Fitted:
    """The generator fitted to the inputs.

    Args:
        config: all settings.
        inputs: in memory; None for images, which are read one by one.
        generator: as it was opened.
        given: reference images, where they are objects of the running program.
        device: where references lie.

    Raises:
        ConfigError: a variable that must not change is none of the generator's.
        DataError: reference images cannot be read.
    """
    immutable = tuple(config.search.immutable)
    if isinstance(inputs, TableInput):
        fixed = _held_fixed(inputs.schema, immutable=immutable, x=inputs.x)
        if inputs.reference is None:
            return Fitted(generator, fixed, None)
        reference = inputs.reference.spread(MOST_ROWS).x.to(device)
        return Fitted(_with_plausibility(generator, inputs.reference, config), fixed, reference)
    if isinstance(inputs, TextInputs):
        if inputs.reference and isinstance(generator, TextDensityMaker):
            generator = generator.with_density(inputs.reference)
        return Fitted(generator, (), None)  # the generator keeps the words that must not change
    _check_variables(generator, immutable, device=device)
    known = inputs.reference if isinstance(inputs, SoundInputs) else given
    if inputs is None and known is None and config.data.reference is not None:
        known = reference_images(config.data.reference, generator.shape)
    if known is None:
        return Fitted(generator, immutable, None)
    known = known.to(device)
    if isinstance(generator, DensityMaker):
        generator = generator.with_density(known)
    return Fitted(generator, immutable, known)


def _held_fixed(schema: TableSchema, *, immutable: Sequence[str], x: Float[Tensor, "n c"]) -> tuple[str, ...]:
    """The search variables of columns that must not change: those given, and the schema's.

    Raises:
        ConfigError: then nothing of any row ``x`` may change.
    """
    variables = Variables.of(schema)
    places = {name: place for place, name in enumerate(schema.names)}
    columns = [places[schema.column(name).name] for name in immutable]
    owners = [variables.all[i].name for column in columns for i in variables.turners(column)]
    fixed = [variable.name for variable in variables.all if variable.immutable]
    held = tuple(dict.fromkeys([*owners, *fixed]))
    lower, upper = variables.bounds(x)
    stuck = (lower == upper).all(0).tolist()
    kept = frozenset(held)
    single = [v.name for v, still in zip(variables.all, stuck, strict=True) if still and v.name not in kept]
    if {*kept, *single} >= {v.name for v in variables.all}:
        why = [f"{', '.join(map(repr, held))} must not change"] if held else []
        why += [f"{', '.join(map(repr, single))} can only stay, by the schema"] if single else []
        raise ConfigError(
            f"table: no column may change: {'; '.join(why)}. Free one (--immutable, `immutable` in the schema), or "
            "widen its range: a schema that is guessed from few rows has their ranges; give --reference or --schema."
        )
    return held


def _check_variables(generator: Generator[Any], names: Sequence[str], *, device: torch.device) -> None:
    """Refuse names that are no search variables of a generator, before anything is searched or written."""
    if not names:
        return
    with torch.no_grad():
        state = generator.encode(torch.full((1, *generator.shape), 0.5, device=device))
    known = generator.space(state).names
    for name in names:
        if name not in known:
            raise ConfigError(f"immutable: {registry.unknown('variable', name, known)}")


def _with_plausibility(generator: Generator[Any], reference: Table, config: Config) -> Generator[Any]:
    if config.search.critic == "trained" and isinstance(generator, CriticMaker):
        return generator.with_critic(reference.x, seed=config.search.seed)
    if config.search.critic == "forest" and isinstance(generator, ForestMaker):
        return generator.with_forest(reference.x, seed=config.search.seed)
    if config.search.critic in ("trained", "forest"):
        method = "with_critic" if config.search.critic == "trained" else "with_forest"
        raise ConfigError(
            f"critic: generator {generator.name!r} makes no critic of the kind {config.search.critic!r} (it has no `{method}`). "
            "Leave --critic out, or take the generator 'rows'."
        )
    if isinstance(generator, DensityMaker):
        return generator.with_density(reference.spread(MOST_ROWS).x)
    return generator
