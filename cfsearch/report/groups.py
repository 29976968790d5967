"""Rows of the report's group comparison tables."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from . import wording
from .plan import MOST_LINES

_SURE = 0.05
_SIDES = ("with", "without")


@final
@dataclass(frozen=True, slots=True)
class Estimate:
    """A figure and its interval as text, "64 %" and "39 to 84 %"."""

    text: str
    interval: str


@final
@dataclass(frozen=True, slots=True)
class Group:
    """One group of inputs: how many, what the model decides, how many of those searched flip."""

    name: str
    instances: int
    decided: Estimate
    searched: int
    found: Estimate
    ratio: Estimate | None = None


@final
@dataclass(frozen=True, slots=True)
class Comparison:
    """One group less another, or less all others; ``p`` after Holm's correction, empty without a test."""

    what: str
    difference: Estimate
    p: str
    verdict: str


@final
@dataclass(frozen=True, slots=True)
class Detail:
    """An effect, or a change of the sparsest flips: its size in each group, and their differences."""

    name: str
    sizes: tuple[tuple[str, Estimate], ...]
    comparisons: tuple[Comparison, ...]


@final
@dataclass(frozen=True, slots=True)
class Grouping:
    """One attribute or column by which results were compared.

    Args:
        title: the attribute in words.
        model: the name of the model; empty where there is one only.
        label: the class whose share is ``decided``.
        decided, found: comparisons of the two figures.
        details: effects in logits or, with ``of_changes``, shares of flips.
        corrected: whether verdicts follow p-values after Holm's correction; runs of before it spanned all
            that is compared have none of two groups, which their interval then decides.
        family: how many tests were corrected together; None in such runs.
        impact: what impact ratios are of; empty where there are none.
        more: changes beyond those in ``details``.
    """

    title: str
    model: str
    label: str
    note: str
    groups: tuple[Group, ...]
    decided: tuple[Comparison, ...]
    found: tuple[Comparison, ...]
    details: tuple[Detail, ...]
    of_changes: bool
    corrected: bool
    family: int | None
    impact: str = ""
    more: int = 0


def groupings(document: Mapping[str, Any]) -> tuple[Grouping, ...]:
    """The attributes or columns that a document compares by; none without groups."""
    models = {m["id"]: m for m in document["models"]}
    return tuple(
        (_of_images if "with" in entry else _of_rows)(
            entry,
            models[entry["model"]]["name"] if len(models) > 1 else "",
            models[entry["model"]]["labels"][-1],
        )
        for entry in document.get("groups", ())
    )


def _of_images(entry: Mapping[str, Any], model: str, label: str) -> Grouping:
    title = wording.human(entry["attribute"])
    names = (f"{title}: yes", f"{title}: no")
    less, family = "yes less no", entry.get("family")
    corrected = family is not None

    def compared(figure: str) -> tuple[Comparison, ...]:
        p = entry["p"][figure] if corrected else None
        return (_comparison(less, entry["difference"][figure], p, corrected=corrected),)

    return Grouping(
        title=title,
        model=model,
        label=label,
        note="",
        groups=tuple(_group(name, entry[side]) for name, side in zip(names, _SIDES, strict=True)),
        decided=compared("decided"),
        found=compared("found_rate"),
        details=tuple(
            Detail(
                wording.human(effect["variable"]),
                tuple(
                    (name, _logits(effect[side])) for name, side in zip(("yes", "no"), _SIDES, strict=True)
                ),
                (
                    _comparison(
                        less, effect["difference"], effect.get("p"), corrected=corrected, form="logit"
                    ),
                ),
            )
            for effect in entry["effects"]
        ),
        of_changes=False,
        corrected=corrected,
        family=family,
    )


def _of_rows(entry: Mapping[str, Any], model: str, label: str) -> Grouping:
    family = entry.get("family")
    corrected = family is not None or len(entry["groups"]) > 2

    def compared(figure: str) -> tuple[Comparison, ...]:
        return tuple(
            _comparison(_less(one), one["difference"][figure], one["p"][figure], corrected=corrected)
            for one in entry["comparisons"]
        )

    return Grouping(
        title=entry["attribute"],
        model=model,
        label=label,
        note=entry["note"],
        groups=tuple(_group(part["name"], part, _ratio(entry, part["name"])) for part in entry["groups"]),
        decided=compared("decided"),
        found=compared("found_rate"),
        details=tuple(
            Detail(
                wording.moved(change["variable"], direction=change["direction"]),
                tuple((part["name"], _share(part["rate"])) for part in change["groups"]),
                tuple(
                    _comparison(_less(one), one["difference"], one["p"], corrected=corrected)
                    for one in change["comparisons"]
                ),
            )
            for change in entry["changes"][:MOST_LINES]
        ),
        of_changes=True,
        corrected=corrected,
        family=family,
        impact=_impact(entry.get("impact")),
        more=max(0, len(entry["changes"]) - MOST_LINES),
    )


def _less(one: Mapping[str, Any]) -> str:
    return f"{one['name']} less {one['against']}"


def _group(name: str, part: Mapping[str, Any], ratio: Estimate | None = None) -> Group:
    return Group(
        name, part["instances"], _share(part["decided"]), part["searched"], _share(part["found_rate"]), ratio
    )


def _ratio(entry: Mapping[str, Any], name: str) -> Estimate | None:
    """A group's impact ratio; 1 of the most selected one."""
    impact = entry.get("impact")
    if impact is None:
        return None
    if name == impact["most_selected"]:
        return Estimate("1.00", "most selected")
    ratio = next(group["ratio"] for group in impact["groups"] if group["name"] == name)
    if ratio is None:
        return Estimate(wording.MISSING, "no interval")
    return Estimate(
        wording.number(ratio["value"]), f"{wording.number(ratio['low'])} to {wording.number(ratio['high'])}"
    )


def _impact(impact: Mapping[str, Any] | None) -> str:
    """What impact ratios are, and which rows are in none."""
    if impact is None or impact["most_selected"] is None:
        return ""
    unknown = impact["unknown"]
    gone = f" {wording.counted(unknown, 'row')} are unknown or left out." if unknown else ""
    return (
        f"The impact ratio is a group's share of “{impact['label']}” over that of {impact['most_selected']}, the most "
        f"selected group; a ratio below 0.8 is what the four-fifths rule looks at.{gone}"
    )


def _comparison(
    what: str,
    difference: Mapping[str, float | None] | None,
    p: float | None,
    *,
    corrected: bool,
    form: str = "points",
) -> Comparison:
    side = wording.sides(difference)
    value = wording.rate(difference)
    sure = side not in (None, 0) if not corrected else p is not None and p < _SURE and value not in (None, 0)
    higher = value is not None and value > 0
    return Comparison(
        what,
        _logits(difference) if form == "logit" else _points(difference),
        "" if p is None else wording.small(p),
        "not measured" if side is None else ("higher" if higher else "lower") if sure else "cannot tell",
    )


def _share(rate: Mapping[str, float | None] | None) -> Estimate:
    return Estimate(wording.percent(wording.rate(rate)), wording.span(rate))


def _logits(effect: Mapping[str, float | None] | None) -> Estimate:
    return Estimate(wording.number(wording.rate(effect), signed=True), wording.span(effect, form="logit"))


def _points(difference: Mapping[str, float | None] | None) -> Estimate:
    return Estimate(wording.points(wording.rate(difference)), wording.span(difference, form="points"))
