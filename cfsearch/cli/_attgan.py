"""The trainer of AttGAN behind ``cfsearch train``: settings in, one safetensors file out."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from pathlib import Path
from typing import Any, final

import torch
from torch import Tensor

from cfsearch.errors import ConfigError
from cfsearch.generators.attgan import AttGAN
from cfsearch.generators.attgan_config import AttGANConfig, CriticNorm, Upsampling
from cfsearch.generators.attgan_data import Faces, PairedSource
from cfsearch.generators.attgan_files import AttGANFile, save_attgan
from cfsearch.generators.attgan_recipe import Adversarial, Precision, TrainingConfig
from cfsearch.generators.attgan_training import StepMetrics, train, train_critic
from cfsearch.registry import unknown

from ._trainers import Learned, Source, State, Wish

_RECIPES = {
    "published": TrainingConfig.published,
    "fast": TrainingConfig.fast,
    "paired": TrainingConfig.paired,
}
_GAMES = {
    Adversarial.HINGE: "hinge loss",
    Adversarial.WGAN_GP: "Wasserstein loss with gradient penalty",
}


@final
class AttGANTrainer:
    """Trains AttGAN; ``cfsearch.trainers`` lists it as ``attgan``."""

    def attributes(self, generator: Path) -> tuple[str, ...]:
        """The attributes that a file of weights knows."""
        return _opened(generator).config.attributes

    def size(self, generator: Path) -> int:
        """The side of its images."""
        return _opened(generator).config.size

    def train_generator(
        self, source: Source, *, wish: Wish, watch: Callable[[State], None], stop: Callable[[], bool]
    ) -> Learned:
        """Train generator and critic together; ``paired`` where the source has pairs, else ``fast``."""
        faces = _Source(source) if not isinstance(source, PairedSource) else source
        recipe = _recipe(wish, default="paired" if isinstance(faces, PairedSource) else "fast")
        config = _networks(wish, recipe, attributes=tuple(source.attributes))
        trained = train(
            faces,
            config=config,
            training=recipe,
            folder=wish.folder,
            device=wish.device,
            watch=lambda metrics: watch(_state(metrics)),
            stop=stop,
        )
        if trained.finished:
            kind = f"the critic trained with this generator ({_GAMES[recipe.adversarial]})"
            card = {"steps": trained.step, "minutes": round(trained.seconds / 60.0, 1), "faces": len(source)}
            save_attgan(wish.out, AttGANFile(trained.editor, trained.critic, kind, (0.0, 1.0), card))
        return Learned(trained.step, trained.seconds, trained.finished)

    def train_critic(
        self,
        generator: Path,
        source: Source,
        *,
        wish: Wish,
        watch: Callable[[State], None],
        stop: Callable[[], bool],
    ) -> Learned:
        """Train a critic on the frozen generator."""
        opened = _opened(generator)
        recipe = _recipe(wish, default="fast")
        if recipe.weights.needs_pairs:
            raise ConfigError("train critic: the recipe 'paired' is for generators; use fast or published.")
        config = _networks(wish, recipe, attributes=opened.config.attributes, base=opened.config)
        trained = train_critic(
            opened.content.editor,
            _Source(source),
            config=config,
            training=recipe,
            folder=wish.folder,
            device=wish.device,
            watch=lambda metrics: watch(_state(metrics)),
            stop=stop,
        )
        if trained.finished:
            kind = (
                "a critic trained afterwards on the frozen generator to tell its edits from real images "
                f"({_GAMES[recipe.adversarial]})"
            )
            card = {**opened.content.card, "critic_steps": trained.step, "critic_images": len(source)}
            save_attgan(wish.out, AttGANFile(trained.editor, trained.critic, kind, opened.reach, card))
        return Learned(trained.step, trained.seconds, trained.finished)


@final
class _Source:
    """Images and labels of any source, as the training takes them."""

    def __init__(self, source: Source) -> None:
        self._source = source

    @property
    def attributes(self) -> tuple[str, ...]:
        return tuple(self._source.attributes)

    def __len__(self) -> int:
        return len(self._source)

    def batch(self, indices: Sequence[int]) -> Faces:
        part = self._source.batch(indices)
        images: Tensor = part.images
        labels: Tensor = part.labels
        return Faces(images, labels.to(torch.float32))


def _opened(path: Path) -> AttGAN:
    if not path.is_file():
        raise ConfigError(f"--generator: there is no file {str(path)!r}.")
    return AttGAN.open(path, settings={})


def _recipe(wish: Wish, *, default: str) -> TrainingConfig:
    name = wish.recipe or default
    if name not in _RECIPES:
        raise ConfigError(unknown("recipe", name, list(_RECIPES)))
    settings: dict[str, Any] = dict(wish.training)  # Any: each field has its own type
    if "precision" in settings:
        settings["precision"] = Precision(settings["precision"])
    _known(settings, [field.name for field in fields(TrainingConfig)])
    return replace(_RECIPES[name](), **settings)


def _networks(
    wish: Wish, recipe: TrainingConfig, *, attributes: tuple[str, ...], base: AttGANConfig | None = None
) -> AttGANConfig:
    settings: dict[str, Any] = dict(wish.networks)  # Any: each field has its own type
    if "upsampling" in settings:
        settings["upsampling"] = Upsampling(settings["upsampling"])
    spectral = recipe.adversarial is Adversarial.HINGE
    norm = CriticNorm.SPECTRAL if spectral else CriticNorm.INSTANCE
    settings = {"critic_norm": norm, **settings}
    _known(settings, [field.name for field in fields(AttGANConfig)])
    if base is not None:
        return replace(base, **settings)
    return AttGANConfig(attributes=attributes, **settings)


def _known(settings: Mapping[str, object], names: list[str]) -> None:
    for name in settings:
        if name not in names:
            raise ConfigError(unknown("setting", name, names))


def _state(metrics: StepMetrics) -> State:
    return State(metrics.progress, metrics.step, metrics.seconds, metrics.losses)
