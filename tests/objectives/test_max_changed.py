"""MaxChanged: the contract, worked counts, and the refusals."""

import math

import pytest
import torch

from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
from cfsearch.errors import ConfigError
from cfsearch.generators.rows.generator import Rows
from cfsearch.objectives.max_changed import MaxChanged
from cfsearch.testing import ConstraintCase, make_candidates


class TestMaxChangedContract(ConstraintCase):
    @pytest.fixture
    def constraint(self) -> MaxChanged:
        return MaxChanged(k=2)


def test_it_is_how_many_changes_are_too_many() -> None:
    #                      none              two, kept           three, one too many
    z = torch.tensor([[[0.0, 0.0, 0.0], [0.5, 0.0, -0.5], [0.5, 0.1, -0.5]]])
    assert MaxChanged(k=2)(make_candidates(z=z))[0].tolist() == [-2.0, 0.0, 1.0]


def test_changes_up_to_the_threshold_do_not_count() -> None:
    z = torch.tensor([[[0.25, 0.5, -0.25]]])
    assert MaxChanged(k=1, threshold=0.25)(make_candidates(z=z)).item() == 0.0


def test_at_least_one_change_must_be_allowed() -> None:
    with pytest.raises(ConfigError, match=r"max_changed: `k` must be a whole number >= 1, got 0\."):
        MaxChanged(k=0)


@pytest.mark.parametrize("threshold", [-1.0, math.inf, math.nan])
def test_threshold_must_be_finite_and_not_negative(threshold: float) -> None:
    with pytest.raises(ConfigError, match=r"max_changed: `threshold` must be a finite number >= 0, got"):
        MaxChanged(threshold=threshold)


def test_whole_numbers_count_however_small_the_step_is_beside_the_range() -> None:
    schema = TableSchema(
        columns=tuple(Column(name=n, kind=ColumnKind.INTEGER, high=100_000.0) for n in "abc")
    )
    generator = Rows(schema)
    x = torch.full((1, 3), 500.0, dtype=torch.float64)
    space = generator.space(generator.encode(x))
    z = torch.tensor([[[0.5, 0.0, 0.0], [0.5, 7e-5, 0.0], [0.5, 7e-5, -1e-5]]], dtype=torch.float64)
    candidates = make_candidates(z=z)
    candidates.space = space
    assert MaxChanged(k=1)(candidates)[0].tolist() == [0.0, 1.0, 2.0]
