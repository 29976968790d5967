"""``cfsearch check``, and the commands that refuse a run that fails it."""

import json
from pathlib import Path

import jsonschema
import pytest

from cfsearch.schemas import schema

from .conftest import Call, Flags


@pytest.fixture
def run(call: Call, model: Path, faces: Path, fast: Flags, tmp_path: Path) -> Path:
    answer = call("audit", "--images", faces, "--model", model, *fast, "--out", tmp_path / "run")
    assert answer.code == 0, answer.err
    return tmp_path / "run"


def test_an_untouched_run_passes_and_a_forged_one_is_refused_everywhere(
    call: Call, run: Path, tmp_path: Path
) -> None:
    good = call("check", run)
    assert good.code == 0
    assert "Nothing found: 6 files, 2 events, 4 fronts" in good.out
    path = run / "audit.json"
    document = json.loads(path.read_text())
    document["counts"][0]["found"] = 1
    path.write_text(json.dumps(document))
    bad = call("check", run, "--json")
    assert bad.code == 5
    jsonschema.validate(bad.document, schema("check"))
    assert {f["check"] for f in bad.document["findings"]} == {"checksums", "figures", "page"}
    assert "are not what was written. [damaged]" in bad.error
    assert "`counts` differ" in call("check", run).out
    export = ("export", run, "--format", "csv", "--out", tmp_path / "one.csv")
    for words in (("report", run), ("explore", run, "--no-open"), export):
        refused = call(*words)
        assert refused.code == 5, words
        assert "Give --unchecked" in refused.error
        assert call(*words, "--unchecked").code == 0, words


def test_several_models_are_checked_together(
    call: Call, model: Path, faces: Path, fast: Flags, tmp_path: Path
) -> None:
    other = tmp_path / "other.onnx"
    other.write_bytes(model.read_bytes())
    other.with_suffix(".toml").write_text(model.with_suffix(".toml").read_text())
    out = tmp_path / "both"
    made = call("audit", "--images", faces, "--model", model, "--model", other, *fast, "--out", out)
    assert made.code == 0, made.err
    good = call("check", out, "--json")
    assert good.code == 0, good.out
    assert good.document["checked"]["fronts"] == 8
    (out / "other" / "manifest.json").write_text("{}")
    bad = call("check", out, "--json")
    assert bad.code == 5
    assert {f["part"] for f in bad.document["findings"]} == {"manifest.json"}
