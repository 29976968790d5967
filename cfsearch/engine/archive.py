"""The archive of a search: the best candidates of a query so far, whatever the solver keeps."""

from dataclasses import dataclass
from typing import Self, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.records import Evaluation
from cfsearch.contracts.scores import lead
from cfsearch.numerics import pareto

from .problem import Problem


@final
@dataclass(frozen=True, slots=True, eq=False)
class Archive:
    """The best candidates of a query so far.

    Shapes:
        z ``(n, d)``; f ``(n, m)``; violation ``(n,)``; scores ``(n, k)``. ``n`` may be 0.
    """

    z: Float[Tensor, "n d"]
    f: Float[Tensor, "n m"]
    violation: Float[Tensor, " n"]
    scores: Float[Tensor, "n k"]

    @classmethod
    def none(cls, problem: Problem) -> Self:
        """No candidate yet."""
        d, m, k = problem.space.d, len(problem.objectives), len(problem.provider.labels)
        return cls(torch.zeros(0, d), torch.zeros(0, m), torch.zeros(0), torch.zeros(0, k))

    @property
    def feasible(self) -> bool:
        """Whether any candidate keeps every constraint."""
        return len(self.z) > 0 and bool((self.violation <= 0).any())

    def updated(self, evaluation: Evaluation, i: int, *, capacity: int) -> "Archive":
        """With the candidates of query ``i``, no more than ``capacity`` of all."""
        # in the space's own dtype: a table's values must come back as they were measured
        z = torch.cat([self.z.to(evaluation.z.dtype), evaluation.z[i].cpu()])
        f = torch.cat([self.f, evaluation.f[i].cpu().float()])
        violation = torch.cat([self.violation, evaluation.violation[i].cpu().float()])
        scores = torch.cat([self.scores, evaluation.scores[i].cpu().float()])
        keep = pareto.truncated(f, violation, capacity)
        return Archive(z[keep], f[keep], violation[keep], scores[keep])

    def ordered(self) -> "Archive":
        """Sorted by the first objective, then the others, so that files are canonical."""
        order = np.lexsort(self.f.numpy().T[::-1])
        keep = torch.from_numpy(order.copy())
        return Archive(self.z[keep], self.f[keep], self.violation[keep], self.scores[keep])


def leads(scores: Float[Tensor, "n k"], problem: Problem, i: int) -> Float[Tensor, " n"]:
    """By how much each candidate of query ``i`` flips, in probability; > 0 means flipped."""
    p = torch.softmax(scores.cpu().double(), dim=-1)[None]
    part = slice(i, i + 1)
    return lead(p, source=problem.queries.source[part].cpu(), target=problem.queries.target[part].cpu())[0]
