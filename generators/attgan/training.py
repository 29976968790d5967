"""Training AttGAN, and training a critic for a generator that has none."""

from collections.abc import Callable
from pathlib import Path

import torch

from cfsearch.errors import CapabilityError, ConfigError, DataError

from .config import AttGANConfig
from .data import FaceSource, PairedSource
from .networks import Critic, Editor
from .progress import StepMetrics, Trained
from .recipe import TrainingConfig
from .runs import TrainingFolder
from .session import Session

__all__ = ["StepMetrics", "Trained", "train", "train_critic"]


def train(
    source: FaceSource,
    *,
    config: AttGANConfig,
    training: TrainingConfig,
    folder: Path,
    critic: Critic | None = None,
    device: str = "cpu",
    watch: Callable[[StepMetrics], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Trained:
    """A generator and its critic, learned from labelled faces.

    Goes on from the last checkpoint in ``folder`` if there is one. On a CPU the same seed
    gives the same weights, resumed or not (but see ``TrainingConfig.minutes``).

    Args:
        source: the faces; a ``PairedSource`` if the weights have paired terms.
        config: the networks.
        training: the recipe.
        folder: for metrics, sheets and checkpoints.
        critic: what the critic begins with, such as one whose classifier has learned the labels
            of real faces; left out, a fresh one. A checkpoint in ``folder`` goes before it.
        device: "cpu", "cuda", ...
        watch: called after every ``log_every`` steps.
        stop: called before each step; True ends the training with a checkpoint.

    Raises:
        DataError: the source is empty, has other attributes, or gives images that do not fit.
        CapabilityError: paired terms without a paired source.
        RunError: the folder cannot be written to, or holds a training of other data or settings
            (steps, minutes and the intervals may change, and all after a stage, see ``TrainingConfig.until``).
        ModelFileError: the checkpoint in it is damaged or of other networks.
    """
    _check(source, config=config, training=training)
    run = Session(source, config, training, TrainingFolder(folder), torch.device(device), critic=critic)
    return run.go(watch=watch, stop=stop, frozen=False)


def train_critic(
    editor: Editor,
    source: FaceSource,
    *,
    config: AttGANConfig,
    training: TrainingConfig,
    folder: Path,
    critic: Critic | None = None,
    device: str = "cpu",
    watch: Callable[[StepMetrics], None] | None = None,
    stop: Callable[[], bool] | None = None,
) -> Trained:
    """A critic with attribute classifier for a generator that stays as it is.

    The critic learns to tell the generator's edits from real faces, by the critic's half of
    the recipe; the classifier learns the labels of the real ones.

    Args:
        editor: the generator; the result holds a copy of it.
        source: the faces.
        config: its networks; the critic's settings in it are free.
        training: the recipe; of it, what concerns the critic.
        folder: for metrics, sheets and checkpoints.
        critic: what to begin with (as ``Trained`` holds it); left out, a fresh one.
        device: "cpu", "cuda", ...
        watch: called after every ``log_every`` steps.
        stop: called before each step; True ends the training with a checkpoint.

    Raises:
        ConfigError: ``config`` is not that of the generator.
        DataError, RunError, ModelFileError: as ``train``.
    """
    ours, theirs = editor.config.to_json(), config.to_json()
    differing = [k for k in ours if ours[k] != theirs[k] and not k.startswith("critic_")]
    if differing:
        raise ConfigError(
            f"attgan training: `{differing[0]}` is {theirs[differing[0]]!r}, but that of the generator is "
            f"{ours[differing[0]]!r}. Change settings of the critic only."
        )
    _check(source, config=config, training=training)
    run = Session(
        source, config, training, TrainingFolder(folder), torch.device(device), editor=editor, critic=critic
    )
    return run.go(watch=watch, stop=stop, frozen=True)


def _check(source: FaceSource, *, config: AttGANConfig, training: TrainingConfig) -> None:
    if len(source) < training.batch:
        raise DataError(
            f"attgan training: expected at least one batch of {training.batch} faces, the source has {len(source)}."
        )
    if tuple(source.attributes) != config.attributes:
        raise DataError(
            f"attgan training: expected the attributes {', '.join(config.attributes)}, "
            f"the source has {', '.join(source.attributes)}."
        )
    if training.weights.needs_pairs and not isinstance(source, PairedSource):
        raise CapabilityError(
            "attgan training: the weights `paired`, `changed` and `edges` need a source that can "
            "re-render its faces (cfsearch.datasets.faces). Set them to 0 for photographs."
        )
    faces = source.batch([0])
    wanted = (1, 3, config.size, config.size)
    if tuple(faces.images.shape) != wanted or tuple(faces.labels.shape) != (1, len(config.attributes)):
        raise DataError(
            f"attgan training: expected images {wanted} and labels {(1, len(config.attributes))}, "
            f"got {tuple(faces.images.shape)} and {tuple(faces.labels.shape)}."
        )
