"""From settings to a search that is ready to run: opens the model, the generator, the plug-ins."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, Protocol, cast, final, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch import registry
from cfsearch.config import Config, PluginConfig
from cfsearch.datasets.images import Crop, ImageRecord, ImageRef, find_images, read_image
from cfsearch.datasets.labelled import find_photographs
from cfsearch.datasets.tables import Table, TableSchema, Variables, check_labels
from cfsearch.errors import ConfigError, DataError, PluginError
from cfsearch.explainers.seeding import seeding
from cfsearch.generator import Critic, Generator
from cfsearch.inputs import RowRecord, TableInput, open_table
from cfsearch.objective import Constraint, Objective
from cfsearch.problem import Clock
from cfsearch.provider import Provider, ScoreKind
from cfsearch.providers.handshake import Handshake, handshake
from cfsearch.providers.opening import open_provider
from cfsearch.providers.surrogate import SurrogateProvider
from cfsearch.providers.tabular import RowNoise, TabularProvider
from cfsearch.providers.tabular_opening import columns_taken, open_tabular
from cfsearch.providers.votes import VotingProvider
from cfsearch.search import Search, Watcher
from cfsearch.solver import Solver

_MOST_REFERENCES = 500
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


@runtime_checkable
class RowsFamily(Protocol):
    """A family of generators for the rows of a table."""

    def of(self, schema: TableSchema, /, *, settings: Mapping[str, Any]) -> Generator[Any]: ...


@final
@dataclass(frozen=True, slots=True, eq=False)
class Opened:
    """The audited model of a configuration, without a search: for explainers and distillation.

    ``table`` holds the rows, their names and their schema (``table.x``, ``table.names``,
    ``table.schema``, ``table.reference``) where inputs are rows, and is None for images. Of a table
    ``model`` is a ``TabularProvider``: ``model.encoding`` and ``model.network``.
    """

    config: Config
    model: Provider
    table: TableInput | None
    notes: tuple[str, ...]

    @property
    def tabular(self) -> TabularProvider:
        """The model of a table.

        Raises:
            ConfigError: inputs are images.
        """
        if not isinstance(self.model, TabularProvider):
            raise ConfigError(f"{self.model.name}: expected a model of tables. Give --data TABLE.csv.")
        return self.model


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

    def watched(self, *watchers: Watcher, clock: Clock | None = None) -> Search:
        """The search with watchers told of each generation."""
        return replace(self.search, watchers=watchers, clock=clock)


def open_inputs(config: Config) -> TableInput:
    """The table of ``[data]``, with the columns that the model of ``[model]`` says it takes.

    Raises:
        ConfigError, DataError: as ``cfsearch.inputs.open_table``.
        ModelFileError, UnsafeModelError: the model cannot be read.
    """
    said = config.model
    rows = config.data.reference or config.data.table
    taken = columns_taken(said.path, sidecar=said.sidecar, trusted=said.trust or (), table=rows)
    return open_table(config, columns=taken)


def open_model(config: Config, *, table: TableInput | None = None) -> Opened:
    """The model that ``[model]`` names, and the table of ``[data]`` where inputs are rows.

    Args:
        table: where it was opened before.

    Raises:
        ConfigError: settings that do not go together, or an unknown class as target.
        ModelFileError, UnsafeModelError: the model cannot be read.
        DataError: the table cannot be read, or has other classes than the model.
    """
    said = config.model
    if config.data.table is None:
        model = open_provider(
            said.path,
            sidecar=said.sidecar,
            arch=said.arch,
            device=config.run.device,
            threads=config.run.threads,
        )
        opened = Opened(config, model, None, (model.note,) if model.note else ())
    else:
        trusted = said.trust or ()
        table = table or open_inputs(config)
        rows = open_tabular(
            said.path,
            schema=table.schema,
            probes=table.probes,
            sidecar=said.sidecar,
            arch=said.arch,
            trusted=trusted,
            device=config.run.device,
            threads=config.run.threads,
        )
        check_labels(table.schema, rows.labels)
        opened = Opened(config, rows, table, tuple(note for note in (*table.notes, rows.note) if note))
    if config.search.target is not None and config.search.target not in opened.model.labels:
        raise ConfigError(
            f"target: {registry.unknown('class', config.search.target, list(opened.model.labels))}"
        )
    return opened


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
    elif config.data.reference is not None:
        reference = _references(config.data.reference, generator.shape).to(device)
        if isinstance(generator, DensityMaker):
            generator = generator.with_density(reference)
    hello = handshake(
        model, generator.shape, device=config.run.device, inputs=None if table is None else table.probes
    )
    notes += [note for note in (*opened.notes, *hello.warnings) if note]
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
    objectives = objectives or default_objectives(generator, rows=table is not None)
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
            "asked of the model comes on top of the candidates counted."
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
        margin=max(1e-4, 3.0 * hello.eps_repeat, 3.0 * hello.eps_batch),
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
    return Assembly(config, model, search, hello, hashes, tuple(notes), table)


def open_generator(config: Config, *, table: TableInput | None = None) -> Generator[Any]:
    """The generator that the settings name: a file, a shipped checkpoint or a plug-in.

    Args:
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
    if Path(source).exists():
        return _family("attgan").open(Path(source), settings=settings)
    shipped = files("cfsearch.models").joinpath(f"attgan_{source}.safetensors")
    if source.isidentifier() and shipped.is_file():
        with as_file(shipped) as path:
            return _family("attgan").open(path, settings=settings)
    if source.endswith((".safetensors", ".pth", ".pt")) or "/" in source:
        raise ConfigError(f"generator: there is no file {source!r}.")
    if source not in registry.installed("generators"):
        known = [*registry.installed("generators"), *shipped_generators()]
        raise ConfigError(registry.unknown("generator", source, known))
    named = _family(source)
    if source == "pixels" and "size" not in settings:
        settings["size"] = _first_size(config)
    return named.open(None, settings=settings)


def shipped_generators() -> list[str]:
    """Names of the generators' checkpoints that come with the package."""
    return sorted(
        entry.name.removeprefix("attgan_").removesuffix(".safetensors")
        for entry in files("cfsearch.models").iterdir()
        if entry.name.startswith("attgan_") and entry.name.endswith(".safetensors")
    )


def default_objectives(generator: Generator[Any], *, rows: bool = False) -> tuple[Objective, ...]:
    """Adversarial success, plausibility (structural similarity without a critic), intensity.

    Of rows of a table: adversarial success, Gower's distance, how many columns change, and
    plausibility where there is a critic.
    """
    if rows:
        names = (
            "adversarial",
            "gower",
            "changed",
            *(["plausibility"] if isinstance(generator, Critic) else []),
        )
        return tuple(_objective(PluginConfig(name=name)) for name in names)
    middle = "plausibility" if isinstance(generator, Critic) else "perceptual"
    return tuple(_objective(PluginConfig(name=name)) for name in ("adversarial", middle, "intensity"))


def _held_fixed(schema: TableSchema, *, asked: Sequence[str]) -> tuple[str, ...]:
    """The search variables of columns that must not change: those asked for, and the schema's."""
    variables = Variables.of(schema)
    columns = [schema.column(name).name for name in asked]
    owners = [variables.all[variables.owner[schema.names.index(name)]].name for name in columns]
    fixed = [variable.name for variable in variables.all if variable.immutable]
    return tuple(dict.fromkeys([*owners, *fixed]))


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


def _family(name: str) -> type[Generator[Any]]:
    family = registry.load("generators", name)
    if not issubclass(family, Generator):
        raise PluginError(f"generator {name!r} must be a subclass of cfsearch.Generator, got {family!r}.")
    return family


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


def _first_size(config: Config) -> tuple[int, int]:
    for ref in find_photographs(Path(config.data.image_path), recursive=config.data.recursive)[0]:
        try:
            pixels = read_image(ref).pixels
        except DataError:
            continue
        return int(pixels.shape[1]), int(pixels.shape[2])
    raise DataError(f"no image under {config.data.images!r} could be read.")


def _references(path: str, shape: Sequence[int]) -> Float[Tensor, "r 3 h w"]:
    refs = find_images(Path(path))[:_MOST_REFERENCES]
    return torch.stack([read_fitting(ref, shape).x for ref in refs])


def read_input(ref: ImageRef | RowRecord, shape: Sequence[int]) -> ImageRecord | RowRecord:
    """An image in the size of a generator; a row as it is.

    Raises:
        DataError: as ``read_fitting``.
    """
    return ref if isinstance(ref, RowRecord) else read_fitting(ref, shape)


def read_fitting(ref: ImageRef, shape: Sequence[int], *, crop: Crop | None = None) -> ImageRecord:
    """An image in the size of a generator.

    Args:
        crop: the square part to keep where the generator's images are square; None for the centre.

    Raises:
        DataError: unreadable; or the generator's images are not square and it is not their size.
    """
    height, width = shape[1], shape[2]
    if height == width:
        return read_image(ref, size=height, crop=crop)
    record = read_image(ref)
    if tuple(record.pixels.shape[1:]) != (height, width):
        raise DataError(
            f"{ref.name}: the generator works on {height} x {width} pixels, the image has "
            f"{record.pixels.shape[1]} x {record.pixels.shape[2]}; resize it."
        )
    return record


def _digest(x: Tensor) -> str:
    return hashlib.sha256(x.cpu().numpy().tobytes()).hexdigest()
