"""Settings of AttGAN training: losses and weights, schedule, sampling of targets."""

from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Self, final

from cfsearch.errors import ConfigError

from .data import Augmentation


class Adversarial(StrEnum):
    """Adversarial loss of editor and critic."""

    WGAN_GP = "wgan-gp"
    """Wasserstein critic with gradient penalty on interpolates: published."""
    HINGE = "hinge"
    """Hinge loss; with spectral norm and augmentation it trains far faster."""


class Decay(StrEnum):
    """Learning rate schedule from ``decay_start`` on."""

    STEP = "step"
    """A tenth: published."""
    LINEAR = "linear"
    """Evenly down to nothing at the end."""


class Precision(StrEnum):
    """Floating-point precision of computation; weights stay float32."""

    AUTO = "auto"
    """bfloat16 on a GPU, float32 on a CPU."""
    FLOAT32 = "float32"
    BFLOAT16 = "bfloat16"


@final
@dataclass(frozen=True, slots=True)
class LossWeights:
    """Weights of the loss terms; the last three need true pairs.

    Args:
        reconstruction: L1 of the edit to the own attributes.
        attribute: cross-entropy of the classifier on the edit.
        edited: how many times an attribute that the edit shall change counts in it; at 1 an edit of
            one attribute among thirteen is mostly trained to leave twelve alone.
        adversarial: critic's score of the edit.
        penalty: gradient penalty, in the critic's loss.
        critic_attribute: cross-entropy of the classifier on real images.
        paired: L1 to the true re-render.
        changed: L1 over the places that the true edit changes, per face.
        edges: L1 of the slopes to the true re-render's.
    """

    reconstruction: float = 100.0
    attribute: float = 10.0
    edited: float = 1.0
    adversarial: float = 1.0
    penalty: float = 10.0
    critic_attribute: float = 1.0
    paired: float = 0.0
    changed: float = 0.0
    edges: float = 0.0

    @property
    def needs_pairs(self) -> bool:
        """Whether a term compares with true re-renders."""
        return max(self.paired, self.changed, self.edges) > 0.0


@final
@dataclass(frozen=True, slots=True)
class TrainingConfig:
    """Settings of a training; the defaults are the published recipe.

    Progress is ``max(step / steps, elapsed / minutes)``: training ends at 1, and the learning
    rate follows it. With ``minutes`` a result depends on the machine's speed.

    Args:
        steps: generator steps at most.
        minutes: of computing time at most, over all resumptions; None for no limit.
        batch: images a step.
        seed: of everything that is drawn.
        adversarial: the game.
        critic_steps: critic updates, each on images of its own, to one of the editor;
            1 lets both share a batch and the edits made of it.
        critic_every: the critic takes part, and learns, in every k-th step only.
        rate: Adam's learning rate of the editor.
        critic_rate: of the critic.
        betas: Adam's.
        decay: what happens to the rates.
        decay_start: from which progress on.
        weights: of the loss terms.
        ema: decay of the running mean of the editor's weights, which is what is kept; 0 keeps
            the weights themselves.
        augmentation: of what the critic sees; None for none.
        single: share of rows in which one attribute is flipped, see ``TargetRule``.
        uniform: share of rows with partial strengths, see ``TargetRule``.
        same: share of rows whose target is their own attributes, see ``TargetRule``.
        freeze_norms: progress from which the batch norms of the editor stop following the batch.
        robust: largest L2 length, on [-1, 1], of the adversarial step that each real image takes
            before the classifier learns its label; 0 for none. A classifier that small steps
            cannot fool asks the editor for changes that people and other classifiers see too.
        outliers: share of the critic's fake images that are replaced by things that are no faces
            (noise, shuffled patches), so that it rejects those as well.
        until: progress at which this stage ends, with a checkpoint, so that a training in the
            same folder can go on with other settings.
        precision: of the computation.
        log_every: steps between two lines of metrics.
        sheet_every: steps between two sample sheets; 0 for none.
        checkpoint_every: steps between two checkpoints; 0 for the last only.

    Raises:
        ConfigError: a number out of range.
    """

    steps: int = 200_000
    minutes: float | None = None
    batch: int = 32
    seed: int = 0
    adversarial: Adversarial = Adversarial.WGAN_GP
    critic_steps: int = 5
    critic_every: int = 1
    rate: float = 2e-4
    critic_rate: float = 2e-4
    betas: tuple[float, float] = (0.5, 0.999)
    decay: Decay = Decay.STEP
    decay_start: float = 0.5
    weights: LossWeights = field(default_factory=LossWeights)
    ema: float = 0.0
    augmentation: Augmentation | None = None
    single: float = 0.0
    uniform: float = 0.0
    same: float = 0.0
    freeze_norms: float = 1.0
    robust: float = 0.0
    outliers: float = 0.0
    until: float = 1.0
    precision: Precision = Precision.AUTO
    log_every: int = 20
    sheet_every: int = 500
    checkpoint_every: int = 500

    def __post_init__(self) -> None:
        for name in ("steps", "batch", "critic_steps", "critic_every", "log_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"attgan training: `{name}` must be at least 1, got {getattr(self, name)}.")
        if self.batch < 2:
            raise ConfigError("attgan training: `batch` must be at least 2 (labels are permuted in it).")
        if self.minutes is not None and not 0.0 < self.minutes < float("inf"):
            raise ConfigError(f"attgan training: `minutes` must be positive, got {self.minutes!r}.")
        for name in ("rate", "critic_rate"):
            if not 0.0 < getattr(self, name) < 1.0:
                raise ConfigError(
                    f"attgan training: `{name}` must be in (0, 1), got {getattr(self, name)!r}."
                )
        for name in ("decay_start", "single", "uniform", "same", "freeze_norms", "outliers", "until"):
            if not 0.0 <= getattr(self, name) <= 1.0:
                raise ConfigError(
                    f"attgan training: `{name}` must be in [0, 1], got {getattr(self, name)!r}."
                )
        if not 0.0 <= self.robust < float("inf"):
            raise ConfigError(f"attgan training: `robust` must be 0 or more, got {self.robust!r}.")
        if not 0.0 <= self.ema < 1.0:
            raise ConfigError(f"attgan training: `ema` must be in [0, 1), got {self.ema!r}.")

    @classmethod
    def published(cls) -> Self:
        """The paper's recipe: WGAN-GP, five critic steps, a tenth of the rate at half time."""
        return cls()

    @classmethod
    def fast(cls) -> Self:
        """Hinge loss, augmentation, averaged weights; for a critic with ``CriticNorm.SPECTRAL``."""
        return cls(
            steps=20_000,
            batch=16,
            adversarial=Adversarial.HINGE,
            critic_steps=1,
            decay=Decay.LINEAR,
            decay_start=0.6,
            ema=0.995,
            augmentation=Augmentation(),
            single=0.25,
            uniform=0.5,
        )

    @classmethod
    def paired(cls) -> Self:
        """``fast`` with true re-renders to learn from, where the source has them."""
        return replace(
            cls.fast(),
            rate=1e-3,
            critic_rate=4e-4,
            critic_every=3,
            ema=0.998,
            single=0.5,
            uniform=0.3,
            same=0.1,
            freeze_norms=0.85,
            weights=LossWeights(
                reconstruction=0.0,
                attribute=2.0,
                adversarial=1.0,
                paired=100.0,
                changed=30.0,
                edges=30.0,
            ),
        )
