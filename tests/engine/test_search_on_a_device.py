"""Searches on a device: nothing of the host is mixed with it, and the host rarely waits for it."""

import pytest
import torch
from torch import Tensor

from cfsearch.contracts.provider import Provider
from cfsearch.engine.problem import Problem
from cfsearch.engine.progress import Progress
from cfsearch.engine.search import Search
from cfsearch.errors import PluginError
from cfsearch.fronts.front import ParetoFront
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.flip import Flip
from cfsearch.objectives.intensity import Intensity
from cfsearch.objectives.plausibility import Plausibility
from cfsearch.solvers.bayesian import Bayesian
from cfsearch.solvers.genetic import AgeMoea2, Nsga2
from cfsearch.solvers.random import RandomSearch
from cfsearch.solvers.swarm import Smpso
from cfsearch.testing import FakeGenerator, FakeProvider

from .pretend_card import PretendCard

Kind = type[Nsga2 | AgeMoea2 | Smpso | RandomSearch | Bayesian]
SOLVERS = (Nsga2, AgeMoea2, Smpso, RandomSearch, Bayesian)
QUICK: dict[str, dict[str, int]] = {"bayesian": {"inner_population": 12, "inner_generations": 2}}


def images(b: int) -> Tensor:
    return 0.4 * torch.rand(b, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def searched(
    x: Tensor,
    *,
    evaluations: int = 200,
    pruning: float = 0.15,
    population: int = 40,
    watchers: list[Progress] | None = None,
    solver: Kind = RandomSearch,
    max_batch: int = 1024,
) -> list[ParetoFront]:
    found = Search(
        FakeProvider(max_batch=max_batch),
        FakeGenerator(),
        [Adversarial(), Plausibility(), Intensity()],
        lambda population: solver(population=population, **QUICK.get(solver.name, {})),
        evaluations=evaluations,
        population=population,
        pruning=pruning,
        constraints=[Flip()],
        watchers=[] if watchers is None else [watchers.append],
    ).run(x, names=[f"query {i}" for i in range(len(x))])
    return [front for front in found if isinstance(front, ParetoFront)]


def test_the_pretend_device_refuses_to_mix_and_counts_reads() -> None:
    with PretendCard() as card:
        x = torch.rand(2, 3).to("cuda")
        assert x.is_cuda and x.device.index == 0
        with pytest.raises(RuntimeError, match="on the same device"):
            torch.add(x, torch.rand(3))
        assert card.reads == 0
        assert not (x + 1.0).sum().cpu().is_cuda
        assert bool((x < 2).all())
        assert card.reads == 2


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_watched_search_finds_on_a_device_what_it_finds_on_the_host(solver: Kind) -> None:
    host = searched(images(3), solver=solver)
    seen: list[Progress] = []
    with PretendCard():
        device = searched(images(3).to("cuda"), watchers=seen, solver=solver)
    assert [p.evaluations for p in seen] == [120, 240, 360, 480, 600]
    assert seen[-1].flipped == 3
    assert len(device) == 3
    for here, there in zip(host, device, strict=True):
        assert type(there.z) is Tensor and not there.z.is_cuda
        assert there.found and torch.equal(here.verified, there.verified)
        assert torch.allclose(here.z, there.z, atol=1e-6)
        assert torch.allclose(here.f, there.f, atol=1e-3)


@pytest.mark.parametrize(("solver", "b"), [*((solver, b) for solver in SOLVERS for b in (1, 4)), (Smpso, 16)])
def test_the_host_reads_the_device_twice_a_generation_whatever_the_queries(solver: Kind, b: int) -> None:
    def reads(evaluations: int) -> int:
        with PretendCard() as card:
            x = images(b).to("cuda")
            searched(x, evaluations=evaluations, pruning=0.0, solver=solver, population=12, max_batch=64)
        return card.reads

    more = 1 if solver is Bayesian else 0  # which learns on the host
    assert reads(48) - reads(24) <= 2 * (2 + more)  # two generations more


def test_a_model_that_fails_for_one_query_fails_that_query_alone_on_a_device() -> None:
    model = FakeProvider()

    class Failing(Provider):
        name, labels, scores, max_batch = model.name, model.labels, model.scores, model.max_batch

        @property
        def fingerprint(self) -> str:
            return model.fingerprint

        def predict(self, x: Tensor) -> Tensor:
            moved = ((x - 0.1).abs().flatten(1).amax(1) > 1e-3)[:, None]
            return torch.where(moved, torch.nan, model.predict(x))

    z = torch.zeros(3, 5, 4)
    z[1] = 1.0
    with PretendCard():
        problem = Problem(
            torch.full((3, 3, 16, 16), 0.1).to("cuda"),
            names=["a", "b", "c"],
            provider=Failing(),
            generator=FakeGenerator(),
            objectives=[Adversarial(), Intensity()],
        )
        f = problem.evaluate(z.to("cuda")).f.cpu()
        assert list(problem.failures) == [1]
        with pytest.raises(
            PluginError, match="the caller must propose finite points, got NaN or infinity in 1 of"
        ):
            problem.evaluate(
                torch.full((3, 1, 4), 0.0)
                .index_put((torch.tensor(0),) * 3, torch.tensor(torch.nan))
                .to("cuda")
            )
    assert bool((f[1] == 1e30).all())
    assert bool((f[[0, 2]] < 1e3).all())
