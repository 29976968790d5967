"""Evaluations in parts: what is known beforehand, joined results, and one row of numbers a candidate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any, Self, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.objective import Constraint, Objective
from cfsearch.contracts.records import Candidates, Evaluation
from cfsearch.errors import QueryError

from .answers import first_answers
from .finiteness import Finiteness
from .memory import Memory
from .networks import Networks
from .plugin_checks import measured


@final
@dataclass(frozen=True, slots=True, eq=False)
class Ahead:
    """What is known of a generation before its queries are measured one by one.

    Shapes:
        x ``(b, n, *x)`` or None; answers ``(u, k)`` by query, to its candidates that are new.
    """

    x: Tensor | None = None
    answers: dict[int, Tensor] = field(default_factory=dict)

    @classmethod
    def of(
        cls,
        z: Float[Tensor, "b n d"],
        *,
        networks: Networks,
        state: Any,  # Any: a generator's state is its own business
        memories: Mapping[int, Memory],
    ) -> Self:
        """All candidates decoded in one go, and queried where the model allows it.

        Args:
            z: the candidates.
            networks: decode and answer.
            state: of the generator, for these queries.
            memories: of the queries that are looked at; none where inputs are not what is remembered.
        """
        if not memories:
            return cls()
        try:
            x = networks.decode(z, state)
        except QueryError:
            return cls()  # decoded one by one it shows for which query the generator fails
        if not networks.provider.batch_invariant:
            return cls(x)
        new = {i: x[i][memory.new(x[i])] for i, memory in memories.items()}
        if not any(len(rows) for rows in new.values()):
            return cls(x)  # models refuse to be queried about nothing
        found: dict[int, Tensor] = {}
        left = first_answers(networks, torch.cat(list(new.values())))
        for i, rows in new.items():
            if len(left) < len(rows):
                break
            found[i], left = left[: len(rows)], left[len(rows) :]
        return cls(x, found)


def evaluated(
    candidates: Candidates,
    objectives: Sequence[Objective],
    constraints: Sequence[Constraint],
    *,
    checks: Finiteness,
) -> Evaluation:
    """Candidates by every objective and constraint.

    Args:
        candidates: what is measured.
        objectives: by what.
        constraints: what they must keep.
        checks: when values are looked at.
    """
    answered = candidates.scores
    f = torch.stack([measured("objective", one, candidates, checks) for one in objectives], dim=-1)
    violation = torch.zeros_like(f[..., 0])
    for constraint in constraints:
        violation = violation + measured("constraint", constraint, candidates, checks).clamp_min(0)
    return Evaluation(candidates.z, f, violation, answered)


def remembered_values(made: Evaluation) -> Float[Tensor, "n v"]:
    """Objectives, violation and scores of the candidates of one query, side by side.

    Args:
        made: of one query.
    """
    return torch.cat([made.f[0], made.violation[0, :, None], made.scores[0].to(made.f.device)], dim=-1)


def one_of(made: Evaluation, k: int) -> Evaluation:
    """The evaluation of one query.

    Args:
        made: of several.
        k: its place among them.
    """
    part = slice(k, k + 1)
    return Evaluation(made.z[part], made.f[part], made.violation[part], made.scores[part])


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
