"""Gradient steps within a search: nearer to a front that is known exactly, and nobody's path hangs on another's."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from cfsearch.contracts.provider import DifferentiableProvider, Provider
from cfsearch.contracts.records import Evaluation, Reason
from cfsearch.engine.archive import Archive
from cfsearch.engine.descent import GRADIENT, LENGTHS, Descent
from cfsearch.engine.problem import Problem
from cfsearch.engine.progress import Failure
from cfsearch.engine.search import Search
from cfsearch.errors import CapabilityError, ConfigError, ProviderError
from cfsearch.fronts.front import ParetoFront
from cfsearch.objectives.intensity import Intensity
from cfsearch.objectives.margin import Margin
from cfsearch.solvers.genetic import AgeMoea2, Nsga2
from cfsearch.solvers.random import RandomSearch
from cfsearch.solvers.swarm import Smpso
from cfsearch.testing import FakeGenerator, FakeProvider, FakeWhiteBox

from .pretend_card import PretendCard

WEIGHT = (0.8, -0.6, 0.4, 0.3, -0.2, 0.1, 0.05, -0.5)
MODEL = FakeProvider(weight=((0.0,) * 8, WEIGHT), bias=(0.0, -1.0), labels=("no", "yes"))
NETWORK = FakeWhiteBox(MODEL)
SLOPE = math.sqrt(sum(w * w for w in WEIGHT))
Solver = Nsga2 | AgeMoea2 | Smpso


class Network(DifferentiableProvider):
    """The same network under another name, with counted calls and one class of inputs that it fails for."""

    name, labels, scores, max_batch = "network", MODEL.labels, MODEL.scores, 64

    def __init__(self, *, fails_at: float | None = None) -> None:
        self.calls, self._fails_at = 0, fails_at

    @property
    def fingerprint(self) -> str:
        return "network"

    def predict(self, x: Tensor) -> Tensor:
        self.calls += len(x)
        if self._fails_at is not None and bool((x[:, 7] > self._fails_at).all()):
            raise ProviderError("network: failed.")
        return MODEL.predict(x)


def inputs(b: int) -> Tensor:
    x = torch.zeros(b, 8)
    x[:, 7] = torch.arange(b) / 10.0
    return x


def searched(
    x: Tensor,
    *,
    gradients: DifferentiableProvider | None = NETWORK,
    solver: type[Solver] | type[RandomSearch] = Nsga2,
    evaluations: int = 400,
    provider: Provider = MODEL,
    immutable: tuple[str, ...] = (),
) -> list[ParetoFront | Failure]:
    return Search(
        provider,
        FakeGenerator(shape=(8,)),
        [Margin(), Intensity()],
        lambda population: solver(population=population),
        evaluations=evaluations,
        population=40,
        pruning=0.0,
        gradients=gradients,
        immutable=immutable,
    ).run(x, names=[str(float(row[7])) for row in x])


def fronts(x: Tensor, **settings: object) -> list[ParetoFront]:
    found = searched(x, **settings)  # type: ignore[arg-type]  # settings of searched
    return [front for front in found if isinstance(front, ParetoFront)]


def distance(front: ParetoFront) -> float:
    """IGD+ to the front of a linear model: the margin falls by the length of its weight for each unit of change."""
    x = torch.zeros(8)
    x[7] = float(front.name)
    margin = -float((MODEL.predict(x[None]) @ torch.tensor([-1.0, 1.0]))[0])
    t = torch.linspace(0.0, 1.0, 101)  # up to 1 no bound is in the way
    exact = torch.stack([margin - SLOPE * t, t], dim=-1)
    above = (front.f[None].float() - exact[:, None]).clamp(min=0.0)
    return float(above.norm(dim=-1).amin(1).mean())


@pytest.mark.parametrize("solver", [Nsga2, AgeMoea2, Smpso])
def test_with_gradients_a_search_comes_nearer_to_an_exact_front(solver: type[Solver]) -> None:
    blind = np.mean([distance(f) for f in fronts(inputs(3), solver=solver, gradients=None)])
    led = np.mean([distance(f) for f in fronts(inputs(3), solver=solver)])
    assert led < 0.6 * blind
    assert led < 0.02


@pytest.mark.parametrize("solver", [Nsga2, AgeMoea2, Smpso])
def test_a_front_is_the_same_alone_and_in_company(solver: type[Solver]) -> None:
    together = fronts(inputs(3), solver=solver)
    for i, front in enumerate(together):
        [alone] = fronts(inputs(3)[i : i + 1], solver=solver)
        assert torch.equal(front.z, alone.z)
        assert torch.equal(front.f, alone.f)


def test_gradients_count_two_evaluations_each_within_the_budget() -> None:
    network = Network()
    [front] = fronts(inputs(1), gradients=network, evaluations=120)
    each = 40 // (GRADIENT + len(LENGTHS))
    assert network.calls == 2 * each  # two turns of three
    assert 40 + 2 * GRADIENT * each < front.evaluations <= 40 + 2 * (GRADIENT + len(LENGTHS)) * each == 120
    assert front.extra["gradients"] == "network"


def test_nothing_of_a_search_without_gradients_tells_of_them() -> None:
    [front] = fronts(inputs(1), gradients=None)
    assert "gradients" not in front.extra


def test_rules_are_kept() -> None:
    [front] = fronts(inputs(1), immutable=("entry0", "entry3"))
    assert front.found
    assert bool((front.z[:, [0, 3]] == 0).all())
    assert bool((front.z.abs() <= 1).all())


def test_a_network_that_fails_for_one_query_fails_that_query_alone() -> None:
    found = searched(inputs(3), gradients=Network(fails_at=0.15), immutable=("entry7",))
    assert [isinstance(one, Failure) for one in found] == [False, False, True]


def test_a_step_goes_down_and_stops_at_bounds() -> None:
    problem = Problem(
        inputs(1),
        names=["a"],
        provider=MODEL,
        generator=FakeGenerator(shape=(8,)),
        objectives=[Margin(), Intensity()],
    )
    corner = torch.sign(torch.tensor(WEIGHT))[None, None]  # no further way down
    archive = Archive.none(problem).updated(problem.evaluate(corner), 0, capacity=4)
    descent = Descent(problem, NETWORK, rngs=[np.random.default_rng(0)], size=20)
    z = descent.propose([archive], active=[0])
    assert z.shape == (1, 12, 8)
    assert bool(problem.space.contains(z).all())
    f = problem.evaluate(z).f[0]
    better = (f - archive.f).amin(-1) < 0
    same = (z[0] == corner[0]).all(-1)
    assert bool(better.any())
    assert bool((better | same).all())


def test_refusals() -> None:
    with pytest.raises(ConfigError, match="gradients go with solvers .*got 'random'"):
        searched(inputs(1), solver=RandomSearch)

    class Stepped(DifferentiableProvider):
        name, labels, scores, max_batch = "stepped", MODEL.labels, MODEL.scores, 64

        @property
        def fingerprint(self) -> str:
            return "stepped"

        def predict(self, x: Tensor) -> Tensor:
            return MODEL.predict(x.detach())

    with pytest.raises(CapabilityError, match="none passes from the scores of 'stepped'"):
        searched(inputs(1), gradients=Stepped())


def test_on_a_device_nothing_of_the_host_is_mixed_in(monkeypatch: pytest.MonkeyPatch) -> None:
    # the pretend device has no thread of its own for backward passes
    monkeypatch.setattr(torch.autograd, "grad", lambda total, at, *, allow_unused: (torch.sign(at),))

    def reads(evaluations: int) -> int:
        with PretendCard() as card:
            found = fronts(inputs(1).to("cuda"), evaluations=evaluations)
        assert [front.reason for front in found] == [Reason.BUDGET]
        assert all(not front.z.is_cuda for front in found)
        return card.reads

    # one turn more, with a look at the answers of the network that is followed
    assert reads(120) - reads(80) <= 3


@pytest.mark.parametrize("solver", [Nsga2(population=4), AgeMoea2(population=4), Smpso(population=4)])
def test_solvers_learn_from_what_is_injected(solver: Solver) -> None:
    problem = Problem(
        inputs(1),
        names=["a"],
        provider=MODEL,
        generator=FakeGenerator(shape=(8,)),
        objectives=[Margin(), Intensity()],
    )
    solver.start(
        problem.space, objectives=2, constrained=False, rngs=[np.random.default_rng(0)], generations=9
    )
    solver.tell(problem.evaluate(solver.ask()))
    best = torch.sign(torch.tensor(WEIGHT))[None, None]
    made = problem.evaluate(best)
    solver.inject(Evaluation(made.z, made.f, made.violation, made.scores))
    kept = solver.leaders(0) if isinstance(solver, Smpso) else solver.members(0)
    assert bool((kept == best[0, 0]).all(-1).any())
