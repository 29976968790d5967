"""Where numbers differ, NaN among them, beside what two lines of Python say of each pair."""

import math

import torch

from cfsearch.numerics.differing import differing, differs

NAN = math.nan
PAIRS = [
    (1.0, 1.0, False),
    (1.0, 2.0, True),
    (NAN, NAN, False),
    (NAN, 1.0, True),
    (0.0, NAN, True),
    (-0.0, 0.0, False),
]


def test_missing_numbers_are_the_same_and_another_than_any_number() -> None:
    a, b, expected = map(list, zip(*PAIRS, strict=True))
    assert differing(torch.tensor(a), torch.tensor(b)).tolist() == expected
    assert [differs(x, y) for x, y in zip(a, b, strict=True)] == expected


def test_shapes_broadcast() -> None:
    assert differing(torch.tensor([[1.0, NAN], [2.0, 3.0]]), torch.tensor([1.0, NAN])).tolist() == [
        [False, False],
        [True, True],
    ]
