"""Explanations as Pareto fronts (measured by a search's objectives) and as seeds of a search.

Rows of a table have an exact ``z``: whatever an explainer proposes becomes a member like any other.
An image that an explainer made has none. Such members, and those of a search beside them, are
measured *as pictures*: the change is one number, the root mean square over all pixel values, and
what objectives read of ``z`` is read of that. Pictures of the two kinds of front are never mixed:
their variables differ, and ``ParetoFront.merge`` refuses.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol, final, runtime_checkable

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cfsearch.contracts.explainer import Explainer, Explanation
from cfsearch.contracts.explainer_task import Subject
from cfsearch.contracts.generator import Critic, Describer
from cfsearch.contracts.modality import PICTURES
from cfsearch.contracts.provider import Provider, answers_of
from cfsearch.contracts.records import UNTARGETED, Candidates, Reason, flipped
from cfsearch.contracts.scores import lead, verdict_scores
from cfsearch.contracts.space import SearchSpace
from cfsearch.engine.problem import Problem
from cfsearch.engine.verification import origin_values
from cfsearch.errors import CapabilityError, ConfigError, ProviderError
from cfsearch.fronts.front import ParetoFront
from cfsearch.numerics import pareto
from cfsearch.numerics.differing import differing

PICTURE: Final = "pixels"
"""The one variable of fronts that are measured as pictures."""
_AS_PICTURES: Final = (
    "Measured as pictures: the change is the root mean square over all pixel values (0 to 1), and what "
    "objectives say of the change is about that."
)


@runtime_checkable
class Traceable(Protocol):
    """A generator that can say which change leads to given inputs."""

    def changes(self, state: Any, x: Float[Tensor, "b n *x"]) -> Float[Tensor, "b n d"]: ...  # Any: its own


def explained(
    explanation: Explanation, *, problem: Problem, verifier: Provider | None = None, margin: float = 1e-4
) -> list[ParetoFront]:
    """A front a query of what the explainer found, in the form that ``ParetoFront.merge`` takes.

    Its member is the counterfactual, if it has the target class and keeps the constraints; its
    origin is the method. Rows: measured by ``problem`` as a search measures, on the row that the
    generator makes of it (a change below its dead zone becomes none). Images: measured as pictures,
    rounded to the 8 bits that are stored; give the search's fronts the same form with ``as_pictures``.

    Args:
        explanation: of the queries of ``problem``, in their order.
        problem: the objectives, and what they need.
        verifier: as for ``Search``.
        margin: as for ``Search``.

    Raises:
        ConfigError: the explanation is of other inputs.
        CapabilityError: it gives no counterfactuals; or the generator of rows cannot be traced back.
    """
    x, found, done = explanation.x, explanation.counterfactuals, explanation.flipped
    queries = problem.queries
    if tuple(x.shape) != tuple(queries.x.shape) or bool(differing(x.to(queries.x), queries.x).any()):
        raise ConfigError(f"{explanation.method}: the explanation is of other inputs than the problem.")
    if found is None or done is None:
        raise CapabilityError(
            f"{explanation.method}: says which features count and gives no counterfactuals; there is nothing "
            "to put on a front."
        )
    image = not problem.generator.modality.traced
    z = None if image else _traced(found[:, None], problem)
    fronts = []
    for i in range(len(x)):
        one = slice(i, i + 1)
        members = (
            _as_pictures(PICTURES.stored(found[one]), problem, i)
            if z is None
            else _as_rows(z[one], problem, i)
        )
        keep = done[one].cpu() & (members.violation <= 0) & (members.z != 0).any(1)
        if i in problem.failures:
            keep = torch.zeros_like(keep)
        fronts.append(_front(members.taken(keep), explanation, problem, i, verifier, margin))
    return fronts


def as_pictures(front: ParetoFront, *, problem: Problem, query: int) -> ParetoFront:
    """The members of a search's front, measured anew as the pictures that are stored of them.

    Args:
        front: of a search; members that are dominated now are dropped.
        problem: that the front was searched in.
        query: which of its queries it is of.

    Raises:
        CapabilityError: the front holds no images.
        ConfigError: it is of another query.
    """
    if front.images is None:
        raise CapabilityError(f"front {front.name!r}: holds no images to measure.")
    if front.name != problem.queries.names[query]:
        raise ConfigError(f"front {front.name!r}: is not of query {problem.queries.names[query]!r}.")
    members = _as_pictures(front.images.to(problem.queries.x.device), problem, query)
    keep = pareto.non_dominated(members.f) & (members.violation <= 0)
    members = members.taken(keep)
    return replace(
        front,
        variables=(PICTURE,),
        z=members.z,
        f=members.f,
        scores=front.scores[keep],
        verified=front.verified[keep],
        images=front.images[keep],
        **_found_since(front, keep),
        origins=tuple(front.origins[j] for j in torch.nonzero(keep).flatten().tolist()),
        origin_values=torch.zeros(1),
        scale=None,
        categories=(),
        described=_words(members.z),
        reference_point=members.worst,
        note=(*front.note, _AS_PICTURES),
    )


def _found_since(front: ParetoFront, keep: Bool[Tensor, " n"]) -> dict[str, Any]:  # Any: fields of a front
    """Of some members what was measured of each after the search, where it was."""
    names = ("robustness", "outlierness", "genuineness", "genuineness_each")
    found: dict[str, Tensor | None] = {name: getattr(front, name) for name in names}
    return {name: value[keep] for name, value in found.items() if value is not None}


def seeds_of(
    explainers: Sequence[Explainer], *, subject: Subject, target: str | None = None, seed: int = 0
) -> Callable[[Problem], list[Float[Tensor, "s d"]]]:
    """What explainers find, as the seeds of a search on rows (``Search.seeds``).

    Counterfactuals that do not flip are seeds as well: a solver may find the way from there. On a CPU
    each query is explained by itself, so that its front is the same alone and in company; one for
    which the model fails is noted in ``Problem.failures``, and in ``Problem.seeding`` how many inputs
    the model was queried about for each; those of a batch are shared out evenly, and their sum is exact.

    Raises:
        CapabilityError: when it is called: the generator cannot be traced back, or an explainer gives
            no counterfactuals.
    """

    def proposed(problem: Problem, rows: range) -> Float[Tensor, "n e *x"]:
        x = problem.queries.x[rows.start : rows.stop]
        if not explainers:
            return x[:, None]  # no change, which is no seed
        try:
            explained = [e.explain(x, subject=subject, target=target, seed=seed) for e in explainers]
        except ProviderError as error:
            if len(rows) > 1:
                return torch.cat([proposed(problem, range(i, i + 1)) for i in rows])
            problem.failures[rows.start] = error
            return x[:, None]
        each, more = divmod(sum(one.queries for one in explained), len(rows))
        problem.seeding |= {i: each + (at < more) for at, i in enumerate(rows)}
        found = [one.counterfactuals for one in explained if one.counterfactuals is not None]
        if len(found) < len(explained):
            name = next(one.method for one in explained if one.counterfactuals is None)
            raise CapabilityError(
                f"{name}: says which features count and gives no counterfactuals; a search cannot begin there."
            )
        return torch.stack(found, dim=1)

    def seeds(problem: Problem) -> list[Tensor]:
        b = problem.b
        step = 1 if problem.queries.x.device.type == "cpu" else max(b, 1)
        parts = [proposed(problem, range(i, min(i + step, b))) for i in range(0, b, step)]
        width = max(part.shape[1] for part in parts)
        # one that failed stands there once: its other places hold the same
        x = torch.cat([p.expand(-1, width, *p.shape[2:]) if p.shape[1] == 1 else p for p in parts])
        return [of_one[(of_one != 0).any(1)] for of_one in _traced(x, problem)]

    return seeds


@final
@dataclass(frozen=True, slots=True, eq=False)
class _Members:
    """What was measured of inputs of one query; on the CPU.

    Shapes:
        z ``(n, d)``; f ``(n, m)``; violation ``(n,)``; stored ``(n, *x)``, 8 bits of images;
        worst ``(m,)``, of the members and of no change.
    """

    z: Tensor
    f: Tensor
    violation: Tensor
    stored: Tensor
    worst: Tensor

    def taken(self, keep: Tensor) -> "_Members":
        return replace(
            self, z=self.z[keep], f=self.f[keep], violation=self.violation[keep], stored=self.stored[keep]
        )


def _traced(x: Float[Tensor, "b n *x"], problem: Problem) -> Float[Tensor, "b n d"]:
    generator = problem.generator
    if not isinstance(generator, Traceable):
        raise CapabilityError(
            f"generator {generator.name!r}: cannot say which change leads to a given input; only generators of "
            "rows can."
        )
    z: Tensor = problem.space.repair(generator.changes(problem.state, x.to(problem.queries.x)))
    return z


@torch.no_grad()
def _as_rows(z: Float[Tensor, "1 n d"], problem: Problem, i: int) -> _Members:
    space = problem.space.query(i)
    with_none = torch.cat([z, torch.zeros_like(z[:, :1])], dim=1)
    return _measured(with_none, problem.decode(with_none, query=i)[None], problem, i, space)


@torch.no_grad()
def _as_pictures(stored: Tensor, problem: Problem, i: int) -> _Members:
    original = problem.queries.x[i]
    every = torch.cat([stored, PICTURES.stored(original)[None]])
    x = (every.float() / 255.0).to(original)[None]
    # from the original as it is stored, so that what looks the same is no change
    z = (x - x[:, -1:]).square().flatten(2).mean(2).sqrt()[..., None]
    one = torch.ones(1, 1, device=z.device)
    space = SearchSpace(names=(PICTURE,), lower=torch.zeros_like(one), upper=one)
    measured = _measured(z, x, problem, i, space)
    return replace(measured, stored=stored.cpu())


def _measured(z: Tensor, x: Tensor, problem: Problem, i: int, space: SearchSpace) -> _Members:
    """Objectives and constraints of inputs ``(1, n + 1, *x)`` of one query, the last of them unchanged."""
    critic = problem.generator
    candidates = Candidates(
        z,
        queries=problem.queries.pick(i),
        space=space,
        decode=lambda _: x,
        score=lambda inputs: problem.score(inputs.flatten(0, 1)).reshape(*inputs.shape[:2], -1),
        realism=critic.realism if isinstance(critic, Critic) else None,
    )
    f = torch.stack([objective(candidates) for objective in problem.objectives], dim=-1)[0].float().cpu()
    violation = torch.zeros(len(f))
    for constraint in problem.constraints:
        violation += constraint(candidates)[0].clamp_min(0).float().cpu()
    return _Members(
        z=z[0, :-1].cpu(),
        f=f[:-1],
        violation=violation[:-1],
        stored=x[0, :-1].cpu(),
        worst=f.amax(0).double(),
    )


def _front(
    members: _Members,
    explanation: Explanation,
    problem: Problem,
    i: int,
    verifier: Provider | None,
    margin: float,
) -> ParetoFront:
    queries, modality = problem.queries, problem.generator.modality
    image = not modality.traced
    model = verifier or problem.provider
    source, target = queries.source[i : i + 1].cpu(), queries.target[i : i + 1].cpu()
    original = modality.stored(queries.x[i]).cpu()
    rows = torch.cat([members.stored.to(original.dtype), original[None]])
    scores = _answers(modality.restored(rows).to(queries.x), model)
    won = lead(torch.softmax(scores[None, :-1].double(), dim=-1), source=source, target=target)[0]
    already = bool(flipped(scores[-1:], source=source, target=target)[0])
    found = Reason.BUDGET if len(members.z) else Reason.STALLED
    describer = problem.generator
    kept: dict[str, Any] = modality.fields(
        rows[:-1], original=original, reconstruction=original
    )  # Any: by field
    return ParetoFront(
        name=queries.names[i],
        labels=problem.provider.labels,
        source=int(source),
        target=None if int(target) == UNTARGETED else int(target),
        variables=(PICTURE,) if image else problem.space.names,
        objectives=tuple(o.name for o in problem.objectives),
        units=tuple(o.unit for o in problem.objectives),
        z=members.z,
        f=members.f,
        origin_values=torch.zeros(1) if image else origin_values(problem, i),
        scores=scores[:-1],
        original_scores=scores[-1],
        reconstruction_scores=scores[-1],
        verified=won >= margin,
        origins=(explanation.method,) * len(members.z),
        reason=Reason.ALREADY_TARGET if already else found,
        reference_point=members.worst,
        evaluations=round(explanation.queries / len(explanation)),
        note=(*explanation.note, _AS_PICTURES) if image else explanation.note,
        extra={
            "input_sha256": modality.fingerprint(queries.x[i]),
            "model": problem.provider.fingerprint,
            "method": explanation.method,
            "surrogate": explanation.surrogate,
        },
        scale=None if image or bool((problem.space.scale == 1).all()) else problem.space.scale.cpu(),
        categories=() if image else problem.space.categories,
        described=_words(members.z)
        if image
        else describer.words(queries.x[i].cpu(), members.stored)
        if isinstance(describer, Describer)
        else (),
        **kept,
    )


def _answers(x: Float[Tensor, "n *x"], model: Provider) -> Float[Tensor, "n k"]:
    with torch.no_grad():
        return verdict_scores(answers_of(model, x), model).cpu()


def _words(z: Float[Tensor, "n 1"]) -> tuple[tuple[str, ...], ...]:
    return tuple((f"pixels by {float(one[0]):.3f} on average",) for one in z)
