"""Gower: the contract, and values worked by hand."""

import pytest
import torch

from cfsearch.contracts.records import Candidates
from cfsearch.contracts.space import Kind, SearchSpace
from cfsearch.objectives.gower import Gower
from cfsearch.testing import ObjectiveCase, make_candidates
from cfsearch.testing.candidates import fixed_candidates


class TestGowerContract(ObjectiveCase):
    @pytest.fixture
    def objective(self) -> Gower:
        return Gower()


def mixed(z: list[list[float]]) -> Candidates:
    points = torch.tensor([z])
    plain = make_candidates(z=points)
    one = torch.ones(1, points.shape[2])
    space = SearchSpace(
        names=("share", "whole", "kind"),
        lower=-one,
        upper=one,
        kinds=(Kind.REAL, Kind.INTEGER, Kind.CATEGORICAL),
        scale=torch.tensor([1.0, 10.0, 3.0]),
    )
    return fixed_candidates(
        points, queries=plain.queries, space=space, x=plain.x, scores=plain.scores, realism=plain.realism
    )


def test_numbers_count_by_their_range_and_categories_by_being_another() -> None:
    value = Gower()(mixed([[0.0, 0.0, 0.0], [-0.3, 0.5, 0.0], [0.1, 0.0, -1 / 3], [0.0, 0.0, 1.0]]))
    assert value[0].tolist() == pytest.approx([0.0, 0.8 / 3, 1.1 / 3, 1 / 3])


def test_a_column_counts_at_most_one() -> None:
    assert Gower()(mixed([[2.5, 0.0, 0.0]])).tolist() == [[pytest.approx(1 / 3)]]
