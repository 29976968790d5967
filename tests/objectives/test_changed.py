"""Changed: the contract, and values worked by hand."""

import pytest
import torch

from cfsearch.objectives.changed import Changed
from cfsearch.testing import ObjectiveCase, make_candidates


class TestChangedContract(ObjectiveCase):
    @pytest.fixture
    def objective(self) -> Changed:
        return Changed()


def test_every_change_counts_however_small() -> None:
    z = torch.tensor([[[0.0, 0.0, 0.0], [1e-9, 0.0, -1.0], [0.1, 0.2, 0.3]]])
    assert Changed()(make_candidates(z=z)).tolist() == [[0.0, 2.0, 3.0]]
