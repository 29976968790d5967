"""The merit of AGE-MOEA-II against pymoo's survival, and by hand."""

import sys
from collections.abc import Iterator
from types import ModuleType

import numpy as np
import pytest
import torch
from pymoo.core.population import Population
from pymoo.core.problem import Problem

from cfsearch.solvers.batched.geometry import merit


@pytest.fixture
def numba_stand_in(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A numba that compiles nothing, so that pymoo's AGE-MOEA can be imported."""
    fake = ModuleType("numba")
    for name, value in {"intp": np.intp, "boolean": np.bool_, "float64": np.float64}.items():
        setattr(fake, name, value)
    fake.jit = lambda **_: lambda function: function  # type: ignore[attr-defined]  # made up here
    monkeypatch.setitem(sys.modules, "numba", fake)
    yield
    for name in ("pymoo.algorithms.moo.age", "pymoo.algorithms.moo.age2"):
        sys.modules.pop(name, None)


@pytest.mark.usefixtures("numba_stand_in")
@pytest.mark.parametrize("m", [2, 3, 4])
def test_it_keeps_whom_pymoo_keeps_of_one_front(m: int) -> None:
    from pymoo.algorithms.moo.age2 import AGEMOEA2Survival

    # on a sphere, where all points are as near to the ideal point: pymoo divides distances by
    # the norm of the neighbour instead of the point's own
    cloud = np.random.default_rng([m, 4]).random((50, m))
    f = np.vstack([np.eye(m), np.ones((1, m)), cloud])
    f = f / np.linalg.norm(f, axis=1, keepdims=True) * [1.0, 5.0, 0.3, 20.0][:m] + 0.5
    pop = Population.new(X=np.arange(len(f), dtype=float)[:, None], F=f)
    for individual in pop:
        individual.CV = np.zeros(1)
    kept = AGEMOEA2Survival().do(
        Problem(n_var=1, n_obj=m, xl=0, xu=1), pop, n_survive=30, random_state=np.random.default_rng(0)
    )
    known = {int(individual.X[0]) for individual in kept}
    value = merit(torch.from_numpy(f)[None], torch.ones(1, len(f), dtype=torch.bool), survivors=30)[0]
    assert set(value.argsort(descending=True, stable=True)[:30].tolist()) == known


def test_of_a_further_front_the_nearer_is_worth_more() -> None:
    f = torch.tensor([[0.0, 1.0], [0.4, 0.4], [1.0, 0.0], [0.5, 1.9], [0.6, 0.6], [1.9, 0.5]]).double()
    first = torch.tensor([[True, True, True, False, False, False]])
    value = merit(f[None], first, survivors=6)[0]
    assert float(value[4]) > float(value[[3, 5]].max())
    assert value[:3].isinf().tolist() == [True, False, True]


def test_a_front_of_one_point_and_an_empty_one_are_survived() -> None:
    f = torch.rand(2, 5, 3, generator=torch.Generator().manual_seed(0)).double()
    first = torch.zeros(2, 5, dtype=torch.bool)
    first[0, 2] = True
    value = merit(f, first, survivors=5)
    assert bool(value.isfinite().all())
    assert float(value[0, 2]) == 0.0


def test_sets_do_not_see_each_other() -> None:
    f = torch.rand(4, 30, 3, generator=torch.Generator().manual_seed(2)).double()
    first = torch.rand(4, 30, generator=torch.Generator().manual_seed(3)) < torch.tensor(
        [[0.1], [0.4], [0.7], [1.0]]
    )
    together = merit(f, first, survivors=20)
    for i in range(4):
        assert torch.equal(merit(f[i : i + 1], first[i : i + 1], survivors=20)[0], together[i])
