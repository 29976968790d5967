"""Whole fronts of groups compared: bias that sits in no rate but in what a counterfactual costs.

Two groups may find counterfactuals equally often, and yet one pays more for each: more changes, larger ones, or both
at once. The fronts of all searched inputs of one class are compared by their empirical attainment functions and by
hypervolume (``cfsearch.numerics.attainment``). An input without a valid counterfactual has an empty front.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.fronts.front import ParetoFront
from cfsearch.numerics.attainment import attained, compare_fronts, levels_of
from cfsearch.numerics.percent import percent
from cfsearch.report import wording
from cfsearch.runs.directory import InstanceRow

from .family import corrected
from .measured import Membership
from .membership import group_pairs
from .shares import LEAST

OF_SCORES: Final = ("adversarial", "margin", "logit_closeness")
"""Objectives that say how clearly a model flips; the others say what that costs."""
_LEVELS: Final = 16
"""Lines and columns of the picture."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Searched:
    """What is compared of one front: the objectives of its valid members."""

    source: int
    labels: tuple[str, ...]
    objectives: tuple[str, ...]
    units: tuple[str, ...]
    f: Float[Tensor, "n m"]

    @classmethod
    def of(cls, front: ParetoFront) -> Self:
        return cls(front.source, front.labels, front.objectives, front.units, front.f[front.valid])


def attainment_rows(
    model: str, rows: Iterable[InstanceRow], *, members: Membership | None, least: int = LEAST
) -> list[dict[str, Any]]:
    """Each pair of groups with the difference of their fronts, by the class that the model gives the original.

    P-values are corrected (Holm) over both tests of all pairs and classes of the model. Pairs of which a
    group has fewer than ``least`` searched inputs of a class are left out.

    Args:
        model: id of the model.
        rows: its instances, of which one at a time is held; those that were not searched are in no front.
        members: which input is in which group; None for none.
        least: inputs that a group must have.
    """
    if members is None:
        return []
    searched = {
        row.name: _Searched.of(row.front)
        for row in rows
        if row.front is not None and row.status in ("found", "not_found")
    }
    found = []
    for pair in group_pairs(members):
        sides = [[searched[name] for name in searched if name in part] for part in (pair.first, pair.second)]
        sources = sorted({front.source for side in sides for front in side})
        for source in sources:
            first, second = ([front for front in side if front.source == source] for side in sides)
            if min(len(first), len(second)) >= least:
                entry = _entry(first, second)
                if entry is not None:
                    label = first[0].labels[source]
                    head = {
                        "model": model,
                        "attribute": pair.attribute,
                        "name": pair.name,
                        "against": pair.against,
                        "from": label,
                    }
                    found.append(head | entry)
    return corrected(found)


def _entry(first: Sequence[_Searched], second: Sequence[_Searched]) -> dict[str, Any] | None:
    every = [*first, *second]
    names = [name for name in every[0].objectives if name not in OF_SCORES] or list(every[0].objectives)
    units = dict(zip(every[0].objectives, every[0].units, strict=True))
    points = [_points(front, names) for front in every]
    found = compare_fronts(points[: len(first)], points[len(first) :])
    if found is None:
        return None
    return {
        "objectives": [{"name": name, "unit": units[name]} for name in names],
        "n": {"first": len(first), "second": len(second)},
        "gap": found.gap.to_dict(),
        "goal": [round(float(v), 6) for v in found.goal],
        "attained": {"first": round(found.first, 6), "second": round(found.second, 6)},
        "hypervolume": {"first": round(found.volumes[0], 6), "second": round(found.volumes[1], 6)},
        "hypervolume_difference": found.volume.to_dict(),
        "p": {"attainment": found.p_gap, "hypervolume": found.p_volume},
        "map": _map(points, split=len(first), names=names),
    }


def _points(front: _Searched, names: Sequence[str]) -> Float[Tensor, "n m"]:
    columns = [front.objectives.index(name) for name in names]
    return front.f[:, columns].double()


def _map(
    points: Sequence[Float[Tensor, "_ m"]], *, split: int, names: Sequence[str]
) -> dict[str, Any] | None:
    """The attainment of both groups over the first two objectives that vary; None with fewer than two."""
    together = torch.cat([part for part in points if len(part)])
    varying = [j for j in range(len(names)) if bool((together[:, j] != together[0, j]).any())][:2]
    if len(varying) < 2:
        return None
    x, y = (levels_of(together[:, j], count=_LEVELS) for j in varying)
    goals = torch.cartesian_prod(x, y)
    hits = attained([part[:, varying] for part in points], goals).double()
    shares = [part.mean(0).reshape(len(x), len(y)) for part in (hits[:split], hits[split:])]
    return {
        "x": names[varying[0]],
        "y": names[varying[1]],
        "levels": {"x": _rounded(x), "y": _rounded(y)},
        "first": [_rounded(column, digits=4) for column in shares[0]],
        "second": [_rounded(column, digits=4) for column in shares[1]],
    }


def _rounded(values: Float[Tensor, " n"], *, digits: int = 6) -> list[float]:
    return [round(float(v), digits) for v in values]


def sentence(entry: Mapping[str, Any]) -> str:
    """One line on a comparison, for a terminal.

    Args:
        entry: as it stands in ``audit.json``.
    """
    gap, shares, p = entry["gap"], entry["attained"], entry["p"]
    goal = ", ".join(
        f"{o['name']} {value:.3g}" for o, value in zip(entry["objectives"], entry["goal"], strict=True)
    )
    tests = "; ".join(
        f"p {wording.small(p[name])} by {name}"
        for name in ("attainment", "hypervolume")
        if p[name] is not None
    )
    return (
        f"by {entry['attribute']}, fronts away from {entry['from']}: at no more than {goal}, "
        f"{entry['name']} {percent(shares['first'])} and {entry['against']} {percent(shares['second'])} have a counterfactual "
        f"({100 * gap['low']:.0f} to {100 * gap['high']:.0f} points apart); {tests} after Holm"
    )
