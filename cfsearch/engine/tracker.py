"""State of a running search, query by query."""

from collections.abc import Callable, Collection
from functools import cached_property, partial
from typing import final

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from cfsearch.contracts.records import Evaluation, Reason, flipped
from cfsearch.contracts.scores import lead

from .archive import Archive
from .convergence import Convergence
from .evaluations import on_host
from .problem import Problem
from .standing import Standing

_SAME = 1e-6
_STALL_SHARE = 0.3
_ANSWERING = 0.5
"""Share of an archive that is kept for the members that answers are chosen from."""

_CELLS = 2**20
"""Scores of several queries that are looked at together, at most."""


@final
class Tracker:
    """Archives of all queries, candidates that were evaluated, and signs of why a search ends.

    Args:
        problem: the queries.
        capacity: most members of an archive.
        patience: generations over which the front of a query must not move for its search to end
            (``cfsearch.engine.convergence``); 0 for never.
    """

    def __init__(self, problem: Problem, *, capacity: int, patience: int = 0) -> None:
        self._problem, self._capacity = problem, capacity
        self.archives: list[Archive] = [Archive.none(problem) for _ in range(problem.b)]
        self.spent: list[int] = [0] * problem.b
        """Candidates that were evaluated, by query; a gradient counts as two."""
        self.followed: list[int] = [0] * problem.b
        """What of it gradients took."""
        self.reference: Tensor | None = None
        """Worst value of each objective in the first generation, ``(b, m)``."""
        self._originals = problem.queries.scores.double().cpu()
        self.still: set[int] = set()
        """Queries whose front holds a flip and no longer moves."""
        self.standing: Standing | None = Standing.of(problem)
        """What answers are chosen by; None where no objective knows real inputs."""
        self._convergence = [Convergence(patience) for _ in range(problem.b)]
        self._last_gain = [0] * problem.b
        self._best = [-np.inf] * problem.b
        self._moved = [False] * problem.b
        self._flips = [False] * problem.b

    @cached_property
    def fixed(self) -> list[bool]:
        """Whether no variable of a query may change at all, by query; read once, as a device waits for it."""
        space = self._problem.space
        held: list[bool] = (~(space.upper > space.lower).any(1)).cpu().tolist()
        return held

    @property
    def resting(self) -> frozenset[int]:
        """Queries for which the solver has nothing more to do."""
        return frozenset(self.still | set(self._problem.failures))

    @property
    def at_rest(self) -> bool:
        """Whether the solver has nothing more to do at all."""
        return len(self.resting) == self._problem.b

    def add(self, evaluation: Evaluation, *, generation: int, resting: Collection[int] = ()) -> None:
        """Take in a generation; queries that failed, or that the budget did not reach, stay as they are.

        Args:
            evaluation: of the generation's candidates, on any device.
            generation: which it is, from 0.
            resting: queries whose candidates were not looked at.
        """
        # once a generation, and all queries at once: each read of a device waits for it
        evaluation = on_host(evaluation)
        problem = self._problem
        if self.reference is None:
            self.reference = evaluation.f.amax(dim=1).double()
        references = self.reference.tolist()
        gains, moved, flips = self._gains(evaluation)
        for i in range(problem.b):
            if i in problem.failures or i in problem.unanswered or i in resting:
                continue
            self.spent[i] += problem.fresh[i]
            self.archives[i] = self.archives[i].updated(
                evaluation, i, capacity=self._capacity, held=self._held(i)
            )
            self._convergence[i].add(self.archives[i], reference=references[i])
            if gains[i] > self._best[i] + _SAME:
                self._best[i], self._last_gain[i] = gains[i], generation
            self._moved[i] = self._moved[i] or moved[i]
            self._flips[i] = self._flips[i] or flips[i]
            if self._flips[i] and self._convergence[i].still:
                self.still.add(i)

    def _held(self, i: int) -> Callable[[Archive], Bool[Tensor, " n"]] | None:
        """Which members of query ``i`` answers are chosen from, so that they are not dropped; None where nobody can tell."""
        if self.standing is None:
            return None
        return partial(self.standing.held, i=i, most=max(1, int(_ANSWERING * self._capacity)))

    def _gains(self, evaluation: Evaluation) -> tuple[list[float], list[bool], list[bool]]:
        """Of the candidates of each query the largest lead, whether the model's output differs, and whether one flips and keeps the constraints."""
        scores, kept = evaluation.scores, evaluation.violation <= 0
        gains, moved, flips = list[float](), list[bool](), list[bool]()
        step = max(1, _CELLS // scores[0].numel())
        for at in range(0, len(scores), step):
            part = slice(at, at + step)
            own = scores[part].double()
            p, source, target = own.softmax(dim=-1), self._problem.source[part], self._problem.target[part]
            leads = lead(p, source=source, target=target)
            gains += leads.amax(1).tolist()
            moved += ((own - self._originals[part, None]).abs() > _SAME).flatten(1).any(1).tolist()
            flips += ((leads > 0) & kept[part]).any(1).tolist()
        return gains, moved, flips

    @property
    def flipped(self) -> int:
        """For how many queries a candidate flips."""
        problem, sizes = self._problem, [len(archive.scores) for archive in self.archives]
        of = torch.repeat_interleave(torch.arange(problem.b), torch.tensor(sizes))
        scores = torch.cat([archive.scores for archive in self.archives])
        flips = flipped(scores, source=problem.source[of], target=problem.target[of])
        return len(set(of[flips].tolist()))

    def reason(self, i: int, *, generations: int) -> Reason:
        """Why a search that came to its end ended.

        Args:
            i: which query.
            generations: how many there were.
        """
        if i in self.still:
            return Reason.CONVERGED
        if not self.spent[i] or self.fixed[i]:
            return Reason.FIXED
        idle = generations - 1 - self._last_gain[i] > _STALL_SHARE * generations
        if not self._moved[i]:
            return Reason.CONSTANT
        if not self.archives[i].feasible:
            return Reason.INFEASIBLE
        return Reason.STALLED if self._best[i] <= 0 and idle else Reason.BUDGET
