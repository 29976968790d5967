"""Effects in the terminal: every figure in its column, the strongest first, and why one cannot tell."""

import io
from typing import Any

import pytest
from rich.console import Console

from cfsearch.cli._effects import show_effects, show_verdicts


def effect(name: str, value: float, *, because: str = "", model: str = "m", **more: Any) -> dict[str, Any]:
    """An effect with an interval of 0.5 on both sides."""
    return {
        "model": model,
        "variable": name,
        "n": 40,
        "between": {"low": 0, "high": 1.5},
        "estimate": {"value": value, "low": value - 0.5, "high": value + 0.5},
        "probability": {"value": value / 10, "low": value / 10 - 0.05, "high": value / 10 + 0.05},
        "flips_alone": {"count": 6, "n": 38},
        "reading": "leans" if not because else "cannot tell",
        "because": because,
    } | more


def document(*effects: dict[str, Any], models: tuple[str, ...] = ("m",)) -> dict[str, Any]:
    listed = [{"id": one, "name": f"{one}.onnx", "labels": ["no", "yes"]} for one in models]
    return {"models": listed, "effects": list(effects)}


def printed(made: dict[str, Any], *, width: int = 100) -> list[str]:
    file = io.StringIO()
    show_effects(Console(file=file, width=width, color_system=None), made)
    return [line.strip() for line in file.getvalue().splitlines() if line.strip()]


def test_each_figure_stands_in_its_column() -> None:
    lines = printed(document(effect("Hair", -1.8)))
    assert " ".join(lines[:2]) == (
        "effect of each attribute alone on 'yes': log-odds (logits), probability (points), verdicts that it "
        "flips (as the generator shows it); mean of 40 inputs, 95 % intervals"
    )
    assert lines[2].split() == ["attribute", "from,", "to", "logits", "points", "flips", "reading"]
    row = " ".join(lines[4].split())
    assert row == "Hair 0, 1.5 -1.80 [-2.30, -1.30] -18 [-23, -13] 6/38 leans"
    assert len(lines) == 5


@pytest.mark.parametrize(("width", "points"), [(92, True), (91, False)])
def test_a_narrow_terminal_has_no_points(width: int, points: bool) -> None:
    lines = printed(document(effect("Hair", -1.8)), width=width)
    assert [line for line in lines if line.startswith("Hair")] == [
        line for line in lines if ("-18 [-23, -13]" in line) == points and line.startswith("Hair")
    ]
    assert any("attribute" in line and ("points" in line) == points and "from, to" in line for line in lines)


def test_thirteen_are_shown_and_the_others_counted() -> None:
    lines = printed(document(*(effect(f"a{i:02}", 2.0 - i / 10) for i in range(15))))
    assert [line.split()[0] for line in lines if line.startswith("a")][1:] == [f"a{i:02}" for i in range(13)]
    assert lines[-1] == "2 smaller effects are in audit.json and on the page."
    assert "smaller" not in " ".join(printed(document(*(effect(f"a{i}", 1.0) for i in range(13)))))


def test_why_one_cannot_tell_stands_once_for_all_of_which_it_holds() -> None:
    two = document(
        effect("a", 1.0), effect("b", 0.1, because="too few"), effect("c", 0.0, because="too few"),
        effect("d", 0.0, because="it is fixed"),
    )  # fmt: skip
    assert printed(two)[-2:] == ["cannot tell of b, c: too few.", "cannot tell of d: it is fixed."]
    every = document(effect("b", 0.1, because="too few"), effect("c", 0.0, because="too few"))
    assert printed(every)[-1] == "cannot tell of all of them: too few."


def test_each_model_has_its_own_table_where_there_are_several() -> None:
    lines = printed(document(effect("a", 1.0), effect("b", 2.0, model="k"), models=("m", "k")))
    heads = [line for line in lines if "effect of each attribute" in line]
    assert [head.split(": ")[0] for head in heads] == ["m.onnx", "k.onnx"]
    assert [line.split()[0] for line in lines if line.startswith(("a ", "b "))] == ["a", "b"]


def test_what_was_not_measured_or_is_of_an_older_version_is_left_out() -> None:
    assert printed(document(effect("a", 1.0, estimate=None))) == []
    old = effect("a", 1.0)
    del old["reading"]
    assert printed(document(old)) == []


def test_verdicts_are_sentences() -> None:
    file = io.StringIO()
    verdicts = [{"headline": "It leans.", "detail": "By 2\x07."}, {"headline": "Not it.", "detail": "No."}]
    show_verdicts(Console(file=file, width=100), {"verdicts": verdicts})
    assert file.getvalue().splitlines() == ["It leans. By 2\\u0007.", "Not it. No."]
    show_verdicts(Console(file=file, width=100), {})


def test_which_estimate_is_shown_and_from_which_size_an_effect_would_be_found() -> None:
    own: dict[str, Any] = {"correction": {"photographs": None}}
    made = document(
        effect("a", 1.0, detectable=0.5, **own),
        effect("b", 0.1, because="open", detectable=0.625, **own),
        effect("c", 0.0, because="open", detectable=0.9, **own),
    )
    lines = printed(made, width=300)
    assert "log-odds (logits less the generator's own error)" in lines[0]
    assert lines[-1] == "cannot tell of b, c: open; 40 inputs show one from 0.62 to 0.90 logits on."
    both = document(effect("a", 1.0, correction={"photographs": {"value": 1.0}}))
    assert "own error, combined with photographs)" in printed(both, width=300)[0]
