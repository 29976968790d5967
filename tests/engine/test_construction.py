"""Construction: single changes and their strongest together, against a linear model whose sparsest flips are known."""

import pytest
import torch
from torch import Tensor

from cfsearch.datasets.tables import Column, ColumnKind, Table, TableSchema, Variables
from cfsearch.engine import construction
from cfsearch.engine.construction import LENGTHS, alone, together
from cfsearch.engine.search import Search
from cfsearch.fronts.front import ParetoFront
from cfsearch.generators.rows import Rows
from cfsearch.generators.rows.seeds import NearestRows
from cfsearch.objectives import Adversarial, Changed, Gower, Neighbours
from cfsearch.solvers.genetic import Nsga2
from cfsearch.testing import FakeProvider

D = 24
SCHEMA = TableSchema(
    columns=tuple(Column(name=f"c{j}", kind=ColumnKind.REAL, low=0.0, high=1.0) for j in range(D))
)
WEIGHT = torch.linspace(-2.0, 4.0, D, dtype=torch.float64)
BIAS = -13.0
MODEL = FakeProvider(weight=((0.0,) * D, tuple(WEIGHT.tolist())), bias=(0.0, BIAS), name="linear")


def drawn(n: int, *, seed: int) -> Tensor:
    return torch.rand(n, D, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def leads(x: Tensor) -> Tensor:
    return x.double() @ WEIGHT + BIAS


def known() -> Table:
    x = drawn(400, seed=1)
    return Table(SCHEMA, x, (leads(x) > 0).long(), tuple(range(400)))


def searched(x: Tensor, *, evaluations: int = 600) -> list[ParetoFront]:
    search = Search(
        MODEL,
        Rows(SCHEMA),
        (Adversarial(), Gower(), Changed(), Neighbours(known())),
        lambda population: Nsga2(population=population),
        evaluations=evaluations,
        population=50,
        target="bright",
        pruning=0.34,
        seeds=NearestRows(Rows(SCHEMA), known()),
    )
    found = search.run(x, names=[f"row {i}" for i in range(len(x))])
    return [one for one in found if isinstance(one, ParetoFront)]


def fewest_from_the_nearest(home: Tensor) -> int:
    """How many values of the nearest row of the class flip the model: of a linear one the largest contributions first."""
    rows, variables = known(), Variables.of(SCHEMA)
    of_class = rows.x[leads(rows.x) > 0]
    apart = variables.gower_values(variables.values(home[None]), variables.values(of_class))[0]
    gains = ((of_class[apart.argmin()] - home) * WEIGHT).sort(descending=True).values.cumsum(0)
    return int((leads(home[None]) + gains > 0).nonzero()[0]) + 1


def test_a_flip_is_no_less_sparse_than_the_largest_contributions_of_the_nearest_row() -> None:
    x = drawn(300, seed=5)
    x = x[leads(x) < -1.0][:6]
    fronts = searched(x)
    for home, front in zip(x, fronts, strict=True):
        own = int((front.z[front.verified] != 0).sum(1).min())
        bound = fewest_from_the_nearest(home)
        assert own <= min(length for length in (1, *LENGTHS) if length >= bound), front.name


def test_without_construction_the_sparsest_flips_change_more(monkeypatch: pytest.MonkeyPatch) -> None:
    x = drawn(300, seed=5)
    x = x[leads(x) < -1.0][:6]

    def sparsest() -> int:
        return sum(int((one.z[one.verified] != 0).sum(1).min()) for one in searched(x))

    having = sparsest()
    monkeypatch.setattr(construction, "alone", lambda known_, **_: known_[:0])
    assert having < sparsest()


def test_each_variable_has_the_nearest_and_the_farthest_value_alone() -> None:
    known_ = torch.tensor([[0.25, 0.0, 2.0], [0.5, -0.75, 1.0], [-0.125, 0.5, 1.0], [0.0, 0.0, 0.0]])
    category = torch.tensor([False, False, True])
    assert alone(known_, categorical=category, most=9).tolist() == [
        [0.25, 0, 0],
        [0.5, 0, 0],
        [0, -0.75, 0],
        [0, 0, 2.0],
        [0, 0, 1.0],
    ], "of the second number the nearest that changes it goes farthest; of the category 1 is most frequent"
    assert alone(known_, categorical=category, most=3).tolist() == [[0, -0.75, 0], [0, 0, 2.0], [0, 0, 1.0]]
    assert alone(torch.zeros(2, 3), categorical=category, most=3).shape == (0, 3)


def test_the_strongest_come_together_of_all_and_of_the_nearest_known_input() -> None:
    single = torch.tensor([[0.5, 0, 0], [0.75, 0, 0], [0, 0.25, 0], [0, 0, 1.0]])
    made = together(single, torch.tensor([0.1, 0.9, 0.5, 0.3]), near=torch.tensor([0.5, 0.25, 1.0]))
    assert made.tolist() == [[0.75, 0.25, 0], [0, 0.25, 1.0], [0.75, 0.25, 1.0], [0.5, 0.25, 1.0]]
    assert together(single[:1], torch.tensor([0.4]), near=single[0]).shape == (0, 3)


def test_fronts_are_the_same_alone_and_in_company_and_within_the_budget() -> None:
    x = drawn(300, seed=6)
    x = x[leads(x) < -1.0][:3]
    together_, single = searched(x), [searched(row[None])[0] for row in x]
    for one, other in zip(together_, single, strict=True):
        assert torch.equal(one.z, other.z) and torch.equal(one.f, other.f)
        assert one.evaluations <= 600
