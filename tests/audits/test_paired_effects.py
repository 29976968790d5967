"""Differences of corrected effects: by hand, with photographs, and how often their intervals hold a known difference."""

import dataclasses
import math

import pytest
import torch
from scipy.stats import norm, t, wilcoxon

from cfsearch.audits.correction import EditedEffect, GeneratorError, corrected_effect, edited_effect
from cfsearch.audits.paired_effects import corrected_difference

ERROR = GeneratorError({"Hat": 0.2}, sd=0.9, unexplained=0.4, photographs=64)
FIRST = torch.tensor([1.0, 1.4, 1.2, 1.6, 0.8])
SECOND = torch.tensor([2.1, 2.2, 2.6, 2.9, 1.7])
INTENDED = {"Hat": torch.ones(5)}


def edited(
    logits: torch.Tensor, error: GeneratorError = ERROR, *, strength: float | None = None
) -> EditedEffect:
    return edited_effect(
        logits,
        logits / 10,
        intended={"Hat": torch.ones(len(logits))},
        own="Hat",
        error=error,
        strength=strength,
    )


def test_offsets_are_subtracted_and_both_errors_stand_in_the_interval() -> None:
    other = dataclasses.replace(ERROR, offset={"Hat": -0.3}, unexplained=0.6)
    found = corrected_difference(edited(FIRST), edited(SECOND, other))
    change = (SECOND - FIRST).double() + 0.5
    se, own = float(change.std()) / math.sqrt(5), math.hypot(0.2, 0.3)
    assert (found.first, found.second) == pytest.approx((1.0, 2.6), abs=1e-6)
    assert found.difference.value == pytest.approx(float(change.mean()), abs=1e-6)
    half = math.hypot(t.ppf(0.975, 4) * se, norm.ppf(0.975) * own)
    assert found.difference.high - found.difference.value == pytest.approx(half, abs=1e-6)
    z = found.difference.value / math.hypot(se, own)
    assert found.p == pytest.approx(max(2 * norm.sf(z), wilcoxon(change.numpy()).pvalue), abs=1e-9)


def test_a_weak_edit_is_divided_on_its_own_side_only() -> None:
    found = corrected_difference(edited(FIRST, strength=0.68), edited(SECOND))
    assert found.first == pytest.approx(1.0 / 0.8, abs=1e-6)
    assert found.second == pytest.approx(2.1, abs=1e-6)


def test_with_photographs_each_side_is_what_its_own_audit_shows() -> None:
    labelled = dataclasses.replace(ERROR, association={"Hat": 1.5}, association_spread=0.8, labelled=250)
    other = dataclasses.replace(labelled, association={"Hat": 2.4})
    found = corrected_difference(edited(FIRST, labelled), edited(SECOND, other))
    shown = [
        corrected_effect(logits, logits / 10, intended=INTENDED, own="Hat", error=error).estimate.value
        for logits, error in ((FIRST, labelled), (SECOND, other))
    ]
    assert [found.first, found.second] == pytest.approx(shown, abs=1e-9)
    assert found.difference.value == pytest.approx(shown[1] - shown[0], abs=1e-9)


def test_an_effect_does_not_differ_from_itself() -> None:
    found = corrected_difference(edited(FIRST), edited(FIRST))
    assert found.difference.value == 0.0 and found.p == 1.0
    exact = dataclasses.replace(ERROR, offset={}, unexplained=0.0)
    none = corrected_difference(edited(FIRST, exact), edited(FIRST, exact))
    assert (none.difference.low, none.difference.high, none.p) == (0.0, 0.0, 1.0)


def test_the_interval_holds_a_known_difference_where_the_pairs_alone_do_not() -> None:
    """Effects of 1 and 1.5 through generators whose error on each model is normal with half of what is unexplained."""
    draw = torch.Generator().manual_seed(5)
    audits, inside, by_pairs = 400, 0, 0
    for _ in range(audits):
        person = torch.randn(30, generator=draw)
        sides = []
        for effect in (1.0, 1.5):
            artefact = 0.2 + 0.2 * torch.randn((), generator=draw)
            logits = effect + artefact + person + 0.2 * torch.randn(30, generator=draw)
            sides.append(edited(logits))
        gap = corrected_difference(*sides).difference
        inside += gap.low <= 0.5 <= gap.high
        change = sides[1].logits - sides[0].logits
        half = float(t.ppf(0.975, 29) * change.std() / math.sqrt(30))
        by_pairs += abs(float(change.mean()) - 0.5) <= half
    assert inside >= 0.92 * audits
    assert by_pairs < 0.6 * audits
