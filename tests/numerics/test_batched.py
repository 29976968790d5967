"""Ranks, crowding and thinning of many sets: against ``pareto``, and device's way against the CPU's."""

import pytest
import torch
from torch import Tensor

from cfsearch.numerics import batched, pareto


def sets(m: int, *, levels: int = 9) -> tuple[Tensor, Tensor]:
    """Sets with many equal values, one that is a chain of 40 fronts, and a mask of points."""
    random = torch.Generator().manual_seed(m)
    f = torch.randint(0, levels, (5, 40, m), generator=random).float()
    f[0] = torch.arange(40.0)[:, None]
    return f, torch.rand(5, 40, generator=random) < 0.8


@pytest.mark.parametrize("m", [2, 3, 5])
def test_ranks_are_those_of_pareto_up_to_the_last_front_that_is_peeled(m: int) -> None:
    f, _ = sets(m)
    rank, known = batched.ranks(f), pareto.ranks(f)
    assert int(known[1:].max()) < batched.DEPTH <= int(known[0].max())
    assert torch.equal(rank, known)  # a chain counts as many dominators as fronts


def test_beyond_the_last_peeled_front_ranks_do_not_contradict_dominance() -> None:
    random = torch.Generator().manual_seed(0)
    line = torch.arange(60.0)[:, None].expand(60, 2)
    f = (line + 1.5 * torch.rand(60, 2, generator=random))[None]
    rank = batched.ranks(f)[0]
    assert int(rank.max()) > batched.DEPTH
    dominates = (f[0][:, None] <= f[0]).all(-1) & (f[0][:, None] < f[0]).any(-1)
    worse = rank[None] > rank[:, None]
    assert bool(worse[dominates].all())


@pytest.mark.parametrize("m", [2, 3, 5])
@pytest.mark.parametrize("masked", [False, True])
def test_a_device_ranks_as_the_cpu_does(m: int, masked: bool) -> None:
    f, among = sets(m)
    among = among if masked else torch.ones_like(among)
    assert torch.equal(batched.peeled(f, among), batched.ranks(f, among))
    assert bool((batched.ranks(f, among)[~among] == 40).all())


@pytest.mark.parametrize("m", [2, 3, 5])
def test_what_is_left_out_dominates_nothing(m: int) -> None:
    f, among = sets(m)
    first = batched.first_fronts(f, among)
    for i in range(len(f)):
        alone = pareto.non_dominated(f[i][among[i]])
        assert torch.equal(first[i][among[i]], alone)
        assert not bool(first[i][~among[i]].any())
    assert torch.equal(batched.undominated(f, among), first)


@pytest.mark.parametrize("m", [2, 3, 5])
@pytest.mark.parametrize("levels", [9, 10**6])
def test_a_device_finds_the_crowding_that_the_cpu_does(m: int, levels: int) -> None:
    f, _ = sets(m, levels=levels)  # with many equal values, and with none but for the chain
    rank = batched.ranks(f)
    known = pareto.crowding(f, rank)
    assert torch.equal(batched.crowding_in_tensors(f, rank), known)
    assert torch.equal(batched.crowding(f, rank), known)
    for i in range(len(f)):
        assert torch.equal(pareto.crowding(f[i], rank[i]), known[i])


def test_beyond_the_peeled_fronts_no_rank_is_worked_out_for_what_is_not_wanted() -> None:
    random = torch.Generator().manual_seed(0)
    line = torch.arange(60.0)[:, None].expand(60, 2)
    f = (line + 1.5 * torch.rand(60, 2, generator=random))[None]
    every = batched.ranks(f)[0]
    near = every < batched.DEPTH
    few, most = int(near.sum()), int(near.sum()) + 1
    assert torch.equal(batched.ranks(f, wanted=few)[0][near], every[near])
    assert torch.equal(batched.ranks(f, wanted=few)[0], pareto.ranks(f)[0])
    assert torch.equal(batched.ranks(f, wanted=most)[0], every)
    assert not torch.equal(every, pareto.ranks(f)[0])


def curves(n: int) -> Tensor:
    f = torch.rand(4, n, 3, generator=torch.Generator().manual_seed(1)) + 1e-3
    sphere: Tensor = f / (f**2).sum(-1, keepdim=True).sqrt()
    return sphere


def test_thinning_keeps_the_ends_and_as_much_volume_as_one_by_one() -> None:
    f = curves(150)
    keep = batched.thinned(f, torch.zeros(4, 150), 60, torch.ones(4, 150, dtype=torch.bool))
    corner = torch.full((3,), 1.1)
    for i in range(4):
        exact = pareto.truncated(f[i], torch.zeros(150), 60)
        assert int(keep[i].sum()) == len(exact) == 60
        ends = torch.cat([f[i].argmin(0), f[i].argmax(0)])
        assert bool(keep[i][ends].all())
        ratio = pareto.hypervolume(f[i][keep[i]], corner) / pareto.hypervolume(f[i][exact], corner)
        assert ratio > 0.99


def test_thinning_takes_the_least_violated_where_nothing_is_feasible() -> None:
    f = curves(20)
    violation = torch.ones(4, 20)
    violation[:, 3] = 0.5
    among = torch.ones(4, 20, dtype=torch.bool)
    assert batched.thinned(f, violation, 10, among).nonzero()[:, 1].tolist() == [3] * 4
    among[:, 3] = False
    assert int(batched.thinned(f, violation, 10, among)[0].sum()) == 10


def test_sets_do_not_see_each_other() -> None:
    f, among = sets(3, levels=1000)
    violation = torch.zeros(5, 40)
    for i in range(5):
        one = slice(i, i + 1)
        assert torch.equal(batched.ranks(f[one], among[one])[0], batched.ranks(f, among)[i])
        kept = batched.thinned(f, violation, 9, among)
        assert torch.equal(batched.thinned(f[one], violation[one], 9, among[one])[0], kept[i])


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_power_has_the_same_bits_wherever_it_stands(dtype: torch.dtype) -> None:
    x = 3.0 * torch.rand(50_000, generator=torch.Generator().manual_seed(0), dtype=dtype)
    whole = batched.power(x, 1 / 16)
    assert torch.allclose(whole, x ** (1 / 16), rtol=1e-6)
    for start, count in ((1, 7), (3, 1300), (5, 65), (17, 1), (77, 131), (2, 40_001)):
        part = slice(start, start + count)
        assert torch.equal(batched.power(x[part], 1 / 16), whole[part])
