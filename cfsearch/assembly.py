"""From settings to a search that is ready to run: opens the model, the generator, the plug-ins."""

import hashlib
from collections.abc import Sequence
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
from cfsearch.datasets.images import ImageRecord, ImageRef, find_images, read_image
from cfsearch.errors import ConfigError, DataError, PluginError
from cfsearch.generator import Critic, Generator
from cfsearch.objective import Constraint, Objective
from cfsearch.problem import Clock
from cfsearch.provider import Provider, ScoreKind
from cfsearch.providers.handshake import Handshake, handshake
from cfsearch.providers.opening import open_provider
from cfsearch.providers.votes import VotingProvider
from cfsearch.search import Search, Watcher
from cfsearch.solver import Solver

_MOST_REFERENCES = 500


@runtime_checkable
class DensityMaker(Protocol):
    """A generator that can make itself a critic from reference inputs."""

    def with_density(self, reference: Float[Tensor, "r *x"]) -> Generator[Any]: ...


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

    def watched(self, *watchers: Watcher, clock: Clock | None = None) -> Search:
        """The search with watchers told of each generation."""
        return replace(self.search, watchers=watchers, clock=clock)


def assemble(config: Config) -> Assembly:
    """Open everything that the settings name, and ask the model once whether it fits.

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
    model = open_provider(
        config.model.path,
        sidecar=config.model.sidecar,
        arch=config.model.arch,
        device=config.run.device,
        threads=config.run.threads,
    )
    if config.search.target is not None and config.search.target not in model.labels:
        raise ConfigError(f"target: {registry.unknown('class', config.search.target, list(model.labels))}")
    generator = open_generator(config).to(config.run.device)
    notes = []
    reference = None
    if config.data.reference is not None:
        reference = _references(config.data.reference, generator.shape).to(device)
        if isinstance(generator, DensityMaker):
            generator = generator.with_density(reference)
    hello = handshake(model, generator.shape, device=config.run.device)
    notes += [note for note in (model.note, *hello.warnings) if note]
    asked = model
    if model.scores is ScoreKind.LABELS:
        asked = VotingProvider(
            model, votes=config.model.votes, sigma=config.model.sigma, seed=config.search.seed
        )
        notes.append(asked.note)
    objectives = tuple(_objective(p) for p in config.search.objectives) or default_objectives(generator)
    constraints = tuple(_constraint(p) for p in config.search.constraints)
    _solver(config.search.solver, 4)
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
        immutable=config.search.immutable,
        reference=reference,
        verifier=model,
        margin=max(1e-4, 3.0 * hello.eps_repeat, 3.0 * hello.eps_batch),
        capacity=config.search.capacity,
        pruning=config.search.pruning,
        reference_point=config.search.reference_point,
    )
    hashes = {"model": model.fingerprint, "generator": generator.fingerprint}
    if config.data.reference is not None and reference is not None:
        hashes["reference inputs"] = _digest(reference)
    return Assembly(config, model, search, hello, hashes, tuple(notes))


def open_generator(config: Config) -> Generator[Any]:
    """The generator that the settings name: a file, a shipped checkpoint or a plug-in.

    Raises:
        ConfigError: nothing has that name.
        ModelFileError: the file cannot be read.
    """
    source = config.generator.source
    settings: dict[str, Any] = dict(config.generator.settings)
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
    family = _family(source)
    if source == "pixels" and "size" not in settings:
        settings["size"] = _first_size(config)
    return family.open(None, settings=settings)


def shipped_generators() -> list[str]:
    """Names of the generators' checkpoints that come with the package."""
    return sorted(
        entry.name.removeprefix("attgan_").removesuffix(".safetensors")
        for entry in files("cfsearch.models").iterdir()
        if entry.name.startswith("attgan_") and entry.name.endswith(".safetensors")
    )


def default_objectives(generator: Generator[Any]) -> tuple[Objective, ...]:
    """Adversarial success, plausibility (structural similarity without a critic), intensity."""
    middle = "plausibility" if isinstance(generator, Critic) else "perceptual"
    return tuple(_objective(PluginConfig(name=name)) for name in ("adversarial", middle, "intensity"))


def _family(name: str) -> type[Generator[Any]]:
    family = registry.load("generators", name)
    if not issubclass(family, Generator):
        raise PluginError(f"generator {name!r} must be a subclass of cfsearch.Generator, got {family!r}.")
    return family


def _objective(plugin: PluginConfig) -> Objective:
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
    for ref in find_images(Path(config.data.images), recursive=config.data.recursive):
        try:
            pixels = read_image(ref).pixels
        except DataError:
            continue
        return int(pixels.shape[1]), int(pixels.shape[2])
    raise DataError(f"no image under {config.data.images!r} could be read.")


def _references(path: str, shape: Sequence[int]) -> Float[Tensor, "r 3 h w"]:
    refs = find_images(Path(path))[:_MOST_REFERENCES]
    return torch.stack([read_fitting(ref, shape).x for ref in refs])


def read_fitting(ref: ImageRef, shape: Sequence[int]) -> ImageRecord:
    """An image in the size of a generator.

    Raises:
        DataError: unreadable; or the generator's images are not square and it is not their size.
    """
    height, width = shape[1], shape[2]
    if height == width:
        return read_image(ref, size=height)
    record = read_image(ref)
    if tuple(record.pixels.shape[1:]) != (height, width):
        raise DataError(
            f"{ref.name}: the generator works on {height} x {width} pixels, the image has "
            f"{record.pixels.shape[1]} x {record.pixels.shape[2]}; resize it."
        )
    return record


def _digest(x: Tensor) -> str:
    return hashlib.sha256(x.cpu().numpy().tobytes()).hexdigest()
