"""Errors of measuring a row: by how much each number is off, what stays, and rules that are never broken."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
from cfsearch.generators.rows.errors import MeasurementErrors
from cfsearch.generators.rows.generator import Rows
from cfsearch.testing.tables import broken_rules, random_rows, random_schema


def real(name: str, **settings: object) -> Column:
    return Column(**{"name": name, "kind": ColumnKind.REAL, "low": 0.0, "high": 100.0, **settings})  # type: ignore[arg-type]


def tried(*columns: Column, row: list[float], relations: tuple[str, ...] = (), changes: int = 100) -> Tensor:
    rows = Rows(TableSchema(columns=columns, relations=relations))
    return rows.perturbed(torch.tensor([row], dtype=torch.float64), changes=changes, seed=4)[0]


def test_a_number_is_off_by_at_most_half_a_percent_of_its_range_or_one_step() -> None:
    moved = tried(real("weight"), real("age", step=1.0), row=[50.0, 40.0])
    assert (moved[:, 0] - 50.0).abs().max() <= 0.5
    assert (moved[:, 0] - 50.0).abs().mean() > 0.2, "and mostly is"
    assert set(moved[:, 1].tolist()) == {39.0, 40.0, 41.0}


def test_counts_levels_codes_and_missing_numbers_stay() -> None:
    count = Column(name="rooms", kind=ColumnKind.INTEGER, low=0.0, high=9.0)
    level = Column(name="job", kind=ColumnKind.ORDINAL, levels=tuple("abcdefgh"))
    moved = tried(count, level, real("debt", codes=(-9.0,)), real("weight"), row=[4.0, 2.0, -9.0, 50.0])
    assert moved[:, :3].unique(dim=0).tolist() == [[4.0, 2.0, -9.0]]  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert len(moved[:, 3].unique()) > 50  # type: ignore[no-untyped-call]  # likewise


def test_what_a_person_may_not_change_can_have_been_measured_wrong() -> None:
    moved = tried(real("age", monotone=1), real("height", immutable=True), row=[50.0, 20.0])
    assert (moved[:, 0] < 50.0).any() and (moved[:, 1] != 20.0).all()


def test_ranges_and_relations_are_kept() -> None:
    moved = tried(real("low"), real("high"), row=[50.0, 50.1], relations=("low <= high",))
    assert (moved[:, 0] <= moved[:, 1]).all() and (moved != torch.tensor([50.0, 50.1])).any()
    assert (tried(real("share"), row=[0.0]) >= 0.0).all()


@given(seed=st.integers(0, 2**32 - 1))
def test_no_rule_on_rows_is_ever_broken(seed: int) -> None:
    draw = np.random.default_rng(seed)
    schema = random_schema(draw, columns=5, immutable=0, monotone=0, relations=2)
    errors = MeasurementErrors.of(schema)
    x = random_rows(schema, n=3, draw=draw)
    moved = errors(x, changes=5, seed=seed)
    assert moved.shape == (3, 5, schema.d)
    free = errors.variables.schema
    for before, after in zip(x.tolist(), moved.tolist(), strict=True):
        for row in after:
            assert not broken_rules(free, before=before, after=row)


def test_they_are_the_same_for_every_row_and_each_time() -> None:
    errors = MeasurementErrors.of(TableSchema(columns=(real("a"), real("b"))))
    x = torch.tensor([[10.0, 20.0], [60.0, 70.0]], dtype=torch.float64)
    four = errors(x, changes=4, seed=2)
    assert torch.allclose(four[0] - x[0], four[1] - x[1])
    assert torch.equal(errors(x, changes=9, seed=2)[:, :4], four)
    assert not torch.equal(errors(x, changes=4, seed=3), four)
