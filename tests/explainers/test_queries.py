"""How often the audited model is asked: what fronts say against a provider that keeps count."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import final

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.explainer import Explainer, Proposal
from cfsearch.contracts.explainer_task import Task
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.datasets.tables import Encoding
from cfsearch.engine.problem import Problem
from cfsearch.engine.progress import Failure
from cfsearch.engine.search import Search
from cfsearch.errors import NonFiniteError
from cfsearch.explainers.emap import Emap
from cfsearch.explainers.fronts import explained, seeds_of
from cfsearch.explainers.gradient import Gradient
from cfsearch.explainers.gradual import Gradual
from cfsearch.explainers.pgd import Pgd
from cfsearch.explainers.subjects import row_subject
from cfsearch.explainers.subjects import table_subject as opened_subject
from cfsearch.explainers.wachter import Wachter
from cfsearch.fronts.front import ParetoFront
from cfsearch.generators.rows.generator import Rows
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.gower import Gower
from cfsearch.providers.cache import CachedProvider
from cfsearch.providers.tabular import ColumnOrder, EncodedProvider
from cfsearch.providers.votes import VotingProvider
from cfsearch.providers.wrapping import queries_to
from cfsearch.solvers.genetic import Nsga2

from .walks import table_subject

EXPLAINERS: tuple[Explainer, ...] = (Gradient(), Wachter(steps=60, rounds=4, refinements=2))
WALK, SCHEMA, ROWS = table_subject(3, n=12)
DONE = WALK.provider.predict(ROWS).argmax(1)
X = torch.cat([ROWS[DONE == 0][:3], ROWS[DONE == 1][:1]])
"""Three rows of the first class, and one of the second, which is asked for."""
NAMES = tuple(f"row {i}" for i in range(len(X)))


@final
@dataclass(eq=False)
class Counted(Provider):
    """The walk's model, which counts the rows that it is given; it may say the class alone, or fail at rows."""

    only_labels: bool = False
    bad: Tensor | None = None
    row_wise_too: bool = False
    name: str = "counted"
    labels: tuple[str, ...] = WALK.provider.labels
    max_batch: int = 10_000
    rows: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.scores = ScoreKind.LABELS if self.only_labels else WALK.provider.scores

    @property
    def batch_invariant(self) -> bool:
        return self.row_wise_too

    @property
    def fingerprint(self) -> str:
        return "counted"

    def predict(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        self.rows.append(len(x))
        answer = WALK.provider.predict(x)
        if self.bad is not None:
            answer = answer.masked_fill((x == self.bad).all(1)[:, None], torch.nan)
        return torch.eye(answer.shape[1])[answer.argmax(1)] if self.only_labels else answer


@final
class Still(Explainer):
    """Proposes every row as it is."""

    name = "still"

    def propose(self, task: Task) -> Proposal:
        return Proposal(counterfactuals=task.x)


Seeds = Callable[[Problem], list[Tensor]]


def seeds(provider: Provider) -> Seeds:
    subject = replace(WALK, provider=provider)
    return seeds_of(EXPLAINERS, subject=subject, target=WALK.provider.labels[1])


def search(provider: Provider, *, verifier: Provider | None = None, begun: Seeds | None = None) -> Search:
    return Search(
        provider,
        Rows(SCHEMA, dead_zone=0.0),
        [Adversarial(), Gower()],
        lambda population: Nsga2(population=population),
        evaluations=60,
        population=20,
        target=WALK.provider.labels[1],
        verifier=verifier,
        seeds=begun,
    )


def fronts(found: list[ParetoFront | Failure]) -> list[ParetoFront]:
    kept = [one for one in found if isinstance(one, ParetoFront)]
    assert len(kept) == len(found)
    return kept


def total(found: list[ParetoFront]) -> int:
    assert all(front.queries is not None for front in found)
    return sum(front.queries or 0 for front in found)


@pytest.mark.parametrize("seeded", [False, True], ids=["plain", "seeded"])
@pytest.mark.parametrize("batch_invariant", [False, True], ids=["one by one", "row-wise"])
def test_a_search_says_how_many_rows_the_model_was_given(seeded: bool, batch_invariant: bool) -> None:
    model = Counted(row_wise_too=batch_invariant)
    found = fronts(search(model, begun=seeds(model) if seeded else None).run(X, names=NAMES))
    assert total(found) == sum(model.rows)
    assert [front.evaluations for front in found] == [59, 59, 59, 0]  # one candidate came twice
    for front in found:
        searched = 1 + front.evaluations + front.seeding
        stored = len(front) + 2  # remembered where the model answers each row by itself
        assert front.queries is not None
        assert front.queries == searched + stored or (batch_invariant and searched <= front.queries)
    assert all(front.seeding > 4 for front in found[:3]) is seeded
    assert found[3].seeding == 0


def test_what_explainers_ask_is_what_they_say_they_ask() -> None:
    model = Counted()
    found = fronts(search(model, begun=seeds(model)).run(X, names=NAMES))
    asked = [
        e.explain(row[None], subject=WALK, target=WALK.provider.labels[1]).queries
        for row in X[:3]
        for e in EXPLAINERS
    ]
    assert [front.seeding for front in found[:3]] == [sum(asked[i : i + 2]) for i in (0, 2, 4)]


def test_a_front_says_the_same_alone_and_in_company() -> None:
    model = Counted()
    together = fronts(search(model, begun=seeds(model)).run(X, names=NAMES))
    for i, name in enumerate(NAMES):
        [alone] = fronts(search(model, begun=seeds(model)).run(X[i : i + 1], names=[name]))
        assert (alone.queries, alone.digest) == (together[i].queries, together[i].digest)


def test_every_vote_is_a_query() -> None:
    model = Counted(only_labels=True)
    votes = VotingProvider(model, votes=5, sigma=0.01)
    found = fronts(search(votes, verifier=model).run(X, names=NAMES))
    assert total(found) == sum(model.rows)
    assert found[0].queries == 5 * (1 + found[0].evaluations) + len(found[0]) + 2


def test_what_a_surrogate_answers_is_no_query_to_the_model() -> None:
    model = Counted()
    found = fronts(search(WALK.provider, verifier=model, begun=seeds(model)).run(X, names=NAMES))
    assert total(found) == sum(model.rows)
    assert found[0].queries == found[0].seeding + len(found[0]) + 2


def test_a_model_is_known_through_its_wrappers() -> None:
    model = Counted(only_labels=True)
    votes = VotingProvider(CachedProvider(model), votes=7, sigma=0.01)
    assert queries_to(model, through=model) == 1
    assert queries_to(CachedProvider(model), through=votes) == 7
    assert queries_to(model, through=WALK.provider) == 0


def test_a_network_that_asks_the_model_counts_as_well() -> None:
    model = Counted()
    encoding = Encoding.standard(SCHEMA, X)

    def network(u: Tensor) -> Tensor:
        return model.predict(encoding.invert(u)).float()

    subject = replace(row_subject(model, encoding, network), asks=True)
    told = Still().explain(X, subject=subject)
    assert told.queries == sum(model.rows) == 3 * len(X)


def test_a_table_whose_model_has_no_gradients_has_such_a_network() -> None:
    model = Counted()
    rows = EncodedProvider(model, order=ColumnOrder.of(SCHEMA, None, where="rows"), probes=X)
    subject = opened_subject(rows, follow=False)
    assert subject.asks
    assert Still().explain(X, subject=subject).queries == sum(model.rows)
    assert not WALK.asks


def test_a_query_at_which_the_model_fails_says_nothing_and_the_others_do() -> None:
    model = Counted(bad=X[1])
    found = search(model, begun=seeds(model)).run(X, names=NAMES)
    assert isinstance(found[1], Failure) and isinstance(found[1].error, NonFiniteError)
    healthy = fronts([found[0], *found[2:]])
    assert total(healthy) == sum(model.rows) - 1


def test_the_count_is_stored_and_fronts_of_before_have_none() -> None:
    model = Counted()
    front = fronts(search(model, begun=seeds(model)).run(X[:1], names=NAMES[:1]))[0]
    again = ParetoFront.from_bytes(front.to_bytes())
    assert (again.queries, again.seeding) == (front.queries, front.seeding)
    document = front.to_dict()
    assert (document["questions"], document["seeding"]) == (front.queries, front.seeding)
    old = replace(front, queries=None, seeding=0)
    assert b"questions" not in old.to_bytes() and b"seeding" not in old.to_bytes()
    read = ParetoFront.from_bytes(old.to_bytes())
    assert (read.queries, read.seeding, read.to_dict()["questions"]) == (None, 0, None)


def test_merged_fronts_add_up_where_both_were_counted() -> None:
    model = Counted()
    x, names = X[:1], NAMES[:1]
    one, other = (fronts(search(model, begun=b).run(x, names=names))[0] for b in (seeds(model), None))
    assert one.merge(other).queries == (one.queries or 0) + (other.queries or 0)
    assert one.merge(other).seeding == one.seeding
    problem = Problem(
        x,
        names=names,
        provider=model,
        generator=Rows(SCHEMA, dead_zone=0.0),
        objectives=[Adversarial(), Gower()],
        target=WALK.provider.labels[1],
    )
    told = Gradient().explain(x, subject=WALK, target=WALK.provider.labels[1])
    [by_explainer] = explained(told, problem=problem)
    assert by_explainer.queries is None
    assert one.merge(by_explainer).queries is None


def test_no_call_has_more_inputs_than_the_model_takes() -> None:
    model = Counted(max_batch=3)
    subject = replace(WALK, provider=model)
    explainers = (
        *EXPLAINERS,
        Still(),
        Pgd(steps=5),
        Gradual().fit(subject, ROWS),
        Emap(epochs=2, surrogate_epochs=2, rounds=1).fit(subject, ROWS),
    )
    for explainer in explainers:
        found = explainer.explain(ROWS, subject=subject, target=WALK.provider.labels[1], seed=0)
        assert len(found.source) == len(ROWS)
    problem = Problem(X, names=NAMES, provider=model, generator=Rows(SCHEMA, dead_zone=0.0), objectives=[Adversarial(), Gower()], target=WALK.provider.labels[1])  # fmt: skip
    explained(Still().explain(X, subject=subject, target=WALK.provider.labels[1], seed=0), problem=problem)
    assert max(model.rows) == 3
