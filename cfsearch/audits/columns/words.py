"""Sentences on protected columns: whether a model leans on one, directly or through others, and what was held."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cfsearch.audits.verdict import LEANS, NOT, UNSURE
from cfsearch.report import wording

_ORDER: Final = {LEANS: 0, UNSURE: 1, NOT: 2}
_MOST_NAMED: Final = 3


def column_verdicts(
    rows: Sequence[Mapping[str, Any]],
    *,
    models: Sequence[Mapping[str, Any]],
    practical: float,
    noun: str = "row",
) -> list[dict[str, Any]]:
    """The first sentences on protected columns, those that one can tell of first.

    Args:
        rows: as they stand under ``columns`` in ``audit.json``.
        models: likewise.
        practical: size in logits from which an effect matters.
        noun: what one input is called.
    """
    names = {model["id"]: model["name"] for model in models}
    found = [
        {
            "model": row["model"],
            "variable": row["column"],
            "protected": not row["guessed"],
            "reading": row["reading"],
            "through": row["through"]["reading"],
            "because": row["because"],
            "headline": headline(row, model=names[row["model"]], practical=practical),
            "detail": detail(row, noun=noun),
        }
        for row in rows
        if not (row["guessed"] and not row["comparisons"])
    ]
    return sorted(found, key=lambda v: (_ORDER[v["reading"]], _ORDER[v["through"]]))


def headline(row: Mapping[str, Any], *, model: str, practical: float) -> str:
    """One sentence: directly, through other columns, both, neither, or undecided.

    Args:
        row: of ``columns`` in ``audit.json``.
        model: its name.
        practical: size in logits from which an effect matters.
    """
    name, size = row["column"], f"{wording.number(practical)} logits"
    alone, through = row["reading"], row["through"]["reading"]
    by = named_proxies(row)
    others = f"through other columns{f' ({wording.listing(by)})' if by else ''}"
    if not row["taken"]:
        match through:
            case "leans":
                return f"“{model}” is not given {name}, and treats its groups differently {others}."
            case "does not lean":
                return f"“{model}” is not given {name}, and the other columns set its groups apart by less than {size}."
            case _:
                return f"“{model}” is not given {name}; whether it leans on it through other columns, one cannot tell."
    match alone, through:
        case ("leans", "leans"):
            return f"“{model}” leans on {name} directly, and {others}."
        case ("leans", "does not lean"):
            return f"“{model}” leans on {name} directly, and not through other columns by more than {size}."
        case ("leans", _):
            return f"“{model}” leans on {name} directly."
        case ("does not lean", "leans"):
            return f"“{model}” does not lean on {name} directly by more than {size}, but {others}."
        case ("does not lean", "does not lean"):
            return f"“{model}” does not lean on {name} by more than {size}, neither directly nor through other columns."
        case ("does not lean", _):
            return f"“{model}” does not lean on {name} directly by more than {size}; through other columns, one cannot tell."
        case (_, "leans"):
            return f"“{model}” treats the groups of {name} differently {others}; whether directly too, one cannot tell."
        case _:
            return f"Whether “{model}” leans on {name}, one cannot tell."


def named_proxies(row: Mapping[str, Any]) -> list[str]:
    """The columns that set groups apart by themselves beyond the practical size, the strongest first.

    Args:
        row: of ``columns`` in ``audit.json``.
    """
    if row["through"]["reading"] != LEANS:
        return []
    size: dict[str, float] = {}
    for comparison in row["comparisons"]:
        if comparison["through"]["reading"] != LEANS:
            continue
        for proxy in comparison["proxies"]:
            if proxy["reading"] == LEANS:
                size[proxy["column"]] = max(size.get(proxy["column"], 0.0), abs(proxy["logits"]["value"]))
    return sorted(size, key=lambda name: -size[name])[:_MOST_NAMED]


def detail(row: Mapping[str, Any], *, noun: str = "row") -> str:
    """What was changed and what was held, with the figures of the widest comparison.

    Args:
        row: of ``columns`` in ``audit.json``.
        noun: what one input is called.
    """
    if not row["comparisons"]:
        return f"{_upper(row['because'] or row['through']['because'])}."
    part = "effect" if row["taken"] else "through"
    widest = max(row["comparisons"], key=lambda c: _size(c[part]) + 1e-3 * _size(c["through"]))
    parts = [_alone(row, widest, noun), _linked(row, widest), _through(row, widest), _proxied(widest)]
    return " ".join(text for text in (*parts, _searched(row), _unknown(row, noun)) if text)


def _alone(row: Mapping[str, Any], c: Mapping[str, Any], noun: str) -> str:
    effect = c["effect"]
    if effect is None:
        return f"The model is not given {row['column']}, so that changing it alone changes nothing."
    flips = row["flips_alone"]
    share = ""
    if flips is not None and flips["rate"] is not None:
        share = (
            f", and it alone changes the verdict on {flips['count']} of {wording.counted(flips['n'], noun)} "
            f"({wording.percent(flips['rate']['value'])}, 95 % interval {wording.span(flips['rate'])})"
        )
    return (
        f"{c['name']} instead of {c['against']}, all other columns held: {_figures(effect, row['label'])}; "
        f"{wording.counted(effect['n'], noun)}{share}."
    )


def _linked(row: Mapping[str, Any], c: Mapping[str, Any]) -> str:
    if c["linked"] is None:
        return ""
    return f"With {wording.listing(row['linked'])} moved along: {_figures(c['linked'])}."


def _through(row: Mapping[str, Any], c: Mapping[str, Any]) -> str:
    held = f", {row['column']} counted alike for all" if row["taken"] else ""
    return f"All other columns together, as they are in each group{held}: {_figures(c['through'])}."


def _proxied(c: Mapping[str, Any]) -> str:
    found = [p for p in c["proxies"] if p["reading"] == LEANS]
    if not found:
        return ""
    found.sort(key=lambda p: -abs(p["logits"]["value"]))
    each = [
        f"{p['column']} {wording.number(p['logits']['value'], signed=True)} "
        f"({wording.span(p['logits'], form='logit')})"
        for p in found[:_MOST_NAMED]
    ]
    return f"Moved alone to the other group's distribution: {wording.listing(each)}."


def _searched(row: Mapping[str, Any]) -> str:
    """What the counterfactuals say: cost by group, necessity, sufficiency."""
    out = [
        f"The nearest flip costs {gap['name']} {wording.number(gap['difference']['value'], signed=True, digits=3)} of "
        f"Gower's distance against {gap['against']} ({_ends(gap['difference'])}, "
        f"p {wording.small(gap['p'])} after Holm)."
        for gap in (row["cost"] or {}).get("comparisons", ())
        if gap["difference"] is not None and gap["p"] is not None and gap["p"] < 0.05
    ]
    members = row["members"]
    if members is not None and members["necessary"]["rate"] is not None:
        need, enough = members["necessary"]["rate"]["value"], members["sufficient"]["rate"]["value"]
        out.append(
            f"Of counterfactuals that change {row['column']} {wording.percent(need)} need that change, and in "
            f"{wording.percent(enough)} it is enough."
        )
    return " ".join(out)


def _ends(interval: Mapping[str, float]) -> str:
    low, high = (wording.number(interval[end], signed=True, digits=3) for end in ("low", "high"))
    return f"{low} to {high}"


def _unknown(row: Mapping[str, Any], noun: str) -> str:
    out = []
    if row["unknown"]:
        out.append(f"{row['column']} of {wording.counted(row['unknown'], noun)} is unknown.")
    if row["left_out"]:
        out.append(f"{wording.listing(row['left_out'])}: fewer than 10 {noun}s, left out.")
    return " ".join(out)


def _figures(effect: Mapping[str, Any], label: str = "") -> str:
    logits, p = effect["logits"], effect["probability"]
    of = f" for “{label}”" if label else ""
    parts = []
    if logits is not None:
        parts.append(
            f"{wording.number(logits['value'], signed=True)} logits{of} "
            f"(95 % interval {wording.span(logits, form='logit')})"
        )
    if p is not None:
        parts.append(f"{wording.points(p['value'])} of probability ({wording.span(p, form='points')})")
    if effect.get("p") is not None:
        parts.append(f"p {wording.small(effect['p'])} after Holm")
    return ", ".join(parts) or "not measured"


def _size(effect: Mapping[str, Any] | None) -> float:
    if effect is None or effect["logits"] is None:
        return 0.0
    return abs(float(effect["logits"]["value"]))


def _upper(text: str) -> str:
    return text[:1].upper() + text[1:]
