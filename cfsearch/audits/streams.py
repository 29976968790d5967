"""What one input says of each figure that an audit may stop on, and the sequences of intervals that follow."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist
from types import MappingProxyType
from typing import Any, Final, Self, final

from cfsearch.numerics.intervals import Interval
from cfsearch.numerics.sequences import MeanSequence, share_sequence
from cfsearch.runs.directory import InstanceRow

from .changes import changes
from .conditions import Condition
from .correction import EditedEffect, GeneratorError
from .effects import Effects
from .gate import FAIL, PASS, UNSURE, holds
from .shares import LEAST

_SHARES: Final = ("found_rate", "failed_rate", "decided", "flip_rate", "change_rate")
GAPS: Final = {"decided_gap": "decided", "found_gap": "found_rate"}
_MEANS: Final = ("probability", "abs_probability")
OF_EFFECTS: Final = ("flip_rate", *_MEANS)
"""Figures that need the effects of attributes, input by input."""
STOPPABLE: Final = (*_SHARES, *GAPS, *_MEANS)
"""Figures that an audit may stop on: shares, their differences, and means of what has known ends."""


@final
@dataclass(frozen=True, slots=True)
class Observation:
    """What one input says.

    Args:
        failed: whether it failed.
        decided: whether the model puts it into its last class; None where it failed.
        found: whether it has a valid counterfactual; None where it was not searched.
        changes: changes of its sparsest flip, as in ``audit.json``; None where it has no flip that says anything of changes.
        flips: attributes whose change alone flips it, or not; empty where that says nothing.
        probability: effect of each attribute on the probability of the last class, less the generator's error where that is known.
        edits: what the generator's error on this input follows from; empty where it is not known.
        variables: that the generator changes; None where each input has its own.
        categories: those of them whose values have no order.
    """

    failed: bool
    decided: bool | None = None
    found: bool | None = None
    changes: frozenset[str] | None = None
    flips: Mapping[str, bool] = field(default_factory=dict)
    probability: Mapping[str, float] = field(default_factory=dict)
    edits: Mapping[str, EditedEffect] = field(default_factory=dict)
    variables: Sequence[str] | None = field(default=None, compare=False)
    categories: Sequence[str] = field(default=(), compare=False)

    @classmethod
    def of(
        cls,
        row: InstanceRow,
        effects: Effects | None = None,
        *,
        error: GeneratorError | None = None,
        strength: Mapping[str, float] = MappingProxyType({}),
    ) -> Self:
        """What an instance says.

        Args:
            row: the instance.
            effects: of this input alone; None where they were not measured.
            error: of the generator on this model; None leaves effects as they are through it.
            strength: how strong each edit was seen to be.
        """
        front = row.front
        if front is None:
            return cls(failed=row.status == "failed")
        found = row.status == "found" if row.status in ("found", "not_found") else None
        sparsest = front.pick("sparsest")
        tells = sparsest is not None and not front.reconstruction_flips  # as ``ChangeTally`` counts
        flips: dict[str, bool] = {}
        probability: dict[str, float] = {}
        edits: dict[str, EditedEffect] = {}
        if effects is not None:
            probability = dict(zip(effects.names, effects.probability[0].tolist(), strict=True))
            if error is not None:
                edits = {
                    name: effects.edited(name, error=error, strength=strength.get(name))
                    for name in effects.names
                }
                probability = {
                    name: min(1.0, max(-1.0, float(edit.probability[0]))) for name, edit in edits.items()
                }
            if bool(effects.kept[0]):
                flips = dict(zip(effects.names, effects.flips[0].tolist(), strict=True))
        return cls(
            failed=False,
            decided=front.source == len(front.labels) - 1,
            found=found,
            changes=frozenset(f"{c.direction}{c.variable}" for c in changes([front])) if tells else None,
            flips=flips,
            probability=probability,
            edits=edits,
            variables=None if front.modality.own_variables else front.variables,
            categories=front.categories,
        )

    def value(self, metric: str, subject: str) -> float | None:
        """What it adds to a figure; None where it is no part of it.

        Args:
            metric: a figure of all inputs or of one group.
            subject: its attribute or change.
        """
        seen: float | bool | None
        match metric:
            case "failed_rate":
                seen = self.failed
            case "decided":
                seen = self.decided
            case "found_rate":
                seen = self.found
            case "change_rate":
                seen = None if self.changes is None else subject in self.changes
            case "flip_rate":
                seen = self.flips.get(subject)
            case _:
                seen = self.probability.get(subject)
        return None if seen is None else float(seen)


@final
class Stream:
    """One figure of all inputs, or of one group, with its interval so far.

    Args:
        metric: which figure.
        subject: its attribute or change.
        members: the inputs that it is of; None for all.
        alpha: chance that the interval ever misses.
    """

    def __init__(self, metric: str, subject: str, members: frozenset[str] | None, *, alpha: float) -> None:
        self._metric, self._subject, self._members, self._alpha = metric, subject, members, alpha
        self._mean = MeanSequence(low=-1.0, high=1.0, alpha=alpha) if metric in _MEANS else None
        self._edited = 0
        self._sums = (0.0, 0.0, 0.0, 0.0)  # of log-odds, steepness, spread and share
        self.count: int = 0
        self.n: int = 0
        self._low, self._high = 0.0, 1.0

    def add(self, name: str, seen: Observation) -> None:
        """Take the next input.

        Args:
            name: of the input.
            seen: what it says.
        """
        value = seen.value(self._metric, self._subject)
        if value is None or (self._members is not None and name not in self._members):
            return
        self.n += 1
        if self._mean is not None:
            self._mean.add(value)
            edit = seen.edits.get(self._subject)
            if edit is not None:
                self._edited += 1
                parts = (float(edit.logits[0]), edit.steepness, edit.spread, edit.share)
                logits, steepness, spread, share = (a + b for a, b in zip(self._sums, parts, strict=True))
                self._sums = logits, steepness, spread, share
            return
        self.count += int(value)
        now = share_sequence(self.count, self.n, alpha=self._alpha)
        if now is not None:  # all intervals hold at once, and so does what they share
            self._low, self._high = max(self._low, now.low), min(self._high, now.high)

    @property
    def interval(self) -> Interval | None:
        """The figure with its interval; None without inputs."""
        if self._mean is not None:
            found, own = self._mean.interval, self._own_error
            return None if found is None else Interval(found.value, found.low - own, found.high + own)
        if not self.n:
            return None
        value = self.count / self.n
        return Interval(value, min(self._low, value), max(self._high, value))

    @property
    def _own_error(self) -> float:
        """How far the generator's own error may move the mean, in probability; 0 where it is not known.

        It is one number a model, not one an input: a normal quantile at the chance that the interval has holds it at all
        numbers of inputs at once.
        """
        if not self._edited:
            return 0.0
        logits, steepness, spread, share = (total / self._edited for total in self._sums)
        quantile = NormalDist().inv_cdf(1.0 - self._alpha / 2.0)
        return quantile * abs(steepness) * math.hypot(spread, share * logits)


@final
class Watch:
    """One condition on one figure, judged after each input.

    Args:
        condition: what must hold.
        subject: its attribute or change.
        group: as gates name it.
        sides: the inputs of one group, or of two whose difference is judged; empty for all inputs.
        alpha: chance that it is ever judged wrongly.
    """

    def __init__(
        self,
        condition: Condition,
        *,
        subject: str,
        group: str,
        sides: Sequence[frozenset[str]],
        alpha: float,
    ) -> None:
        metric = GAPS.get(condition.metric, condition.metric)
        self.condition: Condition = condition
        self.subject: str = subject
        self.group: str = group
        self.sides: int = len(sides)
        self._alpha, self._metric = alpha, metric
        self._parts: Sequence[frozenset[str] | None] = tuple(sides) or (None,)
        self._streams = self._begun(alpha)
        self.because: str = ""
        self.decided_at: int | None = None
        self._result = UNSURE

    def _begun(self, alpha: float) -> list[Stream]:
        return [
            Stream(self._metric, self.subject, part, alpha=alpha / len(self._parts)) for part in self._parts
        ]

    def correct(self, because: str = "") -> None:
        """Before the first input: its effects are less the generator's error, which gets half of the chance to err of a mean.

        Args:
            because: why no effect on this attribute says anything, so that nothing is ever decided; empty where they do.
        """
        self.because = because if self._metric in OF_EFFECTS else ""
        if self._metric in _MEANS:
            self._streams = self._begun(self._alpha / 2.0)

    def anew(self, sides: Sequence[frozenset[str]]) -> "Watch":
        """The same condition before the first input, on other groups.

        Args:
            sides: the inputs of as many groups.
        """
        again = Watch(self.condition, subject=self.subject, group=self.group, sides=sides, alpha=self._alpha)
        again.because = self.because
        return again

    def add(self, name: str, seen: Observation, *, inputs: int) -> None:
        """Take the next input; what is decided stays so.

        Args:
            name: of the input.
            seen: what it says.
            inputs: how many there were with it.
        """
        if self._metric == "change_rate" and seen.variables is not None:
            self.because = self._in_no_flip(seen.variables, seen.categories)
        for stream in self._streams:
            stream.add(name, seen)
        if self.decided_at is None:
            self._result = self._judged()
            self.decided_at = None if self._result == UNSURE else inputs

    def _in_no_flip(self, variables: Sequence[str], categories: Sequence[str]) -> str:
        """Why no flip can ever hold the change, so that its share says nothing; empty where one can."""
        way, of = self.subject[:1], self.subject[1:]
        if of not in variables:
            return f"the generator has no variable {of!r}"
        if (way == "~") == (of in categories):
            return ""
        named = f"has no order: its change is ~{of}" if of in categories else f"has an order: +{of} or -{of}"
        return f"{of!r} {named}"

    @property
    def result(self) -> str:
        """Verdict so far: "pass", "fail" or "cannot tell"."""
        return self._result

    @property
    def n(self) -> int:
        """Inputs that the figure is of."""
        return sum(stream.n for stream in self._streams)

    @property
    def interval(self) -> Interval | None:
        """The figure with its interval; None where a group has fewer than 10 inputs."""
        if self.sides and min(stream.n for stream in self._streams) < LEAST:
            return None
        found = [stream.interval for stream in self._streams]
        one = found[0]
        if one is None:
            return None
        if len(found) == 2:
            other = found[1]
            if other is None:
                return None
            return _size(Interval(one.value - other.value, one.low - other.high, one.high - other.low))
        return _size(one) if self.condition.metric.startswith("abs_") else one

    def _judged(self) -> str:
        found = self.interval
        if found is None or self.because:
            return UNSURE
        upper = self.condition.op in ("<", "<=")
        least, most = (found.low, found.high) if upper else (found.high, found.low)
        return PASS if holds(most, self.condition) else UNSURE if holds(least, self.condition) else FAIL

    def to_dict(self) -> dict[str, Any]:
        """As it stands in ``audit.json``."""
        found, condition = self.interval, self.condition
        return {
            "condition": condition.title,
            "requires": condition.words,
            "metric": condition.metric,
            "subject": self.subject,
            "group": self.group,
            "op": condition.op,
            "bound": condition.value,
            "confidence": condition.confidence,
            "estimate": None if found is None else found.to_dict(),
            "n": self.n,
            "result": self.result,
            "decided_at": self.decided_at,
            **({"because": self.because} if self.because else {}),
        }


def _size(interval: Interval) -> Interval:
    """The interval without its sign."""
    ends = sorted((abs(interval.low), abs(interval.high)))
    return Interval(abs(interval.value), 0.0 if interval.low <= 0 <= interval.high else ends[0], ends[1])
