"""What one input says of each figure that an audit may stop on, and the sequences of intervals that follow."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Self, final

from cfsearch.errors import ConfigError
from cfsearch.numerics.intervals import Interval
from cfsearch.numerics.sequences import MeanSequence, share_sequence
from cfsearch.registry import unknown
from cfsearch.runs.directory import InstanceRow

from .changes import changes
from .conditions import EVERY, PROTECTED, Condition
from .effects import Effects
from .gate import FAIL, PASS, UNSURE, holds
from .measured import Membership
from .membership import group_pairs, group_parts
from .shares import LEAST

_SHARES: Final = ("found_rate", "failed_rate", "decided", "flip_rate", "change_rate")
_GAPS: Final = {"decided_gap": "decided", "found_gap": "found_rate"}
_MEANS: Final = ("probability", "abs_probability")
OF_EFFECTS: Final = ("flip_rate", *_MEANS)
"""Figures that need the effects of attributes, input by input."""
STOPPABLE: Final = (*_SHARES, *_GAPS, *_MEANS)
"""Figures that an audit may stop on: shares, their differences, and means of what has known ends."""


@final
@dataclass(frozen=True, slots=True)
class Observation:
    """What one input says.

    Args:
        failed: whether it failed.
        decided: whether the model puts it into its last class; None where it failed.
        found: whether it has a valid counterfactual; None where it was not searched.
        changes: changes of its sparsest flip, as in ``audit.json``; None where it has none.
        flips: attributes whose change alone flips it, or not; empty where that says nothing.
        probability: effect of each attribute on the probability of the last class.
    """

    failed: bool
    decided: bool | None = None
    found: bool | None = None
    changes: frozenset[str] | None = None
    flips: Mapping[str, bool] = field(default_factory=dict)
    probability: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, row: InstanceRow, effects: Effects | None = None) -> Self:
        """What an instance says.

        Args:
            row: the instance.
            effects: of this input alone; None where they were not measured.
        """
        front = row.front
        if front is None:
            return cls(failed=row.status == "failed")
        found = row.status == "found" if row.status in ("found", "not_found") else None
        held = changes([front])
        flips: dict[str, bool] = {}
        probability: dict[str, float] = {}
        if effects is not None:
            probability = dict(zip(effects.names, effects.probability[0].tolist(), strict=True))
            if bool(effects.kept[0]):
                flips = dict(zip(effects.names, effects.flips[0].tolist(), strict=True))
        return cls(
            failed=False,
            decided=front.source == len(front.labels) - 1,
            found=found,
            changes=frozenset(f"{c.direction}{c.variable}" for c in held) if held else None,
            flips=flips,
            probability=probability,
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
            return
        self.count += int(value)
        now = share_sequence(self.count, self.n, alpha=self._alpha)
        if now is not None:  # all intervals hold at once, and so does what they share
            self._low, self._high = max(self._low, now.low), min(self._high, now.high)

    @property
    def interval(self) -> Interval | None:
        """The figure with its interval; None without inputs."""
        if self._mean is not None:
            return self._mean.interval
        if not self.n:
            return None
        value = self.count / self.n
        return Interval(value, min(self._low, value), max(self._high, value))


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
        metric = _GAPS.get(condition.metric, condition.metric)
        self.condition: Condition = condition
        self.subject: str = subject
        self.group: str = group
        self.sides: int = len(sides)
        self._alpha = alpha
        parts: Sequence[frozenset[str] | None] = sides or (None,)
        self._streams = [Stream(metric, subject, part, alpha=alpha / len(parts)) for part in parts]
        self.decided_at: int | None = None
        self._result = UNSURE

    def anew(self, sides: Sequence[frozenset[str]]) -> "Watch":
        """The same condition before the first input, on other groups.

        Args:
            sides: the inputs of as many groups.
        """
        return Watch(self.condition, subject=self.subject, group=self.group, sides=sides, alpha=self._alpha)

    def add(self, name: str, seen: Observation, *, inputs: int) -> None:
        """Take the next input; what is decided stays so.

        Args:
            name: of the input.
            seen: what it says.
            inputs: how many there were with it.
        """
        for stream in self._streams:
            stream.add(name, seen)
        if self.decided_at is None:
            self._result = self._judged()
            self.decided_at = None if self._result == UNSURE else inputs

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
        if found is None:
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
        }


def _size(interval: Interval) -> Interval:
    """The interval without its sign."""
    ends = sorted((abs(interval.low), abs(interval.high)))
    return Interval(abs(interval.value), 0.0 if interval.low <= 0 <= interval.high else ends[0], ends[1])


def watches(
    conditions: Sequence[Condition],
    *,
    attributes: Sequence[str],
    protected: Sequence[str],
    members: Membership | None,
) -> list[Watch]:
    """The figures that conditions name, each with its part of the chance to err.

    Args:
        conditions: what must hold.
        attributes: variables whose effects are measured; none where none are.
        protected: those that the user marked.
        members: which input is in which group; None for none.

    Raises:
        ConfigError: a condition is on a figure that has no sequence of intervals, or that the audit will not have.
    """
    found: list[tuple[Condition, str, str, tuple[frozenset[str], ...]]] = []
    for condition in conditions:
        if condition.metric not in STOPPABLE:
            raise ConfigError(
                f"until-decided: no interval of {condition.metric!r} holds at every number of inputs; an audit can stop on "
                f"{', '.join(STOPPABLE)}. Put the others into `cfsearch gate` when it has ended."
            )
        subjects = _subjects(condition, attributes=attributes, protected=protected)
        groups = _groups(condition, members)
        found += [(condition, subject, group, sides) for subject in subjects for group, sides in groups]
    return [
        Watch(
            condition,
            subject=subject,
            group=group,
            sides=sides,
            alpha=(1.0 - condition.confidence) / len(found),
        )
        for condition, subject, group, sides in found
    ]


def _subjects(condition: Condition, *, attributes: Sequence[str], protected: Sequence[str]) -> list[str]:
    metric, subject = condition.metric, condition.subject
    if metric == "change_rate":
        if subject in ("", EVERY, PROTECTED):
            raise ConfigError(f"until-decided: {metric} needs a change, such as {metric}:+Blond_Hair.")
        return [subject]
    if metric not in OF_EFFECTS:
        if subject:
            raise ConfigError(f"until-decided: {metric} has no subject, got {subject!r}.")
        return [""]
    if not attributes:
        raise ConfigError(
            f"until-decided: {metric} needs a generator that changes named attributes (faces64, celeba64, your own)."
        )
    if subject == PROTECTED and not protected:
        raise ConfigError("until-decided: no attribute is protected; name them with --protected.")
    chosen = list(protected) if subject == PROTECTED else list(attributes) if subject == EVERY else [subject]
    for name in chosen:
        if name not in attributes:
            raise ConfigError(f"until-decided: {unknown('attribute', name, list(attributes))}")
    return chosen


def _groups(condition: Condition, members: Membership | None) -> list[tuple[str, tuple[frozenset[str], ...]]]:
    gap = condition.metric in _GAPS
    if not condition.group and not gap:
        if condition.metric == "decided":
            raise ConfigError("until-decided: decided is of a group; name it, such as decided@sex:female.")
        return [("", ())]
    if condition.metric not in (*_GAPS, "decided", "found_rate"):
        raise ConfigError(f"until-decided: {condition.metric} is not measured by group.")
    known = dict(_pairs(members) if gap else _singles(members)) if members is not None else {}
    wanted = condition.group
    chosen = [
        (name, sides)
        for name, sides in known.items()
        if wanted in ("", EVERY, name) or name.split(":")[0] == wanted
    ]
    if not chosen:
        names = ", ".join(known) or "none; compare groups with --by"
        raise ConfigError(
            f"until-decided: the audit has no group {wanted!r} of {condition.metric}; it has {names}."
        )
    return chosen


def _singles(members: Membership) -> list[tuple[str, tuple[frozenset[str], ...]]]:
    return [(f"{column}:{name}", (part,)) for column, parts in group_parts(members) for name, part in parts]


def _pairs(members: Membership) -> list[tuple[str, tuple[frozenset[str], ...]]]:
    return [(pair.group, (pair.first, pair.second)) for pair in group_pairs(members)]
