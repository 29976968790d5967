"""Effects of protected columns in the terminal: which stand there, in which order, with which figures."""

import io
from typing import Any

import pytest
from rich.console import Console

from cfsearch.cli._columns import show_columns


def interval(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.5, "high": value + 0.25}


def entry(logits: float, **more: Any) -> dict[str, Any]:
    return {"logits": interval(logits), "probability": interval(logits / 10), **more}


def comparison(name: str, size: float, **more: Any) -> dict[str, Any]:
    found: dict[str, Any] = {
        "effect": entry(size, p=0.0123),
        "linked": None,
        "through": entry(0.0),
        "proxies": [],
    }
    return {"name": name, "against": "the others", **found, **more}


def shown(*comparisons: dict[str, Any], width: int = 140, models: int = 1, **row: Any) -> list[str]:
    document = {
        "models": [{"id": f"m{i}", "name": f"model {i}"} for i in range(models)],
        "columns": [
            {"model": "m0", "column": "sex", "label": "yes", "linked": [], "comparisons": comparisons, **row}
        ],
    }
    file = io.StringIO()
    show_columns(Console(file=file, width=width, color_system=None), document)
    return [" ".join(line.split()) for line in file.getvalue().splitlines() if line.strip()]


def test_nothing_is_shown_where_nothing_was_compared() -> None:
    assert shown() == []


def test_a_comparison_has_its_own_effect_that_of_linked_columns_and_of_the_others() -> None:
    proxies = [
        {"column": "height", "reading": "leans", **entry(0.2)},
        {"column": "shoe", "reading": "none", **entry(0.9)},
        {"column": "hair", "reading": "leans", **entry(-0.6)},
    ]
    lines = shown(
        comparison("women", 1.5, linked=entry(2.0), through=entry(-0.25), proxies=proxies),
        linked=["title", "name"],
    )
    assert "'yes'" in lines[0]
    by_path = {
        path: next(line for line in lines if path in line)
        for path in ("sex alone", "with title, name", "hair")
    }
    assert by_path["sex alone"].startswith(
        "sex: women less the others sex alone +1.50 [+1.00, +1.75] +15 [-35, +40] 0.012"
    )
    assert "+2.00 [+1.50, +2.25]" in by_path["with title, name"]
    assert [line for line in lines if line.startswith("others together -0.25")]
    order = [line.split()[0] for line in lines if line.split()[0] in ("height", "shoe", "hair")]
    assert order == ["hair", "height"], "what leans, the strongest first"


def test_the_largest_four_comparisons_stand_there_and_the_others_are_counted() -> None:
    sizes = {"a": 0.1, "b": -3.0, "c": 2.0, "d": 0.2, "e": -0.5, "f": 0.0}
    lines = shown(*[comparison(name, size) for name, size in sizes.items()])
    titles = [line.split()[1] for line in lines if line.startswith("sex: ")]
    assert titles == ["b", "c", "e", "d"]
    assert lines[-1] == "2 smaller comparisons are in audit.json and on the page."
    assert "smaller" not in shown(*[comparison(name, 1.0) for name in "abcd"])[-1]
    through = shown(comparison("a", 0.1), comparison("b", 0.0, effect=None, through=entry(-9.0)))
    assert [line.split()[1] for line in through if line.startswith("sex: ")] == ["b", "a"], (
        "by what is largest"
    )


def test_a_narrow_terminal_leaves_the_probability_out_and_several_models_are_named() -> None:
    wide, narrow = shown(comparison("a", 1.0), width=92), shown(comparison("a", 1.0), width=91)
    assert any("points" in line for line in wide[1:])
    assert not any("points" in line for line in narrow[1:])
    assert any(line.startswith("model 0: sex: a") for line in shown(comparison("a", 1.0), models=2))


@pytest.mark.parametrize("value", [None, -0.001])
def test_an_unknown_figure_is_none_and_a_rounded_one_has_no_minus(value: float | None) -> None:
    effect = {
        "logits": None if value is None else {"value": value, "low": 0.0, "high": 0.0},
        "probability": None,
    }
    [line] = [one for one in shown(comparison("a", 1.0, effect=effect), width=80) if "sex alone" in one]
    assert ("none" in line) == (value is None)
    if value is not None:
        assert "+0.00 [+0.00, +0.00]" in line
