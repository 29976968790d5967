"""Search of a batch of queries: one solver, a budget, a seed, and a Pareto front for each query."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.generator import Generator
from cfsearch.contracts.objective import Constraint, Objective
from cfsearch.contracts.provider import Provider
from cfsearch.contracts.records import Reason, flipped
from cfsearch.contracts.solver import Solver
from cfsearch.errors import CfsearchError, ConfigError, PluginError, QueryError, ShapeError
from cfsearch.fronts.front import ParetoFront

from .archive import Archive, leads
from .clock import Clock
from .plugin_checks import proposed, raising
from .problem import Problem
from .pruning import pruned
from .schedule import Schedule, allowance
from .tracker import Tracker
from .verification import FrontBuilder


class Watcher(Protocol):
    """Callback after every generation; must not change anything."""

    def __call__(self, progress: "Progress", /) -> None: ...


@final
@dataclass(frozen=True, slots=True)
class Progress:
    """State of a batch after a generation.

    Args:
        generation: generations that are done.
        generations: how many there will be at most.
        queries: how many are searched together.
        flipped: for how many of them a candidate flips.
        evaluations: candidates that were evaluated, of all queries together.
    """

    generation: int
    generations: int
    queries: int
    flipped: int
    evaluations: int


@final
@dataclass(frozen=True, slots=True)
class Failure:
    """A query without a front, and why.

    Args:
        name: of the query.
        error: what went wrong; a plug-in's own exception is its cause.
    """

    name: str
    error: CfsearchError

    def __repr__(self) -> str:
        """One line: name, kind of error, and the first line of its message."""
        first = str(self.error).partition("\n")[0]
        return f"Failure({self.name!r}, {type(self.error).__name__}: {first})"


@final
@dataclass(frozen=True)
class Search:
    """Searches a Pareto front of counterfactuals for each input.

    Args:
        provider: the audited model as the search queries it.
        generator: turns changes into inputs.
        objectives: two or more.
        solver: makes the solver for a population; called once a batch.
        evaluations: candidates a query, > 0; the last generation is smaller where it is no whole number
            of populations.
        population: candidates a generation, made smaller where the budget is.
        seed: decides all random numbers, together with each input's own pixels.
        target: the label of the target class, None for any other class.
        constraints: as for ``Problem``.
        immutable: likewise.
        reference: likewise.
        margin: lead, in probability, that a stored counterfactual needs to be called verified;
            above what the model's answers vary by, so that one more query does not overturn it.
        verifier: the model that verifies stored counterfactuals; the provider itself when left out (give the bare model where the provider only estimates it).
        capacity: most members of a front.
        pruning: share of the budget, at its end, for taking out changes that do no work
            (``cfsearch.engine.pruning``), in [0, 1); 0 leaves the front as the solver found it.
        max_queries: most inputs that the audited model is queried about for one query: the original, its
            candidates and the verification; what ``seeds`` take comes on top. The search is made
            smaller to fit, and a fifth is kept back for the verification. None for no limit.
        max_time: seconds after which no generation begins any more, for the queries of one call
            together; what was found is verified all the same. None for no limit.
        seeds: points that the first population should hold beside its own, one list of changes
            ``(s, d)`` a query of the problem (``cfsearch.explainers.fronts.seeds_of``); they are
            candidates like any other and cost no more budget.
        clock: where time in the networks is added up; None for no clock.
        watchers: called after every generation.
        note: what a reader of each front must know, one sentence each.
        extra: plain JSON values that each front keeps (the schema of a table).
        reference_point: for hypervolumes; when left out, the worst value of each objective in
            the first generation, which depends on the seed.

    Raises:
        ConfigError: a budget, population or capacity below 1.

    Example:
        >>> import torch
        >>> from cfsearch.objectives.adversarial import Adversarial
        >>> from cfsearch.objectives.intensity import Intensity
        >>> from cfsearch.solvers.random import RandomSearch
        >>> from cfsearch.testing import FakeGenerator, FakeProvider
        >>> search = Search(
        ...     FakeProvider(),
        ...     FakeGenerator(),
        ...     [Adversarial(), Intensity()],
        ...     lambda population: RandomSearch(population=population),
        ...     evaluations=200,
        ... )
        >>> [front] = search.run(torch.full((1, 3, 16, 16), 0.4), names=["dark grey"])
        >>> front.found
        True
    """

    provider: Provider
    generator: Generator[Any]  # Any: a generator's state is its own business
    objectives: Sequence[Objective]
    solver: Callable[[int], Solver]
    evaluations: int = 5000
    population: int = 100
    seed: int = 0
    target: str | None = None
    constraints: Sequence[Constraint] = ()
    immutable: Sequence[str] = ()
    reference: Float[Tensor, "r *x"] | None = None
    verifier: Provider | None = None
    margin: float = 1e-4
    capacity: int = 100
    pruning: float = 0.15
    max_queries: int | None = None
    max_time: float | None = None
    reference_point: Sequence[float] | None = None
    clock: Clock | None = None
    watchers: Sequence[Watcher] = ()
    note: Sequence[str] = field(default_factory=tuple)
    extra: Mapping[str, Any] = field(default_factory=dict)
    seeds: Callable[[Problem], Sequence[Float[Tensor, "s d"]]] | None = None

    def __post_init__(self) -> None:
        for name in ("evaluations", "population", "capacity", "max_queries"):
            value = getattr(self, name)
            if name == "max_queries" and value is None:
                continue
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ConfigError(f"search: `{name}` must be a whole number of at least 1, got {value!r}.")
        for name in ("pruning", "margin", "max_time"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise ConfigError(f"search: `{name}` must be a number, got {value!r}.")
        if self.max_time is not None and not 0.0 < self.max_time < float("inf"):
            raise ConfigError(
                f"search: `max_time` must be finite and > 0, in seconds, got {self.max_time!r}."
            )
        if not 0.0 <= self.pruning < 1.0:
            raise ConfigError(f"search: `pruning` must lie in [0, 1), got {self.pruning!r}.")
        if self.reference_point is not None and len(self.reference_point) != len(self.objectives):
            raise ConfigError(
                f"search: `reference_point` needs one number for each of the {len(self.objectives)} "
                f"objectives, got {len(self.reference_point)}."
            )

    def run(
        self,
        x: Float[Tensor, "b *x"],
        *,
        names: Sequence[str],
        attributes: Float[Tensor, "b a"] | None = None,
    ) -> list[ParetoFront | Failure]:
        """One front a query, in order; a query for which the model failed gives a ``Failure``.

        Args:
            x: the queries, in the generator's size.
            names: one a query.
            attributes: as for ``Problem``.

        Raises:
            PluginError: an objective, generator or solver broke its contract.
            ConfigError, CapabilityError: see ``Problem``.
        """
        if isinstance(x, Tensor) and len(x) == 0:
            return []
        try:
            problem = self._problem(x, names, attributes)
        except QueryError as error:
            if len(x) == 1:
                return [Failure(names[0], error)]
            # one by one it shows which query the generator fails for
            return [
                self.run(
                    x[i : i + 1],
                    names=[name],
                    attributes=None if attributes is None else attributes[i : i + 1],
                )[0]
                for i, name in enumerate(names)
            ]
        results: list[ParetoFront | Failure] = []
        done = flipped(problem.queries.scores.cpu(), source=problem.source, target=problem.target).tolist()
        active = [i for i in range(len(x)) if not done[i] and i not in problem.failures]
        if len(active) == len(x):
            return self._run_batch(problem)
        searched = iter(
            self._run_batch(
                self._problem(
                    x[active],
                    [names[i] for i in active],
                    None if attributes is None else attributes[active],
                    scores=problem.queries.scores[active],
                )
            )
            if active
            else []
        )
        builder = self._builder()
        for i, name in enumerate(names):
            if i in active:
                results.append(next(searched))
                continue
            nothing = {} if i in problem.failures else {i: Archive.none(problem)}
            members = builder.verify(problem, nothing).get(i)
            if members is None:
                results.append(Failure(name, problem.failures[i]))
                continue
            reason = Reason.ALREADY_TARGET
            results.append(builder.front(problem, i, members=members, reason=reason, evaluations=0))
        return results

    def _problem(
        self, x: Tensor, names: Sequence[str], attributes: Tensor | None, *, scores: Tensor | None = None
    ) -> Problem:
        return Problem(
            x,
            names=names,
            provider=self.provider,
            generator=self.generator,
            objectives=self.objectives,
            constraints=self.constraints,
            target=self.target,
            immutable=self.immutable,
            reference=self.reference,
            clock=self.clock,
            attributes=attributes,
            scores=scores,
        )

    def _run_batch(self, problem: Problem) -> list[ParetoFront | Failure]:
        begin = time.monotonic()
        allowed = allowance(
            model=self.verifier or self.provider,
            through=self.provider,
            evaluations=self.evaluations,
            capacity=self.capacity,
            max_queries=self.max_queries,
            queries=problem.b,
        )
        note = [allowed.note] if allowed.note else []
        schedule = Schedule.of(allowed.evaluations, population=self.population, pruning=self.pruning)
        tracker = Tracker(problem, capacity=max(1, allowed.members))
        stopped, origin = not schedule.sizes, ""
        if schedule.sizes:
            solver = self._started_solver(problem, schedule)
            who, origin = f"solver {solver.name!r}", solver.name
            for generation, n in enumerate(schedule.sizes):
                if self.max_time is not None and generation and time.monotonic() - begin > self.max_time:
                    stopped, note = True, [f"`max_time` = {self.max_time:g} s ended the search early."]
                    break
                if generation < schedule.searching:
                    with raising(PluginError, f"{who}: ask"):
                        z = solver.ask()
                    z = proposed(z, problem.space, who=who, most=schedule.sizes[0])
                    evaluation = problem.evaluate(z[:, :n], proposed_by=who)
                    # a generation that the budget cuts short is the last one: the solver need not learn of it
                    if z.shape[1] <= n and not problem.unanswered:
                        with raising(PluginError, f"{who}: tell"):
                            solver.tell(evaluation)
                else:
                    evaluation = problem.evaluate(self._simpler(problem, tracker.archives, n))
                tracker.add(evaluation, generation=generation)
                if problem.unanswered:
                    stopped, note = True, [str(next(iter(problem.unanswered.values())))]
                    break
                self._report(problem, tracker, generation, len(schedule.sizes))
        return self._fronts(problem, tracker, schedule, origin=origin, note=note, stopped=stopped)

    def _fronts(
        self,
        problem: Problem,
        tracker: Tracker,
        schedule: Schedule,
        *,
        origin: str,
        note: Sequence[str],
        stopped: bool,
    ) -> list[ParetoFront | Failure]:
        results: list[ParetoFront | Failure] = []
        builder = self._builder()
        found = {i: e for i, e in enumerate(tracker.archives) if i not in problem.failures}
        members = builder.verify(problem, found)
        for i, name in enumerate(problem.queries.names):
            if i in problem.failures:
                results.append(Failure(name, problem.failures[i]))
                continue
            spent = tracker.spent[i]
            try:
                front = builder.front(
                    problem,
                    i,
                    members=members[i],
                    reason=Reason.BUDGET if stopped else tracker.reason(i, generations=len(schedule.sizes)),
                    evaluations=spent,
                    reference=tracker.reference[i] if tracker.reference is not None and spent else None,
                    origin=origin,
                    note=[
                        f"{text} {spent} of {self.evaluations} candidates were evaluated." for text in note
                    ],
                )
            except QueryError as error:
                results.append(Failure(name, error))
                continue
            results.append(front)
        return results

    def _started_solver(self, problem: Problem, schedule: Schedule) -> Solver:
        solver = self.solver(schedule.sizes[0])
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
        seeds = None if self.seeds is None else _stacked(self.seeds(problem), problem)
        with raising(PluginError, f"solver {solver.name!r}: start"):
            solver.start(
                problem.space,
                objectives=len(self.objectives),
                constrained=bool(self.constraints),
                rngs=[self._rng(problem, i) for i in range(problem.b)],
                generations=schedule.searching,
                seeds=seeds,
            )
        return solver

    def _simpler(self, problem: Problem, archives: list[Archive], n: int) -> Float[Tensor, "b n d"]:
        rows = []
        for i, archive in enumerate(archives):
            if i in problem.failures or not len(archive.z):
                rows.append(torch.zeros(n, problem.space.d))
                continue
            lead = leads(archive.scores, problem, i)
            rows.append(pruned(archive.z, lead=lead, space=problem.space.query(i), n=n))
        return torch.stack([row.to(problem.space.lower) for row in rows])

    def _report(self, problem: Problem, tracker: Tracker, generation: int, generations: int) -> None:
        if not self.watchers:
            return
        spent = sum(tracker.spent)
        progress = Progress(generation + 1, generations, problem.b, tracker.flipped, spent)
        for watcher in self.watchers:
            watcher(progress)

    def _builder(self) -> FrontBuilder:
        return FrontBuilder(
            seed=self.seed,
            verifier=self.verifier,
            margin=self.margin,
            reference_point=self.reference_point,
            note=self.note,
            extra=self.extra,
        )

    def _rng(self, problem: Problem, i: int) -> np.random.Generator:
        """Random numbers of a query: from the seed and its pixels, not from its place."""
        own = problem.generator.modality.fingerprint(problem.queries.x[i])
        digest = hashlib.sha256(f"{self.seed}:{own}".encode()).digest()
        return np.random.default_rng(np.frombuffer(digest, dtype=np.uint32))


def _stacked(seeds: Sequence[Float[Tensor, "s d"]], problem: Problem) -> Float[Tensor, "b s d"]:
    """Seeds of all queries, filled up with "no change" where a query has fewer than another."""
    d = problem.space.d
    if len(seeds) != problem.b or any(z.ndim != 2 or z.shape[1] != d for z in seeds):
        raise ShapeError(
            f"search: `seeds` must give one list of changes of shape (s, {d}) for each of {problem.b} "
            f"queries, got shapes {[tuple(z.shape) for z in seeds]}."
        )
    out = problem.space.lower.new_zeros(problem.b, max(len(z) for z in seeds), d)
    for i, z in enumerate(seeds):
        out[i, : len(z)] = z.to(out)
    return out
