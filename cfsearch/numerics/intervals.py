"""Estimates with their intervals: shares and means, never bare; p-values of many tests."""

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import final

import numpy as np
from jaxtyping import Float
from torch import Tensor

from cfsearch.errors import ConfigError

_RESAMPLES = 2000
_MOST_DRAWN = 2**22
"""Numbers that are drawn at once: 32 MiB of them, and as much of their places."""


@final
@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with the ends of its 95 % interval.

    Args:
        value: the estimate.
        low: the lower end.
        high: the upper end.

    Example:
        >>> Interval(0.5, 0.4, 0.6).to_dict()
        {'value': 0.5, 'low': 0.4, 'high': 0.6}
    """

    value: float
    low: float
    high: float

    def to_dict(self) -> dict[str, float]:
        """Plain numbers, rounded to 6 decimals."""
        return {"value": round(self.value, 6), "low": round(self.low, 6), "high": round(self.high, 6)}


def wilson(count: int, n: int, *, confidence: float = 0.95) -> Interval | None:
    """The share ``count / n`` with its Wilson score interval; None where ``n`` is 0.

    Args:
        count: how many of them.
        n: how many there are.
        confidence: of the interval.

    Raises:
        ConfigError: ``count`` outside 0 to ``n``.

    References:
        Wilson 1927; Brown, Cai and DasGupta 2001, Interval estimation for a binomial proportion.

    Example:
        >>> half = wilson(5, 10)
        >>> round(half.low, 3), round(half.high, 3)
        (0.237, 0.763)
    """
    if not 0 <= count <= n:
        raise ConfigError(f"wilson: `count` must lie in 0 to {n}, got {count}.")
    return _wilson(int(count), int(n), confidence) if n else None


@lru_cache(maxsize=4096)
def _wilson(count: int, n: int, confidence: float) -> Interval:
    """The interval of a share, which an audit of very many columns needs for each of them."""
    from scipy.stats import binomtest

    ends = binomtest(count, n).proportion_ci(confidence, method="wilson")
    # at the ends the interval touches 0 or 1 exactly; say so rather than 1e-17
    low = 0.0 if count == 0 else float(ends.low)
    high = 1.0 if count == n else float(ends.high)
    return Interval(count / n, low, high)


def paired_mean(differences: Float[Tensor, " n"], *, seed: int = 0) -> Interval | None:
    """The mean with its percentile bootstrap interval over pairs; None where there is none.

    Args:
        differences: one a pair.
        seed: decides the resamples.

    References:
        Efron and Tibshirani 1993, An introduction to the bootstrap, chapter 13.

    Example:
        >>> import torch
        >>> mean = paired_mean(torch.tensor([1.0, 1.0, 1.0, 1.0]))
        >>> mean.value, mean.low, mean.high
        (1.0, 1.0, 1.0)
    """
    values = differences.double().cpu().numpy()
    if len(values) == 0:
        return None
    low, high = _bootstrap(values, seed=seed)
    return Interval(float(values.mean()), low, high)


def share_mean(shares: Float[Tensor, " n"]) -> Interval | None:
    """The mean of numbers from 0 to 1 with a score interval; None where there is none.

    It is Wilson's interval with the mean in place of the share, and the same for numbers that are 0 or 1. The variance of
    any other numbers from 0 to 1 is smaller than ``mean (1 - mean)``, so that theirs is wider than it need be, and it is
    one where all of them are equal, of which resampling makes a point.

    Args:
        shares: from 0 to 1.

    References:
        Wilson 1927; Bhatia and Davis 2000, A better bound on the variance.

    Example:
        >>> import torch
        >>> mean = share_mean(torch.ones(10))
        >>> mean.value, round(mean.low, 3), mean.high
        (1.0, 0.722, 1.0)
    """
    n, z = len(shares), 1.959964
    if not n:
        return None
    mean = float(shares.double().mean())
    middle = (mean + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(mean * (1 - mean) / n + z * z / (4 * n * n))
    return Interval(mean, max(0.0, min(mean, middle - half)), min(1.0, max(mean, middle + half)))


def mcnemar(first: int, second: int) -> float:
    """Two-sided exact p of two shares of the same inputs being equal.

    Args:
        first: inputs of which it holds the first time only.
        second: of which it holds the second time only.

    References:
        McNemar 1947, Note on the sampling error of the difference between correlated proportions or percentages.

    Example:
        >>> mcnemar(5, 0), mcnemar(2, 2)  # five heads of five tosses of a coin, twice
        (0.0625, 1.0)
    """
    from scipy.stats import binomtest

    if not first + second:
        return 1.0
    return float(binomtest(first, first + second, 0.5).pvalue)


def share_difference(count: int, n: int, other: int, m: int) -> Interval | None:
    """The difference of two independent shares, ``count / n - other / m``, with its hybrid score interval.

    None where one of them is a share of nothing.

    Args:
        count: how many of the first group.
        n: its size.
        other: how many of the second group.
        m: its size.

    References:
        Newcombe 1998, Interval estimation for the difference between independent proportions, method 10.

    Example:
        >>> difference = share_difference(8, 10, 3, 10)
        >>> [round(v, 3) for v in (difference.value, difference.low, difference.high)]
        [0.5, 0.066, 0.74]
    """
    first, second = wilson(count, n), wilson(other, m)
    if first is None or second is None:
        return None
    value = first.value - second.value
    low = value - math.hypot(first.value - first.low, second.high - second.value)
    high = value + math.hypot(first.high - first.value, second.value - second.low)
    return Interval(value, low, high)


def paired_share_difference(both: int, first: int, second: int, n: int) -> Interval | None:
    """The difference of two shares of the same inputs, the second less the first, with its paired score interval.

    None where there are no inputs.

    Args:
        both: inputs of which it holds both times.
        first: of which it holds the first time only.
        second: of which it holds the second time only.
        n: how many inputs there are.

    References:
        Newcombe 1998, Improved confidence intervals for the difference between binomial proportions based on
        paired data, method 10.

    Example:
        >>> same = paired_share_difference(5, 0, 0, 10)
        >>> same.value
        0.0
    """
    before, after = wilson(both + first, n), wilson(both + second, n)
    if before is None or after is None:
        return None
    neither = n - both - first - second
    margins = (both + first) * (second + neither) * (both + second) * (first + neither)
    excess = float(both * neither - first * second)
    if excess > 0:
        excess = max(excess - n / 2, 0.0)  # corrected for continuity
    phi = excess / math.sqrt(margins) if margins else 0.0
    value = after.value - before.value

    def half(a: float, b: float) -> float:
        return math.sqrt(max(a * a - 2 * phi * a * b + b * b, 0.0))

    low = value - half(after.value - after.low, before.high - before.value)
    high = value + half(after.high - after.value, before.value - before.low)
    return Interval(value, low, high)


def share_ratio(count: int, n: int, other: int, m: int) -> Interval | None:
    """The ratio of two independent shares, ``(count / n) / (other / m)``, with its interval on the log scale.

    None where one is a share of nothing, or the second share is 0. Where the first share is 0 its logarithm has no variance; the
    upper end is then that of the method of variance estimates recovery for ratios, ``u / sqrt(l (2 p - l))``, of Wilson's upper
    end ``u`` of the first share and lower end ``l`` of the second share ``p``.

    Args:
        count: how many of the first group.
        n: its size.
        other: how many of the second group.
        m: its size.

    References:
        Katz et al. 1978, Obtaining confidence intervals for the risk ratio in cohort studies; Donner and Zou 2012, Closed-form
        confidence intervals for functions of the normal mean and standard deviation (ratios from the ends of two intervals).

    Example:
        >>> ratio = share_ratio(31, 100, 75, 100)
        >>> [round(v, 3) for v in (ratio.value, ratio.low, ratio.high)]
        [0.413, 0.302, 0.566]
    """
    if not n or not m or not other:
        return None
    if not count:
        first, second = wilson(0, n), wilson(other, m)
        if first is None or second is None:
            return None
        return Interval(0.0, 0.0, first.high / math.sqrt(second.low * (2 * second.value - second.low)))
    value = (count / n) / (other / m)
    factor = math.exp(1.959964 * math.sqrt(max(1 / count - 1 / n + 1 / other - 1 / m, 0.0)))
    return Interval(value, value / factor, value * factor)


def mean_difference(
    values: Float[Tensor, " n"], others: Float[Tensor, " m"], *, seed: int = 0
) -> Interval | None:
    """The difference of two independent means with its percentile bootstrap interval; None without values.

    Args:
        values: of the first group.
        others: of the second group.
        seed: decides the resamples.

    References:
        Efron and Tibshirani 1993, An introduction to the bootstrap, chapter 16.

    Example:
        >>> import torch
        >>> difference = mean_difference(torch.tensor([2.0, 3.0, 4.0]), torch.tensor([1.0, 2.0, 3.0]))
        >>> [round(v, 3) for v in (difference.value, difference.low, difference.high)]
        [1.0, -0.333, 2.333]
    """
    a, b = values.double().cpu().numpy(), others.double().cpu().numpy()
    if len(a) == 0 or len(b) == 0:
        return None
    low, high = _bootstrap(a, b, seed=seed)
    return Interval(float(a.mean() - b.mean()), low, high)


def _bootstrap(
    sample: Float[np.ndarray, " n"], other: Float[np.ndarray, " m"] | None = None, *, seed: int
) -> tuple[float, float]:
    """The ends of the 95 % percentile interval of a mean, or of its difference to that of a sample drawn apart.

    Means are drawn sample by sample and some at a time, which gives the bits of all at once in bounded memory.
    """
    from scipy.stats import quantile

    rng = np.random.default_rng(seed)
    drawn = _drawn_means(sample, rng)
    if other is not None:
        drawn = drawn - _drawn_means(other, rng)
    if drawn.ndim == 0:
        return float(drawn), float(drawn)
    tail = (1 - 0.95) / 2
    low, high = quantile(drawn, np.array([tail, 1 - tail]))  # to the last bit what scipy's bootstrap gives
    return float(low), float(high)


def _drawn_means(sample: Float[np.ndarray, " n"], rng: np.random.Generator) -> Float[np.ndarray, " *r"]:
    """Means of resamples; one number for a sample of one, whose mean is always the same."""
    from scipy.stats import bootstrap

    if len(sample) == 1:
        return np.asarray(sample[0])
    return np.asarray(
        bootstrap(
            (sample,),
            np.mean,
            vectorized=True,
            n_resamples=_RESAMPLES,
            batch=max(1, min(_RESAMPLES, _MOST_DRAWN // len(sample))),
            method="percentile",
            rng=rng,
        ).bootstrap_distribution
    )


def holm(p: Float[np.ndarray, " n"]) -> Float[np.ndarray, " n"]:
    """P-values corrected for how many there are (Holm).

    Args:
        p: the bare p-values.

    References:
        Holm 1979, A simple sequentially rejective multiple test procedure.

    Example:
        >>> import numpy as np
        >>> holm(np.array([0.01, 0.04, 0.03])).tolist()  # 3 x 0.01, then 2 x 0.03, never falling
        [0.03, 0.06, 0.06]
    """
    order = np.argsort(p, kind="stable")
    out = np.empty(len(p))
    out[order] = np.maximum.accumulate(p[order] * np.arange(len(p), 0, -1)).clip(max=1.0)
    return out
