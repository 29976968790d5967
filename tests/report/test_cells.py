"""The cells of counterfactual rows beside the original's."""

from dataclasses import replace

import pytest
import torch

from cfsearch.contracts.records import Reason
from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
from cfsearch.fronts.front import ParetoFront
from cfsearch.report.cells import build_cells

SCHEMA = TableSchema(
    columns=(
        Column(name="age", kind=ColumnKind.INTEGER, low=0.0, high=99.0, unit="years"),
        Column(name="job", kind=ColumnKind.CATEGORICAL, levels=("cook", "pilot")),
        Column(name="hours", kind=ColumnKind.INTEGER, low=0.0, high=60.0),
    )
)


@pytest.fixture
def front() -> ParetoFront:
    p = torch.tensor([0.7, 0.8])
    return ParetoFront(
        name="row 0",
        labels=("no", "yes"),
        source=0,
        target=None,
        variables=("age", "job", "hours"),
        objectives=("adversarial", "gower"),
        units=("nat", "share"),
        z=torch.tensor([[0.1, 0.0, 0.0], [0.0, 1.0, 0.0]]),
        f=torch.tensor([[1.0, 0.0], [0.0, 1.0]]),
        origin_values=torch.zeros(3),
        scores=torch.stack([1 - p, p], dim=1).log(),
        original_scores=torch.tensor([0.8, 0.2]).log(),
        reconstruction_scores=torch.tensor([0.8, 0.2]).log(),
        verified=torch.tensor([True, True]),
        images=None,
        original=None,
        reconstruction=None,
        origins=("nsga2",) * 2,
        reason=Reason.BUDGET,
        reference_point=torch.tensor([6.0, 6.0]),
        evaluations=1,
        queries=1,
        row=torch.tensor([30.0, 0.0, 40.0], dtype=torch.float64),
        rows=torch.tensor([[41.0, 0.0, 40.0], [30.0, 1.0, 40.0]], dtype=torch.float64),
        extra={"schema": SCHEMA.to_dict()},
    )


def test_only_cells_that_changed_are_filled(front: ParetoFront) -> None:
    cells = build_cells(front, [0, 1])
    assert cells is not None
    assert [(line.column, line.before) for line in cells.changed] == [("age", "30"), ("job", "cook")]
    assert [list(line.after) for line in cells.changed] == [
        ["41", None],
        [None, "pilot"],
    ]
    assert [name for name, _ in cells.kept] == ["hours"]
    assert cells.changed[0].unit == "years"


def test_members_that_are_not_shown_change_nothing(front: ParetoFront) -> None:
    cells = build_cells(front, [1])
    assert cells is not None
    assert [line.column for line in cells.changed] == ["job"]
    assert [name for name, _ in cells.kept] == ["age", "hours"]
    assert cells.kept[0][1] == "30 years"


def test_fronts_that_are_not_of_rows_have_none(front: ParetoFront) -> None:
    assert build_cells(replace(front, row=None, rows=None), [0]) is None
