"""F10 and F47: what a model does to itself fails one input, and the audit goes on."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from cfsearch.cli import main
from cfsearch.runs.directory import RunDirectory

MODEL = """
import os, sys
import numpy as np

def predict(x):
    print("chatter on stdout", flush=True)
    mean = x.mean((1, 2, 3))
    if (mean > 0.9).any():
        {fault}
    p = 1 / (1 + np.exp(-12 * (mean - 0.5)))
    return np.stack([1 - p, p], 1)
"""
Audit = Callable[..., Result]


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    """Audits two dark pictures and a bright one, at which the model does what ``fault`` says."""
    (tmp_path / "faces").mkdir()
    for i, value in enumerate((95, 110, 245)):
        Image.fromarray(np.full((16, 16, 3), value, np.uint8)).save(tmp_path / "faces" / f"f{i}.png")
    (tmp_path / "m.toml").write_text('labels = ["dark", "bright"]\nscores = "probabilities"\n')
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "faulty_model", raising=False)

    def run(out: str, *flags: object, fault: str, limit: int = 3) -> Result:
        (tmp_path / "faulty_model.py").write_text(MODEL.format(fault=fault))
        words = ("audit", "--images", tmp_path / "faces", "--model", "faulty_model:predict", "--json")
        goals = ("--objective", "adversarial", "--objective", "intensity", "--generator", "pixels:grid=2")
        size = ("--evaluations", 96, "--population", 24, "--seed", 7, "--threads", 1, "--limit", limit)
        more = ("--sidecar", tmp_path / "m.toml", "--out", tmp_path / out)
        every = (*words, *goals, *size, *more, *flags)
        return CliRunner().invoke(main, [str(word) for word in every], catch_exceptions=False)

    return run


def rows(folder: Path) -> dict[str, tuple[str, bytes]]:
    with RunDirectory.read(folder) as run:
        return {r.name: (r.code, b"" if r.front is None else r.front.to_bytes()) for r in run.rows()}


def test_f10_an_input_that_ends_the_model_fails_alone(audit: Audit, tmp_path: Path) -> None:
    done = audit("run", "--isolation", fault="os.abort()")
    assert done.exit_code == 4, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)  # which the model's chatter does not spoil
    failed = [row for row in document["instances"] if row["status"] == "failed"]
    assert [(row["name"], row["reason"]) for row in failed] == [("f2.png", "provider_crashed")]
    assert "was ended by SIGABRT" in failed[0]["message"]
    assert "chatter on stdout" in failed[0]["message"]
    again = audit("run", "--isolation", "--allow-partial", fault="os.abort()")
    assert again.exit_code == 0, again.stderr
    assert "3 of 3 images were done before" in again.stderr
    here = audit("here", "--no-isolation", fault="os.abort()", limit=2)
    assert here.exit_code == 0, here.stderr
    kept, whole = rows(tmp_path / "run"), rows(tmp_path / "here")
    assert {name: kept[name] for name in whole} == whole  # byte for byte


def test_f47_an_input_on_which_the_model_hangs_fails_at_its_deadline(audit: Audit, tmp_path: Path) -> None:
    done = audit("run", "--isolation", "--deadline", 3, fault="\n        while True: pass")
    assert done.exit_code == 4, done.stderr
    found = {name: code for name, (code, _) in rows(tmp_path / "run").items()}
    assert found["f2.png"] == "deadline"
    assert [name for name, code in found.items() if code in ("deadline", "provider", "provider_crashed")] == [
        "f2.png"
    ]


@pytest.mark.parametrize("where", ["--isolation", "--no-isolation"])
def test_a_model_that_exits_does_not_end_the_audit_with_0(audit: Audit, where: str) -> None:
    done = audit("run", where, fault="sys.exit(0)")
    assert done.exit_code == 4, done.stderr
    assert "sys.exit(0)" in done.stderr
