"""``cfsearch diff`` on the command line."""

from pathlib import Path

import jsonschema
import pytest

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
