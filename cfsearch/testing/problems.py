"""Published test problems with known fronts, in tensors, and the volume that a solver reaches on them."""

import math
from collections.abc import Callable
from typing import Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.records import Evaluation
from cfsearch.contracts.solver import Solver
from cfsearch.contracts.space import SearchSpace
from cfsearch.numerics import pareto

_KEPT: Final = 100
"""Members of the archive whose volume is measured."""


def zdt1(x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b 2"]:
    """Two objectives of variables in [0, 1]; on the front all but the first variable are 0.

    References:
        Zitzler, Deb and Thiele 2000, https://doi.org/10.1162/106365600568202, equation 7.

    Example:
        >>> zdt1(torch.tensor([0.25, 0.0, 0.0])).tolist()
        [0.25, 0.5]
    """
    g = 1.0 + 9.0 * x[..., 1:].mean(-1)
    return torch.stack([x[..., 0], g * (1.0 - (x[..., 0] / g).sqrt())], dim=-1)


def dtlz2(x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b 3"]:
    """Three objectives of variables in [0, 1]; the front is an eighth of a sphere.

    References:
        Deb, Thiele, Laumanns and Zitzler 2002, https://doi.org/10.1109/CEC.2002.1007032.

    Example:
        >>> [round(v, 4) for v in dtlz2(torch.tensor([0.0, 0.0, 0.5])).tolist()]
        [1.0, 0.0, 0.0]
    """
    g = 1.0 + ((x[..., 2:] - 0.5) ** 2).sum(-1)
    a, b = x[..., 0] * math.pi / 2, x[..., 1] * math.pi / 2
    return torch.stack([g * a.cos() * b.cos(), g * a.cos() * b.sin(), g * a.sin()], dim=-1)


def dtlz7(x: Float[Tensor, "*b d"]) -> Float[Tensor, "*b 3"]:
    """Three objectives of variables in [0, 1]; the front falls into four.

    References:
        Deb, Thiele, Laumanns and Zitzler 2002, https://doi.org/10.1109/CEC.2002.1007032.

    Example:
        >>> dtlz7(torch.tensor([0.0, 0.0, 0.0])).tolist()
        [0.0, 0.0, 6.0]
    """
    g, f = 1.0 + 9.0 * x[..., 2:].mean(-1), x[..., :2]
    h = 3.0 - (f / (1.0 + g[..., None]) * (1.0 + (3.0 * math.pi * f).sin())).sum(-1)
    return torch.cat([f, ((1.0 + g) * h)[..., None]], dim=-1)


PROBLEMS: Final[dict[str, tuple[Callable[[Tensor], Tensor], int, tuple[float, ...]]]] = {
    "zdt1": (zdt1, 30, (1.1, 1.1)),
    "dtlz2": (dtlz2, 12, (1.1, 1.1, 1.1)),
    "dtlz7": (dtlz7, 22, (1.1, 1.1, 6.6)),
}
"""What to minimise, the number of variables, and the point that volumes are measured from."""


def volumes(solver: Solver, name: str, *, seeds: int, generations: int) -> list[float]:
    """Hypervolume of an archive of 100 of the candidates of the second half, for each seed.

    Args:
        solver: begins with uniform points, and searches for all seeds together.
        name: of a problem.
        seeds: how many.
        generations: of each search.

    Example:
        >>> from cfsearch.solvers.random import RandomSearch
        >>> [found] = volumes(RandomSearch(population=20), "dtlz2", seeds=1, generations=4)
        >>> 0.0 <= found < 0.6
        True
    """
    values, d, corner = PROBLEMS[name]
    half = torch.full((seeds, d), 0.5, dtype=torch.float64)
    random = torch.Generator().manual_seed(1)
    start = torch.rand(seeds, solver.population, d, generator=random, dtype=torch.float64) - 0.5
    solver.start(
        SearchSpace(names=tuple(map(str, range(d))), lower=-half, upper=half),
        objectives=len(corner),
        constrained=False,
        rngs=[np.random.default_rng([2, i]) for i in range(seeds)],
        generations=generations,
        seeds=start,
    )
    kept = [torch.zeros(0, len(corner), dtype=torch.float64) for _ in range(seeds)]
    for turn in range(generations):
        z = solver.ask()
        f = values(z + 0.5)
        solver.tell(Evaluation(z, f, torch.zeros(z.shape[:2]), torch.zeros(*z.shape[:2], 2)))
        if turn >= generations // 2:  # what is found before is long dominated
            for i in range(seeds):
                merged = torch.cat([kept[i], f[i]])
                kept[i] = merged[pareto.truncated(merged, torch.zeros(len(merged)), _KEPT)]
    return [pareto.hypervolume(f, torch.tensor(corner, dtype=torch.float64)) for f in kept]
