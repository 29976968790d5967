"""Assembly of a search: opens the model, the generator and the plug-ins that settings name."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol, final, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch import registry
from cfsearch.config import Config, PluginConfig
from cfsearch.contracts.generator import Critic, Generator
from cfsearch.contracts.modality import Modality
from cfsearch.contracts.objective import Objective
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.datasets.tables import Table, TableSchema, Variables
from cfsearch.engine.clock import Clock
from cfsearch.engine.progress import Watcher
from cfsearch.engine.requirements import target_index
from cfsearch.engine.search import Search
from cfsearch.errors import ConfigError
from cfsearch.explainers.seeding import NEAREST, follows_gradients, seeding
from cfsearch.fronts.picks import ANSWERS
from cfsearch.providers.handshake import Handshake, handshake
from cfsearch.providers.surrogate import SurrogateProvider
from cfsearch.providers.tabular import RowNoise
from cfsearch.providers.votes import VotingProvider

from .generator import open_generator
from .images import reference_images
from .inputs import InputRecord, Inputs, SoundInputs, TextInputs
from .model import open_model
from .parts import Parts
from .plugins import Filled, ObjectiveLike, constraint_of, objective_of, plugin_config, solver_of
from .reference import MOST_ROWS, decided_rows, first_points, has_neighbours
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
class Embedded(Protocol):
    """A generator of texts that has a vector for each number of its lexicon."""

    def embedding(self) -> Float[Tensor, "v e"]: ...


@runtime_checkable
class Neighbouring(Protocol):
    """A generator that says what lies near an input that no noise can be added to."""

    def neighbour(self, x: Float[Tensor, "n *x"], noise: Float[Tensor, " *x"]) -> Float[Tensor, "n *x"]: ...


@runtime_checkable
class CriticMaker(Protocol):
    """A generator that can train itself a critic on reference inputs."""

    def with_critic(self, reference: Float[Tensor, "r *x"], *, seed: int) -> Generator[Any]: ...


@final
@dataclass(frozen=True, slots=True, eq=False)
class Assembly:
    """A search and what it was made of.

    ``model`` is the audited model as the user gave it; ``search.provider`` is how it is queried
    (wrapped in votes where it gives labels only). ``hashes`` are SHA-256 by what they are of.

    Example:
        >>> from cfsearch.config import Config
        >>> assembly = assemble(Config.check({"data": {"texts": ["a dull film"]}}))
        >>> assembly.modality.noun, [record.name for record in assembly.records]
        ('text', ['text 0'])
    """

    config: Config
    model: Provider
    search: Search
    handshake: Handshake
    hashes: dict[str, str]
    notes: tuple[str, ...]
    table: TableInput | None = None
    inputs: Inputs | None = None

    @property
    def records(self) -> tuple[InputRecord, ...] | None:
        """The inputs, where they are in memory; None for images, which are read one by one."""
        held = self.inputs if self.table is None else self.table
        return None if held is None else held.records

    @property
    def modality(self) -> Modality:
        """Modality of the inputs."""
        return self.search.generator.modality

    def watched(self, *watchers: Watcher, clock: Clock | None = None) -> Search:
        """The search with watchers called after each generation."""
        return replace(self.search, watchers=watchers, clock=clock)


def assemble(config: Config, *, table: TableInput | None = None, parts: Parts | None = None) -> Assembly:
    """Open everything that the settings name, and ask the model once whether it fits.

    Args:
        config: all settings.
        table: the table of ``[data]``, where it was opened before.
        parts: objects that take the place of what the settings name.

    Raises:
        ConfigError, CapabilityError: unknown names, or plug-ins that do not go together.
        ModelFileError, UnsafeModelError: the model or the generator cannot be read.
        DataError: there is no image to begin with.
        ProviderError: the model fails in the handshake.

    Example:
        >>> from cfsearch.config import Config
        >>> config = Config.check({"data": {"texts": ["a dull film"]}})
        >>> assemble(config).search.generator.name
        'words'
    """
    if config.further_models:
        raise ConfigError(
            f"search: one model is searched at a time, got {1 + len(config.further_models)}; give one, or "
            "compare them with `cfsearch audit`."
        )
    device, parts = _device(config.run.device), parts or Parts()
    wanted = config.search.objectives if parts.objectives is None else parts.objectives
    kept = config.search.constraints if parts.constraints is None else parts.constraints
    chosen = config.search.solver if parts.solver is None else parts.solver
    kinds: tuple[tuple[registry.PluginKind, Sequence[object]], ...] = (
        ("objectives", wanted),
        ("constraints", kept),
        ("solvers", (chosen,)),
    )
    for kind, given in kinds:
        for plugin in given:
            if isinstance(plugin, PluginConfig | str):
                registry.load_object(kind, plugin_config(kind, plugin).name)
    opened = open_model(config, table=table or parts.table, model=parts.model)
    model, table = opened.model, opened.table
    generator = opened.generator or parts.generator or open_generator(config, table=table)
    generator = generator.to(config.run.device)
    inputs = table if table is not None else opened.inputs
    notes = []
    reference = None
    immutable = tuple(config.search.immutable)
    if table is not None:
        immutable = _held_fixed(table.schema, immutable=immutable)
        if table.reference is not None:
            reference = table.reference.spread(MOST_ROWS).x.to(device)
            generator = _with_plausibility(generator, table.reference, config)
    elif isinstance(opened.inputs, TextInputs):
        immutable = ()  # words that the generator keeps
        if opened.inputs.reference and isinstance(generator, TextDensityMaker):
            generator = generator.with_density(opened.inputs.reference)
    else:
        _check_variables(generator, immutable)
    if isinstance(opened.inputs, SoundInputs) and opened.inputs.reference is not None:
        reference = opened.inputs.reference.to(device)
        if isinstance(generator, DensityMaker):
            generator = generator.with_density(reference)
    if inputs is None and (parts.reference is not None or config.data.reference is not None):
        reference = parts.reference
        if reference is None:
            reference = reference_images(config.data.reference or "", generator.shape)
        reference = reference.to(device)
        if isinstance(generator, DensityMaker):
            generator = generator.with_density(reference)
    contact = handshake(
        model, generator.shape, device=config.run.device, inputs=None if inputs is None else inputs.probes
    )
    notes += [note for note in (*opened.notes, *contact.warnings) if note]
    if generator.terms:
        notes.append(f"Terms of the generator's weights: {generator.terms}.")
    decided = None
    tabled = table is not None and generator.name == "rows"
    begun = [
        (plugin.name, plugin.settings)
        for plugin in first_points(
            config.search.seed_with, known=tabled and table is not None and table.reference is not None
        )
    ]
    if table is not None and table.reference is not None:
        decided = decided_rows(table.reference, model)
    queried = model
    surrogate = None
    if config.model.surrogate is not None:
        surrogate = SurrogateProvider.open(config.model.surrogate, audited=model, device=config.run.device)
    if surrogate is not None and not follows_gradients(begun):
        queried = surrogate
        notes.append(surrogate.note)
    elif model.scores is ScoreKind.LABELS:
        queried = VotingProvider(
            model,
            votes=config.model.votes,
            sigma=config.model.sigma,
            seed=config.search.seed,
            nearby=_nearby(generator, table, sigma=config.model.sigma),
        )
        notes.append(queried.note)
    objectives = tuple(objective_of(_filled(given, generator, decided)) for given in wanted)
    if not objectives:
        goal = target_index(model, config.search.target)
        near = config.search.critic is None and has_neighbours(
            decided, classes=len(model.labels), target=goal
        )
        objectives = default_objectives(generator, decided=decided if near else None)
    constraints = tuple(constraint_of(given) for given in kept)
    solver_of(chosen, population=4)
    seeds = None
    if begun and table is not None:
        seeds = seeding(
            begun,
            model=opened.tabular,
            generator=generator,
            surrogate=surrogate,
            decided=decided,
            immutable=[table.schema.column(name).name for name in config.search.immutable],
            reference=reference,
            target=config.search.target,
            seed=config.search.seed,
        )
        notes += _begun(begun, surrogate=None if queried is surrogate else surrogate)
    search = Search(
        provider=queried,
        generator=generator,
        objectives=objectives,
        solver=lambda population: solver_of(chosen, population=population),
        evaluations=config.search.evaluations,
        population=config.search.population,
        seed=config.search.seed,
        target=config.search.target,
        constraints=constraints,
        immutable=immutable,
        reference=reference,
        verifier=model,
        margin=max(1e-4, 3.0 * contact.eps_repeat, 3.0 * contact.eps_batch),
        capacity=config.search.capacity,
        pruning=config.search.pruning,
        patience=config.search.patience,
        max_queries=config.search.max_queries,
        max_time=config.search.max_time,
        reference_point=config.search.reference_point,
        extra={
            **({} if inputs is None else inputs.extra),
            **({"seeded_with": [name for name, _ in begun]} if begun else {}),
            **({"answers": config.search.answers} if config.search.answers != ANSWERS else {}),
        },
        seeds=seeds,
    )
    hashes = {"model": model.fingerprint, "generator": generator.fingerprint}
    if surrogate is not None:
        hashes["surrogate"] = surrogate.fingerprint
    if reference is not None:
        hashes["reference inputs"] = _digest(reference)
    if inputs is not None:
        hashes |= inputs.hashes
    return Assembly(config, model, search, contact, hashes, tuple(notes), table, opened.inputs)


def default_objectives(
    generator: Generator[Any],  # Any: a generator's state is its own business
    *,
    decided: Table | None = None,
) -> tuple[Objective, ...]:
    """Default objectives, by the modality of the generator.

    Of images adversarial success, plausibility (structural similarity without a critic), intensity; of
    the others adversarial success, a distance, how many variables change, and plausibility where
    there is a critic: of rows the distance of the nearest known rows of the target class.

    Args:
        generator: makes the inputs.
        decided: reference rows with the classes that the model gives them; None for none.
    """
    names = generator.modality.objectives(critic=decided is None and isinstance(generator, Critic))
    if decided is not None:
        names = (*names, "neighbours")
    return tuple(objective_of(_filled(name, generator, decided)) for name in names)


def _begun(
    begun: Sequence[tuple[str, Mapping[str, Any]]], *, surrogate: SurrogateProvider | None
) -> list[str]:
    """What a reader must know of how a search begins."""
    found = [name for name, _ in begun if name != NEAREST]
    notes = []
    if found:
        notes.append(
            f"The first population of each search holds what {', '.join(found)} found; what that "
            "sent to the model comes on top of the candidates, and is counted beside them."
        )
    if surrogate is not None:
        notes.append(
            f"{surrogate.name} gives gradients to {', '.join(found)} and nothing else: candidates are queries to the model."
        )
    return notes


def _held_fixed(schema: TableSchema, *, immutable: Sequence[str]) -> tuple[str, ...]:
    """The search variables of columns that must not change: those given, and the schema's."""
    variables = Variables.of(schema)
    columns = [schema.names.index(schema.column(name).name) for name in immutable]
    owners = [variables.all[i].name for column in columns for i in variables.turners(column)]
    fixed = [variable.name for variable in variables.all if variable.immutable]
    return tuple(dict.fromkeys([*owners, *fixed]))


def _check_variables(generator: Generator[Any], names: Sequence[str]) -> None:
    """Refuse names that are no search variables of a generator, before anything is searched or written."""
    if not names:
        return
    with torch.no_grad():
        state = generator.encode(torch.full((1, *generator.shape), 0.5))
    known = generator.space(state).names
    for name in names:
        if name not in known:
            raise ConfigError(f"immutable: {registry.unknown('variable', name, known)}")


def _nearby(
    generator: Generator[Any], table: TableInput | None, *, sigma: float
) -> Callable[[Tensor, Tensor], Tensor] | None:
    """How noise moves inputs that it cannot be added to."""
    if table is not None:
        return RowNoise(Variables.of(table.schema), sigma)
    if isinstance(generator, Neighbouring):
        return lambda x, noise: generator.neighbour(x, noise / sigma)
    return None


def _with_plausibility(generator: Generator[Any], reference: Table, config: Config) -> Generator[Any]:
    if config.search.critic == "trained" and isinstance(generator, CriticMaker):
        return generator.with_critic(reference.x, seed=config.search.seed)
    if isinstance(generator, DensityMaker):
        return generator.with_density(reference.spread(MOST_ROWS).x)
    return generator


def _filled(
    given: ObjectiveLike,
    generator: Generator[Any],
    decided: Table | None,  # Any: as above
) -> ObjectiveLike | Filled:
    """With settings that no file can hold: reference rows of ``neighbours``, vectors of ``word_distance``."""
    if not isinstance(given, PluginConfig | str):
        return given
    plugin = plugin_config("objectives", given)
    if plugin.name == "word_distance" and isinstance(generator, Embedded):
        return Filled(plugin.name, {**plugin.settings, "vectors": generator.embedding()})
    if plugin.name == "neighbours" and "table" not in plugin.settings and decided is not None:
        return Filled(plugin.name, {**plugin.settings, "table": decided})
    return plugin


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device: {name!r} is none; use cpu, cuda or cuda:1.") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device: {name!r} is wanted, but torch sees no GPU here; use cpu.")
    return device


def _digest(x: Tensor) -> str:
    return hashlib.sha256(x.cpu().numpy().tobytes()).hexdigest()
