"""How many inputs an audit that ends when its conditions are decided is likely to need."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median
from typing import Final, final

import numpy as np

from .conditions import Condition
from .gate import FAIL, PASS
from .streams import Observation, Watch

_PATHS: Final = 15
_MOST: Final = 1000
_SIDES: Final = ("first", "second")


@final
@dataclass(frozen=True, slots=True)
class Forecast:
    """Inputs until one condition is decided.

    Args:
        condition: which.
        figure: on what.
        least: inputs before which it is never decided; None where even the clearest inputs are too few.
        holds: a value of the figure that keeps the condition, and the median number of inputs then; None where more
            than half of the simulated audits end undecided.
        breaks: the same of a value that breaks it.
        because: why it is never decided, whatever the inputs say; empty where it is.
    """

    condition: Condition
    figure: str
    least: int | None
    holds: tuple[float, int | None]
    breaks: tuple[float, int | None]
    because: str = ""

    @property
    def sentence(self) -> str:
        """For a terminal."""
        if self.because:
            return f"{self.condition.title}: never decided, for {self.because}"
        parts = [
            f"{what} after about {n} where it is {value:.3g}"
            if n
            else f"open to the end where it is {value:.3g}"
            for what, (value, n) in (("passes", self.holds), ("fails", self.breaks))
        ]
        least = (
            "never with so few inputs" if self.least is None else f"after {self.least} inputs at the earliest"
        )
        return f"{self.condition.title}: {least}; {'; '.join(parts)}"


def forecasts(watches: Sequence[Watch], *, inputs: int, seed: int) -> list[Forecast]:
    """What to expect of each condition on a share or a difference of shares; means are not forecast.

    Simulated with ``inputs`` inputs, at most 1,000. Of two groups half of the inputs are in each.

    Args:
        watches: the conditions with their figures.
        inputs: how many there are.
        seed: decides the simulated inputs.
    """
    found = []
    for watch in watches:
        if watch.condition.metric.endswith("probability"):
            continue
        holds, breaks = _values(watch.condition)
        figure = watch.condition.metric + f":{watch.subject}" * bool(watch.subject)
        extremes = [_decided(watch, value, inputs=inputs, seed=seed, sure=True) for value in (0.0, 1.0)]
        first = [n for n in extremes if n is not None]
        found.append(
            Forecast(
                watch.condition,
                figure + f"@{watch.group}" * bool(watch.group),
                min(first, default=None),
                (holds, _median(watch, holds, PASS, inputs=inputs, seed=seed)),
                (breaks, _median(watch, breaks, FAIL, inputs=inputs, seed=seed)),
                watch.because,
            )
        )
    return found


def _values(condition: Condition) -> tuple[float, float]:
    """A value halfway on the right side of the bound, and one as far on the wrong side as there is room."""
    bound = condition.value
    below, above = bound / 2, min(2 * bound, (1 + bound) / 2)
    if condition.op in ("<", "<="):
        return below, above
    above = (1 + bound) / 2
    return above, max(2 * bound - 1, bound / 2)


def _median(watch: Watch, value: float, result: str, *, inputs: int, seed: int) -> int | None:
    ends = [_decided(watch, value, inputs=inputs, seed=seed + i, wanted=result) for i in range(_PATHS)]
    known = [n for n in ends if n is not None]
    return int(median(known)) if len(known) > _PATHS / 2 else None


def _decided(
    watch: Watch, value: float, *, inputs: int, seed: int, wanted: str = "", sure: bool = False
) -> int | None:
    """After how many simulated inputs a condition is decided."""
    again = watch.anew([frozenset({side}) for side in _SIDES[: watch.sides]])
    rng = np.random.default_rng([seed, 2])
    gap = watch.sides == 2
    shares = (0.5 + value / 2, 0.5 - value / 2) if gap else (value, value)
    for i in range(min(inputs, _MOST)):
        side = i % 2 if gap else 0
        hit = shares[side] >= 1.0 if sure and shares[side] in (0.0, 1.0) else rng.random() < shares[side]
        again.add(_SIDES[side], _observation(watch, bool(hit)), inputs=i + 1)
        if again.decided_at is not None:
            return again.decided_at if wanted in ("", again.result) else None
    return None


def _observation(watch: Watch, hit: bool) -> Observation:
    return Observation(
        failed=hit,
        decided=hit,
        found=hit,
        changes=frozenset({watch.subject} if hit else ()),
        flips={watch.subject: hit},
    )
