"""Figures on protected columns, as they stand in ``audit.json``: effects, proxies, members, cost, verdicts.

Two families of tests are corrected (Holm), both chosen before anything is measured: the effect of each protected
column, alone and through the other columns together, and beside them the single other columns and the gaps in cost.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
from jaxtyping import Bool, Float
from torch import Tensor

from cfsearch.audits.family import signed_rank, welch
from cfsearch.audits.verdict import LEANS, NOT, UNSURE
from cfsearch.numerics.intervals import Interval, holm, mean_difference, paired_mean, wilson

from .measuring import MeasuredColumn
from .members import MemberFigures
from .protection import LEAST, NONE, pairs
from .querying import clip

_SURE: Final = 0.05
_FIRST: Final = ("effect", "through")
"""Figures whose tests are the first family."""


def column_rows(
    model: str,
    measured: Sequence[MeasuredColumn],
    *,
    practical: float,
    members: Mapping[str, MemberFigures] | None = None,
) -> list[dict[str, Any]]:
    """The protected columns of one model with all their figures, in the order in which they were measured.

    Args:
        model: its id.
        measured: the columns, row by row.
        practical: size in logits from which an effect matters.
        members: what verified counterfactuals say of each column; none without a search.
    """
    rows = [_row(model, one, (members or {}).get(one.protected.column)) for one in measured]
    _correct(rows)
    for row, one in zip(rows, measured, strict=True):
        _read(row, one, practical)
    return rows


def _row(model: str, one: MeasuredColumn, members: MemberFigures | None) -> dict[str, Any]:
    protected = one.protected
    compared = pairs(protected.names)
    within = [int((protected.of == g).sum()) for g in range(len(protected.names))]
    return {
        "model": model,
        "column": protected.column,
        "kind": protected.kind,
        "guessed": protected.guessed,
        "taken": protected.taken,
        "label": one.label,
        "n": int(((protected.of != NONE) & one.spread).sum()),
        "unknown": protected.unknown,
        "left_out": list(protected.small),
        "note": protected.note,
        "linked": list(one.linked),
        "clipped": one.clipped,
        "groups": [{"name": n, "instances": k} for n, k in zip(protected.names, within, strict=True)],
        "comparisons": [_comparison(one, c, group, against) for c, (group, against) in enumerate(compared)],
        "flips_alone": _flips_alone(one) if compared and protected.taken else None,
        "members": _members(members) if members is not None and protected.taken else None,
        "cost": _cost(one, members) if members is not None and compared else None,
    }


def _comparison(one: MeasuredColumn, c: int, group: int, against: str) -> dict[str, Any]:
    of, weights = one.protected.of, one.weights
    known = (of != NONE) & one.spread
    rest = weights.clone()
    rest[group] = 0.0
    rest = rest / rest.sum()
    odds = clip(one.odds) if one.clipped else one.odds
    inside, outside = _sides(one, group)
    enough = min(int(inside.sum()), int(outside.sum())) >= LEAST

    def contrast(values: Float[Tensor, "n k"]) -> Float[Tensor, " n"]:
        return values[:, group] - values @ rest.to(values.dtype)

    alone, points = contrast(odds), contrast(one.p)
    even, even_p = odds @ weights.to(odds.dtype), one.p @ weights.to(one.p.dtype)
    taken, graded = one.protected.taken, one.graded
    entry: dict[str, Any] = {
        "name": one.protected.names[group],
        "against": against,
        "effect": _effect(alone, points, known, graded=graded) if taken else None,
        "by_group": [
            {"name": name, **_effect(alone, points, of == g, graded=graded, tested=False)}
            for g, name in enumerate(one.protected.names)
        ]
        if taken
        else [],
        "linked": None,
        "through": {
            "logits": _plain(mean_difference(even[inside], even[outside])) if enough and graded else None,
            "probability": _plain(mean_difference(even_p[inside], even_p[outside])) if enough else None,
            "n": int((inside | outside).sum()),
            "p": welch(even[inside], even[outside]) if enough else None,
        },
        "proxies": _proxies(one, c),
    }
    if one.linked:
        linked = clip(one.linked_odds) if one.clipped else one.linked_odds
        entry["linked"] = _effect(
            contrast(linked), contrast(one.linked_p), known, graded=graded, tested=False
        )
    return entry


def _sides(one: MeasuredColumn, group: int) -> tuple[Bool[Tensor, " n"], Bool[Tensor, " n"]]:
    """Rows of a group, and those that it is compared with: of one other group all, of several those spread evenly."""
    of = one.protected.of
    outside = (of != NONE) & (of != group)
    return of == group, outside if len(one.protected.names) == 2 else outside & one.spread


def _effect(
    logits: Float[Tensor, " n"],
    points: Float[Tensor, " n"],
    rows: Tensor,
    *,
    graded: bool,
    tested: bool = True,
) -> dict[str, Any]:
    enough = int(rows.sum()) >= LEAST
    found: dict[str, Any] = {
        "logits": _plain(paired_mean(logits[rows])) if enough and graded else None,
        "probability": _plain(paired_mean(points[rows])) if enough else None,
        "n": int(rows.sum()),
    }
    return found | (
        {"p": signed_rank((logits if graded else points)[rows].round(decimals=9)) if enough else None}
        if tested
        else {}
    )


def _proxies(one: MeasuredColumn, c: int) -> list[dict[str, Any]]:
    """The other columns, one by one: mean change with the interval of both samples, and its p (normal)."""
    moves = one.moves
    if moves is None or not one.graded:
        return []
    return [
        {
            "column": name,
            "logits": _normal(moves.logits[c, d], float(moves.error[c, d]))[0],
            "probability": _normal(moves.probability[c, d], float(moves.error_p[c, d]))[0],
            "n": len(moves.rows),
            "p": _normal(moves.logits[c, d], float(moves.error[c, d]))[1],
        }
        for d, name in enumerate(moves.columns)
        if len(moves.rows) >= LEAST
    ]


def _normal(values: Float[Tensor, " m"], error: float) -> tuple[dict[str, float], float]:
    """The mean with its interval, and the two-sided p of it being 0, by a normal distribution."""
    from scipy.stats import norm

    mean = float(values.mean())
    width = float(np.hypot(float(values.std()) / np.sqrt(len(values)), error))
    ends = Interval(mean, mean - 1.96 * width, mean + 1.96 * width).to_dict()
    return ends, 1.0 if width == 0 else float(2 * norm.sf(abs(mean) / width))


def _flips_alone(one: MeasuredColumn) -> dict[str, Any]:
    known = (one.protected.of != NONE) & one.spread
    other = (one.classes != one.own[:, None]).any(dim=1) & known
    n, count = int(known.sum()), int(other.sum())
    return {"count": count, "n": n, "rate": _plain(wilson(count, n)) if n >= LEAST else None}


def _members(members: MemberFigures) -> dict[str, Any]:
    """Shares among the members that change the column, averaged over rows; None below 10 rows."""

    def share(values: Float[Tensor, " n"]) -> dict[str, Any]:
        known = values[~values.isnan()]
        rate = _plain(paired_mean(known)) if len(known) >= LEAST else None
        return {"n": len(known), "rate": rate}

    return {
        "changed": share(members.changed),
        "necessary": share(members.necessary),
        "sufficient": share(members.sufficient),
    }


def _cost(one: MeasuredColumn, members: MemberFigures) -> dict[str, Any]:
    place = {name: i for i, name in enumerate(members.rows)}

    def costs_of(rows: Bool[Tensor, " n"]) -> Float[Tensor, " m"]:
        names = (name for name, inside in zip(one.rows, rows.tolist(), strict=True) if inside)
        return members.cost[[place[name] for name in names if name in place]]

    costs = [costs_of(one.protected.of == g) for g in range(len(one.protected.names))]
    return {
        "groups": [
            {
                "name": name,
                "n": len(cost),
                "mean": _plain(paired_mean(cost)) if len(cost) >= LEAST else None,
            }
            for name, cost in zip(one.protected.names, costs, strict=True)
        ],
        "comparisons": [
            _cost_gap(one.protected.names[g], against, *map(costs_of, _sides(one, g)))
            for g, against in pairs(one.protected.names)
        ],
    }


def _cost_gap(
    name: str, against: str, costs: Float[Tensor, " m"], others: Float[Tensor, " l"]
) -> dict[str, Any]:
    enough = min(len(costs), len(others)) >= LEAST
    return {
        "name": name,
        "against": against,
        "difference": _plain(mean_difference(costs, others)) if enough else None,
        "p": welch(costs, others) if enough else None,
    }


def _correct(rows: Sequence[dict[str, Any]]) -> None:
    """Holm's correction, in place, of each family."""
    first = [c[part] for row in rows for c in row["comparisons"] for part in _FIRST if c[part] is not None]
    second = [entry for row in rows for c in row["comparisons"] for entry in c["proxies"]]
    second += [entry for row in rows for entry in (row["cost"] or {}).get("comparisons", ())]
    for family in (first, second):
        tests = [entry for entry in family if entry["p"] is not None]
        after = holm(np.array([entry["p"] for entry in tests], dtype=float))
        for entry, p in zip(tests, after, strict=True):
            entry["p"] = round(float(p), 6)
    for row in rows:
        row["family"] = sum(entry["p"] is not None for entry in first)


def _read(row: dict[str, Any], one: MeasuredColumn, practical: float) -> None:
    """Three-valued readings, in place: of each figure, of the column alone, and of what goes through others."""
    for c, (group, _) in zip(row["comparisons"], pairs(one.protected.names), strict=True):
        fewest = min(int(side.sum()) for side in _sides(one, group))
        for entry in (c["effect"], c["through"], *c["proxies"]):
            if entry is not None:
                rows = fewest if entry is c["through"] else entry["n"]
                entry["reading"], entry["because"] = _reading(entry, practical, rows=rows)
    if not row["comparisons"]:
        none = (UNSURE, one.protected.because)
        alone, through = none if one.protected.taken else (NOT, ""), none
    else:
        alone = _overall([c["effect"] for c in row["comparisons"]]) if one.protected.taken else (NOT, "")
        through = _overall([c["through"] for c in row["comparisons"]])
    row["reading"], row["because"] = alone
    row["through"] = {"reading": through[0], "because": through[1]}


def _reading(entry: Mapping[str, Any], practical: float, *, rows: int) -> tuple[str, str]:
    """``rows`` are those of the smaller side, where two groups are compared."""
    logits = entry["logits"]
    if logits is None:
        few = f"fewer than {LEAST} rows" if rows < LEAST else "the model gives labels only"
        return UNSURE, few
    low, high = logits["low"], logits["high"]
    if max(abs(low), abs(high)) < practical:
        return NOT, ""
    if not (low > practical or high < -practical):
        return UNSURE, f"the interval leaves open whether it is more than {practical:g} logits"
    if entry["p"] is None or entry["p"] >= _SURE:
        return UNSURE, "the rows are too few for so many comparisons"
    return LEANS, ""


def _overall(entries: Sequence[Mapping[str, Any]]) -> tuple[str, str]:
    """Of several comparisons of one column: leaning in any, not leaning in all."""
    if any(entry["reading"] == LEANS for entry in entries):
        return LEANS, ""
    unsure = next((entry for entry in entries if entry["reading"] == UNSURE), None)
    return (NOT, "") if unsure is None else (UNSURE, unsure["because"])


def _plain(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else interval.to_dict()
