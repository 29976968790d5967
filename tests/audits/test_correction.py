"""Effects less the generator's error: worked by hand, and through a painter whose artefact is known."""

import dataclasses
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm, t, wilcoxon

from cfsearch.audits.correction import CorrectedEffect, GeneratorError, _combined, corrected_effect
from cfsearch.audits.effects import Effects, effect_rows, effects_through_generator
from cfsearch.audits.genuineness_check import measured_error
from cfsearch.audits.measured import Measured, load_effects, save_effects
from cfsearch.audits.tensor_file import read_tensors, write_tensors
from cfsearch.engine.problem import Problem
from cfsearch.numerics.intervals import Interval
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.intensity import Intensity

from .painting import ARTEFACT, SLOPE, STEP, Bright, Painter, photographs

LOGITS = torch.tensor([1.0, 1.4, 1.2, 1.6, 0.8])
ALONE = GeneratorError({"Hat": 0.2, "Bald": -0.3}, sd=0.9, unexplained=0.4, photographs=64)


def corrected(error: GeneratorError = ALONE, *, strength: float | None = None) -> CorrectedEffect:
    """A hat, which takes baldness away from one face of five."""
    intended = {"Hat": torch.ones(5), "Bald": torch.tensor([0.0, -1.0, 0.0, 0.0, 0.0])}
    return corrected_effect(LOGITS, LOGITS / 10, intended=intended, own="Hat", error=error, strength=strength)


def test_the_offset_of_the_intended_change_is_subtracted_and_the_rest_divided_by_the_strength() -> None:
    each = (LOGITS.double() - torch.tensor([0.2, 0.5, 0.2, 0.2, 0.2])) / 0.8
    found = corrected(strength=0.68)  # 0.8 of 0.85
    se, own = float(each.std()) / math.sqrt(5), math.hypot(0.5 * 0.4 / 0.8, float(each.mean()) / 5)
    half = math.sqrt((t.ppf(0.975, 4) * se) ** 2 + (norm.ppf(0.975) * own) ** 2)
    assert found.estimate.value == pytest.approx(float(each.mean()), abs=1e-6)
    assert found.estimate.high - found.estimate.value == pytest.approx(half, abs=1e-6)
    assert found.estimate == found.edit and found.photographs is None and found.agree
    assert found.offset == pytest.approx(0.26)
    assert found.standard_error == pytest.approx(math.hypot(se, own), abs=1e-6)
    assert corrected(strength=0.86).estimate == corrected().estimate  # as strong as labels
    z = found.estimate.value / found.standard_error
    assert found.p == pytest.approx(max(2 * norm.sf(z), wilcoxon(each.numpy()).pvalue), abs=1e-9)


def test_an_edit_between_other_values_is_measured_against_the_intended_change() -> None:
    """Meant to be twice the difference that labels make and 1.36 of it seen, an edit is 0.68 as strong as intended."""
    intended = {"Hat": torch.full((5,), 2.0)}
    error = dataclasses.replace(ALONE, offset={})
    found = corrected_effect(LOGITS, LOGITS / 10, intended=intended, own="Hat", error=error, strength=1.36)
    assert found.estimate.value == pytest.approx(1.2 / 0.8, abs=1e-6)


def test_photographs_are_weighed_by_their_precision_and_only_with_enough_labels() -> None:
    labelled = dataclasses.replace(
        ALONE, association={"Hat": 1.5, "Bald": 1.0}, association_spread=0.8, labelled=250
    )
    found = corrected(labelled)
    slope = 1.5 - 0.2  # of five faces one loses its baldness
    vb = (0.25 * 0.8) ** 2 + (0.2 * slope) ** 2
    va = corrected().standard_error ** 2
    assert found.photographs is not None
    assert found.photographs.value == pytest.approx(slope, abs=1e-6)
    assert found.estimate.value == pytest.approx(
        (found.edit.value / va + slope / vb) / (1 / va + 1 / vb), abs=1e-6
    )
    assert found.standard_error == pytest.approx((1 / va + 1 / vb) ** -0.5, abs=1e-6)
    few = corrected(dataclasses.replace(labelled, labelled=249))
    assert few.photographs is None and few.estimate == corrected().estimate


@settings(max_examples=25, deadline=None)
@given(a=st.floats(-3, 3), b=st.floats(-3, 3), spread=st.floats(0.01, 3))
def test_the_combination_lies_between_both_and_is_no_wider_than_either(
    a: float, b: float, spread: float
) -> None:
    error = GeneratorError(
        {},
        sd=1.0,
        unexplained=0.6,
        photographs=300,
        association={"Hat": b},
        association_spread=spread,
        labelled=300,
    )
    values = a + 0.1 * torch.linspace(-1, 1, 9).double()
    found = corrected_effect(values, values / 10, intended={"Hat": torch.ones(9)}, own="Hat", error=error)
    assert found.photographs is not None
    ends = sorted((found.edit.value, found.photographs.value))
    assert ends[0] - 1e-9 <= found.estimate.value <= ends[1] + 1e-9
    width = [i.high - i.low for i in (found.estimate, found.edit, found.photographs)]
    assert width[0] <= min(width[1:]) + 1e-9
    apart = abs(found.edit.value - found.photographs.value)
    assert found.agree == (apart <= math.hypot(width[1] / 2, width[2] / 2))


def test_the_probability_moves_and_widens_with_the_logits() -> None:
    found = corrected()
    assert found.probability.value == pytest.approx(found.estimate.value / 10, abs=1e-6)
    own = norm.ppf(0.975) * 0.1 * 0.5 * 0.4
    assert found.probability.high - found.probability.value > own


def test_an_effect_of_the_detectable_size_is_called_one_in_four_audits_of_five() -> None:
    found = corrected()
    size = found.detectable(practical=0.25, tests=1)
    beyond = norm.sf((0.25 + norm.ppf(0.975) * found.standard_error - size) / found.standard_error)
    assert beyond == pytest.approx(0.8, abs=1e-6)
    strictest = norm.ppf(1 - 0.025 / 1000)
    many = found.detectable(practical=0.0, tests=1000)
    assert norm.sf(strictest - many / found.standard_error) == pytest.approx(0.8, abs=1e-6)


def through_painter(count: int = 64) -> tuple[Effects, GeneratorError | None]:
    """ "light" adds what it does; "ghost" is nothing, which the painter shows nonetheless."""
    x, attributes = photographs(count)
    problem = Problem(
        x,
        names=[str(i) for i in range(count)],
        provider=Bright(),
        generator=Painter(),
        objectives=[Adversarial(), Intensity()],
        attributes=attributes,
    )
    error = measured_error(Bright(), Painter(), x, attributes=attributes)
    return effects_through_generator(problem, label=1), error


def test_what_the_painter_shows_of_its_own_is_no_effect_of_the_model() -> None:
    effects, _ = through_painter()
    x, attributes = photographs(600)
    error = measured_error(Bright(), Painter(), x, attributes=attributes)
    assert error is not None
    error = dataclasses.replace(error, labelled=0)  # by edits alone
    seen = {"light": 1.0, "ghost": 1.0}
    before = {r["variable"]: r for r in effect_rows("m", effects, edit_success=seen, before_errors=True)}
    after = {r["variable"]: r for r in effect_rows("m", effects, edit_success=seen, error=error)}
    assert before["ghost"]["estimate"]["value"] == pytest.approx(SLOPE * ARTEFACT, abs=1e-4)
    assert before["ghost"]["reading"] == "leans" and "raw" not in before["ghost"]
    assert after["ghost"]["raw"] == before["ghost"]["estimate"]
    # a ridge regression with penalty 8 leaves a part of the artefact: its share of the sum of squares
    square = float((attributes[:, 1] - attributes[:, 1].mean()).square().sum())
    left = SLOPE * ARTEFACT * 8 / (8 + square)
    assert after["ghost"]["estimate"]["value"] == pytest.approx(left, abs=0.02)
    assert after["ghost"]["reading"] != "leans"
    assert after["light"]["estimate"]["value"] == pytest.approx(SLOPE * STEP, abs=0.1)
    assert after["light"]["reading"] == "leans" and after["light"]["correction"]["photographs"] is None


def test_a_painter_whose_error_nobody_measured_tells_nothing() -> None:
    effects, _ = through_painter(20)
    rows = effect_rows("m", effects, edit_success={"light": 1.0, "ghost": 1.0})
    assert {row["because"] for row in rows} == {"the generator's own error was not measured on this model"}
    assert all(row["estimate"] == row["raw"] and row["detectable"] is None for row in rows)
    assert measured_error(Bright(), Painter(), photographs(19)[0]) is None


def test_what_is_hardly_edited_is_not_divided_by_next_to_nothing() -> None:
    effects, error = through_painter()
    weak = {"light": 0.49, "ghost": 1.0}
    rows = {
        r["variable"]: r
        for r in effect_rows(
            "m", effects, edit_success={"light": 0.9, "ghost": 0.9}, edit_strength=weak, error=error
        )
    }
    assert (
        rows["light"]["because"]
        == "the generator hardly edits it (by 49\u202f% of the difference that labels make)"
    )
    assert rows["light"]["correction"]["strength"] is None and rows["light"]["edit_strength"] == 0.49
    assert rows["ghost"]["correction"]["strength"] == 1.0


def test_edits_and_photographs_that_contradict_each_other_tell_nothing() -> None:
    effects, error = through_painter()
    assert error is not None
    against = dataclasses.replace(
        error, association={"light": 0.0, "ghost": 0.0}, association_spread=0.1, labelled=300
    )
    rows = {
        r["variable"]: r
        for r in effect_rows("m", effects, edit_success={"light": 1.0, "ghost": 1.0}, error=against)
    }
    assert rows["light"]["because"] == "edits and photographs contradict each other"
    alike = dataclasses.replace(against, association={"light": 20.0, "ghost": 0.0})
    rows = {
        r["variable"]: r
        for r in effect_rows("m", effects, edit_success={"light": 1.0, "ghost": 1.0}, error=alike)
    }
    assert not rows["light"]["correction"]["agree"]
    assert rows["light"]["reading"] == "leans"  # by how much is open; that it does is not


def test_effects_are_read_back_with_what_they_were_corrected_by(tmp_path: Path) -> None:
    effects, error = through_painter()
    kept = Measured(effects, edit_success={"light": 1.0}, edit_strength={"light": 0.9}, error=error)
    path = save_effects(tmp_path / "effects.safetensors", kept)
    again = load_effects(path)
    assert again is not None and again.rows("m", practical=0.25) == kept.rows("m", practical=0.25)
    file = read_tensors(path, kind="cfsearch-effects/1")
    meta, tensors = dict(file.meta), dict(file.tensors)
    old = {key: value for key, value in meta.items() if key not in ("error", "edit_strength")}
    tensors.pop("intended")
    before = load_effects(write_tensors(tmp_path / "old.safetensors", tensors, old))
    assert before is not None and before.before_errors
    assert before.effects.intended.equal(effects.intended)  # without rules each has its own change alone
    assert before.rows("m", practical=0.25) == effect_rows(
        "m", effects, edit_success={"light": 1.0}, before_errors=True
    )


def test_an_interval_without_scatter_or_error_is_a_point() -> None:
    error = GeneratorError({}, sd=0.0, unexplained=0.0, photographs=20)
    nothing = corrected_effect(
        torch.zeros(4), torch.zeros(4), intended={"Hat": torch.ones(4)}, own="Hat", error=error
    )
    assert nothing.estimate == Interval(0.0, 0.0, 0.0) and nothing.p == 1.0


def test_of_two_estimates_an_exact_one_counts_alone() -> None:
    assert _combined((1.0, 0.0), (5.0, 2.0)) == (Interval(1.0, 1.0, 1.0), 0.0)
    assert _combined((1.0, 2.0), (5.0, 0.0)) == (Interval(5.0, 5.0, 5.0), 0.0)
    interval, variance = _combined((1.0, 1.0), (4.0, 2.0))  # weights 2 to 1
    assert (interval.value, variance) == pytest.approx((2.0, 2 / 3))
    assert interval.high - interval.value == pytest.approx(norm.ppf(0.975) * math.sqrt(2 / 3), rel=1e-4)
