"""Verdicts on effects: the model depends on an attribute, does not, or undecided; and their wording."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, final

from cfsearch.assembly.search import Assembly
from cfsearch.contracts.generator import AttributeEstimator, AttributeTaker
from cfsearch.errors import ConfigError
from cfsearch.numerics.percent import percent
from cfsearch.registry import unknown
from cfsearch.report import wording

from .correction import LEAST_STRENGTH

PRACTICAL: Final = 0.25
"""Logits: the size from which an effect matters, where the user sets none."""
LEAST_EDITED: Final = 0.5
"""Edit success below which an effect says nothing."""
ERROR_UNMEASURED: Final = "the generator's own error was not measured on this model"
LEANS: Final = "leans"
NOT: Final = "does not lean"
UNSURE: Final = "cannot tell"
_SURE: Final = 0.05
_ORDER: Final = {LEANS: 0, UNSURE: 1, NOT: 2}


@final
@dataclass(frozen=True, slots=True)
class Reading:
    """Verdict on one effect, and the reason where it is undecided.

    Args:
        reading: "leans", "does not lean" (by more than the practical size) or "cannot tell".
        because: why one cannot tell; empty otherwise.
    """

    reading: str
    because: str = ""

    def to_dict(self) -> dict[str, str]:
        """Verdict and reason as keys of ``audit.json``."""
        return {"reading": self.reading, "because": self.because}


def read_effect(row: Mapping[str, Any], *, practical: float) -> Reading:
    """Verdict on an effect: depends, does not depend, or undecided.

    The model leans on an attribute where the whole 95 % interval lies beyond the practical size and
    the corrected p is below 0.05; it does not where the whole interval lies within that size. A true
    effect, where it is known, must not contradict. Where the generator's edits were never seen by
    an independent judge, or were seen to fail, an effect through it is none of the attribute's. So it is where the
    generator's own error was not measured on this model, or where its edits and photographs contradict each other and
    do not say the same of the attribute.

    Args:
        row: an effect as it stands in ``audit.json``.
        practical: the size in logits from which an effect matters.
    """
    estimate, truth, edited = row["estimate"], row["truth"], row.get("edit_success")
    if estimate is None:
        return Reading(UNSURE, "it was not measured")
    if edited is None and truth is None:
        return Reading(UNSURE, "edits were never measured")
    if edited is not None and edited < LEAST_EDITED:
        return Reading(UNSURE, hardly_edited(edited))
    strength, correction = row.get("edit_strength"), row.get("correction")
    if strength is not None and strength < LEAST_STRENGTH:
        return Reading(UNSURE, weakly_edited(strength))
    if "correction" in row and correction is None and truth is None:
        return Reading(UNSURE, ERROR_UNMEASURED)
    if truth is not None and (wording.sides(truth) or 0) * (wording.sides(estimate) or 0) < 0:
        return Reading(UNSURE, "the true re-render contradicts the generator")
    low, high = estimate["low"], estimate["high"]
    if correction is not None and not correction["agree"]:
        sizes = {_size(correction[part], practical=practical) for part in ("edit", "photographs")}
        if len(sizes) > 1 or None in sizes:
            return Reading(UNSURE, "edits and photographs contradict each other")
    if max(abs(low), abs(high)) < practical:
        return Reading(NOT)
    if not (low > practical or high < -practical):
        return Reading(UNSURE, f"the interval leaves open whether it is more than {practical:g} logits")
    if row["p"] is None or row["p"] >= _SURE:
        return Reading(UNSURE, f"{wording.counted(row['n'], 'input')} are too few for so many attributes")
    return Reading(LEANS)


def unusable(*, success: float | None, strength: float | None, measured: bool) -> str:
    """Why an effect through a generator says nothing of its attribute, whatever its size; empty where it does.

    Args:
        success: how often the edit was seen; None where nobody measured it.
        strength: how strong it was seen to be; None likewise.
        measured: whether the generator's own error on the model was measured.
    """
    if success is None:
        return "edits were never measured"
    if success < LEAST_EDITED:
        return hardly_edited(success)
    if strength is not None and strength < LEAST_STRENGTH:
        return weakly_edited(strength)
    return "" if measured else ERROR_UNMEASURED


def hardly_edited(success: float) -> str:
    """Why an effect says nothing: most edits were not seen.

    Args:
        success: share that was.
    """
    return f"the generator hardly edits it ({percent(success)} of edits were seen)"


def weakly_edited(strength: float) -> str:
    """Why an effect says nothing: the edit is weaker than half of the difference that labels make.

    Args:
        strength: as a share of that difference.
    """
    return f"the generator hardly edits it (by {percent(strength)} of the difference that labels make)"


def _size(estimate: Mapping[str, float], *, practical: float) -> int | None:
    """-1 or 1 where the whole interval lies beyond the practical size, 0 where within; None where that is open."""
    if estimate["low"] > practical or estimate["high"] < -practical:
        return 1 if estimate["low"] > 0 else -1
    return 0 if max(abs(estimate["low"]), abs(estimate["high"])) < practical else None


def check_protected(protected: Sequence[str], assembly: Assembly) -> None:
    """Refuse protected attributes whose effects cannot be measured, before anything is searched.

    Args:
        protected: as the user named them.
        assembly: the search with its generator.

    Raises:
        ConfigError: the generator has no attributes, or none of that name.
    """
    if assembly.table is not None:
        return  # columns, which were looked up when the table was opened
    generator = assembly.search.generator
    names = generator.attribute_names if isinstance(generator, AttributeEstimator | AttributeTaker) else ()
    if protected and not names:
        raise ConfigError(
            f"audit: protected needs a generator that changes named attributes, got {generator.name!r}; "
            "give one (faces64, celeba64, your own), or compare groups of inputs with --by."
        )
    for name in protected:
        if name not in names:
            raise ConfigError(f"audit: protected names {unknown('attribute', name, list(names))}")


def verdicts(
    effects: Sequence[Mapping[str, Any]],
    *,
    models: Sequence[Mapping[str, Any]],
    protected: Sequence[str],
    practical: float,
    noun: str,
    groups: Sequence[Mapping[str, Any]] = (),
) -> list[dict[str, Any]]:
    """Summary sentence of each model: its strongest effect, of a protected attribute where there are any.

    Those that one can tell come first, then the largest. A model whose effects were not measured has none.

    Args:
        effects: as they stand in ``audit.json``.
        models: likewise.
        protected: variables whose effects matter most; empty for any but the classes themselves.
        practical: the size in logits from which an effect matters.
        noun: what one input is called.
        groups: likewise; how often the members of a protected group flip, against the others.
    """
    found: list[dict[str, Any]] = []
    for model in models:
        label = model["labels"][-1]
        candidates = [
            e
            for e in effects
            if e["model"] == model["id"]
            and e["estimate"] is not None
            and "reading" in e
            and (e["variable"] in protected if protected else e["variable"] not in model["labels"])
        ]
        candidates.sort(key=lambda e: (_ORDER[e["reading"]], -abs(e["estimate"]["value"])))
        if not protected:
            candidates = [e for e in candidates if e["reading"] == LEANS][:1]
        found += [
            {
                "model": model["id"],
                "variable": effect["variable"],
                "protected": effect["variable"] in protected,
                "reading": effect["reading"],
                "because": effect["because"],
                "headline": _headline(effect, model=model["name"], practical=practical),
                "detail": _detail(effect, label=label, noun=noun)
                + (_members(effect["variable"], _groups_of(model["id"], groups)) if protected else ""),
            }
            for effect in candidates
        ]
    return sorted(found, key=lambda v: _ORDER[v["reading"]]) if protected else found


def _groups_of(model: str, groups: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [group for group in groups if group["model"] == model and "with" in group]


def _members(variable: str, groups: Sequence[Mapping[str, Any]]) -> str:
    """How often the members of a group flip, against the others; empty where they were not compared."""
    for group in groups:
        gap = group["difference"]["found_rate"]
        if group["attribute"] != variable:
            continue
        if gap is None:
            return " One of the groups with it and without it has fewer than 10 members, so that they are not compared."
        rates = [wording.percent(group[side]["found_rate"]["value"]) for side in ("with", "without")]
        p = group.get("p", {}).get("found_rate")
        test = "" if p is None else f", p {wording.small(p)} after Holm"
        return (
            f" Of {group['with']['searched']} with it {rates[0]} flip by some change, of {group['without']['searched']} "
            f"without it {rates[1]}: {wording.points(gap['value'])} ({wording.span(gap, form='points')}{test})."
        )
    return ""


def _headline(effect: Mapping[str, Any], *, model: str, practical: float) -> str:
    name = wording.human(effect["variable"])
    size = f"{wording.number(practical)} logits"
    if effect["reading"] == LEANS:
        return f"“{model}” leans on {name}."
    if effect["reading"] == NOT:
        return f"“{model}” does not lean on {name} by more than {size}."
    return f"Whether “{model}” leans on {name}, one cannot tell."


def _detail(effect: Mapping[str, Any], *, label: str, noun: str) -> str:
    between, alone = effect["between"], effect["flips_alone"]
    estimate, p = effect["estimate"], effect["probability"]
    reason = effect["because"]
    because = f"{reason[:1].upper()}{reason[1:]}. " if reason else ""
    share = ""
    if alone["rate"] is not None:
        share = (
            f" Alone it changes the verdict on {alone['count']} of {wording.counted(alone['n'], noun)} "
            f"({wording.percent(alone['rate']['value'])}, 95 % interval {wording.span(alone['rate'])})."
        )
    return (
        f"{because}{wording.human(effect['variable'])} from {wording.ends(between)}, all else held: "
        f"{wording.number(estimate['value'], signed=True)} "
        f"logits for “{label}” (95 % interval {wording.span(estimate, form='logit')}), on average "
        f"{wording.points(p['value'])} of probability ({wording.span(p, form='points')}); "
        f"{wording.counted(effect['n'], noun)}.{share}"
    )
