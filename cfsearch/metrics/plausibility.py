"""Plausibility: distance to the data manifold (nearest neighbours, local outlier factor).

Both take distances, so that any will do: ``Variables.gower_table`` for tables, ``torch.cdist`` else.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.errors import ConfigError, ShapeError


def nearest(distance: Float[Tensor, "n r"], *, k: int = 1) -> Float[Tensor, " n"]:
    """Mean distance to the ``k`` nearest reference rows (of the target class, say).

    Raises:
        ConfigError: ``k`` is not between 1 and the number of reference rows.

    Example:
        >>> nearest(torch.tensor([[0.5, 3.0, 1.5]]), k=2).tolist()
        [1.0]
    """
    _check(distance, k=k, most=distance.shape[-1])
    return distance.double().topk(k, dim=1, largest=False).values.mean(1)


def local_outlier_factor(
    distance: Float[Tensor, "n r"], between: Float[Tensor, "r r"], *, k: int = 20
) -> Float[Tensor, " n"]:
    """Local outlier factor: density of the data at the nearest rows over that here; about 1 inside.

    Args:
        distance: of each counterfactual to each reference row.
        between: of the reference rows to each other; the diagonal does not count.
        k: neighbours, less than the number of reference rows.

    Raises:
        ConfigError: ``k`` is out of range.
        ShapeError: the two do not speak of the same reference rows.

    References:
        Breunig et al. 2000, *LOF: identifying density-based local outliers*,
        https://doi.org/10.1145/335191.335388; with the 1e-10 that scikit-learn adds against zeros.

    Example:
        >>> rows = torch.arange(5.0)
        >>> between = (rows[:, None] - rows).abs()
        >>> distance = (torch.tensor([[2.0], [9.0]]) - rows).abs()
        >>> [round(v, 2) for v in local_outlier_factor(distance, between, k=2).tolist()]  # inside, far outside
        [0.83, 3.67]
    """
    r = between.shape[0]
    if tuple(between.shape) != (r, r) or distance.ndim != 2 or distance.shape[1] != r:
        raise ShapeError(
            f"local_outlier_factor: expected distances of shape (n, r) and (r, r), got "
            f"{tuple(distance.shape)} and {tuple(between.shape)}."
        )
    _check(distance, k=k, most=r - 1)
    alone = between.double().clone().fill_diagonal_(torch.inf)
    near = alone.topk(k, dim=1, largest=False)
    radius = near.values[:, -1]
    density = 1.0 / (torch.maximum(near.values, radius[near.indices]).mean(1) + 1e-10)
    mine = distance.double().topk(k, dim=1, largest=False)
    own = 1.0 / (torch.maximum(mine.values, radius[mine.indices]).mean(1) + 1e-10)
    return density[mine.indices].mean(1) / own


def _check(distance: Tensor, *, k: int, most: int) -> None:
    if distance.ndim != 2:
        raise ShapeError(f"plausibility: expected distances of shape (n, r), got {tuple(distance.shape)}.")
    if not 1 <= k <= most:
        raise ConfigError(f"plausibility: `k` must lie in 1 to {most}, got {k!r}.")
