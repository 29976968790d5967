"""Differences of groups' fronts, as the table and the pictures of the page show them."""

from typing import Any

import pytest

from cfsearch.report.attainment import Cell, FrontPair, Label, Picture, front_pairs

Entry = dict[str, Any]


def flat(text: str) -> str:
    return text.replace("\u202f", " ").replace("\u2212", "-")


def between(low: float, value: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}


def entry(**parts: Any) -> Entry:
    return {
        "model": "m", "attribute": "sex", "name": "f", "against": "all others", "from": "no",
        "objectives": [{"name": "gower"}, {"name": "my_cost"}], "goal": [0.25, 3.0], "n": {"first": 12, "second": 34},
        "attained": {"first": 0.25, "second": 0.5}, "gap": between(0.1, 0.25, 0.4),
        "hypervolume_difference": between(-0.3, -0.2, -0.1), "p": {"attainment": 0.012, "hypervolume": 0.0001}, "map": None,
        **parts,
    }  # fmt: skip


def pair(models: int = 1, **parts: Any) -> FrontPair:
    names = [{"id": "m", "name": "net"}, {"id": "o", "name": "other"}][:models]
    [found] = front_pairs({"models": names, "attainment": [entry(**parts)]})
    return found


def test_a_comparison_as_a_whole() -> None:
    found = pair()
    assert found.picture is None
    texts = (found.name, found.first, found.second, found.goal, found.reading)
    assert texts == (
        "sex, away from no",
        "f",
        "all others",
        "Gower distance 0.25 and my cost 3",
        "all others: larger fronts",
    )
    assert (found.n, found.shares) == ((12, 34), ("25\u202f%", "50\u202f%"))
    assert tuple(map(flat, found.gap)) == ("25 %", "10 to 40 %")
    assert tuple(map(flat, found.volume)) == ("-0.20", "-0.30 to -0.10")
    assert found.p == ("0.012", "<0.001")
    assert front_pairs({"models": []}) == ()


def test_of_pictures_the_groups_are_yes_and_no_and_several_models_are_named() -> None:
    found = pair(2, attribute="Pale_Skin", name="with", against="without")
    assert (found.name, found.first, found.second) == (
        "Pale skin, away from no (net)", "Pale skin: yes", "Pale skin: no",
    )  # fmt: skip
    assert pair(name="with", against="x").first == "with"


@pytest.mark.parametrize(
    ("attainment", "hypervolume", "value", "reading"),
    [
        (0.049, 0.05, 1.0, "the fronts differ"), (0.05, 0.049, 1.0, "f: larger fronts"), (0.01, 0.01, 1.0, "f: larger fronts"),
        (0.01, 0.01, 0.0, "all others: larger fronts"), (0.05, 0.05, 1.0, "cannot tell"), (None, None, 1.0, "cannot tell"),
        (None, 0.01, -1.0, "all others: larger fronts"), (0.01, None, 1.0, "the fronts differ"),
    ],
)  # fmt: skip
def test_what_both_tests_let_one_say(
    attainment: float | None, hypervolume: float | None, value: float, reading: str
) -> None:
    found = pair(
        p={"attainment": attainment, "hypervolume": hypervolume}, hypervolume_difference=between(-2, value, 2)
    )
    assert found.reading == reading
    assert (found.p[0] == "\u2013") is (attainment is None)
    assert (found.p[1] == "\u2013") is (hypervolume is None)


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("gower", 0.5, "Gower distance 0.50"), ("changed", 2.0, "changes 2"), ("neighbours", 0.1, "distance to known rows 0.10"),
        ("sparsity", 1.0, "share changed 1"), ("perceptual", 9999.0, "visible difference 9999"),
        ("own_one", 10000.0, "own one 10 000.00"), ("x", -10000.0, "x -10 000.00"), ("x", -9999.0, "x -9999"),
    ],
)  # fmt: skip
def test_objectives_in_plain_words_and_whole_numbers_as_such(name: str, value: float, words: str) -> None:
    assert flat(pair(objectives=[{"name": name}], goal=[value]).goal) == words


def test_a_picture_has_small_costs_at_the_left_and_below() -> None:
    drawn = {
        "x": "gower", "y": "changed", "levels": {"x": [0.1, 0.2, 0.3], "y": [1.0, 2.0]},
        "first": [[0.5, 0.5], [0.25, 0.5], [0.019, 1.0]], "second": [[0.1, 0.5], [0.5, 0.51], [0.01, 0.0]],
    }  # fmt: skip
    found = pair(map=drawn).picture
    assert found is not None
    assert found == Picture(
        x="Gower distance",
        y="changes",
        width=80.0,
        height=120.0,
        cells=(
            Cell(0.0, 120.0, "ahead", 0.4),
            Cell(80.0, 120.0, "behind", 0.25),
            Cell(80.0, 0.0, "behind", 0.01),
            Cell(160.0, 0.0, "ahead", 1.0),
        ),
        across=(Label(40.0, "0.10"), Label(120.0, "0.20"), Label(200.0, "0.30")),
        down=(Label(180.0, "1"), Label(60.0, "2")),
        alt=found.alt,
    )
    assert flat(found.alt) == (
        "At no more than each Gower distance and changes: f is ahead by up to 100 % of its inputs, all others by up to 25 %."
    )


def test_a_picture_without_differences_and_with_many_levels() -> None:
    levels = [float(i) for i in range(11)]
    same = [[0.5] * 1 for _ in levels]
    drawn = {"x": "gower", "y": "gower", "levels": {"x": levels, "y": [0.5]}, "first": same, "second": same}
    found = pair(map=drawn).picture
    assert found is not None and found.cells == ()
    assert [label.text for label in found.across] == ["0", "3", "7", "10"]
    assert [label.at for label in found.across] == [round((i + 0.5) * 240 / 11, 2) for i in (0, 3, 7, 10)]
    assert found.down == (Label(120.0, "0.50"),)
    assert flat(found.alt).endswith("f is ahead by up to 0 % of its inputs, all others by up to 0 %.")
