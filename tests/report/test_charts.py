"""Charts as numbers: scales with round steps, rows in their order, positions in per cent of the width."""

import math
from dataclasses import asdict
from itertools import pairwise
from typing import Any

import pytest

from cfsearch.contracts.modality import ROWS
from cfsearch.report.charts import Chart, Row, count_chart, effect_chart, judged

MODELS = {"a": "Model A", "b": "Model B"}


def around(value: float, half: float = 0.5) -> dict[str, float]:
    return {"value": value, "low": value - half, "high": value + half}


def effect(variable: str, value: float | None, *, model: str = "a", **more: Any) -> dict[str, Any]:
    found = {"model": model, "variable": variable, "estimate": None, "truth": None, "n": 12}
    return found | {"estimate": None if value is None else around(value)} | more


def change(
    variable: str, count: int, *, model: str = "a", direction: str = "+", n: int = 10
) -> dict[str, Any]:
    rate = {"value": count / n, "low": count / n / 2, "high": min(1.0, count / n * 1.5)}
    return {
        "model": model, "variable": variable, "direction": direction, "count": count, "n": n, "rate": rate,
    }  # fmt: skip


def ticks(chart: Chart | None) -> list[str]:
    assert chart is not None
    return [tick.text.replace("\u2212", "-").replace("\u202f", " ") for tick in chart.ticks]


class TestScale:
    """The axis: from 1, 2 or 5 times a power of ten below the least to above the most."""

    @pytest.mark.parametrize(
        ("value", "half", "texts"),
        [
            (3.0, 0.5, ["0", "+0.5", "+1", "+1.5", "+2", "+2.5", "+3", "+3.5"]),
            (-3.0, 0.6, ["-4", "-3", "-2", "-1", "0"]),
            (0.1, 0.02, ["0", "+0.02", "+0.04", "+0.06", "+0.08", "+0.1", "+0.12"]),
            (70.0, 5.0, ["0", "+20", "+40", "+60", "+80"]),
        ],
    )
    def test_steps_are_round_and_hold_zero(self, value: float, half: float, texts: list[str]) -> None:
        chart = effect_chart([effect("x", None) | {"estimate": around(value, half)}], MODELS)
        assert ticks(chart) == texts
        assert chart is not None
        assert [tick.text for tick in chart.ticks if tick.zero] == ["0"]
        places = [tick.at for tick in chart.ticks]
        assert (places[0], places[-1]) == (3.0, 97.0)
        gaps = [b - a for a, b in pairwise(places)]
        assert max(gaps) - min(gaps) < 0.02

    def test_shares_stand_on_a_scale_from_0_to_100_per_cent(self) -> None:
        chart = count_chart([change("x", 1)], MODELS)
        assert ticks(chart) == ["0 %", "25 %", "50 %", "75 %", "100 %"]
        assert chart is not None
        assert [tick.at for tick in chart.ticks] == [3.0, 26.5, 50.0, 73.5, 97.0]


class TestEffects:
    """Rows of effects."""

    def test_the_largest_stands_first_by_the_truth_where_it_is_known(self) -> None:
        entries = [
            effect("Small", 0.5),
            effect("Known", 0.1, truth=around(-4.0)),
            effect("Large", 3.0),
            effect("Everywhere", 0.2),
            effect("Everywhere", -2.0, model="b"),
            effect("Nothing", None),
        ]
        chart = effect_chart(entries, MODELS)
        assert chart is not None
        for panel in chart.panels:
            assert [row.label for row in panel.rows] == ["Known", "Large", "Everywhere", "Small"]
        assert (chart.drawn, chart.has_truth, chart.has_edited, chart.has_ends) == (4, True, False, False)
        assert [panel.model for panel in chart.panels] == ["Model A", "Model B"]

    def test_equal_ones_stand_by_name(self) -> None:
        chart = effect_chart([effect("b", 1.0), effect("a", -1.0)], {"a": "A"})
        assert chart is not None
        assert [row.label for row in chart.panels[0].rows] == ["a", "b"]

    def test_a_mark_is_at_its_number_with_its_interval(self) -> None:
        # the axis goes from -2 to 3 by steps of 1; 94 per cent of the width for 5
        chart = effect_chart([effect("x", 2.0, truth=around(-1.0, 0.9))], {"a": "A"})
        assert ticks(chart) == ["-2", "-1", "0", "+1", "+2", "+3"]
        assert chart is not None
        (row,) = chart.panels[0].rows
        assert row.estimate is not None and row.truth is not None
        assert (row.estimate.at, row.estimate.low, row.estimate.high) == (78.2, 68.8, 87.6)
        assert (row.truth.at, row.truth.low, row.truth.high) == (21.8, 4.88, 38.72)
        assert (row.estimate.text, row.estimate.interval) == ("+2.00", "+1.50 to +2.50")
        assert (row.n, row.verdict, row.edited) == ("12", "contradicted by re-rendering", "\u2013")

    def test_a_number_without_an_interval_is_a_point(self) -> None:
        bare = {"value": 2.0, "low": None, "high": math.nan}
        chart = effect_chart([effect("x", None) | {"estimate": bare}], {"a": "A"})
        assert chart is not None
        mark = chart.panels[0].rows[0].estimate
        assert mark is not None
        assert mark.low == mark.at == mark.high == 97.0
        assert mark.interval == "no interval"

    def test_a_model_without_the_effect_has_an_empty_row(self) -> None:
        chart = effect_chart([effect("x", 1.0)], MODELS)
        assert chart is not None
        row = chart.panels[1].rows[0]
        assert (row.estimate, row.truth, row.n, row.verdict) == (None, None, "\u2013", "not measured")

    def test_no_effect_is_no_chart(self) -> None:
        assert effect_chart([], MODELS) is None
        assert effect_chart([effect("x", None)], MODELS) is None
        assert effect_chart([effect("x", None, truth=around(1.0))], MODELS) is not None

    def test_what_else_is_known_stands_beside_it(self) -> None:
        more: dict[str, Any] = {
            "between": {"low": -0.5, "high": 1.5},
            "probability": {"value": -0.2, "low": -0.3, "high": -0.1},
            "flips_alone": {"count": 3, "n": 11},
            "p": 0.0312,
            "edit_success": 0.875,
        }
        chart = effect_chart([effect("x", 1.0, **more)], {"a": "A"})
        assert chart is not None
        assert chart.has_ends and chart.has_edited
        row = chart.panels[0].rows[0]
        assert [row.between, row.alone, row.p] == ["\u22120.5 to 1.5", "3 of 11", "0.031"]
        assert row.probability == "\u221220\u202fpoints"
        assert row.probability_interval == "\u221230 to \u221210\u202fpoints"
        assert row.edited == "88\u202f%"
        more["p"] = None
        unknown = effect_chart([effect("x", 1.0, **more)], {"a": "A"})
        assert unknown is not None and unknown.panels[0].rows[0].p == "\u2013"


class TestJudged:
    """What an effect lets one say."""

    @pytest.mark.parametrize(
        ("value", "more", "word"),
        [
            (1.0, {}, "raises"),
            (-1.0, {}, "lowers"),
            (0.5, {}, "cannot tell"),  # its interval begins at 0
            (0.4, {}, "cannot tell"),
            (None, {}, "not measured"),
            (1.0, {"edit_success": 0.5}, "raises"),
            (1.0, {"edit_success": 0.49}, "hardly edited"),
            (None, {"edit_success": 0.49}, "hardly edited"),
            (1.0, {"truth": around(-1.0)}, "contradicted by re-rendering"),
            (-1.0, {"truth": around(1.0)}, "contradicted by re-rendering"),
            (0.0, {"truth": around(1.0)}, "cannot tell"),
            (1.0, {"truth": around(0.1)}, "raises"),
            (1.0, {"reading": "cannot tell"}, "edits never measured"),
            (1.0, {"reading": "cannot tell", "edit_success": 0.9}, "cannot tell"),
            (1.0, {"reading": "cannot tell", "truth": around(0.0)}, "cannot tell"),
            (0.1, {"reading": "does not lean"}, "too small to matter"),
            (1.0, {"reading": "leans"}, "raises"),
        ],
    )
    def test_every_case(self, value: float | None, more: dict[str, Any], word: str) -> None:
        assert judged(effect("x", value, **more)) == word


class TestCounts:
    """Shares of flips that hold a change."""

    def test_the_most_frequent_stands_first_whichever_model_has_it(self) -> None:
        entries = [
            change("Eyeglasses", 2),
            change("Eyeglasses", 6, direction="-"),
            change("Young", 1),
            change("Young", 9, model="b"),
        ]
        chart = count_chart(entries, MODELS)
        assert chart is not None
        labels = ["Young added", "Eyeglasses removed", "Eyeglasses added"]
        for panel in chart.panels:
            assert [row.label for row in panel.rows] == labels
        assert [row.n for row in chart.panels[0].rows] == ["1 of 10", "6 of 10", "2 of 10"]
        assert [row.n for row in chart.panels[1].rows] == ["9 of 10", "0 of 10", "0 of 10"]
        assert (chart.has_truth, chart.has_edited, chart.has_ends) == (False, False, False)

    def test_a_mark_is_at_its_share(self) -> None:
        chart = count_chart([change("x", 4)], {"a": "A"})
        assert chart is not None
        mark = chart.panels[0].rows[0].estimate
        assert mark is not None
        assert (mark.at, mark.low, mark.high) == (40.6, 21.8, 59.4)  # 3 + 94 x 0.4, x 0.2, x 0.6
        assert (mark.text, mark.interval) == ("40\u202f%", "20 to 60\u202f%")

    def test_a_change_that_a_model_never_made_has_wilsons_upper_end(self) -> None:
        chart = count_chart([change("x", 4), change("y", 2, model="b", n=40)], MODELS)
        assert chart is not None
        rows = {row.label: row for row in chart.panels[1].rows}
        mark = rows["x added"].estimate
        assert mark is not None
        assert rows["x added"].n == "0 of 40"
        assert (mark.at, mark.low) == (3.0, 3.0)
        assert mark.high == pytest.approx(3 + 94 * 1.96**2 / (40 + 1.96**2), abs=0.01)

    def test_a_model_without_flips_has_empty_rows(self) -> None:
        chart = count_chart([change("x", 4)], MODELS)
        assert chart is not None
        row = chart.panels[1].rows[0]
        assert (row.estimate, row.n, row.verdict) == (None, "\u2013", "")

    def test_ten_rows_are_drawn_and_all_listed(self) -> None:
        entries = [change(f"v{i:02}", i % 7) for i in range(12)]
        chart = count_chart(entries, {"a": "A"})
        assert chart is not None
        assert (chart.drawn, len(chart.panels[0].rows)) == (10, 12)
        few = count_chart(entries[:3], {"a": "A"})
        assert few is not None and few.drawn == 3

    def test_columns_have_words_of_their_own_and_nothing_is_no_chart(self) -> None:
        chart = count_chart([change("income", 1, direction="-")], {"a": "A"}, modality=ROWS)
        assert chart is not None
        assert chart.panels[0].rows[0].label == "income lowered"
        assert count_chart([], MODELS) is None
        assert count_chart([change("x", 1) | {"rate": None}], MODELS) is None


def test_what_a_row_has_no_figure_for_is_blank() -> None:
    row = Row("Hat", None, None, "3 of 4", "cannot tell")
    given = {"label": "Hat", "estimate": None, "truth": None, "n": "3 of 4", "verdict": "cannot tell"}
    assert asdict(row) == dict.fromkeys(asdict(row), "") | given
