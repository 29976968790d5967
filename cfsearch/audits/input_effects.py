"""Effects input by input, less the generator's error, and what of that error a mean over some of them still holds."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from jaxtyping import Bool, Float
from torch import Tensor

from cfsearch.numerics.intervals import Interval, mean_difference, paired_mean

from .correction import NORMAL, GeneratorError
from .effects import Effects
from .family import welch


@final
@dataclass(frozen=True, slots=True, eq=False)
class InputEffects:
    """The effect of one variable on each input.

    Args:
        values: in logits, one an input.
        error: standard error that a mean over any inputs keeps, however many they are, in logits.
        scale: the same as a share of the mean.

    Example:
        >>> import torch
        >>> effects = InputEffects(torch.tensor([0.0, 0.0, 2.0, 2.0]), error=0.5)
        >>> mean = effects.mean(torch.tensor([False, False, True, True]))
        >>> mean.value, round(mean.low, 2), round(mean.high, 2)  # 2 -+ 1.96 x 0.5
        (2.0, 1.02, 2.98)
    """

    values: Float[Tensor, " n"]
    error: float = 0.0
    scale: float = 0.0

    def mean(self, of: Bool[Tensor, " n"]) -> Interval | None:
        """The mean over some inputs with its 95 % interval, the generator's error in it; None over none.

        Args:
            of: which inputs.
        """
        found = paired_mean(self.values[of])
        return None if found is None else _widened(found, math.hypot(self.error, self.scale * found.value))

    def difference(self, of: Bool[Tensor, " n"]) -> Interval | None:
        """The mean over some inputs less that over all others; None where either are none.

        The generator may err in another way on each side: its error counts twice.

        Args:
            of: which inputs.
        """
        found = mean_difference(self.values[of], self.values[~of])
        return None if found is None else _widened(found, self._apart(of))

    def p(self, of: Bool[Tensor, " n"]) -> float | None:
        """Two-sided, of no difference: Welch's test, or where it is larger the normal test with the generator's error.

        Args:
            of: which inputs are compared with all others.
        """
        sampled = welch(self.values[of], self.values[~of])
        error = self._apart(of)
        if sampled is None or error == 0.0:
            return sampled
        one, two = self.values[of].double(), self.values[~of].double()
        gap = abs(float(one.mean() - two.mean()))
        wide = math.sqrt(error**2 + float(one.var()) / len(one) + float(two.var()) / len(two))
        return max(sampled, math.erfc(gap / wide / math.sqrt(2.0)))

    def _apart(self, of: Bool[Tensor, " n"]) -> float:
        """Standard error of the generator's part in a difference."""
        means = [float(self.values[side].double().mean()) for side in (of, ~of) if bool(side.any())]
        return math.hypot(*(math.hypot(self.error, self.scale * mean) for mean in means))


def _widened(interval: Interval, error: float) -> Interval:
    """An interval with one more error in it, independent of the others."""
    value, half = interval.value, NORMAL * error
    return Interval(
        value,
        value - math.hypot(value - interval.low, half),
        value + math.hypot(interval.high - value, half),
    )


def input_effects(
    effects: Effects, *, error: GeneratorError | None = None, strength: Mapping[str, float]
) -> dict[str, InputEffects]:
    """The effect of each variable on each input, less the generator's error where that was measured.

    By edits alone: associations in photographs say nothing of single inputs.

    Args:
        effects: as they were measured through the generator.
        error: of the generator on this model; None where it was not measured, and nothing is corrected.
        strength: of the edits, by variable, as far as it was measured.
    """
    if error is None:
        return {name: InputEffects(values) for name, values in effects.by_variable.items()}
    found = {}
    for name in effects.names:
        edited = effects.edited(name, error=error, strength=strength.get(name))
        found[name] = InputEffects(edited.logits, error=edited.spread, scale=edited.share)
    return found
