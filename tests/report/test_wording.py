"""Words and numbers for people."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cfsearch.report import wording
from cfsearch.report.gallery import changes_of

from .conftest import MakeFront


@pytest.mark.parametrize(
    ("variable", "before", "after", "words", "values"),
    [
        ("Eyeglasses", 0.02, 0.98, "Eyeglasses added", "0.02 → 0.98"),
        ("Blond_Hair", 0.9, 0.1, "Blond hair removed", "0.90 → 0.10"),
        ("Young", 0.9, 0.6, "Young reduced", "0.90 → 0.60"),
        ("Pale_Skin", 0.1, 0.3, "Pale skin increased", "0.10 → 0.30"),
        ("No_Beard", 0.97, 0.04, "Beard added", "0.03 → 0.96"),
        ("No_Beard", 0.1, 0.9, "Beard removed", "0.90 → 0.10"),
        ("age", 34.0, 41.5, "age increased", "34.00 → 41.50"),
        ("income_USD", 0.0, 12000.0, "income_USD increased", "0.00 → 12\u202f000.00"),
    ],
)
def test_changes_in_words(variable: str, before: float, after: float, words: str, values: str) -> None:
    assert wording.change(variable, before, after) == words
    assert wording.values(variable, before, after) == values


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.0, "0"), (1e-9, "<0.01"), (0.004, "<0.01"), (0.5, "0.50"), (0.996, ">0.99"), (1.0, "1.00"),
     (math.nan, "\u2013"), (None, "\u2013")],
)  # fmt: skip
def test_probabilities_are_never_rounded_to_certainty(value: float | None, text: str) -> None:
    assert wording.probability(value) == text


@pytest.mark.parametrize(
    ("low", "high", "side"),
    [(0.1, 2.0, 1), (-2.0, -0.1, -1), (-0.1, 0.1, 0), (0.0, 1.0, 0), (None, 1.0, None)],
)
def test_an_interval_that_touches_zero_tells_nothing(
    low: float | None, high: float | None, side: int | None
) -> None:
    assert wording.sides({"value": 0.5, "low": low, "high": high}) == side


def test_intervals_in_words() -> None:
    rate = {"value": 0.5, "low": 0.254, "high": 0.746}
    assert wording.span(rate) == "25 to 75\u202f%"
    assert wording.span({"value": 0.0, "low": -1.5, "high": 0.25}, form="logit") == "\u22121.50 to +0.25"
    assert wording.span(None) == "no interval"


@given(st.floats())
def test_no_number_is_ever_printed_as_nan(value: float) -> None:
    for text in (wording.number(value), wording.percent(value), wording.probability(value)):
        assert not {"nan", "inf"} & {text.lower().strip("\u2212+")}


def test_words_are_in_the_order_of_the_front(make_front: MakeFront) -> None:
    front = make_front(n=9, seed=4)
    for i in range(len(front)):
        subjects = [wording.subject(w.split()[0][1:]) for w in front.words(i)]
        said = [words.rsplit(" ", 1)[0] for words, _ in changes_of(front, i)]
        assert said == [s for s in subjects if s in said]
        assert len(said) == int((front.z[i].abs() >= wording.SMALL).sum())


def test_long_lists_are_cut() -> None:
    assert wording.listing(["a", "b"]) == "a and b"
    assert wording.listing([]) == ""
    assert wording.listing(list("abcdef")) == "a, b, c, d and 2 more"


@pytest.mark.parametrize(
    ("variable", "before", "after", "words", "values"),
    [
        ("No_Beard", 1.0, 1.5, "Even less beard", "0.00 → \u22120.50"),
        ("No_Beard", 0.0, -0.33, "Even more beard", "1.00 → 1.33"),
        ("Brown_Hair", 0.0, -0.33, "Even less brown hair", "0.00 → \u22120.33"),
        ("Male", 0.98, 1.4, "Even more male", "0.98 → 1.40"),
        ("Male", 0.8, 1.4, "Male increased", "0.80 → 1.40"),
        ("Pale_Skin", 0.0, 0.27, "Pale skin increased", "0.00 → 0.27"),
    ],
)
def test_what_is_fully_there_or_not_at_all_goes_further_still(
    variable: str, before: float, after: float, words: str, values: str
) -> None:
    assert wording.change(variable, before, after) == words
    assert wording.values(variable, before, after) == values
