"""Rows of the report's tables on protected columns of a table."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, final

from . import wording
from .plan import MOST_LINES

READINGS = {"leans": "sets them apart", "does not lean": "too small to matter", "cannot tell": "cannot tell"}
"""What a reading is called beside one figure."""


@final
@dataclass(frozen=True, slots=True)
class Line:
    """One figure: what was changed, in logits and in probability, with p and reading."""

    path: str
    kind: str
    logits: str
    logits_interval: str
    points: str
    points_interval: str
    n: int
    p: str
    reading: str


@final
@dataclass(frozen=True, slots=True)
class Compared:
    """One group against another, with its figures; ``more`` single columns do less than those."""

    title: str
    lines: tuple[Line, ...]
    more: int = 0


@final
@dataclass(frozen=True, slots=True)
class Group:
    """One group: how many rows, the effect there, what its nearest flip costs."""

    name: str
    instances: int
    effect: str
    interval: str
    cost: str
    cost_interval: str


@final
@dataclass(frozen=True, slots=True)
class ProtectedColumn:
    """A protected column with all that is known of it.

    Args:
        name: of the column.
        model: the model's name; empty where there is one only.
        headline: the verdict in a sentence.
        held: what was held, and how groups came about.
        compared: the comparisons.
        groups: the groups of its first comparison.
        sentences: on verdicts that it changes alone, on members, on cost.
        has_cost: whether any group has a cost.
    """

    name: str
    model: str
    headline: str
    held: str
    compared: tuple[Compared, ...]
    groups: tuple[Group, ...]
    sentences: tuple[str, ...]
    has_cost: bool


def protected_columns(document: Mapping[str, Any]) -> tuple[ProtectedColumn, ...]:
    """The protected columns of a document; none of other inputs than rows.

    Args:
        document: the content of ``audit.json``.
    """
    models = {m["id"]: m["name"] for m in document["models"]}
    headlines = {(v["model"], v["variable"]): v["headline"] for v in document.get("verdicts", ())}
    return tuple(
        ProtectedColumn(
            row["column"],
            models[row["model"]] if len(models) > 1 else "",
            headlines.get((row["model"], row["column"]), ""),
            _held(row),
            tuple(
                Compared(
                    f"{c['name']} less {c['against']}",
                    tuple(_lines(row, c)),
                    max(0, len(c["proxies"]) - MOST_LINES),
                )
                for c in row["comparisons"]
            ),
            tuple(_groups(row)),
            tuple(_sentences(row)),
            row["cost"] is not None,
        )
        for row in document.get("columns", ())
    )


def _held(row: Mapping[str, Any]) -> str:
    parts = [
        f"The model does not take {row['column']}; only the other columns can carry it."
        if not row["taken"]
        else f"“Alone” changes {row['column']} and holds all other columns: it is no change of a person, in whom others "
        "would have come out otherwise as well.",
        f"It counts as protected by its name ({row['kind']})." if row["guessed"] else "",
        row["note"],
        f"{wording.counted(row['unknown'], 'row')} without a value are in no group."
        if row["unknown"]
        else "",
        f"{wording.listing(row['left_out'])}: fewer than 10 rows, left out." if row["left_out"] else "",
        "Probabilities of exactly 0 or 1 count as 0.005 from them, so that their logits are finite."
        if row["clipped"]
        else "",
        "" if row["comparisons"] else f"{row['because'] or row['through']['because']}.",
    ]
    return " ".join(part for part in parts if part)


def _lines(row: Mapping[str, Any], c: Mapping[str, Any]) -> Iterator[Line]:
    if c["effect"] is not None:
        yield _line(f"{row['column']} alone", "alone", c["effect"])
    if c["linked"] is not None:
        yield _line(f"with {wording.listing(row['linked'])} moved along", "alone", c["linked"])
    yield _line("all other columns together", "together", c["through"])
    for proxy in sorted(c["proxies"], key=lambda p: -abs(p["logits"]["value"]))[:MOST_LINES]:
        yield _line(proxy["column"], "proxy", proxy)


def _line(path: str, kind: str, entry: Mapping[str, Any]) -> Line:
    logits, p = entry["logits"], entry["probability"]
    return Line(
        path,
        kind,
        wording.number(wording.rate(logits), signed=True),
        wording.span(logits, form="logit"),
        wording.points(wording.rate(p)),
        wording.span(p, form="points"),
        entry["n"],
        "" if entry.get("p") is None else wording.small(entry["p"]),
        READINGS.get(entry.get("reading", ""), ""),
    )


def _groups(row: Mapping[str, Any]) -> Iterator[Group]:
    costs = {g["name"]: g["mean"] for g in (row["cost"] or {}).get("groups", ())}
    effects = {g["name"]: g["logits"] for c in row["comparisons"][:1] for g in c["by_group"]}
    for group in row["groups"]:
        effect, cost = effects.get(group["name"]), costs.get(group["name"])
        yield Group(
            group["name"],
            group["instances"],
            wording.number(wording.rate(effect), signed=True),
            "" if effect is None else wording.span(effect, form="logit"),
            wording.number(wording.rate(cost), digits=3),
            ""
            if cost is None
            else f"{wording.number(cost['low'], digits=3)} to {wording.number(cost['high'], digits=3)}",
        )


def _sentences(row: Mapping[str, Any]) -> Iterator[str]:
    alone, members = row["flips_alone"], row["members"]
    if alone is not None and alone["rate"] is not None:
        yield (
            f"Changed alone, {row['column']} changes the verdict on {alone['count']} of "
            f"{wording.counted(alone['n'], 'row')} ({wording.percent(alone['rate']['value'])}, 95 % interval "
            f"{wording.span(alone['rate'])})."
        )
    if members is not None and members["changed"]["n"] and members["changed"]["rate"] is not None:
        share = members["changed"]["rate"]
        yield (
            f"Of the nearest verified counterfactuals of a row {wording.percent(share['value'])} change "
            f"{row['column']} ({wording.span(share)})."
        )
        for name, words in (("necessary", "need that change"), ("sufficient", "flip by that change alone")):
            rate = members[name]["rate"]
            if rate is not None:
                yield (
                    f"Of those that do, {wording.percent(rate['value'])} {words} ({wording.span(rate)}; "
                    f"{wording.counted(members[name]['n'], 'row')})."
                )
    for gap in (row["cost"] or {}).get("comparisons", ()):
        if gap["difference"] is not None:
            d = gap["difference"]
            p = "" if gap["p"] is None else f", p {wording.small(gap['p'])} after Holm"
            yield (
                f"Cost of the nearest flip, {gap['name']} less {gap['against']}: "
                f"{wording.number(d['value'], signed=True, digits=3)} of Gower's distance "
                f"({wording.number(d['low'], signed=True, digits=3)} to "
                f"{wording.number(d['high'], signed=True, digits=3)}{p})."
            )
