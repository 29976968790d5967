"""Figures by group on the page: the numbers of the document, read as their intervals say."""

from typing import Any

import pytest

from cfsearch.report.page import build_page
from cfsearch.report.wording import MISSING, points, span

from .conftest import Audit, parsed, wilson

MINUS = "\u2212"


def interval(value: float, low: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}


def part(decided: tuple[int, int], found: tuple[int, int]) -> dict[str, Any]:
    return {
        "instances": decided[1],
        "decided": wilson(*decided),
        "searched": found[1],
        "found_rate": wilson(*found),
    }


BY_MALE = {
    "model": "first",
    "attribute": "Male",
    "with": part((30, 40), (10, 40)),
    "without": part((6, 40), (30, 40)),
    "difference": {"decided": interval(0.6, 0.4, 0.74), "found_rate": interval(-0.5, -0.65, -0.3)},
    "effects": [
        {
            "variable": "Pale_Skin",
            "with": interval(1.5, 1.0, 2.0),
            "without": interval(1.25, 0.5, 2.5),
            "difference": interval(0.25, -0.75, 1.1),
        }
    ],
}


def by_race(*names: str, p: list[float | None]) -> dict[str, Any]:
    return {
        "model": "first",
        "attribute": "race",
        "note": "2 values of race stand together: each has fewer than 5 rows.",
        "groups": [{"name": name, **part((5, 10), (8, 10))} for name in names],
        "comparisons": [
            {
                "name": name,
                "against": "all others",
                "difference": {"decided": interval(0.0, -0.2, 0.2), "found_rate": interval(0.3, 0.1, 0.5)},
                "p": {"decided": 1.0, "found_rate": value},
            }
            for name, value in zip(names, p, strict=True)
        ],
        "changes": [
            {
                "variable": "income",
                "direction": "+",
                "groups": [{"name": n, "count": 7, "n": 8, "rate": wilson(7, 8)} for n in names],
                "comparisons": [],
            }
        ],
    }


def together(
    entry: dict[str, Any], *, decided: float, found_rate: float, detail: float | None
) -> dict[str, Any]:
    """The entry as it is written since one correction spans all that is compared."""
    p = {"decided": decided, "found_rate": found_rate}
    if "with" in entry:
        return {**entry, "p": p, "effects": [{**e, "p": detail} for e in entry["effects"]], "family": 14}
    return {**entry, "comparisons": [{**c, "p": p} for c in entry["comparisons"]], "family": 14}


def section(audit: Audit, *groups: dict[str, Any], rows: bool = False) -> Any:  # Any: a parsed element
    document = {**audit.document, "groups": list(groups), **({"inputs": "rows"} if rows else {})}
    return parsed(build_page(document, audit.instances)).find(id="groups")


def lines(table: Any) -> list[list[str]]:
    cells = [
        [" ".join(c.get_text().split()) for c in row.find_all(["th", "td"])] for row in table.find_all("tr")
    ]
    return cells[1:]


def test_without_groups_there_is_no_section(audit: Audit) -> None:
    soup = parsed(build_page(audit.document, audit.instances))
    assert soup.find(id="groups") is None
    assert not [a for a in soup.find_all("a") if a.get("href") == "#groups"]
    assert "Whether groups of people are treated differently" in soup.find(id="method").get_text()


def test_images_with_an_attribute_and_without(audit: Audit) -> None:
    found = section(audit, BY_MALE)
    groups, differences, sizes, details = found.find_all("table")
    assert [row[:1] + row[1:3] + row[4:6] for row in lines(groups)] == [
        ["Male: yes", "40", "75 %", "40", "25 %"],
        ["Male: no", "40", "15 %", "40", "75 %"],
    ]
    assert lines(differences) == [
        ["model says Male", "yes less no", "+60 points", "+40 to +74 points", "higher"],
        [
            "with a counterfactual",
            "yes less no",
            f"{MINUS}50 points",
            f"{MINUS}65 to {MINUS}30 points",
            "lower",
        ],
    ]
    assert lines(sizes) == [
        ["Pale skin", "yes", "+1.50", "+1.00 to +2.00"],
        ["Pale skin", "no", "+1.25", "+0.50 to +2.50"],
    ]
    assert lines(details) == [["Pale skin", "yes less no", "+0.25", f"{MINUS}0.75 to +1.10", "cannot tell"]]
    assert "Fisher" in found.get_text()
    assert "No two groups" not in found.get_text()


def test_of_several_groups_the_corrected_p_decides(audit: Audit) -> None:
    found = section(audit, by_race("A", "B", "others (2 values)", p=[0.0004, 0.2, None]), rows=True)
    _, differences, sizes = found.find_all("table")  # shares of one group alone: nothing to compare
    assert "No two groups have figures here" in found.get_text()
    told = [row[1:2] + row[4:] for row in lines(differences) if row[0] == "with a counterfactual"]
    assert told == [
        ["A less all others", "<0.001", "higher"],
        ["B less all others", "0.200", "cannot tell"],
        ["others (2 values) less all others", MISSING, "cannot tell"],
    ]
    assert lines(sizes)[0][:3] == ["income raised", "A", "88 %"]
    assert "stand together" in found.get_text()
    assert "picture" not in found.get_text()


def test_of_images_the_corrected_p_decides_as_well(audit: Audit) -> None:
    found = section(audit, together(BY_MALE, decided=0.0002, found_rate=0.06, detail=None))
    _, differences, _, details = found.find_all("table")
    assert [row[0:1] + row[4:] for row in lines(differences)] == [
        ["model says Male", "<0.001", "higher"],
        ["with a counterfactual", "0.060", "cannot tell"],  # though its interval leaves out 0
    ]
    assert [row[4:] for row in lines(details)] == [[MISSING, "cannot tell"]]
    text = " ".join(found.get_text().split())
    assert "exact test of shares and Welch" in text
    assert "of effects, corrected (Holm) for all 14 comparisons" in text
    assert "read by their interval" not in text


def test_two_groups_of_rows_are_read_by_the_corrected_p(audit: Audit) -> None:
    entry = by_race("A", "B", p=[None, None])
    entry["comparisons"] = [{**entry["comparisons"][0], "against": "B"}]
    before = section(audit, entry, rows=True)  # as runs of before it have it: by the interval
    assert [row[1:2] + row[4:] for row in lines(before.find_all("table")[1])] == [
        ["A less B", "cannot tell"],
        ["A less B", "higher"],
    ]
    assert "read by their interval" in before.get_text()
    after = section(audit, together(entry, decided=0.01, found_rate=0.2, detail=None), rows=True)
    assert [row[1:2] + row[4:] for row in lines(after.find_all("table")[1])] == [
        ["A less B", "0.010", "cannot tell"],  # a difference of 0 has no direction
        ["A less B", "0.200", "cannot tell"],
    ]
    text = " ".join(after.get_text().split())
    assert "exact test of shares, corrected (Holm) for all 14 comparisons of groups on this page" in text


def test_names_of_groups_are_text_and_nothing_else(audit: Audit) -> None:
    hostile = "<img src=x onerror=alert(1)>"
    found = section(audit, by_race(hostile, "b\u202ec", p=[1.0, 1.0]), rows=True)
    assert found.find("img") is None
    assert hostile in found.get_text()
    assert "⟨U+202E⟩" in found.get_text()


@pytest.mark.parametrize(
    ("value", "text"), [(0.123, "+12 points"), (-0.004, "0 points"), (0.004, "0 points"), (None, MISSING)]
)
def test_points(value: float | None, text: str) -> None:
    assert points(value).replace("\u202f", " ") == text


def test_an_interval_of_points() -> None:
    assert span(interval(0, -0.1, 0.3), form="points").replace("\u202f", " ") == f"{MINUS}10 to +30 points"
