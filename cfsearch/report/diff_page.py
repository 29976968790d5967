"""The page of two audits side by side: one HTML file that needs nothing else."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any, Final, final

from jaxtyping import UInt8
from markupsafe import Markup
from torch import Tensor

from . import wording
from .agreement import counterfactual
from .page import asset, policy, template
from .pictures import Codec

_CODEC: Final = Codec(kind="webp", quality=85, side=128)
MOST_PAIRS: Final = 24
"""Inputs that are shown, those that differ first."""


_SHARES: Final = {
    "genuine": "“Genuine” is the share with a genuine flip of the inputs with a flip in both audits.",
    "agreement": "“Agreement” is the share with a flip that is genuine by both generators, of those with one by the first in both.",
}


@final
@dataclass(frozen=True, slots=True, eq=False)
class Pair:
    """One input in both audits.

    Args:
        name: of the input.
        sides: what the first model says, and what the second.
        differs: whether the two say different things.
        original: the picture; None of other inputs.
        changed: the sparsest counterfactual of each, None where there is none.
    """

    name: str
    sides: tuple[str, str]
    differs: bool
    original: UInt8[Tensor, "c h w"] | None = None
    changed: tuple[UInt8[Tensor, "c h w"] | None, UInt8[Tensor, "c h w"] | None] = (None, None)


def build_diff_page(document: Mapping[str, Any], pairs: Sequence[Pair]) -> str:
    """The page as one HTML text.

    Args:
        document: what ``cfsearch diff --json`` prints.
        pairs: the shared inputs.
    """
    marked = wording.mark_all(document)
    style = asset(("base.css", "explanation.css", "print.css"))
    shown = sorted(pairs, key=lambda pair: not pair.differs)[:MOST_PAIRS]
    return template("difference.html").render(
        doc=marked,
        title=f"{marked['first']['model']} and {marked['second']['model']}",
        version=version("cfsearch"),
        rows=[_row(row) for row in marked["rows"]],
        headlines=headlines(marked),
        how=how(marked),
        counted_as=_found(marked),
        pairs=[_pair(pair) for pair in shown],
        left_out=len(pairs) - len(shown),
        style=Markup(style),  # noqa: S704  # our own files
        policy=policy(style),
    )


def headlines(document: Mapping[str, Any]) -> list[str]:
    """What has changed, in sentences; that nothing can be decided, where it cannot.

    Args:
        document: what ``cfsearch diff --json`` prints.
    """
    changed = [row for row in document["rows"] if row["reading"] == "changed"]
    changed.sort(key=lambda row: -abs(row["difference"]["value"]))
    sentences = [f"{named(row, document)}: {figures(row)}." for row in changed]
    if sentences:
        return sentences
    if all(row["reading"] == "not changed" for row in document["rows"]):
        return ["Nothing has changed by more than the practical size."]
    return ["Of no figure can one tell that it has changed."]


def how(document: Mapping[str, Any]) -> str:
    """Which effects and shares are compared, a sentence each; empty where there are none of these.

    Args:
        document: what ``cfsearch diff --json`` prints.
    """
    of = {row["figure"] for row in document["rows"]}
    sentences = [text for figure, text in _SHARES.items() if figure in of]
    return " ".join([*([_effects(document)] if "effect" in of else []), *sentences])


def _effects(document: Mapping[str, Any]) -> str:
    alone = "verdicts that an attribute changes alone are counted as the generator shows them."
    if document["corrected"]:
        return (
            f"Effects are less the generator's own error on each model, which their intervals hold; {alone}"
        )
    return f"Effects are as they are through the generator, its own error included; {alone}"


def named(row: Mapping[str, Any], document: Mapping[str, Any]) -> str:
    """What a row is of, in words.

    Args:
        row: of the document.
        document: what ``cfsearch diff --json`` prints.
    """
    subject = wording.human(row["subject"])
    return {
        "decided": f"Share decided as “{document['label']}”",
        "found": f"Share with a {_found(document)}",
        "genuine": "Share with a genuine flip, of those with a flip in both audits",
        "agreement": "Share with a flip that is genuine by both generators, of those with one that is by the first in both audits",
        "flips_alone": f"Verdicts that {subject} changes alone",
        "effect": f"Effect of {subject} on “{document['label']}”",
    }[row["figure"]]


def _found(document: Mapping[str, Any]) -> str:
    """What both audits count as found; a share that is genuine is among the rows where both took out what is not."""
    return counterfactual(genuine=any(row["figure"] == "genuine" for row in document["rows"]))


def figures(row: Mapping[str, Any]) -> str:
    """Both values and their difference, in words.

    Args:
        row: of the document.
    """
    if row["unit"] == "logit":
        return (
            f"{wording.number(row['first'], signed=True)} before, {wording.number(row['second'], signed=True)} after, "
            f"difference {wording.number(row['difference']['value'], signed=True)} logits "
            f"(95 % interval {wording.span(row['difference'], form='logit')})"
        )
    return (
        f"{wording.percent(row['first'])} before, {wording.percent(row['second'])} after, difference "
        f"{wording.points(row['difference']['value'])} (95 % interval {wording.span(row['difference'], form='points')})"
    )


def _row(row: Mapping[str, Any]) -> dict[str, str]:
    logit = row["unit"] == "logit"
    value = (lambda v: wording.number(v, signed=True)) if logit else wording.percent
    gap = row["difference"]
    change = None if gap is None else gap["value"]
    return {
        "figure": row["figure"],
        "subject": wording.human(row["subject"]),
        "first": value(row["first"]),
        "second": value(row["second"]),
        "difference": wording.number(change, signed=True) if logit else wording.points(change),
        "interval": wording.span(gap, form="logit" if logit else "points"),
        "only": "" if logit else f"{row['only_first']} / {row['only_second']}",
        "n": str(row["n"]),
        "p": wording.MISSING if row["p"] is None else wording.small(row["p"]),
        "reading": row["reading"],
        "because": row["because"],
    }


def _pair(pair: Pair) -> dict[str, Any]:
    return {
        "name": wording.mark(pair.name),
        "sides": [wording.mark(side) for side in pair.sides],
        "differs": pair.differs,
        "original": None if pair.original is None else _CODEC.uri(pair.original),
        "changed": [None if picture is None else _CODEC.uri(picture) for picture in pair.changed],
    }
