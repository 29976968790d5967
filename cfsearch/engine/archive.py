"""Bounded non-dominated archive of the candidates of one query."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, final

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cfsearch.contracts.records import Evaluation
from cfsearch.contracts.scores import lead
from cfsearch.numerics import pareto

from .problem import Problem


@final
@dataclass(frozen=True, slots=True, eq=False)
class Archive:
    """Non-dominated candidates of one query, on the CPU; independent of what the solver keeps.

    Args:
        z: the candidates' changes.
        f: their objective values.
        violation: by how much they break the constraints, 0 where they keep them.
        scores: the model's scores of them.

    Shapes:
        z ``(n, d)``; f ``(n, m)``; violation ``(n,)``; scores ``(n, k)``. ``n`` may be 0.
    """

    z: Float[Tensor, "n d"]
    f: Float[Tensor, "n m"]
    violation: Float[Tensor, " n"]
    scores: Float[Tensor, "n k"]

    @classmethod
    def none(cls, problem: Problem) -> Self:
        """An empty archive.

        Args:
            problem: says how wide its parts are.
        """
        d, m, k = problem.space.d, len(problem.objectives), len(problem.provider.labels)
        return cls(torch.zeros(0, d), torch.zeros(0, m), torch.zeros(0), torch.zeros(0, k))

    @property
    def feasible(self) -> bool:
        """True if any candidate keeps every constraint."""
        return len(self.z) > 0 and bool((self.violation <= 0).any())

    def updated(
        self,
        evaluation: Evaluation,
        i: int,
        *,
        capacity: int,
        held: "Callable[[Archive], Bool[Tensor, ' n']] | None" = None,
    ) -> "Archive":
        """The archive of these and new candidates, thinned to ``capacity``.

        Args:
            evaluation: of all queries.
            i: whose candidates are added.
            capacity: most candidates that are kept.
            held: which of the non-dominated are not dropped, however crowded; called where some have to be.
        """
        # in the space's own dtype: a table's values must come back as they were measured
        z = torch.cat([self.z.to(evaluation.z.dtype), evaluation.z[i].cpu()])
        f = torch.cat([self.f, evaluation.f[i].cpu().float()])
        violation = torch.cat([self.violation, evaluation.violation[i].cpu().float()])
        scores = torch.cat([self.scores, evaluation.scores[i].cpu().float()])
        every = Archive(z, f, violation, scores)
        kept = None if held is None else lambda at: held(every.taken(at))
        return every.taken(pareto.truncated(f, violation, capacity, kept=kept))

    def thinned(self, capacity: int) -> "Archive":
        """The archive with at most ``capacity`` candidates.

        Args:
            capacity: most candidates that are kept.
        """
        return self.taken(pareto.truncated(self.f, self.violation, capacity))

    def taken(self, keep: Bool[Tensor, " n"] | Int[Tensor, " e"]) -> "Archive":
        """Some of the candidates.

        Args:
            keep: which, as a mask or as indices.
        """
        return Archive(self.z[keep], self.f[keep], self.violation[keep], self.scores[keep])

    def ordered(self) -> "Archive":
        """Sorted by the first objective, then the others, so that files are canonical."""
        order = np.lexsort(self.f.numpy().T[::-1])
        return self.taken(torch.from_numpy(order.copy()))


def leads(scores: Float[Tensor, "n k"], problem: Problem, i: int) -> Float[Tensor, " n"]:
    """By how much each candidate of query ``i`` flips, in probability; > 0 means flipped.

    Args:
        scores: of the candidates, on any device.
        problem: knows the classes of its queries.
        i: which query.

    Returns:
        Float64 on the CPU.
    """
    p = torch.softmax(scores.cpu().double(), dim=-1)[None]
    part = slice(i, i + 1)
    return lead(p, source=problem.source[part], target=problem.target[part])[0]
