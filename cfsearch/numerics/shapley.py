"""Shapley values: what each of some players adds to a worth, on average over all orders in which they could join."""

from collections.abc import Callable
from dataclasses import dataclass
from math import factorial
from typing import Final, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

MOST_EXACT: Final = 6
"""Players up to whose number all coalitions are queried: 64 of them."""
PERMUTATIONS: Final = 16
"""Orders that are drawn where there are more players."""

Worth = Callable[[Bool[Tensor, "c m"]], Float[Tensor, " c"]]
"""The worth of coalitions; each row says which players are in it."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Shapley:
    """Shapley values, which add up to the worth of all players less that of none.

    Args:
        values: one a player.
        errors: their standard errors, 0 where every coalition was valued.

    Shapes:
        both ``(m,)``, float64.

    Example:
        >>> import torch
        >>> Shapley(torch.tensor([3.0, -1.0]), torch.zeros(2)).shares.tolist()
        [0.75, 0.25]
    """

    values: Float[Tensor, " m"]
    errors: Float[Tensor, " m"]

    @property
    def shares(self) -> Float[Tensor, " m"]:
        """What each player does of all that is done, up or down: the size of its value over the sum of sizes.

        0 for all where nobody does anything.
        """
        sizes = self.values.abs()
        return sizes / sizes.sum().clamp_min(1e-12)


def shapley(
    worth: Worth,
    *,
    players: int,
    most_exact: int = MOST_EXACT,
    permutations: int = PERMUTATIONS,
    seed: int = 0,
) -> Shapley:
    """Shapley values of a worth: by its definition for few players, of drawn orders for more.

    Args:
        worth: called once, with different coalitions.
        players: how many there are, >= 1.
        most_exact: up to how many all coalitions are valued.
        permutations: orders that are drawn where there are more players, >= 2.
        seed: of these.

    References:
        Shapley 1953, *A value for n-person games*; Castro, Gomez and Tejada 2009, *Polynomial calculation of the Shapley
        value based on sampling*, https://doi.org/10.1016/j.cor.2008.04.004.

    Example:
        >>> import torch
        >>> both_needed = lambda sets: sets.all(1).double()
        >>> shapley(both_needed, players=2).values.tolist()
        [0.5, 0.5]
    """
    if players <= most_exact:
        return _exact(worth, players)
    draw = torch.Generator().manual_seed(seed)
    orders = torch.stack([torch.randperm(players, generator=draw) for _ in range(permutations)])
    place = orders.argsort(dim=1)  # of each player in each order
    joined = place[:, None] < torch.arange(players + 1)[None, :, None]  # after so many have joined
    sets, at = joined.flatten(0, 1).unique(dim=0, return_inverse=True)  # type: ignore[no-untyped-call]  # torch leaves it untyped
    values = worth(sets).double()[at].reshape(permutations, players + 1)
    added = (values[:, 1:] - values[:, :-1]).gather(1, place)
    return Shapley(added.mean(0), added.std(0) / permutations**0.5)


def _exact(worth: Worth, m: int) -> Shapley:
    numbers = torch.arange(2**m)
    sets = (numbers[:, None] >> torch.arange(m)) % 2 == 1
    values, size = worth(sets).double(), sets.sum(1)
    weight = torch.tensor(
        [factorial(s) * factorial(m - s - 1) / factorial(m) for s in range(m)], dtype=torch.float64
    )
    found = []
    for j in range(m):
        without = numbers[~sets[:, j]]
        found.append((weight[size[without]] * (values[without + 2**j] - values[without])).sum())
    return Shapley(torch.stack(found), torch.zeros(m, dtype=torch.float64))
