"""Evaluates candidates: decodes them, queries the audited model, measures objectives and constraints.

Everything that a plug-in returns is checked here (``plugin_checks``), and what is wrong is reported
under the plug-in's name. A solver never sees the model, and the author of an objective writes the
mathematics and nothing else.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Final, cast, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cfsearch.contracts.generator import AttributeTaker, Critic, Generator
from cfsearch.contracts.objective import Constraint, Objective
from cfsearch.contracts.provider import Provider
from cfsearch.contracts.records import Candidates, Evaluation, Need, Queries
from cfsearch.contracts.scores import objective_scores
from cfsearch.contracts.space import SearchSpace
from cfsearch.errors import BudgetExhausted, CapabilityError, CfsearchError, ProviderError, QueryError

from .clock import Clock
from .plugin_checks import check_finite_answer, generated, measured, proposed, queried, raising
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

QUERY_FAILURES: Final = (ProviderError, QueryError)
"""Errors that end the search of one query; the others go on."""

_ROWS_ON_GPU = 4096


@final
class Problem:
    """``b`` queries, the audited model, a generator and what candidates are judged by.

    On a CPU each query is decoded, queried and measured on its own, so that its numbers do not depend,
    to the last bit, on which queries run beside it. What promises the same by itself (``batch_invariant``:
    rows of tables, trees) is decoded and queried for all queries at once, which saves a forest nine
    tenths of its time. On a GPU all queries go together. The model gets at most ``max_batch`` inputs a call.

    A query for which a plug-in raises an exception or gives NaN is noted in ``failures``; the others go on.

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
            check_values(reference, what="reference inputs", pictured=generator.modality.pictured)
        check_needs((*objectives, *constraints), generator, reference=reference is not None)
        self.provider: Provider = provider
        self.generator: Generator[Any] = generator
        self.objectives: tuple[Objective, ...] = tuple(objectives)
        self.constraints: tuple[Constraint, ...] = tuple(constraints)
        self.failures: dict[int, CfsearchError] = {}
        self.unanswered: dict[int, BudgetExhausted] = {}
        """Queries that the last ``evaluate`` did not reach, as no queries to the model were left."""
        self.seeding: dict[int, int] = {}  # queries to the model by explainers, for seeds, by query
        self._clock = clock
        goal = target_index(provider, target)
        self._who = f"generator {generator.name!r}"
        with torch.no_grad():
            scores = self._original_scores(x) if scores is None else scores
            known = None if reference is None else self._score(reference)
            source = scores.argmax(-1)
            with raising(QueryError, f"{self._who}: encode"):
                self.state: Any = _encoded(generator, x, attributes)
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
                realism=self._realism(x[:, None])[:, 0] if isinstance(generator, Critic) else None,
                reference=known,
            )
        # where the host compares classes, it must not ask the device again each time
        self.source: Tensor = source.cpu()
        self.target: Tensor = self.queries.target.cpu()
        self._alone = [self.queries.pick(i) for i in range(len(x))]
        self._spaces = [self.space.query(i) for i in range(len(x))]

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
    def evaluate(self, z: Float[Tensor, "b n d"], *, proposed_by: str = "the caller") -> Evaluation:
        """Objective values, violations and scores of candidates, with the candidates as they were evaluated.

        Points that break a rule of the space are repaired first. A query for which a plug-in fails is
        noted in ``failures`` and gets the worst values from then on, so that the others go on. A query
        that a budget of queries does not reach is noted in ``unanswered``.

        Args:
            z: the candidates.
            proposed_by: who proposed them, for messages.

        Raises:
            PluginError: an objective, the provider, the generator or whoever proposed the candidates
                returned the wrong thing.
        """
        z = self.space.repair(proposed(z, self.space, who=proposed_by))
        self.unanswered = {}
        if z.is_cuda and not self.failures:
            try:
                return self._measure_together(z)
            except (*QUERY_FAILURES, BudgetExhausted):
                pass  # measured one by one it shows which query it is
        ahead = self._ahead(z) if self.generator.batch_invariant else _Ahead()
        return _joined([self._measure_alone(i, z[i : i + 1], ahead) for i in range(self.b)], dim=0)

    def allowed(self, z: Float[Tensor, "n d"], *, query: int) -> Bool[Tensor, " n"]:
        """True for changes of one query that keep every rule of its space.

        Args:
            z: the changes.
            query: which query.

        Returns:
            On the CPU.
        """
        return self._spaces[query].contains(z[None].to(self.space.lower))[0].cpu()

    @torch.no_grad()
    def decode(self, z: Float[Tensor, "b n d"], *, query: int) -> Float[Tensor, "n *x"]:
        """The inputs that changes of one query lead to.

        Args:
            z: the changes, with ``b = 1``.
            query: which query.
        """
        return self._decode(z, self._states[query])[0]

    @torch.no_grad()
    def score(self, x: Float[Tensor, "n *x"]) -> Float[Tensor, "n k"]:
        """The model's answer for inputs, as objectives see it.

        Args:
            x: the inputs.
        """
        return self._score(x)

    def _measure_together(self, z: Tensor) -> Evaluation:
        step = max(1, _ROWS_ON_GPU // self.b)
        parts = [
            self._measure(part, self.queries, self.space, self.state) for part in torch.split(z, step, dim=1)
        ]
        return _joined(parts, dim=1)

    def _ahead(self, z: Tensor) -> "_Ahead":
        """All candidates decoded in one go, and queried where the model allows it."""
        try:
            x = self._decode(z, self.state)
        except QueryError:
            return _Ahead()  # decoded one by one it shows for which query the generator fails
        active = [i for i in range(self.b) if i not in self.failures]
        if not (self.provider.batch_invariant and active):
            return _Ahead(x)
        answers: list[Tensor] = []
        try:
            answers.extend(self._pieces(x[active].flatten(0, 1)))
        except (*QUERY_FAILURES, BudgetExhausted):
            pass  # what is missing is queried one by one, which shows for which query the model fails
        if not answers:
            return _Ahead(x)
        answer, n = torch.cat(answers), z.shape[1]
        whole = len(answer) // n
        return _Ahead(x, {i: answer[at * n : (at + 1) * n] for at, i in enumerate(active[:whole])})

    def _measure_alone(self, i: int, z: Tensor, ahead: "_Ahead") -> Evaluation:
        if i not in self.failures:
            try:
                return self._measure(
                    z,
                    self._alone[i],
                    self._spaces[i],
                    self._states[i],
                    x=None if ahead.x is None else ahead.x[i : i + 1],
                    answer=ahead.answers.get(i),
                )
            except QUERY_FAILURES as error:
                self.failures[i] = error
            except BudgetExhausted as error:
                self.unanswered[i] = error
        n, k = z.shape[1], len(self.provider.labels)
        worst = z.new_full((1, n, len(self.objectives)), 1e30)
        return Evaluation(z, worst, z.new_full((1, n), 1e30), torch.zeros(1, n, k, device=z.device))

    def _measure(
        self,
        z: Tensor,
        queries: Queries,
        space: SearchSpace,
        state: Any,
        *,
        x: Tensor | None = None,
        answer: Tensor | None = None,
    ) -> Evaluation:
        def score(inputs: Tensor) -> Tensor:
            flat = inputs.flatten(0, 1)
            scores = self._score(flat) if answer is None else self._understood(answer)
            return scores.reshape(*inputs.shape[:2], -1)

        candidates = Candidates(
            z,
            queries=queries,
            space=space,
            decode=lambda points: self._decode(points, state) if x is None else x,
            score=score,
            realism=self._realism if isinstance(self.generator, Critic) else None,
        )
        scores = candidates.scores
        f = torch.stack([measured("objective", o, candidates) for o in self.objectives], dim=-1)
        violation = torch.zeros_like(f[..., 0])
        for constraint in self.constraints:
            violation = violation + measured("constraint", constraint, candidates).clamp_min(0)
        return Evaluation(z, f, violation, scores)

    def _decode(self, z: Tensor, state: Any) -> Tensor:
        return generated(
            self._who,
            lambda: self._time("decode", lambda: self.generator.decode(state, z)),
            expected=(*z.shape[:2], *self.generator.shape),
            what="decode",
            device=z.device,
        )

    def _score(self, x: Tensor) -> Tensor:
        return self._understood(torch.cat(list(self._pieces(x))))

    def _pieces(self, x: Tensor) -> Iterator[Tensor]:
        """Raw answers, to at most ``max_batch`` inputs each."""
        for piece in torch.split(x, self.provider.max_batch):
            yield self._time("provider", partial(queried, self.provider, piece))

    def _understood(self, answer: Tensor) -> Tensor:
        check_finite_answer(answer, self.provider)
        return objective_scores(answer, kind=self.provider.scores)

    def _original_scores(self, x: Tensor) -> Tensor:
        """Scores of the queries, each on its own; one that fails is noted and gets zeros."""
        rows, answers = [], x.new_zeros(0, len(self.provider.labels))
        if self.provider.batch_invariant and len(x):
            pieces: list[Tensor] = []
            try:
                pieces.extend(self._pieces(x))
            except (*QUERY_FAILURES, BudgetExhausted):
                pass  # as in `_ahead`
            answers = torch.cat(pieces) if pieces else answers
        for i in range(len(x)):
            one = slice(i, i + 1)
            try:
                rows.append(self._understood(answers[one]) if i < len(answers) else self._score(x[one]))
            except (*QUERY_FAILURES, BudgetExhausted) as error:
                self.failures[i] = error
                rows.append(torch.zeros(1, len(self.provider.labels), device=x.device))
        return torch.cat(rows)

    def _realism(self, x: Tensor) -> Tensor:
        critic = self.generator
        if not isinstance(critic, Critic):
            raise CapabilityError(f"{self._who} has no critic; this needs {Need.CRITIC.value}.")
        return generated(
            self._who,
            lambda: self._time("critic", lambda: critic.realism(x)),
            expected=tuple(x.shape[:2]),
            what="realism",
            device=x.device,
        )

    def _time(self, what: str, work: Callable[[], Tensor]) -> Tensor:
        return work() if self._clock is None else self._clock.timed(what, work)


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Ahead:
    """What is known of a generation before its queries are measured one by one.

    Shapes:
        x ``(b, n, *x)`` or None; answers ``(n, k)`` by query.
    """

    x: Tensor | None = None
    answers: dict[int, Tensor] = field(default_factory=dict)


def _joined(parts: list[Evaluation], *, dim: int) -> Evaluation:
    if len(parts) == 1:
        return parts[0]
    return Evaluation(
        z=torch.cat([p.z for p in parts], dim),
        f=torch.cat([p.f for p in parts], dim),
        violation=torch.cat([p.violation for p in parts], dim),
        scores=torch.cat([p.scores for p in parts], dim),
    )


def _encoded(generator: Generator[Any], x: Tensor, attributes: Tensor | None) -> Any:
    if attributes is None:
        return generator.encode(x)
    if not isinstance(generator, AttributeTaker):
        raise CapabilityError(
            f"generator {generator.name!r} takes no attributes of an input; leave them out, or "
            "give a generator of attributes such as attgan."
        )
    return cast(AttributeTaker, generator).encode(x, attributes=attributes)
