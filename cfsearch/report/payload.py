"""The numbers behind the explorer, as one block of JSON inside the page."""

import json
import math
from collections.abc import Sequence
from typing import Any

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
            space = json.dumps(_space(entry), sort_keys=True)
            number = spaces.setdefault(space, len(spaces))
            fronts.append(
                {"group": g, "space": number, "model": models.get(entry.model, entry.model)}
                | _front(entry, plan)
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


def _space(entry: Entry) -> dict[str, Any]:
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
            for name in front.variables
        ],
        "origins": sorted({wording.mark(o) for o in front.origins}),
    }


def _front(entry: Entry, plan: Plan) -> dict[str, Any]:
    front = entry.front
    members = list(entry.explored)
    p, f, z = entry.p, front.f.tolist(), front.z.tolist()
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
        "z": [_sparse(z[i]) for i in members],
        "scale": None if front.scale is None else [_short(v) for v in front.scale.tolist()],
        "words": [[wording.mark(w).replace(" -> ", " → ") for w in front.described[i]] for i in members]
        if front.described
        else None,
        "start": [_short(v) for v in front.origin_values.tolist()],
        "status": "".join(status_of(entry, i)[0] for i in members),
        "origin": [origins.index(wording.mark(front.origins[i])) for i in members],
        "picks": dict(entry.picks),
        "source": front.source,
        "before": _short(float(before)) if predicted is None else predicted[0],
        "pictures": {i: text for i, text in pictures.items() if text is not None},
    }


def _sparse(z: Sequence[float]) -> list[float | int | None]:
    """Variable, change, variable, change, ...; strongest first."""
    order = sorted((j for j, v in enumerate(z) if abs(v) > 1e-6), key=lambda j: -abs(z[j]))
    flat: list[float | int | None] = []
    for j in order:
        flat += [j, _short(z[j], digits=3)]
    return flat


def _short(value: float, *, digits: int = 4) -> float | int | None:
    """A few significant digits, an integer where it is one."""
    if not math.isfinite(value):
        return None
    rounded = float(f"{value:.{digits}g}")
    return int(rounded) if rounded.is_integer() and abs(rounded) < 1e15 else rounded
