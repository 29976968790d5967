"""``cfsearch gate``: its exit codes in every format, and its list."""

import json
import os
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as ET

import jsonschema
import pytest

from cfsearch.schemas import schema

from .conftest import Call, Flags

FORMATS = ("text", "json", "junit", "sarif", "github")


@pytest.fixture
def run(call: Call, model: Path, faces: Path, fast: Flags, tmp_path: Path) -> Path:
    answer = call("audit", "--images", faces, "--model", model, *fast, "--out", tmp_path / "run")
    assert answer.code == 0, answer.err
    return tmp_path / "run"


def test_f85_exit_codes_are_the_same_in_every_format(call: Call, run: Path, tmp_path: Path) -> None:
    # 4 of 4 found: 51 to 100 %
    for kind in FORMATS:
        assert call("gate", run, "--fail-if", "found_rate < 0.5", "--format", kind).code == 0, kind
        broken = call("gate", run, "--fail-if", "found_rate > 0.5", "--format", kind)
        assert broken.code == 1, kind
        assert broken.error == "error: gate: 1 of 1 conditions failed. [below_threshold]"
        open_ = ("gate", run, "--fail-if", "found_rate < 0.9", "--format", kind)
        assert call(*open_).code == 1, kind
        assert call(*open_, "--cannot-tell", "pass").code == 0, kind
        assert call("gate", run, "--fail-if", "no condition", "--format", kind).code == 2, kind
        assert call("gate", run, "--fail-if", "effect:Male > 1", "--format", kind).code == 1, kind
    assert call("gate", run).code == 2
    assert call("gate", tmp_path / "nowhere", "--fail-if", "found_rate > 1").code == 2


def test_f84_what_is_missing_fails_and_a_forged_run_is_refused(call: Call, run: Path) -> None:
    missing = call("gate", run, "--fail-if", "flip_rate:protected > 5%")
    assert missing.code == 1
    assert "the audit has no protected attributes" in missing.out
    path = run / "audit.json"
    path.write_text(path.read_text().replace('"found": 4', '"found": 3'))
    refused = call("gate", run, "--fail-if", "found_rate < 0.1")
    assert refused.code == 5
    assert "is not what was written" in refused.error
    assert call("gate", run, "--fail-if", "found_rate < 0.1", "--unchecked").code == 0


def test_json_and_files(call: Call, run: Path, tmp_path: Path) -> None:
    answer = call("gate", run, "--fail-if", "found_rate > 0.5", "--json")
    jsonschema.validate(answer.document, schema("gate"))
    assert answer.document["passed"] is False
    assert answer.document["judgements"][0]["n"] == 4
    assert (
        json.loads(call("gate", run, "--fail-if", "found_rate > 0.5", "--format", "json").out)
        == answer.document
    )
    out = tmp_path / "gate.xml"
    written = call("gate", run, "--fail-if", "found_rate > 0.5", "--format", "junit", "--out", out)
    assert written.out == f"{out}\n"
    assert ET.parse(out).getroot().get("failures") == "1"


def test_several_formats_of_one_judgement(call: Call, run: Path, tmp_path: Path) -> None:
    xml, sarif = tmp_path / "gate.xml", tmp_path / "gate.sarif"
    to_files = ("--format", "junit", "--out", xml, "--format", "sarif", "--out", sarif)
    written = call("gate", run, "--fail-if", "found_rate > 0.5", *to_files, "--format", "text")
    assert written.code == 1
    assert ET.parse(xml).getroot().get("failures") == "1"
    assert json.loads(sarif.read_text())["version"] == "2.1.0"
    alone = call("gate", run, "--fail-if", "found_rate > 0.5").out
    assert written.out == f"{xml}\n{sarif}\n{alone}"
    assert call("gate", run, "--fail-if", "found_rate > 0.5", *to_files).out == f"{xml}\n{sarif}\n"
    both = call("gate", run, "--fail-if", "found_rate > 0.5", "--format", "junit", "--format", "sarif")
    assert both.code == 2 and "expected at most one --format on stdout, got junit, sarif" in both.error
    more = call("gate", run, "--fail-if", "found_rate > 0.5", "--out", xml, "--out", sarif)
    assert more.code == 2 and "got 1 (text) for the 2 files" in more.error


def test_the_list_names_every_figure_and_each_can_be_judged(call: Call, run: Path) -> None:
    answer = call("gate", run, "--list", "--json")
    jsonschema.validate(answer.document, schema("metrics"))
    names = [figure["name"] for figure in answer.document["figures"]]
    assert names[:2] == ["found_rate", "failed_rate"]
    for name in names:
        metric, colon, subject = name.partition(":")
        line = f'{metric}{colon}"{subject}" > 1' if colon else f"{name} > 1"
        assert call("gate", run, "--fail-if", line).code == 0, line
    assert "share of inputs that failed" in " ".join(call("gate", run, "--list").out.split())


def test_gates_from_a_file(call: Call, run: Path, tmp_path: Path) -> None:
    gates = tmp_path / "gates.toml"
    gates.write_text('[[gate]]\nmetric = "found_rate"\nop = ">="\nvalue = 0.5\n')
    assert call("gate", run, "--gates", gates).code == 0
    gates.write_text('[[gate]]\nmetric = "found_rate"\nop = "<="\nvalue = 0.5\n')
    assert call("gate", run, "--gates", gates).code == 1


@pytest.mark.checkout
def test_the_shell_example_ends_with_the_code_of_the_gate(run: Path, tmp_path: Path) -> None:
    example = Path(__file__).parents[2] / "examples" / "gate.sh"
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "cfsearch"
    command.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m cfsearch "$@"\n')
    command.chmod(0o755)
    environment = {**os.environ, "PATH": f"{command.parent}:{os.environ['PATH']}"}

    def code(*conditions: str) -> int:
        words = ["sh", str(example), str(run), *conditions]
        return subprocess.run(words, cwd=tmp_path, env=environment, capture_output=True).returncode

    assert code("found_rate > 0.5", "failed_rate > 90%") == 1
    assert ET.parse(tmp_path / "gate.xml").getroot().get("tests") == "2"
    assert json.loads((tmp_path / "gate.sarif").read_text())["version"] == "2.1.0"
    assert code("failed_rate > 90%") == 0


@pytest.mark.checkout
def test_the_action_gives_every_input_to_the_gate() -> None:
    path = Path(__file__).parents[2] / ".github" / "actions" / "gate" / "action.yml"
    text = path.read_text()
    script = text.split("run: |")[1]
    for name, option in (
        ("RUN", '"$RUN"'),
        ("FAIL_IF", "--fail-if"),
        ("GATES", "--gates"),
        ("CANNOT_TELL", "--cannot-tell"),
    ):
        assert f"{name}: ${{{{ inputs." in text
        assert option in script
    assert "${{" not in script  # what a user writes is never a part of the script
