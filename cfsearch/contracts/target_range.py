"""Target range of a model that predicts a number: the classes below, within and above it."""

import math
import re
from dataclasses import dataclass
from typing import Final, Self, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.errors import ConfigError

_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
_TENTH: Final = 0.1
_END: Final = 1e-6
"""Score of a number at an end of the range, which belongs to it."""


@final
@dataclass(frozen=True, slots=True)
class TargetRange:
    """Numbers that count as the target: ``"50000..60000"``, ``"250000.."`` or ``"..0.5"``, ends included.

    A number has a score for each class: how far it lies within, negative outside, in half the range's width (of
    a range with one end in a tenth of that end, or in 1 where that is 0). The class with the largest score is the one in
    which the number lies, and the number can be read back from its scores.

    Args:
        text: as it was written; the name of the class within.
        low: the smallest number; -inf for none.
        high: the largest number; inf for none.

    Raises:
        ConfigError: the ends are not in order.

    Example:
        >>> import torch
        >>> wanted = TargetRange.parse("50000..60000")
        >>> wanted.labels
        ('below 50000', '50000..60000', 'above 60000')
        >>> scores = wanted.scores(torch.tensor([48_000.0, 55_000.0, 60_000.0]))
        >>> [wanted.labels[i] for i in scores.argmax(1)]
        ['below 50000', '50000..60000', '50000..60000']
        >>> wanted.numbers(scores).tolist()
        [48000.0, 55000.0, 60000.0]
        >>> TargetRange.parse("approved") is None
        True
    """

    text: str
    low: float
    high: float

    def __post_init__(self) -> None:
        if not self.low < self.high:
            raise ConfigError(
                f"target: expected a range LOW..HIGH with LOW below HIGH, got {self.text!r}. Write the smaller number "
                "first; leave one out for no limit (250000..)."
            )

    @classmethod
    def parse(cls, text: str | None) -> Self | None:
        """The range that a text names; None of a text that is none.

        Args:
            text: a setting, or a class.

        Raises:
            ConfigError: the ends are not in order.
        """
        first, dots, last = (text or "").strip().partition("..")
        first, last = first.strip(), last.strip()
        ends = [end for end in (first, last) if end]
        if not dots or not ends or not all(_NUMBER.fullmatch(end) for end in ends):
            return None
        low, high = float(first) if first else -math.inf, float(last) if last else math.inf
        return cls((text or "").strip(), low, high)

    @classmethod
    def of_labels(cls, labels: tuple[str, ...]) -> Self | None:
        """The range whose classes these are; None of other classes.

        Args:
            labels: of a model or a front.
        """
        for label in labels:
            try:
                found = cls.parse(label)
            except ConfigError:
                continue
            if found is not None and found.labels == labels:
                return found
        return None

    @property
    def labels(self) -> tuple[str, ...]:
        """The classes, from small numbers to large ones."""
        first, _, last = self.text.partition("..")
        below = (f"below {first.strip()}",) if self.low > -math.inf else ()
        above = (f"above {last.strip()}",) if self.high < math.inf else ()
        return (*below, self.text, *above)

    @property
    def scale(self) -> float:
        """By how much a number changes where its score changes by 1."""
        if math.isfinite(self.low) and math.isfinite(self.high):
            return 0.5 * (self.high - self.low)
        return _TENTH * abs(self.low if math.isfinite(self.low) else self.high) or 1.0

    def scores(self, numbers: Float[Tensor, " n"]) -> Float[Tensor, "n k"]:
        """Scores (logits) of each class.

        Args:
            numbers: that the model predicts.
        """
        within = torch.minimum(numbers - self.low, self.high - numbers) / self.scale
        within = torch.where(within == 0, _END, within)
        below = [(self.low - numbers) / self.scale] if self.low > -math.inf else []
        above = [(numbers - self.high) / self.scale] if self.high < math.inf else []
        return torch.stack([*below, within, *above], dim=1)

    def numbers(self, scores: Float[Tensor, "n k"]) -> Float[Tensor, " n"]:
        """The numbers that have these scores.

        Args:
            scores: as ``scores`` gives them.
        """
        if self.low > -math.inf:
            return self.low - self.scale * scores[:, 0]
        return self.high + self.scale * scores[:, -1]
