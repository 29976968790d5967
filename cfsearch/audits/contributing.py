"""What each changed variable contributes to a flip: by querying the audited model on counterfactuals that hold.

Of each input and variable one counterfactual is drawn among those that change it, so that an input counts once
a variable: the shares estimate those of all such counterfactuals, each input counting alike. The change is *sufficient* where it flips the model when it is made alone, *necessary* where the
counterfactual no longer flips when it alone is taken back. Of each input's smallest counterfactual (the pick
``closest``) the Shapley values of its changes say how much of the change of the model's log-odds, from the generator's output without
a change to that counterfactual, each of them does.

References:
    Galhotra, Pradhan and Salimi 2021, *Explaining black-box algorithms using probabilistic contrastive counterfactuals* (LEWIS),
    necessity and sufficiency, https://arxiv.org/abs/2103.11972; Kommiya Mothilal, Mahajan, Tan and Sharma 2021, *Towards
    unifying feature attribution and counterfactual explanations*, https://arxiv.org/abs/2011.04917; Shapley 1953.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.assembly.search import Assembly
from cfsearch.contracts.provider import Provider, ScoreKind, answers_of
from cfsearch.contracts.records import UNTARGETED
from cfsearch.contracts.scores import lead, log_odds, verdict_scores
from cfsearch.engine.problem import Problem
from cfsearch.engine.search import Search
from cfsearch.fronts.front import ParetoFront
from cfsearch.numerics.shapley import MOST_EXACT, PERMUTATIONS, Shapley, shapley
from cfsearch.runs.directory import RunDirectory

from .shared.measuring import dealt

MOST_INPUTS: Final = 200
"""Contributions are measured on at most so many inputs."""


@final
@dataclass(frozen=True, slots=True)
class Tried:
    """One change of one input, tried alone and taken back.

    Args:
        sufficient: it flips the model alone.
        necessary: without it the others do not flip the model.
    """

    sufficient: bool
    necessary: bool


@final
@dataclass(frozen=True, slots=True, eq=False)
class Contribution:
    """What the changes of one input contribute.

    Args:
        tried: by variable, what its change does alone and is needed for.
        changed: variables that the smallest counterfactual changes; none where the model gives labels only.
        shapley: of these, in logits towards the class that was wanted; None where there are none.
        queries: to the audited model.
    """

    tried: Mapping[str, Tried]
    changed: tuple[str, ...]
    shapley: Shapley | None
    queries: int


@final
@dataclass(frozen=True, slots=True, eq=False)
class MeasuredContributions:
    """The contributions of an audit's inputs.

    Args:
        variables: all of the search, in its order.
        inputs: of each input that was measured, by name.
        left_out: inputs with a counterfactual that were not measured, for lack of queries.
    """

    variables: tuple[str, ...]
    inputs: Mapping[str, Contribution]
    left_out: int

    @property
    def queries(self) -> int:
        """To the audited model, for all of it."""
        return sum(one.queries for one in self.inputs.values())


def most_queries_of(front: ParetoFront, *, scored: bool) -> int:
    """Queries that the contributions of one front take at most.

    Args:
        front: of one input.
        scored: whether the model gives more than labels.
    """
    changed = front.changed[front.valid]
    closest = front.pick("closest")
    if closest is None:
        return 0
    m = int(front.changed[closest].sum()) if scored else 0
    sets = 2**m if m <= MOST_EXACT else PERMUTATIONS * (m - 1) + 2
    return 2 * int(changed.any(0).sum()) + sets


@torch.no_grad()
def contribution_of(
    front: ParetoFront,
    search: Search,
    model: Provider,
    *,
    attributes: Float[Tensor, "1 a"] | None = None,
    device: str = "cpu",
) -> Contribution:
    """What the changes of one input contribute.

    Every combination of changes keeps the rules of the input (``SearchSpace.repair``); it may then change less.

    Args:
        front: of the input, in stored form.
        search: that it was searched with.
        model: the audited model.
        attributes: what is known of the input, as for ``Problem``.
        device: of the computation.
    """
    closest = front.pick("closest")
    if front.stored_original is None or closest is None:
        return Contribution({}, (), None, 0)
    problem = search.problem_of(front, attributes=attributes, device=device)
    meter = _Model(problem, model, front)
    members = {j: i for j in range(len(front.variables)) if (i := _drawn_with(front, j)) is not None}
    points = []
    for j, i in members.items():
        alone, without = torch.zeros_like(front.z[i]), front.z[i].clone()
        alone[j], without[j] = front.z[i, j], 0.0
        points += [alone, without]
    tried = {}
    if points:
        flips = (meter.leads(torch.stack(points)) >= search.margin).reshape(-1, 2).tolist()
        for (alone, without), j in zip(flips, members, strict=True):
            tried[front.variables[j]] = Tried(sufficient=alone, necessary=not without)
    changed = front.changed[closest].nonzero().flatten()
    if model.scores is ScoreKind.LABELS or not len(changed):
        return Contribution(tried, (), None, meter.queries)

    def worth(sets: Tensor) -> Tensor:
        z = torch.zeros(len(sets), front.z.shape[1], dtype=front.z.dtype)
        z[:, changed] = torch.where(sets, front.z[closest, changed], 0.0)
        return meter.odds(z)

    seed = int(str(front.extra["input_sha256"])[:8], 16)
    values = shapley(worth, players=len(changed), seed=seed)
    names = tuple(front.variables[j] for j in changed.tolist())
    return Contribution(tried, names, values, meter.queries)


@final
class _Model:
    """The audited model, queried about combinations of changes of one input."""

    def __init__(self, problem: Problem, model: Provider, front: ParetoFront) -> None:
        self._problem, self._model, self._front = problem, model, front
        self.queries = 0

    def leads(self, z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """The lead of the class that was wanted, in probability."""
        p = torch.softmax(self._scores(z).double(), dim=-1)[None]
        return lead(p, source=self._problem.source, target=self._problem.target)[0]

    def odds(self, z: Float[Tensor, "n d"]) -> Float[Tensor, " n"]:
        """Log-odds of the class that was wanted, or of leaving the present one."""
        target = int(self._problem.target[0])
        index = torch.tensor([int(self._problem.source[0]) if target == UNTARGETED else target])
        found = log_odds(self._scores(z)[None], index)[0]
        return -found if target == UNTARGETED else found

    def _scores(self, z: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        problem, modality = self._problem, self._front.modality
        wanted = problem.space.repair(z[None].to(problem.space.lower))[0]
        different, at = wanted.unique(dim=0, return_inverse=True)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        x = modality.restored(modality.stored(problem.decode(different[None], query=0))).to(problem.queries.x)
        answers = answers_of(self._model, x)
        self.queries += len(x)
        return verdict_scores(answers, self._model).cpu()[at.cpu()]


def _drawn_with(front: ParetoFront, j: int) -> int | None:
    """One of the counterfactuals that hold and change a variable, drawn by the input and the variable; None without one."""
    among = (front.valid & front.changed[:, j]).nonzero().flatten().tolist()
    if not among:
        return None
    digest = hashlib.sha256(f"{front.extra['input_sha256']} {front.variables[j]}".encode()).digest()
    return int(among[int.from_bytes(digest[:8], "big") % len(among)])


def measured_contributions(
    run: RunDirectory, assembly: Assembly, *, attributes: Float[Tensor, "n a"] | None = None
) -> MeasuredContributions | None:
    """What changes contribute, on the inputs of an audit that have a counterfactual; None where nothing can be measured.

    Inputs whose reconstruction flips by itself are left out: what flips them is no change. So are modalities whose
    inputs have no variables in common (texts). Chance, by the inputs' names, decides which are measured where queries do
    not suffice for all.

    Args:
        run: whose inputs are searched.
        assembly: the search with its model and generator.
        attributes: what is known of each input of the audit, by its place, for a generator that takes it.
    """
    budget = assembly.config.audit.contribution_queries
    if not budget or assembly.modality.own_variables:
        return None
    places = {
        row.name: row.position
        for row in run.figures()
        if row.status == "found" and row.front is not None and not row.front.reconstruction_flips
    }
    scored = assembly.model.scores is not ScoreKind.LABELS
    found: dict[str, Contribution] = {}
    variables: tuple[str, ...] = ()
    for name in dealt(places)[:MOST_INPUTS]:
        front = run.front(name)
        if most_queries_of(front, scored=scored) > budget:
            break
        place = places[name]
        one = contribution_of(
            front,
            assembly.search,
            assembly.model,
            attributes=None if attributes is None else attributes[place : place + 1],
            device=assembly.config.run.device,
        )
        found[name], variables = one, front.variables
        budget -= one.queries
    if not found:
        return None
    return MeasuredContributions(variables, found, len(places) - len(found))
