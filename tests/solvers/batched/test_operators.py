"""Crossover and mutation in tensors against pymoo's operators, by their distributions."""

import numpy as np
import torch
from pymoo.operators.crossover.sbx import cross_sbx
from pymoo.operators.mutation.pm import mut_pm
from scipy.stats import ks_2samp
from torch import Tensor

from cfsearch.contracts.space import SearchSpace
from cfsearch.solvers.batched.operators import crossed, mutated

N = 4000


def space() -> SearchSpace:
    return SearchSpace(
        names=("a", "b"),
        lower=torch.tensor([[-1.0, -3.0]]).double(),
        upper=torch.tensor([[2.0, 0.0]]).double(),
    )


def uniform(seed: int) -> Tensor:
    return torch.rand(1, N, 2, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def test_children_are_distributed_as_those_of_pymoo() -> None:
    one, two = (torch.tensor([point]).double().expand(1, N, 2) for point in ([0.5, -2.5], [-0.2, -0.5]))
    every = torch.ones(1, N, 2, dtype=torch.bool)
    ours = crossed(one, two, space(), eta=5.0, swap=uniform(1), share=uniform(2), taken=every)
    theirs = cross_sbx(
        torch.cat([one, two]).numpy(),
        np.array([-1.0, -3.0]),
        np.array([2.0, 0.0]),
        np.full((N, 1), 5.0),
        1.0,
        np.full((N, 1), 0.5),
        random_state=np.random.default_rng(3),
    )
    for child, known in zip(ours, theirs, strict=True):
        assert bool(((child >= space().lower) & (child <= space().upper)).all())
        for j in range(2):
            assert ks_2samp(child[0, :, j].numpy(), known[:, j]).pvalue > 0.001
    # what one child gains the other loses, but for the bounds: near the middle of both parents
    assert torch.allclose(ours[0].mean(1) + ours[1].mean(1), (one + two)[:, 0], atol=0.1)


def test_mutants_are_distributed_as_those_of_pymoo() -> None:
    z = torch.tensor([0.9, -0.1]).double().expand(1, N, 2)
    every = torch.ones(1, N, 2, dtype=torch.bool)
    ours = mutated(z, space(), eta=8.0, share=uniform(4), taken=every)
    theirs = mut_pm(
        z[0].numpy(),
        np.array([-1.0, -3.0]),
        np.array([2.0, 0.0]),
        np.full(N, 8.0),
        np.full(N, 1.0),
        at_least_once=False,
        random_state=np.random.default_rng(5),
    )
    for j in range(2):
        assert ks_2samp(ours[0, :, j].numpy(), theirs[:, j]).pvalue > 0.001


def test_what_is_not_taken_stays() -> None:
    one, two = uniform(6) - 1.0, uniform(7) - 1.0
    none = torch.zeros(1, N, 2, dtype=torch.bool)
    a, b = crossed(one, two, space(), eta=5.0, swap=uniform(1), share=uniform(2), taken=none)
    assert torch.equal(a, one)
    assert torch.equal(b, two)
    assert torch.equal(mutated(one, space(), eta=5.0, share=uniform(1), taken=none), one)


def test_equal_parents_have_equal_children() -> None:
    one = uniform(8) - 1.0
    every = torch.ones(1, N, 2, dtype=torch.bool)
    a, b = crossed(one, one, space(), eta=5.0, swap=uniform(1), share=uniform(2), taken=every)
    assert torch.equal(a, one)
    assert torch.equal(b, one)
