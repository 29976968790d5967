"""Rows of a table moved to another group: one column alone, linked columns with it, or what goes with it.

A value is moved by *rank*: it becomes the value that stands at the same share of the other group's distribution,
so that what is common in one group becomes what is common in the other. Levels without an order are kept as often as
both groups have them, and else become what the other group has more of (the coupling that changes fewest rows).

References:
    Plecko and Meinshausen 2020, Fair data adaptation with quantile preservation; Lindvall 1992, Lectures on the
    coupling method (maximal coupling).
"""

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

Values = Float[np.ndarray, " n"]


def moved(values: Values, own: Values, other: Values, *, ordered: bool, seed: int) -> Values:
    """Values of one group as they would stand in another; missing numbers stay missing.

    Args:
        values: to be moved.
        own: the group's sample of such values.
        other: the other group's sample.
        ordered: whether values have an order.
        seed: decides ties, and which levels change.

    Returns:
        As many values, each one of ``other``, or of ``values`` where a sample is empty.

    Example:
        >>> import numpy as np
        >>> moved(np.array([1.0, 3.0]), np.array([1.0, 2.0, 3.0]), np.array([10.0, 20.0, 30.0]), ordered=True, seed=0)
        array([10., 30.])
    """
    own, other = own[~np.isnan(own)], other[~np.isnan(other)]
    if not len(own) or not len(other):
        return values.copy()
    draw = np.random.default_rng(seed)
    new = _by_rank(values, own, other, draw) if ordered else _coupled(values, own, other, draw)
    return np.where(np.isnan(values), values, new)


def _by_rank(values: Values, own: Values, other: Values, draw: np.random.Generator) -> Values:
    own, other = np.sort(own), np.sort(other)
    low = np.searchsorted(own, values, side="left") / len(own)
    high = np.searchsorted(own, values, side="right") / len(own)
    at = low + (high - low) * draw.random(len(values))
    return other[np.clip((at * len(other)).astype(np.int64), 0, len(other) - 1)]


def _coupled(values: Values, own: Values, other: Values, draw: np.random.Generator) -> Values:
    levels = np.unique(np.concatenate([own, other]))
    p, q = (np.array([np.mean(sample == level) for level in levels]) for sample in (own, other))
    excess = np.clip(q - p, 0.0, None)
    if not excess.any():
        return values.copy()
    at = np.clip(np.searchsorted(levels, values), 0, len(levels) - 1)
    known = levels[at] == values
    keep: NDArray[np.float64] = np.where(
        known, np.minimum(1.0, q[at] / np.where(p[at] > 0, p[at], np.inf)), 0.0
    )
    keep = np.where(known & (p[at] == 0), np.where(q[at] > 0, 1.0, 0.0), keep)
    new = levels[draw.choice(len(levels), size=len(values), p=excess / excess.sum())]
    return np.where(draw.random(len(values)) < keep, values, new)


def sampling_error(
    change: Values, before: Values, after: Values, samples: tuple[Values, Values], *, ordered: bool
) -> float:
    """How far the mean of ``change`` would move with other samples of the two groups, a standard error.

    The response to a value is fitted as a line, of levels as one number each (least squares on the changes seen); what
    the samples' means of that response vary by is the error.

    Args:
        change: of the model's answer, where a value was moved.
        before: those values.
        after: what they became.
        samples: of the two groups' values.
        ordered: whether values have an order.
    """
    samples = (samples[0][~np.isnan(samples[0])], samples[1][~np.isnan(samples[1])])
    seen = ~(np.isnan(before) | np.isnan(after)) & (before != after)
    if not seen.any() or min(map(len, samples)) < 2:
        return 0.0
    change, before, after = change[seen], before[seen], after[seen]
    if ordered:
        step = after - before
        slope = float(step @ change / (step @ step))
        return abs(slope) * float(np.sqrt(sum(sample.var(ddof=1) / len(sample) for sample in samples)))
    levels = np.unique(np.concatenate([before, after, *samples]))
    moves = np.zeros((len(change), len(levels)))
    each = np.arange(len(change))
    np.add.at(moves, (each, np.searchsorted(levels, after)), 1.0)
    np.add.at(moves, (each, np.searchsorted(levels, before)), -1.0)
    response = np.linalg.lstsq(moves, change, rcond=None)[0]
    spread = [response[np.searchsorted(levels, sample)] for sample in samples]
    return float(np.sqrt(sum(part.var(ddof=1) / len(part) for part in spread)))
