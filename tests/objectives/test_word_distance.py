"""WordDistance: cosines by hand, and the refusal."""

import pytest
import torch

from cfsearch.errors import ConfigError
from cfsearch.objectives.word_distance import WordDistance
from cfsearch.testing import make_candidates, make_queries

VECTORS = torch.tensor([[0.0, 0.0], [1.0, 0.0], [3.0, 4.0], [0.0, -2.0], [0.0, 0.0]])


def test_it_is_the_sum_of_one_less_cosine_over_the_words_that_changed() -> None:
    original = torch.tensor([[1.0, 2.0, 4.0, 0.0]])
    x = torch.tensor(
        [[[1.0, 2.0, 4.0, 0.0], [2.0, 2.0, 4.0, 0.0], [0.0, 3.0, 4.0, 0.0], [1.0, 2.0, 1.0, 0.0]]]
    )
    c = make_candidates(x=x, queries=make_queries(x=original))
    # 1 -> 2 has cosine 0.6; removed counts 1, and 2 -> 3 has cosine -0.8; without a vector 1
    assert WordDistance(vectors=VECTORS)(c)[0].tolist() == pytest.approx([0.0, 0.4, 1.0 + 1.8, 1.0])


def test_without_vectors_it_says_what_it_goes_with() -> None:
    with pytest.raises(ConfigError, match="expected the vectors of a search's words"):
        WordDistance()
