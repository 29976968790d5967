"""Figures by group where there is nothing to count."""

import pytest
import torch

from cfsearch.audits.groups import OTHERS, column_groups, group_rows
from cfsearch.audits.input_effects import InputEffects
from cfsearch.audits.shares import LEAST
from cfsearch.datasets.images import AttributeTable
from cfsearch.datasets.tables import RowGroups
from cfsearch.engine.search import Search
from cfsearch.fronts.front import ParetoFront
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.intensity import Intensity
from cfsearch.runs.directory import InstanceRow
from cfsearch.solvers.random import RandomSearch
from cfsearch.testing import FakeGenerator, FakeProvider


def failed(i: int) -> InstanceRow:
    return InstanceRow(f"row {i}", i, "failed", "provider", "it failed", "", (), None)


def test_failed_rows_are_in_no_figure_and_give_no_p() -> None:
    by = RowGroups("sex", ("a", "b", "c"), (0, 1, 2, 0))
    [entry] = column_groups(
        "model", [failed(i) for i in range(4)], groups=[by], names=[f"row {i}" for i in range(4)]
    )
    assert [g["instances"] for g in entry["groups"]] == [0, 0, 0]
    assert [(c["name"], c["against"]) for c in entry["comparisons"]] == [(n, OTHERS) for n in "abc"]
    for one in entry["comparisons"]:
        assert one["difference"] == {"decided": None, "found_rate": None}
        assert one["p"] == {"decided": None, "found_rate": None}
    assert entry["changes"] == []
    assert entry["family"] == 0


def found(n: int) -> list[InstanceRow]:
    """So many instances with the same front."""
    search = Search(
        FakeProvider(weight=((0, 0, 0), (9.0, 0.0, 0.0)), bias=(0, -5.0)),
        FakeGenerator(),
        [Adversarial(), Intensity()],
        lambda population: RandomSearch(population=population),
        evaluations=60,
        population=20,
    )
    [front] = search.run(torch.full((1, 3, 16, 16), 0.2), names=["a"])
    assert isinstance(front, ParetoFront)
    return [InstanceRow(f"{i}", i, "found", "stalled", "", "", (), front) for i in range(n)]


@pytest.mark.parametrize(("few", "told"), [(9, False), (10, True)])
def test_groups_of_fewer_than_ten_have_no_figures(few: int, told: bool) -> None:
    assert LEAST == 10
    rows = found(few + 12)
    has = torch.zeros(len(rows), 1, dtype=torch.bool)
    has[:few] = True
    labels = AttributeTable(tuple(row.name for row in rows), ("Hat",), has, {})
    values = torch.linspace(0, 1, len(rows))
    [entry] = group_rows(
        "m",
        rows,
        labels=labels,
        by=("Hat",),
        effects={"Smile": InputEffects(values)},
        measured=[row.name for row in rows],
    )
    assert entry["with"]["instances"] == few
    assert (entry["with"]["found_rate"] is not None) is told
    assert entry["without"]["found_rate"] is not None
    [effect] = entry["effects"]
    for part in (entry["with"]["decided"], entry["difference"]["found_rate"], entry["p"]["decided"]):
        assert (part is not None) is told
    assert [effect[part] is not None for part in ("with", "without", "difference", "p")] == [
        told, True, told, told,
    ]  # fmt: skip
    by = RowGroups("hat", ("yes", "no"), tuple(0 if i < few else 1 for i in range(len(rows))))
    [entry] = column_groups("m", rows, groups=[by], names=[row.name for row in rows])
    assert (entry["groups"][0]["found_rate"] is not None) is told
    assert (entry["comparisons"][0]["p"]["found_rate"] is not None) is told
    for change in entry["changes"]:
        assert (change["groups"][0]["rate"] is not None) is told
        assert bool(change["groups"][0]["count"]) is told
        assert (change["comparisons"][0]["difference"] is not None) is told
