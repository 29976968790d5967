"""The members of a front as rows of a data frame: each number stands in its column."""

from dataclasses import replace

import pytest
import torch

from cfsearch.contracts.records import Reason
from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
from cfsearch.fronts.frame import front_frame, front_rows
from cfsearch.fronts.front import ParetoFront

SCHEMA = TableSchema(
    columns=(
        Column(name="age", kind=ColumnKind.INTEGER, low=0.0, high=99.0),
        Column(name="job", kind=ColumnKind.CATEGORICAL, levels=("cook", "pilot")),
    )
)


@pytest.fixture
def front() -> ParetoFront:
    """Member 0 is older, member 1 a pilot and not verified."""
    p = torch.tensor([0.7, 0.8])
    return ParetoFront(
        name="row 3",
        labels=("no", "yes"),
        source=0,
        target=1,
        variables=("age", "job"),
        objectives=("adversarial", "gower"),
        units=("nat", "share"),
        z=torch.tensor([[0.11, 0.0], [0.0, 1.0]], dtype=torch.float64),
        f=torch.tensor([[1.5, 0.25], [0.5, 0.75]]),
        origin_values=torch.tensor([30.0, 0.0], dtype=torch.float64),
        scores=torch.stack([1 - p, p], dim=1).log(),
        original_scores=torch.tensor([0.8, 0.2]).log(),
        reconstruction_scores=torch.tensor([0.8, 0.2]).log(),
        verified=torch.tensor([True, False]),
        images=None,
        original=None,
        reconstruction=None,
        origins=("nsga2", "gradient"),
        reason=Reason.BUDGET,
        reference_point=torch.tensor([6.0, 6.0]),
        evaluations=1,
        queries=1,
        row=torch.tensor([30.0, 0.0], dtype=torch.float64),
        rows=torch.tensor([[41.0, 0.0], [30.0, 1.0]], dtype=torch.float64),
        scale=torch.tensor([100.0, 1.0], dtype=torch.float64),
        categories=("job",),
        extra={"schema": SCHEMA.to_dict()},
    )


def test_each_number_of_a_row_stands_in_its_column(front: ParetoFront) -> None:
    first, second = front_rows(front)
    assert {name: first[name] for name in ("name", "member", "source", "target", "verified", "origin")} == {
        "name": "row 3", "member": 0, "source": "no", "target": "yes", "verified": True, "origin": "nsga2",
    }  # fmt: skip
    assert (second["member"], second["verified"], second["origin"]) == (1, False, "gradient")
    assert (first["objective_adversarial"], first["objective_gower"]) == (1.5, 0.25)
    assert (first["original_age"], first["original_job"]) == (30, "cook")
    assert (first["value_age"], first["value_job"]) == (41, "cook")
    assert (second["value_age"], second["value_job"]) == (30, "pilot")
    assert first["change_age"] == pytest.approx(11.0)
    assert (first["change_job"], second["change_age"], second["change_job"]) == (0.0, 0.0, 1.0)
    assert [first["p_no"], first["p_yes"], first["lead"], second["lead"]] == pytest.approx(
        [0.3, 0.7, 0.4, 0.6]
    )
    assert "sparsest" in str(first["picked_as"]).split()
    assert second["picked_as"] == "", "a member that is not verified is picked nowhere"
    assert "30.00 -> 41.00" in str(first["words"])


def test_of_pictures_the_change_and_the_value_are_those_of_the_variables(front: ParetoFront) -> None:
    picture = replace(front, row=None, rows=None, scale=None, categories=(), extra={})
    first, second = front_rows(picture)
    assert first["change_age"] == pytest.approx(0.11)
    assert first["value_age"] == pytest.approx(30.11)
    assert second["value_job"] == pytest.approx(1.0)
    assert not [name for name in first if name.startswith("original_")]


def test_without_a_target_the_cell_is_empty(front: ParetoFront) -> None:
    assert [row["target"] for row in front_rows(replace(front, target=None))] == [None, None]


def test_genuineness_stands_beside_what_it_decides(front: ParetoFront) -> None:
    z = torch.tensor([3.0, torch.nan], dtype=torch.float64)
    measured = replace(front, genuineness=z, extra={**front.extra, "genuineness": {"threshold": 1.0}})
    first, second = front_rows(measured)
    assert (first["genuineness"], first["valid"]) == (3.0, True)
    assert (second["genuineness"], second["valid"]) == (None, False)
    assert "valid" not in next(front_rows(front))


def test_the_frame_has_the_same_rows_and_columns(front: ParetoFront) -> None:
    pytest.importorskip("pandas")
    frame = front_frame(front)
    rows = list(front_rows(front))
    assert list(frame.columns) == list(rows[0])
    assert frame["value_age"].tolist() == [row["value_age"] for row in rows]


def test_a_change_of_a_category_is_one_however_far_its_levels_lie_apart(front: ParetoFront) -> None:
    wide = replace(
        SCHEMA, columns=(SCHEMA.columns[0], replace(SCHEMA.columns[1], levels=("cook", "nurse", "pilot")))
    )
    far = replace(
        front,
        z=torch.tensor([[0.11, 0.0], [0.0, 2.0]], dtype=torch.float64),
        rows=torch.tensor([[41.0, 0.0], [30.0, 2.0]], dtype=torch.float64),
        extra={"schema": wide.to_dict()},
    )
    first, second = front_rows(far)
    assert (first["change_age"], first["change_job"]) == (11.0, 0.0)
    assert (second["change_age"], second["change_job"], second["value_job"]) == (0.0, 1.0, "pilot")
