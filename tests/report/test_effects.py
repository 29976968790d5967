"""Effects on the page: each number stands where it should, in the chart and in its table."""

from typing import Any

import pytest

from cfsearch.report.charts import effect_chart
from cfsearch.report.page import build_page

from .conftest import Audit, parsed

PARTS = ("counts", "changes", "genuine", "instances")
HEADS = [
    "Variable", "Model", "From, to", "Effect (logits)", "95 % interval", "Probability", "95 % interval",
    "Flips alone", "Edits seen", "p after Holm", "n", "Reading",
]  # fmt: skip


def plain(text: str) -> str:
    return text.replace("\u202f", " ").replace("\u2212", "-")


def effect(variable: str, value: float, *, reading: str = "leans", model: str = "first") -> dict[str, Any]:
    return {
        "model": model,
        "variable": variable,
        "estimate": {"value": value, "low": value - 0.5, "high": value + 0.25},
        "truth": None,
        "n": 50,
        "between": {"low": -0.5, "high": 1.5},
        "probability": {"value": value / 10, "low": value / 10 - 0.1, "high": value / 10 + 0.05},
        "flips_alone": {"count": 31, "n": 49, "rate": {"value": 0.63, "low": 0.49, "high": 0.75}},
        "p": 0.0312,
        "family": 2,
        "edit_success": 0.88,
        "reading": reading,
        "because": "" if reading != "cannot tell" else "of a reason",
    }


@pytest.fixture
def page(audit: Audit) -> Any:  # Any: the parsed page
    document = audit.document
    document["effects"] = [
        effect("Pale_Skin", -4.0),
        effect("Young", 2.0, reading="cannot tell"),
        effect("Pale_Skin", 1.0, model="second"),
        effect("Young", 1.8, model="second", reading="does not lean"),
    ]
    document |= {
        "practical": 0.4,
        "protected": ["Young"],
        "verdicts": [
            {"model": "first", "variable": "Young", "protected": True, "reading": "leans", "because": "",
             "headline": "“Model first” leans on Young.", "detail": "Young from -0.5 to 1.5: +2.00 logits."},
            {"model": "second", "variable": "Young", "protected": True, "reading": "leans", "because": "",
             "headline": "“Model second” leans on Young.", "detail": "Less."},
        ],
    }  # fmt: skip
    return parsed(build_page(document, audit.instances))


def test_the_table_of_effects_holds_each_number_in_its_column(page: Any) -> None:
    table = page.select_one("#chart-effects-table table")
    assert [th.get_text() for th in table.select("thead th")] == HEADS
    rows = [[plain(cell.get_text()) for cell in tr.select("th, td")] for tr in table.select("tbody tr")]
    assert rows[0] == [
        "Pale skin", "Model first", "-0.5 to 1.5", "-4.00", "-4.50 to -3.75", "-40 points", "-50 to -35 points",
        "31 of 49", "88 %", "0.031", "50", "lowers",
    ]  # fmt: skip
    assert [row[-1] for row in rows] == ["lowers", "cannot tell", "raises", "too small to matter"]


def test_the_chart_says_between_which_values_and_points_the_right_way(page: Any) -> None:
    panel = page.select_one("#chart-effects .panel")
    labels = [" ".join(plain(label.get_text(" ")).split()) for label in panel.select(".row .label")]
    assert labels == ["Pale skin -0.5 to 1.5", "Young -0.5 to 1.5"]

    def at(node: Any, name: str) -> float:
        return float(node[name].removesuffix("%"))

    marks = [at(mark, "x") for mark in panel.select("svg.mark.estimate")]
    lines = [(at(line, "x1"), at(line, "x2")) for line in panel.select("line.interval.estimate")]
    ticks = {plain(text.get_text()): at(text, "x") for text in panel.select("svg.axis text")}
    # every position on the axis is that of its number: -4, and +2, with what lies about them
    per_logit = (ticks["+2"] - ticks["0"]) / 2
    assert per_logit > 0
    assert marks == pytest.approx([ticks["0"] - 4 * per_logit, ticks["0"] + 2 * per_logit], abs=0.02)
    assert lines[0] == pytest.approx((ticks["0"] - 4.5 * per_logit, ticks["0"] - 3.75 * per_logit), abs=0.02)
    assert at(panel.select_one(".row .grid.zero"), "x1") == ticks["0"]


def test_the_chart_of_counts_points_the_right_way(audit: Audit) -> None:
    soup = parsed(build_page(audit.document, audit.instances))
    panel = soup.select_one("#chart-changes .panel")
    ticks = {plain(t.get_text()): float(t["x"].removesuffix("%")) for t in panel.select("svg.axis text")}
    assert ticks["0 %"] < ticks["50 %"] < ticks["100 %"]
    marks = [float(mark["x"].removesuffix("%")) for mark in panel.select("svg.mark.estimate")]
    shares = [2 / 3, 1 / 3]  # as the fixture counts them
    width = ticks["100 %"] - ticks["0 %"]
    assert marks == pytest.approx([ticks["0 %"] + share * width for share in shares], abs=0.02)


def test_a_scale_holds_all_of_every_interval() -> None:
    chart = effect_chart([effect("a", -4.0), effect("b", 2.0)], {"first": "Model"})
    assert chart is not None
    for row in chart.panels[0].rows:
        assert row.estimate is not None
        assert 3 <= row.estimate.low < row.estimate.at < row.estimate.high <= 97


def test_a_protected_attribute_stands_first_before_other_differences(page: Any) -> None:
    assert page.select_one("h2.headline").get_text() == "“Model first” leans on Young."
    assert page.select_one(".detail").get_text() == "Young from -0.5 to 1.5: +2.00 logits."
    assert [li.get_text() for li in page.select(".verdicts li")] == ["“Model second” leans on Young. Less."]
    summary = page.select_one("#summary").get_text()
    assert summary.index("Logits measure log-odds") < summary.index("with a verified counterfactual")
    assert "An effect matters from 0.40 logits" in page.select_one("#method").get_text()


def test_a_protected_attribute_that_divides_the_models_stands_first_of_all(audit: Audit) -> None:
    document = audit.document | {"protected": ["Blond_Hair"], "verdicts": []}
    headline = parsed(build_page(document, audit.instances)).select_one("h2.headline").get_text()
    assert headline == "Blond hair pushes the two models in opposite directions."


def test_a_count_of_searches_is_no_headline(audit: Audit) -> None:
    document = audit.document | {"effects": [], "models": audit.document["models"][:1]}
    one = [i for i in audit.instances if i.model == "first"]
    keep = {key: [e for e in document[key] if e["model"] == "first"] for key in PARTS}
    headline = parsed(build_page(document | keep, one)).select_one("h2.headline").get_text()
    assert headline == "The sparsest flips most often hold: Blond hair added, in 2 of 3 pictures."


def test_effects_of_which_none_is_clear(audit: Audit) -> None:
    document = audit.document | {"models": audit.document["models"][:1], "verdicts": [], "protected": []}
    keep = {key: [e for e in document[key] if e["model"] == "first"] for key in PARTS}
    keep["effects"] = [effect("Young", 2.0, reading="cannot tell")]
    one = [i for i in audit.instances if i.model == "first"]
    headline = parsed(build_page(document | keep, one)).select_one("h2.headline").get_text()
    assert headline == "One cannot tell of any attribute that the model leans on it."


def test_edits_that_nobody_measured_read_so(audit: Audit) -> None:
    given = effect("Young", 2.0, reading="cannot tell")
    del given["edit_success"]
    document = audit.document | {"effects": [given]}
    soup = parsed(build_page(document, audit.instances))
    row = soup.select_one("#chart-effects-table tbody tr")
    assert row.select("td")[-1].get_text() == "edits never measured"
    assert "Strongest effects" not in soup.select_one(".findings").get_text()
    assert "edits were never measured" in soup.select_one(".findings").get_text()


def test_a_corrected_effect_stands_beside_what_it_was_and_what_photographs_show(audit: Audit) -> None:
    beside = {"value": -3.0, "low": -3.5, "high": -2.5}
    given = effect("Young", -2.0) | {
        "raw": {"value": -1.0, "low": -1.25, "high": -0.75},
        "correction": {"edit": beside, "photographs": beside, "offset": 0.5, "strength": None, "agree": True},
        "detectable": 0.625,
    }
    unknown = effect("Pale_Skin", 1.0, reading="cannot tell") | {"correction": None, "raw": None}
    error = {
        "model": "first",
        "sd": 0.5,
        "unexplained": 0.25,
        "photographs": 300,
        "labelled": 260,
        "combined": True,
    }
    document = audit.document | {"effects": [given, unknown], "generator_error": [error]}
    soup = parsed(build_page(document, audit.instances))
    heads = [th.get_text() for th in soup.select("#chart-effects-table thead th")]
    [row, other, *_] = soup.select("#chart-effects-table tbody tr")
    cells = dict(zip(heads[::-1], [plain(td.get_text()) for td in row.select("th, td")][::-1], strict=False))
    assert cells["Uncorrected"] == "-1.00 (-1.25 to -0.75)"
    assert cells["In photographs"] == "-3.00 (-3.50 to -2.50)"
    assert cells["Found from"] == "0.62"
    assert other.select("td")[-1].get_text() == "error not measured"
    story = plain(soup.select_one(".findings").get_text())
    assert "through the generator, less its own error: Young -2.00" in story
    assert (
        "moves the log-odds of" in story
        and "by 0.50 logits (standard deviation over 300 pictures; 0.25 of it beyond" in story
    )
    assert "combined with what 260 labelled pictures show" in story
    assert "the generator's own error was not measured on this model" in story


def test_long_names_get_room_beside_a_chart(audit: Audit) -> None:
    one = [i for i in audit.instances if i.model == "first"]
    keep = {key: [e for e in audit.document[key] if e["model"] == "first"] for key in PARTS}
    for name, long in (("Young", False), ("0.17 to 0.33 s, 0.3 to 0.7 kHz", True)):
        keep["effects"] = [effect(name, 2.0)]
        document = audit.document | {"models": audit.document["models"][:1]} | keep
        panels = parsed(build_page(document, one)).select_one("#effects-chart .panels, .chart .panels")
        assert ("long" in panels["class"]) is long
