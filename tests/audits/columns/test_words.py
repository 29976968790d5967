"""Sentences on protected columns, whole."""

from typing import Any

import pytest

from cfsearch.audits.columns.words import column_verdicts, detail, headline, named_proxies

Row = dict[str, Any]
LEANS, NOT, UNSURE = "leans", "does not lean", "cannot tell"


def flat(text: str) -> str:
    return text.replace("\u202f", " ").replace("\u2212", "-")


def between(low: float, value: float, high: float) -> dict[str, float]:
    return {"value": value, "low": low, "high": high}


def effect(value: float | None, reading: str = LEANS, **parts: Any) -> Row:
    logits = None if value is None else between(value - 0.1, value, value + 0.1)
    return {
        "logits": logits, "probability": between(0.1, 0.2, 0.3), "n": 40, "p": 0.012, "reading": reading, "because": "",
        **parts,
    }  # fmt: skip


def proxy(column: str, value: float, reading: str = LEANS) -> Row:
    return {**effect(value, reading), "column": column}


def comparison(**parts: Any) -> Row:
    return {
        "name": "f", "against": "m", "effect": effect(0.8), "by_group": [], "linked": None, "through": effect(0.5),
        "proxies": [proxy("hours", 0.4), proxy("job", -0.9)], **parts,
    }  # fmt: skip


def row(**parts: Any) -> Row:
    return {
        "model": "m", "column": "sex", "guessed": False, "taken": True, "label": "yes", "n": 40, "unknown": 0,
        "left_out": [], "linked": [], "comparisons": [comparison()], "flips_alone": None, "members": None, "cost": None,
        "reading": LEANS, "because": "", "through": {"reading": LEANS, "because": "so"}, **parts,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("alone", "through", "expected"),
    [
        (LEANS, LEANS, "“net” leans on sex directly, and through other columns (job and hours)."),
        (LEANS, NOT, "“net” leans on sex directly, and not through other columns by more than 0.25 logits."),
        (LEANS, UNSURE, "“net” leans on sex directly."),
        (NOT, LEANS, "“net” does not lean on sex directly by more than 0.25 logits, but through other columns (job and hours)."),
        (NOT, NOT, "“net” does not lean on sex by more than 0.25 logits, neither directly nor through other columns."),
        (NOT, UNSURE, "“net” does not lean on sex directly by more than 0.25 logits; through other columns, one cannot tell."),
        (UNSURE, LEANS, "“net” treats the groups of sex differently through other columns (job and hours); whether directly too, one cannot tell."),
        (UNSURE, NOT, "Whether “net” leans on sex, one cannot tell."),
        (UNSURE, UNSURE, "Whether “net” leans on sex, one cannot tell."),
    ],
)  # fmt: skip
def test_a_headline_for_each_pair_of_readings(alone: str, through: str, expected: str) -> None:
    one = row(reading=alone, through={"reading": through, "because": ""})
    assert headline(one, model="net", practical=0.25) == expected


@pytest.mark.parametrize(
    ("through", "expected"),
    [
        (
            LEANS,
            "“net” is not given sex, and treats its groups differently through other columns (job and hours).",
        ),
        (NOT, "“net” is not given sex, and the other columns set its groups apart by less than 0.25 logits."),
        (UNSURE, "“net” is not given sex; whether it leans on it through other columns, one cannot tell."),
    ],
)
def test_a_headline_where_the_model_is_not_given_the_column(through: str, expected: str) -> None:
    one = row(taken=False, reading=NOT, through={"reading": through, "because": ""})
    assert headline(one, model="net", practical=0.25) == expected


def test_proxies_are_named_by_size_over_all_comparisons_that_lean() -> None:
    first = comparison(proxies=[proxy("a", 0.3), proxy("b", -0.7), proxy("c", 2.0, UNSURE)])
    second = comparison(proxies=[proxy("a", -0.8), proxy("d", 0.5), proxy("e", 0.2)])
    third = comparison(through=effect(0.1, NOT), proxies=[proxy("f", 9.0)])
    assert named_proxies(row(comparisons=[first, second, third])) == ["a", "b", "d"]
    assert named_proxies(row(through={"reading": UNSURE, "because": ""})) == []
    bare = row(comparisons=[comparison(proxies=[])])
    assert headline(bare, model="net", practical=0.25).endswith("and through other columns.")


FLIPS = {"count": 7, "n": 40, "rate": between(0.1, 0.175, 0.3)}


def test_the_detail_of_a_column_that_the_model_takes() -> None:
    one = row(
        linked=["title", "name"],
        flips_alone=FLIPS,
        comparisons=[comparison(linked=effect(0.9, p=None))],
        unknown=1,
        left_out=["x", "z"],
        members={
            "changed": {"n": 20, "rate": between(0, 0.1, 1)}, "necessary": {"n": 12, "rate": between(0.3, 0.4, 0.5)},
            "sufficient": {"n": 12, "rate": between(0.5, 0.6, 0.7)},
        },
        cost={
            "groups": [],
            "comparisons": [
                {"name": "f", "against": "m", "difference": between(0.011, 0.0212, 0.031), "p": 0.049},
                {"name": "x", "against": "m", "difference": between(0.011, 0.0212, 0.031), "p": 0.05},
                {"name": "y", "against": "m", "difference": between(0.011, 0.0212, 0.031), "p": None},
                {"name": "z", "against": "m", "difference": None, "p": 0.001},
            ],
        },
    )  # fmt: skip
    figures = "+20 points of probability (+10 to +30 points)"
    assert flat(detail(one)) == (
        f"f instead of m, all other columns held: +0.80 logits for “yes” (95 % interval +0.70 to +0.90), {figures}, p 0.012 "
        "after Holm; 40 rows, and it alone changes the verdict on 7 of 40 rows (18 %, 95 % interval 10 to 30 %). "
        f"With title and name moved along: +0.90 logits (95 % interval +0.80 to +1.00), {figures}. "
        "All other columns together, as they are in each group, sex counted alike for all: +0.50 logits (95 % interval +0.40 "
        f"to +0.60), {figures}, p 0.012 after Holm. "
        "Moved alone to the other group's distribution: job -0.90 (-1.00 to -0.80) and hours +0.40 (+0.30 to +0.50). "
        "The nearest flip costs f +0.021 of Gower's distance against m (+0.011 to +0.031, p 0.049 after Holm). "
        "Of counterfactuals that change sex 40 % need that change, and in 60 % it is enough. "
        "sex of 1 row is unknown. x and z: fewer than 10 rows, left out."
    )


def test_the_detail_of_a_column_that_the_model_does_not_take() -> None:
    labels_only: dict[str, Any] = {"logits": None, "probability": None}
    first = comparison(effect=None, through=effect(0.5, **labels_only), proxies=[proxy("a", 0.1, NOT)])
    one = row(taken=False, comparisons=[first], flips_alone={**FLIPS, "rate": None})
    assert flat(detail(one, noun="person")) == (
        "The model is not given sex, so that changing it alone changes nothing. All other columns together, as they are in "
        "each group: p 0.012 after Holm."
    )
    nothing = comparison(effect=None, through=effect(0.5, p=None, **labels_only), proxies=[])
    assert detail(row(taken=False, comparisons=[nothing])).endswith(
        "as they are in each group: not measured."
    )


def test_only_the_strongest_three_are_named_and_the_widest_comparison_counts() -> None:
    proxies = [proxy("a", 0.1), proxy("b", 0.4), proxy("c", -0.3), proxy("d", 0.2), proxy("e", 5.0, UNSURE)]
    narrow, wide = (
        comparison(name="x", effect=effect(0.7)),
        comparison(name="y", effect=effect(-0.8), proxies=proxies),
    )
    text = flat(detail(row(comparisons=[narrow, wide, narrow])))
    assert text.startswith("y instead of m, all other columns held: -0.80 logits")
    assert text.endswith(
        "distribution: b +0.40 (+0.30 to +0.50), c -0.30 (-0.40 to -0.20) and d +0.20 (+0.10 to +0.30)."
    )
    equal = comparison(name="z", effect=effect(0.8), through=effect(-0.6))
    assert detail(row(comparisons=[wide, equal])).startswith(
        "z instead of m"
    )  # of equal ones the wider through others
    none = comparison(name="n", effect=effect(None))
    assert detail(row(comparisons=[none, narrow])).startswith("x instead of m")


def test_a_column_with_nothing_to_compare_says_why() -> None:
    assert detail(row(comparisons=[], because="only one group")) == "Only one group."
    assert (
        detail(row(comparisons=[], because="", through={"reading": UNSURE, "because": "no group"}))
        == "No group."
    )


def test_unknown_and_left_out_groups_by_their_noun() -> None:
    one = row(comparisons=[comparison(proxies=[])], unknown=1200, left_out=["x"])
    assert flat(detail(one, noun="person")).endswith(
        "sex of 1 200 persons is unknown. x: fewer than 10 persons, left out."
    )


def test_verdicts_are_sorted_by_what_one_can_tell_and_guessed_ones_need_groups() -> None:
    def one(column: str, alone: str, through: str, **parts: Any) -> Row:
        return row(column=column, reading=alone, through={"reading": through, "because": ""}, **parts)

    rows = [
        one("a", NOT, NOT), one("b", UNSURE, LEANS), one("c", LEANS, UNSURE), one("d", LEANS, LEANS, guessed=True),
        one("e", UNSURE, NOT, guessed=True, comparisons=[]), one("f", UNSURE, UNSURE, comparisons=[], because="no group"),
    ]  # fmt: skip
    found = column_verdicts(rows, models=[{"id": "m", "name": "net"}], practical=0.25, noun="person")
    assert [v["variable"] for v in found] == ["d", "c", "b", "f", "a"]
    assert found[0] == {
        "model": "m", "variable": "d", "protected": False, "reading": LEANS, "through": LEANS, "because": "",
        "headline": headline(rows[3], model="net", practical=0.25), "detail": detail(rows[3], noun="person"),
    }  # fmt: skip
    assert [v["protected"] for v in found] == [False, True, True, True, True]
    assert (found[3]["because"], found[3]["detail"]) == ("no group", "No group.")
