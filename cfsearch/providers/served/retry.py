"""When a request is tried again, and how long a server wants us to wait."""

import email.utils
import math
import time
from collections.abc import Mapping
from typing import Final

TRIED_AGAIN: Final = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses that may pass; 500 is among them because proxies give it for a server that starts."""

OVERLOADED: Final = frozenset({408, 429, 502, 503, 504})
"""Statuses after which fewer requests are sent at once."""

_FIRST_S: Final = 0.1
_LONGEST_S: Final = 10.0


def backoff(attempt: int, *, jitter: float) -> float:
    """Seconds before the next try: doubled each time, with full jitter in its upper half.

    Args:
        attempt: how many tries there were, >= 1.
        jitter: in [0, 1).

    Example:
        >>> [backoff(n, jitter=0.0) for n in (1, 2, 3)]
        [0.05, 0.1, 0.2]
    """
    longest = min(_LONGEST_S, _FIRST_S * 2.0 ** (attempt - 1))
    return longest * (0.5 + 0.5 * jitter)


def retry_after(headers: Mapping[str, str], *, now: float | None = None) -> float | None:
    """Seconds that a server asks to wait: ``Retry-After`` in seconds or as a date; None where it does not ask.

    Args:
        headers: in lower case.
        now: seconds since 1970; the clock when left out.

    Example:
        >>> retry_after({"retry-after": "2"})
        2.0
    """
    text = headers.get("retry-after", "").strip()
    if not text:
        return None
    try:
        seconds = float(text)
    except ValueError:
        try:
            date = email.utils.parsedate_to_datetime(text)
        except (ValueError, TypeError, IndexError):
            return None
        seconds = date.timestamp() - (time.time() if now is None else now)
    return None if math.isnan(seconds) else max(0.0, seconds)
