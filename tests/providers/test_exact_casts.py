"""Casts that hold the same number or say where they do not; the truth is Python's own integers."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfsearch.providers.exact_casts import WHOLE_NUMBERS, cast_exactly


@given(
    value=st.floats() | st.integers(-(2**63), 2**64 - 1).map(float),
    kind=st.sampled_from(sorted(WHOLE_NUMBERS)),
)
def test_what_is_not_called_wrong_is_the_same_number(value: float, kind: str) -> None:
    cast, wrong = cast_exactly(np.array([value]), kind)
    low, high = WHOLE_NUMBERS[kind]
    fits = math.isfinite(value) and value.is_integer() and low <= int(value) <= high
    assert bool(wrong[0]) is not fits
    assert not fits or int(cast[0]) == int(value)


@pytest.mark.parametrize("kind", sorted(WHOLE_NUMBERS))
def test_whole_numbers_are_cast_to_the_ends_of_a_type(kind: str) -> None:
    low, high = WHOLE_NUMBERS[kind]
    for value in (low - 1, low, high, high + 1):
        given_as = np.uint64 if value > 2**63 - 1 else np.int64
        if not np.iinfo(given_as).min <= value <= np.iinfo(given_as).max:
            continue
        cast, wrong = cast_exactly(np.array([value], dtype=given_as), kind)
        assert bool(wrong[0]) is not (low <= value <= high)
        assert wrong[0] or int(cast[0]) == value
    assert not cast_exactly(np.array([True, False]), kind)[1].any()


def test_floats_round_and_keep_a_missing_number_but_not_one_that_is_too_large() -> None:
    values = np.array([0.1, np.nan, np.inf, 1e39])
    assert cast_exactly(values, "float32")[1].tolist() == [False, False, False, True]
    assert cast_exactly(values[:3], "float16")[1].tolist() == [False, False, False]
