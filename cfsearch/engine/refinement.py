"""Refinement, the last generations of a search among known inputs: counterfactuals one step from the best ones.

Solvers move many variables at once and stop a step short: at a change that does no work, one that is larger than it need be,
or a value that no known input has beside the others. Of the members that answers are chosen from, each
change is taken back or halved alone, or a variable gets the value that a near known input has. All of it is evaluated
like any other candidate and paid from the budget, unless it was evaluated before.
"""

from typing import Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cfsearch.numerics.gower import gower_table

MEMBERS: Final = 12
"""Members that steps are taken from in one generation."""

_NEAR: Final = 4
"""Known inputs that lend a member their values."""

_SHARE: Final = 0.5


def stepped(
    z: Float[Tensor, "e d"], *, known: Float[Tensor, "s d"], categorical: Bool[Tensor, " d"]
) -> Float[Tensor, "i d"]:
    """Points one step from members, those of each kind of step together.

    Args:
        z: the members.
        known: changes that lead to known inputs.
        categorical: which variables have values without an order.

    Example:
        >>> member, row = torch.tensor([[0.5, 0.0]]), torch.tensor([[0.5, 0.2]])
        >>> stepped(member, known=row, categorical=torch.tensor([False, False])).tolist()
        [[0.0, 0.0], [0.25, 0.0], [0.5, 0.20000000298023224]]
    """
    changed = z != 0
    parts = [
        _moved(z, torch.zeros_like(z), where=changed),
        _moved(z, _SHARE * z, where=changed & ~categorical),
    ]
    if len(known):
        apart = gower_table(z, known, categorical=categorical.tolist())
        near = apart.topk(min(_NEAR, len(known)), dim=1, largest=False).indices
        for place in range(near.shape[1]):
            lent = known[near[:, place]]
            parts.append(_moved(z, lent, where=lent != z))
    return torch.cat(parts)


def _moved(
    z: Float[Tensor, "e d"], to: Float[Tensor, "e d"], *, where: Bool[Tensor, "e d"]
) -> Float[Tensor, "i d"]:
    """Each point with one of its variables as in another, for each variable alone."""
    member, variable = where.nonzero(as_tuple=True)
    made = z[member]
    made[torch.arange(len(made)), variable] = to[member, variable]
    return made
