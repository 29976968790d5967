"""``cfsearch diff`` on the command line."""

import io
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from rich.console import Console

from cfsearch.cli.diff import _show
from cfsearch.schemas import schema

from .conftest import Call, Flags, Toys


@pytest.fixture
def runs(call: Call, toys: Toys, faces: Path, fast: Flags, tmp_path: Path) -> tuple[Path, Path]:
    for name, slope in (("one", 12.0), ("two", 40.0)):
        model = toys.model(f"{name}.onnx", slope=slope)
        answer = call("audit", "--images", faces, "--model", model, *fast, "--out", tmp_path / f"run-{name}")
        assert answer.code == 0, answer.err
    return tmp_path / "run-one", tmp_path / "run-two"


def test_text_json_and_page(call: Call, runs: tuple[Path, Path], tmp_path: Path) -> None:
    page = tmp_path / "diff.html"
    answer = call("diff", *runs, "--out", page)
    assert answer.code == 0, answer.err
    assert "on 4 shared inputs" in answer.out
    assert "cannot tell" in answer.out
    assert "<h1>" in page.read_text()
    document = call("diff", *runs, "--practical", "0.5", "--practical-share", "0.1", "--json").document
    jsonschema.validate(document, schema("diff"))
    assert (document["practical"], document["practical_share"]) == (0.5, 0.1)


def test_other_inputs_and_forged_runs_are_refused(
    call: Call, runs: tuple[Path, Path], toys: Toys, fast: Flags, tmp_path: Path
) -> None:
    toys.picture("others/face9.png", seed=99)
    model = toys.folder / "one.onnx"
    assert (
        call(
            "audit", "--images", toys.folder / "others", "--model", model, *fast, "--out", tmp_path / "c"
        ).code
        == 0
    )
    refused = call("diff", runs[0], tmp_path / "c")
    assert refused.code == 2
    assert "share no input" in refused.error
    path = runs[1] / "audit.json"
    path.write_text(path.read_text().replace('"found": 4', '"found": 3'))
    assert call("diff", *runs).code == 5
    assert call("diff", *runs, "--unchecked").code == 0


def side(model: str) -> dict[str, Any]:
    return {"model": model}


def compared(*rows: dict[str, Any]) -> dict[str, Any]:
    return {
        "first": side("old.onnx"),
        "second": side("new\x07.onnx"),
        "shared": 40,
        "label": "yes",
        "corrected": True,
        "rows": list(rows),
    }


def logits(**more: Any) -> dict[str, Any]:
    return {
        "figure": "effect", "subject": "Pale_Skin", "unit": "logit", "first": 0.5, "second": -1.5,
        "difference": {"value": -2.0, "low": -2.5, "high": -1.5}, "p": 0.0004, "reading": "changed",
    } | more  # fmt: skip


def share(**more: Any) -> dict[str, Any]:
    return {
        "figure": "found", "subject": "", "unit": "share", "first": 0.25, "second": 0.5,
        "difference": {"value": 0.25, "low": -0.05, "high": 0.5}, "p": None, "reading": "cannot tell",
    } | more  # fmt: skip


def printed(document: dict[str, Any], *, width: int = 130, page: Path | None = None) -> list[str]:
    file = io.StringIO()
    _show(Console(file=file, width=width, color_system=None), document, page)
    text = file.getvalue().replace("\u2212", "-").replace("\u202f", " ")
    return [" ".join(line.split()) for line in text.splitlines() if line.strip()]


def test_each_figure_stands_in_its_column() -> None:
    lines = printed(compared(logits(), share()), page=Path("diff.html"))
    assert lines[0] == "old.onnx (first) and new\\u0007.onnx (second) on 40 shared inputs"
    assert lines[1].startswith("Effect of Pale skin on “yes”: ")
    assert lines[2].startswith("Effects are less the generator's own error on each model")
    start = next(i for i, line in enumerate(lines) if line.startswith("figure"))
    assert lines[start] == "figure first second difference, 95 % interval p (Holm) reading"
    assert lines[start + 2 :] == [
        "effect Pale_Skin +0.50 -1.50 -2.00 (-2.50 to -1.50) <0.001 changed",
        "found 25 % 50 % +25 points (-5 to +50 points) \u2013 cannot tell",
        "The page: diff.html",
    ]


def test_what_has_no_difference_has_none() -> None:
    lines = printed(compared(share(difference=None, second=None, reading="not measured")))
    assert lines[1] == "Of no figure can one tell that it has changed."
    assert lines[-1] == "found 25 % \u2013 none \u2013 not measured"
    assert printed(compared(share(reading="not changed")))[1].startswith("Nothing has changed by more than")


def test_a_long_name_is_broken_and_not_cut() -> None:
    name = "a_column_with_a_very_long_name_that_no_narrow_terminal_holds_in_one_line"
    lines = printed(compared(logits(subject=name)), width=80)
    lines = lines[next(i for i, line in enumerate(lines) if line.startswith("figure")) + 2 :]
    assert "…" not in " ".join(lines)
    assert name in "".join(line.split()[0] for line in lines)
