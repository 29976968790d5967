"""Reference rows as the model decides them: which are queried, which are kept, and when they are enough."""

import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.assembly.reference import decided_rows, first_points, has_neighbours
from cfsearch.config import PluginConfig
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.contracts.records import UNTARGETED
from cfsearch.datasets.tables import Column, ColumnKind, Table, TableSchema

SCHEMA = TableSchema(columns=(Column(name="place", kind=ColumnKind.REAL, low=0, high=100_000),))


class Threshold(Provider):
    """Calls rows from a value on "high", and counts the rows of its calls."""

    name, labels, scores, max_batch = "threshold", ("low", "high"), ScoreKind.LOGITS, 700

    def __init__(self, least: float) -> None:
        self.least, self.calls = least, list[int]()

    @property
    def fingerprint(self) -> str:
        return "threshold"

    def predict(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n 2"]:
        self.calls.append(len(x))
        high = (x[:, 0] >= self.least).double()
        return torch.stack([1 - high, high], dim=1)


def table(n: int) -> Table:
    """Rows whose value is their place, which counts the lines of the file too."""
    x = torch.arange(n, dtype=torch.float64)[:, None]
    return Table(SCHEMA, x, None, tuple(range(n)))


def labelled(*counts: int) -> Table:
    target = torch.repeat_interleave(torch.arange(len(counts)), torch.tensor(counts))
    return table(len(target)).labelled(target)


def test_a_small_table_is_decided_row_by_row() -> None:
    model = Threshold(90)
    decided = decided_rows(table(120), model)
    assert decided.target is not None
    assert decided.target.tolist() == [0] * 90 + [1] * 30
    assert decided.x.flatten().tolist() == list(range(120))
    assert model.calls == [120]


def test_of_a_large_table_2000_rows_are_queried_from_its_first_to_its_last() -> None:
    model = Threshold(10_000)
    decided = decided_rows(table(20_001), model)
    assert decided.target is not None
    x = decided.x.flatten()
    assert (len(x), float(x[0]), float(x[-1])) == (2000, 0.0, 20_000.0)
    assert 9 <= float(x.diff().min()) <= float(x.diff().max()) <= 11
    assert decided.target.tolist() == (x >= 10_000).long().tolist()
    assert model.calls == [700, 700, 600]


@pytest.mark.parametrize(("few", "all_of_it"), [(49, True), (50, False)])
def test_a_class_of_fewer_than_50_of_these_has_the_whole_table_queried(few: int, all_of_it: bool) -> None:
    # every second row is asked about; so many of the last ones are "high"
    whole = table(3999)
    model = Threshold(float(whole.spread(2000).x[-few, 0]))
    decided = decided_rows(whole, model)
    assert decided.target is not None
    assert sum(model.calls) == 2000 + 3999 * all_of_it
    assert int(decided.target.sum()) == (2 * few - 1 if all_of_it else few)
    assert len(decided) == 2000 + (2 * few - 1 if all_of_it else 0)


def test_of_each_class_at_most_2000_rows_stay_spread_over_it() -> None:
    decided = decided_rows(table(10_000), Threshold(9_990))
    assert decided.target is not None
    low = decided.x[decided.target == 0].flatten()
    assert (len(low), float(low[0]), float(low[-1])) == (2000, 0.0, 9_989.0)
    assert 4 <= float(low.diff().min()) <= float(low.diff().max()) <= 6
    assert decided.x[decided.target == 1].flatten().tolist() == list(range(9_990, 10_000))
    assert bool((decided.x.flatten().diff() > 0).all()), "in the order of the table"


@pytest.mark.parametrize(
    ("counts", "target", "enough"),
    [
        ((9, 5), 1, True),
        ((9, 4), 1, False),
        ((9, 4), 0, True),
        # any other class than the present one: the others of the largest class are the fewest
        ((9, 3, 2), UNTARGETED, True),
        ((9, 3, 1), UNTARGETED, False),
    ],
)
def test_five_rows_of_the_target_class_are_enough(counts: tuple[int, ...], target: int, enough: bool) -> None:
    assert has_neighbours(labelled(*counts), classes=len(counts), target=target) is enough


def test_a_class_without_a_row_has_no_neighbours_and_neither_has_no_table() -> None:
    assert not has_neighbours(labelled(9), classes=2, target=1)
    assert not has_neighbours(None, classes=2, target=1)
    assert not has_neighbours(table(9), classes=1, target=0)


def test_a_search_begins_as_declared_or_at_the_nearest_rows_that_are_known() -> None:
    declared = [PluginConfig(name="gradient")]
    assert first_points(declared, known=True) == declared
    assert first_points([], known=True) == []
    assert [one.name for one in first_points(None, known=True)] == ["nearest"]
    assert first_points(None, known=False) == []
