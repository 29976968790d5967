"""All candidates of a query whose space has few points, so that its front is exact."""

import math

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.space import SearchSpace

_SLACK = 1e-3
"""As in ``SearchSpace``: a value this near to a step, in steps, is that step."""


def every_point(space: SearchSpace, *, most: int) -> Float[Tensor, "n d"] | None:
    """Every point that keeps the rules of the space, "no change" first; None where there are more than ``most``.

    A variable has few values where it goes in steps (whole numbers, levels) or cannot change; one real
    variable without a step that may change makes a space infinite.

    Args:
        space: of one query (``b = 1``).
        most: points before the rules that join variables (``SearchSpace.groups``) are applied.

    Shapes:
        the points are distinct, on the CPU.
    """
    free = space.upper[0] > space.lower[0]
    if bool((free & (space.steps <= 0)).any()):
        return None
    space, free = space.to("cpu"), free.cpu()
    ends = [_ends(space, j) if free[j] else (0, -1) for j in range(space.d)]
    if math.prod(max(1, high - low + 1) for low, high in ends) > most:
        return None  # counted before they are listed: one variable alone may have millions
    values = [_values(space, j, *ends[j]) for j in range(space.d)]
    if math.prod(len(one) for one in values) > most:
        return None  # a value of the query's own that is no step is one more
    z = torch.stack(torch.meshgrid(*values, indexing="ij"), dim=-1).reshape(-1, space.d)
    z = space.repair(z[None])[0] + 0.0
    distinct = torch.unique(z, dim=0)
    still = (distinct == 0).all(1)
    return torch.cat([distinct[still], distinct[~still]])


def _ends(space: SearchSpace, j: int) -> tuple[int, int]:
    """The first and the last step that a variable may take."""
    origin, scale, step = float(space.origin[0, j]), float(space.scale[j]), float(space.steps[j])
    low, high = origin + scale * float(space.lower[0, j]), origin + scale * float(space.upper[0, j])
    return math.ceil(low / step - _SLACK), math.floor(high / step + _SLACK)


def _values(space: SearchSpace, j: int, low: int, high: int) -> Float[Tensor, " v"]:
    """Every step of one variable, 0 among them: what is permitted only beside other changes is permitted here."""
    if high < low:
        return space.lower.new_zeros(1)
    steps = torch.arange(low, high + 1, dtype=torch.float64) * float(space.steps[j])
    z = ((steps - float(space.origin[0, j])) / float(space.scale[j])).to(space.lower.dtype)
    values: Tensor = torch.unique(torch.cat([space.lower.new_zeros(1), z]) + 0.0)
    return values
