"""Local outlier factor: how isolated a point is beside its neighbours among known points."""

from dataclasses import dataclass
from typing import Final, Self, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.errors import ShapeError

_TINY: Final = 1e-10
"""Points at distance 0 have a density; as in scikit-learn."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class LocalDensity:
    """Densities of known points, against which the factor of others is measured; ``of`` measures them.

    Args:
        k: neighbours that count.
        radius: distance of each point to its k-th neighbour.
        density: one over the mean distance to its neighbours, none shorter than their radius.

    Shapes:
        radius, density ``(r,)`` of r known points.

    References:
        Breunig, Kriegel, Ng and Sander 2000, *LOF: identifying density-based local outliers*,
        https://doi.org/10.1145/342009.335388.

    Example:
        >>> known = torch.tensor([0.0, 1.0, 2.0, 3.0, 4.0])
        >>> density = LocalDensity.of((known[:, None] - known).abs(), k=2)
        >>> far = torch.tensor([2.5, 30.0])
        >>> density.factor((far[:, None] - known).abs()).gt(1.5).tolist()
        [False, True]
    """

    k: int
    radius: Float[Tensor, " r"]
    density: Float[Tensor, " r"]

    @classmethod
    def of(cls, between: Float[Tensor, "r r"], *, k: int) -> Self:
        """The densities of points by their distances.

        Args:
            between: of each pair.
            k: neighbours that count, 1 to r - 1.

        Raises:
            ShapeError: the distances are not square, or there are not more than k points.
        """
        if between.ndim != 2 or between.shape[0] != between.shape[1] or not 1 <= k < len(between):
            raise ShapeError(
                f"local density: expected square distances of more than k = {k} points, got {tuple(between.shape)}."
            )
        others = between.double().clone()
        others.fill_diagonal_(torch.inf)
        near = others.topk(k, dim=1, largest=False)
        radius = near.values[:, -1]
        apart = torch.maximum(near.values, radius[near.indices]).mean(1)
        return cls(k, radius, 1.0 / (apart + _TINY))

    def factor(self, distance: Float[Tensor, "n r"]) -> Float[Tensor, " n"]:
        """Density of each point's neighbours over its own: 1 is as dense as they are, above it is more isolated.

        Args:
            distance: of other points to the known ones.
        """
        near = distance.double().topk(self.k, dim=1, largest=False)
        radius, density = self.radius.to(distance.device), self.density.to(distance.device)
        own = 1.0 / (torch.maximum(near.values, radius[near.indices]).mean(1) + _TINY)
        return density[near.indices].mean(1) / own
