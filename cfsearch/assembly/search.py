"""Assembly of a search: opens the model, the generator and the plug-ins that settings name."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, final, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch import registry
from cfsearch.config import Config, PluginConfig
from cfsearch.contracts.generator import Critic, Generator
from cfsearch.contracts.modality import Modality
from cfsearch.contracts.objective import Objective
from cfsearch.contracts.provider import DifferentiableProvider, Provider, ScoreKind
from cfsearch.datasets.tables import RowGroups, Table, TableSchema, Variables
from cfsearch.engine.clock import Clock
from cfsearch.engine.progress import Watcher
from cfsearch.engine.requirements import check_scores_held, target_index
from cfsearch.engine.search import Search
from cfsearch.errors import ConfigError
from cfsearch.explainers.seeding import NEAREST, follows_gradients, seeding
from cfsearch.fronts.picks import ANSWERS
from cfsearch.providers.followed import followed_network
from cfsearch.providers.handshake import Handshake, handshake
from cfsearch.providers.surrogate import SurrogateProvider
from cfsearch.providers.tabular import RowNoise
from cfsearch.providers.votes import VotingProvider

from .ensembles import Members, ensemble
from .fitted import fitted
from .generator import open_generator
from .inputs import InputRecord, Inputs
from .model import open_model
from .parts import Parts
from .plugins import Filled, ObjectiveLike, constraint_of, objective_of, plugin_config, solver_of
from .reference import decided_rows, first_points, has_neighbours
from .second_generator import open_second_generator
from .table import TableInput


@runtime_checkable
class Embedded(Protocol):
    """A generator of texts that has a vector for each number of its lexicon."""

    def embedding(self) -> Float[Tensor, "v e"]: ...


@runtime_checkable
class Tabled(Protocol):
    """A generator of rows that says what their columns mean."""

    schema: TableSchema


@runtime_checkable
class Neighbouring(Protocol):
    """A generator that says what lies near an input that no noise can be added to."""

    def neighbour(self, x: Float[Tensor, "n *x"], noise: Float[Tensor, " *x"]) -> Float[Tensor, "n *x"]: ...


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
    inputs: Inputs | None = None
    second_generator: Generator[Any] | None = None  # Any: a generator's state is its own business

    @property
    def table(self) -> TableInput | None:
        """The rows, where inputs are rows."""
        return self.inputs if isinstance(self.inputs, TableInput) else None

    @property
    def records(self) -> tuple[InputRecord, ...] | None:
        """The inputs, where they are in memory; None for images, which are read one by one."""
        return None if self.inputs is None else self.inputs.records

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the inputs, where they are in memory."""
        return () if self.inputs is None else self.inputs.names

    @property
    def groups(self) -> tuple[RowGroups, ...]:
        """The inputs by what the settings compare them by, where it is part of them; of rows columns of the table."""
        return () if self.inputs is None else self.inputs.groups()

    @property
    def files(self) -> dict[str, dict[str, Any]]:  # Any: plain values
        """What a run keeps of how the inputs were read, by file name."""
        return {} if self.inputs is None else self.inputs.files

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
    opened = open_model(config, table=table or parts.table, model=parts.model, keep_missing=True)
    model, table = opened.model, opened.table
    check_scores_held(model, population=config.search.population, capacity=config.search.capacity)
    generator = opened.generator or parts.generator or open_generator(config, table=table)
    generator = generator.to(config.run.device)
    second = open_second_generator(config, generator, given=parts.second_generator)
    inputs = opened.inputs
    notes: list[str] = []
    made = fitted(config, inputs, generator, given=parts.reference, device=device)
    generator, immutable, reference = made.generator, made.immutable, made.reference
    known = None if table is None else table.reference
    contact = handshake(
        model,
        generator.shape,
        device=config.run.device,
        inputs=None if inputs is None else inputs.probes,
        noun=config.data.noun,
    )
    notes += [note for note in (*opened.notes, *contact.warnings) if note]
    if generator.terms:
        notes.append(f"Terms of the generator's weights: {generator.terms}.")
    decided = None
    begun = [
        (plugin.name, plugin.settings)
        for plugin in first_points(
            config.search.seed_with, known=generator.name == "rows" and known is not None
        )
    ]
    if known is not None:
        decided = decided_rows(known, model)
    queried = model
    surrogate = None
    if config.model.surrogate is not None:
        surrogate = SurrogateProvider.open(config.model.surrogate, audited=model, device=config.run.device)
    gradients: DifferentiableProvider | None = None
    if config.search.gradients:
        gradients = surrogate or followed_network(model, device=config.run.device)
        notes.append(_following(gradients))
    if surrogate is not None and gradients is None and not follows_gradients(begun):
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
    members = partial(ensemble, model, decided, seed=config.search.seed)
    objectives = tuple(objective_of(_filled(given, generator, decided, members, known)) for given in wanted)
    if not objectives:
        goal = target_index(model, config.search.target)
        near = config.search.critic is None and has_neighbours(
            decided, classes=len(model.labels), target=goal
        )
        objectives = default_objectives(generator, decided=decided if near else None, known=known)
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
        gradients=gradients,
        patience=config.search.patience,
        robustness=config.search.robustness,
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
    if second is not None:
        hashes["second generator"] = second.fingerprint
        if second.terms and second.terms != generator.terms:
            notes.append(f"Terms of the second generator's weights: {second.terms}.")
    if surrogate is not None:
        hashes["surrogate"] = surrogate.fingerprint
    if reference is not None:
        hashes["reference inputs"] = _digest(reference)
    if inputs is not None:
        hashes |= inputs.hashes
    return Assembly(config, model, search, contact, hashes, tuple(notes), inputs, second)


def default_objectives(
    generator: Generator[Any],  # Any: a generator's state is its own business
    *,
    decided: Table | None = None,
    known: Table | None = None,
) -> tuple[Objective, ...]:
    """Default objectives, by the modality of the generator.

    Of images adversarial success, plausibility (structural similarity without a critic), intensity; of
    the others adversarial success, a distance, how many variables change, and plausibility where
    there is a critic: of rows the distance of the nearest known rows of the target class. Where the schema declares
    costs, these take the place of the distance.

    Args:
        generator: makes the inputs.
        decided: reference rows with the classes that the model gives them; None for none.
        known: reference rows with their true classes, where these are known; None for none.
    """
    names = generator.modality.objectives(critic=decided is None and isinstance(generator, Critic))
    if decided is not None:
        names = (*names, "neighbours")
    if isinstance(generator, Tabled) and generator.schema.has_costs:
        names = tuple("cost" if name == "gower" else name for name in names)
    return tuple(objective_of(_filled(name, generator, decided, known=known)) for name in names)


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


def _following(network: DifferentiableProvider) -> str:
    """What a reader must know of a search that follows gradients."""
    return (
        f"Two generations of three follow gradients of {network.name}; each counts as two evaluations. Candidates are "
        "queries to the model all the same."
    )


def _nearby(
    generator: Generator[Any], table: TableInput | None, *, sigma: float
) -> Callable[[Tensor, Tensor], Tensor] | None:
    """How noise moves inputs that it cannot be added to."""
    if table is not None:
        return RowNoise(Variables.of(table.schema), sigma)
    if isinstance(generator, Neighbouring):
        return lambda x, noise: generator.neighbour(x, noise / sigma)
    return None


def _filled(
    given: ObjectiveLike,
    generator: Generator[Any],
    decided: Table | None,  # Any: as above
    members: Callable[[], Members] | None = None,
    known: Table | None = None,
) -> ObjectiveLike | Filled:
    """With settings that no file can hold: rows of ``neighbours``, vectors of ``word_distance``, members of an ensemble."""
    if not isinstance(given, PluginConfig | str):
        return given
    plugin = plugin_config("objectives", given)
    if plugin.name == "word_distance" and isinstance(generator, Embedded):
        return Filled(plugin.name, {**plugin.settings, "vectors": generator.embedding()})
    if plugin.name == "neighbours" and "table" not in plugin.settings and decided is not None:
        return Filled(plugin.name, {**plugin.settings, "table": decided, "outcomes": known})
    if plugin.name == "cost" and "schema" not in plugin.settings and isinstance(generator, Tabled):
        return Filled(plugin.name, {**plugin.settings, "schema": generator.schema})
    if plugin.name == "uncertainty" and "members" not in plugin.settings and members is not None:
        return Filled(plugin.name, {**plugin.settings, "members": members()})
    return plugin


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device: {name!r} is none; use cpu, cuda or cuda:1.") from error
    if device.type not in ("cpu", "cuda"):
        raise ConfigError(f"device: {name!r} is not supported; use cpu, cuda or cuda:1.")
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device: {name!r} is wanted, but torch sees no GPU here; use cpu.")
    return device


def _digest(x: Tensor) -> str:
    return hashlib.sha256(x.cpu().numpy().tobytes()).hexdigest()
