"""Searches on a device: nothing of the host is mixed with it, and the host rarely waits for it."""

import pytest
import torch
from torch import Tensor

from cfsearch.engine.progress import Progress
from cfsearch.engine.search import Search
from cfsearch.fronts.front import ParetoFront
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.flip import Flip
from cfsearch.objectives.intensity import Intensity
from cfsearch.objectives.plausibility import Plausibility
from cfsearch.solvers.random import RandomSearch
from cfsearch.testing import FakeGenerator, FakeProvider

from .pretend_card import PretendCard


def images() -> Tensor:
    return 0.4 * torch.rand(3, 3, 16, 16, generator=torch.Generator().manual_seed(0))


def searched(
    x: Tensor, *, evaluations: int = 200, pruning: float = 0.15, watchers: list[Progress] | None = None
) -> list[ParetoFront]:
    found = Search(
        FakeProvider(),
        FakeGenerator(),
        [Adversarial(), Plausibility(), Intensity()],
        lambda population: RandomSearch(population=population),
        evaluations=evaluations,
        population=40,
        pruning=pruning,
        constraints=[Flip()],
        watchers=[] if watchers is None else [watchers.append],
    ).run(x, names=["a", "b", "c"][: len(x)])
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


def test_a_watched_search_finds_on_a_device_what_it_finds_on_the_host() -> None:
    host = searched(images())
    seen: list[Progress] = []
    with PretendCard():
        device = searched(images().to("cuda"), watchers=seen)
    assert [p.evaluations for p in seen] == [120, 240, 360, 480, 600]
    assert seen[-1].flipped == 3
    assert len(device) == 3
    for here, there in zip(host, device, strict=True):
        assert type(there.z) is Tensor and not there.z.is_cuda
        assert there.found and torch.equal(here.verified, there.verified)
        assert torch.allclose(here.z, there.z, atol=1e-6)
        assert torch.allclose(here.f, there.f, atol=1e-3)


def test_the_host_reads_the_device_as_often_for_many_queries_as_for_one() -> None:
    def reads(b: int, evaluations: int) -> int:
        with PretendCard() as card:
            searched(images()[:b].to("cuda"), evaluations=evaluations, pruning=0.0)
        return card.reads

    a_generation = [reads(b, 80) - reads(b, 40) for b in (1, 3)]
    assert a_generation[0] == a_generation[1] <= 20
