"""The contract of trainers: what learns a generator; found through entry points ``cfsearch.trainers``."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol, final, runtime_checkable

from cfsearch import registry
from cfsearch.errors import PluginError


class Labelled(Protocol):
    """Images of a source: ``images`` ``(n, 3, s, s)``, ``labels`` ``(n, a)``.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace
        >>> some: Labelled = SimpleNamespace(images=torch.zeros(2, 3, 8, 8), labels=torch.zeros(2, 1))
        >>> len(some.images), len(some.labels)
        (2, 2)
    """

    @property
    def images(self) -> Any: ...  # Any: a tensor; torch is not imported here

    @property
    def labels(self) -> Any: ...  # Any: a tensor; torch is not imported here


class Source(Protocol):
    """Labelled images by index; the same index gives the same image again.

    Example:
        >>> import torch
        >>> from types import SimpleNamespace
        >>> class Greys:
        ...     attributes = ("Bright",)
        ...     def __len__(self) -> int:
        ...         return 10
        ...     def batch(self, indices):
        ...         level = torch.tensor([i / 10 for i in indices])
        ...         images = level[:, None, None, None].expand(-1, 3, 8, 8)
        ...         return SimpleNamespace(images=images, labels=(level > 0.5)[:, None])
        >>> source: Source = Greys()
        >>> source.batch([2, 8]).labels.tolist()
        [[False], [True]]
    """

    @property
    def attributes(self) -> Sequence[str]:
        """Names of the labels' columns."""
        ...

    def __len__(self) -> int: ...

    def batch(self, indices: Sequence[int]) -> Labelled:
        """These images."""
        ...


class State(NamedTuple):
    """Progress of a training: share done, steps, seconds, losses by name.

    Example:
        >>> State(share=0.5, step=100, seconds=12.0, losses={"critic": 0.3}).losses["critic"]
        0.3
    """

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

    Example:
        >>> from pathlib import Path
        >>> request = TrainingRequest(None, {"width": 8}, {"steps": 100}, Path("training"), Path("mine.safetensors"), "cpu")
        >>> request.training["steps"], request.out.name
        (100, 'mine.safetensors')
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
    """Result of a training; ``finished`` is False where it was stopped.

    Example:
        >>> Learned(steps=80, seconds=10.0, finished=False).finished
        False
    """

    steps: int
    seconds: float
    finished: bool


@runtime_checkable
class Trainer(Protocol):
    """Trains one family of generators.

    Example:
        >>> isinstance(open_trainer("attgan"), Trainer)
        True
    """

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

        Without entries nothing is written: it says only whether files of that kind hold figures.

        Raises:
            CapabilityError: files of that kind hold no figures.
        """
        ...


def open_trainer(name: str) -> Trainer:
    """The trainer of a family of generators.

    Raises:
        ConfigError: no trainer has that name.
        MissingExtraError, PluginError: it cannot be imported, or is none.

    Example:
        >>> from importlib.resources import files
        >>> weights = files("cfsearch.models").joinpath("attgan_faces64.safetensors")
        >>> open_trainer("attgan").size(weights)
        64
    """
    made = registry.create("trainers", name, {})
    if not isinstance(made, Trainer):
        raise PluginError(
            f"trainer {name!r} must offer train_generator and train_critic, got {type(made).__name__}."
        )
    return made
