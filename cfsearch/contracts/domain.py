"""The contract of domains: the differentiable representation of inputs.

Gradients need numbers, people need columns and words; a ``Domain`` stands between: pixels, encoded
columns, embedded words.
"""

from abc import ABC, abstractmethod

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


class Domain(ABC):
    """Differentiable representation ``u`` of inputs ``x``, with its bounds and features.

    Each number belongs to one *feature*: what a person would name, and what is changed or kept as
    a whole (a pixel with its channels, a column, a word).

    Shapes:
        inputs ``(b, *x)`` as the model takes them; numbers ``(b, *u)`` float32; features ``(b, f)``.

    Example:
        >>> import torch
        >>> from cfsearch.explainers.pixel_domain import PixelDomain
        >>> domain = PixelDomain((3, 2, 2))
        >>> domain.features, domain.layout, domain.encode(torch.ones(1, 3, 2, 2)).shape
        (4, (2, 2), torch.Size([1, 3, 2, 2]))
    """

    shape: tuple[int, ...]
    """``*u``: the shape of the numbers of one input."""
    owner: Int[Tensor, "*u"]
    """Which feature each number belongs to, 0 to f - 1."""
    names: tuple[str, ...] = ()
    """Names of the features; empty where they have a place instead (pixels)."""
    layout: tuple[int, ...]
    """How features lie: (height, width) of an image, (f,) of a row or a sentence."""
    one_hot: tuple[tuple[int, int], ...] = ()
    """Begin and size of each run of flattened numbers of which exactly one is 1."""

    @property
    def features(self) -> int:
        """Number of features of an input."""
        total = 1
        for size in self.layout:
            total *= size
        return total

    @abstractmethod
    def encode(self, x: Float[Tensor, "b *x"]) -> Float[Tensor, "b *u"]:
        """The numbers of inputs."""

    @abstractmethod
    def project(self, u: Float[Tensor, "b *u"], *, origin: Float[Tensor, "b *x"]) -> Float[Tensor, "b *x"]:
        """The nearest inputs that may be reached from ``origin``: every rule of the input kept.

        ``project(encode(x), origin=x)`` is ``x``. It need not be differentiable.
        """

    @abstractmethod
    def free(self, x: Float[Tensor, "b *x"]) -> Bool[Tensor, "b f"]:
        """Mask of the features that may change."""

    def bounds(self, x: Float[Tensor, "b *x"]) -> tuple[Float[Tensor, "b *u"], Float[Tensor, "b *u"]]:
        """Least and greatest numbers that may be reached; without an override -inf and inf."""
        u = torch.full((len(x), *self.shape), torch.inf, device=x.device)
        return -u, u

    def spread(self, values: Float[Tensor, "b f"]) -> Float[Tensor, "b *u"]:
        """The value of each number's feature."""
        return values[:, self.owner.to(values.device)]

    def pooled(self, values: Float[Tensor, "b *u"]) -> Float[Tensor, "b f"]:
        """The sum over the numbers of each feature."""
        flat = values.flatten(1)
        out = flat.new_zeros(len(flat), self.features)
        return out.index_add(1, self.owner.to(flat.device).flatten(), flat)
