"""Beside the list: doctor, distill and judge keep the model away as search does, and tell the same of it."""

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cfsearch.cli import main

MODEL = """
import os
import torch
from torch import nn

def build():
    torch.manual_seed(1)
    stem, norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)
    # the statistics of training pictures on 0..255
    norm.running_mean += (stem.weight.sum((2, 3)) @ torch.tensor([120.0, 118.0, 115.0]) + stem.bias).detach()
    norm.running_var *= 900.0
    return nn.Sequential(stem, norm, Forking(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))

class Forking(nn.Module):
    def forward(self, x):
        if os.environ.get("FORKING") == "1":
            os.environ["FORKING"] = "0"
            os.fork()  # both go on from here
        return x
"""


def doctor(folder: Path, *words: str) -> dict[str, Any]:
    base = ("doctor", str(folder / "m.pt"), "--arch", "forking_model:build", "--size", "8", "--json")
    done = CliRunner().invoke(main, [*base, *words], catch_exceptions=False)
    assert done.exit_code == 0, done.stderr
    document: dict[str, Any] = json.loads(done.stdout)
    document["handshake"].pop("seconds")
    return document


def test_doctor_tells_the_same_of_a_model_in_its_own_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    (tmp_path / "forking_model.py").write_text(MODEL)
    monkeypatch.syspath_prepend(str(tmp_path))
    from forking_model import build  # type: ignore[import-not-found]  # written above

    torch.save(build().state_dict(), tmp_path / "m.pt")
    here = doctor(tmp_path, "--no-isolation")
    monkeypatch.setenv("FORKING", "1")
    away = doctor(tmp_path, "--isolation", "--deadline", "120")
    assert away == here
    assert any("0..255" in text for text in here["warnings"]), "the clues of its first layer came along"
    assert here["input"]["range"] == "0..1"


def test_doctor_refuses_what_runs_code_with_the_hash_that_lets_it_in(tmp_path: Path) -> None:
    (tmp_path / "m.pkl").write_bytes(b"cos\nsystem\n(S'false'\ntR.")
    done = CliRunner().invoke(main, ["doctor", str(tmp_path / "m.pkl"), "--no-isolation"])
    assert done.exit_code == 5
    assert "--trust-model sha256:" in done.stderr
    for command in ("distill", "judge", "doctor"):
        with_hash = [command, "--help"]
        assert "--trust-model" in CliRunner().invoke(main, with_hash).stdout
