"""``cfsearch audit``: the run directory, resuming it, and what stops it."""

import contextlib
import html
import io
import json
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from rich.console import Console

from cfsearch.cli.audit import _rate_of, _ratios, _show
from cfsearch.runs.directory import RunDirectory
from cfsearch.runs.reservation import Reservation
from cfsearch.schemas import schema

from .conftest import Call, Flags, Spawn, Toys

SLOW = """
import ctypes
import numpy as np

calls = 0


def predict(x):
    global calls
    calls += 1
    if calls > 15:
        print("hanging", flush=True)
        while True:
            ctypes.CDLL(None).sleep(60)  # holds no lock and hears no signal
    p = x.mean((1, 2, 3))
    return np.stack([1 - p, p], 1)
"""


def fronts(run: Path) -> dict[str, bytes]:
    with RunDirectory.read(run) as opened:
        return {row.name: row.front.to_bytes() for row in opened.rows() if row.front is not None}


def wait_for_rows(run: Path, count: int, *, process: "subprocess.Popen[str]") -> None:
    """Until so many instances are on disk; the run must not have ended by then."""
    store, end = run / "run.sqlite", time.monotonic() + 60
    while time.monotonic() < end:
        assert process.poll() is None, process.communicate()[1]
        if store.exists():
            with contextlib.closing(sqlite3.connect(f"file:{store}?mode=ro", uri=True)) as opened:
                try:
                    if opened.execute("SELECT COUNT(*) FROM instances").fetchone()[0] >= count:
                        return
                except sqlite3.OperationalError:
                    pass
        time.sleep(0.02)
    raise AssertionError("nothing was written in a minute")


def test_an_audit_writes_its_documents(
    call: Call, model: Path, faces: Path, fast: Flags, tmp_path: Path
) -> None:
    run = tmp_path / "runs" / "one"
    answer = call("audit", "--images", faces, "--model", model, *fast, "--out", run)
    assert answer.code == 0, answer.err
    assert not re.search(r"\d%", answer.out)
    assert "4 of 4 searched images have a verified counterfactual (100 %, 51 % to 100 %)" in " ".join(
        answer.out.split()
    )
    assert answer.out.rstrip().endswith("report.html")
    jsonschema.validate(json.loads((run / "audit.json").read_text()), schema("audit"))
    jsonschema.validate(json.loads((run / "manifest.json").read_text()), schema("manifest"))
    assert (run / "report.html").read_text().lower().startswith("<!doctype html>")


def test_json_is_the_audit_document_and_a_second_call_repeats_nothing(
    call: Call, model: Path, faces: Path, fast: Flags, tmp_path: Path
) -> None:
    words = ("audit", "--images", faces, "--model", model, *fast, "--out", tmp_path / "run", "--json")
    first = call(*words)
    assert first.code == 0, first.err
    document = first.document
    jsonschema.validate(document, schema("audit"))
    assert document["command"].startswith("cfsearch audit --images ")
    assert document["counts"][0]["found"] == 4
    before = fronts(tmp_path / "run")
    again = call(*words)
    assert "note: 4 of 4 images were done before; going on." in again.err
    assert {k: v for k, v in again.document.items() if k != "finished"} == {
        k: v for k, v in document.items() if k != "finished"
    }
    assert fronts(tmp_path / "run") == before


def test_a_file_of_settings(call: Call, model: Path, faces: Path, tmp_path: Path) -> None:
    config = tmp_path / "cfsearch.toml"
    config.write_text(
        f'[model]\npath = "{model}"\n[data]\nimages = "{faces}"\n[search]\nevaluations = 48\npopulation = 24\n'
        'objectives = ["adversarial", {name = "intensity", norm = "l1"}]\n'
    )
    answer = call("audit", config, "--limit", 2, "--out", tmp_path / "run", "--json")
    assert answer.code == 0, answer.err
    assert answer.document["counts"][0]["instances"] == 2
    assert answer.document["search"]["objectives"][1]["settings"]["norm"] == "l1"


def test_f25_an_unreadable_image_is_skipped_and_reported(
    call: Call, model: Path, faces: Path, fast: Flags, tmp_path: Path
) -> None:
    (faces / "bad.png").write_bytes(b"\x89PNG\r\n")
    words = ("audit", "--images", faces, "--model", model, *fast, "--out", tmp_path / "run")
    answer = call(*words)
    assert answer.code == 4
    assert "bad.png" in answer.out
    assert "1 of 5 images failed" in answer.error
    assert call(*words, "--allow-partial").code == 0
    assert "bad.png" in (tmp_path / "run" / "report.html").read_text()


def test_a_model_that_fails_for_all_images_is_its_own_exit_code(
    call: Call, toys: Toys, faces: Path, fast: Flags, tmp_path: Path
) -> None:
    model = toys.model(brightest=0.55)
    answer = call(
        "audit", "--images", faces, "--model", model, *fast, "--out", tmp_path / "run", "--allow-partial"
    )
    assert answer.code == 3
    assert "failed for all 4 images" in answer.error


@pytest.mark.parametrize(
    ("change", "hint"),
    [(("--seed", 8), "search.seed was 7, now 8"), (("--limit", 3), "data.limit")],
    ids=["seed", "limit"],
)
def test_f68_changed_settings_are_refused_with_the_difference(
    call: Call, model: Path, faces: Path, fast: Flags, tmp_path: Path, change: tuple[object, ...], hint: str
) -> None:
    words = ("audit", "--images", faces, "--model", model, *fast, "--out", tmp_path / "run")
    assert call(*words).code == 0
    before = fronts(tmp_path / "run")
    answer = call(*words, *change)
    assert answer.code == 2
    assert hint in answer.error
    assert fronts(tmp_path / "run") == before


def test_f14_a_changed_model_is_refused_with_both_hashes(
    call: Call, toys: Toys, faces: Path, fast: Flags, tmp_path: Path
) -> None:
    words = ("audit", "--images", faces, "--model", toys.model(), *fast, "--out", tmp_path / "run")
    assert call(*words).code == 0
    toys.model(slope=13.0)
    answer = call(*words)
    assert answer.code == 2
    assert answer.error.count("onnx:") == 2


def test_f65_a_run_in_use_is_refused_with_the_process(
    call: Call, model: Path, faces: Path, fast: Flags, tmp_path: Path
) -> None:
    words = ("audit", "--images", faces, "--model", model, *fast, "--out", tmp_path / "run")
    assert call(*words).code == 0
    with RunDirectory.read(tmp_path / "run") as run:
        config, hashes = run.config, run.hashes
    with RunDirectory.start(tmp_path / "run", config=config, hashes=hashes):
        answer = call(*words)
    assert answer.code == 2
    assert f"process {os.getpid()} on" in answer.error


def test_a_name_of_any_bytes_is_written_as_escapes(
    call: Call, model: Path, toys: Toys, fast: Flags, tmp_path: Path
) -> None:
    toys.picture("faces/odd.png").rename(tmp_path / "faces" / os.fsdecode(b"f\xff.png"))
    answer = call(
        "audit", "--images", tmp_path / "faces", "--model", model, *fast, "--out", tmp_path / "run", "--json"
    )
    assert answer.code == 0, answer.err
    assert answer.document["instances"][0]["name"] == "f\\xff.png"
    assert call("show", tmp_path / "run", "f\\xff.png").code == 0


def test_a_folder_of_runs_names_them(
    call: Call, model: Path, faces: Path, fast: Flags, tmp_path: Path
) -> None:
    run = tmp_path / "runs" / "one"
    assert call("audit", "--images", faces, "--model", model, *fast, "--limit", 1, "--out", run).code == 0
    assert str(run) in call("show", tmp_path / "runs").error


def test_a_folder_that_is_no_run_is_left_alone(
    call: Call, model: Path, faces: Path, fast: Flags, tmp_path: Path
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").write_text("x")
    answer = call("audit", "--images", faces, "--model", model, *fast, "--out", tmp_path / "mine")
    assert answer.code == 2
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.txt"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_f64_a_read_only_folder_is_refused(
    call: Call, model: Path, faces: Path, fast: Flags, tmp_path: Path
) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    answer = call("audit", "--images", faces, "--model", model, *fast, "--out", tmp_path / "locked" / "run")
    assert answer.code == 2


@pytest.fixture
def long(toys: Toys, model: Path) -> Flags:
    """Words of an audit of 8 images that takes a few seconds."""
    images = toys.pictures(count=8)
    flags = ("--evaluations", 1000, "--population", 50, "--seed", 7, "--generator", "pixels:grid=3")
    goals = ("--objective", "adversarial", "--objective", "intensity", "--threads", 1, "--batch-size", 1)
    return ("audit", "--images", images, "--model", model, *flags, *goals)


def test_f61_a_killed_audit_goes_on_and_its_fronts_are_those_of_an_uninterrupted_one(
    call: Call, fork: Spawn, long: Flags, tmp_path: Path
) -> None:
    run, whole = tmp_path / "run", tmp_path / "whole"
    with fork(*long, "--out", run) as process:
        wait_for_rows(run, 2, process=process)
        process.send_signal(signal.SIGKILL)
        assert process.wait(10) == -signal.SIGKILL
    kept = fronts(run)
    assert 2 <= len(kept) < 8
    answer = call(*long, "--out", run)
    assert answer.code == 0, answer.err
    assert f"{len(kept)} of 8 images were done before" in answer.err
    assert call(*long, "--out", whole).code == 0
    assert fronts(run) == fronts(whole)
    assert kept.items() <= fronts(run).items()


@pytest.mark.parametrize(
    ("number", "how"), [(signal.SIGINT, "spawn"), (signal.SIGTERM, "fork")], ids=["ctrl-c", "sigterm"]
)
def test_f62_a_signal_saves_the_state_and_prints_the_line_that_resumes(
    request: pytest.FixtureRequest, long: Flags, tmp_path: Path, number: signal.Signals, how: str
) -> None:
    run, start = tmp_path / "run", request.getfixturevalue(how)
    with start(*long, "--out", run, "--json") as process:
        wait_for_rows(run, 1, process=process)
        process.send_signal(number)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in err
    assert "To go on: cfsearch audit --images" in err.splitlines()[-1]
    assert json.loads(out)["error"]["code"] == "interrupted"
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["status"] == "interrupted"
    assert 1 <= len(fronts(run)) < 8, "the searches that had not begun were not waited for"
    assert not Path(run / "audit.json").exists()


def test_a_model_that_does_not_come_back_cannot_hold_a_stop_up(
    fork: Spawn, faces: Path, tmp_path: Path
) -> None:
    (tmp_path / "slow.py").write_text(SLOW)
    sidecar = tmp_path / "slow.toml"
    sidecar.write_text('labels = ["a", "b"]\nscores = "probabilities"\n')
    words = (
        "audit",
        "--images",
        faces,
        "--model",
        "slow:predict",
        "--sidecar",
        sidecar,
        "--out",
        tmp_path / "run",
    )
    goals = ("--objective", "adversarial", "--objective", "intensity", "--generator", "pixels:grid=2")
    with fork(*words, *goals, "--no-isolation", PYTHONPATH=str(tmp_path)) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "hanging\n"
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=60)  # the model would hang for ever
    assert process.returncode == 130
    assert "To go on: cfsearch audit" in err


def test_two_models_side_by_side(call: Call, toys: Toys, faces: Path, fast: Flags, tmp_path: Path) -> None:
    models = [toys.model("old.onnx"), toys.model("new.onnx", slope=20.0)]
    run = tmp_path / "both"
    flags = [word for model in models for word in ("--model", model)]
    answer = call("audit", "--images", faces, *flags, *fast, "--out", run)
    assert answer.code == 0, answer.err
    words = " ".join(answer.out.split())
    for name in ("old", "new"):
        assert f"{name}: 4 of 4 searched images have a verified counterfactual" in words
        jsonschema.validate(json.loads((run / name / "manifest.json").read_text()), schema("manifest"))
        assert len(fronts(run / name)) == 4
    document = json.loads((run / "audit.json").read_text())
    jsonschema.validate(document, schema("audit"))
    assert [entry["id"] for entry in document["models"]] == ["old", "new"]
    page = (run / "report.html").read_bytes()
    assert call("report", run).code == 0
    assert (run / "report.html").read_bytes() == page
    refused = call("show", run)
    assert "holds several runs; name one of them" in refused.error


def test_a_search_refuses_a_second_model(call: Call, toys: Toys, face: Path, fast: Flags) -> None:
    first, second = toys.model("old.onnx"), toys.model("new.onnx")
    answer = call("search", face, "--model", first, "--model", second, *fast)
    assert answer.code == 2
    assert "takes one model here, got 2" in answer.err
    assert "cfsearch audit" in answer.err


def test_protected_attributes_and_the_practical_size_arrive(call: Call, face: Path, tmp_path: Path) -> None:
    """On the classifier and the generator that ship, which are of 64 pixels."""
    model = files("cfsearch.models").joinpath("gender_natural.onnx")
    words = (
        *("audit", "--images", face, "--model", model, "--generator", "faces64", "--evaluations", 20),
        *("--population", 10, "--threads", 1, "--protected", "Young, Bald", "--practical", 0.5),
    )
    answer = call(*words, "--out", tmp_path / "run")
    assert answer.code == 0, answer.err
    document = json.loads((tmp_path / "run" / "audit.json").read_text())
    jsonschema.validate(document, schema("audit"))
    assert (document["protected"], document["practical"]) == (["Young", "Bald"], 0.5)
    assert {v["variable"] for v in document["verdicts"]} == {"Young", "Bald"}
    said = " ".join(answer.out.split())
    for verdict in document["verdicts"]:
        assert " ".join(f"{verdict['headline']} {verdict['detail']}".split()) in said
    page = html.unescape((tmp_path / "run" / "report.html").read_text())
    assert document["verdicts"][0]["headline"] in page
    strongest = document["effects"][0]
    [line] = [one for one in answer.out.splitlines() if one.split()[:1] == [strongest["variable"]]]
    value, alone = strongest["estimate"]["value"], strongest["flips_alone"]
    assert f"{value:+.2f} [" in line
    assert f"{alone['count']}/{alone['n']}" in line
    assert strongest["reading"] in line
    # another question to the same run searches nothing anew
    again = call(*words[:-4], "--practical", 2.0, "--out", tmp_path / "run", "--json")
    assert again.code == 0, again.err
    assert again.document["practical"] == 2.0
    assert "1 of 1 images were done before" in again.err


def test_a_protected_attribute_that_is_none_is_refused_before_a_directory_is_made(
    call: Call, model: Path, face: Path, fast: Flags, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    answer = call("audit", "--images", face, "--model", model, *fast, "--protected", "Male", "--out", run)
    assert "protected needs a generator that changes named attributes, got 'pixels'" in answer.error
    shipped = files("cfsearch.models").joinpath("gender_natural.onnx")
    words = ("--model", shipped, "--generator", "faces64", "--protected", "male", "--out", run)
    assert "did you mean 'Male'" in call("audit", "--images", face, *words).error.replace("Did", "did")
    assert not run.exists()


@pytest.mark.parametrize("fault", ["in use", "other settings", "cannot be made"])
def test_f64_a_directory_that_cannot_be_used_costs_no_query(
    call: Call, faces: Path, fast: Flags, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    (tmp_path / "counting_model.py").write_text(
        "import numpy as np\n"
        "asked = []\n"
        "def predict(x):\n"
        "    asked.append(len(x))\n"
        "    p = 1 / (1 + np.exp(-12 * (x.mean((1, 2, 3)) - 0.5)))\n"
        "    return np.stack([1 - p, p], 1)\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "counting_model", raising=False)
    words = ("audit", "--images", faces, "--model", "counting_model:predict", "--limit", 1, *fast, "--out")
    assert call(*words, tmp_path / "run").code == 0
    asked = sys.modules["counting_model"].asked
    assert asked
    asked.clear()
    if fault == "in use":
        with Reservation.of(tmp_path / "run"):
            answer = call(*words, tmp_path / "run")
    elif fault == "other settings":
        answer = call(*words, tmp_path / "run", "--seed", 8)
    else:
        answer = call(*words, tmp_path / "counting_model.py" / "run")
    assert answer.code == 2
    assert answer.error.endswith("[run]")
    assert asked == []


def test_a_group_with_too_few_searched_inputs_is_not_one_without_any() -> None:
    few = {"searched": 8, "found_rate": None}
    many = {"searched": 12, "found_rate": {"value": 0.5, "low": 0.25, "high": 0.75}}
    assert _rate_of(few) == "too few of 8"
    assert _rate_of({"searched": 0, "found_rate": None}) == "none searched"
    assert _rate_of(many) == "50\u202f%, 25\u202f% to 75\u202f% of 12"


def test_the_terminal_shows_the_twelve_most_frequent_changes(tmp_path: Path) -> None:
    rate = {"value": 0.5, "low": 0.4, "high": 0.6}
    changes = [
        {"model": "m", "variable": f"v{i:02}", "direction": "changed", "count": 9, "n": 20, "rate": rate}
        for i in range(15)
    ]
    made: Any = {
        "models": [{"id": "m", "name": "m", "labels": ["no", "yes"]}], "counts": [], "changes": changes,
        "search": {"target": None}, "effects": [], "inputs": "pictures", "instances": [],
    }  # fmt: skip
    console = Console(file=io.StringIO(), width=120, record=True)
    _show(console, made, tmp_path / "report.html", noun="picture")
    printed = console.export_text()
    assert [f"v{i:02}" in printed for i in range(15)] == [True] * 12 + [False] * 3


def test_ratios_are_those_of_their_column_wherever_it_stands() -> None:
    def group(attribute: str, ratio: float) -> dict[str, Any]:
        one = {"name": attribute, "ratio": {"value": ratio, "low": ratio, "high": ratio}}
        return {
            "attribute": attribute,
            "model": "m",
            "impact": {"groups": [one], "unknown": 0, "most_selected": "them"},
        }

    made = {"groups": [{"attribute": "age", "model": "m"}, group("sex", 0.5), group("race", 0.25)]}
    [line] = _ratios(made, "race", "m")
    assert "race 0.25, 0.25 to 0.25" in line and "0.50" not in line
    assert _ratios(made, "age", "m") == []
