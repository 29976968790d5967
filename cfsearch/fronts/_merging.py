"""One front of two: what an explainer found beside what a search found."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from cfsearch.contracts.modality import MODALITIES, Pieces
from cfsearch.errors import ConfigError
from cfsearch.numerics import pareto

if TYPE_CHECKING:
    from .front import ParetoFront


def merged(front: "ParetoFront", other: "ParetoFront") -> "ParetoFront":
    """One front of the members of both, dominated ones dropped; origins are kept.

    Args:
        front: whose notes and settings come first.
        other: of the same query, objectives, variables and labels.

    Raises:
        ConfigError: the fronts are of different queries or objectives.
    """
    if (front.name, front.objectives, front.variables, front.labels, front.target) != (
        other.name,
        other.objectives,
        other.variables,
        other.labels,
        other.target,
    ):
        raise ConfigError(
            f"merge: fronts of {front.name!r} and {other.name!r} must share query, target, "
            "labels, variables and objectives."
        )
    f = torch.cat([front.f, other.f])
    confirmed = front.genuineness_each is None and other.genuineness_each is not None
    turn = len(front) if confirmed else 0  # of equal members those stay that two generators measured
    keep = torch.nonzero(pareto.non_dominated(f.roll(-turn, 0)).roll(turn, 0)).flatten()
    origins = (*front.origins, *other.origins)
    kept: dict[str, Any] = {  # Any: by field
        field: _joined(getattr(front, field), getattr(other, field), keep=keep)
        for _, field in (modality.parts for modality in MODALITIES)
    }
    words = (*front.described, *other.described)
    return replace(
        front,
        z=torch.cat([front.z, other.z])[keep],
        f=f[keep],
        scores=torch.cat([front.scores, other.scores])[keep],
        verified=torch.cat([front.verified, other.verified])[keep],
        genuineness=_measured(*_alike(front, other), sizes=(len(front), len(other)), keep=keep),
        genuineness_each=_measured(
            front.genuineness_each, other.genuineness_each, sizes=(len(front), len(other)), keep=keep
        ),
        outlierness=_measured(
            front.outlierness, other.outlierness, sizes=(len(front), len(other)), keep=keep
        ),
        robustness=_measured(front.robustness, other.robustness, sizes=(len(front), len(other)), keep=keep),
        described=tuple(words[i] for i in keep.tolist()) if len(words) == len(f) else (),
        origins=tuple(origins[i] for i in keep.tolist()),
        reference_point=torch.maximum(front.reference_point, other.reference_point),
        evaluations=front.evaluations + other.evaluations,
        queries=None if front.queries is None or other.queries is None else front.queries + other.queries,
        seeding=front.seeding + other.seeding,
        note=tuple(dict.fromkeys((*front.note, *other.note))),
        extra=_of_measures(front, other),
        **kept,
    )


def _joined(
    one: Tensor | tuple[Pieces, ...] | None,
    two: Tensor | tuple[Pieces, ...] | None,
    *,
    keep: Int[Tensor, " k"],
) -> Tensor | tuple[Pieces, ...] | None:
    """Members of both fronts in their stored form; None where one of them keeps none."""
    if isinstance(one, Tensor) and isinstance(two, Tensor):
        return torch.cat([one, two])[keep]
    if isinstance(one, tuple) and isinstance(two, tuple):
        every = (*one, *two)
        return tuple(every[i] for i in keep.tolist())
    return None


def _measured(
    one: Float[Tensor, "n *e"] | None,
    two: Float[Tensor, "m *e"] | None,
    *,
    sizes: tuple[int, int],
    keep: Int[Tensor, " k"],
) -> Float[Tensor, "k *e"] | None:
    """Of the members of both; NaN for those of a front whose members were not measured, so that none holds by default."""
    known = one if one is not None else two
    if known is None:
        return None
    parts = [
        torch.full((n, *known.shape[1:]), torch.nan, dtype=torch.float64) if part is None else part
        for n, part in zip(sizes, (one, two), strict=True)
    ]
    return torch.cat(parts)[keep]


def _alike(
    front: "ParetoFront", other: "ParetoFront"
) -> tuple[Float[Tensor, " n"] | None, Float[Tensor, " m"] | None]:
    """Genuineness of both; none of a front that was measured by one generator alone, where two had to agree in the other."""
    if (front.genuineness_each is None) == (other.genuineness_each is None):
        return front.genuineness, other.genuineness
    return (
        None if front.genuineness_each is None else front.genuineness,
        None if other.genuineness_each is None else other.genuineness,
    )


def _of_measures(front: "ParetoFront", other: "ParetoFront") -> dict[str, Any]:  # Any: plain JSON
    """What a merged front needs of those whose members were measured: by which threshold (the larger), with how many changes."""
    extra = dict(front.extra)
    if other.robustness is not None:
        extra.setdefault("robustness", other.extra["robustness"])
    measured = [
        one.extra["genuineness"]
        for one, z in zip((front, other), _alike(front, other), strict=True)
        if z is not None
    ]
    if measured:
        extra["genuineness"] = max(measured, key=lambda entry: float(entry["threshold"]))
    return extra
