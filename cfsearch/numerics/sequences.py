"""Confidence sequences: intervals that hold at every number of inputs at once, however one decides when to stop.

An ordinary 95 % interval is one for a number of inputs that was fixed before. Who looks after each input and stops as soon as
the interval suits, errs far more often than in 5 %. A confidence sequence covers its parameter at all times together with
probability ``1 - alpha``: a non-negative martingale that starts at 1 ever exceeds ``1 / alpha`` with probability ``alpha`` at
most (Ville 1939), and the sequence holds every value whose martingale has not.

References:
    Robbins 1970, Statistical methods related to the law of the iterated logarithm,
    https://doi.org/10.1214/aoms/1177696786; Howard, Ramdas, McAuliffe and Sekhon 2021, Time-uniform, nonparametric,
    nonasymptotic confidence sequences, https://doi.org/10.1214/20-AOS1991; Waudby-Smith and Ramdas 2024, Estimating means of
    bounded random variables by betting, https://doi.org/10.1093/jrsssb/qkad009.
"""

import math
from typing import Final, final

import numpy as np
import numpy.typing as npt

from cfsearch.errors import ConfigError

from .intervals import Interval

_Floats = npt.NDArray[np.float64]

_PRIOR: Final = 0.5
"""Both parameters of the Beta mixture, which are those of Krichevsky and Trofimov's bets."""
_GRID: Final = 1001
_BET: Final = 0.5
"""Bets take at most this share of what would ruin them."""
_TOLERANCE: Final = 1e-9


def _refuse(alpha: float, who: str) -> None:
    if not 0.0 < alpha < 1.0:
        raise ConfigError(f"{who}: `alpha` must lie between 0 and 1, for example 0.05, got {alpha!r}.")


def share_sequence(count: int, n: int, *, alpha: float = 0.05) -> Interval | None:
    """The share ``count / n`` with an interval that holds for all ``n`` at once; None where ``n`` is 0.

    The martingale of a share p is the likelihood of a Beta(1/2, 1/2) mixture of shares over that of p: the capital of
    a gambler who bets against p by Krichevsky and Trofimov's rule. The interval holds the p whose capital is below
    ``1 / alpha``.

    Args:
        count: how many of them so far.
        n: how many inputs so far.
        alpha: chance that the interval ever misses the true share.

    Raises:
        ConfigError: ``count`` outside 0 to ``n``, or ``alpha`` outside 0 to 1.

    References:
        Robbins 1970; Waudby-Smith and Ramdas 2024, section 4 and appendix D (mixtures of bets).

    Example:
        >>> half = share_sequence(50, 100)
        >>> round(half.low, 3), round(half.high, 3)
        (0.338, 0.662)
    """
    from scipy.optimize import brentq
    from scipy.special import betaln

    _refuse(alpha, "share_sequence")
    if not 0 <= count <= n:
        raise ConfigError(f"share_sequence: `count` must lie in 0 to {n}, got {count}.")
    if n == 0:
        return None
    rest, value = n - count, count / n
    mixture = float(betaln(count + _PRIOR, rest + _PRIOR) - betaln(_PRIOR, _PRIOR))

    def excess(p: float) -> float:
        """Logarithm of the capital against ``p`` over what refuses it."""
        likelihood = (count * math.log(p) if count else 0.0) + (rest * math.log1p(-p) if rest else 0.0)
        return mixture - likelihood + math.log(alpha)

    # the capital is least at count / n, falls before it and rises behind it
    edge = 1e-15
    low = high = value
    if count and excess(edge) > 0:
        low = float(brentq(excess, edge, value, xtol=_TOLERANCE)) if excess(value) < 0 else value
    elif count:
        low = 0.0
    if rest and excess(1 - edge) > 0:
        high = float(brentq(excess, value, 1 - edge, xtol=_TOLERANCE)) if excess(value) < 0 else value
    elif rest:
        high = 1.0
    return Interval(value, low, high)


@final
class MeanSequence:
    """Mean of values in a known range, with an interval that holds after each value.

    Two gamblers bet for and against each possible mean, with stakes that follow from what came before; a mean is
    refused for ever once half the capital of one of them has grown to ``1 / alpha`` (hedged capital).

    Args:
        low: the least value that there can be.
        high: the largest.
        alpha: chance that the interval ever misses the true mean.

    Raises:
        ConfigError: ``low`` is not below ``high``, or ``alpha`` outside 0 to 1.

    References:
        Waudby-Smith and Ramdas 2024, theorem 3 with the predictable plug-in bets of equation 26.

    Example:
        >>> seen = MeanSequence(low=-1.0, high=1.0)
        >>> for value in [0.2, 0.3, 0.25] * 40:
        ...     seen.add(value)
        >>> round(seen.interval.value, 2), seen.interval.low > 0.1, seen.interval.high < 0.4
        (0.25, True, True)
    """

    def __init__(self, *, low: float = 0.0, high: float = 1.0, alpha: float = 0.05) -> None:
        _refuse(alpha, "mean_sequence")
        if not low < high:
            raise ConfigError(f"mean_sequence: `low` must be below `high`, got {low!r} and {high!r}.")
        self._low, self._span, self._alpha = low, high - low, alpha
        self._means: _Floats = np.linspace(0.0, 1.0, _GRID)
        self._for: _Floats = np.zeros(_GRID)
        self._against: _Floats = np.zeros(_GRID)
        self._kept = np.ones(_GRID, dtype=bool)
        self._n, self._sum, self._squares = 0, 0.0, 0.25

    @property
    def n(self) -> int:
        """How many values there were."""
        return self._n

    def add(self, value: float) -> None:
        """Take one more value.

        Args:
            value: in the range of the sequence.

        Raises:
            ConfigError: it lies outside.
        """
        x = (value - self._low) / self._span
        if not -_TOLERANCE <= x <= 1.0 + _TOLERANCE:
            raise ConfigError(
                f"mean_sequence: expected a value in {self._low:g} to {self._low + self._span:g}, got {value!r}."
            )
        x = min(max(x, 0.0), 1.0)
        t = self._n + 1
        variance = self._squares / t
        bet = math.sqrt(2.0 * math.log(2.0 / self._alpha) / (variance * t * math.log(1.0 + t)))
        with np.errstate(divide="ignore"):
            up = np.minimum(bet, _BET / self._means)
            down = np.minimum(bet, _BET / (1.0 - self._means))
        self._for += np.log1p(up * (x - self._means))
        self._against += np.log1p(-down * (x - self._means))
        self._kept &= np.maximum(self._for, self._against) + math.log(0.5) < math.log(1.0 / self._alpha)
        self._n, self._sum = t, self._sum + x
        centre = (0.5 + self._sum) / (t + 1)
        self._squares += (x - centre) ** 2

    @property
    def interval(self) -> Interval | None:
        """Mean of the values so far with its interval; None without values."""
        if not self._n:
            return None
        mean = self._sum / self._n
        kept = self._means[self._kept]
        step = 1.0 / (_GRID - 1)
        # one step of the grid further out, so that what lies between two of its points is not lost
        low = max(0.0, float(kept[0]) - step) if len(kept) else mean
        high = min(1.0, float(kept[-1]) + step) if len(kept) else mean
        ends = (min(low, mean), max(high, mean))
        return Interval(*(self._low + self._span * v for v in (mean, *ends)))
