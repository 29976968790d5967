"""Impact ratios in the form of Local Law 144, and the map to the headings of other texts."""

import csv
import io
import json
from typing import Any

import pytest
from scipy.stats.contingency import relative_risk

from cfsearch.audits.exchange.annex import HEADINGS, annex_map
from cfsearch.audits.exchange.ll144 import impact_ratios, ll144_csv, ll144_json, ll144_markdown
from cfsearch.audits.reading import AuditDocument
from cfsearch.numerics.intervals import wilson

from .conftest import made

AGAINST_ALL = {"value": 0.3, "low": 0.25, "high": 0.35}
"""A ratio to a category that the table leaves out."""


def figures(selected: int, n: int) -> dict[str, Any]:
    rate = wilson(selected, n) if n >= 10 else None
    shown = None if rate is None else rate.to_dict()
    return {"instances": n, "decided": shown, "searched": n, "found_rate": shown}


def people(*, target: str | None = None, **more: Any) -> AuditDocument:
    """Of 1,000 inputs 30 of 400 women, 120 of 560 men are selected, 12 and 5 are of two rare groups, 3 unknown."""
    groups = [("women", 30, 400), ("men", 120, 560), ("other", 6, 12), ("few", 2, 5), ("missing", 1, 13)]
    count: dict[str, Any] = {
        "model": "model",
        "instances": 1000,
        "searched": 990,
        "found": 900,
        "not_found": 90,
    }
    count |= {"already_target": 0, "failed": 10, "found_rate": None}
    row: dict[str, Any] = {"model": "model", "attribute": "sex", "comparisons": []}
    row["groups"] = [{"name": name, **figures(k, n)} for name, k, n in groups]
    document = made(counts=[count], groups=[row], **more)
    return document.model_copy(update={"search": document.search.model_copy(update={"target": target})})


def test_rates_ratios_and_their_intervals_are_those_of_the_counts() -> None:
    found = impact_ratios(people())
    by_name = {one.category: one for one in found.categories}
    women, men = by_name["women"], by_name["men"]
    assert found.favourable == {"model": "Male"}
    assert (women.inputs, women.selected) == (400, 30)
    assert women.rate is not None and women.rate.value == pytest.approx(0.075, abs=1e-6)
    assert women.ratio is not None and men.ratio is not None
    assert women.ratio.value == pytest.approx((30 / 400) / (120 / 560), abs=1e-6)
    theirs = relative_risk(30, 400, 120, 560).confidence_interval(0.95)
    assert (women.ratio.low, women.ratio.high) == pytest.approx((theirs.low, theirs.high), abs=1e-6)
    assert men.ratio.value == 1.0


def test_small_and_unknown_groups_are_counted_and_left_out_with_a_reason() -> None:
    found = impact_ratios(people())
    by_name = {one.category: one for one in found.categories}
    assert set(by_name) == {"women", "men", "other", "few"}
    assert by_name["other"].left_out == "1.2\u202f% of the inputs, fewer than 2\u202f%"
    assert by_name["other"].rate is not None and by_name["other"].ratio is None
    assert by_name["few"].left_out.startswith("fewer than 10 inputs")
    assert (by_name["few"].rate, by_name["few"].selected) == (None, None)
    assert found.unknown == {
        ("model", "sex"): 990 - 400 - 560 - 12 - 5
    }  # the highest rate is not that of "other"


def test_the_first_of_two_classes_as_target_turns_the_rates_round() -> None:
    found = impact_ratios(people(target="Female"))
    assert found.favourable == {"model": "Female"}
    by_name = {one.category: one for one in found.categories}
    assert by_name["women"].selected == 370
    assert by_name["women"].ratio is not None and by_name["women"].ratio.value == 1.0
    assert by_name["men"].ratio is not None
    assert by_name["men"].ratio.value == pytest.approx((440 / 560) / (370 / 400), abs=1e-5)


def test_all_three_forms_hold_the_same_figures() -> None:
    found = impact_ratios(people(about={"data_source": "A | made list"}))
    document = json.loads(json.dumps(ll144_json(found), allow_nan=False))
    rows = list(csv.DictReader(io.StringIO(ll144_csv(found))))
    assert [one["category"] for one in document["categories"]] == ["women", "men", "other", "few"]
    assert [row["category"] for row in rows] == ["women", "men", "other", "few", "unknown"]
    assert float(rows[0]["impact_ratio"]) == document["categories"][0]["ratio"]["value"]
    assert rows[-1]["inputs"] == str(document["unknown"][0]["inputs"]) == "13"
    text = ll144_markdown(found)
    assert "| women | 400 | 30 | 7.5\u202f% | 5.3\u202f% to 10.5\u202f% | 0.35 | 0.24 to 0.51 |" in text
    assert "Inputs of unknown category: 13." in text
    assert "Left out: few, fewer than 10 inputs" in text
    assert "A \\| made list" in text
    assert any("No intersection" in line for line in document["limits"])
    assert "compliant" not in text.lower()


def test_rates_that_the_audit_measured_are_taken_as_they_are() -> None:
    row = people().groups[0].model_dump(by_alias=True)
    ratio = {"value": 0.35, "low": 0.24, "high": 0.51}
    row["impact"] = {
        "label": "Male",
        "most_selected": "men",
        "unknown": 7,
        "groups": [
            {"name": "women", "n": 400, "rate": figures(30, 400)["decided"], "ratio": ratio},
            {"name": "men", "n": 560, "rate": figures(120, 560)["decided"], "ratio": None},
            {"name": "other", "n": 12, "rate": figures(6, 12)["decided"], "ratio": ratio},
            {"name": "few", "n": 5, "rate": None, "ratio": None},
            {"name": "missing", "n": 7, "rate": None, "ratio": None},
        ],
    }
    row["note"] = "Under 2 % of the rows, left out: x (3)."
    group = type(people().groups[0]).model_validate(row)
    found = impact_ratios(people().model_copy(update={"groups": (group,)}))
    by_name = {one.category: one for one in found.categories}
    assert list(by_name) == ["women", "men", "other", "few"]
    women, men = by_name["women"], by_name["men"]
    assert women.ratio is not None and women.ratio.value == pytest.approx(0.35) and women.selected == 30
    assert (women.ratio.low, women.ratio.high) == pytest.approx((0.24, 0.51), abs=0.005)
    assert men.ratio is not None and men.ratio.value == 1.0
    assert by_name["other"].ratio is None and "fewer than 2\u202f%" in by_name["other"].left_out
    assert "fewer than 10" in by_name["few"].left_out
    assert found.unknown == {("model", "sex"): 990 - 400 - 560 - 12 - 5}  # older audits counted fewer
    assert "left out: x (3)." in ll144_markdown(found)


def test_the_yardstick_is_the_highest_rate_of_a_category_that_is_in_the_table() -> None:
    """Of 1,000: 12 of a category under 2 %, all selected, were the yardstick of the audit, 60 "Unknown" are none.

    ============ ====== ======== ===== ==============
    category     inputs selected rate  impact ratio
    ============ ====== ======== ===== ==============
    women        400    120      0.30  0.30 / 0.40 = 0.75
    men          500    200      0.40  1
    other        12     12       1     left out: under 2 %
    ============ ====== ======== ===== ==============
    """
    counts = [
        ("women", 120, 400),
        ("men", 200, 500),
        ("other", 12, 12),
        ("Unknown", 57, 60),
        ("missing", 1, 18),
    ]
    document = people()
    row = document.groups[0].model_dump(by_alias=True)
    row["groups"] = [{"name": name, **figures(k, n)} for name, k, n in counts]
    measured = [
        {
            "name": name,
            "n": n,
            "rate": figures(k, n)["decided"],
            "ratio": None if name == "other" else AGAINST_ALL,
        }
        for name, k, n in counts
    ]
    row["impact"] = {"label": "Male", "most_selected": "other", "unknown": 78, "groups": measured}
    for one in (row, row | {"impact": None}, row | {"impact": row["impact"] | {"unknown": 18}}):
        group = type(document.groups[0]).model_validate(one)
        found = impact_ratios(document.model_copy(update={"groups": (group,)}))
        by_name = {one.category: one for one in found.categories}
        assert list(by_name) == ["women", "men", "other"]
        women, men, other = by_name.values()
        assert women.ratio is not None and women.ratio.value == pytest.approx(0.75)  # below four fifths
        theirs = relative_risk(120, 400, 200, 500).confidence_interval(0.95)
        assert (women.ratio.low, women.ratio.high) == pytest.approx((theirs.low, theirs.high), abs=1e-5)
        assert men.ratio is not None and men.ratio.value == 1.0
        assert other.ratio is None and other.left_out.endswith("fewer than 2\u202f%")
        assert found.unknown == {("model", "sex"): 78}


def test_no_name_in_the_table_is_a_formula_of_a_spreadsheet() -> None:
    document = people()
    row = document.groups[0].model_dump(by_alias=True)
    row["attribute"] = "@sex"
    row["groups"][0]["name"] = '=HYPERLINK("http://x")'
    row["groups"][1]["name"] = "-men"
    group = type(document.groups[0]).model_validate(row)
    text = ll144_csv(impact_ratios(document.model_copy(update={"groups": (group,)})))
    rows = list(csv.reader(io.StringIO(text)))
    assert [cells[2] for cells in rows[1:3]] == ['\'=HYPERLINK("http://x")', "'-men"]
    assert {cells[1] for cells in rows[1:]} == {"'@sex"}
    assert not any(cell[:1] in ("=", "+", "-", "@") for cells in rows for cell in cells)


def test_nobody_selected_gives_no_ratio() -> None:
    document = people()
    row = document.groups[0].model_dump(by_alias=True)
    row["groups"] = [{"name": name, **figures(0, 100)} for name in ("women", "men")]
    found = impact_ratios(
        document.model_copy(update={"groups": (type(document.groups[0]).model_validate(row),)})
    )
    assert all(one.ratio is None for one in found.categories)
    assert {one.left_out for one in found.categories} == {"no input of any category is selected"}


def test_the_map_names_every_heading_and_points_to_what_is_there(document: AuditDocument) -> None:
    text = annex_map(document)
    for heading in HEADINGS:
        assert f"| {heading.text} | {heading.place} | {heading.asks} |" in text
    assert "## What the model leans on" in text and "leans" in text
    assert "| Article 15 (1), (3) | level of accuracy and its metrics | nothing: not in this audit |" in text
    assert "## Figures by group" not in text  # it has none, and says so
    assert "accuracy for specific groups of persons | nothing: not in this audit |" in text
    assert "compliant" not in text.lower() and "<b>" not in text
    with_groups = annex_map(people())
    assert "women: 400 inputs, 8\u202f% decided as the last class" in with_groups
