"""Shares as people read them: "92 %", with a space that does not break."""

import math
from typing import Final

_ROUNDING: Final = 1e-6
SPACE: Final = "\u202f"
"""Narrow and non-breaking, between a number and its unit."""


def percent(share: float, *, digits: int = 0) -> str:
    """A share in per cent.

    Args:
        share: of one; 0.917 is "92 %".
        digits: behind the point.

    Example:
        >>> percent(0.917).replace(SPACE, " "), percent(0.0704, digits=1).replace(SPACE, " ")
        ('92 %', '7.0 %')
    """
    return f"{share:.{digits}%}".replace("%", f"{SPACE}%")


def rounded_down(value: float, *, digits: int = 1) -> str:
    """A number that misses a bound from below, so that it does not read as if it reached it; "inf" and "nan" as such.

    Up to a millionth of the last digit below a digit it is that digit: 2.3 is no less than 2.3 for how floats are stored.

    Args:
        value: the number.
        digits: behind the point.

    Example:
        >>> rounded_down(1.499), rounded_down(2.3), rounded_down(-0.51)
        ('1.4', '2.3', '-0.6')
    """
    scale = 10.0**digits
    if not math.isfinite(value * scale):
        return f"{value:.{digits}f}"
    return f"{math.floor(value * scale + _ROUNDING) / scale:.{digits}f}"
