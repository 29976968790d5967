"""Statistics of an audit: rates with intervals, what flips change, effects in logits."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.errors import ConfigError
from cfsearch.front import ParetoFront
from cfsearch.problem import Problem
from cfsearch.scores import log_odds

_RESAMPLES = 2000


@final
@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with the ends of its 95 % interval."""

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        """Plain numbers, rounded to 6 decimals."""
        return {"value": round(self.value, 6), "low": round(self.low, 6), "high": round(self.high, 6)}


def wilson(count: int, n: int, *, confidence: float = 0.95) -> Interval | None:
    """The share ``count / n`` with its Wilson score interval; None where ``n`` is 0.

    Raises:
        ConfigError: ``count`` outside 0 to ``n``.

    References:
        Wilson 1927; Brown, Cai and DasGupta 2001, Interval estimation for a binomial proportion.
    """
    if not 0 <= count <= n:
        raise ConfigError(f"wilson: `count` must lie in 0 to {n}, got {count}.")
    if n == 0:
        return None
    z = NormalDist().inv_cdf(0.5 + confidence / 2)
    p, scale = count / n, 1 + z * z / n
    centre = (p + z * z / (2 * n)) / scale
    half = z / scale * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # at the ends the interval touches 0 or 1 exactly; say so rather than 1e-17
    low = 0.0 if count == 0 else centre - half
    high = 1.0 if count == n else centre + half
    return Interval(p, low, high)


def paired_mean(differences: Float[Tensor, " n"], *, seed: int = 0) -> Interval | None:
    """The mean with its percentile bootstrap interval over pairs; None where there is none.

    References:
        Efron and Tibshirani 1993, An introduction to the bootstrap, chapter 13.
    """
    values = differences.double().cpu().numpy()
    if len(values) == 0:
        return None
    rng = np.random.default_rng(seed)
    picks = rng.integers(0, len(values), size=(_RESAMPLES, len(values)))
    low, high = np.quantile(values[picks].mean(axis=1), [0.025, 0.975])
    return Interval(float(values.mean()), float(low), float(high))


@final
@dataclass(frozen=True, slots=True)
class Change:
    """How many instances flip by a change of one variable in one direction."""

    variable: str
    direction: str
    count: int
    n: int
    rate: Interval


def changes(fronts: Sequence[ParetoFront]) -> list[Change]:
    """What the sparsest verified counterfactual of each instance changes, most frequent first.

    Only changes of at least 0.25 count: smaller ones a person hardly sees.
    """
    picked = [(front, front.pick("sparsest")) for front in fronts]
    flips = [front.z[i] for front, i in picked if i is not None]
    if not flips:
        return []
    z = torch.stack(flips)
    found = []
    for j, variable in enumerate(fronts[0].variables):
        for direction, hit in (("+", z[:, j] >= 0.25), ("-", z[:, j] <= -0.25)):
            count = int(hit.sum())
            rate = wilson(count, len(flips))
            if count and rate is not None:
                found.append(Change(variable, direction, count, len(flips), rate))
    return sorted(found, key=lambda c: (-c.count, c.variable, c.direction))


@torch.no_grad()
def effects_through_generator(problem: Problem, *, label: int) -> dict[str, Float[Tensor, " b"]]:
    """What switching one attribute on instead of off does to the log-odds of a class.

    For each query and variable: the generator decodes the query with that attribute at its
    highest and at its lowest value, all else as it is (rules of the space kept); the
    difference of the model's log-odds is the effect. It measures the model *through the
    generator*: what the generator cannot edit, it cannot see.

    Returns:
        For each variable the effect on each query, in logits.
    """
    space, found = problem.space, {}
    for j, name in enumerate(space.names):
        ends = torch.zeros(space.b, 2, space.d, device=space.lower.device)
        ends[:, 0, j] = (1.0 - space.origin[:, j]).clamp(space.lower[:, j], space.upper[:, j])
        ends[:, 1, j] = (0.0 - space.origin[:, j]).clamp(space.lower[:, j], space.upper[:, j])
        ends = space.repair(ends)
        rows = []
        for i in range(space.b):
            scores = problem.score(problem.decode(ends[i : i + 1], query=i))
            odds = log_odds(scores[None], index=torch.tensor([label], device=scores.device))[0]
            rows.append(odds[0] - odds[1])
        found[name] = torch.stack(rows).cpu()
    return found


def effect_rows(
    model: str,
    estimates: dict[str, Float[Tensor, " n"]],
    truths: dict[str, Float[Tensor, " n"]] | None = None,
) -> list[dict[str, Any]]:
    """Rows of the document: each variable's mean effect with its interval, largest first."""
    rows = []
    for variable, values in estimates.items():
        estimate = paired_mean(values)
        truth = None if truths is None else paired_mean(truths[variable])
        rows.append(
            {
                "model": model,
                "variable": variable,
                "estimate": None if estimate is None else estimate.to_dict(),
                "truth": None if truth is None else truth.to_dict(),
                "n": len(values),
            }
        )
    return sorted(rows, key=lambda row: -abs(row["estimate"]["value"]) if row["estimate"] else 0.0)
