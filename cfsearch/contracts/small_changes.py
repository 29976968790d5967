"""Small changes of inputs: by what a second, honest measurement of the same thing could differ."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

from jaxtyping import Float
from torch import Tensor

from cfsearch.errors import CapabilityError

from ._picture_changes import MOST_CHANGES, PICTURE_CHANGES
from .generator import Generator

__all__ = ["MOST_CHANGES", "Perturber", "knows_small_changes", "perturber_of"]


class Perturber(ABC):
    """Capability of a generator: makes the small changes that are natural for its inputs.

    Example:
        >>> from cfsearch.generators import Bands, Rows, Words
        >>> issubclass(Rows, Perturber), issubclass(Bands, Perturber), issubclass(Words, Perturber)
        (True, True, False)
    """

    small_changes: ClassVar[str]
    """What is tried, in words."""

    @abstractmethod
    def perturbed(self, x: Float[Tensor, "n *x"], *, changes: int, seed: int) -> Float[Tensor, "n m *x"]:
        """Small changes of each input, the same ones for all; each is an input as ``decode`` could give it.

        Args:
            x: inputs.
            changes: how many of each; the first ones of more are the same.
            seed: decides what is drawn.
        """


def perturber_of(
    generator: Generator[Any],  # Any: a generator's state is its own business
) -> tuple[Callable[..., Tensor], str]:
    """What makes small changes of a generator's inputs, called as ``Perturber.perturbed``, and what they are in words.

    Args:
        generator: of the inputs.

    Raises:
        CapabilityError: nobody knows small changes of such inputs.

    Example:
        >>> import torch
        >>> from cfsearch.generators import Pixels
        >>> perturbed, words = perturber_of(Pixels(size=(8, 8)))
        >>> perturbed(torch.full((1, 3, 8, 8), 0.5), changes=4, seed=0).shape
        torch.Size([1, 4, 3, 8, 8])
    """
    if isinstance(generator, Perturber):
        return generator.perturbed, generator.small_changes
    of_kind = generator.modality.perturbed
    if of_kind is None:
        raise CapabilityError(
            f"robustness: small changes are known of pictures, rows and recordings, but generator {generator.name!r} makes "
            f"{generator.modality.name} and says of none (it is no `Perturber`). Leave robustness out."
        )
    return of_kind, PICTURE_CHANGES


def knows_small_changes(generator: Generator[Any]) -> bool:  # Any: as above
    """Whether small changes of a generator's inputs are known.

    Args:
        generator: of the inputs.

    Example:
        >>> from cfsearch.generators import Pixels
        >>> knows_small_changes(Pixels(size=(8, 8)))
        True
    """
    return isinstance(generator, Perturber) or generator.modality.perturbed is not None
