"""Tries shared changes on inputs that they do not come from, by querying the audited model again.

The inputs that the model puts into one class are dealt into two halves. Candidates come from the verified members of
the first half and are tried on all of it; the few that together flip the most are then tried on the second half, which had
no part in choosing them, so that an ordinary interval of their coverage is honest.

References:
    Ley, Mishra and Magazzeni 2023, GLOBE-CE: a translation based approach for global counterfactual explanations; Kavouras et al.
    2023, Fairness aware counterfactuals for subgroups (FACTS).
"""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from cfsearch.assembly.search import Assembly
from cfsearch.audits.measured import Membership
from cfsearch.audits.shares import LEAST
from cfsearch.audits.together import Together
from cfsearch.contracts.generator import AttributeEstimator, AttributeTaker
from cfsearch.contracts.scores import lead, verdict_scores
from cfsearch.datasets.tables import Variables
from cfsearch.fronts.front import ParetoFront
from cfsearch.runs.directory import RunDirectory

from .candidates import CandidateTally, SharedChange, points
from .choosing import MOST_CHOSEN, chosen_sets
from .words import change_words

MOST_CANDIDATES: Final = 64
"""Changes that are tried on the first half."""
LEAST_CANDIDATES: Final = 8
"""Where queries are few, inputs are left out before fewer changes than these are tried."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Trials:
    """What changes do to some inputs.

    Args:
        inputs: names of the inputs.
        flips: which change flips which input.
        cost: distance of each input to what the change makes of it, by the modality.
        held: True where the rules of an input leave less of a change than it asks for.

    Shapes:
        all ``(c, n)`` for ``c`` changes and ``n`` inputs.
    """

    inputs: tuple[str, ...]
    flips: Bool[Tensor, "c n"]
    cost: Float[Tensor, "c n"]
    held: Bool[Tensor, "c n"]


@final
@dataclass(frozen=True, slots=True, eq=False)
class MeasuredChanges:
    """Shared changes of the inputs of one class.

    Args:
        source: the class that the model gives them.
        target: the target class; None for any other.
        changes: the candidates.
        words: of each candidate.
        first: trials of all candidates on the half that they come from.
        second: trials on the other half; rows of candidates that were not chosen are False and 0.
        tried: candidates that were tried on the second half.
        left_out: inputs of this class that were not tried, for lack of queries.
        queries: to the audited model.
    """

    source: str
    target: str | None
    changes: tuple[SharedChange, ...]
    words: tuple[str, ...]
    first: Trials
    second: Trials
    tried: Bool[Tensor, " c"]
    left_out: int
    queries: int


def measured_changes(
    run: RunDirectory,
    assembly: Assembly,
    *,
    members: Membership | None,
    attributes: Float[Tensor, "n a"] | None = None,
) -> list[MeasuredChanges]:
    """Try changes that inputs of one class could share; one entry a class with 20 inputs or more.

    Inputs whose reconstruction flips by itself are left out: what flips them is no change. So are those of modalities
    whose inputs have no variables in common (texts).

    Args:
        run: whose inputs are searched.
        assembly: the search with its model and generator.
        members: which input is in which group; None for no groups.
        attributes: what is known of each input of the audit, by its place, for a generator that takes it.
    """
    budget = assembly.config.audit.shared_queries
    if not budget or assembly.modality.own_variables:
        return []
    classes: dict[int, dict[str, int]] = {}
    for row in run.rows():
        if row.status in ("found", "not_found") and row.front is not None and _usable(row.front):
            classes.setdefault(row.front.source, {})[row.name] = row.position
    found = []
    classes = {source: places for source, places in sorted(classes.items()) if len(places) >= 2 * LEAST}
    for source, places in classes.items():
        trial = _Trial(run, assembly, attributes, places)
        one = trial.run(source, budget=budget // len(classes), members=members)
        found += [] if one is None else [one]
    return found


def _usable(front: ParetoFront) -> bool:
    return front.stored_original is not None and not front.reconstruction_flips


def dealt(names: Iterable[str]) -> list[str]:
    """The names in the order of their hashes, so that chance decides, and always alike.

    Args:
        names: of inputs.
    """
    return sorted(names, key=lambda name: hashlib.sha256(name.encode()).digest())


@final
class _Trial:
    """The trials of one class."""

    def __init__(
        self,
        run: RunDirectory,
        assembly: Assembly,
        attributes: Float[Tensor, "n a"] | None,
        places: Mapping[str, int],
    ) -> None:
        self._run, self._assembly, self._attributes, self._places = run, assembly, attributes, places
        self._queries = 0

    def run(self, source: int, *, budget: int, members: Membership | None) -> MeasuredChanges | None:
        """The trials within a budget of queries; None where no change or too few queries are left.

        Args:
            source: index of the class.
            budget: queries at most.
            members: which input is in which group.
        """
        each = (LEAST_CANDIDATES + MOST_CHOSEN) / 2  # queries an input, of both halves on average
        taken = dealt(self._places)[: int(budget / each)]
        if len(taken) < 2 * LEAST:
            return None
        first, second = taken[::2], taken[1::2]
        changes = self._candidates(first)
        most = int((budget - MOST_CHOSEN * len(second)) / len(first))
        changes = changes[: min(MOST_CANDIDATES, most)]
        if not changes:
            return None
        assembly = self._assembly
        labels, target = assembly.model.labels, assembly.search.target
        schema = None if assembly.table is None else assembly.table.schema
        made = MeasuredChanges(
            source=labels[source],
            target=target,
            changes=tuple(changes),
            words=tuple(change_words(c, modality=assembly.modality, schema=schema) for c in changes),
            first=self._trials(changes, first),
            second=_none(second, len(changes)),
            tried=torch.zeros(len(changes), dtype=torch.bool),
            left_out=len(self._places) - len(taken),
            queries=0,
        )
        wanted: list[int] = []
        for part in chosen_sets(made, members):  # the first is of all inputs, and always affordable
            new = [i for i in part.chosen if i not in wanted]
            if self._queries + (len(wanted) + len(new)) * len(second) <= budget:
                wanted += new
        order = sorted(wanted)
        if order:
            some = self._trials([changes[i] for i in order], second)
            made.tried[order] = True
            for what in ("flips", "cost", "held"):
                getattr(made.second, what)[order] = getattr(some, what)
        return replace(made, queries=self._queries)

    def _candidates(self, names: Sequence[str]) -> list[SharedChange]:
        generator, table = self._assembly.search.generator, self._assembly.table
        steps = () if table is None else tuple(v.step for v in Variables.of(table.schema).all)
        values = isinstance(generator, AttributeEstimator | AttributeTaker)
        tally = CandidateTally(how="to" if values else "by", steps=steps)
        for name in names:
            tally.add(self._run.front(name))
        return tally.changes(most=MOST_CANDIDATES)

    def _trials(self, changes: Sequence[SharedChange], names: Sequence[str]) -> Trials:
        made = _none(names, len(changes))
        queries = Together(self._assembly.model)
        for i, name in enumerate(names):
            front = self._run.front(name)
            if front.stored_original is not None:
                self._one(changes, front, made, at=i, queries=queries)
        queries.finish()
        return made

    @torch.no_grad()
    def _one(
        self,
        changes: Sequence[SharedChange],
        front: ParetoFront,
        made: Trials,
        *,
        at: int,
        queries: Together,
    ) -> None:
        """What changes do to one input: which flip it, what they cost, which its rules hold back."""
        search, model = self._assembly.search, self._assembly.model
        modality = self._assembly.modality
        known, place = self._attributes, self._places[front.name]
        problem = search.problem_of(
            front,
            attributes=None if known is None else known[place : place + 1],
            device=self._assembly.config.run.device,
        )
        wanted = points(changes, problem.space)
        z = problem.space.repair(wanted)
        x = modality.restored(modality.stored(problem.decode(z, query=0))).to(problem.queries.x)
        z, wanted = z[0].cpu(), wanted[0].cpu()
        slack = 0.5 * (problem.space.steps / problem.space.scale).cpu().clamp_min(1e-4)
        made.cost[:, at] = front.distances(z).double()
        made.held[:, at] = ((wanted != 0) & ((z - wanted).abs() > slack)).any(dim=1)
        source, target, moved = problem.source, problem.target, (z != 0).any(dim=1)

        def fill(answers: Float[Tensor, "c k"]) -> None:
            p = torch.softmax(verdict_scores(answers, model).double(), dim=-1)[None]
            made.flips[:, at] = (lead(p, source=source, target=target)[0] >= search.margin) & moved

        self._queries += len(x)
        queries.add(x, fill)


def _none(names: Sequence[str], count: int) -> Trials:
    shape = (count, len(names))
    return Trials(
        tuple(names),
        torch.zeros(shape, dtype=torch.bool),
        torch.zeros(shape, dtype=torch.float64),
        torch.zeros(shape, dtype=torch.bool),
    )
