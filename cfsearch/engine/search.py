"""The loop: many queries in lockstep, one solver, a budget, a seed, and a front for each query."""

import hashlib
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
from cfsearch.contracts.records import Evaluation, Reason, flipped
from cfsearch.contracts.solver import Solver
from cfsearch.errors import CfsearchError, ConfigError, PluginError, QueryError, ShapeError
from cfsearch.fronts.front import ParetoFront

from .archive import Archive, leads
from .clock import Clock
from .plugin_checks import raising
from .problem import Problem
from .pruning import pruned
from .verification import FrontBuilder

_SAME = 1e-6
_STALL_SHARE = 0.3


class Watcher(Protocol):
    """Is told of every generation; must not change anything."""

    def __call__(self, progress: "Progress", /) -> None: ...


@final
@dataclass(frozen=True, slots=True)
class Progress:
    """Where a batch stands after a generation."""

    generation: int
    generations: int
    queries: int
    flipped: int
    evaluations: int


@final
@dataclass(frozen=True, slots=True)
class Failure:
    """A query without a front, and why."""

    name: str
    error: CfsearchError


@final
@dataclass(frozen=True)
class Search:
    """Searches a Pareto front of counterfactuals for each input.

    Args:
        provider: the audited model as the search asks it.
        generator: turns changes into inputs.
        objectives: two or more.
        solver: makes the solver for a population; called once a batch.
        evaluations: candidates a query, > 0; a whole number of populations is used.
        population: candidates a generation, made smaller where the budget is.
        seed: decides all random numbers, together with each input's own pixels.
        target: the label asked for, None for any other class.
        constraints, immutable, reference: as for ``Problem``.
        margin: lead, in probability, that a stored counterfactual needs to be called verified;
            above what the model's answers vary by, so that asking once more does not overturn it.
        verifier: the model that stored counterfactuals are asked of again; the provider
            itself when left out (give the bare model where the provider only estimates it).
        capacity: most members of a front.
        pruning: share of the budget, at its end, for taking out changes that do no work
            (``cfsearch.engine.pruning``), in [0, 1); 0 leaves the front as the solver found it.
        seeds: points that the first population should hold beside its own, one list of changes
            ``(s, d)`` a query of the problem (``cfsearch.explainers.fronts.seeds_of``); they are
            candidates like any other and cost no more budget.
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
    reference_point: Sequence[float] | None = None
    clock: Clock | None = None
    watchers: Sequence[Watcher] = ()
    note: Sequence[str] = field(default_factory=tuple)
    extra: Mapping[str, Any] = field(default_factory=dict)
    seeds: Callable[[Problem], Sequence[Float[Tensor, "s d"]]] | None = None

    def __post_init__(self) -> None:
        for name in ("evaluations", "population", "capacity"):
            value = getattr(self, name)
            if not isinstance(value, int) or value < 1:
                raise ConfigError(f"search: `{name}` must be a whole number of at least 1, got {value!r}.")
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
        population = min(self.population, self.evaluations)
        generations = self.evaluations // population
        searching = generations - int(self.pruning * generations)
        solver = self._started_solver(problem, population=population, generations=searching)
        who = f"solver {solver.name!r}"
        archives = [Archive.none(problem) for _ in range(problem.b)]
        originals = problem.queries.scores.double().cpu()
        spent, last_gain = 0, [0] * problem.b
        best = [-np.inf] * problem.b
        moved = [False] * problem.b
        reference: Tensor | None = None
        for generation in range(generations):
            if generation < searching:
                with raising(PluginError, f"{who}: ask"):
                    z = solver.ask()
                evaluation = problem.evaluate(z, proposed_by=who)
                with raising(PluginError, f"{who}: tell"):
                    solver.tell(evaluation)
            else:
                evaluation = problem.evaluate(self._simpler(problem, archives, population))
            # once a generation, and all queries at once: each read of a device waits for it
            evaluation = _on_host(evaluation)
            spent += evaluation.z.shape[1]
            if reference is None:
                reference = evaluation.f.amax(dim=1).double()
            for i in range(problem.b):
                if i in problem.failures:
                    continue
                archives[i] = archives[i].updated(evaluation, i, capacity=self.capacity)
                gain = float(leads(evaluation.scores[i], problem, i).amax())
                if gain > best[i] + _SAME:
                    best[i], last_gain[i] = gain, generation
                moved[i] = moved[i] or _moved(evaluation.scores[i], originals[i])
            self._report(problem, archives, generation, generations, spent)
        results: list[ParetoFront | Failure] = []
        builder = self._builder()
        members = builder.verify(problem, {i: e for i, e in enumerate(archives) if i not in problem.failures})
        for i, name in enumerate(problem.queries.names):
            if i in problem.failures:
                results.append(Failure(name, problem.failures[i]))
                continue
            idle = generations - 1 - last_gain[i] > _STALL_SHARE * generations
            reason = Reason.BUDGET
            if not moved[i]:
                reason = Reason.CONSTANT
            elif not archives[i].feasible:
                reason = Reason.INFEASIBLE
            elif best[i] <= 0 and idle:
                reason = Reason.STALLED
            try:
                front = builder.front(
                    problem,
                    i,
                    members=members[i],
                    reason=reason,
                    evaluations=spent,
                    reference=None if reference is None else reference[i],
                    origin=solver.name,
                )
            except QueryError as error:
                results.append(Failure(name, error))
                continue
            results.append(front)
        return results

    def _started_solver(self, problem: Problem, *, population: int, generations: int) -> Solver:
        solver = self.solver(population)
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
                generations=generations,
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

    def _report(
        self, problem: Problem, archives: list[Archive], generation: int, generations: int, spent: int
    ) -> None:
        if not self.watchers:
            return
        count = sum(
            bool(flipped(e.scores, source=problem.source[i], target=problem.target[i]).any())
            for i, e in enumerate(archives)
        )
        progress = Progress(generation + 1, generations, problem.b, count, spent * problem.b)
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


def _on_host(evaluation: Evaluation) -> Evaluation:
    return Evaluation(
        z=evaluation.z.cpu(),
        f=evaluation.f.cpu(),
        violation=evaluation.violation.cpu(),
        scores=evaluation.scores.cpu(),
    )


def _moved(scores: Float[Tensor, "n k"], original: Float[Tensor, " k"]) -> bool:
    return bool(((scores.double() - original).abs() > _SAME).any())
