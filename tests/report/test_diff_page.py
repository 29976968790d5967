"""The page of two audits: sentences whole, and every figure in its cell."""

from typing import Any

import pytest
import torch

from cfsearch.report.diff_page import MOST_PAIRS, Pair, build_diff_page, figures, headlines, named

from .conftest import parsed

Row = dict[str, Any]


def flat(text: str) -> str:
    return " ".join(text.replace("\u202f", " ").replace("\u2212", "-").split())


def between(low: float, value: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}


def row(figure: str, **parts: Any) -> Row:
    return {
        "figure": figure, "subject": "Pale_Skin", "unit": "share", "first": 0.25, "second": 0.5,
        "difference": between(0.1, 0.25, 0.4), "only_first": 3, "only_second": 8, "n": 41, "p": 0.012, "reading": "changed",
        "because": "", **parts,
    }  # fmt: skip


LOGIT = row(
    "effect", unit="logit", first=-1.0, second=0.5, difference=between(1.0, 1.5, 2.0), reading="changed"
)
LACKING = row(
    "found", first=None, second=None, difference=None, p=None, reading="cannot tell", because="too few"
)


def document(*rows: Row, **parts: Any) -> Row:
    return {"label": "yes", "rows": list(rows), **parts}


def test_a_row_is_named_by_its_figure() -> None:
    names = [named(row(figure), document()) for figure in ("decided", "found", "flips_alone", "effect")]
    assert names == [
        "Share decided as “yes”", "Share with a verified counterfactual", "Verdicts that Pale skin changes alone",
        "Effect of Pale skin on “yes”",
    ]  # fmt: skip


def test_what_is_not_genuine_is_no_counterfactual_where_both_audits_took_it_out() -> None:
    both = document(row("found"), row("genuine"))
    assert named(row("found"), both) == "Share with a verified and genuine counterfactual"
    assert headlines(both)[0].startswith("Share with a verified and genuine counterfactual: 25")
    side = {"model": "one", "title": "t", "fingerprint": "f", "run_id": "run-1", "created": "2026"}
    more = {"first": side, "second": side, "practical": 0.25, "shared": 41, "only_first": 1, "only_second": 2}
    more |= {"format": "cfsearch-diff/1", "practical_share": 0.05, "corrected": True, "notes": []}
    for whole, words in (
        (both, "verified and genuine counterfactual"),
        (document(row("found")), "verified counterfactual"),
    ):
        text = flat(parsed(build_diff_page(whole | more, [Pair("a", ("no", "yes"), True)])).get_text(" "))
        assert f"Beside the original: the sparsest {words} of each model." in text


def test_both_values_and_their_difference_in_their_unit() -> None:
    assert flat(figures(row("found"))) == (
        "25 % before, 50 % after, difference +25 points (95 % interval +10 to +40 points)"
    )
    assert flat(figures(LOGIT)) == (
        "-1.00 before, +0.50 after, difference +1.50 logits (95 % interval +1.00 to +2.00)"
    )


def test_headlines_are_what_changed_the_largest_first() -> None:
    small = row("found", difference=between(-0.9, -0.3, -0.1))
    found = headlines(document(row("decided"), LACKING, LOGIT, small))
    assert found == [f"{named(one, document())}: {figures(one)}." for one in (LOGIT, small, row("decided"))]
    same = row("found", reading="not changed")
    assert headlines(document(same, same)) == ["Nothing has changed by more than the practical size."]
    assert headlines(document(same, LACKING)) == ["Of no figure can one tell that it has changed."]


@pytest.fixture(scope="module")
def page() -> Any:
    pixels = torch.arange(3 * 8 * 8, dtype=torch.uint8).reshape(3, 8, 8)
    pairs = [Pair(f"same {i}", ("no", "no"), False) for i in range(MOST_PAIRS)]
    pairs.append(Pair("a\u202eb.png", ("no", "yes"), True, pixels, (None, pixels)))
    side = {"model": "one", "title": "t", "fingerprint": "f", "run_id": "run-1", "created": "2026"}
    whole = {
        **document(row("flips_alone"), LOGIT, LACKING), "format": "cfsearch-diff/1",
        "first": side, "second": {**side, "model": "two", "run_id": "run-2"}, "practical": 0.25,
        "shared": 41, "only_first": 1, "only_second": 2, "practical_share": 0.05, "corrected": True, "notes": [],
    }  # fmt: skip
    return parsed(build_diff_page(whole, pairs))


def test_the_page_shows_each_figure_in_its_column(page: Any) -> None:
    cells = [
        [flat(cell.get_text(" ", strip=True)) for cell in line.find_all(["td", "th"])]
        for line in page.select("tbody tr")
    ]
    text = "\n".join(" | ".join(line) for line in cells)
    for line in (
        "25 % | 50 % | +25 points | +10 to +40 points | 3 / 8", "-1.00 | +0.50 | +1.50 | +1.00 to +2.00 |", "\u2013 | \u2013 | \u2013 | no interval",
    ):  # fmt: skip
        assert line in text, text


def test_inputs_that_differ_come_first_and_others_are_counted(page: Any) -> None:
    text = flat(page.get_text(" "))
    assert "a⟨U+202E⟩b.png" in text
    assert text.index("a⟨U+202E⟩b.png") < text.index("same 0")
    assert f"same {MOST_PAIRS - 2}" in text and f"same {MOST_PAIRS - 1}" not in text
    assert len(page.select("img")) == 2
    assert all(image["src"].startswith("data:image/webp;base64,") for image in page.select("img"))
