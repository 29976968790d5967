"""Typicality of pictures: whether what a smooth model of known pictures cannot explain is as strong as in these.

Noise and other artefacts raise it, and blur lowers it; both are untypical.
"""

from dataclasses import dataclass
from typing import Final, Self, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from cfsearch.errors import ConfigError, ShapeError

_COMPONENTS: Final = 64
_FEWEST: Final = 20


@final
@dataclass(frozen=True, slots=True, eq=False)
class Typicality:
    """Two-sided tail probability, among known pictures, of the energy that principal components of fine detail leave.

    Fine detail is the picture less its 3 x 3 mean. One half of the known pictures gives mean and components, the other half the
    distribution of what they leave (root mean square). 1 is the middle of it, small values are its ends.

    Args:
        mean: of the fine detail.
        components: orthonormal.
        energies: of the pictures that were held out, sorted.

    Shapes:
        mean ``(p,)``, components ``(k, p)``, energies ``(h,)``.

    Example:
        >>> draw = torch.Generator().manual_seed(0)
        >>> known = torch.rand(60, 3, 8, 8, generator=draw) * 0.2 + 0.4
        >>> typical = Typicality.fit(known)
        >>> more = torch.rand(1, 3, 8, 8, generator=draw)
        >>> bool(typical(more * 0.2 + 0.4) > 0.1), bool(typical(more) < 0.1)  # as noisy as the others; far noisier
        (True, True)
    """

    mean: Float[Tensor, " p"]
    components: Float[Tensor, "k p"]
    energies: Float[Tensor, " h"]

    @classmethod
    def fit(cls, known: Float[Tensor, "n c h w"]) -> Self:
        """From known pictures, which must be in no order.

        Args:
            known: at least 20 pictures in [0, 1].

        Raises:
            ConfigError: fewer.
        """
        if len(known) < _FEWEST:
            raise ConfigError(
                f"typicality: expected at least {_FEWEST} known pictures, got {len(known)}. Give more of them."
            )
        detail = _detail(known)
        half = len(detail) // 2
        mean = detail[:half].mean(0)
        # the right singular vectors through the small matrix of inner products
        centred = detail[:half] - mean
        values, vectors = torch.linalg.eigh(centred @ centred.T)
        keep = vectors[:, values > values[-1] * 1e-10][:, -_COMPONENTS:]
        components = keep.T @ centred
        components = components / components.norm(dim=1, keepdim=True)
        return cls(mean, components, _energy(detail[half:], mean, components).sort().values)

    def __call__(self, x: Float[Tensor, "n c h w"]) -> Float[Tensor, " n"]:
        """The tail probability of each picture, in (0, 1].

        Args:
            x: pictures of the size of the known ones, in [0, 1].

        Raises:
            ShapeError: another size.
        """
        if x[0].numel() != len(self.mean):
            raise ShapeError(
                f"typicality: expected pictures of {len(self.mean)} values like the known ones, got {x[0].numel()}."
            )
        energy = _energy(_detail(x), self.mean, self.components)
        h = len(self.energies)
        below = torch.searchsorted(self.energies, energy, right=True)
        above = h - torch.searchsorted(self.energies, energy)
        return (2.0 * (torch.minimum(below, above).double() + 1.0) / (h + 1.0)).clamp_max(1.0)


def _detail(x: Float[Tensor, "n c h w"]) -> Float[Tensor, "n p"]:
    x = x.double()
    return (x - functional.avg_pool2d(x, 3, 1, 1, count_include_pad=False)).flatten(1)


def _energy(detail: Tensor, mean: Tensor, components: Tensor) -> Float[Tensor, " n"]:
    centred = detail - mean
    return (centred - (centred @ components.T) @ components).square().mean(1).sqrt()
