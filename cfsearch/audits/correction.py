"""Effects corrected by the error of the generator that they were measured through.

An effect through a generator is what the audited model makes of the generator's pictures. Two things set it apart from the effect
of the attribute:

- the generator paints a picture of a face with an attribute a little otherwise than it is, whatever the edit: the model's log-odds of
  a *reconstruction* differ from those of its photograph, by an amount that depends on the attributes. A ridge regression over
  photographs gives how much each attribute adds, ``rho``, and what is left unexplained, with standard deviation ``l_A``;
- its edits are weaker or stronger than the difference that labels make, by a factor that an independent classifier measures.

The *edit's* estimate is ``(through the generator - rho x the intended change) / factor``, with variance
``(se^2 + (l_A / 2)^2) / factor^2 + (estimate / 5)^2``; the factor is the strength over 0.85, for the same classifier sees true edits
of a faithful generator that faint, and from 1 on nothing is divided and the last term is left out. Beside it stand *photographs* that nobody edited: the slope ``w`` of the model's log-odds on
the attribute, with variance ``(l_B / 4)^2 + (w / 5)^2``. With at least 250 labelled photographs the two are combined by their
precisions. The factors 1/2, 1/4 and 1/5 were set on a bank of 21 classifiers and three generators whose faces could be rendered
again; ``benchmarks/audit/effects.py`` measures on another one what they are worth. What stands here of the strength was set on that other one.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.numerics.intervals import Interval

from .family import signed_rank

FEWEST_LABELLED: Final = 250
"""Labelled photographs from which on their associations are combined with the edit."""

LEAST_STRENGTH: Final = 0.5
"""Strength of an edit, as a share of the difference that labels make, below which it says nothing."""

FULL_STRENGTH: Final = 0.85
"""Strength from which an edit counts as strong as the difference that labels make."""

_OF_OFFSET: Final = 0.5
_OF_ASSOCIATION: Final = 0.25
_OF_SLOPE: Final = 0.2
_OF_STRENGTH: Final = 0.2
NORMAL: Final = 1.959963984540054
_POWER: Final = 0.8416212335729143
"""Normal quantiles of a two-sided 95 % interval and of a power of 80 %."""


@final
@dataclass(frozen=True, slots=True)
class GeneratorError:
    """Error of a generator as one model sees it, of one class, and the model's associations; measured on photographs.

    Args:
        offset: of each attribute, what it adds to the error of a reconstruction, in logits.
        sd: standard deviation of that error, in logits; it shows a bad generator.
        unexplained: standard deviation of what attributes do not explain of it, leave-one-out, in logits.
        photographs: how many it was measured on.
        association: slope of a photograph's log-odds on each attribute; empty where too few are labelled.
        association_spread: standard deviation of what attributes do not explain of the log-odds, leave-one-out.
        labelled: photographs whose labels are all known.

    Example:
        >>> error = GeneratorError({"Hat": 0.2}, sd=0.5, unexplained=0.4, photographs=64)
        >>> GeneratorError.of_json(error.to_json()) == error
        True
    """

    offset: Mapping[str, float]
    sd: float
    unexplained: float
    photographs: int
    association: Mapping[str, float] = field(default_factory=dict)
    association_spread: float = 0.0
    labelled: int = 0

    def to_json(self) -> dict[str, Any]:  # Any: plain JSON
        """Plain JSON."""
        return {
            "offset": dict(self.offset),
            "sd": self.sd,
            "unexplained": self.unexplained,
            "photographs": self.photographs,
            "association": dict(self.association),
            "association_spread": self.association_spread,
            "labelled": self.labelled,
        }

    @classmethod
    def of_json(cls, values: Mapping[str, Any]) -> Self:
        """What ``to_json`` gave.

        Args:
            values: as they stand in a file.
        """
        return cls(
            offset=dict(values["offset"]),
            sd=float(values["sd"]),
            unexplained=float(values["unexplained"]),
            photographs=int(values["photographs"]),
            association=dict(values["association"]),
            association_spread=float(values["association_spread"]),
            labelled=int(values["labelled"]),
        )

    @classmethod
    def of_calibration(cls, measured: Mapping[str, Any], *, label: str) -> Self | None:
        """Of one class what ``Calibration.to_json`` says; None where it says too little (before its ``sd`` was kept).

        Args:
            measured: that document.
            label: of the class.
        """
        offset, association = measured["reconstruction_error"], measured.get("associations")
        if "sd" not in offset:
            return None

        def of_class(values: Mapping[str, Any]) -> dict[str, float]:
            return {name: float(row[label]) for name, row in values["by_attribute"].items()}

        return cls(
            offset=of_class(offset),
            sd=float(offset["sd"][label]),
            unexplained=float(offset["spread"][label]),
            photographs=int(measured["photographs"]),
            association={} if association is None else of_class(association),
            association_spread=0.0 if association is None else float(association["spread"][label]),
            labelled=int(measured["labelled"]),
        )

    @property
    def combines(self) -> bool:
        """Whether enough photographs are labelled for their associations to be combined with edits."""
        return bool(self.association) and self.labelled >= FEWEST_LABELLED


@final
@dataclass(frozen=True, slots=True)
class CorrectedEffect:
    """One effect less the generator's error.

    Args:
        estimate: the effect, in logits, with a 95 % interval that holds the generator's error.
        edit: the same by edits alone.
        photographs: the same by photographs alone; None where too few are labelled.
        probability: the effect in probability, moved and widened in proportion.
        offset: what was subtracted, in logits.
        strength: of the edit, as it was measured; None where it was not, or is too small.
        p: two-sided, of no effect: the larger of the normal test with the generator's error and the signed-rank test over inputs.
        standard_error: of the estimate, in logits.
    """

    estimate: Interval
    edit: Interval
    photographs: Interval | None
    probability: Interval
    offset: float
    strength: float | None
    p: float | None
    standard_error: float

    @property
    def agree(self) -> bool:
        """Whether edits and photographs differ by no more than their errors allow, or photographs were not used."""
        if self.photographs is None:
            return True
        apart = abs(self.edit.value - self.photographs.value)
        return apart <= math.hypot(_half(self.edit), _half(self.photographs))

    def detectable(self, *, practical: float, tests: int) -> float:
        """Size from which an effect would be called one in 80 % of such audits, in logits.

        Args:
            practical: size from which an effect matters.
            tests: attributes that are tested together.
        """
        strictest = _normal_quantile(1.0 - 0.025 / max(tests, 1))
        return max(
            practical + (NORMAL + _POWER) * self.standard_error, (strictest + _POWER) * self.standard_error
        )

    def to_dict(self) -> dict[str, Any]:  # Any: plain JSON
        """As it stands in ``audit.json``."""
        return {
            "edit": self.edit.to_dict(),
            "photographs": None if self.photographs is None else self.photographs.to_dict(),
            "offset": round(self.offset, 6),
            "strength": None if self.strength is None else round(self.strength, 4),
            "agree": self.agree,
        }


@final
@dataclass(frozen=True, slots=True, eq=False)
class EditedEffect:
    """An effect by edits alone, input by input, less the generator's offset and over the strength of the edit.

    Args:
        logits: change of the log-odds.
        probability: change of the probability, moved in proportion.
        offset: what was subtracted, in logits.
        steepness: probability a logit between the two ends, on average.
        spread: standard deviation of the generator's own error of the mean, in logits.
        share: of the mean, in squares beside ``spread``, what the strength leaves open.
        slope: what photographs say, in logits, and its standard deviation; None where too few are labelled.

    Shapes:
        ``logits``, ``probability``, ``offset`` ``(n,)``.
    """

    logits: Float[Tensor, " n"]
    probability: Float[Tensor, " n"]
    offset: Float[Tensor, " n"]
    steepness: float
    spread: float
    share: float
    slope: tuple[float, float] | None = None

    def error(self, mean: float) -> float:
        """Standard deviation of the generator's own error of a mean, in logits.

        Args:
            mean: the mean, in logits.
        """
        return math.hypot(self.spread, self.share * mean)


def edited_effect(
    logits: Float[Tensor, " n"],
    probability: Float[Tensor, " n"],
    *,
    intended: Mapping[str, Float[Tensor, " n"]],
    own: str,
    error: GeneratorError,
    strength: float | None = None,
) -> EditedEffect:
    """The effect of one variable on one class, input by input, less the generator's error.

    Args:
        logits: change of the log-odds through the generator.
        probability: change of the probability.
        intended: by how much each variable was meant to change.
        own: the variable whose effect it is.
        error: of the generator.
        strength: of the edit, as a share of the difference that labels make; None where it was never measured.

    Example:
        >>> import torch
        >>> error = GeneratorError({"Hat": 0.5}, sd=0.3, unexplained=0.2, photographs=64)
        >>> found = edited_effect(
        ...     torch.tensor([1.5, 1.0]), torch.tensor([0.3, 0.2]), intended={"Hat": torch.ones(2)}, own="Hat", error=error
        ... )
        >>> found.logits.tolist(), [round(p, 3) for p in found.probability.tolist()], found.error(0.75)
        ([1.0, 0.5], [0.2, 0.1], 0.1)
    """
    n, shifts = len(logits), {name: values.double().cpu() for name, values in intended.items()}
    span = float(shifts[own].mean().abs())
    factor = 1.0 if strength is None or span == 0.0 else min(1.0, strength / span / FULL_STRENGTH)
    raw, p = logits.double().cpu(), probability.double().cpu()
    offset = sum(
        (values * error.offset.get(name, 0.0) for name, values in shifts.items()), torch.zeros(n).double()
    )
    each = (raw - offset) / factor
    steep = torch.where(raw.abs() > 1e-6, p / raw, 0.0)  # probability a logit, between the two ends
    slope = None
    if error.combines:
        value = sum(
            float(values.mean()) * error.association.get(name, 0.0) for name, values in shifts.items()
        )
        slope = value, math.hypot(_OF_ASSOCIATION * error.association_spread, _OF_SLOPE * value)
    return EditedEffect(
        logits=each,
        probability=p + steep * (each - raw),
        offset=offset,
        steepness=float(steep.mean()),
        spread=_OF_OFFSET * error.unexplained / factor,
        share=_OF_STRENGTH if factor < 1.0 else 0.0,
        slope=slope,
    )


def corrected_effect(
    logits: Float[Tensor, " n"],
    probability: Float[Tensor, " n"],
    *,
    intended: Mapping[str, Float[Tensor, " n"]],
    own: str,
    error: GeneratorError,
    strength: float | None = None,
) -> CorrectedEffect:
    """The effect of one variable on one class, corrected; see the module for how.

    Args:
        logits: change of the log-odds through the generator, one an input.
        probability: change of the probability.
        intended: by how much each variable was meant to change, one an input.
        own: the variable whose effect it is.
        error: of the generator.
        strength: of the edit, as a share of the difference that labels make; None where it was never measured.

    Example:
        >>> import torch
        >>> error = GeneratorError({"Hat": 0.5}, sd=0.3, unexplained=0.2, photographs=64)
        >>> found = corrected_effect(
        ...     torch.full((9,), 1.5), torch.full((9,), 0.3), intended={"Hat": torch.ones(9)}, own="Hat", error=error, strength=0.9
        ... )
        >>> round(found.estimate.value, 3), round(found.estimate.high - found.estimate.value, 3)  # 1.96 x 0.2 / 2
        (1.0, 0.196)
    """
    by_edit = edited_effect(logits, probability, intended=intended, own=own, error=error, strength=strength)
    n, each = len(logits), by_edit.logits
    middle, sampling = float(each.mean()), standard_error(each)
    own_error = by_edit.error(middle)
    variance = sampling**2 + own_error**2
    half = math.hypot(student(n) * sampling, NORMAL * own_error)
    edit = _around(middle, half)
    estimate, photographs = edit, None
    if by_edit.slope is not None:
        slope, spread = by_edit.slope
        photographs = _around(slope, NORMAL * spread)
        estimate, variance = _combined((middle, variance), (slope, spread**2))
    steep, moved = by_edit.steepness, by_edit.probability
    value = float(moved.mean()) + steep * (estimate.value - middle)
    wide = math.hypot(student(n) * standard_error(moved), NORMAL * steep * own_error)
    rank = signed_rank(each)
    return CorrectedEffect(
        estimate=estimate,
        edit=edit,
        photographs=photographs,
        probability=_around(min(1.0, max(-1.0, value)), wide),
        offset=float(by_edit.offset.mean()),
        strength=strength,
        p=None if rank is None else max(rank, normal_p(estimate.value, variance)),
        standard_error=math.sqrt(variance),
    )


def normal_p(value: float, variance: float) -> float:
    """Two-sided p of a normal estimate of 0.

    Args:
        value: the estimate.
        variance: of the estimate; 0 where it is exact.
    """
    if variance > 0.0:
        return math.erfc(abs(value) / math.sqrt(2.0 * variance))
    return 0.0 if value else 1.0


def _combined(one: tuple[float, float], other: tuple[float, float]) -> tuple[Interval, float]:
    """Two estimates with their variances as one, weighed by their precisions; and its variance."""
    (a, va), (b, vb) = one, other
    if va == 0.0 or vb == 0.0:
        return _around(a if va == 0.0 else b, 0.0), 0.0
    variance = 1.0 / (1.0 / va + 1.0 / vb)
    return _around(variance * (a / va + b / vb), NORMAL * math.sqrt(variance)), variance


def _around(value: float, half: float) -> Interval:
    return Interval(value, value - half, value + half)


def _half(interval: Interval) -> float:
    return (interval.high - interval.low) / 2.0


def standard_error(values: Float[Tensor, " n"]) -> float:
    """Standard error of a mean; 0 of a single value.

    Args:
        values: one an input.
    """
    return float(values.std()) / math.sqrt(len(values)) if len(values) > 1 else 0.0


def student(n: int) -> float:
    """Quantile of Student's distribution for a two-sided 95 % interval of a mean.

    Args:
        n: values that the mean is of.
    """
    from scipy.stats import t

    return float(t.ppf(0.975, n - 1)) if n > 1 else NORMAL


def _normal_quantile(share: float) -> float:
    from scipy.stats import norm

    return float(norm.ppf(share))
