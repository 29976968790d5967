"""What the header of a stored front says, against the front itself."""

from dataclasses import replace

import pytest
import torch

from cfsearch.contracts.target_range import TargetRange
from cfsearch.fronts.header import FrontHeader

from .four import front


@pytest.mark.parametrize("verified", [[False] * 4, [True, False, False, True], [True] * 4])
@pytest.mark.parametrize("source", [0, 1])
def test_it_says_what_the_front_says(verified: list[bool], source: int) -> None:
    one = replace(front(), verified=torch.tensor(verified), source=source)
    assert FrontHeader.read(one.to_bytes()) == FrontHeader(("no", "yes")[source], 4, sum(verified))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
def test_it_says_the_number_that_the_model_predicts(dtype: torch.dtype) -> None:
    wanted = TargetRange("..0.5", -torch.inf, 0.5)
    scores = wanted.scores(torch.tensor([0.75, 0.25, 0.5, 0.125], dtype=dtype))
    one = replace(front(), labels=wanted.labels, scores=scores, original_scores=scores[3].clone())
    assert FrontHeader.read(one.to_bytes()).predicted == 0.125
    dotted = replace(front(), labels=("a..b", "1..2"))
    assert FrontHeader.read(dotted.to_bytes()).predicted is None, "no classes of a range"
