"""The contract of generators: from a change ``z`` to a decoded input ``x``."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar, Generic, TypeVar

from jaxtyping import Float
from torch import Tensor

from .modality import Modality, Pieces, modality_of
from .space import SearchSpace

State = TypeVar("State")
"""Encoded queries, opaque to all but the generator."""


class Generator(ABC, Generic[State]):
    """Base class of generators: decodes changes ``z`` of a query to inputs of the audited model.

    Images are float32 RGB in [0, 1], channels first, at every public border of cfsearch; a
    generator that works on another range converts inside. ``decode(state, zeros)`` is the
    generator's reconstruction of the query. Decoding is row by row: a candidate's output does
    not depend on which others are decoded with it.

    Example:
        >>> import torch
        >>> from cfsearch.testing import FakeGenerator
        >>> generator = FakeGenerator(shape=(2,))  # x' = x + z
        >>> state = generator.encode(torch.tensor([[1.0, 2.0]]))
        >>> generator.space(state).names, generator.decode(state, torch.tensor([[[0.0, 0.5]]])).tolist()
        (('entry0', 'entry1'), [[[1.0, 2.5]]])
    """

    name: ClassVar[str]
    shape: tuple[int, ...]
    """Shape of one decoded input, ``*x``; images (3, height, width)."""
    terms: str = ""
    """On which terms its weights may be used, where they are others than the software's."""
    edit_success: Mapping[str, float] = MappingProxyType({})
    """Of each variable, how often an independent judge saw the edit between the ends of the space, as
    its maker measured; empty where nobody did."""
    edit_strength: Mapping[str, float] = MappingProxyType({})
    """Of each variable, by how much such an edit moves an independent judge, as a share of the difference that
    labels make; empty where nobody measured."""
    batch_invariant: ClassVar[bool] = False
    """True if outputs are bitwise batch-invariant, also across queries: no matrix products."""
    missing_as: Mapping[str, float] = MappingProxyType({})
    """Of each variable that may be missing (NaN in an input), the number that stands for it in the space, and stays;
    ``encode`` refuses any other NaN."""

    @property
    def modality(self) -> Modality:
        """What kind of input it makes; by the shape alone where a generator does not say."""
        return modality_of(self.shape)

    @classmethod
    @abstractmethod
    def open(cls, source: Path | None, *, settings: Mapping[str, Any]) -> "Generator[Any]":
        """The generator of a file (None where it has none) and of named settings.

        Raises:
            ModelFileError: the file cannot be read.
            ConfigError: a setting is unknown or out of range.
        """

    @abstractmethod
    def encode(self, x: Float[Tensor, "b *x"]) -> State:
        """Everything about the queries that decoding needs; called once a query."""

    @abstractmethod
    def space(self, state: State) -> SearchSpace:
        """Names, bounds and rules of the changes of these queries."""

    @abstractmethod
    def decode(self, state: State, z: Float[Tensor, "b n d"]) -> Float[Tensor, "b n *x"]:
        """The inputs that the changes lead to."""

    @abstractmethod
    def select(self, state: State, i: int) -> State:
        """The state of query ``i`` alone, with ``b = 1``."""

    @abstractmethod
    def to(self, device: str) -> "Generator[State]":
        """This generator on another device ("cpu", "cuda", "cuda:1")."""

    @property
    @abstractmethod
    def fingerprint(self) -> str:
        """A hash of everything that decides what is decoded: weights and settings."""


class Critic(ABC):
    """Capability of a generator: scores the realism of inputs.

    Example:
        >>> import torch
        >>> from cfsearch.testing import FakeGenerator
        >>> critic = FakeGenerator(shape=(2,), prototype=0.5)  # minus the squared distance to it
        >>> critic.realism(torch.tensor([[[1.0, 0.5], [1.5, 0.5]]])).tolist()
        [[-0.25, -1.0]]
    """

    critic_kind: str
    """One sentence for the reader: which plausibility this is."""

    @abstractmethod
    def realism(self, x: Float[Tensor, "b n *x"]) -> Float[Tensor, "b n"]:
        """How real each input looks; larger is more real, no fixed unit."""


class AttributeEstimator(ABC):
    """Capability of a generator: estimates the attributes of inputs.

    Example:
        >>> from cfsearch.generators.attgan.generator import AttGANWithCritic
        >>> issubclass(AttGANWithCritic, AttributeEstimator)
        True
    """

    attribute_names: tuple[str, ...]

    @abstractmethod
    def attributes(self, x: Float[Tensor, "b n *x"]) -> Float[Tensor, "b n a"]:
        """Probability of each attribute."""


class AttributeTaker(ABC):
    """Capability of a generator: takes known attributes of inputs instead of estimating them.

    Example:
        >>> from cfsearch.generators.attgan.generator import AttGAN
        >>> issubclass(AttGAN, AttributeTaker)
        True
    """

    attribute_names: tuple[str, ...]

    @abstractmethod
    def encode(
        self, x: Float[Tensor, "b *x"], *, attributes: Float[Tensor, "b a"] | None = None
    ) -> Any:  # Any: a generator's state is its own business
        """Everything about the queries that decoding needs.

        Args:
            x: the queries.
            attributes: what is known of them, in [0, 1]; NaN where it is not known.

        Raises:
            CapabilityError: something is not known and cannot be estimated.
        """


class Relaxed(ABC):
    """Capability of a generator whose ``decode`` rounds: decodes so that gradients reach the changes all the same.

    Example:
        >>> from cfsearch.generators import Rows
        >>> issubclass(Rows, Relaxed)
        True
    """

    @abstractmethod
    def relaxed(
        self, state: Any, z: Float[Tensor, "b n d"]
    ) -> Float[Tensor, "b n *x"]:  # Any: a state of its own
        """The inputs of ``decode``, with the slope that they would have without steps and rules.

        Args:
            state: of the queries.
            z: the changes.
        """


class Describer(ABC):
    """Capability of a generator: describes changes in words, in the input's own units.

    Example:
        >>> from cfsearch.generators import Bands, Rows
        >>> issubclass(Rows, Describer), issubclass(Bands, Describer)
        (True, True)
    """

    @abstractmethod
    def words(self, x: Float[Tensor, " *x"], others: Float[Tensor, "n *x"]) -> tuple[tuple[str, ...], ...]:
        """For each of ``others``, what is different from ``x``: "age 39 -> 45 years"."""


class Speller(ABC):
    """Capability of a generator of texts: spells its inputs out.

    Example:
        >>> from cfsearch.generators import Rows, Words
        >>> issubclass(Words, Speller), issubclass(Rows, Speller)
        (True, False)
    """

    @abstractmethod
    def spell(self, x: Float[Tensor, "n t"]) -> tuple[Pieces, ...]:
        """The pieces of each text, place by place; "" where nothing stands."""
