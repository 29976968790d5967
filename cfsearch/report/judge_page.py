"""The page of ``cfsearch judge``: another tool's counterfactuals beside ours, one HTML file that needs nothing else."""

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, Final

from jaxtyping import Float
from markupsafe import Markup
from torch import Tensor

from cfsearch.fronts.predicted import numbered

from . import wording
from .page import asset, policy, template
from .pictures import Codec

_CODEC: Final = Codec(kind="webp", quality=85, side=128)
MOST_INPUTS: Final = 100
"""Inputs that are shown; the figures are of all."""
_NAMES: Final = {
    "gower": "Gower distance",
    "changed": "columns changed",
    "nearest": "distance to the nearest known row",
    "pixels": "share of pixels changed",
    "l1": "mean change of a pixel",
    "ssim": "structural similarity",
}
_SHORT: Final = {
    "gower": "Gower",
    "changed": "columns",
    "nearest": "to known",
    "pixels": "pixels",
    "l1": "mean change",
    "ssim": "SSIM",
}


def build_judge_page(
    document: Mapping[str, Any], pictures: Sequence[Sequence[Float[Tensor, "c h w"]]] = ()
) -> str:
    """The page as one HTML text.

    Args:
        document: what ``cfsearch judge --json`` prints.
        pictures: of each input, where inputs are pictures: the original, theirs, our sparsest.
    """
    marked = wording.mark_all(document)
    style = asset(("base.css", "explanation.css", "print.css"))
    sides = ["theirs", *(["ours"] if marked["summary"]["ours"] else [])]
    shown = marked["inputs"][:MOST_INPUTS]
    return template("judged.html").render(
        doc=marked,
        title=f"{marked['tool']} on {marked['model']}",
        version=version("cfsearch"),
        headline=headline(marked),
        sides=sides,
        overview=[(name, cells[: len(sides)]) for name, cells in overview(marked)],
        broken=marked["summary"]["theirs"]["broken"],
        inputs=[_input(entry, pictures[i] if pictures else ()) for i, entry in enumerate(shown)],
        left_out=len(marked["inputs"]) - len(shown),
        style=Markup(style),  # noqa: S704  # our own files
        policy=policy(style),
    )


def headline(document: Mapping[str, Any]) -> str:
    """What became of their counterfactuals, in a sentence.

    Args:
        document: what ``cfsearch judge --json`` prints.
    """
    theirs = document["summary"]["theirs"]
    n, valid = theirs["counterfactuals"], theirs["valid"]
    share = "none" if valid is None else f"{round(valid['value'] * n)} of {n}"
    judged = [entry for entry in document["inputs"] if not entry.get("because")]
    rest = len(document["inputs"]) - len(judged)
    unjudged = f"; {wording.counted(rest, document['noun'])} could not be judged" if rest else ""
    broken = 0 if theirs["keep_rules"] is None else n - round(theirs["keep_rules"]["value"] * n)
    return (
        f"{share} counterfactuals of {document['tool']} flip “{document['model']}”, of "
        f"{wording.counted(len(judged), document['noun'])}; {broken} "
        f"{'break a rule or cannot be read' if _ruled(document) else 'cannot be read'}{unjudged}."
    )


def _ruled(document: Mapping[str, Any]) -> bool:
    """Whether there are rules to break: those of a table's schema."""
    return bool(document["noun"] == "row")


def overview(document: Mapping[str, Any]) -> list[tuple[str, tuple[str, str]]]:
    """Figures of both sides, a row each.

    Args:
        document: what ``cfsearch judge --json`` prints.
    """
    theirs, ours = document["summary"]["theirs"], document["summary"]["ours"]
    noun = document["noun"]

    def share(name: str) -> tuple[str, str]:
        first, second = (
            wording.MISSING
            if side is None or side[name] is None
            else f"{wording.percent(side[name]['value'])} ({wording.span(side[name])})"
            for side in (theirs, ours)
        )
        return first, second

    rows = [
        (
            "counterfactuals",
            (f"{theirs['counterfactuals']}", "" if ours is None else f"{ours['counterfactuals']}"),
        ),
        ("flip the model, 95 % interval", share("valid")),
        *([("keep every rule", share("keep_rules"))] if _ruled(document) else []),
        (
            f"{noun}s with one that flips{' and keeps the rules' if _ruled(document) else ''}",
            share("inputs_served"),
        ),
    ]
    for name, words in _NAMES.items():
        if name in theirs["median"] or (ours is not None and name in ours["median"]):
            first, second = (
                wording.MISSING
                if side is None or name not in side["median"]
                else wording.number(side["median"][name])
                for side in (theirs, ours)
            )
            rows.append((f"{words}, median of those that flip", (first, second)))
    if ours is not None:
        rows.append(("one of ours is nowhere worse and somewhere better", (f"{theirs['dominated']}", "")))
    return rows


def measures(one: Mapping[str, Any]) -> str:
    """How a counterfactual measures, on one line.

    Args:
        one: as it stands in the document.
    """
    return ", ".join(
        f"{short} {wording.number(one[name]) if not float(one[name]).is_integer() else int(one[name])}"
        for name, short in _SHORT.items()
        if one.get(name) is not None
    )


def _input(entry: Mapping[str, Any], pictures: Sequence[Tensor]) -> dict[str, Any]:
    shown = [_CODEC.uri((picture.clamp(0, 1) * 255).round().byte()) for picture in pictures]
    many = len(entry["theirs"])
    theirs = [
        _line(one, f"{k + 1}", shown[k + 1] if k + 1 < len(shown) else None)
        for k, one in enumerate(entry["theirs"])
    ]
    ours = [_line(one, f"ours {k + 1}", None) for k, one in enumerate(entry["ours"] or ())]
    ours.sort(key=lambda line: line["order"])
    if ours and len(shown) > many + 1:
        ours[0]["picture"] = shown[-1]
    near = entry["nearest"]
    return {
        "name": entry["name"],
        "because": entry.get("because", ""),
        "source": numbered(entry["source"], entry.get("predicted")),
        "original": shown[0] if shown else None,
        "cells": entry["original"],
        "theirs": theirs,
        "ours": ours[:4],
        "ours_left_out": max(0, len(ours) - 4),
        "nearest": None
        if near is None
        else {
            "reached": numbered(near.get("reached", ""), near.get("predicted")),
            "measures": measures(near),
            "words": "; ".join(near.get("changes", ())) or near.get("name", ""),
        },
    }


def _line(one: Mapping[str, Any], name: str, picture: str | None) -> dict[str, Any]:
    return {
        "name": name,
        "valid": one["valid"],
        "reached": numbered(one.get("reached", ""), one.get("predicted")),
        "measures": measures(one),
        "words": "; ".join(one.get("changes", ())) or one["because"],
        "broken": one["broken"],
        "dominated": one.get("dominated") is True,
        "picture": picture,
        "order": (one.get("changed") or 0, one.get("gower") or one.get("l1") or 0.0),
    }
