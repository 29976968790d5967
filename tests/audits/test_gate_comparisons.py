"""Gates on comparisons of groups: which a condition without a group is on, and intervals of sizes."""

from typing import Any

import pytest
from scipy.stats import norm

from cfsearch.audits.conditions import fail_if
from cfsearch.audits.gate import FAIL, PASS, UNSURE, interval_at, judge
from cfsearch.audits.measurements import size_of
from cfsearch.audits.metrics import COMPARED, METRICS
from cfsearch.audits.reading_parts import Estimate
from cfsearch.numerics.intervals import wilson

from .test_gate import document, result
from .test_metrics import between, column, compared, moved


def leaning(name: str, value: float) -> dict[str, Any]:
    """A comparison with this effect, by the column itself and through the others."""
    estimate = between(value - 0.1, value, value + 0.1)
    proxies = [moved(estimate, 400, column="hours")]
    effect = moved(estimate, 400, p=0.001) | {"because": ""}
    return compared(name, effect=effect, through=moved(estimate, 400), proxies=proxies)


def columns() -> list[dict[str, Any]]:
    """No effect of sex, one of 2 logits of each of three races."""
    cost = {
        "groups": [],
        "comparisons": [
            {"name": "b", "against": "all others", "difference": between(-0.9, -0.8, -0.7), "p": 0.001}
        ],
    }
    race = [leaning(name, 2.0) for name in ("a", "b", "c")]
    return [column(leaning("f", 0.0)), column(*race, column="race", cost=cost)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("|effect:protected| > 0.25", [PASS, FAIL, FAIL, FAIL]),
        ("|effect:*| > 0.25", [PASS, FAIL, FAIL, FAIL]),
        ("|effect:protected@*| > 0.25", [PASS, FAIL, FAIL, FAIL]),
        ("|effect:race| > 0.25", [FAIL] * 3),
        ("|effect:race@b| > 0.25", [FAIL]),
        ("effect:race > 0.25", [FAIL] * 3),
        ("p:protected < 0.05", [FAIL] * 4),
        ("|through:protected| > 0.25", [PASS, FAIL, FAIL, FAIL]),
        ("|proxy:protected| > 0.25", [PASS, FAIL, FAIL, FAIL]),
        ("|proxy:protected@hours| > 0.25", [PASS, FAIL, FAIL, FAIL]),
        ("|proxy:race@b| > 0.25", [FAIL]),
        ("cost_gap:protected > 0.5", [FAIL]),
        ("|probability:race| > 5%", [FAIL] * 3),
    ],
)
def test_a_condition_on_protected_columns_is_on_each_group_of_each(line: str, expected: list[str]) -> None:
    assert result(line, columns=columns(), effects=[], protected=["sex", "race"]) == expected


def test_a_protected_column_that_could_not_be_compared_lets_no_gate_pass() -> None:
    few = column(column="age", reading="cannot tell", because="only one group of age has 10 rows")
    parts: dict[str, Any] = {"columns": [*columns()[:1], few], "effects": [], "protected": ["sex", "age"]}
    assert result("|effect:protected| > 0.25", **parts) == [PASS, UNSURE]
    assert result("|through:protected| > 0.25", **parts) == [PASS, UNSURE]
    both = parts | {"columns": [columns()[1], few], "protected": ["race", "age"]}
    assert result("cost_gap:protected > 1", **both) == [PASS, UNSURE]


def rows_by_sex_and_job() -> list[dict[str, Any]]:
    part = {
        "instances": 40,
        "decided": between(0.2, 0.3, 0.4),
        "searched": 40,
        "found_rate": between(0.2, 0.3, 0.4),
    }

    def one(name: str, against: str, gap: float) -> dict[str, Any]:
        difference = between(gap - 0.1, gap, gap + 0.1)
        return {
            "name": name,
            "against": against,
            "difference": {"decided": difference, "found_rate": difference},
            "p": {},
        }

    ratios = [
        {"name": n, "n": 40, "rate": between(0.2, 0.3, 0.4), "ratio": between(0.4, 0.5, 0.6)} for n in "ab"
    ]
    impact = {"label": "b", "most_selected": "b", "unknown": 0, "groups": ratios}
    return [
        {"model": "m", "attribute": "sex", "groups": [{"name": n, **part} for n in "fm"], "comparisons": [one("f", "m", 0.4)]},
        {"model": "m", "attribute": "job", "groups": [{"name": n, **part} for n in "abc"], "impact": impact,
         "comparisons": [one(n, "all others", gap) for n, gap in (("a", 0.0), ("b", -0.5), ("c", 0.15))]},
    ]  # fmt: skip


def test_a_difference_without_a_group_is_that_of_each_comparison() -> None:
    """As ``--until-decided`` has it (test_streams)."""
    groups = rows_by_sex_and_job()
    assert result("found_gap > 10%", groups=groups) == [FAIL, PASS, FAIL, UNSURE]
    assert result("decided_gap > 10%", groups=groups) == [FAIL, PASS, FAIL, UNSURE]
    assert result("decided_gap@job > 10%", groups=groups) == [PASS, FAIL, UNSURE]
    assert result("impact_ratio < 80%", groups=groups) == [FAIL]
    [missing] = judge(document(groups=groups), [fail_if("decided > 10%")])
    assert (missing.result, missing.figure) == (FAIL, None)  # refused there


def test_shares_of_all_inputs_stay_those_of_all() -> None:
    rate = wilson(11, 44)
    assert rate is not None
    counts = {
        "model": "m",
        "instances": 50,
        "searched": 44,
        "found": 11,
        "not_found": 33,
        "already_target": 1,
        "failed": 5,
    }
    one = counts | {"found_rate": rate.to_dict()}
    assert result("found_rate > 60%", counts=[one], groups=rows_by_sex_and_job()) == [PASS]
    assert result("found_rate@* > 60%", counts=[one], groups=rows_by_sex_and_job()) == [PASS] * 5
    assert set(COMPARED) <= set(METRICS)
    assert {m for m in METRICS if m.endswith("_gap")} <= set(COMPARED)


@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.9, 0.99])
@pytest.mark.parametrize(
    ("low", "value", "high"), [(-0.3, 0.3, 0.9), (-0.9, -0.3, 0.3), (0.1, 0.2, 0.3), (-0.7, 0.2, 0.6)]
)
def test_the_interval_of_a_size_is_the_size_of_the_interval(
    confidence: float, low: float, value: float, high: float
) -> None:
    scale = norm.ppf(0.5 + confidence / 2) / norm.ppf(0.975)
    ends = [value - scale * (value - low), value + scale * (high - value)]
    inside = [abs(ends[0] + (ends[1] - ends[0]) * k / 1000) for k in range(1001)]
    figure = size_of("abs_effect", "m", Estimate(value=value, low=low, high=high), subject="Male")
    assert interval_at(figure, confidence) == pytest.approx((min(inside), max(inside)), abs=2e-3)


def test_a_size_of_which_the_interval_holds_zero_is_not_beyond_a_bound() -> None:
    """0.3 (-0.3 to 0.9) at 80 % is -0.09 to 0.69: the size may be 0."""
    rows = [
        {
            "model": "m", "variable": "Male", "estimate": between(-0.3, 0.3, 0.9), "truth": None, "n": 50, "p": 0.4,
            "edit_success": 0.9, "probability": between(-0.3, 0.3, 0.9), "flips_alone": None,
        }
    ]  # fmt: skip
    assert result("|effect:Male| > 0.1 at 80%", effects=rows) == [UNSURE]
    assert result("|probability:Male| > 0.1 at 80%", effects=rows) == [UNSURE]
    assert result("|probability:Male| >= 0 at 99%", effects=rows) == [FAIL]  # no size is below 0
    assert result("effect:Male > 0.1 at 80%", effects=rows) == [UNSURE]


def changed(variable: str, count: int, n: int, model: str = "m") -> dict[str, Any]:
    rate = wilson(count, n)
    assert rate is not None
    return {
        "model": model,
        "variable": variable,
        "direction": "+",
        "count": count,
        "n": n,
        "rate": rate.to_dict(),
    }


def test_a_change_that_no_flip_holds_is_in_none_of_them() -> None:
    changes = [changed("Young", 30, 100)]
    generator = document().model_dump()["generator"] | {"variables": ["Male", "Young"]}
    parts: dict[str, Any] = {"changes": changes, "generator": generator}
    [judged] = judge(document(**parts), [fail_if("change_rate:+Male > 5%")])
    none = wilson(0, 100)
    assert none is not None and judged.figure is not None
    assert (judged.result, judged.figure.value, judged.figure.count, judged.figure.n) == (PASS, 0.0, 0, 100)
    assert (judged.low, judged.high) == pytest.approx((none.low, none.high), abs=1e-6)
    assert result("change_rate:+Male > 1%", **parts) == [UNSURE]  # up to 3.7 %
    assert result("change_rate:-Young > 5%", **parts) == [PASS]
    assert result("change_rate:+Young > 5%", **parts) == [FAIL]
    for line in ("change_rate:+Mael > 5%", "change_rate:Male > 5%", "change_rate:+Male@sex > 5%"):
        [missing] = judge(document(**parts), [fail_if(line)])
        assert (missing.result, missing.figure) == (FAIL, None), line
    assert result("change_rate:+Male > 5%", generator=generator) == [UNSURE]  # no flips at all


@pytest.mark.parametrize(
    ("inputs", "held", "line", "expected"),
    [
        ("rows", "~", "change_rate:+job > 10%", [FAIL]),
        ("rows", "~", "change_rate:-job > 10%", [FAIL]),
        ("rows", "+", "change_rate:~job > 10%", [FAIL]),
        ("rows", "+", "change_rate:-job > 10%", [PASS]),
        ("rows", "~", "change_rate:+age > 10%", [PASS]),
        ("pictures", "+", "change_rate:~age > 10%", [FAIL]),
        ("pictures", "+", "change_rate:-age > 10%", [PASS]),
        ("texts", "~", "change_rate:+age > 10%", [FAIL]),
    ],
)
def test_a_direction_that_a_variable_cannot_have_lets_no_gate_pass(
    inputs: str, held: str, line: str, expected: list[str]
) -> None:
    generator = document().model_dump()["generator"] | {"variables": ["job", "age"]}
    changes = [changed("job", 40, 40) | {"direction": held}]
    assert result(line, changes=changes, generator=generator, inputs=inputs) == expected


def test_of_two_models_the_one_without_a_flip_is_not_passed_over() -> None:
    models = document().model_dump()["models"]
    generator = document().model_dump()["generator"] | {"variables": ["Male", "Young"]}
    parts: dict[str, Any] = {"models": [*models, models[0] | {"id": "k"}], "generator": generator}
    parts["changes"] = [changed("Male", 30, 100)]
    assert result("change_rate:+Young > 5%", **parts) == [PASS, UNSURE]
    assert result("change_rate:+Male > 5%", **parts) == [FAIL, UNSURE]


def test_a_p_that_fewer_than_ten_rows_lack_is_not_judged() -> None:
    few = {"logits": None, "probability": None, "n": 5, "p": None, "because": "fewer than 10 rows"}
    [judged] = judge(document(columns=[column(compared("f", effect=few))]), [fail_if("p:sex < 0.05")])
    assert (judged.result, judged.message) == (UNSURE, "cannot tell: fewer than 10 rows.")


def test_of_two_models_the_one_without_the_change_is_judged_too() -> None:
    models = document().model_dump()["models"]
    changes = [changed("Male", 30, 100), changed("Young", 30, 90, model="k")]
    parts: dict[str, Any] = {"models": [*models, models[0] | {"id": "k"}], "changes": changes}
    found = judge(document(**parts), [fail_if("change_rate:+Male > 5%")])
    assert [(j.figure.model, j.figure.n, j.result) for j in found if j.figure] == [
        ("m", 100, FAIL),
        ("k", 90, PASS),
    ]
