"""Where a search begins: the query itself, given seeds, and sparse and dense random changes."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.space import SearchSpace
from cfsearch.errors import ShapeError

FEW = 3
"""A sparse point changes at most this many variables."""

_ATTEMPTS = 8
"""How often a point that was there before is drawn anew."""


def mixed(space: SearchSpace, n: int, *, rngs: Sequence[np.random.Generator]) -> Float[Tensor, "b n d"]:
    """Random points of which every other one is sparse; query ``i`` draws from ``rngs[i]`` alone.

    Points 1, 3, 5, ... change one to three variables, each uniformly within its bounds; points
    2, 4, 6, ... change all of them. A uniform sample never holds a change of one variable, yet
    the counterfactuals that people want are of this kind, and an operator such as crossover
    cannot invent the zeros of the others. All points are repaired.
    """
    if len(rngs) != space.b:
        raise ShapeError(f"solver: expected {space.b} random generators, got {len(rngs)}.")
    free = (space.upper > space.lower).cpu().numpy()
    unit = np.stack([rng.random((n, space.d)) for rng in rngs])
    few = np.stack([rng.integers(1, FEW + 1, size=n) for rng in rngs])
    key = np.stack([rng.random((n, space.d)) for rng in rngs])
    place = np.where(free[:, None], key, np.inf).argsort(-1).argsort(-1)
    few[:, 1::2] = space.d
    changed = torch.from_numpy(place < few[..., None]).to(space.lower.device)
    low, high = space.lower[:, None], space.upper[:, None]
    z = low + torch.from_numpy(unit).to(low) * (high - low)
    return space.repair(torch.where(changed, z, torch.zeros_like(z)))


def first(
    space: SearchSpace,
    n: int,
    *,
    rngs: Sequence[np.random.Generator],
    seeds: Float[Tensor, "b s d"] | None,
) -> Float[Tensor, "b n d"]:
    """A first population: seeds, the query itself (no change), then ``mixed`` points.

    Seeds are repaired; they have the first claim on the ``n`` places. A query has as many as there
    are changes among its seeds: what others have does not move its own points. Points that are there
    already are drawn anew a few times, which helps where there are few whole values.
    """
    if seeds is not None and (seeds.ndim != 3 or seeds.shape[0] != space.b or seeds.shape[2] != space.d):
        raise ShapeError(
            f"solver: expected seeds of shape ({space.b}, s, {space.d}), got {tuple(seeds.shape)}."
        )
    none = space.lower.new_zeros(1, space.d)
    drawn = mixed(space, max(n - 1, 0), rngs=rngs)
    given = None if seeds is None else space.repair(seeds.to(none))
    rows = []
    for i in range(space.b):
        own = none[:0] if given is None else given[i][(given[i] != 0).any(1)]
        rows.append(torch.cat([own, none, drawn[i]])[:n])
    z = torch.stack(rows)
    for i in range(space.b):
        z[i] = distinct(z[i], space.query(i), rng=rngs[i], seen=set())
    return z


def distinct(
    z: Float[Tensor, "n d"], space: SearchSpace, *, rng: np.random.Generator, seen: set[bytes]
) -> Float[Tensor, "n d"]:
    """The points, with those that were seen before or come twice drawn anew; adds all to ``seen``.

    Where a small space holds no more new points, repetitions stay.
    """
    rows = z.detach().cpu().numpy() + 0.0  # minus zero is zero
    again = _again(rows, seen)
    attempts = 0
    while again and attempts < _ATTEMPTS:
        fresh = mixed(space, len(again), rngs=[rng])[0]
        if attempts == 0:
            z = z.clone()
        z[again] = fresh
        rows = fresh.cpu().numpy() + 0.0
        again = [again[j] for j in _again(rows, seen)]
        attempts += 1
    return z


def _again(rows: np.ndarray[tuple[int, ...], np.dtype[np.floating]], seen: set[bytes]) -> list[int]:
    """Which rows were seen; marks all as seen."""
    repeated = []
    for j, row in enumerate(rows):
        key = row.tobytes()
        if key in seen:
            repeated.append(j)
        seen.add(key)
    return repeated
