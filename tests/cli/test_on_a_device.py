"""Commands with ``--device cuda`` on the pretend device: nothing of the host is mixed in, and results are the CPU's.

Backward passes and generators of random numbers do not run there (torch wants a driver), so ``train``, ``distill`` and
``explain`` are not among them; nor are ONNX files, whose runtime has a device of its own.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image
from safetensors.torch import save_file

from cfsearch.cli import main
from cfsearch.generators.attgan.config import AttGANConfig, CriticNorm
from cfsearch.generators.attgan.files import AttGANFile, save_attgan
from cfsearch.generators.attgan.networks import Critic, Editor
from tests.engine.pretend_card import PretendCard

CODE = """
import numpy as np
import torch

def network():
    return torch.nn.Sequential(torch.nn.AdaptiveAvgPool2d(2), torch.nn.Flatten(), torch.nn.Linear(12, 2))

def rows(frame):
    p = frame["a"].to_numpy(dtype=float)
    return np.stack([1 - p, p], 1)
"""
MODEL = "--model net.safetensors --arch device_models:network --evaluations 12 --population 6 --no-isolation"
ROWS = "--data rows.csv --label ok --model device_models:rows --evaluations 12 --population 6 --no-isolation"


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with pictures, rows, models and a generator, in which torch says that there is a GPU."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "device_models.py").write_text(CODE, encoding="utf-8")
    # "yes" from a mean of 0.43, which lies between the two pictures
    linear = torch.stack([torch.zeros(12), torch.linspace(0.5, 1.5, 12)])
    save_file({"2.weight": linear, "2.bias": torch.tensor([0.0, -12.0 * 0.43])}, tmp_path / "net.safetensors")
    (tmp_path / "net.toml").write_text(
        'labels = ["no", "yes"]\nscores = "logits"\n[input]\nrange = "0..1"\nsize = [64, 64]\n'
    )
    (tmp_path / "device_models.toml").write_text('labels = ["no", "yes"]\nscores = "probabilities"\n')
    (tmp_path / "rows.csv").write_text("a,b,ok\n0.1,0.9,no\n0.4,0.2,no\n0.8,0.5,yes\n0.3,0.7,no\n")
    (tmp_path / "faces").mkdir()
    rng = np.random.default_rng(0)
    for i in range(2):
        pixels = rng.integers(40 + 60 * i, 120 + 60 * i, size=(64, 64, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(tmp_path / "faces" / f"{i}.png")
    config = AttGANConfig(
        size=64, layers=2, width=2, critic_width=2, critic_hidden=4,
        critic_norm=CriticNorm.SPECTRAL, attributes=("Hat", "Smile"), groups=(),
    )  # fmt: skip
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        editor, critic = Editor(config).eval(), Critic(config).eval()
    save_attgan(tmp_path / "small.safetensors", AttGANFile(editor, critic, "tiny"))
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "synchronize", lambda _: None)
    return tmp_path


def answered(words: str) -> str:
    """What a command printed."""
    result = CliRunner().invoke(main, words.split())
    assert result.exit_code == 0, result.output
    return result.stdout


@pytest.mark.parametrize(
    "words",
    [
        f"search faces/0.png {MODEL} --generator small.safetensors",
        f"search faces/0.png {MODEL} --generator small.safetensors --solver smpso --immutable Hat",
        f"search faces/0.png {MODEL} --generator pixels:grid=2",
        f"search {ROWS} --sidecar device_models.toml --row 0",
    ],
    ids=["attgan", "attgan with smpso", "pixels", "rows"],
)
def test_a_search_on_a_device_is_that_of_the_host(words: str, here: Path) -> None:
    host: Any = json.loads(answered(f"{words} --json"))
    with PretendCard() as card:
        device: Any = json.loads(answered(f"{words} --json --device cuda"))
    assert card.reads > 0
    [ours], [theirs] = host["fronts"], device["fronts"]
    assert len(ours["members"]) == len(theirs["members"]) > 0
    for one, other in zip(ours["members"], theirs["members"], strict=True):
        assert list(one["objectives"].values()) == pytest.approx(list(other["objectives"].values()), abs=1e-4)


def test_an_audit_on_a_device_fails_for_no_input(here: Path) -> None:
    with PretendCard() as card:
        answered(f"audit --images faces {MODEL} --generator small.safetensors --out run --device cuda")
    assert card.reads > 0
    rows = json.loads((here / "run" / "audit.json").read_text())["instances"]
    assert len(rows) == 2
    assert not [row for row in rows if row["reason"] == "provider_error"]
