"""Evaluates candidates: decodes them, queries the audited model, measures objectives and constraints.

Everything that a plug-in returns is checked here (``plugin_checks``), and what is wrong is reported under its
name. A solver never sees the model, and the author of an objective writes mathematics and nothing else.
"""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, TypeVar, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cfsearch.contracts.generator import Critic, Generator, Relaxed
from cfsearch.contracts.objective import Constraint, Objective, queries_beside
from cfsearch.contracts.provider import Provider
from cfsearch.contracts.records import NOT_EVALUATED, Candidates, Evaluation, Queries
from cfsearch.contracts.space import SearchSpace
from cfsearch.errors import BudgetExhausted, CfsearchError, QueryError

from .answers import QUERY_FAILURES, original_scores
from .clock import Clock
from .evaluations import Ahead, evaluated, joined, one_of, remembered_values
from .finiteness import Finiteness
from .memory import Memory
from .networks import Networks, encoded
from .plugin_checks import proposed, raising
from .requirements import (
    check_generator,
    check_inputs,
    check_measures,
    check_needs,
    check_provider,
    check_space,
    check_values,
    target_index,
)

Made = TypeVar("Made")

_ROWS_ON_GPU = 4096


@final
class Problem:
    """``b`` queries, the audited model, a generator and what candidates are judged by.

    On a CPU each query is decoded, queried and measured on its own, so that its numbers do not depend,
    to the last bit, on which queries run beside it. What promises the same by itself (``batch_invariant``:
    rows of tables, trees) is decoded and queried for all queries at once, which saves a forest nine
    tenths of its time. On a GPU all queries go together. The model gets at most ``max_batch`` inputs a call.

    A query for which a plug-in raises an exception or gives NaN is noted in ``failures``; the others go on.

    On a CPU no candidate is queried twice: what was evaluated before is remembered, by the input that it
    decodes to where decoding is cheap (``batch_invariant`` generators), else by its changes.

    Args:
        x: the queries in the generator's size.
        names: one name a query.
        provider: the audited model (labels-only models wrapped, see ``cfsearch.providers``).
        generator: turns changes into inputs.
        objectives: two or more, with different names.
        constraints: what candidates must keep.
        target: the target class, by label; None for "any other class".
        immutable: search variables that must not change.
        reference: inputs whose scores stand for the classes (``logit_closeness``).
        clock: where time in the networks is added up; None for no clock.
        attributes: what is known of each query's attributes, in [0, 1], NaN where nothing is; for
            a generator that takes them (``AttributeTaker``).
        scores: of the queries (``Queries.scores``), where the model was queried before.

    Shapes:
        x ``(b, *x)``, reference ``(r, *x)``, both float32, images RGB in [0, 1] with channels first;
        attributes ``(b, a)``; scores ``(b, k)``.

    Raises:
        ConfigError: fewer than two objectives, two of one name, an unknown target or variable.
        CapabilityError: an objective needs what is not there; says what would do.
        ShapeError: inputs that are not the generator's size.
        DataError: inputs that are no finite floating-point numbers, or pictures outside [0, 1].
        PluginError: a plug-in breaks its contract.
        QueryError: the generator fails for one of the queries; it is not known for which.

    Example:
        >>> import torch
        >>> from cfsearch.objectives import Adversarial, Intensity
        >>> from cfsearch.testing import FakeGenerator, FakeProvider
        >>> problem = Problem(
        ...     torch.full((1, 3, 16, 16), 0.4),
        ...     names=["grey"],
        ...     provider=FakeProvider(),
        ...     generator=FakeGenerator(),
        ...     objectives=[Adversarial(), Intensity()],
        ... )
        >>> unchanged = problem.evaluate(torch.zeros(1, 1, 4))
        >>> [round(v, 3) for v in unchanged.f[0, 0].tolist()]  # log p of the present class, size of the change
        [-0.263, 0.0]
    """

    def __init__(
        self,
        x: Float[Tensor, "b *x"],
        *,
        names: Sequence[str],
        provider: Provider,
        generator: Generator[Any],  # Any: a generator's state is its own business
        objectives: Sequence[Objective],
        constraints: Sequence[Constraint] = (),
        target: str | None = None,
        immutable: Sequence[str] = (),
        reference: Float[Tensor, "r *x"] | None = None,
        clock: Clock | None = None,
        attributes: Float[Tensor, "b a"] | None = None,
        scores: Float[Tensor, "b k"] | None = None,
    ) -> None:
        check_measures(objectives, constraints)
        check_provider(provider)
        check_generator(generator)
        check_inputs(x, names=names, generator=generator)
        if reference is not None:
            check_values(reference, what="reference inputs", generator=generator)
        check_needs((*objectives, *constraints), generator, reference=reference is not None)
        self.provider: Provider = provider
        self.generator: Generator[Any] = generator
        self.objectives: tuple[Objective, ...] = tuple(objectives)
        self.constraints: tuple[Constraint, ...] = tuple(constraints)
        self.failures: dict[int, CfsearchError] = {}
        self.unanswered: dict[int, BudgetExhausted] = {}
        """Queries that the last ``evaluate`` did not reach, as no queries to the model were left."""
        self.fresh: list[int] = [0] * len(x)
        """How many candidates of each query the last ``evaluate`` saw for the first time."""
        self.seeding: dict[int, int] = {}  # queries to the model by explainers, for seeds, by query
        self._networks = Networks(provider, generator, clock)
        self.nearby: Counter[int] = self._networks.beside  # queries to the provider by objectives, by query
        self._by_inputs = generator.batch_invariant and not queries_beside(self.objectives, self.constraints)
        self._as_one = all(one.batch_invariant for one in (*self.objectives, *self.constraints))
        goal = target_index(provider, target)
        with torch.no_grad():
            scores = original_scores(self._networks, x, failures=self.failures) if scores is None else scores
            known = None if reference is None else self._networks.score(reference)
            source = scores.argmax(-1)
            with raising(QueryError, f"generator {generator.name!r}: encode"):
                self.state: Any = encoded(generator, x, attributes)
                self._states = [generator.select(self.state, i) for i in range(len(x))]
                space = generator.space(self.state)
            space = check_space(space, generator, b=len(x))
            self.space: SearchSpace = space.restrict(immutable=tuple(immutable))
            self.queries: Queries = Queries(
                names=tuple(names),
                x=x,
                scores=scores,
                source=source,
                target=torch.full_like(source, goal),
                realism=self._networks.realism(x[:, None])[:, 0] if isinstance(generator, Critic) else None,
                reference=known,
            )
        # where the host compares classes, it must not ask the device again each time
        self.source: Tensor = source.cpu()
        self.target: Tensor = self.queries.target.cpu()
        self._alone = [self.queries.pick(i) for i in range(len(x))]
        self._spaces = [self.space.query(i) for i in range(len(x))]
        width = len(provider.labels) + (0 if self._by_inputs else len(self.objectives) + 1)
        self._memories = [Memory(width) for _ in range(len(x))]
        for i in set(range(len(x))) - set(self.failures) if self._by_inputs else ():  # the originals
            self._memories[i].add(x[i : i + 1], self.queries.scores[i : i + 1])

    def __repr__(self) -> str:
        """One line: queries, model, generator, objectives."""
        names = ", ".join(measure.name for measure in (*self.objectives, *self.constraints))
        return (
            f"Problem({self.b} queries, model {self.provider.name!r}, generator {self.generator.name!r}, "
            f"{self.space.d} variables, judged by {names})"
        )

    @property
    def b(self) -> int:
        """Number of queries."""
        return self.space.b

    @torch.no_grad()
    def evaluate(
        self,
        z: Float[Tensor, "b n d"],
        *,
        proposed_by: str = "the caller",
        resting: Collection[int] = (),
    ) -> Evaluation:
        """Objective values, violations and scores of candidates, with the candidates as they were evaluated.

        Points that break a rule of the space are repaired first. A query for which a plug-in fails is
        noted in ``failures`` and gets the worst values from then on, so that the others go on. A query
        that a budget of queries does not reach is noted in ``unanswered``.

        Args:
            z: the candidates.
            proposed_by: who proposed them, for messages.
            resting: queries whose candidates are not looked at; they get the worst values.

        Raises:
            PluginError: an objective, the provider, the generator or whoever proposed the candidates
                returned the wrong thing.
        """
        checks = self._networks.checks
        if self.space.lower.is_cuda and not self.failures and not resting:
            try:
                with checks.together():
                    points = self.space.repair(proposed(z, self.space, who=proposed_by, checks=checks))
                    self.unanswered, self.fresh = {}, [points.shape[1]] * self.b
                    return self._measure_together(points)
            except (*QUERY_FAILURES, BudgetExhausted):
                pass  # measured one by one it shows which query it is
        z = self.space.repair(proposed(z, self.space, who=proposed_by, checks=checks))
        self.unanswered, self.fresh = {}, [0] * self.b
        active = [i for i in range(self.b) if i not in self.failures and i not in resting]
        memories = {i: self._memories[i] for i in active if self._by_inputs}
        ahead = Ahead.of(z, networks=self._networks, state=self.state, memories=memories)
        if self._as_one and ahead.x is not None:
            made = self._measure_as_one(z, active, ahead, ahead.x)
        else:
            made = {i: self._measure_alone(i, z[i : i + 1], ahead) for i in active}
        return joined([made[i] if i in made else self._worst(i, z[i : i + 1]) for i in range(self.b)], dim=0)

    def allowed(self, z: Float[Tensor, "n d"], *, query: int) -> Bool[Tensor, " n"]:
        """True, on the CPU, for changes of one query that keep every rule of its space.

        Args:
            z: the changes.
            query: which query.
        """
        return self._spaces[query].contains(z[None].to(self.space.lower))[0].cpu()

    @torch.no_grad()
    def decode(self, z: Float[Tensor, "b n d"], *, query: int) -> Float[Tensor, "n *x"]:
        """The inputs that changes of one query lead to.

        Args:
            z: the changes, with ``b = 1``.
            query: which query.
        """
        return self._networks.decode(z, self._states[query])[0]

    @torch.no_grad()
    def score(self, x: Float[Tensor, "n *x"]) -> Float[Tensor, "n k"]:
        """The model's answer for inputs, as objectives see it.

        Args:
            x: the inputs.
        """
        return self._networks.score(x)

    def _measure_together(self, z: Tensor) -> Evaluation:
        step = max(1, _ROWS_ON_GPU // self.b)
        parts = [
            self._measure(part, self.queries, self.space, self.state) for part in torch.split(z, step, dim=1)
        ]
        return joined(parts, dim=1)

    def known(self, z: Float[Tensor, "b n d"], queries: Sequence[int]) -> dict[int, Bool[Tensor, " n"]]:
        """Which permitted changes of some queries were evaluated before, on the CPU; none of them on a GPU.

        Args:
            z: changes of all queries.
            queries: which ones are looked at.
        """
        z = z.to(self.space.lower)
        try:
            points = self._networks.decode(z, self.state) if self._by_inputs else z
        except QueryError:  # of a query that failed before
            return {i: self._memories[i].known(self.decode(z[i : i + 1], query=i)) for i in queries}
        return {i: self._memories[i].known(points[i]) for i in queries}

    def remembered(self, x: Float[Tensor, "n *x"], *, query: int) -> Float[Tensor, "n k"] | None:
        """The model's scores of inputs that were all evaluated before; None where they are not known.

        Args:
            x: the inputs.
            query: which query they belong to.
        """
        memory = self._memories[query]
        if not self._by_inputs or not bool(memory.known(x).all()):
            return None
        return memory.recall(x)

    def _measure_as_one(
        self, z: Tensor, active: Sequence[int], ahead: Ahead, x: Tensor
    ) -> dict[int, Evaluation]:
        """Candidates of all queries whose scores are had, measured in one pass."""
        had = ((i, self._noted(i, partial(self._scores_of, i, x[i], ahead))) for i in active)
        scores = {i: one for i, one in had if one is not None}
        if not (found := list(scores)):
            return {}
        of, space = self.queries.taken(found), self.space.bounds_of(found)
        stacked = torch.stack([scores[i].to(z.device) for i in found])
        try:
            made = self._measure(z[found], of, space, self.state, x=x[found], scores=stacked)
        except QUERY_FAILURES:  # measured one by one it shows which query it is
            return {i: self._measure_alone(i, z[i : i + 1], ahead) for i in found}
        return {i: one_of(made, k) for k, i in enumerate(found)}

    def _measure_alone(self, i: int, z: Tensor, ahead: Ahead) -> Evaluation:
        made = self._noted(
            i, lambda: self._measure_inputs(i, z, ahead) if self._by_inputs else self._recalled(i, z)
        )
        return self._worst(i, z) if made is None else made

    def _noted(self, i: int, work: Callable[[], Made]) -> Made | None:
        """The result of work for query ``i``; None where its failure, or the end of the budget, was noted."""
        try:
            return work()
        except QUERY_FAILURES as error:
            self.failures[i] = error
        except BudgetExhausted as error:
            self.unanswered[i] = error
        return None

    def _measure_inputs(self, i: int, z: Tensor, ahead: Ahead) -> Evaluation:
        """Candidates of query ``i``, whose inputs are queried unless they were before."""
        x = self._networks.decode(z, self._states[i]) if ahead.x is None else ahead.x[i : i + 1]
        scores = self._scores_of(i, x[0], ahead)[None].to(z.device)
        return self._measure(z, self._alone[i], self._spaces[i], self._states[i], x=x, scores=scores)

    def _scores_of(self, i: int, x: Tensor, ahead: Ahead) -> Float[Tensor, "n k"]:
        """Scores of inputs of query ``i``, from its memory, where those that are new are added."""
        memory = self._memories[i]
        new = memory.new(x)
        if new:
            rows, answer = x[new], ahead.answers.get(i)
            memory.add(
                rows, self._networks.score(rows) if answer is None else self._networks.understood(answer)
            )
            self.fresh[i] += len(new)
        return memory.recall(x)

    def _recalled(self, i: int, z: Tensor) -> Evaluation:
        """Candidates of query ``i``, which are decoded and measured unless they were before."""
        memory, m = self._memories[i], len(self.objectives)
        new = memory.new(z[0])
        self.fresh[i] = len(new)
        if len(new) == z.shape[1]:
            made = self._measure(z, self._alone[i], self._spaces[i], self._states[i], first=i)
            memory.add(z[0], remembered_values(made))
            return made
        if new:
            made = self._measure(z[:, new], self._alone[i], self._spaces[i], self._states[i], first=i)
            memory.add(z[0][new], remembered_values(made))
        values = memory.recall(z[0])[None].to(z.device)
        return Evaluation(
            z, values[..., :m].to(z), values[..., m].to(z), values[..., m + 1 :].to(self.queries.scores.dtype)
        )

    def _worst(self, i: int, z: Tensor) -> Evaluation:
        """What candidates get that are not evaluated."""
        self.fresh[i] = 0
        n, k = z.shape[1], len(self.provider.labels)
        worst = z.new_full((1, n, len(self.objectives)), NOT_EVALUATED)
        return Evaluation(z, worst, z.new_full((1, n), NOT_EVALUATED), torch.zeros(1, n, k, device=z.device))

    def _measure(
        self,
        z: Tensor,
        queries: Queries,
        space: SearchSpace,
        state: Any,
        *,
        x: Tensor | None = None,
        scores: Tensor | None = None,
        first: int = 0,
    ) -> Evaluation:
        candidates = self._networks.candidates(
            z, queries=queries, space=space, state=state, x=x, scores=scores, first=first
        )
        return evaluated(candidates, self.objectives, self.constraints, checks=self._networks.checks)

    def candidates(
        self,
        z: Float[Tensor, "b n d"],
        *,
        query: int | None = None,
        followed: Provider | None = None,
        checks: Finiteness | None = None,
    ) -> Candidates:
        """Candidates as objectives see them, neither repaired nor remembered.

        Args:
            z: the changes of one query with ``b = 1``, or of all.
            query: which query; None for all.
            followed: the network that scores them; the audited model when left out.
            checks: when answers are looked at; at once when left out.
        """
        networks = replace(self._networks, provider=followed or self.provider, checks=checks or Finiteness())
        of, space, state = self.queries, self.space, self.state
        if query is not None:
            of, space, state = self._alone[query], self._spaces[query], self._states[query]
        x = self.generator.relaxed(state, z) if isinstance(self.generator, Relaxed) else None
        return networks.candidates(z, queries=of, space=space, state=state, x=x)
