"""Robustness: the contract, worked shares, what it queries, and the refusals."""

import pytest
import torch
from torch import Tensor

from cfsearch.contracts.objective import queries_beside
from cfsearch.contracts.records import UNTARGETED
from cfsearch.engine.search import Search
from cfsearch.errors import CapabilityError, ConfigError
from cfsearch.fronts.front import ParetoFront
from cfsearch.generators.words import Words
from cfsearch.objectives import Adversarial, Intensity
from cfsearch.objectives.robustness import Robustness
from cfsearch.providers.budget import CountingProvider
from cfsearch.solvers.random import RandomSearch
from cfsearch.testing import FakeGenerator, FakeProvider, ObjectiveCase, make_candidates, make_queries


class TestRobustnessContract(ObjectiveCase):
    @pytest.fixture(params=[1, 8], ids="changes={}".format)
    def objective(self, request: pytest.FixtureRequest) -> Robustness:
        return Robustness(changes=request.param)


@pytest.mark.parametrize(("target", "values"), [(1, [1.0, 0.75, 1.0]), (UNTARGETED, [1.0, 0.75, 0.5])])
def test_worked_by_hand(target: int, values: list[float]) -> None:
    asked = []

    def nearby(x: Tensor, *, query: int, changes: int, seed: int) -> Tensor:
        asked.append((len(x), query, changes, seed))
        wins = torch.tensor([[0, 0, 0, 1], [2, 2, 0, 0]])[: len(x)]  # of the second and the third candidate
        return torch.nn.functional.one_hot(wins, 3).float()

    #                           stays             becomes 1        becomes 2
    scores = torch.tensor([[[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]])
    queries = make_queries(scores=scores[:, 0], source=(0,), target=(target,))
    candidates = make_candidates(scores=scores, queries=queries, nearby=nearby)
    assert Robustness(changes=4, seed=3)(candidates)[0].tolist() == values
    assert asked == [(1 if target == 1 else 2, 0, 4, 3)], "only what flips is worth a query"


def searched(**settings: object) -> tuple[ParetoFront, int]:
    """A front with robustness as an objective, and the queries that reached the model."""
    model = CountingProvider(FakeProvider(), 10**6)
    objectives = [Adversarial(), Intensity(), Robustness(changes=6)]
    search = Search(
        model, FakeGenerator(), objectives, lambda n: RandomSearch(population=n), evaluations=200, **settings  # type: ignore[arg-type]
    )  # fmt: skip
    [front] = search.run(torch.full((1, 3, 16, 16), 0.4), names=["grey"])
    assert isinstance(front, ParetoFront)
    return front, 10**6 - (model.remaining or 0)


def test_every_query_is_counted_and_a_limit_holds() -> None:
    front, queries = searched()
    assert front.queries == queries > 200 + 6 * 10
    limited, queries = searched(max_queries=90)
    assert limited.queries == queries <= 90 and limited.evaluations >= 90 // 7 - 5
    assert queries_beside([Adversarial(), Robustness(changes=6)], []) == 6


def test_members_near_the_boundary_lose_more_flips_than_those_beyond() -> None:
    front, _ = searched()
    lost, lead = front.column("robustness"), front.lead()
    assert set(lost[lead <= 0].tolist()) <= {1.0}
    assert float(lost[lead.argmax()]) == 0.0
    assert torch.equal(front.column("robustness"), searched()[0].column("robustness"))


def test_it_has_no_slope_and_asks_nothing_where_gradients_are_followed() -> None:
    scores = torch.tensor([[[0.0, 1.0]]], requires_grad=True)
    queries = make_queries(scores=torch.tensor([[1.0, 0.0]]), target=(1,))

    def nearby(x: Tensor, *, query: int, changes: int, seed: int) -> Tensor:
        raise AssertionError("no query is worth it")

    assert Robustness()(make_candidates(scores=scores, queries=queries, nearby=nearby)).tolist() == [[1.0]]


def test_of_texts_it_is_refused_before_anything_is_searched() -> None:
    words = Words.of_texts(["a dull film"], settings={})
    model = FakeProvider(weight=((0.0,), (1.0,)), bias=(0.0, 0.0))
    search = Search(model, words, [Adversarial(), Robustness()], lambda n: RandomSearch(population=n))
    with pytest.raises(CapabilityError, match="'robustness' needs inputs of which small changes are known"):
        search.run(words.lexicon.encode(["a dull film"]), names=["text"])


@pytest.mark.parametrize("changes", [0, 101, True, 2.0])
def test_changes_are_a_whole_number_from_1_to_100(changes: int) -> None:
    with pytest.raises(ConfigError, match=r"robustness: `changes` must be a whole number from 1 to 100, got"):
        Robustness(changes=changes)


@pytest.mark.parametrize("seed", [-1, 0.5, False])
def test_the_seed_is_a_whole_number(seed: int) -> None:
    with pytest.raises(ConfigError, match=r"robustness: `seed` must be a whole number >= 0, got"):
        Robustness(seed=seed)
