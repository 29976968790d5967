"""Evaluations in parts: what is known beforehand, joined results, and one row of numbers a candidate."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.records import Evaluation


@final
@dataclass(frozen=True, slots=True, eq=False)
class Ahead:
    """What is known of a generation before its queries are measured one by one.

    Shapes:
        x ``(b, n, *x)`` or None; answers ``(u, k)`` by query, to its candidates that are new.
    """

    x: Tensor | None = None
    answers: dict[int, Tensor] = field(default_factory=dict)


def remembered_values(made: Evaluation) -> Float[Tensor, "n v"]:
    """Objectives, violation and scores of the candidates of one query, side by side.

    Args:
        made: of one query.
    """
    return torch.cat([made.f[0], made.violation[0, :, None], made.scores[0].to(made.f.device)], dim=-1)


def joined(parts: Sequence[Evaluation], *, dim: int) -> Evaluation:
    """One evaluation of several.

    Args:
        parts: of the same width.
        dim: 0 for those of different queries, 1 for more candidates of the same.
    """
    if len(parts) == 1:
        return parts[0]
    return Evaluation(
        z=torch.cat([p.z for p in parts], dim),
        f=torch.cat([p.f for p in parts], dim),
        violation=torch.cat([p.violation for p in parts], dim),
        scores=torch.cat([p.scores for p in parts], dim),
    )


def on_host(made: Evaluation) -> Evaluation:
    """The same on the CPU, by one read of the device.

    Args:
        made: on any device.
    """
    if made.f.device.type == "cpu":
        return made
    parts = (made.z, made.f, made.violation[..., None], made.scores)
    wide = torch.float64 if any(part.dtype is torch.float64 for part in parts) else torch.float32
    # in a wider type nothing is lost, and back in its own every number is the same again
    read = torch.cat([part.to(wide) for part in parts], dim=-1).cpu()
    ends = list(accumulate(part.shape[-1] for part in parts))
    z, f, violation, scores = (
        read[..., end - part.shape[-1] : end].to(part.dtype) for part, end in zip(parts, ends, strict=True)
    )
    return Evaluation(z, f, violation[..., 0], scores)
