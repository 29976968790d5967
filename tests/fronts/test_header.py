"""What the header of a stored front says, against the front itself."""

from dataclasses import replace

import pytest
import torch

from cfsearch.fronts.header import FrontHeader

from .four import front


@pytest.mark.parametrize("verified", [[False] * 4, [True, False, False, True], [True] * 4])
@pytest.mark.parametrize("source", [0, 1])
def test_it_says_what_the_front_says(verified: list[bool], source: int) -> None:
    one = replace(front(), verified=torch.tensor(verified), source=source)
    assert FrontHeader.read(one.to_bytes()) == FrontHeader(("no", "yes")[source], 4, sum(verified))
