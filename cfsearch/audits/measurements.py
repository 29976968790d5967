"""One figure of an audit that a condition can be put on, and how it is made of what stands in the document."""

from dataclasses import dataclass, replace
from typing import final

from .reading_parts import Estimate


@final
@dataclass(frozen=True, slots=True)
class Measurement:
    """One figure of an audit.

    Args:
        metric: its name, one of ``METRICS``.
        model: id of the model.
        subject: of an effect the attribute, of a change the change, of a difference the column; else empty.
        group: which group, as ``COLUMN:GROUP``; empty where it is of all inputs.
        value: the figure; None where it may not be shown, or there is none.
        low: the lower end of its 95 % interval.
        high: the upper end.
        count: of a share, how many; None of other figures.
        n: of how many inputs.
        because: why it does not let one tell anything; empty where it does.
        signed: of a size the figure with its sign, which another confidence moves; None of other figures.
    """

    metric: str
    model: str
    subject: str = ""
    group: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None
    count: int | None = None
    n: int = 0
    because: str = ""
    signed: Estimate | None = None

    @property
    def name(self) -> str:
        """How a condition names it: ``metric:subject@group``."""
        return f"{self.metric}{f':{self.subject}' if self.subject else ''}{f'@{self.group}' if self.group else ''}"


def figure_of(
    metric: str,
    model: str,
    estimate: Estimate | None,
    *,
    subject: str = "",
    group: str = "",
    n: int = 0,
    because: str = "",
) -> Measurement:
    """A figure with the ends of its interval; without any where the document has none."""
    if estimate is None:
        return Measurement(metric, model, subject, group, n=n, because=because)
    value, low, high = estimate.value, estimate.low, estimate.high
    return Measurement(metric, model, subject, group, value, low, high, n=n, because=because)


def size_of(
    metric: str,
    model: str,
    estimate: Estimate | None,
    *,
    subject: str = "",
    group: str = "",
    n: int = 0,
    because: str = "",
) -> Measurement:
    """The size of a figure that has a sign, which it keeps beside it."""
    end = None if estimate is None else unsigned(estimate)
    size = figure_of(metric, model, end, subject=subject, group=group, n=n, because=because)
    return replace(size, signed=estimate)


def share_of(
    metric: str,
    model: str,
    rate: Estimate | None,
    *,
    subject: str = "",
    group: str = "",
    count: int | None = None,
    n: int,
    because: str = "",
    few: bool = False,
) -> Measurement:
    """A share with its count, by which its interval is computed at any confidence."""
    if rate is None:
        why = because or (few_in_group(rate) if few else "")
        return Measurement(metric, model, subject, group, n=n, because=why)
    counted = round(rate.value * n) if count is None else count
    return Measurement(
        metric, model, subject, group, rate.value, rate.low, rate.high, counted, n, because=because
    )


def number_of(
    metric: str,
    model: str,
    value: float | None,
    *,
    subject: str,
    n: int,
    group: str = "",
    because: str = "",
) -> Measurement:
    """A number without an interval; ``because`` says why it is missing."""
    why = because if value is None else ""
    return Measurement(metric, model, subject, group, value, value, value, n=n, because=why)


def few_in_group(estimate: Estimate | None) -> str:
    """Why a figure by group is missing; empty where it is there."""
    return "a group has fewer than 10 inputs" if estimate is None else ""


def few_with_changes(estimate: Estimate | None) -> str:
    """Why a figure of counterfactuals with a change is missing; empty where it is there."""
    return "fewer than 10 inputs have such a counterfactual" if estimate is None else ""


def unsigned(estimate: Estimate) -> Estimate:
    """The estimate without its sign; an interval across 0 begins at 0.

    Args:
        estimate: with its sign.

    Example:
        >>> unsigned(Estimate(value=-0.25, low=-0.75, high=0.25))
        Estimate(value=0.25, low=0.0, high=0.75)
    """
    ends = sorted((abs(estimate.low), abs(estimate.high)))
    low = 0.0 if estimate.low <= 0 <= estimate.high else ends[0]
    return Estimate(value=abs(estimate.value), low=low, high=ends[1])
