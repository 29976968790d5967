"""Searches of models that answer row by row: fewer calls, the same bytes, the same failures."""

from dataclasses import dataclass, field, replace
from typing import final

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.engine.progress import Failure
from cfsearch.engine.search import Search
from cfsearch.errors import NonFiniteError, ProviderError
from cfsearch.fronts.front import ParetoFront
from cfsearch.generators.rows.generator import Rows
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.changed import Changed
from cfsearch.objectives.gower import Gower
from cfsearch.solvers.genetic import Nsga2
from cfsearch.testing.tables import random_rows, random_schema

DRAW = np.random.default_rng(8)
SCHEMA = random_schema(DRAW, columns=6, immutable=1)
X = random_rows(SCHEMA, n=5, draw=DRAW)
NAMES = tuple(f"row {i}" for i in range(len(X)))
WEIGHT = torch.from_numpy(DRAW.normal(size=SCHEMA.d)) / random_rows(SCHEMA, n=50, draw=DRAW).std(0)
MIDDLE = float((random_rows(SCHEMA, n=50, draw=DRAW) * WEIGHT).sum(1).median())


@final
@dataclass(eq=False)
class Summing(Provider):
    """Sums row by row, says so or not, and counts its calls; may fail at or spoil rows of one query."""

    promises: bool
    poison: Tensor | None = None
    breaks: bool = False
    name: str = "summing"
    labels: tuple[str, ...] = ("no", "yes")
    scores: ScoreKind = ScoreKind.LOGITS
    max_batch: int = 10_000
    calls: list[int] = field(default_factory=list)
    rows: list[bytes] = field(default_factory=list)

    @property
    def batch_invariant(self) -> bool:
        return self.promises

    @property
    def fingerprint(self) -> str:
        return "summing"

    def predict(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n 2"]:
        self.calls.append(len(x))
        self.rows += [(row + 0.0).tobytes() for row in x.numpy()]
        held = [j for j, column in enumerate(SCHEMA.columns) if column.immutable]
        bad = torch.zeros(len(x), dtype=torch.bool)
        if self.poison is not None:
            bad = (x[:, held] == self.poison[held]).all(1)
        if self.breaks and bool(bad.any()):
            raise ProviderError("summing: broken.")
        lead = (x * WEIGHT).sum(1) - MIDDLE
        return torch.stack([torch.zeros_like(lead), lead.masked_fill(bad, torch.nan)], dim=1)


def search(provider: Provider) -> Search:
    return Search(
        provider,
        Rows(SCHEMA),
        [Adversarial(), Gower(), Changed()],
        lambda population: Nsga2(population=population),
        evaluations=100,
        population=20,
    )


def digests(found: list[ParetoFront | Failure], *, queries: int | None = None) -> list[str]:
    assert all(isinstance(one, ParetoFront) and len(one) for one in found)
    fronts = [one for one in found if isinstance(one, ParetoFront)]
    return [one.digest if queries is None else replace(one, queries=queries).digest for one in fronts]


def test_all_queries_go_in_one_call_and_nothing_else_changes() -> None:
    together, apart = Summing(promises=True), Summing(promises=False)
    one, other = search(together).run(X, names=NAMES), search(apart).run(X, names=NAMES)
    assert digests(one, queries=0) == digests(other, queries=0)
    # the queries and five generations: six calls, however many queries there are; what is kept was answered then
    assert len(together.calls) == 6 and len(apart.calls) > 6 * len(X)
    kept = sum(len(front) + 2 for front in other if isinstance(front, ParetoFront))
    assert sum(together.calls) + kept == sum(apart.calls)


def test_every_query_to_the_model_is_counted_and_none_is_made_twice() -> None:
    model = Summing(promises=True)
    found = search(model).run(X, names=NAMES)
    fronts = [front for front in found if isinstance(front, ParetoFront)]
    assert [front.queries for front in fronts] == [front.evaluations + 1 for front in fronts]
    assert sum(front.queries or 0 for front in fronts) == sum(model.calls)
    for i, front in enumerate(fronts):
        lone = Summing(promises=True)
        search(lone).run(X[i : i + 1], names=NAMES[i : i + 1])
        assert len(lone.rows) == len(set(lone.rows)) == front.queries


def test_a_front_is_the_same_alone_and_in_company() -> None:
    every = digests(search(Summing(promises=True)).run(X, names=NAMES))
    for i in (0, 3):
        one = slice(i, i + 1)
        assert digests(search(Summing(promises=True)).run(X[one], names=NAMES[one])) == every[i : i + 1]


@pytest.mark.parametrize("breaks", [False, True], ids=["answers NaN", "raises"])
def test_a_query_at_which_the_model_fails_leaves_the_others_as_they_were(breaks: bool) -> None:
    held = [j for j, column in enumerate(SCHEMA.columns) if column.immutable]
    same = [i for i in range(len(X)) if bool((X[i, held] == X[2, held]).all())]
    whole = search(Summing(promises=True)).run(X, names=NAMES)
    found = search(Summing(promises=True, poison=X[2], breaks=breaks)).run(X, names=NAMES)
    for i, (one, healthy) in enumerate(zip(found, whole, strict=True)):
        if i in same:
            assert isinstance(one, Failure)
            assert isinstance(one.error, ProviderError if breaks else NonFiniteError)
        else:
            assert isinstance(one, ParetoFront) and isinstance(healthy, ParetoFront)
            assert one.digest == healthy.digest
    assert 2 in same and len(same) < len(X)
