"""Variation of candidates in tensors: simulated binary crossover and polynomial mutation."""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cfsearch.contracts.space import SearchSpace
from cfsearch.numerics.batched import power

_HALF = 0.5


def crossed(
    one: Float[Tensor, "b p d"],
    two: Float[Tensor, "b p d"],
    space: SearchSpace,
    *,
    eta: float,
    swap: Float[Tensor, "b p d"],
    share: Float[Tensor, "b p d"],
    taken: Bool[Tensor, "b p d"],
) -> tuple[Float[Tensor, "b p d"], Float[Tensor, "b p d"]]:
    """Two children of each pair of parents, by simulated binary crossover within bounds.

    Args:
        one: the first parents.
        two: the second parents.
        space: bounds.
        eta: the larger, the nearer children are to their parents.
        swap: uniform random numbers; below a half a variable's two children are exchanged.
        share: uniform random numbers, how far children lie outside or inside their parents.
        taken: variables that are crossed; the others are the parents' own.

    References:
        Deb and Agrawal 1995, Simulated binary crossover for continuous search space; bounded as in
        Deb's own NSGA-II.

    Example:
        >>> space = SearchSpace(names=("a",), lower=-torch.ones(1, 1), upper=torch.ones(1, 1))
        >>> half, yes = torch.full((1, 1, 1), 0.5), torch.ones(1, 1, 1, dtype=torch.bool)
        >>> a, b = crossed(-half, half, space, eta=15.0, swap=half, share=half, taken=yes)
        >>> round(float(a + b), 6), bool((a - b).abs() < 1.1)  # as far from each other as their parents, or nearly
        (0.0, True)
    """
    taken = taken & (one != two)
    if not _sparsely(one):
        a, b = _pair(one, two, space.lower[:, None], space.upper[:, None], eta=eta, swap=swap, share=share)
        return torch.where(taken, a, one), torch.where(taken, b, two)
    at = taken.flatten().nonzero()[:, 0]
    low, high = _bounds_at(at, space, shape=taken.shape)
    a, b = _pair(one.take(at), two.take(at), low, high, eta=eta, swap=swap.take(at), share=share.take(at))
    return one.put(at, a), two.put(at, b)


def _sparsely(z: Tensor) -> bool:
    """Whether only numbers that change are computed; a device could not say which without a read."""
    return z.device.type == "cpu"


def _bounds_at(at: Tensor, space: SearchSpace, *, shape: torch.Size) -> tuple[Tensor, Tensor]:
    """Bounds of candidates' numbers, by their places in the flat tensor."""
    d = shape[-1]
    place = at // (shape[-2] * d) * d + at % d
    return space.lower.take(place), space.upper.take(place)


def _pair(
    one: Tensor, two: Tensor, low: Tensor, high: Tensor, *, eta: float, swap: Tensor, share: Tensor
) -> tuple[Tensor, Tensor]:
    near, far = torch.minimum(one, two), torch.maximum(one, two)
    gap = far - near
    width = torch.where(gap > 0, gap, 1.0)
    middle = near + far
    first = _HALF * (middle - _stretch(2.0 * (near - low) / width + 1.0, share, eta) * gap)
    second = _HALF * (middle + _stretch(2.0 * (high - far) / width + 1.0, share, eta) * gap)
    exchanged = swap < _HALF
    return torch.where(exchanged, second, first), torch.where(exchanged, first, second)


def _stretch(beta: Tensor, share: Tensor, eta: float) -> Tensor:
    alpha = 2.0 - power(beta, -(eta + 1.0))
    part = share * alpha
    return power(torch.where(part <= 1.0, part, 1.0 / (2.0 - part)), 1.0 / (eta + 1.0))


def mutated(
    z: Float[Tensor, "b n d"],
    space: SearchSpace,
    *,
    eta: float,
    share: Float[Tensor, "b n d"],
    taken: Bool[Tensor, "b n d"],
) -> Float[Tensor, "b n d"]:
    """Candidates after polynomial mutation, within bounds.

    Args:
        z: the candidates, within bounds.
        space: bounds.
        eta: the larger, the smaller the mutations.
        share: uniform random numbers; below a half a variable falls, above it rises.
        taken: variables that are mutated.

    References:
        Deb and Goyal 1996, A combined genetic adaptive search (GeneAS) for engineering design.

    Example:
        >>> space = SearchSpace(names=("a",), lower=-torch.ones(1, 1), upper=torch.ones(1, 1))
        >>> zero, yes = torch.zeros(1, 1, 1), torch.ones(1, 1, 1, dtype=torch.bool)
        >>> [float(mutated(zero, space, eta=20.0, share=zero + u, taken=yes)) for u in (0.0, 0.5)]
        [-1.0, 0.0]
    """
    if not _sparsely(z):
        moved = _moved(z, space.lower[:, None], space.upper[:, None], eta=eta, share=share)
        return torch.where(taken, moved, z)
    at = taken.flatten().nonzero()[:, 0]
    low, high = _bounds_at(at, space, shape=taken.shape)
    return z.put(at, _moved(z.take(at), low, high, eta=eta, share=share.take(at)))


def _moved(z: Tensor, low: Tensor, high: Tensor, *, eta: float, share: Tensor) -> Tensor:
    width = high - low
    falls = share <= _HALF
    room = torch.where(falls, high - z, z - low) / torch.where(width > 0, width, 1.0)
    # the nearer the bound, the smaller what is left of the distribution beyond it
    beyond = power(room.clamp(0.0, 1.0), eta + 1.0)
    u = torch.where(falls, share, 1.0 - share)
    step = power(2.0 * u + (1.0 - 2.0 * u) * beyond, 1.0 / (eta + 1.0)) - 1.0
    moved = z + torch.where(falls, step, -step) * width
    return torch.maximum(torch.minimum(moved, high), low)
