"""Recipe of a distillation: settings of augmentation, queries and training, with presets."""

import math
from dataclasses import dataclass, field
from typing import Final, final

from cfsearch.errors import ConfigError
from cfsearch.registry import unknown

from .augment import Shares
from .jitter import Jitter


@final
@dataclass(frozen=True, slots=True)
class Hyper:
    """Training hyperparameters: learning rate, epochs, batch size.

    Raises:
        ConfigError: a value is not above 0.
    """

    rate: float = 1e-3
    epochs: int = 30
    batch: int = 64

    def __post_init__(self) -> None:
        if not 0.0 < self.rate < math.inf or self.epochs < 1 or self.batch < 1:
            raise ConfigError(
                f"distill: rate, epochs and batch must be above 0, got {self.rate!r}, {self.epochs!r}, {self.batch!r}."
            )


@final
@dataclass(frozen=True, slots=True)
class Tuning:
    """Settings of the Bayesian search of ``Hyper`` and of the architecture.

    Args:
        trials: at most so many; 0 takes ``Recipe.hyper`` and the first network.
        folds: of the cross-validation, >= 2.
        rate, epochs, batch: ends of what is searched.
        rows: most examples that a trial sees, drawn from all; None for all of them.

    Raises:
        ConfigError: ends in the wrong order, or counts out of range.
    """

    trials: int = 20
    folds: int = 5
    rate: tuple[float, float] = (1e-4, 1e-2)
    epochs: tuple[int, int] = (5, 150)
    batch: tuple[int, int] = (32, 128)
    rows: int | None = None

    def __post_init__(self) -> None:
        for name, (low, high) in (("rate", self.rate), ("epochs", self.epochs), ("batch", self.batch)):
            if not 0 < low <= high:
                raise ConfigError(
                    f"distill: `{name}` must be two numbers > 0 in order, got {low!r}, {high!r}."
                )
        if self.trials < 0 or self.folds < 2 or (self.rows is not None and self.rows < self.folds):
            raise ConfigError(
                f"distill: needs trials >= 0, 2 folds or more and as many rows, got {self.trials!r}, "
                f"{self.folds!r} and {self.rows!r}."
            )


@final
@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    """Settings of distillation: how inputs are augmented, queried and learned from.

    Args:
        name: of the preset.
        image_shares, row_shares: how much of the first input is in a mixture.
        mixed: share of the queries beyond the inputs themselves that goes to mixtures; the rest
            to jittered inputs (images only: rows are always mixed).
        jitter: changes of pictures before they are mixed and queried; None for none.
        wobble: changes of pictures while training, their label taken to stay; None for none.
        rounds: how often the surrogate so far chooses what is queried next; 1 queries all at once.
        spread: candidates from which a round chooses, in multiples of what it asks, >= 1.
        unsure: share of a round that goes to those about which the surrogate is least sure;
            the rest is drawn evenly.
        round_epochs: passes over the examples between rounds.
        soft: learn from the provider's probabilities where it gives any.
        one_hot: categories of a table as one column a level; else as the index of the level.
        hyper: what is used where nothing is searched.
        one_cycle: the learning rate rises and falls (else it stays).
        decay: weight decay, >= 0.
        tuning: the search of ``hyper``.
        networks: candidates by name; those that suit the inputs when empty.

    Raises:
        ConfigError: a share outside [0, 1], or a count below 1.
    """

    name: str
    image_shares: Shares = field(default_factory=lambda: Shares((0.5,)))
    row_shares: Shares = field(default_factory=Shares)
    mixed: float = 1.0
    jitter: Jitter | None = None
    wobble: Jitter | None = None
    rounds: int = 1
    spread: float = 1.0
    unsure: float = 0.0
    round_epochs: int = 2
    soft: bool = False
    one_hot: bool = False
    hyper: Hyper = field(default_factory=lambda: Hyper(rate=1e-3, epochs=100, batch=128))
    one_cycle: bool = False
    decay: float = 0.0
    tuning: Tuning = field(default_factory=Tuning)
    networks: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in ("mixed", "unsure"):
            value = getattr(self, name)
            if not 0.0 <= value <= 1.0:
                raise ConfigError(f"distill: `{name}` must lie in [0, 1], got {value!r}.")
        if self.rounds < 1 or self.round_epochs < 1 or not 1.0 <= self.spread < math.inf:
            raise ConfigError(
                f"distill: needs rounds, round_epochs and spread of at least 1, got {self.rounds!r}, "
                f"{self.round_epochs!r} and {self.spread!r}."
            )
        if not 0.0 <= self.decay < math.inf:
            raise ConfigError(f"distill: `decay` must be a finite number >= 0, got {self.decay!r}.")
        if self.mixed < 1.0 and self.jitter is None:
            raise ConfigError("distill: `mixed` under 1 needs a `jitter`; without one the rest would repeat.")


PAPER: Final = Recipe(name="paper")
"""Haffar et al. 2022: mixup as in algorithm 1, hard labels, the search of section 4.1, Adam."""

BEST: Final = Recipe(
    name="best",
    image_shares=Shares((0.5, 0.65, 0.8)),
    row_shares=Shares(alpha=1.0),
    mixed=0.4,
    jitter=Jitter(turn=15.0, shift=0.08, scale=0.15, shear=0.2, bend=0.04),
    rounds=4,
    spread=4.0,
    unsure=0.5,
    soft=True,
    one_hot=True,
    hyper=Hyper(rate=3e-3, epochs=15, batch=128),
    one_cycle=True,
    decay=1e-4,
    tuning=Tuning(trials=8, rows=4000, epochs=(5, 30)),
)
"""What did best in our measurements (``benchmarks/papers/haffar.py``).

It leaves ``wobble`` out: with it a surrogate of digits agreed as often with the provider, but its
gradients were further from the provider's (cosine 0.39 instead of 0.47, in one training of each).
"""

PRESETS: Final = {recipe.name: recipe for recipe in (BEST, PAPER)}


def preset(name: str) -> Recipe:
    """A recipe by its name.

    Raises:
        ConfigError: there is none of that name.
    """
    if name not in PRESETS:
        raise ConfigError(unknown("preset", name, list(PRESETS)))
    return PRESETS[name]
