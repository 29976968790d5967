"""Exclusive groups of search variables: at most one member is switched on."""

from typing import Final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

ON: Final = 0.5
"""A member of an exclusive group counts as on above this value."""


def one_raised(
    part: Float[Tensor, "... g"],
    base: Float[Tensor, "... g"],
    low: Float[Tensor, "... g"],
    raised: Bool[Tensor, "... g"],
    steps: Float[Tensor, " g"],
) -> Float[Tensor, "... g"]:
    """Changes of a group, in its own units, of which only the strongest raised member stays on if it can.

    Args:
        part: the changes.
        base: the values before them.
        low: the least changes.
        raised: which members are switched on by a change.
        steps: of each member; 0 for any value.

    Example:
        >>> part, zero = torch.tensor([[0.6, 0.9]]), torch.zeros(1, 2)
        >>> one_raised(part, zero, zero, part > ON, torch.zeros(2)).tolist()[0][0]  # the second is stronger
        0.0
    """
    strength = torch.where(raised, part, torch.full_like(part, -torch.inf))
    winner = strength.argmax(-1, keepdim=True) == torch.arange(part.shape[-1], device=part.device)
    clash = raised.any(-1, keepdim=True) & ~winner
    # a loser that was off at the query returns there, one that was on goes to value 0;
    # where its bounds do not let it go off, the winner is refused instead
    off = torch.where(base > ON, torch.minimum(part, -base), part.clamp(max=0.0))
    off = torch.where(base + part > ON, torch.maximum(off, low), part)
    # a value that goes in steps cannot stop half-way: it goes to 0 or it is stuck
    off = torch.where((steps > 0) & (base > ON) & (off > -base), part, off)
    stuck = (clash & (base + off > ON)).any(-1, keepdim=True)
    kept = torch.where(clash, off, part)
    blocked = torch.where(raised, torch.zeros_like(part), part)
    return torch.where(stuck, blocked, kept)
