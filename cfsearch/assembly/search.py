"""From settings to a search that is ready to run: opens the model, the generator, the plug-ins."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol, cast, final, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch import registry
from cfsearch.config import Config, PluginConfig
from cfsearch.contracts.generator import Critic, Generator
from cfsearch.contracts.modality import Modality
from cfsearch.contracts.objective import Constraint, Objective
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.contracts.solver import Solver
from cfsearch.datasets.tables import Table, TableSchema, Variables
from cfsearch.engine.clock import Clock
from cfsearch.engine.search import Search, Watcher
from cfsearch.errors import ConfigError, PluginError
from cfsearch.explainers.seeding import seeding
from cfsearch.providers.handshake import Handshake, handshake
from cfsearch.providers.surrogate import SurrogateProvider
from cfsearch.providers.tabular import RowNoise
from cfsearch.providers.votes import VotingProvider

from .generator import open_generator
from .images import reference_images
from .model import open_model
from .table import TableInput

_MOST_ROWS = 2000
"""Reference rows that a model is asked about, and whose nearness counts."""


@runtime_checkable
class DensityMaker(Protocol):
    """A generator that can make itself a critic from reference inputs."""

    def with_density(self, reference: Float[Tensor, "r *x"]) -> Generator[Any]: ...


@runtime_checkable
class CriticMaker(Protocol):
    """A generator that can train itself a critic on reference inputs."""

    def with_critic(self, reference: Float[Tensor, "r *x"], *, seed: int) -> Generator[Any]: ...


@final
@dataclass(frozen=True, slots=True, eq=False)
class Assembly:
    """A search and what it was made of.

    ``model`` is the audited model as the user gave it; ``search.provider`` is how it is asked
    (wrapped in votes where it gives labels only). ``hashes`` are SHA-256 by what they are of.
    """

    config: Config
    model: Provider
    search: Search
    handshake: Handshake
    hashes: dict[str, str]
    notes: tuple[str, ...]
    table: TableInput | None = None

    @property
    def modality(self) -> Modality:
        """What kind of input is searched."""
        return self.search.generator.modality

    def watched(self, *watchers: Watcher, clock: Clock | None = None) -> Search:
        """The search with watchers told of each generation."""
        return replace(self.search, watchers=watchers, clock=clock)


def assemble(config: Config, *, table: TableInput | None = None) -> Assembly:
    """Open everything that the settings name, and ask the model once whether it fits.

    Args:
        table: the table of ``[data]``, where it was opened before.

    Raises:
        ConfigError, CapabilityError: unknown names, or plug-ins that do not go together.
        ModelFileError, UnsafeModelError: the model or the generator cannot be read.
        DataError: there is no image to begin with.
        ProviderError: the model fails in the handshake.
    """
    if config.further_models:
        raise ConfigError(
            f"search: one model is searched at a time, got {1 + len(config.further_models)}; give one, or "
            "compare them with `cfsearch audit`."
        )
    device = _device(config.run.device)
    for kind, wanted in (
        ("objectives", config.search.objectives),
        ("constraints", config.search.constraints),
        ("solvers", (config.search.solver,)),
    ):
        for plugin in wanted:
            registry.load(cast(registry.PluginKind, kind), plugin.name)
    opened = open_model(config, table=table)
    model, table = opened.model, opened.table
    generator = open_generator(config, table=table).to(config.run.device)
    notes = []
    reference = None
    immutable = tuple(config.search.immutable)
    if table is not None:
        immutable = _held_fixed(table.schema, asked=immutable)
        if table.reference is not None:
            reference = _spread(table.reference).x.to(device)
            generator = _with_plausibility(generator, table.reference, config)
    else:
        _check_variables(generator, immutable)
    if table is None and config.data.reference is not None:
        reference = reference_images(config.data.reference, generator.shape).to(device)
        if isinstance(generator, DensityMaker):
            generator = generator.with_density(reference)
    contact = handshake(
        model, generator.shape, device=config.run.device, inputs=None if table is None else table.probes
    )
    notes += [note for note in (*opened.notes, *contact.warnings) if note]
    if generator.terms:
        notes.append(f"Terms of the generator's weights: {generator.terms}.")
    asked = model
    surrogate = None
    if config.model.surrogate is not None:
        surrogate = SurrogateProvider.open(config.model.surrogate, audited=model, device=config.run.device)
        asked = surrogate
        notes.append(surrogate.note)
    elif model.scores is ScoreKind.LABELS:
        asked = VotingProvider(
            model,
            votes=config.model.votes,
            sigma=config.model.sigma,
            seed=config.search.seed,
            nearby=None if table is None else RowNoise(Variables.of(table.schema), config.model.sigma),
        )
        notes.append(asked.note)
    objectives = tuple(_objective(_with_rows(p, table, model)) for p in config.search.objectives)
    objectives = objectives or default_objectives(generator)
    constraints = tuple(_constraint(p) for p in config.search.constraints)
    _solver(config.search.solver, 4)
    begun = [(plugin.name, plugin.settings) for plugin in config.search.seed_with or ()]
    seeds = None
    if begun and table is not None:
        seeds = seeding(
            begun,
            model=opened.tabular,
            surrogate=surrogate,
            immutable=[table.schema.column(name).name for name in config.search.immutable],
            reference=reference,
            target=config.search.target,
            seed=config.search.seed,
        )
        notes.append(
            f"The first population of each search holds what {', '.join(name for name, _ in begun)} found; what that "
            "asked of the model comes on top of the candidates, and is counted beside them."
        )
    search = Search(
        provider=asked,
        generator=generator,
        objectives=objectives,
        solver=partial(_solver, config.search.solver),
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
        reference_point=config.search.reference_point,
        extra={
            **({} if table is None else {"schema": table.schema.to_dict()}),
            **({"seeded_with": [name for name, _ in begun]} if begun else {}),
        },
        seeds=seeds,
    )
    hashes = {"model": model.fingerprint, "generator": generator.fingerprint}
    if surrogate is not None:
        hashes["surrogate"] = surrogate.fingerprint
    if config.data.reference is not None and reference is not None:
        hashes["reference inputs"] = _digest(reference)
    if table is not None:
        hashes |= {"table schema": table.schema.fingerprint, "table rows": table.digest}
    return Assembly(config, model, search, contact, hashes, tuple(notes), table)


def default_objectives(generator: Generator[Any]) -> tuple[Objective, ...]:
    """What is minimised where the settings name nothing, by the modality of the generator.

    Of images adversarial success, plausibility (structural similarity without a critic), intensity; of
    the others adversarial success, a distance, how many variables change, and plausibility where
    there is a critic.

    Args:
        generator: makes the inputs.
    """
    names = generator.modality.objectives(critic=isinstance(generator, Critic))
    return tuple(_objective(PluginConfig(name=name)) for name in names)


def _held_fixed(schema: TableSchema, *, asked: Sequence[str]) -> tuple[str, ...]:
    """The search variables of columns that must not change: those asked for, and the schema's."""
    variables = Variables.of(schema)
    columns = [schema.column(name).name for name in asked]
    owners = [variables.all[variables.owner[schema.names.index(name)]].name for name in columns]
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


def _with_plausibility(generator: Generator[Any], reference: Table, config: Config) -> Generator[Any]:
    if config.search.critic == "trained" and isinstance(generator, CriticMaker):
        return generator.with_critic(reference.x, seed=config.search.seed)
    if isinstance(generator, DensityMaker):
        return generator.with_density(_spread(reference).x)
    return generator


def _with_rows(plugin: PluginConfig, table: TableInput | None, model: Provider) -> "PluginConfig | _Filled":
    """``neighbours`` without a table of its own gets the reference rows, in the classes of the model."""
    if plugin.name != "neighbours" or "table" in plugin.settings or table is None or table.reference is None:
        return plugin
    rows = _spread(table.reference)
    with torch.no_grad():
        decided = model.predict(rows.x).argmax(-1).cpu()
    return _Filled(plugin.name, {**plugin.settings, "table": rows.labelled(decided)})


@final
@dataclass(frozen=True, slots=True)
class _Filled:
    """A plug-in with settings that no file can hold."""

    name: str
    settings: dict[str, Any]  # Any: what the plug-in takes


def _spread(table: Table) -> Table:
    """At most so many rows as a model is asked about, evenly spread."""
    if len(table) <= _MOST_ROWS:
        return table
    return table.take([int(i) for i in torch.linspace(0, len(table) - 1, _MOST_ROWS).round()])


def _objective(plugin: "PluginConfig | _Filled") -> Objective:
    made = registry.create("objectives", plugin.name, plugin.settings)
    if not isinstance(made, Objective):
        raise PluginError(
            f"objective {plugin.name!r} must be a cfsearch.Objective, got {type(made).__name__}."
        )
    return made


def _constraint(plugin: PluginConfig) -> Constraint:
    made = registry.create("constraints", plugin.name, plugin.settings)
    if not isinstance(made, Constraint):
        raise PluginError(
            f"constraint {plugin.name!r} must be a cfsearch.Constraint, got {type(made).__name__}."
        )
    return made


def _solver(plugin: PluginConfig, population: int) -> Solver:
    made = registry.create("solvers", plugin.name, {"population": population, **plugin.settings})
    if not isinstance(made, Solver):
        raise PluginError(f"solver {plugin.name!r} must be a cfsearch.Solver, got {type(made).__name__}.")
    return made


def _device(name: str) -> torch.device:
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise ConfigError(f"device: {name!r} is none; use cpu, cuda or cuda:1.") from error
    if device.type == "cuda" and not torch.cuda.is_available():
        raise ConfigError(f"device: {name!r} was asked for, but torch sees no GPU here; use cpu.")
    return device


def _digest(x: Tensor) -> str:
    return hashlib.sha256(x.cpu().numpy().tobytes()).hexdigest()
