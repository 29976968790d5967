"""The same search on a CUDA device: evaluations agree with the CPU's, fronts hold what they promise."""

import moocore
import pytest
import torch

from cfsearch.engine.problem import Problem
from cfsearch.engine.search import Search
from cfsearch.fronts.front import ParetoFront
from cfsearch.generators.pixels import Pixels
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.intensity import Intensity
from cfsearch.objectives.plausibility import Plausibility
from cfsearch.solvers.random import RandomSearch
from cfsearch.testing import FakeGenerator, FakeProvider

pytestmark = pytest.mark.gpu

OBJECTIVES = [Adversarial(), Plausibility(), Intensity()]


def images() -> torch.Tensor:
    return 0.4 * torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def test_evaluations_agree_with_the_cpu() -> None:
    z = 2 * torch.rand(3, 50, 4, generator=torch.Generator().manual_seed(1)) - 1
    found = {}
    for device in ("cpu", "cuda"):
        problem = Problem(
            images().to(device),
            names=["a", "b", "c"],
            provider=FakeProvider(),
            generator=FakeGenerator().to(device),
            objectives=OBJECTIVES,
        )
        found[device] = problem.evaluate(z.to(device))
    assert torch.allclose(found["cpu"].f, found["cuda"].f.cpu(), rtol=1e-4, atol=1e-4)
    assert torch.allclose(found["cpu"].scores, found["cuda"].scores.cpu(), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "generator", [FakeGenerator(), Pixels(size=(16, 16), grid=3).with_density(images().repeat(5, 1, 1, 1))]
)
def test_fronts_of_a_gpu_are_whole(generator: FakeGenerator) -> None:
    search = Search(
        FakeProvider(),
        generator.to("cuda"),
        OBJECTIVES,
        lambda population: RandomSearch(population=population),
        evaluations=400,
        target="bright",
    )
    for front in search.run(images().to("cuda"), names=["a", "b", "c"]):
        assert isinstance(front, ParetoFront)
        assert front.found
        assert front.z.device.type == "cpu"
        assert bool(moocore.is_nondominated(front.f.numpy(), keep_weakly=False).all())
