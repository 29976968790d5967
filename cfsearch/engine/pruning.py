"""Pruning, the last generations of a search: counterfactuals that flip with fewer changes.

A solver over a dozen continuous variables leaves changes that do no work. Backward elimination
takes them out: of the members that flip, the one with the fewest changes first, each change is
dropped alone, and the smallest ones together. Where nothing flips yet, changes are
strengthened instead. All of it is evaluated like any other candidate and paid from the budget, unless it was
evaluated before.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cfsearch.contracts.space import SearchSpace

_PUSHES = (1.15, 1.3, 1.5, 1.75, 2.0)

_TOGETHER = 2
"""So many times as many ideas as are wanted are looked at together."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Fewer:
    """Members without some of their changes, made as they are taken: of very many variables memory holds not all of them.

    Args:
        z: the members, the sparsest first.
        rank: places of their variables from the weakest change to the strongest; those that do not change come last.
        at: member, place and kind (that change alone, or all up to it) of each point, as one number.
    """

    z: Float[Tensor, "e d"]
    rank: Int[Tensor, "e d"]
    at: Int[Tensor, " i"]

    def __len__(self) -> int:
        return len(self.at)

    def __getitem__(self, part: slice) -> Float[Tensor, "i d"]:
        at, d = self.at[part], self.z.shape[1]
        member, place, together = at // (2 * d), at // 2 % d, (at % 2).bool()[:, None]
        rank = self.rank[member]
        gone = torch.where(together, rank <= place[:, None], rank == place[:, None])
        return self.z[member].masked_fill(gone, 0.0)


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

    def there(fixed: Tensor, _: Sequence[int]) -> dict[int, Tensor]:
        return {} if known is None else {0: known(fixed[0].to(z))}

    return pruned_together({0: (z, lead)}, space=space, n=n, known=there)[0]


def pruned_together(
    members: Mapping[int, tuple[Float[Tensor, "e d"], Float[Tensor, " e"]]],
    *,
    space: SearchSpace,
    n: int,
    known: Callable[[Float[Tensor, "b i d"], Sequence[int]], Mapping[int, Bool[Tensor, " i"]]] | None = None,
) -> dict[int, Float[Tensor, "i d"]]:
    """``pruned`` of several queries at once.

    Args:
        members: of each query that is looked at, with their leads.
        space: of all queries.
        n: how many candidates of each.
        known: which changes of some queries were evaluated before; None where nobody knows.
    """
    return distinct({i: _ideas(z, lead) for i, (z, lead) in members.items()}, space=space, n=n, known=known)


def distinct(
    ideas: Mapping[int, "_Fewer | Tensor"],
    *,
    space: SearchSpace,
    n: int,
    known: Callable[[Float[Tensor, "b i d"], Sequence[int]], Mapping[int, Bool[Tensor, " i"]]] | None = None,
) -> dict[int, Float[Tensor, "i d"]]:
    """The first ``n`` points of each query that differ, keep every rule, and were not evaluated before.

    Args:
        ideas: points of each query that is looked at, in the order in which they are taken.
        space: of all queries.
        n: how many of each.
        known: which changes of some queries were evaluated before; None where nobody knows.
    """
    found = {i: [points[:0]] for i, points in ideas.items()}
    seen: dict[int, set[bytes]] = {i: set() for i in ideas}
    left, at, step = list(ideas), 0, _TOGETHER * n
    while left:  # there may be many more ideas than are wanted
        parts = {i: ideas[i][at : at + step] for i in left}
        filled = space.lower.new_zeros(space.b, max(map(len, parts.values())), space.d)
        for i, part in parts.items():
            filled[i, : len(part)] = part.to(filled)
        fixed = space.repair(filled)
        masks = {} if known is None else known(fixed, left)
        for i, part in parts.items():
            own = fixed[i, : len(part)].to(part)
            new = _unseen(own, seen[i])
            if i in masks:
                new = [row for row, there in zip(new, masks[i][new].tolist(), strict=True) if not there]
            found[i].append(own[new])
        at += step
        left = [i for i in left if sum(map(len, found[i])) < n and at < len(ideas[i])]
    return {i: torch.cat(parts)[:n] for i, parts in found.items()}


def _ideas(z: Float[Tensor, "e d"], lead: Float[Tensor, " e"]) -> _Fewer | Tensor:
    return _without(z[lead > 0]) if bool((lead > 0).any()) else _pushed(z, lead)


def _unseen(z: Float[Tensor, "i d"], seen: set[bytes]) -> list[int]:
    """Places of the points that were not seen, in their order; they are seen from now on."""
    new = []
    for i, row in enumerate(z.cpu().numpy() + 0.0):
        key = row.tobytes()
        if key not in seen:
            seen.add(key)
            new.append(i)
    return new


def _without(z: Float[Tensor, "e d"]) -> _Fewer | Tensor:
    count = (z != 0).sum(1).double() + 1e-3 * z.double().norm(dim=1)
    z = z[torch.argsort(count, stable=True)]
    changed = (z != 0).sum(1, keepdim=True)
    weakest = z.abs().masked_fill(z == 0, torch.inf).argsort(dim=1, stable=True)
    at = torch.arange(z.shape[1], device=z.device)
    wanted = torch.stack([at < changed, (at > 0) & (at < changed - 1)], dim=2).flatten()
    return _Fewer(z, weakest.argsort(dim=1), wanted.nonzero().flatten()) if bool(wanted.any()) else z


def _pushed(z: Float[Tensor, "e d"], lead: Float[Tensor, " e"]) -> Float[Tensor, "i d"]:
    order = torch.argsort(lead, descending=True, stable=True)
    return (
        torch.cat([z[order] * push for push in _PUSHES])
        .reshape(len(_PUSHES), len(z), -1)
        .transpose(0, 1)
        .flatten(0, 1)
    )
