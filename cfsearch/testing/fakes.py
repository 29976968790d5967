"""Plug-ins whose every answer can be worked out by hand."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.generator import Critic, Generator, State
from cfsearch.contracts.modality import modality_of
from cfsearch.contracts.provider import DifferentiableProvider, Provider, ScoreKind
from cfsearch.contracts.space import SearchSpace
from cfsearch.errors import ConfigError, ShapeError


@final
@dataclass(frozen=True, slots=True)
class FakeProvider(Provider):
    """A linear classifier: ``logits = features @ weight.T + bias``.

    The features of an image are the means of its channels, those of a vector its entries. As it
    stands it calls an RGB image "bright" with ``p = sigmoid(12 (mean - 0.5))``.

    Args:
        weight: one row a class, one column a feature.
        bias: one number a class.
        labels: one name a class.
        scores: what it answers with: logits, their softmax, or one-hot labels.
        name: what messages call it.
        max_batch: as the contract says.

    Raises:
        ConfigError: weight, bias and labels do not speak of the same classes.

    Example:
        >>> FakeProvider().predict(torch.full((1, 3, 4, 4), 0.75)).tolist()  # 12 (0.75 - 0.5)
        [[0.0, 3.0]]
    """

    weight: tuple[tuple[float, ...], ...] = ((0.0, 0.0, 0.0), (4.0, 4.0, 4.0))
    bias: tuple[float, ...] = (0.0, -6.0)
    labels: tuple[str, ...] = ("dark", "bright")
    scores: ScoreKind = ScoreKind.LOGITS
    name: str = "fake"
    max_batch: int = 1024

    def __post_init__(self) -> None:
        k = len(self.labels)
        if k < 2 or len(self.weight) != k or len(self.bias) != k:
            raise ConfigError(
                f"fake provider: expected as many rows of weight and bias as labels, at least 2, got "
                f"{len(self.weight)}, {len(self.bias)} and {k}."
            )

    def predict(self, x: Float[Tensor, "n *x"]) -> Float[Tensor, "n k"]:
        features = x.flatten(2).mean(-1) if modality_of(x.shape[1:]).pictured else x
        weight, bias = x.new_tensor(self.weight), x.new_tensor(self.bias)
        if features.shape[1:] != weight.shape[1:]:
            raise ShapeError(
                f"fake provider: expected {weight.shape[1]} features, got inputs of shape {tuple(x.shape)}."
            )
        # a sum row by row: a product of matrices may round a row differently in another batch
        logits = (features[:, None] * weight).sum(-1) + bias
        match self.scores:
            case ScoreKind.LOGITS:
                return logits
            case ScoreKind.PROBABILITIES:
                return logits.softmax(-1)
            case ScoreKind.LABELS:
                return torch.nn.functional.one_hot(logits.argmax(-1), len(self.labels)).to(x.dtype)

    @property
    def fingerprint(self) -> str:
        """A hash of all fields that decide the answer."""
        return _hash(self.weight, self.bias, self.labels, self.scores.name)


@final
class FakeWhiteBox(DifferentiableProvider):
    """A fake provider that promises gradients.

    Raises:
        ConfigError: it gives labels only, which have no gradient.

    Example:
        >>> FakeWhiteBox(FakeProvider()).labels
        ('dark', 'bright')
    """

    def __init__(self, fake: FakeProvider) -> None:
        if fake.scores is ScoreKind.LABELS:
            raise ConfigError("fake white box: labels have no gradient; give logits or probabilities.")
        self._fake = fake
        self.name: str = fake.name
        self.labels: tuple[str, ...] = fake.labels
        self.scores = fake.scores
        self.max_batch: int = fake.max_batch

    def predict(self, x: Float[Tensor, "n *x"]) -> Float[Tensor, "n k"]:
        return self._fake.predict(x)

    @property
    def fingerprint(self) -> str:
        """That of the provider inside."""
        return self._fake.fingerprint


@final
@dataclass(frozen=True, slots=True)
class FakeGenerator(Generator[Tensor], Critic):
    """A linear decoder ``x' = clamp(x + z @ W, 0, 1)``; a vector is not clamped.

    Variables of an image: one a channel, which lightens it everywhere, and ``slope``, which
    darkens the top and lightens the bottom (-1 to 1). Variables of a vector: its entries. Each may
    change by -1 to 1. Realism is ``-||x - prototype||^2``.

    Args:
        shape: of one input, ``(channels, height, width)`` or ``(features,)``.
        prototype: value of all entries of the most real input.
        critic_kind: as the contract says.

    Example:
        >>> generator = FakeGenerator(shape=(2,))
        >>> state = generator.encode(torch.tensor([[1.0, 2.0]]))
        >>> generator.decode(state, torch.tensor([[[0.5, 0.0]]])).tolist()
        [[[1.5, 2.0]]]
    """

    shape: tuple[int, ...] = (3, 16, 16)
    prototype: float = 0.5
    critic_kind: str = "closeness to one colour"
    name: ClassVar[str] = "fake"

    @classmethod
    def open(cls, source: Path | None, *, settings: Mapping[str, Any]) -> Self:  # Any: as the contract
        """From the settings ``shape`` and ``prototype``; there is no file."""
        unknown = sorted(set(settings) - {"shape", "prototype"})
        if source is not None or unknown:
            raise ConfigError(
                f"fake generator: takes no file and the settings shape and prototype, got {source} "
                f"and {unknown}."
            )
        return cls(**settings)

    def encode(self, x: Float[Tensor, "b *x"]) -> Tensor:
        return x.clone()

    def space(self, state: Tensor) -> SearchSpace:
        one = state.new_ones(len(state), len(self._names))
        return SearchSpace(names=self._names, lower=-one, upper=one)

    def decode(self, state: Tensor, z: Float[Tensor, "b n d"]) -> Float[Tensor, "b n *x"]:
        directions = self._directions(z)
        change = (z @ directions.flatten(1)).reshape(*z.shape[:2], *self.shape)
        x = state[:, None].to(z.dtype) + change
        return x.clamp(0.0, 1.0) if modality_of(self.shape).pictured else x

    def select(self, state: Tensor, i: int) -> Tensor:
        return state[i : i + 1]

    def to(self, device: str) -> Self:  # the contract asks for it
        """Itself: it computes where its inputs are."""
        return self

    @property
    def fingerprint(self) -> str:
        """A hash of the settings."""
        return _hash(self.shape, self.prototype)

    def realism(self, x: Float[Tensor, "b n *x"]) -> Float[Tensor, "b n"]:
        return -((x - self.prototype) ** 2).flatten(2).sum(-1)

    @property
    def _names(self) -> tuple[str, ...]:
        if not modality_of(self.shape).pictured:
            return tuple(f"entry{i}" for i in range(self.shape[0]))
        colours = ("red", "green", "blue") if self.shape[0] == 3 else ("grey",) * (self.shape[0] == 1)
        return (*(colours or tuple(f"channel{i}" for i in range(self.shape[0]))), "slope")

    def _directions(self, like: Tensor) -> Float[Tensor, "d *x"]:
        channels = torch.eye(self.shape[0], dtype=like.dtype, device=like.device)
        if not modality_of(self.shape).pictured:
            return channels
        ramp = torch.linspace(-1.0, 1.0, self.shape[1], dtype=like.dtype, device=like.device)
        slope = ramp[:, None].expand(self.shape)[None]
        return torch.cat([channels[:, :, None, None].expand(-1, *self.shape), slope])


@final
class WithoutCritic(Generator[State]):
    """Any generator, its critic hidden.

    Example:
        >>> isinstance(FakeGenerator(), Critic), isinstance(WithoutCritic(FakeGenerator()), Critic)
        (True, False)
    """

    name = "without_critic"

    def __init__(self, generator: Generator[State]) -> None:
        self._generator = generator
        self.shape: tuple[int, ...] = generator.shape

    @classmethod
    def open(cls, source: Path | None, *, settings: Mapping[str, Any]) -> Generator[Any]:  # Any: contract
        """A fake one without its critic."""
        return WithoutCritic(FakeGenerator.open(source, settings=settings))

    def encode(self, x: Float[Tensor, "b *x"]) -> State:
        return self._generator.encode(x)

    def space(self, state: State) -> SearchSpace:
        return self._generator.space(state)

    def decode(self, state: State, z: Float[Tensor, "b n d"]) -> Float[Tensor, "b n *x"]:
        return self._generator.decode(state, z)

    def select(self, state: State, i: int) -> State:
        return self._generator.select(state, i)

    def to(self, device: str) -> "WithoutCritic[State]":
        return WithoutCritic(self._generator.to(device))

    @property
    def fingerprint(self) -> str:
        """That of the generator inside."""
        return self._generator.fingerprint


def _hash(*parts: object) -> str:
    return hashlib.sha256(repr(parts).encode()).hexdigest()
