"""Exactly ``n`` evenly spread directions, for solvers that steer by weights."""

from functools import cache
from itertools import combinations
from math import comb

import numpy as np
import numpy.typing as npt

from cfsearch.errors import ConfigError

_Floats = npt.NDArray[np.float64]

_CHOICES = 4000
"""How many points of a finer lattice the last directions are chosen from, at least."""


@cache
def directions(objectives: int, n: int) -> _Floats:
    """``n`` weight vectors, each non-negative with sum 1; read-only.

    The largest simplex lattice of Das and Dennis that has at most ``n`` points, filled up to
    ``n`` with the points of a finer lattice that are farthest from all that are there. (The
    lattice alone has 91 or 105 points for three objectives, never 100, and a solver with one
    candidate a direction would waste the rest of the population.)

    Shapes:
        ``(n, objectives)``

    Raises:
        ConfigError: fewer directions than objectives, or fewer than two objectives.

    References:
        Das and Dennis 1998, https://doi.org/10.1137/S1052623496307510.
    """
    if objectives < 2 or n < objectives:
        raise ConfigError(
            f"solver: a solver with reference directions needs at least as many candidates a "
            f"generation as objectives, and two of these; got population {n} for {objectives}."
        )
    parts = 1
    while comb(parts + objectives, objectives - 1) <= n:
        parts += 1
    chosen = _lattice(objectives, parts)
    if len(chosen) < n:
        fine = parts
        while comb(fine + objectives - 1, objectives - 1) < _CHOICES:
            fine += 1
        choices = _lattice(objectives, fine)
        gap = np.min(((choices[:, None] - chosen[None]) ** 2).sum(-1), axis=1)
        while len(chosen) < n:
            far = choices[int(gap.argmax())]
            chosen = np.vstack([chosen, far])
            gap = np.minimum(gap, ((choices - far) ** 2).sum(-1))
    chosen.setflags(write=False)
    return chosen


def _lattice(objectives: int, parts: int) -> _Floats:
    """All vectors of multiples of ``1 / parts`` with sum 1 (stars and bars)."""
    bars = np.array(list(combinations(range(parts + objectives - 1), objectives - 1)), dtype=np.int64)
    edges = np.hstack([np.full((len(bars), 1), -1), bars, np.full((len(bars), 1), parts + objectives - 1)])
    lattice: _Floats = (np.diff(edges, axis=1) - 1) / parts
    return lattice
