"""AttGAN as a trainer: what ``cfsearch train generator`` and ``train critic`` call."""

import dataclasses
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, TypeVar, cast, final

from cfsearch.contracts.trainer import Learned, Source, State, TrainingRequest
from cfsearch.errors import CapabilityError, ConfigError

from .config import AttGANConfig, CriticNorm
from .data import FaceSource, PairedSource
from .files import AttGANFile, annotate_attgan, load_attgan, save_attgan
from .generator import PUBLISHED_RANGE, PUBLISHED_SUFFIXES
from .published import load_published
from .recipe import Adversarial, TrainingConfig
from .training import StepMetrics, Trained, train, train_critic

RECIPES: Final = ("published", "fast", "paired")
_KINDS: Final = {
    Adversarial.WGAN_GP: "the Wasserstein critic trained with this generator",
    Adversarial.HINGE: "the critic trained with this generator (hinge loss)",
}
_LATER: Final = "a critic trained afterwards, on the frozen generator's edits against real images"

Settings = TypeVar("Settings", AttGANConfig, TrainingConfig)


@final
class AttGANTrainer:
    """Trains AttGAN from labelled images; recipes: published, fast, paired.

    Where no recipe is named: ``paired`` if the source can re-render its faces, else ``fast``.
    """

    def attributes(self, generator: Path) -> tuple[str, ...]:
        return _open(generator).editor.config.attributes

    def size(self, generator: Path) -> int:
        return _open(generator).editor.config.size

    def annotate(self, generator: Path, entries: Mapping[str, object]) -> None:
        """Write measured figures into the card of a generator's file.

        Raises:
            CapabilityError: a published checkpoint, which has no card.
        """
        if generator.suffix in PUBLISHED_SUFFIXES:
            raise CapabilityError(
                f"attgan: {generator.name} is a published checkpoint, which holds no figures. `cfsearch train critic "
                "--generator FILE` makes a .safetensors file of it, which does."
            )
        if entries:
            annotate_attgan(generator, entries)

    def train_generator(
        self,
        source: Source,
        *,
        request: TrainingRequest,
        watch: Callable[[State], None],
        stop: Callable[[], bool],
    ) -> Learned:
        training = _recipe(request, paired=isinstance(source, PairedSource))
        layers = _whole(request.networks.get("size", 64)).bit_length() - 3
        norm = CriticNorm.SPECTRAL if training.adversarial is Adversarial.HINGE else CriticNorm.INSTANCE
        networks = _with(
            AttGANConfig(
                size=64,
                layers=4,
                width=32,
                critic_width=32,
                critic_hidden=128,
                critic_norm=norm,
                attributes=tuple(source.attributes),
            ),
            {"layers": layers, **request.networks},
        )
        done = train(
            cast(FaceSource, source),
            config=networks,
            training=training,
            folder=request.folder,
            device=request.device,
            watch=_on_step(watch),
            stop=stop,
        )
        # partial strengths that were never seen are not searched between, but at the full range
        attribute_range = (0.0, 1.0) if training.uniform else PUBLISHED_RANGE
        if done.finished:
            save_attgan(
                request.out,
                AttGANFile(
                    done.editor,
                    done.critic,
                    _KINDS[training.adversarial],
                    attribute_range,
                    _card(done, request),
                ),
            )
        return _learned(done)

    def train_critic(
        self,
        generator: Path,
        source: Source,
        *,
        request: TrainingRequest,
        watch: Callable[[State], None],
        stop: Callable[[], bool],
    ) -> Learned:
        given = _open(generator)
        training = _recipe(request, paired=False)
        norm = CriticNorm.SPECTRAL if training.adversarial is Adversarial.HINGE else CriticNorm.INSTANCE
        chosen = {k: v for k, v in request.networks.items() if k.startswith("critic_")}
        config = _with(
            replace(given.editor.config, critic_norm=norm),
            {"critic_width": 32, "critic_hidden": 128, **chosen},
        )
        done = train_critic(
            given.editor,
            cast(FaceSource, source),
            config=config,
            training=training,
            folder=request.folder,
            device=request.device,
            watch=_on_step(watch),
            stop=stop,
        )
        if done.finished:
            card = {**given.card, "critic": _card(done, request)}
            save_attgan(
                request.out, AttGANFile(done.editor, done.critic, _LATER, given.attribute_range, card)
            )
        return _learned(done)


def _open(path: Path) -> AttGANFile:
    if path.suffix in PUBLISHED_SUFFIXES:
        found = load_published(path)
        return AttGANFile(found.editor, found.critic, "", PUBLISHED_RANGE)
    return load_attgan(path)


def _recipe(request: TrainingRequest, *, paired: bool) -> TrainingConfig:
    name = request.recipe or ("paired" if paired else "fast")
    if name not in RECIPES:
        raise ConfigError(f"attgan: unknown recipe {name!r}; the recipes are {', '.join(RECIPES)}.")
    made = {
        "published": TrainingConfig.published,
        "fast": TrainingConfig.fast,
        "paired": TrainingConfig.paired,
    }[name]()
    return _with(made, request.training)


def _with(
    settings: Settings, changes: Mapping[str, Any]
) -> Settings:  # Any: checked by the settings themselves
    """Settings with some changed; text becomes the enum that a field holds."""
    known = {f.name: getattr(settings, f.name) for f in dataclasses.fields(settings)}
    values = {}
    for key, value in changes.items():
        if key not in known:
            raise ConfigError(f"attgan: unknown setting {key!r}; it takes {', '.join(known)}.")
        kind = type(known[key])
        try:
            values[key] = kind(value) if isinstance(value, str) and kind is not str else value
        except ValueError as error:
            raise ConfigError(f"attgan: `{key}`: {error}.") from error
    return replace(settings, **values)


def _whole(value: object) -> int:
    if not isinstance(value, int):
        raise ConfigError(f"attgan: `size` must be a whole number, got {value!r}.")
    return value


def _on_step(watch: Callable[[State], None]) -> Callable[[StepMetrics], None]:
    return lambda m: watch(State(share=m.progress, step=m.step, seconds=m.seconds, losses=m.losses))


def _learned(done: Trained) -> Learned:
    return Learned(steps=done.step, seconds=done.seconds, finished=done.finished)


def _card(done: Trained, request: TrainingRequest) -> dict[str, object]:
    return {
        "steps": done.step,
        "seconds": round(done.seconds, 1),
        "recipe": request.recipe or "by the source",
        "settings": {**request.networks, **request.training},
    }
