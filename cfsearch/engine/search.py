"""Search of a batch of queries: one solver, a budget, a seed, and a Pareto front for each query."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.generator import Generator
from cfsearch.contracts.objective import Constraint, Objective, queries_beside
from cfsearch.contracts.provider import DifferentiableProvider, Provider
from cfsearch.contracts.records import Reason, flipped
from cfsearch.contracts.solver import Solver
from cfsearch.errors import ConfigError, QueryError
from cfsearch.fronts.front import ParetoFront
from cfsearch.fronts.picks import ANSWERS

from .archive import Archive
from .clock import Clock
from .course import Course
from .enumeration import every_point
from .problem import Problem
from .progress import Failure, Watcher
from .requirements import check_scores_held
from .robustness import check_robustness, measured_robustness, most_queries
from .schedule import Allowance, Schedule, allowance
from .verification import FrontBuilder


@final
@dataclass(frozen=True)
class Search:
    """Searches a Pareto front of counterfactuals for each input.

    Args:
        provider: the audited model as the search queries it.
        generator: turns changes into inputs.
        objectives: two or more.
        solver: makes the solver for a population; called once a batch.
        evaluations: most different candidates a query, > 0. Where the rules of the space allow no more than that,
            all of them are evaluated, and the front is exact (``Reason.EXACT``). What was evaluated before is
            remembered and costs nothing.
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
            (``cfsearch.engine.pruning``), where an objective knows real inputs for steps towards these too
            (``cfsearch.engine.refinement``), in [0, 1); 0 leaves the front as the solver found it.
        patience: a query's search ends once its front holds a flip and grew by less than 0.1 % of its
            hypervolume over so many generations of the solver; what prunes comes after that. 0 for never.
        max_queries: most inputs that the audited model is queried about for one query: the original, its
            candidates and the verification; what ``seeds`` take comes on top. The search is made
            smaller to fit, and a fifth is kept back for the verification. None for no limit.
        max_time: seconds after which no generation begins any more, for the queries of one call
            together; what was found is verified all the same. None for no limit.
        gradients: a network whose gradients are followed in two generations of three (``cfsearch.engine.descent``):
            the provider itself, its twin, or a surrogate. Each gradient counts as two evaluations. Goes with solvers that are ``Injectable``. None for none.
        robustness: small changes that are tried of each member that is shown, once the search has ended
            (``cfsearch.engine.robustness``), a query each; 0 for none. ``max_queries`` keeps them back.
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
    gradients: DifferentiableProvider | None = None
    patience: int = 0
    robustness: int = 0
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
        if not isinstance(self.patience, int) or isinstance(self.patience, bool) or self.patience < 0:
            raise ConfigError(
                f"search: `patience` must be a whole number of generations, 0 for no early end, got {self.patience!r}."
            )
        for name in ("pruning", "margin", "max_time"):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int | float)):
                raise ConfigError(f"search: `{name}` must be a number, got {value!r}.")
        if self.max_time is not None and not 0.0 < self.max_time < float("inf"):
            raise ConfigError(
                f"search: `max_time` must be finite and > 0, in seconds, got {self.max_time!r}."
            )
        for name in ("pruning", "margin"):
            if not 0.0 <= getattr(self, name) < 1.0:
                raise ConfigError(f"search: `{name}` must lie in [0, 1), got {getattr(self, name)!r}.")
        check_robustness(self.robustness, self.generator)
        check_scores_held(self.provider, population=self.population, capacity=self.capacity)
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
        check: Callable[[ParetoFront], ParetoFront] | None = None,
    ) -> list[ParetoFront | Failure]:
        """One front a query, in order; a query for which the model failed gives a ``Failure``.

        Args:
            x: the queries, in the generator's size.
            names: one a query.
            attributes: as for ``Problem``.
            check: what else is measured of each front before the robustness of what it shows (genuineness).

        Raises:
            PluginError: an objective, generator or solver broke its contract.
            ConfigError, CapabilityError: see ``Problem``.
        """
        if isinstance(x, Tensor) and len(x) == 0:
            return []
        results = self._searched(x, names, attributes)
        if check is not None:
            results = [check(one) if isinstance(one, ParetoFront) else one for one in results]
        if not self.robustness:
            return results
        return [self._measured(one, x) if isinstance(one, ParetoFront) else one for one in results]

    def _measured(self, front: ParetoFront, x: Tensor) -> ParetoFront:
        model, device = self.verifier or self.provider, str(x.device)
        return measured_robustness(front, model, self.generator, changes=self.robustness, device=device)

    @property
    def afterwards(self) -> int:
        """Queries to the audited model that are made of each front after its search, at most."""
        answers = int((self.extra or {}).get("answers", ANSWERS))
        return most_queries(changes=self.robustness, answers=answers)

    def _searched(
        self, x: Float[Tensor, "b *x"], names: Sequence[str], attributes: Float[Tensor, "b a"] | None
    ) -> list[ParetoFront | Failure]:
        try:
            problem = self._problem(x, names, attributes)
        except QueryError as error:
            if len(x) == 1:
                return [Failure(names[0], error)]
            # one by one it shows which query the generator fails for
            return [
                self._searched(x[i : i + 1], [name], None if attributes is None else attributes[i : i + 1])[0]
                for i, name in enumerate(names)
            ]
        done = flipped(problem.queries.scores.cpu(), source=problem.source, target=problem.target).tolist()
        active = [i for i in range(len(x)) if not done[i] and i not in problem.failures]
        most = self._allowance(queries=len(active)).evaluations if active else 0
        listed = [i for i in active if every_point(problem.space.query(i), most=most) is not None]
        results: dict[int, ParetoFront | Failure] = {}
        for part in (listed, [i for i in active if i not in listed]):
            if part:
                chosen = problem
                if len(part) < len(x):
                    chosen = self._problem(
                        x[part],
                        [names[i] for i in part],
                        None if attributes is None else attributes[part],
                        scores=problem.queries.scores[part],
                    )
                results |= dict(zip(part, self._run_batch(chosen), strict=True))
        builder = self._builder()
        for i, name in enumerate(names):
            if i in active:
                continue
            nothing = {} if i in problem.failures else {i: Archive.none(problem)}
            members = builder.verify(problem, nothing).get(i)
            if members is None:
                results[i] = Failure(name, problem.failures[i])
                continue
            reason = Reason.ALREADY_TARGET
            results[i] = builder.front(problem, i, members=members, reason=reason, evaluations=0)
        return [results[i] for i in range(len(x))]

    def problem_of(
        self,
        front: ParetoFront,
        *,
        attributes: Float[Tensor, "1 a"] | None = None,
        device: str | torch.device = "cpu",
    ) -> Problem:
        """The problem that a stored front answers, to measure more points of it.

        Args:
            front: of one input, in stored form.
            attributes: what is known of the input, as for ``Problem``.
            device: of the computation.

        Raises:
            ValueError: the front keeps no input that can be restored (a text, or one stored without it).
        """
        original = front.stored_original
        if original is None:
            raise ValueError(
                f"{front.name}: this front keeps no input to restore, so nothing more can be measured of it."
            )
        x = self.generator.modality.restored(original)[None].to(device)
        return self._problem(x, [front.name], attributes, scores=front.original_scores[None].to(device))

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

    def _allowance(self, *, queries: int) -> Allowance:
        return allowance(
            model=self.verifier or self.provider,
            through=self.provider,
            evaluations=self.evaluations,
            capacity=self.capacity,
            max_queries=self.max_queries,
            queries=queries,
            beside=queries_beside(self.objectives, self.constraints),
            afterwards=self.afterwards,
        )

    def _run_batch(self, problem: Problem) -> list[ParetoFront | Failure]:
        begin = time.monotonic()
        allowed = self._allowance(queries=problem.b)
        schedule = Schedule.of(allowed.evaluations, population=self.population, pruning=self.pruning)
        points = [every_point(problem.space.query(i), most=allowed.evaluations) for i in range(problem.b)]
        listed = [z for z in points if z is not None]
        course = Course(problem, schedule, begin=begin, search=self, members=max(1, allowed.members))
        if allowed.note:
            course.notes.append(allowed.note)
        if not schedule.sizes:
            course.stopped = True
        elif len(listed) == problem.b:
            course.enumerate(listed)
        else:
            course.solve()
            course.prune()
        return self._fronts(problem, course)

    def _fronts(self, problem: Problem, course: Course) -> list[ParetoFront | Failure]:
        results: list[ParetoFront | Failure] = []
        builder, tracker = self._builder(), course.tracker
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
                    reason=course.reason(i),
                    evaluations=spent,
                    followed=tracker.followed[i],
                    reference=tracker.reference[i] if tracker.reference is not None and spent else None,
                    origin=course.origin,
                    note=course.remarks(i, evaluations=self.evaluations),
                )
            except QueryError as error:
                results.append(Failure(name, error))
                continue
            results.append(front)
        return results

    def _builder(self) -> FrontBuilder:
        return FrontBuilder(
            seed=self.seed,
            verifier=self.verifier,
            margin=self.margin,
            reference_point=self.reference_point,
            note=self.note,
            extra=self.extra,
            gradients=self.gradients,
        )
