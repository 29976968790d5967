"""What a model decides by group, towards the class that an audit asks for: the first thing to know of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

from cfsearch.numerics.percent import percent

from . import wording


@final
@dataclass(frozen=True, slots=True)
class Difference:
    """Of two groups' shares.

    Args:
        less: which groups, "male less female".
        value, low, high: in shares, with the 95 % interval.
        p: after the correction for all comparisons of the audit; None where it was not tested.
    """

    less: str
    value: float
    low: float
    high: float
    p: float | None

    @property
    def sentence(self) -> str:
        """For a terminal: "male less female: +43 points, +30 to +55; p <0.001"."""
        points = ", ".join(
            (f"{100 * self.value:+.0f} points", f"{100 * self.low:+.0f} to {100 * self.high:+.0f}")
        )
        return f"{self.less}: {points}" + (
            "" if self.p is None else f"; p {wording.small(self.p)} after Holm"
        )


@final
@dataclass(frozen=True, slots=True)
class Decisions:
    """The share of each group that a model puts into one class.

    Args:
        column: by which inputs are grouped.
        model: its identifier in the document.
        label: the class.
        shares: by group, its share with the interval's ends, and how many inputs; None for too few.
        differences: of the groups.
    """

    column: str
    model: str
    label: str
    shares: tuple[tuple[str, tuple[float, float, float] | None, int], ...]
    differences: tuple[Difference, ...]

    @property
    def apart(self) -> Difference | None:
        """The widest difference whose p-value, or without one whose interval, is clear of nothing."""
        sure = [d for d in self.differences if (d.low > 0 or d.high < 0) and (d.p is None or d.p < 0.05)]
        return max(sure, key=lambda d: abs(d.value), default=None)

    @property
    def sentence(self) -> str:
        """For a terminal: "the model says yes: male 75 %, 66 % to 82 %, of 100; female ..."."""
        parts = [
            f"{name} "
            + (
                "too few"
                if share is None
                else f"{percent(share[0])}, {percent(share[1])} to {percent(share[2])}"
            )
            + f" of {n}"
            for name, share, n in self.shares
        ]
        return f"by {self.column}, the model says {self.label}: {'; '.join(parts)}."


def decisions(document: Mapping[str, Any]) -> tuple[Decisions, ...]:
    """What each model decides by each column of ``by``, towards the target class.

    A document counts the last class. Where the target is the other one of two, shares are turned round;
    where it is another of several, or none was given, they are of the last class.

    Args:
        document: the content of ``audit.json``.
    """
    labels = {entry["id"]: entry["labels"] for entry in document["models"]}
    found = []
    for entry in document.get("groups", ()) if document["search"].get("decided") is None else ():
        known = labels[entry["model"]]
        turned = len(known) == 2 and document["search"]["target"] == known[0]
        if "with" in entry:
            parts = [
                (f"{entry['attribute']}: {side}", entry[key])
                for side, key in (("yes", "with"), ("no", "without"))
            ]
            compared = [("yes less no", entry["difference"], entry.get("p", {}))]
        else:
            parts = [(part["name"], part) for part in entry["groups"]]
            compared = [
                (f"{one['name']} less {one['against']}", one["difference"], one["p"])
                for one in entry["comparisons"]
            ]
        found.append(
            Decisions(
                entry["attribute"],
                entry["model"],
                known[0] if turned else known[-1],
                tuple(
                    (name, _share(part["decided"], turned=turned), part["instances"]) for name, part in parts
                ),
                tuple(
                    _difference(less, figures["decided"], p.get("decided"), turned=turned)
                    for less, figures, p in compared
                    if figures["decided"] is not None
                ),
            )
        )
    return tuple(found)


def _share(rate: Mapping[str, float] | None, *, turned: bool) -> tuple[float, float, float] | None:
    if rate is None:
        return None
    if turned:
        return 1.0 - rate["value"], 1.0 - rate["high"], 1.0 - rate["low"]
    return rate["value"], rate["low"], rate["high"]


def _difference(less: str, figure: Mapping[str, float], p: float | None, *, turned: bool) -> Difference:
    value, low, high = figure["value"], figure["low"], figure["high"]
    return Difference(less, -value, -high, -low, p) if turned else Difference(less, value, low, high, p)


def headline(found: Decisions) -> str:
    """The first sentence on a page: what the model decides, where groups stand clearly apart; else empty.

    Args:
        found: of one column.
    """
    apart = found.apart
    if apart is None:
        return ""
    first, _, second = apart.less.partition(" less ")
    shares = {name: share for name, share, _ in found.shares}
    one, other = shares.get(first), shares.get(second)
    beside = f", {second} in {percent(other[0])}" if other is not None else ""
    p = "" if apart.p is None else f", p {wording.small(apart.p)} after Holm"
    if one is None:
        return ""
    return (
        f"By {found.column}, the model says {found.label} for {first} in {percent(one[0])}{beside}: "
        f"{100 * apart.value:+.0f} points against {second} (95 % interval {100 * apart.low:+.0f} to "
        f"{100 * apart.high:+.0f}{p})."
    )
