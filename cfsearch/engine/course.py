"""The generations of a batch: every point of a small space, or a solver's turns and then pruning."""

import hashlib
import time
from collections.abc import Callable, Collection, Sequence
from typing import Final, Protocol, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.objective import Constraint, Objective
from cfsearch.contracts.provider import DifferentiableProvider
from cfsearch.contracts.records import Evaluation, Reason
from cfsearch.contracts.solver import Injectable, Solver
from cfsearch.errors import ConfigError, PluginError, ShapeError

from .archive import leads
from .construction import Construction
from .convergence import GROWTH
from .descent import Descent
from .plugin_checks import proposed, raising
from .problem import Problem
from .progress import Progress, Watcher
from .pruning import distinct, pruned_together
from .refinement import MEMBERS, stepped
from .schedule import Schedule
from .standing import Standing
from .tracker import Tracker

ENUMERATION: Final = "enumeration"
"""Origin of the members of an exact front."""


_EVERY: Final = 3
"""One turn of so many is the solver's; in the others gradients are followed, where there are any."""


class Settings(Protocol):
    """What a course needs of ``cfsearch.engine.search.Search``."""

    @property
    def solver(self) -> Callable[[int], Solver]: ...
    @property
    def objectives(self) -> Sequence[Objective]: ...
    @property
    def constraints(self) -> Sequence[Constraint]: ...
    @property
    def seeds(self) -> Callable[[Problem], Sequence[Float[Tensor, "s d"]]] | None: ...
    @property
    def seed(self) -> int: ...
    @property
    def capacity(self) -> int: ...
    @property
    def gradients(self) -> DifferentiableProvider | None: ...
    @property
    def patience(self) -> int: ...
    @property
    def max_time(self) -> float | None: ...
    @property
    def watchers(self) -> Sequence[Watcher]: ...


@final
class Course:
    """Generations of one batch, and what they found.

    Args:
        problem: the queries.
        schedule: sizes of the generations.
        begin: when the search began, on the monotonic clock.
        search: its settings.
        members: most members of a front.
    """

    def __init__(
        self, problem: Problem, schedule: Schedule, *, begin: float, search: Settings, members: int
    ) -> None:
        self._problem, self._schedule, self._begin, self._search = problem, schedule, begin, search
        self._members, self._generation, self._generations = members, 0, len(schedule.sizes)
        self._seeds: Tensor | None = None  # (b, s, d)
        self._construction: Construction | None = None
        self._exact: dict[int, int] = {}  # how many points there were, by query
        self.tracker: Tracker = Tracker(problem, capacity=members, patience=search.patience)
        self.origin: str = ""
        """Name of the solver."""
        self.notes: list[str] = []
        """Why it ended early, of all queries."""
        self.stopped: bool = False
        """Whether it ended early."""

    def enumerate(self, points: Sequence[Float[Tensor, "p d"]]) -> None:
        """Evaluate every point of each query.

        Args:
            points: of each query, different ones, "no change" first.
        """
        size, self.origin = self._schedule.sizes[0], ENUMERATION
        most = max(len(z) for z in points)
        self._generations = -(-most // size)
        self.tracker = Tracker(self._problem, capacity=most)
        whole = True
        for start in range(0, most, size):
            parts = [z[start : start + size] for z in points]
            resting = [i for i, part in enumerate(parts) if not len(part)]
            whole = self._taken(self._problem.evaluate(self._filled(parts), resting=resting), resting=resting)
            if not whole:
                break
        archives = self.tracker.archives
        if whole:
            self._exact = {i: len(z) for i, z in enumerate(points) if len(archives[i].z) <= self._members}
        self.tracker.archives = [archive.thinned(self._members) for archive in archives]

    def solve(self) -> None:
        """The solver's turns; they end early where no front moves any more."""
        solver = self._started_solver()
        who = f"solver {solver.name!r}"
        self.origin = solver.name
        sizes, descent = self._schedule.sizes, self._descent(solver)
        for turn, n in enumerate(sizes[: self._schedule.searching]):
            if self.tracker.at_rest:
                return
            resting = self.tracker.resting
            if descent is not None and turn % _EVERY and n == sizes[0]:
                if not self._descended(descent, solver):
                    return
                continue
            with raising(PluginError, f"{who}: ask"):
                z = solver.ask()
            z = proposed(z, self._problem.space, who=who, checks=None, most=sizes[0])
            evaluation = self._problem.evaluate(z[:, :n], proposed_by=who, resting=resting)
            # a generation that the budget cuts short is the last one: the solver need not learn of it
            if z.shape[1] <= n and not self._problem.unanswered:
                with raising(PluginError, f"{who}: tell"):
                    solver.tell(evaluation)
            if not self._taken(evaluation, resting=resting):
                return

    def _descent(self, solver: Solver) -> Descent | None:
        """Gradient steps that take turns with the solver; None without a network to follow."""
        search, problem, size = self._search, self._problem, self._schedule.sizes[0]
        if search.gradients is None:
            return None
        if not isinstance(solver, Injectable):
            raise ConfigError(
                f"search: gradients go with solvers that learn from others' candidates (nsga2, smpso, agemoea2), got "
                f"{solver.name!r}. Take one of them, or leave gradients out."
            )
        rngs = [self._rng(i, use="gradients") for i in range(problem.b)]
        descent = Descent(problem, search.gradients, rngs=rngs, size=size)
        return descent if descent.directions else None

    def _descended(self, descent: Descent, solver: Solver) -> bool:
        """A turn of gradient steps; False where it was the last turn."""
        problem, tracker = self._problem, self.tracker
        resting = tracker.resting
        z = descent.propose(tracker.archives, active=[i for i in range(problem.b) if i not in resting])
        resting = tracker.resting  # where no gradient could be had
        evaluation = problem.evaluate(z, proposed_by="gradient steps", resting=resting)
        if not problem.unanswered and isinstance(solver, Injectable):
            with raising(PluginError, f"solver {solver.name!r}: inject"):
                solver.inject(evaluation)
        for i in range(problem.b):
            if i not in resting:
                tracker.spent[i] += descent.cost
                tracker.followed[i] += descent.cost
        return self._taken(evaluation, resting=resting)

    def prune(self) -> None:
        """The turns that are left for pruning, as long as there are candidates that were not evaluated before."""
        problem = self._problem
        for n in self._schedule.sizes[self._schedule.searching :]:
            if self.stopped:
                return
            ideas = self._ideas(n)
            idle = [i for i, z in enumerate(ideas) if not len(z)]
            if len(idle) == problem.b:
                return
            evaluation = problem.evaluate(self._filled(ideas), resting=idle)
            if not self._taken(evaluation, resting=idle):
                return

    def reason(self, i: int) -> Reason:
        """Why the search of a query ended.

        Args:
            i: which query.
        """
        if self.stopped and i not in self.tracker.still:
            return Reason.BUDGET
        reason = self.tracker.reason(i, generations=len(self._schedule.sizes))
        return Reason.EXACT if i in self._exact and reason in (Reason.BUDGET, Reason.STALLED) else reason

    def remarks(self, i: int, *, evaluations: int) -> list[str]:
        """What a reader of a front must know about its end.

        Args:
            i: which query.
            evaluations: the budget.
        """
        spent = self.tracker.spent[i]
        if self.reason(i) is Reason.FIXED:
            return []
        if i in self._exact:
            return [
                f"The front is exact: all {self._exact[i]} candidates that the rules allow were evaluated."
            ]
        if i in self.tracker.still:
            return [
                f"The front grew by less than {100 * GROWTH:g} % over {self._search.patience} generations: the search "
                f"ended after {spent} of {evaluations} candidates."
            ]
        return [f"{text} {spent} of {evaluations} candidates were evaluated." for text in self.notes]

    def _taken(self, evaluation: Evaluation, *, resting: Collection[int]) -> bool:
        """Take in a generation; False where it was the last one."""
        problem, tracker = self._problem, self.tracker
        tracker.add(evaluation, generation=self._generation, resting=resting)
        self._generation += 1
        if problem.unanswered:
            self.stopped, self.notes = True, [str(next(iter(problem.unanswered.values())))]
            return False
        progress = Progress(
            self._generation, self._generations, problem.b, tracker.flipped, sum(tracker.spent)
        )
        for watcher in self._search.watchers:
            watcher(progress)
        most = self._search.max_time
        if (
            most is not None
            and self._generation < self._generations
            and time.monotonic() - self._begin > most
        ):
            self.stopped, self.notes = True, [f"`max_time` = {most:g} s ended the search early."]
            return False
        return True

    def _filled(self, parts: Sequence[Float[Tensor, "p d"]]) -> Float[Tensor, "b n d"]:
        """Candidates of all queries, filled up with "no change" where a query has fewer than another."""
        space = self._problem.space
        out = space.lower.new_zeros(len(parts), max(len(z) for z in parts), space.d)
        for i, z in enumerate(parts):
            out[i, : len(z)] = z.to(out)
        return out

    def _ideas(self, n: int) -> list[Float[Tensor, "i d"]]:
        """At most ``n`` candidates of each query: one step from its answers where known inputs say what these are."""
        problem, archives = self._problem, self.tracker.archives
        made = {} if self.tracker.standing is None else self._refined(n, self.tracker.standing)
        members = {
            i: (archive.z, leads(archive.scores, problem, i))
            for i, archive in enumerate(archives)
            if i not in problem.failures and len(archive.z) and i not in made
        }
        made |= pruned_together(members, space=problem.space, n=n, known=problem.known)
        none = torch.zeros(0, problem.space.d)
        return [made.get(i, none) for i in range(problem.b)]

    def _refined(self, n: int, standing: Standing) -> dict[int, Float[Tensor, "i d"]]:
        problem, steps = self._problem, {}
        if self._construction is None and self._seeds is not None:
            self._construction = Construction(problem, self._seeds.cpu(), categorical=standing.categorical)
        for i, archive in enumerate(self.tracker.archives):
            if i in problem.failures:
                continue
            made = [] if self._construction is None else [self._construction.ideas(i, n=n).to(archive.z)]
            best = standing.best(archive, i, most=MEMBERS)
            if len(best):
                z = archive.z[best]
                z = z[(z != 0).sum(1).argsort(stable=True)]
                known = z[:0] if self._seeds is None else self._seeds[i].to(z)
                known = known[(known != 0).any(1)]  # without those that fill it up
                made.append(stepped(z, known=known, categorical=standing.categorical))
            if any(map(len, made)):
                steps[i] = torch.cat(made)
        return distinct(steps, space=problem.space, n=n, known=problem.known)

    def _started_solver(self) -> Solver:
        problem, search = self._problem, self._search
        solver = search.solver(self._schedule.sizes[0])
        if not isinstance(solver, Solver):
            raise PluginError(
                f"search: expected `solver` to make a cfsearch.Solver for a population, got "
                f"{type(solver).__name__}; give a function such as `lambda population: Nsga2(population=population)`."
            )
        if not isinstance(getattr(solver, "name", None), str):
            raise PluginError(
                f"solver {type(solver).__name__}: expected a class attribute `name` that is a string; write "
                "`name: ClassVar[str] = ...` in its class."
            )
        seeds = self._seeds = None if search.seeds is None else self._stacked(search.seeds(problem))
        with raising(PluginError, f"solver {solver.name!r}: start"):
            solver.start(
                problem.space,
                objectives=len(search.objectives),
                constrained=bool(search.constraints),
                rngs=[self._rng(i) for i in range(problem.b)],
                generations=self._schedule.searching,
                seeds=seeds,
            )
        return solver

    def _stacked(self, seeds: Sequence[Float[Tensor, "s d"]]) -> Float[Tensor, "b s d"]:
        problem = self._problem
        if len(seeds) != problem.b or any(z.ndim != 2 or z.shape[1] != problem.space.d for z in seeds):
            raise ShapeError(
                f"search: `seeds` must give one list of changes of shape (s, {problem.space.d}) for each of {problem.b} "
                f"queries, got shapes {[tuple(z.shape) for z in seeds]}."
            )
        return self._filled(seeds)

    def _rng(self, i: int, *, use: str = "") -> np.random.Generator:
        """Random numbers of a query: from the seed and its pixels, not from its place."""
        own = self._problem.generator.modality.fingerprint(self._problem.queries.x[i])
        digest = hashlib.sha256(f"{self._search.seed}:{own}{use}".encode()).digest()
        return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))
