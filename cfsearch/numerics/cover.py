"""Greedy set cover: few candidates that together cover many inputs.

References:
    Chvatal 1979, A greedy heuristic for the set-covering problem; Nemhauser, Wolsey and Fisher 1978, An analysis of
    approximations for maximizing submodular set functions (k greedy sets cover at least 1 - 1/e of what the best k do).
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cfsearch.errors import ShapeError


def greedy_cover(
    covers: Bool[Tensor, "c n"], *, most: int, cost: Float[Tensor, " c"] | None = None
) -> list[int]:
    """Candidates, each the one that covers the most inputs that none before it covers.

    Ends early where no candidate covers another input.

    Args:
        covers: which candidate covers which input.
        most: number of candidates at most.
        cost: of each candidate; of those that cover equally many the cheapest is taken, then the first.

    Raises:
        ShapeError: there is not one cost a candidate.

    Example:
        >>> covers = torch.tensor([[1, 1, 0, 0], [0, 1, 1, 1], [1, 0, 0, 0]]).bool()
        >>> greedy_cover(covers, most=2)
        [1, 0]
        >>> greedy_cover(covers, most=2, cost=torch.tensor([5.0, 1.0, 2.0]))
        [1, 2]
    """
    if cost is not None and cost.shape != covers.shape[:1]:
        raise ShapeError(
            f"greedy_cover: expected one cost for each of {len(covers)} candidates, got shape {tuple(cost.shape)}."
        )
    prices = [0.0] * len(covers) if cost is None else cost.tolist()
    left = torch.ones(covers.shape[1], dtype=torch.bool, device=covers.device)
    chosen: list[int] = []
    while len(chosen) < most:
        gains = (covers & left).sum(dim=1).tolist()
        best = min(range(len(gains)), key=lambda i: (-gains[i], prices[i], i), default=None)
        if best is None or not gains[best]:
            break
        chosen.append(best)
        left &= ~covers[best]
    return chosen
