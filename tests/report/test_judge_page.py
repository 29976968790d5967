"""The page of counterfactuals of another tool: its sentences, its tables and its pictures."""

from typing import Any

import pytest
import torch

from cfsearch.report.judge_page import MOST_INPUTS, build_judge_page, headline, measures, overview

from .conftest import parsed

Part = dict[str, Any]


def flat(text: str) -> str:
    return " ".join(text.replace("\u202f", " ").replace("\u2212", "-").split())


def between(low: float, value: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}


def side(**parts: Any) -> Part:
    return {
        "inputs": 2, "counterfactuals": 4, "valid": between(0.2, 0.75, 0.9), "keep_rules": between(0.1, 0.5, 0.9),
        "inputs_served": None, "dominated": 3, "median": {"gower": 0.25, "changed": 2.0}, "broken": {}, **parts,
    }  # fmt: skip


def member(**parts: Any) -> Part:
    return {
        "readable": True, "because": "", "valid": True, "reached": "yes", "lead": 0.5, "changes": ["a -> b", "c -> d"],
        "broken": [], "gower": 0.25, "changed": 2, "nearest": 0.1, "dominated": True, **parts,
    }  # fmt: skip


def entry(name: str = "row 0", **parts: Any) -> Part:
    return {
        "name": name, "source": "no", "original": {"a": 1}, "theirs": [member()], "ours": None, "nearest": None,
        "diversity": {"theirs": None, "ours": None}, **parts,
    }  # fmt: skip


def document(*inputs: Part, ours: Part | None = None, **parts: Any) -> Part:
    return {
        "format": "cfsearch-judge/1", "tool": "dice-ml", "theirs": "cfs.json", "notes": [], "model": "net", "noun": "row",
        "target": None, "inputs": list(inputs), "summary": {"theirs": side(), "ours": ours}, **parts,
    }  # fmt: skip


def test_a_headline_counts_what_flips_and_what_breaks_rules() -> None:
    assert headline(document(entry(), entry())) == (
        "3 of 4 counterfactuals of dice-ml flip “net”, of 2 rows; 2 break a rule or cannot be read."
    )
    none = document(entry(), noun="picture")
    none["summary"]["theirs"] = side(counterfactuals=0, valid=None, keep_rules=None)
    assert headline(none) == ("none counterfactuals of dice-ml flip “net”, of 1 picture; 0 cannot be read.")


def test_the_overview_of_one_side_and_of_both() -> None:
    def shown(found: list[tuple[str, tuple[str, str]]]) -> list[tuple[str, str, str]]:
        return [(name, flat(first), flat(second)) for name, (first, second) in found]

    assert shown(overview(document(noun="picture"))) == [
        ("counterfactuals", "4", ""),
        ("flip the model, 95 % interval", "75 % (20 to 90 %)", "\u2013"),
        ("pictures with one that flips", "\u2013", "\u2013"),
        ("Gower distance, median of those that flip", "0.25", "\u2013"),
        ("columns changed, median of those that flip", "2.00", "\u2013"),
    ]
    ours = side(
        counterfactuals=7,
        valid=None,
        inputs_served=between(0, 1, 1),
        median={"nearest": 0.5, "pixels": 0.1, "l1": 0.2, "ssim": 0.9},
    )
    assert shown(overview(document(ours=ours))) == [
        ("counterfactuals", "4", "7"),
        ("flip the model, 95 % interval", "75 % (20 to 90 %)", "\u2013"),
        ("keep every rule", "50 % (10 to 90 %)", "50 % (10 to 90 %)"),
        ("rows with one that flips and keeps the rules", "\u2013", "100 % (0 to 100 %)"),
        ("Gower distance, median of those that flip", "0.25", "\u2013"),
        ("columns changed, median of those that flip", "2.00", "\u2013"),
        ("distance to the nearest known row, median of those that flip", "\u2013", "0.50"),
        ("share of pixels changed, median of those that flip", "\u2013", "0.10"),
        ("mean change of a pixel, median of those that flip", "\u2013", "0.20"),
        ("structural similarity, median of those that flip", "\u2013", "0.90"),
        ("one of ours is nowhere worse and somewhere better", "3", ""),
    ]


def test_measures_on_one_line() -> None:
    every = {"ssim": 0.987, "l1": 0.0123, "pixels": 1.0, "nearest": 0.5, "changed": 3, "gower": 0.25, "x": 1}
    assert measures(every) == "Gower 0.25, columns 3, to known 0.50, pixels 1, mean change 0.01, SSIM 0.99"
    assert measures({"gower": None, "changed": 2}) == "columns 2"


def lines(page: Any) -> str:
    return flat(page.get_text(" "))


def test_theirs_and_ours_stand_on_the_page_the_least_change_first() -> None:
    ours = [
        member(changed=changed, gower=gower, changes=[f"ours {changed} {gower}"])
        for changed, gower in ((3, 0.1), (2, 0.4), (2, 0.3), (9, 0.1), (8, 0.1))
    ]
    broken = member(
        readable=False,
        valid=False,
        broken=["income may only rise"],
        changes=[],
        because="no such level",
        dominated=None,
    )
    near = {"gower": 0.5, "changed": 1, "changes": ["x -> y", "v -> w"]}
    text = lines(
        parsed(
            build_judge_page(document(entry(theirs=[member(), broken], ours=ours, nearest=near), ours=side()))
        )
    )
    for part in (
        "a -> b; c -> d",
        "no such level",
        "income may only rise",
        "x -> y; v -> w",
        "Gower 0.50, columns 1",
        "dice-ml on net",
    ):
        assert part in text, part
    places = [text.index(f"ours {rest}") for rest in ("2 0.3", "2 0.4", "3 0.1", "8 0.1")]
    assert places == sorted(places) and "ours 9 0.1" not in text
    assert "1 more of ours." in text


def test_further_inputs_are_left_out_and_counted() -> None:
    text = lines(
        parsed(build_judge_page(document(*(entry(f"input {i:03d}") for i in range(MOST_INPUTS + 2)))))
    )
    assert f"input {MOST_INPUTS - 1:03d}" in text and f"input {MOST_INPUTS:03d}" not in text
    assert "2 more are in the figures and not shown." in text


@pytest.mark.parametrize("more", [0, 1])
def test_pictures_stand_beside_what_they_are_of(more: int) -> None:
    picture = [torch.full((3, 8, 8), level) for level in (-0.5, 0.25, 0.5, 0.75)]
    shown = picture[: 3 + more]
    two = [member(gower=None, changed=None, l1=0.1), member(gower=None, changed=None, l1=0.2)]
    one = entry(
        "a.png", theirs=two, ours=[member(gower=None, changed=None, l1=0.3, changes=["later"]), member(gower=None, changed=None, l1=0.1, changes=["first"])],
        original={}, nearest={"name": "b.png", "l1": 0.25},
    )  # fmt: skip
    page = parsed(build_judge_page(document(one, noun="picture", ours=side()), [shown]))
    sources = [image["src"] for image in page.select("img")]
    assert len(sources) == len(set(sources)) == 3 + more
    text = lines(page)
    assert "b.png" in text and text.index("first") < text.index("later")
    heads = [head.get_text() for head in page.select("th[scope=row]")]
    assert [head for head in heads if head[-1:].isdigit()] == ["1", "2", "ours 2", "ours 1"]


def test_a_predicted_number_stands_before_its_class() -> None:
    near = {
        "reached": "250000..",
        "predicted": 300000.0,
        "gower": 0.25,
        "changed": 2,
        "changes": ["a 1 -> 2"],
    }
    one = entry(
        source="below 250000", predicted=218108.4, nearest=near,
        theirs=[member(reached="250000..", predicted=252094.0)],
    )  # fmt: skip
    page = parsed(build_judge_page(document(one)))
    assert "row 0, decided 218,108 (below 250000)" in flat(page.get_text())
    cells = [flat(cell.get_text()) for cell in page.select("section[aria-labelledby=each-title] td")]
    assert cells[0].startswith("yes, 252,094 (250000..)")
    assert any(cell == "yes, 300,000 (250000..)" for cell in cells)
