"""What answers are chosen by among members that flip: how many variables change, how much, how near known inputs are."""

from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from cfsearch.contracts.objective import Outlying
from cfsearch.contracts.space import Kind
from cfsearch.numerics import pareto

from .archive import Archive, leads
from .problem import Problem


@final
class Standing:
    """Members of archives by what answers are chosen by: where an objective knows real inputs.

    Args:
        problem: the queries; one of its objectives knows real inputs (``Outlying``).
        outlying: that objective's place.
    """

    def __init__(self, problem: Problem, *, outlying: int) -> None:
        self._problem, self._near = problem, outlying
        self.categorical: Bool[Tensor, " d"] = torch.tensor(
            [kind is Kind.CATEGORICAL for kind in problem.space.kinds]
        )
        """Which variables have values without an order."""

    @classmethod
    def of(cls, problem: Problem) -> "Standing | None":
        """That of a problem; None where no objective knows real inputs."""
        known = [j for j, one in enumerate(problem.objectives) if isinstance(one, Outlying)]
        return cls(problem, outlying=known[0]) if known else None

    def judged(self, archive: Archive) -> Float[Tensor, "n 3"]:
        """How many variables change, how much, and how far known inputs are; smaller is better.

        Args:
            archive: the members.
        """
        changed = archive.z != 0
        size = torch.where(self.categorical, changed.to(archive.z.dtype), archive.z.abs().clamp_max(1.0))
        return torch.stack(
            [changed.sum(1).double(), size.double().mean(1), archive.f[:, self._near].double()], dim=1
        )

    def best(self, archive: Archive, i: int, *, most: int) -> Int[Tensor, " e"]:
        """Places of the members that flip and that no other one that flips dominates by that, thinned to ``most``.

        Args:
            archive: of query ``i``.
            i: which query.
            most: how many.
        """
        at = ((leads(archive.scores, self._problem, i) > 0) & (archive.violation <= 0)).nonzero().flatten()
        if not len(at):
            return at
        judged = self.judged(archive.taken(at))
        return at[pareto.truncated(judged, torch.zeros(len(at)), most)]

    def held(self, archive: Archive, i: int, *, most: int) -> Bool[Tensor, " n"]:
        """The same as a mask.

        Args:
            archive: of query ``i``.
            i: which query.
            most: how many.
        """
        mask = torch.zeros(len(archive.z), dtype=torch.bool)
        mask[self.best(archive, i, most=most)] = True
        return mask
