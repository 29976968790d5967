"""Building of fronts: what breaks a rule of the space does not get on one, whoever proposed it."""

import pytest
import torch
from torch import Tensor

from cfsearch.contracts import network as networks
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.contracts.records import Reason
from cfsearch.engine.archive import Archive
from cfsearch.engine.problem import Problem
from cfsearch.engine.search import Search
from cfsearch.engine.verification import FrontBuilder
from cfsearch.fronts.front import ParetoFront
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.intensity import Intensity
from cfsearch.providers.budget import CountingProvider
from cfsearch.providers.surrogate import SurrogateProvider
from cfsearch.providers.surrogate_file import Surrogate
from cfsearch.solvers.genetic import Nsga2
from cfsearch.solvers.random import RandomSearch
from cfsearch.testing import FakeGenerator, FakeProvider


def test_a_member_that_breaks_a_rule_is_dropped_when_a_front_is_built() -> None:
    problem = Problem(
        torch.full((1, 3, 16, 16), 0.4),
        names=["a"],
        provider=FakeProvider(),
        generator=FakeGenerator(),
        objectives=[Adversarial(), Intensity()],
        immutable=["blue"],
    )
    z = torch.tensor([[0.5, 0.5, 0.0, 0.0], [0.5, 0.5, 0.5, 0.0], [1.5, 0.5, 0.0, 0.0]])
    assert problem.allowed(z, query=0).tolist() == [True, False, False]
    archive = Archive(z, f=torch.rand(3, 2), violation=torch.zeros(3), scores=torch.zeros(3, 2))
    builder = FrontBuilder(seed=0, verifier=None, margin=1e-4, reference_point=None, note=(), extra={})
    [members] = builder.verify(problem, {0: archive}).values()
    front = builder.front(problem, 0, members=members, reason=Reason.BUDGET, evaluations=3)
    assert front.z.tolist() == [[0.5, 0.5, 0.0, 0.0]]
    assert front.verified.tolist() == [True]


class Watched(Provider):
    """The model of the fakes, which keeps the type of the numbers that it got."""

    name, labels, scores, max_batch = "watched", ("dark", "bright"), ScoreKind.LOGITS, 2

    def __init__(self) -> None:
        self.types: list[torch.dtype] = []

    @property
    def fingerprint(self) -> str:
        return "watched"

    def predict(self, x: Tensor) -> Tensor:
        self.types.append(x.dtype)
        return FakeProvider().predict(x.float())


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_stored_members_are_queried_in_the_type_of_the_inputs(dtype: torch.dtype) -> None:
    model = Watched()
    search = Search(
        model,
        FakeGenerator(),
        [Adversarial(), Intensity()],
        lambda population: RandomSearch(population=population),
        evaluations=40,
        population=20,
    )
    [front] = search.run(torch.full((1, 3, 16, 16), 0.4, dtype=dtype), names=["a"])
    assert isinstance(front, ParetoFront) and len(front) > 2
    assert set(model.types) == {dtype}


def test_gradients_of_a_surrogate_are_no_queries_to_the_model() -> None:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        module = networks.build("lenet5", shape=(3, 16, 16), classes=2).eval()
    about = {"queries": 0}
    made = Surrogate(
        "lenet5", module, (3, 16, 16), ("dark", "bright"), None, FakeProvider().fingerprint, about
    )
    counted = CountingProvider(FakeProvider())
    search = Search(
        counted,
        FakeGenerator(),
        [Adversarial(), Intensity()],
        lambda population: Nsga2(population=population),
        evaluations=120,
        population=20,
        pruning=0.0,
        gradients=SurrogateProvider(made),
    )
    [front] = search.run(torch.full((1, 3, 16, 16), 0.4), names=["a"])
    assert isinstance(front, ParetoFront)
    assert front.queries == counted.spent
    assert counted.spent < 1 + front.evaluations + 2 + len(front), "gradients count as evaluations alone"
