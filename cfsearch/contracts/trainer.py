"""The contract of trainers: what learns a generator; found through entry points ``cfsearch.trainers``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, final, runtime_checkable

from cfsearch import registry
from cfsearch.errors import PluginError


class Labelled(Protocol):
    """Images of a source: ``images`` ``(n, 3, s, s)``, ``labels`` ``(n, a)``."""

    @property
    def images(self) -> Any: ...  # Any: a tensor; torch is not imported here

    @property
    def labels(self) -> Any: ...  # Any: a tensor; torch is not imported here


class Source(Protocol):
    """Labelled images by index; the same index gives the same image again."""

    @property
    def attributes(self) -> Sequence[str]:
        """Names of the labels' columns."""
        ...

    def __len__(self) -> int: ...

    def batch(self, indices: Sequence[int]) -> Labelled:
        """These images."""
        ...


class State(NamedTuple):
    """Progress of a training: share done, steps, seconds, losses by name."""

    share: float
    step: int
    seconds: float
    losses: Mapping[str, float]


@final
@dataclass(frozen=True, slots=True)
class TrainingRequest:
    """Settings that a user gave; None leaves it to the recipe.

    Args:
        recipe: a name that the trainer knows.
        networks: settings of the networks, by name.
        training: settings of the training, by name.
        folder: metrics, sample sheets, checkpoints; a training in it goes on.
        out: the file that is written in the end.
        device: "cpu", "cuda", "cuda:1".
    """

    recipe: str | None
    networks: Mapping[str, int | float | str]
    training: Mapping[str, int | float | str]
    folder: Path
    out: Path
    device: str


@final
@dataclass(frozen=True, slots=True)
class Learned:
    """Result of a training; ``finished`` is False where it was stopped."""

    steps: int
    seconds: float
    finished: bool


@runtime_checkable
class Trainer(Protocol):
    """Trains one family of generators."""

    def attributes(self, generator: Path) -> tuple[str, ...]:
        """The attributes that a generator's file knows, in its order."""
        ...

    def size(self, generator: Path) -> int:
        """The side of the images of a generator's file."""
        ...

    def train_generator(
        self,
        source: Source,
        *,
        request: TrainingRequest,
        watch: Callable[[State], None],
        stop: Callable[[], bool],
    ) -> Learned:
        """Train a generator with its critic, and write it unless it was stopped."""
        ...

    def train_critic(
        self,
        generator: Path,
        source: Source,
        *,
        request: TrainingRequest,
        watch: Callable[[State], None],
        stop: Callable[[], bool],
    ) -> Learned:
        """Train a critic for a generator that stays as it is, and write both."""
        ...


@runtime_checkable
class Annotator(Protocol):
    """Capability of a trainer: writes measured figures into a generator's file.

    Example:
        >>> isinstance(open_trainer("attgan"), Annotator)
        True
    """

    def annotate(self, generator: Path, entries: Mapping[str, object]) -> None:
        """Add entries to what the file says of itself; ``edit_success``, a share for each attribute, is one.

        Raises:
            CapabilityError: files of that kind hold no figures.
        """
        ...


def open_trainer(name: str) -> Trainer:
    """The trainer of a family of generators.

    Raises:
        ConfigError: no trainer has that name.
        MissingExtraError, PluginError: it cannot be imported, or is none.
    """
    made = registry.create("trainers", name, {})
    if not isinstance(made, Trainer):
        raise PluginError(
            f"trainer {name!r} must offer train_generator and train_critic, got {type(made).__name__}."
        )
    return made
