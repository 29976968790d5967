"""A finished audit as an object, of a document that is given: frames, one line, HTML."""

import json
from pathlib import Path
from typing import Any

import pytest

from cfsearch.audits.result import AuditResult, open_audit
from cfsearch.errors import RunError

from .test_reading import RATE, oldest


def given(folder: Path, **parts: Any) -> AuditResult:
    """The result of a directory that holds a document and nothing else."""
    (folder / "audit.json").write_text(json.dumps(oldest() | parts))
    return open_audit(str(folder))


def row(variable: str, value: float | None, **more: Any) -> dict[str, Any]:
    estimate = None if value is None else {"value": value, "low": value - 0.25, "high": value + 0.25}
    return {"model": "m", "variable": variable, "estimate": estimate, "truth": None, "n": 9} | more


def change(variable: str, count: int) -> dict[str, Any]:
    return {"model": "m", "variable": variable, "direction": "-", "count": count, "n": 8, "rate": RATE}


def counts(**more: Any) -> dict[str, Any]:
    return {**oldest()["counts"][0], "searched": 8, "found": 6, "found_rate": RATE} | more


def test_effects_are_a_frame_with_protected_ones_first(tmp_path: Path) -> None:
    effects = [row("a", 2.0), row("b", None), row("c", -1.0, edit_success=0.75)]
    frame = given(tmp_path, effects=effects, protected=["c"]).effects
    assert list(frame.columns) == [
        "model",
        "variable",
        "protected",
        "value",
        "low",
        "high",
        "n",
        "edit_success",
    ]
    assert frame["variable"].tolist() == ["c", "a", "b"]
    assert frame["protected"].tolist() == [True, False, False]
    assert frame.iloc[0, 3:].tolist() == [-1.0, -1.25, -0.75, 9, 0.75]
    assert frame["value"].isna().tolist() == [False, False, True]
    assert given(tmp_path, protected=["c"]).protected == ("c",)
    empty = given(tmp_path, effects=[]).effects
    assert (len(empty), list(empty.columns)) == (
        0,
        ["model", "variable", "protected", "value", "low", "high", "n"],
    )


def test_changes_are_a_frame(tmp_path: Path) -> None:
    frame = given(tmp_path, changes=[change("v", 4)]).changes
    assert frame.to_dict("records") == [
        {
            "model": "m",
            "variable": "v",
            "direction": "-",
            "count": 4,
            "n": 8,
            "rate": 0.5,
            "low": 0.2,
            "high": 0.8,
        }
    ]
    assert list(given(tmp_path, changes=[]).changes.columns) == list(frame.columns)


def test_groups_are_a_frame_of_images_and_of_columns(tmp_path: Path) -> None:
    figures = {"instances": 12, "decided": None, "searched": 11, "found_rate": RATE}
    small = figures | {"searched": 2, "found_rate": None}
    groups = [
        {"model": "m", "attribute": "Young", "with": figures, "without": small},
        {"model": "m", "attribute": "race", "groups": [figures | {"name": "x"}, small | {"name": "y"}]},
    ]
    frame = given(tmp_path, groups=groups).groups
    assert list(frame.columns) == ["model", "attribute", "group", "searched", "rate", "low", "high"]
    assert frame["group"].tolist() == ["with", "without", "x", "y"]
    assert frame["attribute"].tolist() == ["Young", "Young", "race", "race"]
    assert frame["searched"].tolist() == [11, 2, 11, 2]
    assert frame["rate"].isna().tolist() == [False, True, False, True]
    assert frame.iloc[0, 4:].tolist() == [0.5, 0.2, 0.8]
    assert list(given(tmp_path, groups=[]).groups.columns) == list(frame.columns)


def test_it_is_one_line(tmp_path: Path) -> None:
    one = given(tmp_path, counts=[counts()])
    assert repr(one) == (
        f"AuditResult({str(tmp_path)!r}: 6 of 8 searched inputs have a verified counterfactual)"
    )
    two = given(tmp_path, counts=[counts(), counts(model="k", found=0)])
    assert repr(two).endswith(
        ": m: 6 of 8 searched inputs have a verified counterfactual; k: 0 of 8 searched inputs have a verified "
        "counterfactual)"
    )


def test_in_a_notebook_it_shows_twelve_rows_of_each_table(tmp_path: Path) -> None:
    models = [oldest()["models"][0] | {"note": "A <note>.\n\nAnother.\n3.\n4.\n5.\n6."}]
    html = given(
        tmp_path,
        models=models,
        effects=[row(f"v{i:02}<", 1.0) for i in range(14)],
        changes=[change("w", 4)],
        counts=[counts()],
    )._repr_html_()
    assert html.count("<tr>") == 13
    assert "<td>v00&lt;</td><td>" in html and "v11" in html and "v12" not in html
    assert html.index("Effects, logits") < html.index("The sparsest flips change")
    assert "<td>-w</td><td>" in html
    assert html.endswith("<p>A &lt;note&gt;.</p><p>Another.</p><p>3.</p><p>4.</p><p>5.</p>")
    bare = given(tmp_path, effects=[], changes=[], counts=[counts()])
    assert "<table>" not in bare._repr_html_()
    assert bare.notes == ()


def test_what_is_no_finished_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="there is no such directory"):
        open_audit(tmp_path / "none")
    with pytest.raises(RunError):
        AuditResult(tmp_path)


def test_an_interval_in_words(tmp_path: Path) -> None:
    html = given(tmp_path, effects=[row("a", 2.0), row("b", None)], changes=[change("v", 4)])._repr_html_()
    assert "<td>a</td><td>+2.00 (+1.75 to +2.25)</td>" in html
    assert "<td>b</td><td>cannot tell</td>" in html
    assert "<td>-v</td><td>50\u202f% (20\u202f% to 80\u202f%)</td>" in html
