"""Effects of one attribute on two models, corrected, pair by pair."""

import math
from dataclasses import dataclass
from typing import final

from cfsearch.numerics.intervals import Interval

from .correction import NORMAL, EditedEffect, normal_p, standard_error, student
from .family import signed_rank


@final
@dataclass(frozen=True, slots=True)
class CorrectedDifference:
    """An effect on two models, on the same inputs, and what sets them apart.

    Args:
        first: on the first model, in logits.
        second: on the second.
        difference: second less first, with a 95 % interval that holds the generator's error on both.
        p: two-sided, of no difference: the larger of the normal test with these errors and the signed-rank test over pairs.
    """

    first: float
    second: float
    difference: Interval
    p: float | None


def corrected_difference(first: EditedEffect, second: EditedEffect) -> CorrectedDifference:
    """Difference of one effect on two models, pair by pair.

    The generator's errors on the two models are taken as independent. Where both models see the same artefacts they are
    not, and the interval is wider than it need be.

    Args:
        first: on the first model.
        second: on the second, of the same inputs in the same order.

    Example:
        >>> import torch
        >>> from cfsearch.audits.correction import GeneratorError, edited_effect
        >>> error = GeneratorError({}, sd=0.3, unexplained=0.2, photographs=64)
        >>> one, other = (
        ...     edited_effect(torch.full((9,), v), torch.full((9,), v / 5), intended={"Hat": torch.ones(9)}, own="Hat", error=error)
        ...     for v in (1.0, 1.5)
        ... )
        >>> found = corrected_difference(one, other).difference
        >>> found.value, round(found.high - found.value, 3)  # 1.96 x 0.1 x the root of 2
        (0.5, 0.277)
    """
    means, parts, own = [], [], 0.0
    for side in (first, second):
        middle = float(side.logits.mean())
        weight, estimate, slope_error = 1.0, middle, 0.0
        if side.slope is not None:
            slope, spread = side.slope
            weight = _weight(standard_error(side.logits) ** 2 + side.error(middle) ** 2, spread**2)
            estimate, slope_error = weight * middle + (1.0 - weight) * slope, (1.0 - weight) * spread
        means.append(estimate)
        parts.append(weight * side.logits)
        own = math.hypot(own, weight * side.error(middle), slope_error)
    change = parts[1] - parts[0]
    sampling, value = standard_error(change), means[1] - means[0]
    half = math.hypot(student(len(change)) * sampling, NORMAL * own)
    rank = signed_rank(change)
    return CorrectedDifference(
        first=means[0],
        second=means[1],
        difference=Interval(value, value - half, value + half),
        p=None if rank is None else max(rank, normal_p(value, sampling**2 + own**2)),
    )


def _weight(variance: float, other: float) -> float:
    """Share of the first of two estimates in their combination by precision."""
    if variance == 0.0 or other == 0.0:
        return 1.0 if variance == 0.0 else 0.0
    return other / (variance + other)
