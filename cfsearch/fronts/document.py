"""A front as plain JSON values: what ``cfsearch search --json`` and ``ParetoFront.to_dict`` give."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from .file import FORMAT
from .picks import least_change
from .predicted import predicted_entry

if TYPE_CHECKING:
    from .front import ParetoFront

_MOST_CLASSES: Final = 1000
_DIGITS: Final = 6
"""Decimals of a value of a variable, behind the first digit of start or change: what follows is rounding of their sum."""
_DIGITS_EXACT: Final = 13
"""The same of rows, which are float64."""


def front_document(front: "ParetoFront") -> dict[str, Any]:  # Any: JSON values
    """The front, its members and how it was found, without pixels.

    Example:
        >>> import torch
        >>> from cfsearch import Search
        >>> from cfsearch.objectives import Adversarial, Intensity
        >>> from cfsearch.solvers import RandomSearch
        >>> from cfsearch.testing import FakeGenerator, FakeProvider
        >>> measures = [Adversarial(), Intensity()]
        >>> search = Search(FakeProvider(), FakeGenerator(), measures, lambda n: RandomSearch(population=n), evaluations=200)
        >>> [front] = search.run(torch.full((1, 3, 16, 16), 0.4), names=["grey"])
        >>> document = front_document(front)
        >>> document["name"], document["source"], len(document["members"]) == len(front)
        ('grey', 'dark', True)
    """
    shown, won = named_classes(front), front.lead().tolist()
    p = front.p[:, shown].tolist()
    names = [front.labels[k] for k in shown]
    changes, values, measured = front.z.tolist(), front.values.tolist(), front.f.tolist()
    verified, picked, predicted = front.verified.tolist(), front.picks(), front.predicted
    codes, write, least = _codes(front), _writer(front), least_change(front.z)
    exact = front.z.dtype is torch.float64

    def written(value: float, change: float) -> float:
        return write(_sum(value, change=change, digits=_DIGITS_EXACT if exact else _DIGITS))

    members = [
        {
            "index": i,
            "change": {
                name: write(change)
                for name, change in zip(front.variables, changes[i], strict=True)
                if abs(change) > least
            },
            "values": {
                name: codes[i].get(name, written(value, change))
                for name, value, change in zip(front.variables, values[i], changes[i], strict=True)
                if abs(change) > least
            },
            "words": list(front.words(i)),
            **_text(front.text_of(i)),
            "objectives": {name: _number(v) for name, v in zip(front.objectives, measured[i], strict=True)},
            "probabilities": {name: _number(v) for name, v in zip(names, p[i], strict=True)},
            **({} if predicted is None else {"predicted": predicted[i]}),
            "lead": _number(won[i]),
            "verified": verified[i],
            **_genuineness(front, i),
            **_finite("outlierness", front.outlierness, i),
            **_finite("robustness", front.robustness, i),
            "origin": front.origins[i],
            "picked_as": [way for way, index in picked.items() if index == i],
        }
        for i in range(len(front))
    ]
    return {
        "format": FORMAT,
        "name": front.name,
        **_text(front.original_text),
        "source": front.labels[front.source],
        **predicted_entry(front.labels, front.original_scores),
        "target": None if front.target is None else front.labels[front.target],
        "labels": list(front.labels),
        "variables": list(front.variables),
        "origin_values": [None if math.isnan(v) else write(v) for v in front.origin_values.tolist()],
        "objectives": [
            {"name": n, "unit": u, "reference": _number(r)}
            for n, u, r in zip(front.objectives, front.units, front.reference_point.tolist(), strict=True)
        ],
        "original": _probabilities(front.labels, front.original_scores, shown),
        "reconstruction": _probabilities(front.labels, front.reconstruction_scores, shown),
        "found": front.found,
        "reason": front.reason.code,
        "reason_text": front.reason.value,
        "nearest_miss": None if front.found or not len(front) else won.index(max(won)),
        "hypervolume": _number(front.hypervolume()),
        "evaluations": front.evaluations,
        "questions": front.queries,
        "seeding": front.seeding,
        "picks": picked,
        "answers": front.answers(),
        "note": list(front.note),
        "extra": front.extra,
        "members": members,
    }


def _genuineness(front: "ParetoFront", i: int) -> dict[str, Any]:  # Any: JSON values
    """Of a member whose genuineness was measured: z in standard errors, and whether it holds."""
    if front.genuineness is None:
        return {}
    z = float(front.genuineness[i])
    return {
        "genuineness": _number(z) if math.isfinite(z) else None,
        **{
            f"genuineness_{which}": None if z is None else _number(z)
            for which, z in each_genuineness(front, i).items()
        },
        "valid": bool(front.valid[i]),
    }


def each_genuineness(front: "ParetoFront", i: int) -> dict[str, float | None]:
    """Genuineness of a member by the first and by the second generator, None where one was not queried; empty of one generator.

    Args:
        front: of the member.
        i: the member.

    Example:
        >>> from types import SimpleNamespace
        >>> front = SimpleNamespace(genuineness_each=torch.tensor([[2.5, 1.5], [0.5, torch.nan]]))
        >>> each_genuineness(front, 0), each_genuineness(front, 1)
        ({'first': 2.5, 'second': 1.5}, {'first': 0.5, 'second': None})
    """
    if front.genuineness_each is None:
        return {}
    values = front.genuineness_each[i].tolist()
    return {
        which: z if math.isfinite(z) else None for which, z in zip(("first", "second"), values, strict=True)
    }


def _finite(name: str, values: Float[Tensor, " n"] | None, i: int) -> dict[str, Any]:  # Any: JSON values
    """What a member was measured to have; nothing of one that was not measured."""
    value = math.nan if values is None else float(values[i])
    return {name: _number(value)} if math.isfinite(value) else {}


def _codes(front: "ParetoFront") -> list[dict[str, str]]:
    """Of each member the codes of so many digits by variable, as written; columns that change together have none."""
    schema, rows = front.extra.get("schema", {}), front.stored_members
    linked = {name for link in schema.get("links", ()) for name in link["columns"]}
    found = [
        (j, c["name"], c["digits"])
        for j, c in enumerate(schema.get("columns", ()))
        if c.get("digits") and c["name"] not in linked
    ]
    if rows is None or not found:
        return [{} for _ in range(len(front))]
    numbers = rows[:, [j for j, *_ in found]].tolist()
    return [
        {name: f"{int(v):0{size}d}" for v, (_, name, size) in zip(row, found, strict=True) if v >= 0}
        for row in numbers
    ]


def _number(value: float) -> float:
    """The shortest decimal that is still the same float32: values that differ stay different."""
    return float(str(np.float32(value)))


def _writer(front: "ParetoFront") -> Callable[[float], float]:
    """What writes the front's values and changes: of rows all that a float64 holds but for what rounding left at its end."""
    return _number if front.z.dtype is torch.float32 else lambda value: float(f"{value:.15g}")


def _sum(value: float, *, change: float, digits: int) -> float:
    """A value without the rounding that adding a change to its start left behind."""
    scale = max(abs(value - change), abs(change))
    return round(value, max(2, digits - math.floor(math.log10(scale)))) + 0.0 if scale > 0 else value


def _probabilities(
    labels: tuple[str, ...], scores: Float[Tensor, " k"], shown: Sequence[int]
) -> dict[str, float]:
    p = torch.softmax(scores.double(), dim=-1)[shown].tolist()
    return {labels[k]: _number(v) for k, v in zip(shown, p, strict=True)}


def named_classes(front: "ParetoFront") -> list[int]:
    """Classes whose probabilities documents and tables name, ascending: all of at most 1,000.

    Of more these: the input's own and the next, the target, and each that a member is given; 100 members of 50,000 classes would
    be five million numbers, nearly all of them 0.

    Args:
        front: with its members.

    Example:
        >>> from types import SimpleNamespace
        >>> scores = torch.arange(5000.0)
        >>> labels = [str(k) for k in range(5000)]
        >>> front = SimpleNamespace(labels=labels, source=4999, target=None, original_scores=scores, scores=-scores[None])
        >>> named_classes(front)
        [0, 4998, 4999]
    """
    if len(front.labels) <= _MOST_CLASSES:
        return list(range(len(front.labels)))
    own = {front.source, *front.original_scores.topk(2).indices.tolist()}
    aimed = set() if front.target is None else {front.target}
    return sorted(own | aimed | set(front.scores.argmax(dim=1).tolist()))


def _text(text: str | None) -> dict[str, str]:
    return {} if text is None else {"text": text}
