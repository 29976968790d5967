"""Pruning, the last generations of a search: counterfactuals that flip with fewer changes.

A solver over a dozen continuous variables leaves changes that do no work. Backward elimination
takes them out: of the members that flip, the one with the fewest changes first, each change is
dropped alone, and the smallest ones together. Where nothing flips yet, changes are
strengthened instead. All of it is evaluated like any other candidate and paid from the budget, unless it was
evaluated before.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cfsearch.contracts.space import SearchSpace

_PUSHES = (1.15, 1.3, 1.5, 1.75, 2.0)


def pruned(
    z: Float[Tensor, "e d"],
    *,
    lead: Float[Tensor, " e"],
    space: SearchSpace,
    n: int,
    known: Callable[[Float[Tensor, "i d"]], Bool[Tensor, " i"]] | None = None,
) -> Float[Tensor, "i d"]:
    """At most ``n`` candidates that are simpler (or, where none flips, stronger) than the best members.

    Args:
        z: the members of one query, at least one.
        lead: by how much each flips, in probability; > 0 means flipped.
        space: of this query alone (``b = 1``).
        n: how many candidates.
        known: which changes were evaluated before, and so are left out; None where nobody knows.

    Returns:
        Different points that keep every rule of the space; none where there is no idea left.
    """
    ideas = _without(z[lead > 0]) if bool((lead > 0).any()) else _pushed(z, lead)
    fixed = _different(space.repair(ideas[None].to(space.lower))[0].to(z))
    if known is not None and len(fixed):
        fixed = fixed[~known(fixed)]
    return fixed[:n]


def _different(z: Float[Tensor, "i d"]) -> Float[Tensor, "u d"]:
    """The points without repetitions, in their order."""
    first = {(row + 0.0).tobytes(): i for i, row in reversed(list(enumerate(z.cpu().numpy())))}
    return z[sorted(first.values())]


def _without(z: Float[Tensor, "e d"]) -> Float[Tensor, "i d"]:
    count = (z != 0).sum(1).double() + 1e-3 * z.double().norm(dim=1)
    z = z[torch.argsort(count, stable=True)]
    e, d = z.shape
    changed = (z != 0).sum(1, keepdim=True)
    # places of the variables from the weakest change to the strongest; those that do not change come last
    weakest = z.abs().masked_fill(z == 0, torch.inf).argsort(dim=1, stable=True)
    rank = weakest.argsort(dim=1)
    at = torch.arange(d, device=z.device)
    one = rank[:, None] == at[:, None]  # the j-th weakest alone
    some = rank[:, None] <= at[:, None]  # and all up to it
    ideas = torch.stack([z[:, None].masked_fill(one, 0.0), z[:, None].masked_fill(some, 0.0)], dim=2)
    wanted = torch.stack([at < changed, (at > 0) & (at < changed - 1)], dim=2)
    return ideas.reshape(2 * e * d, d)[wanted.flatten()] if bool(wanted.any()) else z


def _pushed(z: Float[Tensor, "e d"], lead: Float[Tensor, " e"]) -> Float[Tensor, "i d"]:
    order = torch.argsort(lead, descending=True, stable=True)
    return (
        torch.cat([z[order] * push for push in _PUSHES])
        .reshape(len(_PUSHES), len(z), -1)
        .transpose(0, 1)
        .flatten(0, 1)
    )
