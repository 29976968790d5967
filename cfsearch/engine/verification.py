"""Fronts from archives: members decoded once more, in their stored form, and verified by the audited model.

What a front promises is promised of what it stores: of images rounded to 8 bits, and of the model
itself where the search queried a surrogate or counted votes. A member that breaks a rule of the
space is dropped, whoever proposed it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.generator import Critic, Describer, Generator, Speller
from cfsearch.contracts.objective import Outlying
from cfsearch.contracts.provider import DifferentiableProvider, Provider
from cfsearch.contracts.records import UNTARGETED, Reason, flipped
from cfsearch.contracts.scores import objective_scores, verdict_scores
from cfsearch.errors import BudgetExhausted, QueryError
from cfsearch.fronts.front import ParetoFront
from cfsearch.providers.surrogate import SurrogateProvider
from cfsearch.providers.wrapping import queries_of_a_search, queries_to

from .answers import QUERY_FAILURES
from .archive import Archive, leads
from .plugin_checks import check_finite_answer, queried, raising
from .problem import Problem

_NOT_VERIFIED = (
    "No queries to the model were left to verify the members: none counts as verified, and their scores are "
    "those of the search, before they were rounded for storage."
)


@final
@dataclass(frozen=True, slots=True, eq=False)
class VerifiedMembers:
    """Members of one query in stored form, with the audited model's scores of that form.

    Args:
        archive: the members, in canonical order.
        stored: their stored form.
        ends: the generator's output without a change, and the original.
        scores: of ``stored``.
        again: of ``ends``.
        queried: False where the model had answered all of them in the search.
        verified: False where no queries to the model were left; then ``scores`` are the search's.

    Shapes:
        stored ``(n, *x)``, with scores ``(n, k)``; ends ``(2, *x)``, with again ``(2, k)``.
    """

    archive: Archive
    stored: Tensor
    ends: Tensor
    scores: Tensor
    again: Tensor
    queried: bool = True
    verified: bool = True


@final
@dataclass(frozen=True, slots=True, eq=False)
class FrontBuilder:
    """Makes the fronts of a search.

    Args:
        seed: as for ``cfsearch.engine.search.Search``.
        verifier: likewise.
        margin: likewise.
        reference_point: likewise.
        note: likewise.
        extra: likewise.
        gradients: likewise.
    """

    seed: int
    verifier: Provider | None
    margin: float
    reference_point: Sequence[float] | None
    note: Sequence[str]
    extra: Mapping[str, Any]  # Any: plain JSON, whatever it is
    gradients: DifferentiableProvider | None = None

    def verify(self, problem: Problem, archives: Mapping[int, Archive]) -> dict[int, VerifiedMembers]:
        """Members in stored form, with the audited model's scores of that form.

        The model is queried for each query by itself, unless it answers row by row anyway, and not at all
        about inputs that it was queried about in the search, where another answer is impossible. A query for
        which the generator or the model fails is noted in ``problem.failures`` and left out.

        Args:
            problem: the queries.
            archives: what was found, by query.
        """
        ordered, stored, ends = {}, {}, {}
        for i, archive in archives.items():
            kept = archive.taken(problem.allowed(archive.z, query=i)) if len(archive.z) else archive
            ordered[i] = kept.ordered()
            try:
                stored[i], ends[i] = self._in_stored_form(problem, ordered[i], i)
            except QueryError as error:
                problem.failures[i] = error
        answers = self._remembered(problem, {i: torch.cat([stored[i], ends[i]]) for i in stored})
        pending = {i: torch.cat([stored[i], ends[i]]) for i in stored if i not in answers}
        if (self.verifier or problem.provider).batch_invariant and pending:
            try:
                whole = self._scores_of_stored(problem, torch.cat(list(pending.values())))
                answers |= dict(
                    zip(pending, torch.split(whole, [len(x) for x in pending.values()]), strict=True)
                )
            except (*QUERY_FAILURES, BudgetExhausted):
                pass  # queried one by one it shows for which query the model fails
        found = {}
        for i, members in stored.items():
            n, parts = len(members), (members, ends[i])
            try:
                scores, again = (
                    (answers[i][:n], answers[i][n:])
                    if i in answers
                    else (self._scores_of_stored(problem, part) for part in parts)
                )
                found[i] = VerifiedMembers(ordered[i], *parts, scores, again, queried=i in pending)
            except QUERY_FAILURES as error:
                problem.failures[i] = error
            except BudgetExhausted:
                original = problem.queries.scores[i].cpu()
                both = torch.stack([original, original])
                found[i] = VerifiedMembers(ordered[i], *parts, ordered[i].scores, both, verified=False)
        return found

    def _remembered(self, problem: Problem, stored: dict[int, Tensor]) -> dict[int, Tensor]:
        """The model's answers to stored inputs that it gave in the search already, by query.

        Only where the audited model itself was searched and answers an input the same in any company:
        then to ask again could tell nothing new.
        """
        model = problem.provider
        if self.verifier not in (None, model) or not model.batch_invariant:
            return {}
        restored = problem.generator.modality.restored
        known = {i: problem.remembered(restored(x).to(problem.queries.x), query=i) for i, x in stored.items()}
        return {i: scores.cpu() for i, scores in known.items() if scores is not None}

    def _in_stored_form(self, problem: Problem, archive: Archive, i: int) -> tuple[Tensor, Tensor]:
        queries, generator = problem.queries, problem.generator
        zero = torch.zeros(1, 1, problem.space.d, device=queries.x.device, dtype=queries.x.dtype)
        z = archive.z[None].to(queries.x)
        if generator.batch_invariant:
            decoded = problem.decode(torch.cat([zero, z], dim=1), query=i)
            unchanged, x = decoded[0], decoded[1:]
        else:
            unchanged = problem.decode(zero, query=i)[0]
            x = problem.decode(z, query=i) if z.shape[1] else queries.x[:0]
        both = torch.stack([unchanged, queries.x[i]])
        return generator.modality.stored(x), generator.modality.stored(both)

    @property
    def _elsewhere(self) -> bool:
        """Whether gradients are those of another network than what candidates are queries to."""
        return isinstance(self.gradients, SurrogateProvider)

    def _queries(self, problem: Problem, i: int, *, candidates: int, stored: int) -> int:
        """Queries to the audited model for one query, those of explainers before included."""
        model, through = self.verifier or problem.provider, problem.provider
        searched = queries_of_a_search(model, through=through, candidates=candidates, stored=stored)
        beside = queries_to(model, through=through) * problem.nearby[i]
        return searched + beside + problem.seeding.get(i, 0)

    def front(
        self,
        problem: Problem,
        i: int,
        *,
        members: VerifiedMembers,
        reason: Reason,
        evaluations: int,
        followed: int = 0,
        reference: Float[Tensor, " m"] | None = None,
        origin: str = "",
        note: Sequence[str] = (),
    ) -> ParetoFront:
        """The front of query ``i``.

        Args:
            problem: the queries.
            i: which query.
            members: what was found for it.
            reason: why the search stopped.
            evaluations: candidates that were evaluated for this query, gradients counted as two each.
            followed: what of these gradients took.
            reference: the point of hypervolumes where the settings name none; zeros without.
            origin: the solver's name.
            note: what a reader must know of this query, besides the search's own notes.

        Raises:
            QueryError: the generator fails to describe the members.
        """
        queries, generator = problem.queries, problem.generator
        archive, stored, scores, again = members.archive, members.stored, members.scores, members.again
        verified = (leads(scores, problem, i) >= self.margin) & (archive.violation <= 0)
        verified &= torch.tensor(members.verified)
        target = int(problem.target[i])
        notes = [*self.note, *note, *([] if members.verified else [_NOT_VERIFIED])]
        if len(archive.z) and bool(flipped(again[0], source=problem.source[i], target=problem.target[i])):
            notes.append(
                "The generator's output flips the model before anything is changed; the changes "
                "named here are not what flips it."
            )
        point = (
            torch.tensor(self.reference_point, dtype=torch.float64)
            if self.reference_point is not None
            else reference
            if reference is not None
            else torch.zeros(len(problem.objectives), dtype=torch.float64)
        )
        with raising(QueryError, f"generator {generator.name!r}: words"):
            described = (
                generator.words(queries.x[i].cpu(), generator.modality.restored(stored).cpu())
                if isinstance(generator, Describer)
                else ()
            )
        return ParetoFront(
            name=queries.names[i],
            labels=problem.provider.labels,
            source=int(problem.source[i]),
            target=None if target == UNTARGETED else target,
            variables=problem.space.names,
            objectives=tuple(o.name for o in problem.objectives),
            units=tuple(o.unit for o in problem.objectives),
            z=archive.z.cpu(),
            f=archive.f.cpu(),
            origin_values=origin_values(problem, i),
            scores=scores.cpu(),
            original_scores=again[1].cpu(),
            reconstruction_scores=again[0].cpu(),
            verified=verified.cpu(),
            origins=(origin,) * len(archive.z),
            reason=reason,
            reference_point=point,
            evaluations=evaluations,
            queries=self._queries(
                problem,
                i,
                candidates=evaluations - (followed if self._elsewhere else 0),
                stored=len(stored) if members.verified and members.queried else -2,
            ),
            seeding=problem.seeding.get(i, 0),
            scale=None if bool((problem.space.scale == 1).all()) else problem.space.scale.cpu(),
            categories=problem.space.categories if generator.modality.categorical else (),
            described=described,
            outlierness=self._outlierness(problem, stored, i),
            note=tuple(notes),
            extra={
                "seed": self.seed,
                "input_sha256": generator.modality.fingerprint(queries.x[i]),
                "model": (self.verifier or problem.provider).fingerprint,
                "generator": generator.fingerprint,
                "critic": generator.critic_kind if isinstance(generator, Critic) else "",
                **({} if self.gradients is None else {"gradients": self.gradients.fingerprint}),
                **self.extra,
            },
            **front_inputs(generator, stored.cpu(), members.ends.cpu()),
        )

    @staticmethod
    def _outlierness(problem: Problem, stored: Tensor, i: int) -> Float[Tensor, " n"] | None:
        """How isolated stored members are, by the objective that knows real inputs; None without one."""
        outlying = next((o for o in problem.objectives if isinstance(o, Outlying)), None)
        if outlying is None:
            return None
        x = problem.generator.modality.restored(stored).to(problem.queries.x)
        factors = outlying.outlierness(x, queries=problem.queries, i=i)
        return None if factors is None else factors.cpu()

    def _scores_of_stored(self, problem: Problem, stored: Tensor) -> Float[Tensor, "n k"]:
        """Log-scores of inputs in stored form, from the verifier."""
        model = self.verifier or problem.provider
        x = problem.generator.modality.restored(stored).to(problem.queries.x)
        if len(x) == 0:
            return torch.zeros(0, len(model.labels))
        with torch.no_grad():
            answer = torch.cat([queried(model, piece) for piece in torch.split(x, model.max_batch)])
        check_finite_answer(answer, model)
        if self.verifier is None:
            return objective_scores(answer, kind=model.scores).cpu()
        return verdict_scores(answer, model).cpu()


def origin_values(problem: Problem, i: int) -> Float[Tensor, " d"]:
    """The variables of a query before any change; NaN where its number is missing.

    Args:
        problem: whose query.
        i: which one.
    """
    values = problem.space.origin[i].cpu().clone()
    for j, name in enumerate(problem.space.names):
        absent = problem.generator.missing_as.get(name)
        if absent is not None and values[j] == torch.tensor(absent, dtype=values.dtype):
            values[j] = torch.nan
    return values


def front_inputs(generator: Generator[Any], stored: Tensor, ends: Tensor) -> dict[str, Any]:  # Any: by field
    """Inputs as the fields of a front that keep them.

    Args:
        generator: that made them.
        stored: members.
        ends: the generator's output without a change, and the original.

    Shapes:
        stored ``(n, *x)``, ends ``(2, *x)``, both in stored form.
    """
    modality = generator.modality
    if isinstance(generator, Speller):
        spelled = generator.spell(ends)
        return modality.fields(generator.spell(stored), original=spelled[1], reconstruction=spelled[0])
    return modality.fields(stored, original=ends[1], reconstruction=ends[0])
