"""Measures that promise it are computed for all rows in one pass, to the same bits, and a failure stays with its row."""

from dataclasses import dataclass
from typing import ClassVar, final

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.objective import Objective
from cfsearch.contracts.records import Candidates
from cfsearch.datasets.tables import Column, ColumnKind, Table, TableSchema
from cfsearch.engine.problem import Problem
from cfsearch.errors import QueryError
from cfsearch.generators.rows import Rows
from cfsearch.objectives import Adversarial, Changed, Gower, Neighbours
from cfsearch.testing import FakeProvider

SCHEMA = TableSchema(
    columns=(
        Column(name="age", kind=ColumnKind.INTEGER, low=18.0, high=70.0),
        Column(name="income", kind=ColumnKind.REAL, low=0.0, high=100.0),
        Column(name="job", kind=ColumnKind.CATEGORICAL, levels=("a", "b", "c")),
    )
)


@final
@dataclass(frozen=True, slots=True)
class Counted(Objective):
    """Size of the change; notes how many rows come at once, and fails for those older than ``oldest``."""

    seen: list[int]
    oldest: float = 100.0
    name: ClassVar[str] = "counted"
    unit: ClassVar[str] = "change"
    batch_invariant: ClassVar[bool] = True

    def __call__(self, candidates: Candidates) -> Float[Tensor, "b n"]:
        self.seen.append(len(candidates.z))
        assert candidates.space.b == len(candidates.queries.names) == len(candidates.x) == len(candidates.z)
        if bool((candidates.queries.x[:, 0] > self.oldest).any()):
            raise QueryError("counted: too old.")
        return candidates.z.abs().sum(-1)


@final
@dataclass(frozen=True, slots=True)
class Alone(Objective):
    """As ``Counted``, without its promise."""

    seen: list[int]
    name: ClassVar[str] = "alone"
    unit: ClassVar[str] = "change"

    def __call__(self, candidates: Candidates) -> Float[Tensor, "b n"]:
        self.seen.append(len(candidates.z))
        return candidates.z.abs().sum(-1)


def drawn(n: int, *, seed: int) -> Tensor:
    draw = torch.Generator().manual_seed(seed)
    share = torch.rand(n, 3, dtype=torch.float64, generator=draw)
    low, high = torch.tensor([18.0, 0.0, 0.0]), torch.tensor([70.0, 100.0, 3.0])
    x = low + share * (high - low)
    x[:, [0, 2]] = x[:, [0, 2]].floor()
    return x


def known() -> Table:
    return Table(SCHEMA, drawn(600, seed=9), torch.arange(600) % 2, tuple(range(600)))


def problem(x: Tensor, *objectives: Objective) -> Problem:
    model = FakeProvider(weight=((0.0, 0.0, 0.0), (0.02, 0.03, 0.4)), bias=(0.0, -3.0), name="model")
    return Problem(
        x,
        names=[f"row {i}" for i in range(len(x))],
        provider=model,
        generator=Rows(SCHEMA),
        objectives=objectives,
        target="bright",
    )


def moves(b: int, n: int) -> Tensor:
    draw = torch.Generator().manual_seed(3)
    return (torch.rand(b, n, 3, dtype=torch.float64, generator=draw) - 0.5) * 1.5


@pytest.mark.parametrize("n", [1, 7, 50])
def test_a_row_has_the_same_bits_alone_and_in_one_pass_with_others(n: int) -> None:
    measures = (Adversarial(), Gower(), Changed(), Neighbours(known()))
    x, z = drawn(5, seed=1), moves(5, n)
    together = problem(x, *measures).evaluate(z)
    for i in range(5):
        alone = problem(x[i : i + 1], *measures).evaluate(z[i : i + 1])
        assert torch.equal(alone.f[0], together.f[i])
        assert torch.equal(alone.scores[0], together.scores[i])
        assert torch.equal(alone.z[0], together.z[i])


def test_all_rows_go_together_where_every_measure_allows_it() -> None:
    seen: list[int] = []
    problem(drawn(4, seed=1), Adversarial(), Counted(seen)).evaluate(moves(4, 6), resting=[2])
    assert seen == [3], "the one that rests is not looked at"
    seen.clear()
    problem(drawn(4, seed=1), Adversarial(), Counted([]), Alone(seen)).evaluate(moves(4, 6))
    assert seen == [1, 1, 1, 1]


def test_a_row_for_which_a_measure_fails_leaves_the_others() -> None:
    x = drawn(4, seed=1)
    x[:, 0] = torch.tensor([30.0, 65.0, 40.0, 50.0])
    made = problem(x, Adversarial(), Counted([], oldest=60.0))
    fine = problem(x, Adversarial(), Counted([]))
    found, expected = made.evaluate(moves(4, 6)), fine.evaluate(moves(4, 6))
    assert list(made.failures) == [1] and "too old" in str(made.failures[1])
    assert made.fresh == [6, 0, 6, 6], "what was evaluated once counts once"
    for i in (0, 2, 3):
        assert torch.equal(found.f[i], expected.f[i])
    assert bool((found.f[1] == 1e30).all())
    again = made.evaluate(moves(4, 6))
    assert made.fresh == [0, 0, 0, 0] and torch.equal(again.f, found.f), "and is remembered"
