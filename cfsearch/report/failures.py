"""Unsuccessful searches of the report: nearest misses, and settings to relax."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

from cfsearch.fronts.front import ParetoFront
from cfsearch.fronts.predicted import predicted_words
from cfsearch.numerics.percent import rounded_down

from . import wording
from .gallery import Entry, changes_of

MOST_ROWS = 500
_WORDS = 3


@final
@dataclass(frozen=True, slots=True)
class Failure:
    """One search without a verified counterfactual."""

    name: str
    model: str
    status: str
    reason: str
    message: str
    nearest: str
    advice: str


def build_failures(
    document: Mapping[str, Any], entries: Mapping[str, Entry], models: Mapping[str, str]
) -> list[Failure]:
    """Instances without a verified counterfactual, what came nearest, and what to try."""
    rows = []
    for about in document["instances"]:
        if about["status"] == "found":
            continue
        entry = entries.get(about["key"])
        rows.append(
            Failure(
                name=about["name"],
                model=models.get(about["model"], about["model"]),
                status=about["status"].replace("_", " "),
                reason=about["reason_text"].split(": ", 1)[-1] if about["reason_text"] else "",
                message=about["message"],
                nearest=wording.MISSING if entry is None else _nearest(entry.front),
                advice=_advice(about["reason"], document["search"]),
            )
        )
    return rows


def _nearest(front: ParetoFront) -> str:
    if not len(front):
        return wording.MISSING
    z = front.genuineness
    unclear = z is not None and bool(front.verified.any())
    lead = front.lead()
    i = int((lead if z is None or not unclear else z.nan_to_num(float("-inf"))).argmax())
    words = wording.listing([w for w, _ in changes_of(front, i)[:_WORDS]]) or "hardly a change"
    if z is not None and unclear and not math.isfinite(float(z[i])):
        return f"{words}: flips the model on the generated image, what its true counterfactual does could not be estimated"
    if z is not None and unclear:
        return (
            f"{words}: flips the model on the generated image, its true counterfactual is estimated {rounded_down(float(z[i])).replace('-', wording.MINUS)} standard errors "
            f"past the boundary, {float(front.extra['genuineness']['threshold']):g} are needed"
        )
    gap = float(lead[i])
    if gap > 0:
        return f"{words}: at the edge, less past the flip than counts as verified"
    number = predicted_words(front.labels, front.scores[i])
    if number:
        return f"{words}: comes to {wording.mark(number)}"
    return f"{words}: {wording.number(-gap)} in probability short of the flip"


def _advice(reason: str, search: Mapping[str, Any]) -> str:
    constraints = wording.listing(list(map(str, search["constraints"])))
    immutable = wording.listing(list(map(str, search["immutable"])))
    widen = [
        *([f"let {immutable} change"] if immutable else []),
        *([f"relax the constraint {constraints}"] if constraints else []),
    ]
    if reason == "budget_exhausted":
        return _sentence(["allow more evaluations", *widen])
    if reason == "stalled":
        return _sentence([*widen, "widen the bounds of the changes", "try another solver"])
    if reason == "constraints_infeasible":
        return _sentence(widen or ["widen the bounds of the changes"])
    if reason == "already_target":
        return "Nothing to search: ask for another target class."
    if reason == "not_genuine":
        return _sentence(
            [
                *widen,
                "take a generator whose reconstructions the model sees as it sees the images",
                "give more labelled images",
            ]
        )
    if reason == "no_cf_reason":
        return "Check the model's input range and labels with cfsearch doctor."
    if reason == "nothing_may_change":
        return _sentence([*widen, "widen the bounds of the changes", "leave this input out"])
    if reason == "provider_crashed":
        return (
            "The model ended its own process on this input, twice: ask it about this input alone, outside "
            "cfsearch. It is not queried again in this run."
        )
    if reason == "worker_died":
        return (
            "Three workers died on this input, of too little memory perhaps: repeat the run with fewer --workers; it is "
            "searched again then."
        )
    return "Read the message; repeat the run, which continues where it stopped."


def _sentence(parts: Sequence[str]) -> str:
    text = ", or ".join(parts)
    return f"{text[:1].upper()}{text[1:]}."
