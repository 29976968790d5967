"""Estimates with their intervals: shares and means, never bare; p-values of many tests."""

import math
from dataclasses import dataclass
from statistics import NormalDist
from typing import final

import numpy as np
from jaxtyping import Float
from torch import Tensor

from cfsearch.errors import ConfigError

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


def share_difference(count: int, n: int, other: int, m: int) -> Interval | None:
    """The difference of two independent shares, ``count / n - other / m``, with its hybrid score interval.

    None where one of them is a share of nothing.

    References:
        Newcombe 1998, Interval estimation for the difference between independent proportions, method 10.
    """
    first, second = wilson(count, n), wilson(other, m)
    if first is None or second is None:
        return None
    value = first.value - second.value
    low = value - math.hypot(first.value - first.low, second.high - second.value)
    high = value + math.hypot(first.high - first.value, second.value - second.low)
    return Interval(value, low, high)


def mean_difference(
    values: Float[Tensor, " n"], others: Float[Tensor, " m"], *, seed: int = 0
) -> Interval | None:
    """The difference of two independent means with its percentile bootstrap interval; None without values.

    References:
        Efron and Tibshirani 1993, An introduction to the bootstrap, chapter 16.
    """
    a, b = values.double().cpu().numpy(), others.double().cpu().numpy()
    if len(a) == 0 or len(b) == 0:
        return None
    rng = np.random.default_rng(seed)
    means = [x[rng.integers(0, len(x), size=(_RESAMPLES, len(x)))].mean(axis=1) for x in (a, b)]
    low, high = np.quantile(means[0] - means[1], [0.025, 0.975])
    return Interval(float(a.mean() - b.mean()), float(low), float(high))


def holm(p: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """P-values corrected for how many there are.

    References:
        Holm 1979, A simple sequentially rejective multiple test procedure.
    """
    order = np.argsort(p, kind="stable")
    out = np.empty(len(p))
    out[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1.0)
    return out
