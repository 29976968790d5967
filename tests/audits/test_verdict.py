"""What effects let one say, by hand; and the sentences that stand first."""

from typing import Any

import pytest

from cfsearch.audits.verdict import PRACTICAL, read_effect, verdicts
from cfsearch.config import Config

MODELS = [{"id": "m", "name": "net", "labels": ["not smiling", "smiling"]}]


def effect(
    variable: str = "Male",
    value: float = -2.0,
    half: float = 0.5,
    *,
    p: float | None = 0.001,
    edited: float | None = 0.9,
    truth: float | None = None,
    practical: float = 0.25,
    model: str = "m",
) -> dict[str, Any]:
    row: dict[str, Any] = {
        "model": model,
        "variable": variable,
        "estimate": {"value": value, "low": value - half, "high": value + half},
        "truth": None if truth is None else {"value": truth, "low": truth - 0.1, "high": truth + 0.1},
        "n": 50,
        "between": {"low": -0.5, "high": 1.5},
        "probability": {"value": value / 10, "low": value / 10 - 0.05, "high": value / 10 + 0.05},
        "flips_alone": {"count": 31, "n": 50, "rate": {"value": 0.62, "low": 0.4815, "high": 0.7414}},
        "p": p,
        **({} if edited is None else {"edit_success": edited}),
    }
    return {**row, **read_effect(row, practical=practical).to_dict()}


@pytest.mark.parametrize(
    ("given", "reading", "because"),
    [
        ({"value": -2.0}, "leans", ""),
        ({"value": 2.0}, "leans", ""),
        ({"value": 0.7, "half": 0.4}, "leans", ""),  # 0.3 to 1.1
        ({"value": 0.7, "half": 0.5}, "cannot tell", "more than 0.25 logits"),  # 0.2 to 1.2
        ({"value": -0.7, "half": 0.5}, "cannot tell", "more than 0.25 logits"),
        ({"value": 0.7, "half": 0.5, "practical": 0.1}, "leans", ""),
        ({"value": 0.1, "half": 0.1}, "does not lean", ""),  # 0 to 0.2
        ({"value": -0.1, "half": 0.1}, "does not lean", ""),
        ({"value": 0.1, "half": 0.16}, "cannot tell", "more than 0.25"),  # up to 0.26
        ({"value": -2.0, "p": 0.05}, "cannot tell", "50 inputs are too few"),
        ({"value": -2.0, "p": None}, "cannot tell", "too few"),
        ({"value": -2.0, "edited": None}, "cannot tell", "edits were never measured"),
        ({"value": 0.0, "half": 0.1, "edited": None}, "cannot tell", "edits were never measured"),
        ({"value": -2.0, "edited": 0.49}, "cannot tell", "hardly edits it (49\u202f%"),
        ({"value": -2.0, "edited": 0.5}, "leans", ""),
        ({"value": -2.0, "edited": None, "truth": -1.0}, "leans", ""),
        ({"value": -2.0, "edited": None, "truth": 1.0}, "cannot tell", "contradicts"),
    ],
)
def test_readings(given: dict[str, Any], reading: str, because: str) -> None:
    row = effect(**given)
    assert row["reading"] == reading
    assert because in row["because"]
    assert bool(row["because"]) == bool(because)


def verdicts_of(effects: list[dict[str, Any]], *, protected: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    return verdicts(effects, models=MODELS, protected=protected, practical=0.25, noun="picture")


def plain(text: str) -> str:
    return text.replace("\u202f", " ").replace("\u2212", "-")


def test_the_strongest_effect_of_a_protected_attribute_stands_first() -> None:
    effects = [effect("Eyeglasses", -5.0), effect("Male", -1.0), effect("Young", -2.9), effect("Bald", 9.0)]
    first, second = verdicts_of(effects, protected=("Male", "Young"))
    assert (first["variable"], second["variable"]) == ("Young", "Male")
    assert first["headline"] == "“net” leans on Young."
    assert plain(first["detail"]) == (
        "Young from -0.5 to 1.5, all else held: -2.90 logits for “smiling” (95 % interval -3.40 to -2.40), "
        "on average -29 points of probability (-34 to -24 points); 50 pictures. Alone it changes the verdict "
        "on 31 of 50 pictures (62 %, 95 % interval 48 to 74 %)."
    )


def test_of_several_classes_the_sentence_is_about_the_last() -> None:
    models = [{"id": "m", "name": "net", "labels": ["low", "middle", "high"]}]
    [found] = verdicts(effects=[effect()], models=models, protected=("Male",), practical=0.25, noun="image")
    assert "high" in found["detail"] and "middle" not in found["detail"]


def test_what_one_can_tell_goes_before_what_is_larger() -> None:
    effects = [effect("Male", -9.0, edited=None), effect("Young", 0.0, 0.1), effect("Bald", -1.0)]
    found = verdicts_of(effects, protected=("Male", "Young", "Bald"))
    assert [v["variable"] for v in found] == ["Bald", "Male", "Young"]
    assert found[1]["headline"] == "Whether “net” leans on Male, one cannot tell."
    assert found[1]["detail"].startswith("Edits were never measured. Male from ")
    assert found[2]["headline"] == "“net” does not lean on Young by more than 0.25 logits."


def test_without_protected_attributes_the_strongest_clear_effect_is_reported_and_no_class() -> None:
    effects = [
        effect("smiling", 9.0),
        effect("Bald", 5.0, edited=0.1),
        effect("Young", -2.0),
        effect("Male", 1.0),
    ]
    [only] = verdicts_of(effects)
    assert (only["variable"], only["protected"]) == ("Young", False)
    assert verdicts_of([effect("Bald", 5.0, edited=0.1)]) == []
    assert verdicts_of([]) == []


def of_group(with_rate: float | None = 0.8) -> dict[str, Any]:
    part = {"instances": 20, "decided": None, "searched": 20, "found_rate": None}
    gap = None if with_rate is None else {"value": with_rate - 0.5, "low": 0.02, "high": 0.58}
    return {
        "model": "m",
        "attribute": "Male",
        "with": {
            **part,
            "found_rate": None if with_rate is None else {"value": with_rate, "low": 0.6, "high": 0.9},
        },
        "without": {**part, "found_rate": {"value": 0.5, "low": 0.3, "high": 0.7}},
        "difference": {"decided": None, "found_rate": gap},
        "p": {"decided": None, "found_rate": 0.04},
        "effects": [],
    }


def test_how_often_members_flip_stands_beside_a_protected_attribute() -> None:
    def verdict_of(protected: tuple[str, ...], group: dict[str, Any]) -> dict[str, Any]:
        [one] = verdicts(
            [effect()], models=MODELS, protected=protected, practical=0.25, noun="picture", groups=[group]
        )
        return one

    one = verdict_of(("Male",), of_group())
    assert plain(one["detail"]).endswith(
        "Of 20 with it 80 % flip by some change, of 20 without it 50 %: +30 points (+2 to +58 points, p 0.040 after Holm)."
    )
    few = verdict_of(("Male",), of_group(None))
    assert few["detail"].endswith("fewer than 10 members, so that they are not compared.")
    other = verdict_of((), of_group())
    assert "flip by some change" not in other["detail"]


def test_where_the_user_sets_no_practical_size_it_is_a_quarter_of_a_logit() -> None:
    """As docs/effects.md has it."""
    assert (
        Config.check({"model": {"path": "m.onnx"}, "data": {"images": "x"}}).audit.practical
        == PRACTICAL
        == 0.25
    )
