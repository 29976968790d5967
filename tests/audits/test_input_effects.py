"""Effects by group less the generator's error, against closed forms and a process whose truth is known."""

import math

import pytest
import torch
from scipy.stats import norm

from cfsearch.audits.correction import GeneratorError, corrected_effect
from cfsearch.audits.effects import Effects
from cfsearch.audits.family import welch
from cfsearch.audits.input_effects import InputEffects, input_effects
from cfsearch.numerics.intervals import mean_difference, paired_mean

HALF = torch.arange(40) < 20


def test_without_an_error_they_are_the_bootstrap_and_the_test_of_welch() -> None:
    values = torch.linspace(-1, 2, 40) ** 2
    effects = InputEffects(values)
    assert effects.mean(HALF) == paired_mean(values[HALF])
    assert effects.difference(HALF) == mean_difference(values[HALF], values[~HALF])
    assert effects.p(HALF) == welch(values[HALF], values[~HALF])


def test_an_error_of_the_generator_is_added_in_squares_once_to_a_mean_and_twice_to_a_difference() -> None:
    values = torch.cat([torch.full((20,), 3.0), torch.full((20,), 1.0)])  # no spread: the error alone is left
    effects = InputEffects(values, error=0.3, scale=0.2)
    mean, difference = effects.mean(HALF), effects.difference(HALF)
    assert mean is not None and difference is not None
    wide = norm.ppf(0.975)
    assert (mean.value, mean.high - 3, 3 - mean.low) == pytest.approx(
        (3.0, *[wide * math.hypot(0.3, 0.6)] * 2)
    )
    both = math.sqrt(2 * 0.3**2 + 0.6**2 + 0.2**2)
    assert (difference.value, difference.high - 2, 2 - difference.low) == pytest.approx(
        (2.0, *[wide * both] * 2)
    )
    spread = values + torch.linspace(-1e-4, 1e-4, 40)  # of no spread at all there is no test of Welch
    assert InputEffects(spread, error=0.3, scale=0.2).p(HALF) == pytest.approx(
        2 * norm.sf(2 / both), rel=1e-3
    )


def test_a_small_error_leaves_the_larger_p_and_an_empty_side_has_none() -> None:
    values = torch.cat([torch.linspace(0, 1, 20), torch.linspace(0.5, 1.5, 20)])
    sampled = welch(values[HALF], values[~HALF])
    assert sampled is not None
    assert InputEffects(values, error=1e-9).p(HALF) == sampled  # Student's tails are the heavier ones
    assert InputEffects(values, error=5.0).p(HALF) > 0.9  # type: ignore[operator]  # it is a number here
    nobody = torch.zeros(40, dtype=torch.bool)
    effects = InputEffects(values, error=0.1)
    assert (effects.mean(nobody), effects.difference(nobody), effects.p(nobody)) == (None, None, None)


def measured(logits: torch.Tensor, *, up: torch.Tensor) -> Effects:
    """Effects of Hat and Beard, which an edit of Hat moves along by half."""
    n = len(logits)
    intended = torch.zeros(n, 2, 2)
    intended[:, 0, 0], intended[:, 0, 1], intended[:, 1, 1] = up, 0.5 * up, 1.0
    zeros = torch.zeros(n, 2)
    return Effects(
        ("Hat", "Beard"), logits, logits.sigmoid() - 0.5, zeros.bool(), torch.ones(n).bool(), zeros, zeros + 1, intended
    )  # fmt: skip


def test_the_offset_and_the_strength_are_those_of_the_effect_over_all_inputs() -> None:
    error = GeneratorError({"Hat": 0.4, "Beard": -0.2}, sd=0.5, unexplained=0.3, photographs=60)
    up = torch.linspace(0.5, 1.5, 30)
    logits = torch.stack([torch.linspace(0, 3, 30), torch.linspace(-1, 1, 30)], dim=1)
    effects = measured(logits, up=up)
    for strength, factor, scale in ((0.68, 0.8, 0.2), (0.9, 1.0, 0.0), (0.3, 1.0, 0.0)):
        found = input_effects(effects, error=error, strength={"Hat": strength})["Hat"]
        assert torch.allclose(found.values, ((logits[:, 0] - 0.4 * up + 0.2 * 0.5 * up) / factor).double())
        assert (found.error, found.scale) == pytest.approx((0.15 / factor, scale))
        whole = corrected_effect(
            logits[:, 0], effects.probability[:, 0], own="Hat", error=error,
            strength=None if strength < 0.5 else strength, intended={"Hat": up, "Beard": 0.5 * up},
        )  # fmt: skip
        assert float(found.values.mean()) == pytest.approx(whole.edit.value)
    plain = input_effects(effects, strength={"Hat": 0.68})
    assert torch.equal(plain["Hat"].values, logits[:, 0])
    assert (plain["Beard"].error, plain["Beard"].scale) == (0.0, 0.0)


@pytest.mark.parametrize("gap", [0.0, 1.0])
def test_differences_are_covered_where_the_generator_errs_in_each_group_by_itself(gap: float) -> None:
    draw = torch.Generator().manual_seed(5)
    error = GeneratorError({"Hat": 0.6}, sd=0.5, unexplained=0.5, photographs=60)
    audits = 200
    covered, called = 0, 0
    for _ in range(audits):
        of_group = 0.25 * torch.randn(2, generator=draw)  # half of the unexplained spread, in each group
        truth = 0.5 * torch.randn(40, generator=draw) + torch.where(HALF, gap, 0.0)
        seen = truth + 0.6 + torch.where(HALF, of_group[0], of_group[1])
        effects = measured(torch.stack([seen, seen], dim=1), up=torch.ones(40))
        found = input_effects(effects, error=error, strength={})["Hat"]
        difference, p = found.difference(HALF), found.p(HALF)
        assert difference is not None and p is not None
        covered += difference.low <= gap <= difference.high
        called += p < 0.05
    assert 0.9 * audits <= covered <= 0.99 * audits  # 95 %, four standard errors
    assert called <= 0.11 * audits if gap == 0.0 else called >= 0.5 * audits
