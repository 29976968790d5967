"""What the CPU computes in ways of its own is what a device computes, to the last bit."""

import numpy as np
import pytest
import torch
from torch import Tensor

from cfsearch.contracts.records import Evaluation
from cfsearch.contracts.space import SearchSpace
from cfsearch.solvers.genetic import AgeMoea2, Nsga2
from cfsearch.solvers.swarm import Smpso

from .pretend_card import PretendCard

NAMES = ("a", "b", "c", "d", "e")


def space(dtype: torch.dtype, device: str) -> SearchSpace:
    origin = (torch.rand(3, 5, generator=torch.Generator().manual_seed(0)) < 0.4).to(dtype)
    scale = torch.tensor([1.0, 3.0, 0.7, 1.0, 1.0], dtype=dtype)
    made = SearchSpace(
        names=NAMES,
        lower=(-origin - 0.5) / scale,
        upper=(1.5 - origin) / scale,
        origin=origin,
        groups=(("a", "b", "c"),),
        dead_zone=0.1,
        scale=scale,
    )
    return made.to(device)


def path(kind: type[Nsga2 | AgeMoea2 | Smpso], dtype: torch.dtype, device: str) -> list[Tensor]:
    """Candidates of six generations; many are proposed again, and one in three breaks a constraint."""
    solver = kind(population=20)
    rngs = [np.random.default_rng([1, i]) for i in range(3)]
    solver.start(space(dtype, device), objectives=3, constrained=True, rngs=rngs, generations=6)
    found = []
    for _ in range(6):
        z = solver.ask()
        found.append(z.cpu())
        f = torch.stack([(z - 0.1 * i).abs().sum(-1) for i in range(3)], dim=-1)
        broken = (z[..., 0] - 0.2).clamp(min=0)
        solver.tell(Evaluation(z, f, broken, torch.zeros_like(f[..., :2])))
    return found


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("kind", [Nsga2, AgeMoea2, Smpso])
def test_a_solver_takes_the_same_path_on_a_device(
    kind: type[Nsga2 | AgeMoea2 | Smpso], dtype: torch.dtype
) -> None:
    here = path(kind, dtype, "cpu")
    with PretendCard():
        there = path(kind, dtype, "cuda")
    for one, other in zip(here, there, strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("device", ["cpu", "cuda"])
def test_points_that_keep_a_group_keep_their_bits(device: str) -> None:
    # 0.1 times 3 and over 3 again is another number; two members are switched on in the second point alone
    zero = torch.zeros(1, 3, dtype=torch.float64)
    z = torch.tensor([[[0.9, 0.1, 0.0], [0.9, 0.0, 0.8]]], dtype=torch.float64)
    with PretendCard():
        made = SearchSpace(
            names=("a", "b", "c"),
            lower=zero - 1,
            upper=zero + 1,
            groups=(("a", "b", "c"),),
            scale=torch.tensor([1.0, 3.0, 1.0], dtype=torch.float64),
        ).to(device)
        repaired = made.repair(z.to(device)).cpu()
    assert repaired.tolist() == [[[0.9, 0.1, 0.0], [0.9, 0.0, 0.0]]]
