"""Variables whose effects on two models lie apart, in words."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from . import wording
from .charts import LEAST_EDITED, judged

LEAST_STRENGTH = 0.5
"""Strength of an edit, as a share of the difference that labels make, below which an effect says nothing."""
_MATTERS = 0.5  # logits; a smaller difference is no contrast


@final
@dataclass(frozen=True, slots=True)
class Contrast:
    """A variable with effects on two models whose intervals lie apart."""

    variable: str
    headline: str
    detail: str


def contrasts(effects: Sequence[Mapping[str, Any]], names: Mapping[str, str]) -> list[Contrast]:
    """Variables whose intervals lie apart for the first two models, widest gap first.

    An effect through the generator that says nothing of its attribute on one of the models is no contrast, however far
    apart the intervals lie.

    Args:
        effects: as they stand in ``audit.json``.
        names: of the models by their ids.
    """
    if len(names) < 2:
        return []
    (a, first), (b, second) = list(names.items())[:2]
    of = {(e["model"], e["variable"]): e for e in effects}
    found = []
    for variable in dict.fromkeys(e["variable"] for e in effects if judged(e) != "hardly edited"):
        pair = [_best(of.get((model, variable))) for model in (a, b)]
        if pair[0] is None or pair[1] is None:
            continue
        left, right = pair[0], pair[1]
        gap = max(right["low"] - left["high"], left["low"] - right["high"])
        if gap > 0 and abs(right["value"] - left["value"]) >= _MATTERS:
            found.append((gap, _apart(variable, first, left, second, right)))
    return [contrast for _, contrast in sorted(found, key=lambda pair: -pair[0])]


def _best(effect: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """The truth where it is known, elsewhere the estimate where it says anything; None where a number is missing."""
    for part in ("truth", "estimate"):
        found = None if effect is None else effect[part]
        if found and all(wording.finite(found[k]) is not None for k in ("value", "low", "high")):
            return {**found, "known": part == "truth"} if part == "truth" or tells(effect or {}) else None
    return None


def tells(effect: Mapping[str, Any]) -> bool:
    """Whether an effect through the generator says anything of its attribute on a model.

    Not where nobody measured whether its edits are seen, where most are not or are weaker than half of the difference that
    labels make, where the generator's own error was not measured, or what is known of it contradicts.

    Args:
        effect: an entry of the document, without a true re-render.
    """
    success, strength = (
        wording.finite(effect.get("edit_success")),
        wording.finite(effect.get("edit_strength")),
    )
    if success is None or success < LEAST_EDITED:
        return False
    if strength is not None and strength < LEAST_STRENGTH:
        return False
    return effect.get("correction", {}) is not None and "contradict" not in effect.get("because", "")


def _apart(
    variable: str, first: str, left: Mapping[str, Any], second: str, right: Mapping[str, Any]
) -> Contrast:
    large = min(abs(left["value"]), abs(right["value"])) >= _MATTERS
    opposite = large and {wording.sides(left), wording.sides(right)} == {-1, 1}
    name = wording.human(variable)
    headline = (
        f"{name} pushes the two models in opposite directions."
        if opposite
        else f"{name} weighs differently in the two models."
    )
    parts = [
        f"{wording.number(effect['value'], signed=True)} logits "
        f"({wording.span(effect, form='logit')}) for “{model}”"
        for model, effect in ((first, left), (second, right))
    ]
    how = "Measured by re-rendering" if left["known"] and right["known"] else "Through the generator"
    return Contrast(variable, headline, f"{how}: {'; '.join(parts)}. The 95 % intervals do not overlap.")
