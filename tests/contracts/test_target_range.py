"""Target ranges: which texts are one, and the scores of numbers."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from cfsearch.contracts.target_range import TargetRange
from cfsearch.errors import ConfigError


@pytest.mark.parametrize(
    ("text", "ends", "labels"),
    [
        ("5..6", (5, 6), ("below 5", "5..6", "above 6")),
        ("-1.5..2e3", (-1.5, 2000), ("below -1.5", "-1.5..2e3", "above 2e3")),
        ("250000..", (250000, math.inf), ("below 250000", "250000..")),
        ("..0.5", (-math.inf, 0.5), ("..0.5", "above 0.5")),
        (" 1 .. 2 ", (1, 2), ("below 1", "1 .. 2", "above 2")),
    ],
)
def test_a_range_names_its_classes(text: str, ends: tuple[float, float], labels: tuple[str, ...]) -> None:
    found = TargetRange.parse(text)
    assert found is not None
    assert (found.low, found.high) == ends
    assert found.labels == labels
    assert TargetRange.of_labels(labels) == found


@pytest.mark.parametrize("text", [None, "", "..", "yes", "1.5", "a..b", "1..b", "../x", "18-25", "inf.."])
def test_other_texts_are_none(text: str | None) -> None:
    assert TargetRange.parse(text) is None


@pytest.mark.parametrize("text", ["6..5", "5..5"])
def test_ends_out_of_order_are_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="LOW below HIGH, got"):
        TargetRange.parse(text)


def test_labels_of_a_classifier_are_no_range() -> None:
    assert TargetRange.of_labels(("18..25", "25..40")) is None
    assert TargetRange.of_labels(("9..1", "no")) is None


@given(
    st.floats(-1e6, 1e6),
    st.floats(1e-2, 1e6),
    st.lists(st.floats(-1e7, 1e7), min_size=1, max_size=20),
    st.sampled_from(["both", "low", "high"]),
)
def test_the_leading_class_is_where_the_number_lies(
    low: float, width: float, numbers: list[float], ends: str
) -> None:
    high = low + width
    text = {"both": f"{low!r}..{high!r}", "low": f"{low!r}..", "high": f"..{high!r}"}[ends]
    wanted = TargetRange.parse(text)
    assert wanted is not None
    y = torch.tensor([*numbers, wanted.low, wanted.high], dtype=torch.float64)
    y = y[torch.isfinite(y)]
    scores = wanted.scores(y)
    names = [wanted.labels[i] for i in scores.argmax(1)]
    for number, name in zip(y.tolist(), names, strict=True):
        assert name.startswith("below" if number < wanted.low else "above" if number > wanted.high else text)
    assert torch.allclose(wanted.numbers(scores), y, rtol=1e-9, atol=1e-6 * wanted.scale)
