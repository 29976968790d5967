"""A gate: conditions judged on the ends of intervals, as pass, fail or cannot tell."""

import difflib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from cfsearch.numerics.intervals import wilson

from .conditions import EVERY, PROTECTED, Condition, limits
from .measurements import Measurement, unsigned
from .metrics import BY_CLASS, COMPARED, catalogue, change_in_no_flip
from .reading import AuditDocument
from .reading_parts import Estimate

FORMAT: Final = "cfsearch-gate/1"
PASS: Final = "pass"  # noqa: S105 - no password
FAIL: Final = "fail"
UNSURE: Final = "cannot tell"


@final
@dataclass(frozen=True, slots=True)
class Judgement:
    """What one condition says of one figure.

    Args:
        condition: what must hold.
        figure: the figure; None where the audit has none such.
        low: the end of its interval at the confidence of the condition.
        high: the other end.
        result: "pass", "fail" or "cannot tell".
        message: why, a sentence.
    """

    condition: Condition
    figure: Measurement | None
    low: float | None
    high: float | None
    result: str
    message: str

    @property
    def title(self) -> str:
        """The figure by name, with its model."""
        if self.figure is None:
            return self.condition.words
        return f"{self.figure.name} ({self.figure.model})"

    def to_dict(self) -> dict[str, Any]:
        """As it stands in the output of ``cfsearch gate --json``."""
        figure = self.figure
        return {
            "condition": self.condition.title,
            "requires": self.condition.words,
            "model": self.condition.model if figure is None else figure.model,
            "metric": self.condition.metric,
            "subject": self.condition.subject if figure is None else figure.subject,
            "group": self.condition.group if figure is None else figure.group,
            "op": self.condition.op,
            "bound": self.condition.value,
            "confidence": self.condition.confidence,
            "value": None if figure is None else figure.value,
            "low": self.low,
            "high": self.high,
            "n": None if figure is None else figure.n,
            "result": self.result,
            "message": self.message,
        }


def judge(document: AuditDocument, conditions: Sequence[Condition]) -> list[Judgement]:
    """Each condition judged on each figure that it names.

    A condition holds where the whole interval lies on its side, is broken where the whole interval lies on
    the other, and else one cannot tell; nor where a group has fewer than 10 inputs, or an effect says nothing of
    its attribute. A figure that the audit does not have fails.

    Args:
        document: the content of ``audit.json``.
        conditions: what must hold.
    """
    every = catalogue(document)
    found = []
    for condition in conditions:
        figures = _named(condition, every, document)
        found += [_judged(condition, figure) for figure in figures] or [_missing(condition, every, document)]
    return found


def gate_document(run: str, judgements: Sequence[Judgement], *, unsure_passes: bool) -> dict[str, Any]:
    """The document of ``cfsearch gate --json``.

    Args:
        run: the run directory.
        judgements: of all conditions.
        unsure_passes: whether "cannot tell" lets the gate pass.
    """
    return {
        "format": FORMAT,
        "run": run,
        "passed": passed(judgements, unsure_passes=unsure_passes),
        "cannot_tell": PASS if unsure_passes else FAIL,
        "counts": {
            name: sum(j.result == result for j in judgements)
            for name, result in (("pass", PASS), ("fail", FAIL), ("cannot_tell", UNSURE))
        },
        "judgements": [judgement.to_dict() for judgement in judgements],
    }


def passed(judgements: Sequence[Judgement], *, unsure_passes: bool) -> bool:
    """Whether a gate passes.

    Args:
        judgements: of all conditions.
        unsure_passes: whether "cannot tell" lets it pass.
    """
    return all(j.result == PASS or (unsure_passes and j.result == UNSURE) for j in judgements)


def _named(condition: Condition, every: Sequence[Measurement], document: AuditDocument) -> list[Measurement]:
    """The figures that a condition names; of comparisons each, where it names no group."""

    def fits(figure: Measurement) -> bool:
        if figure.metric != condition.metric or condition.model not in ("", figure.model):
            return False
        if condition.subject == PROTECTED and figure.subject not in document.protected:
            return False
        every_class = condition.metric in BY_CLASS and not condition.subject
        if condition.subject not in (EVERY, PROTECTED, figure.subject) and not every_class:
            return False
        return _of_group(condition, figure)

    found = [figure for figure in every if fits(figure)]
    if condition.metric == "change_rate" and not condition.group:
        found += change_in_no_flip(document, condition.subject, model=condition.model)
    return found


def _of_group(condition: Condition, figure: Measurement) -> bool:
    wanted, group = condition.group, figure.group
    if wanted in ("", EVERY):
        return condition.metric in COMPARED or bool(group) == (wanted == EVERY)
    if condition.metric in ("proxy", "abs_proxy") and group.endswith(f":{wanted}"):
        return True  # of one of several groups, by the column
    return wanted in (group, group.split(":")[0])


def _missing(condition: Condition, every: Sequence[Measurement], document: AuditDocument) -> Judgement:
    """A condition on what the audit does not have: it fails, and says what there is."""
    if condition.subject == PROTECTED and not document.protected:
        why = "the audit has no protected attributes; name them with --protected"
    else:
        names = dict.fromkeys(figure.name for figure in every if figure.metric == condition.metric)
        wanted = condition.words.split(f" {condition.op} ")[0]
        near = difflib.get_close_matches(wanted, names, n=1, cutoff=0.4) or list(names)[:1]
        why = f"the audit has no {wanted}" + (f"; it has {near[0]}, for example" if near else "")
        if condition.metric.startswith("contribution") and not document.contributions:
            why += "; `cfsearch audit --contribution-queries N` measures what changes contribute"
        if condition.metric == "robustness" and not document.robustness:
            why += "; `cfsearch audit --robustness N` tries N small changes of each flip"
        if condition.metric == "agreement" and not document.agreement:
            why += (
                "; `cfsearch audit --second-generator FILE` has a second generator agree on what is genuine"
            )
    return Judgement(condition, None, None, None, FAIL, f"{why}.")


def _judged(condition: Condition, figure: Measurement) -> Judgement:
    if figure.because:
        return Judgement(
            condition, figure, figure.low, figure.high, UNSURE, f"cannot tell: {figure.because}."
        )
    ends = interval_at(figure, condition.confidence)
    if ends is None:
        return Judgement(condition, figure, None, None, FAIL, "the audit has no number here.")
    low, high = ends
    least, most = (low, high) if condition.op in ("<", "<=") else (high, low)
    result = PASS if holds(most, condition) else UNSURE if holds(least, condition) else FAIL
    interval = f"{figure.value:.4g}, {100 * condition.confidence:g} % interval {low:.4g} to {high:.4g}"
    words = {
        PASS: f"all of it is {condition.op} {condition.value:g}",
        FAIL: f"none of it is {condition.op} {condition.value:g}",
        UNSURE: f"it leaves open whether {condition.op} {condition.value:g} holds",
    }
    return Judgement(condition, figure, low, high, result, f"{interval}: {words[result]}.")


def holds(value: float, condition: Condition) -> bool:
    """Whether a number lies on the side of a condition.

    Args:
        value: the number.
        condition: what must hold.
    """
    bound = condition.value
    match condition.op:
        case "<":
            return value < bound
        case "<=":
            return value <= bound
        case ">":
            return value > bound
        case _:
            return value >= bound


def interval_at(figure: Measurement, confidence: float) -> tuple[float, float] | None:
    """The ends of the interval of a figure; None where there is no number.

    Of shares by Wilson's interval at that confidence; of other figures the ends at 95 % are moved
    as those of a normal distribution, of sizes with their sign, and never beyond what the figure can be.

    Args:
        figure: with its interval at 95 %.
        confidence: of the interval that is wanted.
    """
    from scipy.stats import norm

    value, low, high = figure.value, figure.low, figure.high
    if value is None or low is None or high is None:
        return None
    if confidence == 0.95 or low == high:
        return low, high
    if figure.count is not None:
        again = wilson(figure.count, figure.n, confidence=confidence)
        return None if again is None else (again.low, again.high)
    scale = float(norm.ppf(0.5 + confidence / 2) / norm.ppf(0.975))
    if figure.signed is not None:
        value, low, high = figure.signed.value, figure.signed.low, figure.signed.high
    low, high = value - scale * (value - low), value + scale * (high - value)
    if figure.signed is not None:
        size = unsigned(Estimate(value=value, low=low, high=high))
        low, high = size.low, size.high
    least, most = limits(figure.metric)
    return max(low, least), min(high, most)
