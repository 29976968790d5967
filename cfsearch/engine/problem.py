"""The one door between solvers and plug-ins: decodes, asks the model, measures, checks.

Everything that a plug-in returns is checked here and nowhere else: shape, finiteness, device.
What is wrong is said with the plug-in's name. A solver never sees the model, and the author of
an objective writes the mathematics and nothing else.
"""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, cast, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.generator import AttributeTaker, Critic, Generator
from cfsearch.contracts.objective import Constraint, Objective
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.contracts.records import UNTARGETED, Candidates, Evaluation, Need, Queries
from cfsearch.contracts.scores import objective_scores
from cfsearch.contracts.space import SearchSpace
from cfsearch.errors import (
    CapabilityError,
    CfsearchError,
    ConfigError,
    NonFiniteError,
    PluginError,
    ProviderError,
    ShapeError,
)

_ROWS_ON_GPU = 4096


@final
@dataclass
class Clock:
    """Seconds spent inside the networks: ``decode``, ``provider`` and ``critic``."""

    seconds: dict[str, float] = field(default_factory=dict)

    def timed(self, what: str, work: Callable[[], Tensor]) -> Tensor:
        """The result of ``work``, its time added to ``what``."""
        begin = time.perf_counter()
        result = work()
        if result.is_cuda:
            # the only wait inside a generation, and only where somebody holds a clock
            torch.cuda.synchronize(result.device)
        self.seconds[what] = self.seconds.get(what, 0.0) + time.perf_counter() - begin
        return result


@final
class Problem:
    """``b`` queries, the audited model, a generator and what candidates are judged by.

    On a CPU each query is decoded, asked and measured on its own, so that its numbers do not depend,
    to the last bit, on which queries run beside it. What promises the same by itself (``batch_invariant``:
    rows of tables, trees) is decoded and asked for all queries at once, which saves a forest nine
    tenths of its time. On a GPU all queries go together.

    Args:
        provider: the audited model (labels-only models wrapped, see ``cfsearch.providers``).
        generator: turns changes into inputs.
        objectives: two or more, with different names.
        constraints: what candidates must keep.
        x: the queries in the generator's size.
        names: one name a query.
        target: the class asked for, by label; None for "any other class".
        immutable: search variables that must not change.
        reference: inputs whose scores stand for the classes (``logit_closeness``).
        clock: where time in the networks is added up; None for no clock.
        attributes: what is known of each query's attributes, in [0, 1], NaN where nothing is; for
            a generator that can be told (``AttributeTaker``).
        scores: of the queries (``Queries.scores``), where the model was asked about them before.

    Shapes:
        x ``(b, *x)``, reference ``(r, *x)``, both in the house form; attributes ``(b, a)``; scores ``(b, k)``.

    Raises:
        ConfigError: fewer than two objectives, two of one name, an unknown target or variable.
        CapabilityError: an objective needs what is not there; says what would do.
        ShapeError: inputs that are not the generator's size.
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
        _check_measures(objectives, constraints)
        _check_labels(provider)
        if len(x) != len(names) or tuple(x.shape[1:]) != tuple(generator.shape):
            raise ShapeError(
                f"problem: expected inputs of shape ({len(names)}, "
                f"{', '.join(map(str, generator.shape))}) for generator {generator.name!r}, "
                f"got {tuple(x.shape)}."
            )
        self.provider, self.generator = provider, generator
        self.objectives, self.constraints = tuple(objectives), tuple(constraints)
        self.failures: dict[int, CfsearchError] = {}
        self.seeding: dict[int, int] = {}  # questions that explainers asked to find where to begin, by query
        self._clock = clock
        goal = _target_index(provider, target)
        self._check_needs(reference is not None)
        with torch.no_grad():
            scores = self._original_scores(x) if scores is None else scores
            known = None if reference is None else self._score(reference)
            source = scores.argmax(-1)
            self.state = _encoded(generator, x, attributes)
            self._states = [generator.select(self.state, i) for i in range(len(x))]
            self.space: SearchSpace = generator.space(self.state).restrict(immutable=tuple(immutable))
            self.queries = Queries(
                names=tuple(names),
                x=x,
                scores=scores,
                source=source,
                target=torch.full_like(source, goal),
                realism=self._realism(x[:, None])[:, 0] if isinstance(generator, Critic) else None,
                reference=known,
            )
        self._alone = [self.queries.pick(i) for i in range(len(x))]
        self._spaces = [self.space.query(i) for i in range(len(x))]

    @property
    def b(self) -> int:
        """Number of queries."""
        return self.space.b

    @torch.no_grad()
    def evaluate(self, z: Float[Tensor, "b n d"]) -> Evaluation:
        """What the candidates are worth.

        A query for which the provider fails is noted in ``failures`` and gets the worst values
        from then on, so that the others go on.

        Raises:
            PluginError: an objective or the generator returned the wrong thing.
        """
        z = self.space.clamp(z)
        if z.is_cuda:
            step = max(1, _ROWS_ON_GPU // self.b)
            parts = [
                self._measure(part, self.queries, self.space, self.state)
                for part in torch.split(z, step, dim=1)
            ]
            return _joined(parts, dim=1)
        ahead = self._ahead(z) if self.generator.batch_invariant else _Ahead()
        return _joined([self._measure_alone(i, z[i : i + 1], ahead) for i in range(self.b)], dim=0)

    @torch.no_grad()
    def decode(self, z: Float[Tensor, "b n d"], *, query: int) -> Float[Tensor, "n *x"]:
        """The inputs that changes of one query lead to; ``z`` has ``b = 1``."""
        return self._decode(z, self._states[query])[0]

    @torch.no_grad()
    def score(self, x: Float[Tensor, "n *x"]) -> Float[Tensor, "n k"]:
        """The model's answer for inputs, as objectives see it."""
        return self._score(x)

    def _ahead(self, z: Tensor) -> "_Ahead":
        """All candidates decoded in one go, and asked where the model allows it."""
        x = self._decode(z, self.state)
        active = [i for i in range(self.b) if i not in self.failures]
        if not (self.provider.batch_invariant and active):
            return _Ahead(x)
        try:
            answer = self._ask(x[active].flatten(0, 1))
        except ProviderError:
            return _Ahead(x)  # asked one by one it shows which query the model fails on
        n = z.shape[1]
        return _Ahead(x, {i: answer[at * n : (at + 1) * n] for at, i in enumerate(active)})

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
            except ProviderError as error:
                self.failures[i] = error
        n, k = z.shape[1], len(self.provider.labels)
        worst = torch.full((1, n, len(self.objectives)), 1e30, dtype=z.dtype)
        return Evaluation(z, worst, torch.full((1, n), 1e30, dtype=z.dtype), torch.zeros(1, n, k))

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
            scores = self._score(flat) if answer is None else self._understood(answer, n=len(flat))
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
        f = torch.stack([self._value("objective", o, candidates) for o in self.objectives], dim=-1)
        violation = torch.zeros_like(f[..., 0])
        for constraint in self.constraints:
            violation = violation + self._value("constraint", constraint, candidates).clamp_min(0)
        return Evaluation(z, f, violation, scores)

    def _value(self, kind: str, measure: Objective | Constraint, candidates: Candidates) -> Tensor:
        expected = tuple(candidates.z.shape[:2])
        try:
            value = measure(candidates)
        except CfsearchError:
            raise
        except Exception as error:
            raise PluginError(f"{kind} {measure.name!r} raised {type(error).__name__}: {error}") from error
        if not isinstance(value, Tensor):
            raise PluginError(
                f"{kind} {measure.name!r} must return a tensor of shape {expected}, "
                f"got {type(value).__name__}."
            )
        bad = int((~torch.isfinite(value)).sum()) if value.is_floating_point() else 0
        if tuple(value.shape) != expected or bad or not value.is_floating_point():
            raise PluginError(
                f"{kind} {measure.name!r} must give one finite value per candidate: expected "
                f"shape {expected}, got {tuple(value.shape)} of {value.dtype} with {bad} "
                "non-finite values."
            )
        return value.to(candidates.z)

    def _decode(self, z: Tensor, state: Any) -> Tensor:
        x = self._time("decode", lambda: self.generator.decode(state, z))
        expected = (*z.shape[:2], *self.generator.shape)
        if tuple(x.shape) != expected:
            raise PluginError(
                f"generator {self.generator.name!r} must decode to shape {expected}, got {tuple(x.shape)}."
            )
        if not bool(torch.isfinite(x).all()):
            raise PluginError(f"generator {self.generator.name!r} decoded non-finite values.")
        return x

    def _score(self, x: Tensor) -> Tensor:
        return self._understood(self._ask(x), n=len(x))

    def _ask(self, x: Tensor) -> Tensor:
        return self._time("provider", lambda: self.provider.predict(x))

    def _understood(self, raw: Tensor, *, n: int) -> Tensor:
        expected = (n, len(self.provider.labels))
        if tuple(raw.shape) != expected:
            raise PluginError(
                f"provider {self.provider.name!r} must answer with shape {expected}, got {tuple(raw.shape)}."
            )
        if not bool(torch.isfinite(raw).all()):
            rows = int((~torch.isfinite(raw)).any(-1).sum())
            raise NonFiniteError(
                f"provider {self.provider.name!r} answered NaN or infinity for {rows} of {n} inputs."
            )
        return objective_scores(raw, kind=self.provider.scores)

    def _original_scores(self, x: Tensor) -> Tensor:
        """Scores of the queries, each on its own; one that fails is noted and gets zeros."""
        rows = []
        try:
            answers = self._ask(x) if self.provider.batch_invariant and len(x) else None
        except ProviderError:
            answers = None  # as in `_ahead`
        for i in range(len(x)):
            one = slice(i, i + 1)
            try:
                rows.append(self._score(x[one]) if answers is None else self._understood(answers[one], n=1))
            except ProviderError as error:
                self.failures[i] = error
                rows.append(torch.zeros(1, len(self.provider.labels), device=x.device))
        return torch.cat(rows)

    def _realism(self, x: Tensor) -> Tensor:
        critic = self.generator
        if not isinstance(critic, Critic):
            raise CapabilityError(f"generator {critic.name!r} has no critic; this needs {Need.CRITIC.value}.")
        value = self._time("critic", lambda: critic.realism(x))
        if tuple(value.shape) != tuple(x.shape[:2]) or not bool(torch.isfinite(value).all()):
            raise PluginError(
                f"generator {critic.name!r}: realism must give one finite value per candidate, "
                f"expected shape {tuple(x.shape[:2])}, got {tuple(value.shape)}."
            )
        return value

    def _time(self, what: str, work: Callable[[], Tensor]) -> Tensor:
        return work() if self._clock is None else self._clock.timed(what, work)

    def _check_needs(self, reference: bool) -> None:
        have = {
            Need.CRITIC: isinstance(self.generator, Critic),
            Need.REFERENCE: reference,
            Need.IMAGE: self.generator.modality.pictured,
        }
        for measure in (*self.objectives, *self.constraints):
            for need in sorted(measure.needs, key=lambda n: n.name):
                if not have[need]:
                    raise CapabilityError(f"{measure.name!r} needs {need.value}.")


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


def _check_measures(objectives: Sequence[Objective], constraints: Sequence[Constraint]) -> None:
    names = [measure.name for measure in (*objectives, *constraints)]
    if len(objectives) < 2:
        raise ConfigError(f"problem: a front needs two objectives or more, got {names}.")
    if len(set(names)) != len(names):
        raise ConfigError(f"problem: objectives and constraints must have different names, got {names}.")


def _check_labels(provider: Provider) -> None:
    if provider.scores is ScoreKind.LABELS:
        raise CapabilityError(
            f"provider {provider.name!r} gives labels only: wrap it in "
            "cfsearch.providers.votes.VotingProvider, which estimates a margin by votes over "
            "small perturbations."
        )


def _encoded(generator: Generator[Any], x: Tensor, attributes: Tensor | None) -> Any:
    if attributes is None:
        return generator.encode(x)
    if not isinstance(generator, AttributeTaker):
        raise CapabilityError(
            f"generator {generator.name!r} cannot be told the attributes of an input; leave them out, or "
            "give a generator of attributes such as attgan."
        )
    return cast(AttributeTaker, generator).encode(x, attributes=attributes)


def _target_index(provider: Provider, target: str | None) -> int:
    if target is None:
        return UNTARGETED
    if target not in provider.labels:
        raise ConfigError(
            f"target: the model {provider.name!r} has no class {target!r}; "
            f"its classes are {', '.join(provider.labels)}."
        )
    return provider.labels.index(target)
