"""Intensity: the contract, worked values of the three norms, and the refusals."""

import math
from typing import Any

import numpy as np
import pytest
import torch

from cfsearch.contracts.space import SearchSpace
from cfsearch.errors import ConfigError
from cfsearch.objectives.intensity import Intensity, Norm
from cfsearch.testing import ObjectiveCase, make_candidates


class TestIntensityContract(ObjectiveCase):
    @pytest.fixture(params=["l2", "l1", "count"])
    def objective(self, request: pytest.FixtureRequest) -> Intensity:
        return Intensity(norm=request.param)


@pytest.mark.parametrize(("norm", "values"), [("l2", [5.0, 0.0]), ("l1", [7.0, 0.0]), ("count", [2.0, 0.0])])
def test_worked_by_hand(norm: Norm, values: list[float]) -> None:
    #                       a triangle of 3, 4, 5     no change
    z = torch.tensor([[[3.0, 0.0, -4.0], [0.0, 0.0, 0.0]]])
    assert Intensity(norm=norm)(make_candidates(z=z))[0].tolist() == values


@pytest.mark.parametrize(("norm", "order"), [("l2", 2), ("l1", 1)])
def test_it_is_the_norm_of_numpy(norm: Norm, order: int) -> None:
    c = make_candidates(d=13)
    expected = np.linalg.norm(c.z.numpy(), ord=order, axis=-1)
    np.testing.assert_allclose(Intensity(norm=norm)(c).numpy(), expected, rtol=1e-6)


def test_changes_up_to_the_threshold_do_not_count() -> None:
    z = torch.tensor([[[0.25, -0.5, 0.75]]])
    counts = [
        Intensity(norm="count", threshold=t)(make_candidates(z=z)).item() for t in (0.0, 0.25, 0.5, 1.0)
    ]
    assert counts == [3.0, 2.0, 1.0, 0.0]


def test_norm_must_be_one_of_three() -> None:
    wrong: Any = "max"  # Any: what a configuration file may say
    with pytest.raises(ConfigError, match=r"intensity: `norm` must be one of l2, l1, count, got 'max'\."):
        Intensity(norm=wrong)


@pytest.mark.parametrize("threshold", [-1.0, math.inf, math.nan])
def test_threshold_must_be_finite_and_not_negative(threshold: float) -> None:
    with pytest.raises(ConfigError, match=r"intensity: `threshold` must be a finite number >= 0, got"):
        Intensity(norm="count", threshold=threshold)


def test_whole_numbers_are_counted_however_small_the_step_is_beside_the_range() -> None:
    candidates = make_candidates(z=torch.tensor([[[5e-5, 5e-5, 0.0]]]))
    assert Intensity(norm="count")(candidates).item() == 0
    one = torch.ones(1, 3)
    candidates.space = SearchSpace(
        names=("a", "b", "c"), lower=-one, upper=one, steps=torch.tensor([1e-5, 0.0, 1e-5])
    )
    assert Intensity(norm="count")(candidates).item() == 1
