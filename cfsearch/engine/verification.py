"""From an archive to a front: decoded once more, in its stored form, and asked of the audited model again.

What a front promises is promised of what it stores: of images rounded to 8 bits, and of the model
itself where the search asked a surrogate or counted votes.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.generator import Critic, Describer, Generator, Speller
from cfsearch.contracts.modality import PICTURES, ROWS, SOUNDS, TEXTS
from cfsearch.contracts.provider import Provider
from cfsearch.contracts.records import UNTARGETED, Reason, flipped
from cfsearch.contracts.scores import objective_scores, verdict_scores
from cfsearch.fronts.front import ParetoFront
from cfsearch.providers.wrapping import questions_of_a_search

from .archive import Archive, leads
from .problem import Problem


@final
@dataclass(frozen=True, slots=True, eq=False)
class VerifiedMembers:
    """What is kept of a query in the end.

    Shapes:
        stored ``(n, *x)``, with scores ``(n, k)``; ends ``(2, *x)``, the generator's output without a
        change and the original, with their scores again ``(2, k)``.
    """

    archive: Archive
    stored: Tensor
    ends: Tensor
    scores: Tensor
    again: Tensor


@final
@dataclass(frozen=True, slots=True, eq=False)
class FrontBuilder:
    """Makes the fronts of a search.

    Args:
        seed, verifier, margin, reference_point, note, extra: as for ``cfsearch.engine.search.Search``.
    """

    seed: int
    verifier: Provider | None
    margin: float
    reference_point: Sequence[float] | None
    note: Sequence[str]
    extra: Mapping[str, Any]  # Any: plain JSON, whatever it is

    def verify(self, problem: Problem, archives: Mapping[int, Archive]) -> dict[int, VerifiedMembers]:
        """What is kept of each query, in its stored form and asked again.

        Each query is asked for by itself, unless the model answers row by row anyway.
        """
        queries, generator = problem.queries, problem.generator
        model = self.verifier or problem.provider
        ordered, stored, ends = {}, {}, {}
        for i, archive in archives.items():
            ordered[i] = archive.ordered()
            zero = torch.zeros(1, 1, problem.space.d, device=queries.x.device, dtype=queries.x.dtype)
            z = ordered[i].z[None].to(queries.x)
            if generator.batch_invariant:
                decoded = problem.decode(torch.cat([zero, z], dim=1), query=i)
                unchanged, x = decoded[0], decoded[1:]
            else:
                unchanged = problem.decode(zero, query=i)[0]
                x = problem.decode(z, query=i) if z.shape[1] else queries.x[:0]
            both = torch.stack([unchanged, queries.x[i]])
            stored[i], ends[i] = generator.modality.stored(x), generator.modality.stored(both)
        asked = [part for i in archives for part in (stored[i], ends[i])]
        if model.batch_invariant and asked:
            every = self._ask_again(problem, torch.cat(asked))
            answers = iter(torch.split(every, [len(part) for part in asked]))
        else:
            answers = (self._ask_again(problem, part) for part in asked)
        return {
            i: VerifiedMembers(ordered[i], stored[i], ends[i], next(answers), next(answers)) for i in archives
        }

    def _questions(self, problem: Problem, i: int, *, candidates: int, stored: int) -> int:
        """What the audited model was asked for a query, by explainers before as well."""
        model, through = self.verifier or problem.provider, problem.provider
        searched = questions_of_a_search(model, through=through, candidates=candidates, stored=stored)
        return searched + problem.seeding.get(i, 0)

    def front(
        self,
        problem: Problem,
        i: int,
        *,
        members: VerifiedMembers,
        reason: Reason,
        evaluations: int,
        reference: Float[Tensor, " m"] | None = None,
        origin: str = "",
    ) -> ParetoFront:
        """The front of query ``i``.

        Args:
            reason: why the search stopped.
            evaluations: candidates that were evaluated for this query.
            reference: the point of hypervolumes where the settings name none; zeros without.
            origin: the solver's name.
        """
        queries, generator = problem.queries, problem.generator
        archive, stored, scores, again = members.archive, members.stored, members.scores, members.again
        verified = (leads(scores, problem, i) >= self.margin) & (archive.violation <= 0)
        target = int(queries.target[i])
        note = list(self.note)
        if len(archive.z) and bool(
            flipped(again[0], source=queries.source[i].cpu(), target=queries.target[i].cpu())
        ):
            note.append(
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
        return ParetoFront(
            name=queries.names[i],
            labels=problem.provider.labels,
            source=int(queries.source[i]),
            target=None if target == UNTARGETED else target,
            variables=problem.space.names,
            objectives=tuple(o.name for o in problem.objectives),
            units=tuple(o.unit for o in problem.objectives),
            z=archive.z.cpu(),
            f=archive.f.cpu(),
            origin_values=problem.space.origin[i].cpu(),
            scores=scores.cpu(),
            original_scores=again[1].cpu(),
            reconstruction_scores=again[0].cpu(),
            verified=verified.cpu(),
            origins=(origin,) * len(archive.z),
            reason=reason,
            reference_point=point,
            evaluations=evaluations,
            questions=self._questions(problem, i, candidates=evaluations, stored=len(stored)),
            seeding=problem.seeding.get(i, 0),
            scale=None if bool((problem.space.scale == 1).all()) else problem.space.scale.cpu(),
            categories=problem.space.categories if generator.modality is ROWS else (),
            described=generator.words(queries.x[i], stored) if isinstance(generator, Describer) else (),
            note=tuple(note),
            extra={
                "seed": self.seed,
                "input_sha256": generator.modality.fingerprint(queries.x[i]),
                "model": (self.verifier or problem.provider).fingerprint,
                "generator": generator.fingerprint,
                "critic": generator.critic_kind if isinstance(generator, Critic) else "",
                **self.extra,
            },
            **front_inputs(generator, stored.cpu(), members.ends.cpu()),
        )

    def _ask_again(self, problem: Problem, stored: Tensor) -> Float[Tensor, "n k"]:
        """Log-scores of inputs in the form in which they are kept, from the verifier."""
        model = self.verifier or problem.provider
        x = problem.generator.modality.restored(stored).to(problem.queries.x)
        if len(x) == 0:
            return torch.zeros(0, len(model.labels))
        with torch.no_grad():
            raw = model.predict(x)
        if self.verifier is None:
            return objective_scores(raw, kind=model.scores).cpu()
        return verdict_scores(raw, model).cpu()


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
    if modality is PICTURES:
        return {"images": stored, "original": ends[1], "reconstruction": ends[0]}
    none = {"images": None, "original": None, "reconstruction": None}
    if modality is SOUNDS:
        return none | {"sounds": stored, "sound": ends[1]}
    if modality is TEXTS and isinstance(generator, Speller):
        return none | {"texts": generator.spell(stored), "text": generator.spell(ends[1:])[0]}
    return none | {"rows": stored, "row": ends[1]}
