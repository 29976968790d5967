"""Commands that look at what is there: show, report, explore, export, verify, doctor, plan, bench, init."""

import csv
import io
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import jsonschema
import pandas as pd
import pytest

from cfsearch.config import Config
from cfsearch.runs.directory import RunDirectory
from cfsearch.schemas import schema

from .conftest import Call, Flags, Toys


@pytest.fixture
def run(call: Call, model: Path, faces: Path, fast: Flags, tmp_path: Path) -> Path:
    """A finished run of four faces."""
    path = tmp_path / "run"
    answer = call("audit", "--images", faces, "--model", model, *fast, "--out", path)
    assert answer.code == 0, answer.err
    return path


def test_show_lists_a_run(call: Call, run: Path) -> None:
    document = call("show", run, "--json").document
    jsonschema.validate(document, schema("instances"))
    assert [entry["status"] for entry in document["instances"]] == ["found"] * 4
    text = call("show", run).out
    assert "face3.png" in text
    assert "not ended" not in text


def test_show_a_front_of_a_run(call: Call, run: Path) -> None:
    document = call("show", run, "face1.png", "--json").document
    jsonschema.validate(document, schema("front"))
    assert "face1.png: dark" in call("show", run, "face1.png").out


@pytest.mark.parametrize("pick", ["knee", "closest", "sparsest"])
def test_show_one_member(call: Call, run: Path, pick: str) -> None:
    document = call("show", run, "face0.png", "--pick", pick, "--json").document
    jsonschema.validate(document, schema("member"))
    assert pick in document["member"]["picked_as"]
    assert pick in call("show", run, "face0.png", "--pick", pick).out


def test_show_refuses_what_is_not_there(call: Call, run: Path, face: Path) -> None:
    assert "no instance 'face9.png'" in call("show", run, "face9.png").error
    assert "needs the NAME" in call("show", run, "--pick", "knee").error
    assert "plausibility" in call("show", run, "face0.png", "--pick", "crossing").error
    assert "not a front file" in call("show", face).error


def test_report_is_written_again(call: Call, run: Path) -> None:
    page = run / "report.html"
    before = page.read_text()
    page.unlink()
    answer = call("report", run, "--json")
    jsonschema.validate(answer.document, schema("file"))
    assert page.read_text() == before


def test_explore_writes_the_page_where_it_is_missing_and_opens_it(
    call: Call, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = []

    def browse(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr("webbrowser.open", browse)
    (run / "report.html").unlink()
    answer = call("explore", run)
    assert answer.code == 0, answer.err
    assert opened == [(run / "report.html").resolve().as_uri()]
    monkeypatch.setattr("webbrowser.open", lambda _: False)
    assert "by hand" in call("explore", run).err
    assert call("explore", run, "--no-open").err == ""


def test_report_of_a_run_that_has_not_ended(call: Call, run: Path) -> None:
    (run / "audit.json").unlink()
    assert "is gone" in call("report", run).error  # it had ended
    (run / "checksums.json").unlink()
    assert "has not ended" in call("report", run).error
    assert "This run has not ended" in call("show", run).out


@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_export_writes_a_table(call: Call, run: Path, tmp_path: Path, kind: str) -> None:
    out = tmp_path / f"out.{kind}"
    answer = call("export", run, "--format", kind, "--out", out, "--json")
    assert answer.code == 0, answer.err
    jsonschema.validate(answer.document, schema("file"))
    first = out.read_bytes()
    assert call("export", run, "--format", kind, "--out", out).code == 0
    assert out.read_bytes() == first
    rows: Any  # of three readers
    if kind == "jsonl":
        rows = [json.loads(line) for line in first.splitlines()]
    elif kind == "csv":
        rows = list(csv.DictReader(io.StringIO(first.decode())))
    else:
        rows = pd.read_parquet(out).to_dict("records")
    assert len(rows) == answer.document["rows"]
    with RunDirectory.read(run) as stored:
        members = [(f.name, float(f.f[i, 0])) for r in stored.rows() if (f := r.front) for i in range(len(f))]
    assert [row["name"] for row in rows] == [name for name, _ in members]
    costs = [float(row["objective_adversarial"]) for row in rows]
    assert costs == pytest.approx([value for _, value in members])
    assert {"verified", "p_dark", "p_bright", "words", "picked_as"} <= set(rows[0])


def test_export_of_records_for_other_tools(call: Call, run: Path, tmp_path: Path) -> None:
    digest = json.loads((run / "audit.json").read_text())["models"][0]["fingerprint"].split(":")[1]
    for kind in ("in-toto", "svr", "cyclonedx", "model-card", "aiverify", "aiverify-plugin"):
        out = tmp_path / kind
        answer = call("export", run, "--format", kind, "--out", out, "--json")
        assert answer.code == 0, answer.err
        jsonschema.validate(answer.document, schema("file"))
        assert answer.document["table"] == kind
        if kind in ("in-toto", "svr", "cyclonedx"):
            text = out.read_text()
            assert len(text.splitlines()) > 20 and text.endswith("\n}\n"), "a person can read it too"
    assert json.loads((tmp_path / "in-toto").read_text())["subject"][0]["digest"] == {"sha256": digest}
    assert json.loads((tmp_path / "svr").read_text())["predicateType"].endswith("svr/v0.2")
    assert json.loads((tmp_path / "cyclonedx").read_text())["components"][0]["hashes"][0]["content"] == digest
    assert digest in (tmp_path / "model-card").read_text()
    with zipfile.ZipFile(tmp_path / "aiverify") as archive:
        assert archive.read("artifacts/report.html") == (run / "report.html").read_bytes()


def test_export_of_ratios_needs_groups_and_a_known_ending(call: Call, run: Path, tmp_path: Path) -> None:
    none = call("export", run, "--format", "ll144", "--out", tmp_path / "ratios.csv")
    assert none.code == 2
    assert "the audit has no groups" in none.error and "--by" in none.error
    other = call("export", run, "--format", "ll144", "--out", tmp_path / "ratios.txt")
    assert other.code == 2
    assert "as .csv, .json or .md, got a file ending in '.txt'" in other.error
    out = tmp_path / "evidence.md"
    assert call("export", run, "--format", "annex-iv", "--out", out).code == 0
    assert "| Regulation (EU) 2024/1689 | Annex IV, 2 (g) |" in out.read_text()


def test_export_of_instances(call: Call, run: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.csv"
    assert call("export", run, "--format", "csv", "--table", "instances", "--out", out).code == 0
    with out.open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["name"] for row in rows] == [f"face{i}.png" for i in range(4)]


def test_export_of_pictures(call: Call, run: Path, tmp_path: Path) -> None:
    out = tmp_path / "pictures"
    answer = call("export", run, "--format", "pictures", "--out", out, "--json")
    assert answer.code == 0, answer.err
    assert answer.document["rows"] == len(list(out.glob("*.png"))) > 4
    assert (out / "pictures.csv").read_text().startswith("file,name,what,member,class,")
    assert (
        "must be a new or an empty folder" in call("export", run, "--format", "pictures", "--out", out).error
    )


def test_export_refuses_a_folder_and_no_run(call: Call, run: Path, tmp_path: Path, faces: Path) -> None:
    assert "it is a folder" in call("export", run, "--format", "csv", "--out", tmp_path).error
    assert "no run directory" in call("export", faces, "--format", "csv", "--out", tmp_path / "x").error
    assert call("export", run, "--format", "csv", "--out", tmp_path / "no" / "x.csv").code == 2


def test_verify_finds_the_same_again_and_less_with_another_model(call: Call, run: Path, toys: Toys) -> None:
    document = call("verify", run, "--model", toys.model(), "--json").document
    jsonschema.validate(document, schema("verify"))
    assert document["picks_still"]["count"] == document["picks_still"]["n"] == 4
    assert document["originals_kept"]["count"] == 4
    stubborn = toys.model("later.onnx", slope=12.0, brightest=0.0)
    stubborn.with_suffix(".toml").write_text(
        'labels = ["dark", "bright"]\nscores = "probabilities"\n[input]\nmean = [0.2]\nstd = [1.0]\n'
    )
    answer = call("verify", run, "--model", stubborn, "--json").document
    assert answer["members_still"] < answer["members_then"]
    text = call("verify", run, "--model", stubborn).out
    assert "still flip" in text
    assert "no longer: face0.png" in text


def test_verify_refuses_other_classes(call: Call, run: Path, toys: Toys) -> None:
    model = toys.model("other.onnx", labels=("dark", "light"))
    assert "Name them alike" in call("verify", run, "--model", model).error


def test_doctor_says_what_a_model_takes_and_gives(call: Call, toys: Toys, model: Path) -> None:
    answer = call("doctor", model, "--json")
    assert answer.code == 0, answer.err
    document = answer.document
    jsonschema.validate(document, schema("doctor"))
    assert document["ok"]
    assert document["input"]["size"] == [32, 32]
    text = call("doctor", model).out
    assert "32 x 32 RGB, nchw, float32" in text
    assert "This model can be searched." in text


def test_doctor_names_the_line_to_change(call: Call, toys: Toys) -> None:
    model = toys.model(labels=("a", "b", "c"), end="Softmax")
    model.with_suffix(".toml").write_text('labels = ["a", "b", "c"]\nscores = "logits"\n')
    answer = call("doctor", model)
    assert answer.code == 0, answer.err
    assert 'Say scores = "probabilities"' in " ".join(answer.out.split())
    model.with_suffix(".toml").unlink()
    document = call("doctor", model, "--json").document
    assert not document["sidecar"]["present"]
    assert any("give `labels` in" in text for text in document["warnings"])


def test_plan_counts_before_anything_is_done(
    call: Call, model: Path, faces: Path, fast: Flags, tmp_path: Path
) -> None:
    answer = call("plan", "--images", faces, "--model", model, *fast, "--json")
    assert answer.code == 0, answer.err
    document = answer.document
    jsonschema.validate(document, schema("plan"))
    assert (document["images"], document["candidates"], document["queries"]) == (4, 960, 4 * (1 + 240 + 102))
    assert document["seconds"] > 0
    assert "at most 1,372 to the model" in call("plan", "--images", faces, "--model", model, *fast).out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["faces", "model.onnx", "model.toml"]


@pytest.mark.parametrize("evaluations", [240, 250])
def test_an_audit_queries_no_more_than_its_plan(
    call: Call, model: Path, faces: Path, fast: Flags, tmp_path: Path, evaluations: int
) -> None:
    words = ("--images", faces, "--model", model, *fast, "--evaluations", evaluations, "--json")
    planned = call("plan", *words).document
    done = call("audit", *words, "--out", tmp_path / "run").document
    asked = done["counts"][0]["questions"]["all"]
    assert planned["candidates"] < asked <= planned["queries"]


def test_plan_counts_votes(call: Call, toys: Toys, faces: Path, fast: Flags) -> None:
    model = toys.model(end="ArgMax")
    document = call("plan", "--images", faces, "--model", model, *fast, "--votes", 5, "--json").document
    assert document["queries"] == 4 * (5 * (1 + 240) + 102)  # what is kept is asked once more each


def test_bench_compares_solvers_from_a_stated_point(call: Call, model: Path, face: Path, fast: Flags) -> None:
    words = ("bench", face, "--model", model, *fast, "--solvers", "random,nsga2", "--seeds", 2)
    answer = call(*words, "--json")
    assert answer.code == 0, answer.err
    document = answer.document
    jsonschema.validate(document, schema("bench"))
    assert [row["solver"] for row in document["solvers"]] == ["nsga2", "random"]
    assert document["seeds"] == [7, 8]
    assert all(0.0 < row["mean"] <= 1.0 for row in document["solvers"])
    text = " ".join(call(*words).out.split())
    assert "Reference point: adversarial" in text
    assert "2 seeds, 240 candidates an image, 1 image." in text


def test_bench_needs_two_solvers_that_exist(call: Call, model: Path, face: Path, fast: Flags) -> None:
    assert "two names or more" in call("bench", face, "--model", model, "--solvers", "nsga2").error
    assert "Did you mean 'random'?" in call("bench", face, "--model", model, "--solvers", "nsga2,randm").error


def test_init_writes_a_file_that_can_be_read(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "cfsearch.toml"
    answer = call("init", path, "--json")
    jsonschema.validate(answer.document, schema("file"))
    config = Config.read(path)
    assert config == Config.check({"model": {"path": "model.onnx"}, "data": {"images": "images"}})
    again = call("init", path)
    assert again.code == 2
    assert "exists already" in again.error


def test_every_commented_setting_of_init_is_one(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "cfsearch.toml"
    assert call("init", path).code == 0
    lines = path.read_text().splitlines()
    loose = [line.removeprefix("# ") if line.startswith("# ") and " = " in line else line for line in lines]
    path.write_text("\n".join(loose))
    config = Config.read(path)
    assert config.search.constraints[0].settings == {"margin": 0.1}
    assert config.run.threads == 4
    jsonschema.validate(config.resolved(), schema("config"))


def test_init_names_the_file_that_it_wrote(call: Call, tmp_path: Path) -> None:
    path = tmp_path / "my hiring.toml"
    assert call("init", path).code == 0
    assert path.read_text().splitlines()[0].endswith(f"cfsearch audit '{path}' --out runs/first")


def test_verify_fails_below_the_share_that_was_set(call: Call, run: Path, toys: Toys) -> None:
    same = call("verify", run, "--model", toys.model(), "--at-least", 1.0)
    assert same.code == 0, same.err
    later = toys.model("later.onnx")
    later.with_suffix(".toml").write_text(
        'labels = ["dark", "bright"]\nscores = "probabilities"\n[input]\nmean = [0.2]\nstd = [1.0]\n'
    )
    answer = call("verify", run, "--model", later, "--at-least", 0.5, "--json")
    assert answer.code == 1
    assert answer.error == (
        "error: verify: 0 of 4 sparsest counterfactuals still flip (0 %), fewer than --at-least 0.5. "
        "[below_threshold]"
    )
    jsonschema.validate(answer.document, schema("verify"))
    assert answer.document["at_least"] == 0.5
    assert call("verify", run, "--model", later, "--at-least", 0.0).code == 0
    assert call("verify", run, "--model", later).code == 0
    assert call("verify", run, "--model", later, "--at-least", 2).code == 2


def test_verify_of_nothing_reaches_no_share(
    call: Call, toys: Toys, model: Path, faces: Path, fast: Flags, tmp_path: Path
) -> None:
    still = ("--generator", "pixels:grid=2,reach=0.01", "--out", tmp_path / "none")
    assert call("audit", "--images", faces, "--model", model, *fast, *still).code == 0
    answer = call("verify", tmp_path / "none", "--model", model, "--at-least", 0.1)
    assert answer.code == 1
    assert "there is no sparsest counterfactual to verify" in answer.error


@pytest.mark.parametrize(
    ("there", "code", "said"), [(True, None, "face0.png"), (False, 2, "there is no such run")]
)
def test_a_run_is_listed_or_missed_without_torch(run: Path, there: bool, code: int | None, said: str) -> None:
    program = (
        "import sys; from cfsearch.cli import main\n"
        f"try: main(['show', {str(run if there else run / 'none')!r}])\n"
        f"except SystemExit as end: assert (end.code or None) == {code!r}\n"
        "assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert said in done.stdout + done.stderr
