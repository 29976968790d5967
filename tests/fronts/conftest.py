"""A front that can be read by eye, for tests of its document."""

from dataclasses import replace

import pytest
import torch

from cfsearch.fronts.front import ParetoFront

from .four import front


@pytest.fixture
def four() -> ParetoFront:
    """The same with round scores before the change, and members of two origins."""
    return replace(
        front(),
        original_scores=torch.tensor([0.0, -1.0]),
        reconstruction_scores=torch.tensor([0.0, -2.0]),
        origins=("nsga2", "nsga2", "gradual", "nsga2"),
    )
