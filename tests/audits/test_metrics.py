"""Every figure of a document that a condition can be put on, each compared with what stands in it."""

from typing import Any

import pytest
from scipy.stats import binomtest

from cfsearch.audits.measurements import Measurement
from cfsearch.audits.metrics import BY_CLASS, METRICS, catalogue, untold
from cfsearch.audits.reading import EffectRow
from cfsearch.audits.verdict import ERROR_UNMEASURED

from .test_gate import document

Interval = dict[str, float]


def between(low: float, value: float, high: float) -> Interval:
    return {"value": value, "low": low, "high": high}


RATE = between(0.2, 0.3, 0.4)
BELOW = between(-0.5, -0.3, -0.1)
ACROSS = between(-0.1, 0.2, 0.5)
ENDS = (0.3, 0.2, 0.4)
SIZE_BELOW = (0.3, 0.1, 0.5)
SIZE_ACROSS = (0.2, 0.0, 0.5)
FEW = "a group has fewer than 10 inputs"


def figures(**parts: Any) -> list[tuple[Any, ...]]:
    """All that a measurement holds but its model; the two counts of the document itself come first and are left out."""
    found = catalogue(document(**{"effects": [], "changes": [], "groups": [], **parts}))
    assert all(one.model == "m" for one in found)
    return [
        (one.metric, one.subject, one.group, one.value, one.low, one.high, one.count, one.n, one.because)
        for one in found
        if one.metric not in ("found_rate", "failed_rate") or one.group
    ]


def test_counts_give_the_rate_that_stands_there_and_the_failed_with_wilsons_interval() -> None:
    counts = [
        {
            "model": "m", "instances": 50, "searched": 44, "found": 11, "not_found": 33, "already_target": 1,
            "failed": 5, "found_rate": between(0.1, 0.25, 0.4),
        }
    ]  # fmt: skip
    found, failed = catalogue(document(counts=counts, effects=[], changes=[], groups=[]))
    assert found == Measurement("found_rate", "m", "", "", 0.25, 0.1, 0.4, 11, 44, "")
    low, high = binomtest(5, 50).proportion_ci(method="wilson")
    assert (failed.metric, failed.value, failed.count, failed.n) == ("failed_rate", 0.1, 5, 50)
    assert [failed.low, failed.high] == pytest.approx([low, high], abs=1e-6)
    counts[0] |= {"instances": 0, "searched": 0, "found": 0, "failed": 0, "found_rate": None}
    found, failed = catalogue(document(counts=counts, effects=[], changes=[], groups=[]))
    assert found == Measurement("found_rate", "m", n=0)
    assert failed == Measurement("failed_rate", "m", n=0)


def effect(**parts: Any) -> dict[str, Any]:
    return {
        "model": "m", "variable": "Hat", "estimate": BELOW, "truth": None, "n": 40, "probability": ACROSS,
        "flips_alone": {"count": 12, "n": 38, "rate": RATE}, "p": 0.01, "edit_success": 0.9, **parts,
    }  # fmt: skip


def test_an_effect_gives_both_units_signed_and_by_size() -> None:
    assert figures(effects=[effect()]) == [
        ("effect", "Hat", "", -0.3, -0.5, -0.1, None, 40, ""),
        ("abs_effect", "Hat", "", *SIZE_BELOW, None, 40, ""),
        ("probability", "Hat", "", 0.2, -0.1, 0.5, None, 40, ""),
        ("abs_probability", "Hat", "", *SIZE_ACROSS, None, 40, ""),
        ("flip_rate", "Hat", "", *ENDS, 12, 38, ""),
        ("p", "Hat", "", 0.01, 0.01, 0.01, None, 40, ""),
        ("edit_success", "Hat", "", 0.9, 0.9, 0.9, None, 40, ""),
    ]
    bare = effect(probability=None, flips_alone=None, p=None, edit_success=None, truth=RATE)
    assert figures(effects=[bare]) == [
        ("effect", "Hat", "", -0.3, -0.5, -0.1, None, 40, ""),
        ("abs_effect", "Hat", "", *SIZE_BELOW, None, 40, ""),
        ("probability", "Hat", "", None, None, None, None, 40, ""),
        ("abs_probability", "Hat", "", None, None, None, None, 40, ""),
        ("p", "Hat", "", None, None, None, None, 40, ""),
        ("edit_success", "Hat", "", None, None, None, None, 40, ""),
    ]


@pytest.mark.parametrize(
    ("parts", "because"),
    [
        ({}, ""),
        ({"estimate": None}, "it was not measured"),
        ({"edit_success": None}, "edits were never measured"),
        ({"edit_success": None, "truth": RATE}, ""),
        ({"edit_success": 0.5}, ""),
        ({"edit_success": 0.49}, "the generator hardly edits it (49\u202f% of edits were seen)"),
        ({"edit_success": 0.0, "truth": RATE}, "the generator hardly edits it (0\u202f% of edits were seen)"),
        ({"edit_strength": 0.5}, ""),
        (
            {"edit_strength": 0.123},
            "the generator hardly edits it (by 12\u202f% of the difference that labels make)",
        ),
        ({"correction": None}, ERROR_UNMEASURED),
        ({"correction": None, "truth": RATE}, ""),
        (
            {
                "correction": {
                    "edit": RATE,
                    "photographs": None,
                    "offset": 0.1,
                    "strength": None,
                    "agree": True,
                }
            },
            "",
        ),
        ({"because": "the truth contradicts it"}, "the truth contradicts it"),
        ({"because": "too few"}, ""),
    ],
)
def test_why_an_effect_says_nothing(parts: dict[str, Any], because: str) -> None:
    assert untold(EffectRow.model_validate(effect(**parts))) == because
    told = {f[0]: f[-1] for f in figures(effects=[effect(**parts)])}
    assert [told[m] for m in ("effect", "abs_effect", "probability", "abs_probability", "flip_rate")] == [
        because
    ] * 5
    assert told["p"] == told["edit_success"] == ""


def test_a_change_is_named_by_its_direction() -> None:
    changes = [{"model": "m", "variable": "Hat", "direction": "-", "count": 3, "n": 11, "rate": RATE}]
    assert figures(changes=changes) == [("change_rate", "-Hat", "", *ENDS, 3, 11, "")]


def part(decided: Interval | None, found: Interval | None, n: int, searched: int) -> dict[str, Any]:
    return {"instances": n, "decided": decided, "searched": searched, "found_rate": found}


def test_groups_of_pictures_are_with_and_without() -> None:
    group = {
        "model": "m", "attribute": "Hat", "with": part(RATE, ACROSS | {"low": 0.1}, 20, 10), "without": part(None, None, 8, 4),
        "difference": {"decided": BELOW, "found_rate": None}, "p": {"decided": 0.1, "found_rate": None},
        "effects": [
            {"variable": "Male", "with": RATE, "without": RATE, "difference": ACROSS, "p": 0.5},
            {"variable": "Young", "with": None, "without": RATE, "difference": None},
        ],
    }  # fmt: skip
    assert figures(groups=[group]) == [
        ("decided", "", "Hat:with", *ENDS, 6, 20, ""),
        ("found_rate", "", "Hat:with", 0.2, 0.1, 0.5, 2, 10, ""),
        ("decided", "", "Hat:without", None, None, None, None, 8, FEW),
        ("found_rate", "", "Hat:without", None, None, None, None, 4, FEW),
        ("decided_gap", "", "Hat", *SIZE_BELOW, None, 0, ""),
        ("found_gap", "", "Hat", None, None, None, None, 0, FEW),
        ("effect_gap", "Male", "Hat", *SIZE_ACROSS, None, 0, ""),
        ("effect_gap", "Young", "Hat", None, None, None, None, 0, FEW),
    ]


def test_groups_of_rows_have_names_and_impact_ratios_but_of_the_most_selected() -> None:
    ratios = [
        {"name": "f", "n": 21, "rate": RATE, "ratio": between(0.5, 0.6, 0.7)},
        {"name": "m", "n": 22, "rate": RATE, "ratio": between(1, 1, 1)},
        {"name": "x", "n": 3, "rate": None, "ratio": None},
    ]
    difference = {"decided": ACROSS, "found_rate": BELOW}
    group = {
        "model": "m", "attribute": "sex", "groups": [{"name": "f", **part(RATE, None, 20, 9)}],
        "comparisons": [{"name": "f", "against": "m", "difference": difference, "p": {}}],
        "impact": {"label": "yes", "most_selected": "m", "unknown": 0, "groups": ratios},
    }  # fmt: skip
    assert figures(groups=[group]) == [
        ("decided", "", "sex:f", *ENDS, 6, 20, ""),
        ("found_rate", "", "sex:f", None, None, None, None, 9, FEW),
        ("impact_ratio", "", "sex:f", 0.6, 0.5, 0.7, None, 21, ""),
        ("impact_ratio", "", "sex:x", None, None, None, None, 3, FEW),
        ("decided_gap", "", "sex:f", *SIZE_ACROSS, None, 0, ""),
        ("found_gap", "", "sex:f", *SIZE_BELOW, None, 0, ""),
    ]


def test_a_ratio_that_is_missing_says_why_and_unknown_groups_have_none() -> None:
    names = (("f", 21), ("missing", 5000), ("Unknown", 40), ("x", 3), ("m", 22))
    ratios = [{"name": name, "n": n, "rate": RATE if n > 9 else None, "ratio": None} for name, n in names]
    group = {
        "model": "m", "attribute": "sex", "groups": [], "comparisons": [],
        "impact": {"label": "yes", "most_selected": "m", "unknown": 5040, "groups": ratios},
    }  # fmt: skip
    assert [(one[2], one[-1]) for one in figures(groups=[group])] == [
        ("sex:f", "no input of any group is selected"),
        ("sex:x", FEW),
    ]


@pytest.mark.parametrize(
    ("most", "because"), [("m", ""), ("Unknown", "measured against the group 'Unknown'")]
)
def test_a_ratio_to_a_group_of_unknown_members_tells_nothing(most: str, because: str) -> None:
    """As audits once had it, which took any group as the most selected."""
    ratios = [
        {"name": "f", "n": 21, "rate": RATE, "ratio": RATE},
        {"name": "m", "n": 22, "rate": RATE, "ratio": None if most == "m" else RATE},
        {"name": "Unknown", "n": 40, "rate": RATE, "ratio": None},
    ]
    group = {
        "model": "m", "attribute": "sex", "groups": [], "comparisons": [],
        "impact": {"label": "yes", "most_selected": most, "unknown": 0, "groups": ratios},
    }  # fmt: skip
    found = figures(groups=[group])
    assert [one[2] for one in found] == (["sex:f"] if most == "m" else ["sex:f", "sex:m"])
    assert all((because in one[-1]) if because else not one[-1] for one in found)


def test_shares_of_rows_that_were_chosen_by_the_decision_say_so() -> None:
    base = document().model_dump()["search"]
    group = {
        "model": "m", "attribute": "sex", "groups": [{"name": "f", **part(None, RATE, 200, 200)}],
        "comparisons": [{"name": "f", "against": "m", "difference": {"decided": None, "found_rate": BELOW}, "p": {}}],
    }  # fmt: skip
    chosen = "rows were chosen by what the model decides"
    assert [(one[0], one[-1]) for one in figures(groups=[group], search={**base, "decided": "a"})] == [
        ("decided", chosen),
        ("found_rate", ""),
        ("decided_gap", chosen),
        ("found_gap", ""),
    ]


def test_fronts_of_two_groups_are_named_by_class_and_group() -> None:
    row = {
        "model": "m", "attribute": "sex", "name": "f", "against": "m", "from": "no", "gap": RATE,
        "attained": {"first": 0.1, "second": 0.2}, "hypervolume": {"first": 0.3, "second": 0.4},
        "hypervolume_difference": BELOW, "p": {"attainment": 0.02, "hypervolume": None},
    }  # fmt: skip
    several = [row, {**row, "attribute": "Hat", "name": "with", "against": "without"}]
    assert figures(attainment=several) == [
        (metric, "no", group, *rest)
        for group in ("sex:f", "Hat")
        for metric, *rest in (
            ("attainment_gap", *ENDS, None, 0, ""),
            ("hypervolume_gap", *SIZE_BELOW, None, 0, ""),
            ("attainment_p", 0.02, 0.02, 0.02, None, 0, ""),
            ("hypervolume_p", None, None, None, None, 0, ""),
        )
    ]


def moved(logits: Interval | None, n: int, **parts: Any) -> dict[str, Any]:
    return {"logits": logits, "probability": RATE, "n": n, "because": "labels only", **parts}


def compared(name: str, **parts: Any) -> dict[str, Any]:
    return {
        "name": name, "against": "m", "effect": moved(BELOW, 30, p=0.3), "by_group": [], "linked": None,
        "through": moved(ACROSS, 31), "proxies": [moved(RATE, 32, column="hours")], **parts,
    }  # fmt: skip


def column(*comparisons: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return {
        "model": "m", "column": "sex", "guessed": False, "taken": True, "label": "yes", "n": 40, "unknown": 0,
        "left_out": [], "linked": [], "comparisons": list(comparisons), "flips_alone": None, "members": None,
        "cost": None, "reading": "leans", "because": "", "through": {"reading": "leans", "because": ""}, **parts,
    }  # fmt: skip


def test_a_protected_column_with_one_comparison_needs_no_group() -> None:
    cost = {
        "groups": [],
        "comparisons": [{"name": "f", "against": "m", "difference": BELOW, "p": 0.1}],
    }
    members = {
        "changed": {"n": 20, "rate": ACROSS}, "necessary": {"n": 15, "rate": RATE}, "sufficient": {"n": 4, "rate": None},
    }  # fmt: skip
    flips = {"count": 7, "n": 40, "rate": RATE}
    row = column(compared("f"), cost=cost, members=members, flips_alone=flips)
    assert figures(columns=[row]) == [
        ("effect", "sex", "", -0.3, -0.5, -0.1, None, 30, ""),
        ("abs_effect", "sex", "", *SIZE_BELOW, None, 30, ""),
        ("probability", "sex", "", *ENDS, None, 30, ""),
        ("abs_probability", "sex", "", *ENDS, None, 30, ""),
        ("p", "sex", "", 0.3, 0.3, 0.3, None, 30, ""),
        ("through", "sex", "", 0.2, -0.1, 0.5, None, 31, ""),
        ("abs_through", "sex", "", *SIZE_ACROSS, None, 31, ""),
        ("proxy", "sex", "hours", *ENDS, None, 32, ""),
        ("abs_proxy", "sex", "hours", *ENDS, None, 32, ""),
        ("flip_rate", "sex", "", *ENDS, 7, 40, ""),
        ("necessity", "sex", "", *ENDS, None, 15, ""),
        (
            "sufficiency",
            "sex",
            "",
            None,
            None,
            None,
            None,
            4,
            "fewer than 10 rows have such a counterfactual",
        ),
        ("cost_gap", "sex", "", *SIZE_BELOW, None, 0, ""),
    ]


def test_a_protected_column_with_several_comparisons_names_each() -> None:
    cost = {
        "groups": [],
        "comparisons": [{"name": "b", "against": "all others", "difference": None, "p": None}],
    }
    first = compared("a", effect=None, through=moved(None, 5))
    second = compared("b", effect=moved(None, 30), proxies=[])
    row = column(first, second, cost=cost, flips_alone={"count": 1, "n": 3, "rate": None})
    assert figures(columns=[row]) == [
        ("through", "sex", "a", None, None, None, None, 5, "labels only"),
        ("abs_through", "sex", "a", None, None, None, None, 5, "labels only"),
        ("proxy", "sex", "a:hours", *ENDS, None, 32, ""),
        ("abs_proxy", "sex", "a:hours", *ENDS, None, 32, ""),
        ("effect", "sex", "b", None, None, None, None, 30, "labels only"),
        ("abs_effect", "sex", "b", None, None, None, None, 30, "labels only"),
        ("probability", "sex", "b", *ENDS, None, 30, "labels only"),
        ("abs_probability", "sex", "b", *ENDS, None, 30, "labels only"),
        ("p", "sex", "b", None, None, None, None, 30, "labels only"),
        ("through", "sex", "b", 0.2, -0.1, 0.5, None, 31, ""),
        ("abs_through", "sex", "b", *SIZE_ACROSS, None, 31, ""),
        ("flip_rate", "sex", "", None, None, None, None, 3, "fewer than 10 rows"),
        ("cost_gap", "sex", "b", None, None, None, None, 0, FEW),
    ]


def test_a_protected_column_of_one_group_has_figures_of_which_one_cannot_tell() -> None:
    few = "only one group of sex has 10 rows"
    none = (None, None, None, None, 0, few)
    alone = ["effect", "abs_effect", "probability", "abs_probability", "p", "flip_rate"]
    together = ["through", "abs_through", "proxy", "abs_proxy", "cost_gap"]
    row = column(reading="cannot tell", because=few)
    assert figures(columns=[row]) == [(metric, "sex", "", *none) for metric in alone + together]
    unseen = {**row, "taken": False, "because": "", "through": {"reading": "cannot tell", "because": few}}
    assert figures(columns=[unseen]) == [(metric, "sex", "", *none) for metric in together]
    assert figures(columns=[{**row, "guessed": True}]) == []
    share = {"n": 20, "rate": RATE}
    other = column(
        compared("f"), column="race", members=dict.fromkeys(("changed", "necessary", "sufficient"), share)
    )
    found = [one for one in figures(columns=[row, other]) if one[0] in ("necessity", "sufficiency")]
    assert found[:2] == [(metric, "sex", "", *none) for metric in ("necessity", "sufficiency")]
    assert [one[1] for one in found[2:]] == ["race", "race"]


def test_a_share_of_fewer_than_ten_rows_is_not_judged_though_older_audits_have_it() -> None:
    row = column(compared("f"), flips_alone={"count": 4, "n": 5, "rate": RATE})
    assert [one[3:] for one in figures(columns=[row]) if one[0] == "flip_rate"] == [
        (None, None, None, None, 5, "fewer than 10 rows")
    ]


def test_genuine_flips_of_the_demo() -> None:
    some = {"model": "m", "count": 4, "n": 9, "rate": RATE}
    assert figures(genuine=[some, {**some, "count": 0, "n": 0, "rate": None}]) == [
        ("genuine_rate", "", "", *ENDS, 4, 9, ""),
        ("genuine_rate", "", "", None, None, None, None, 0, ""),
    ]


def test_a_figure_is_named_as_a_condition_names_it() -> None:
    assert Measurement("effect", "m").name == "effect"
    assert Measurement("effect", "m", "Hat").name == "effect:Hat"
    assert Measurement("effect", "m", "Hat", "sex:f").name == "effect:Hat@sex:f"


def test_the_names_of_figures_are_stable() -> None:
    """They stand in gates that users keep: ``docs/stability.md``."""
    assert list(METRICS) == [
        "found_rate", "failed_rate", "effect", "abs_effect", "probability", "abs_probability", "flip_rate", "p",
        "edit_success", "change_rate", "decided", "decided_gap", "impact_ratio", "found_gap", "effect_gap",
        "attainment_gap", "hypervolume_gap", "attainment_p", "hypervolume_p", "through", "abs_through", "proxy",
        "abs_proxy", "necessity", "sufficiency", "cost_gap", "genuine_rate",
        "shared_rate", "shared_gap", "shared_p", "contribution", "contribution_necessity", "contribution_sufficiency",
        "robustness", "agreement",
    ]  # fmt: skip
    assert BY_CLASS == (
        "attainment_gap", "hypervolume_gap", "attainment_p", "hypervolume_p", "shared_rate", "shared_gap", "shared_p",
    )  # fmt: skip


def coverage(count: int, n: int, rate: Interval | None) -> dict[str, Any]:
    return {"count": count, "n": n, "rate": rate}


def shared_changes(*changes: dict[str, Any], **parts: Any) -> dict[str, Any]:
    return {
        "model": "m", "from": "no", "to": "yes", "chosen_on": 20, "measured_on": 20, "left_out": 0, "candidates": 4, "queries": 160,
        "sets": [{"attribute": "", "name": "", "chosen_on": 20, "n": 20, "changes": list(changes)}],
        "groups": [], "comparisons": [], **parts,
    }  # fmt: skip


def shared_change(together: dict[str, Any]) -> dict[str, Any]:
    return {
        "words": "points +67", "variables": ["points"], "alone": coverage(5, 20, RATE), "together": together, "cost": None,
        "held_back": 0,
    }  # fmt: skip


def test_shared_changes_give_the_coverage_of_all_of_them_by_class_and_group() -> None:
    few, all_of_them = coverage(5, 20, RATE), coverage(18, 20, between(0.7, 0.9, 0.97))
    groups = [
        {"attribute": "sex", "name": "man", **coverage(3, 10, RATE)},
        {"attribute": "sex", "name": "woman", **coverage(8, 9, None)},
    ]
    comparisons = [
        {"attribute": "sex", "name": "man", "against": "woman", "difference": BELOW, "p": 0.03},
        {"attribute": "Hat", "name": "with", "against": "without", "difference": None, "p": None},
    ]
    row = shared_changes(
        shared_change(few), shared_change(all_of_them), groups=groups, comparisons=comparisons
    )
    assert figures(shared=[row]) == [
        ("shared_rate", "no", "", 0.9, 0.7, 0.97, 18, 20, ""),
        ("shared_rate", "no", "sex:man", *ENDS, 3, 10, ""),
        ("shared_rate", "no", "sex:woman", None, None, None, None, 9, FEW),
        ("shared_gap", "no", "sex:man", *SIZE_BELOW, None, 0, ""),
        ("shared_p", "no", "sex:man", 0.03, 0.03, 0.03, None, 0, ""),
        ("shared_gap", "no", "Hat", None, None, None, None, 0, FEW),
        ("shared_p", "no", "Hat", None, None, None, None, 0, FEW),
    ]


def test_where_no_shared_change_flips_any_the_coverage_is_none_of_them() -> None:
    [found] = figures(shared=[shared_changes()])
    low, high = binomtest(0, 20).proportion_ci(method="wilson")
    assert found[:4] == ("shared_rate", "no", "", 0.0) and found[6:] == (0, 20, "")
    assert found[4:6] == pytest.approx((low, high), abs=1e-6)


def test_contributions_are_figures_of_each_variable() -> None:
    def variable(
        name: str, n: int, *rates: Interval | None, counts: tuple[int | None, int | None]
    ) -> dict[str, Any]:
        share, necessary, sufficient = rates
        return {
            "variable": name,
            "flips": n,
            "necessary": {"count": counts[0], "n": n, "rate": necessary},
            "sufficient": {"count": counts[1], "n": n, "rate": sufficient},
            "shapley": {"n": n - 1, "share": share, "logits": None, "sampling_error": 0.0},
        }

    row: dict[str, Any] = {"model": "m", "inputs": 20, "left_out": 1, "queries": 99}
    row["variables"] = [
        variable("Hat", 20, RATE, between(0.5, 0.6, 0.7), between(0.05, 0.1, 0.15), counts=(12, 2)),
        variable("Young", 9, None, None, None, counts=(None, None)),
    ]
    few = "fewer than 10 inputs have such a counterfactual"
    assert figures(contributions=[row]) == [
        ("contribution", "Hat", "", *ENDS, None, 19, ""),
        ("contribution_necessity", "Hat", "", 0.6, 0.5, 0.7, 12, 20, ""),
        ("contribution_sufficiency", "Hat", "", 0.1, 0.05, 0.15, 2, 20, ""),
        ("contribution", "Young", "", None, None, None, None, 8, few),
        ("contribution_necessity", "Young", "", None, None, None, None, 9, few),
        ("contribution_sufficiency", "Young", "", None, None, None, None, 9, few),
    ]


def test_robustness_is_a_figure_of_each_model() -> None:
    row = {"model": "m", "changes": 10, "what": "noise", "n": 9, "left_out": 1, "mean": RATE}
    assert figures(robustness=[row]) == [("robustness", "", "", *ENDS, None, 9, "")]
    assert figures(robustness=[{**row, "mean": None}]) == [
        ("robustness", "", "", None, None, None, None, 9, "")
    ]
