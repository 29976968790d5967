"""The numbers behind the explorer, as one block of JSON inside the page."""

import json
import math
from collections.abc import Sequence
from typing import Any

from cfsearch.fronts.picks import least_change
from cfsearch.fronts.predicted import predicted_of

from . import wording
from .gallery import Entry, Group, explorer_picture, probabilities, status_of
from .plan import Plan


def build_payload(groups: Sequence[Group], *, plan: Plan, models: dict[str, str]) -> dict[str, Any]:
    """JSON data of the page's script; every number finite or null."""
    spaces: dict[str, int] = {}
    fronts = []
    for g, group in enumerate(groups):
        for entry in group.entries:
            least = least_change(entry.front.z)
            changed = [_sparse(z, least=least) for z in entry.front.z[list(entry.explored)].tolist()]
            named = _named(entry, changed, most=plan.changes)
            space = json.dumps(_space(entry, named), sort_keys=True)
            number = spaces.setdefault(space, len(spaces))
            fronts.append(
                {"group": g, "space": number, "model": models.get(entry.model, entry.model)}
                | _front(entry, plan, changed, named)
            )
    return {
        "kind": plan.codec.kind,
        "groups": [wording.mark(group.name) for group in groups],
        "spaces": [json.loads(space) for space in spaces],
        "fronts": fronts,
    }


def script_json(value: Any) -> str:  # Any: plain JSON
    """JSON that cannot end the script element that holds it."""
    text = json.dumps(value, ensure_ascii=True, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def _named(entry: Entry, changed: Sequence[Sequence[tuple[int, float]]], *, most: int) -> list[int]:
    """Variables whose names, values and scales the script is given: of very many those that it names."""
    front = entry.front
    if len(front.variables) <= most:
        return list(range(len(front.variables)))
    return [] if front.described else sorted({j for one in changed for j, _ in one[:most]})


def _space(entry: Entry, named: Sequence[int]) -> dict[str, Any]:
    front = entry.front
    return {
        "labels": [wording.mark(label) for label in front.labels],
        "wanted": entry.wanted,
        "objectives": [wording.mark(name) for name in front.objectives],
        "units": [wording.mark(unit) for unit in front.units],
        "variables": [
            {
                "name": wording.mark(name),
                "subject": wording.mark(wording.subject(name)),
                "negated": wording.negated(name),
            }
            for name in (front.variables[j] for j in named)
        ],
        "origins": sorted({wording.mark(o) for o in front.origins}),
    }


def _front(
    entry: Entry, plan: Plan, changed: Sequence[Sequence[tuple[int, float]]], named: Sequence[int]
) -> dict[str, Any]:
    front = entry.front
    members = list(entry.explored)
    p, f = entry.p, front.f.tolist()
    place = {j: k for k, j in enumerate(named)}
    before = probabilities(front.original_scores)[entry.wanted]
    predicted = predicted_of(front)
    origins = sorted({wording.mark(o) for o in front.origins})
    further = plan.further(members, shown=entry.shown)
    pictures = {str(i): explorer_picture(entry, i, codec=plan.codec) for i in further}
    return {
        "key": wording.mark(entry.key),
        "total": len(front),
        "index": members,
        "f": [[_short(f[i][c]) for i in members] for c in range(len(front.objectives))],
        "p": [_short(float(p[i, entry.wanted])) for i in members],
        **({} if predicted is None else {"predicted": [predicted[1 + i] for i in members]}),
        "now": [int(p[i].argmax()) for i in members],
        "z": [_flat(one[: plan.changes], place) for one in changed],
        "scale": None if front.scale is None else [_short(v) for v in front.scale[named].tolist()],
        "words": [
            [wording.mark(w).replace(" -> ", " → ") for w in front.described[i][: plan.changes]]
            for i in members
        ]
        if front.described
        else None,
        **_whole(entry, plan, changed),
        "start": [_short(v) for v in front.origin_values[named].tolist()],
        "status": "".join(status_of(entry, i)[0] for i in members),
        "origin": [origins.index(wording.mark(front.origins[i])) for i in members],
        "picks": dict(entry.picks),
        "source": front.source,
        "before": _short(float(before)) if predicted is None else predicted[0],
        "pictures": {i: text for i, text in pictures.items() if text is not None},
    }


def _whole(entry: Entry, plan: Plan, changed: Sequence[Sequence[tuple[int, float]]]) -> dict[str, Any]:
    """Of members that change more than is named: how many changes are not, how many there are, and their size."""
    front = entry.front
    stated = [len(front.described[i]) for i in entry.explored] if front.described else list(map(len, changed))
    if max([*stated, *map(len, changed)], default=0) <= plan.changes:
        return {}
    return {
        "left": [max(0, count - plan.changes) for count in stated],
        "changed": [len(one) for one in changed],
        "size": [_short(math.hypot(*(value for _, value in one))) for one in changed],
    }


def _sparse(z: Sequence[float], *, least: float) -> list[tuple[int, float]]:
    """What changes by more than ``least`` and by how much, strongest first."""
    return sorted(((j, v) for j, v in enumerate(z) if abs(v) > least), key=lambda one: -abs(one[1]))


def _flat(changes: Sequence[tuple[int, float]], place: dict[int, int]) -> list[float | int | None]:
    """Variable, change, variable, change, ...; variables by their place among those that are named."""
    flat: list[float | int | None] = []
    for j, value in changes:
        flat += [place.get(j, j), _short(value, digits=3)]
    return flat


def _short(value: float, *, digits: int = 4) -> float | int | None:
    """A few significant digits, an integer where it is one."""
    if not math.isfinite(value):
        return None
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded
