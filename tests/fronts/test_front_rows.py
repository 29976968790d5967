"""Fronts of rows: how far a member is, and that what makes them rows is stored."""

from dataclasses import replace

import pytest
import torch

from cfsearch.contracts.records import Reason
from cfsearch.fronts.front import ParetoFront


@pytest.fixture
def front() -> ParetoFront:
    """Three members: a far level of a category, two small changes, one large change of a number."""
    z = torch.tensor([[0.02, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 0.6]])
    return ParetoFront(
        name="row 3",
        labels=("no", "yes"),
        source=0,
        target=1,
        variables=("job", "age", "pay"),
        objectives=("adversarial", "gower"),
        units=("nat", "share"),
        z=z,
        f=torch.rand(3, 2),
        origin_values=torch.zeros(3),
        scores=torch.tensor([[-3.0, 0.0]] * 3),
        original_scores=torch.tensor([0.0, -3.0]),
        reconstruction_scores=torch.tensor([0.0, -3.0]),
        verified=torch.ones(3, dtype=torch.bool),
        images=None,
        original=None,
        reconstruction=None,
        origins=("nsga2",) * 3,
        reason=Reason.BUDGET,
        reference_point=torch.ones(2),
        evaluations=10,
        rows=torch.rand(3, 3).double(),
        row=torch.rand(3).double(),
        scale=torch.tensor([50.0, 80.0, 4000.0]),
        categories=("job",),
    )


def test_any_level_of_a_category_is_as_far_as_another(front: ParetoFront) -> None:
    assert front.sizes.tolist() == pytest.approx([1 / 3, 1 / 3, 0.2])
    assert front.pick("closest") == 2
    # by the distance of level numbers the category would have been nearest
    assert replace(front, categories=()).pick("closest") == 0


def test_what_makes_it_rows_is_stored(front: ParetoFront) -> None:
    again = ParetoFront.from_bytes(front.to_bytes())
    assert again.categories == ("job",)
    assert again.digest == front.digest
    assert b"categories" not in replace(front, categories=()).to_bytes()
