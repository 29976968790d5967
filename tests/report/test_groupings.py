"""Rows of the group tables, each field where it stands."""

from typing import Any

import pytest

from cfsearch.report.groups import Comparison, Detail, Estimate, Group, Grouping, groupings

Entry = dict[str, Any]
NONE = Estimate("\u2013", "no interval")


def between(low: float, value: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}


def share(low: int, value: int, high: int) -> Estimate:
    return Estimate(f"{value}\u202f%", f"{low} to {high}\u202f%")


def points(low: str, value: str, high: str) -> Estimate:
    return Estimate(f"{value}\u202fpoints", f"{low} to {high}\u202fpoints")


def part(n: int, **parts: Any) -> Entry:
    return {
        "instances": n, "decided": between(0.1, 0.2, 0.3), "searched": n - 1, "found_rate": between(0.4, 0.5, 0.6), **parts,
    }  # fmt: skip


DECIDED, FOUND = share(10, 20, 30), share(40, 50, 60)
UP, DOWN, OPEN = between(0.1, 0.2, 0.3), between(-0.3, -0.2, -0.1), between(-0.1, 0.2, 0.5)


def shown(*entries: Entry, models: int = 1) -> tuple[Grouping, ...]:
    names = [{"id": f"m{i}", "name": f"net {i}", "labels": ["no", f"yes {i}"]} for i in range(models)]
    return groupings({"models": names, "groups": entries})


def images(**parts: Any) -> Entry:
    return {
        "model": "m0", "attribute": "Pale_Skin", "with": part(12), "without": part(9, decided=None, found_rate=None),
        "difference": {"decided": UP, "found_rate": DOWN}, "p": {"decided": 0.012, "found_rate": 0.05}, "family": 7,
        "effects": [{"variable": "Big_Nose", "with": UP, "without": None, "difference": DOWN, "p": 0.0001}], **parts,
    }  # fmt: skip


def test_pictures_by_an_attribute_as_a_whole() -> None:
    [found] = shown(images())
    assert found == Grouping(
        title="Pale skin",
        model="",
        label="yes 0",
        note="",
        groups=(
            Group("Pale skin: yes", 12, DECIDED, 11, FOUND, None),
            Group("Pale skin: no", 9, NONE, 8, NONE, None),
        ),
        decided=(Comparison("yes less no", points("+10", "+20", "+30"), "0.012", "higher"),),
        found=(
            Comparison("yes less no", points("\u221230", "\u221220", "\u221210"), "0.050", "cannot tell"),
        ),
        details=(
            Detail(
                "Big nose",
                (("yes", Estimate("+0.20", "+0.10 to +0.30")), ("no", NONE)),
                (
                    Comparison(
                        "yes less no", Estimate("\u22120.20", "\u22120.30 to \u22120.10"), "<0.001", "lower"
                    ),
                ),
            ),
        ),
        of_changes=False,
        corrected=True,
        family=7,
        impact="",
    )


def test_runs_of_before_the_correction_go_by_their_interval() -> None:
    old = images(difference={"decided": UP, "found_rate": OPEN})
    del old["family"], old["p"]
    [found] = shown(old)
    assert (found.corrected, found.family) == (False, None)
    assert (found.decided[0].p, found.decided[0].verdict) == ("", "higher")
    assert (found.found[0].p, found.found[0].verdict) == ("", "cannot tell")
    assert found.details[0].comparisons[0].verdict == "lower"


@pytest.mark.parametrize(
    ("difference", "p", "verdict"),
    [
        (UP, 0.049, "higher"), (DOWN, 0.049, "lower"), (UP, 0.05, "cannot tell"), (UP, None, "cannot tell"),
        (OPEN, 0.01, "higher"), (between(-0.1, 0.0, 0.1), 0.01, "cannot tell"), (None, None, "not measured"),
    ],
)  # fmt: skip
def test_verdicts_follow_the_p_that_was_corrected(difference: Any, p: float | None, verdict: str) -> None:
    [found] = shown(
        images(difference={"decided": difference, "found_rate": UP}, p={"decided": p, "found_rate": None})
    )
    assert found.decided[0].verdict == verdict


def rows(*names: str, **parts: Any) -> Entry:
    return {
        "model": "m0", "attribute": "Home_Town", "note": "By value.", "family": None,
        "groups": [{"name": name, **part(20 + i)} for i, name in enumerate(names)],
        "comparisons": [
            {"name": names[0], "against": "all others", "difference": {"decided": UP, "found_rate": None}, "p": {"decided": 0.2, "found_rate": None}}
        ],
        "changes": [
            {
                "variable": "income", "direction": "+", "groups": [{"name": name, "rate": UP, "count": 3} for name in names],
                "comparisons": [{"name": names[0], "against": "all others", "difference": DOWN, "p": 0.01}],
            },
            {"variable": "job", "direction": "~", "groups": [], "comparisons": []},
        ],
        **parts,
    }  # fmt: skip


def test_rows_by_a_column_as_a_whole() -> None:
    impact = {
        "label": "granted", "most_selected": "b", "unknown": 1200,
        "groups": [{"name": "a", "ratio": between(0.5, 0.6, 0.7)}, {"name": "b", "ratio": None}, {"name": "c", "ratio": None}],
    }  # fmt: skip
    [found, other] = shown(rows("a", "b", "c", impact=impact, family=3), rows("a", "b", model="m1"), models=2)
    less = "a less all others"
    assert found == Grouping(
        title="Home_Town",
        model="net 0",
        label="yes 0",
        note="By value.",
        groups=(
            Group("a", 20, DECIDED, 19, FOUND, Estimate("0.60", "0.50 to 0.70")),
            Group("b", 21, DECIDED, 20, FOUND, Estimate("1.00", "most selected")),
            Group("c", 22, DECIDED, 21, FOUND, NONE),
        ),
        decided=(Comparison(less, points("+10", "+20", "+30"), "0.200", "cannot tell"),),
        found=(Comparison(less, NONE, "", "not measured"),),
        details=(
            Detail(
                "income raised",
                tuple((name, share(10, 20, 30)) for name in "abc"),
                (Comparison(less, points("\u221230", "\u221220", "\u221210"), "0.010", "lower"),),
            ),
            Detail("job changed", (), ()),
        ),
        of_changes=True,
        corrected=True,
        family=3,
        impact=(
            "The impact ratio is a group's share of “granted” over that of b, the most selected group; a ratio below 0.8 is "
            "what the four-fifths rule looks at. 1\u202f200 rows are unknown or left out."
        ),
    )
    assert (other.model, other.label, other.corrected, other.family, other.impact) == (
        "net 1",
        "yes 1",
        False,
        None,
        "",
    )
    assert [group.ratio for group in other.groups] == [None, None]
    assert other.decided[0].verdict == "higher"  # of two groups in a run of before, the interval decides
    [three] = shown(rows("a", "b", "c"))
    assert (three.corrected, three.decided[0].verdict) == (True, "cannot tell")


def test_what_impact_ratios_are_is_left_out_where_there_are_none() -> None:
    impact: Entry = {
        "label": "granted",
        "most_selected": None,
        "unknown": 0,
        "groups": [{"name": "a", "ratio": None}, {"name": "b", "ratio": None}],
    }
    [found] = shown(rows("a", "b", impact=impact))
    assert (found.impact, [group.ratio for group in found.groups]) == ("", [NONE, NONE])
    [found] = shown(rows("a", "b", impact={**impact, "most_selected": "a"}))
    assert found.impact.endswith("four-fifths rule looks at.")
    assert shown() == () and groupings({"models": []}) == ()
