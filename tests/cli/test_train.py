"""``cfsearch train`` and ``cfsearch demo``: flags reach what does the work."""

import csv
import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch

from cfsearch.assembly.generator import open_generator
from cfsearch.audits.run import AuditProgress
from cfsearch.config import Config
from cfsearch.contracts.generator import AttributeEstimator, Critic, Generator
from cfsearch.datasets import faces
from cfsearch.datasets.faces.training import RenderedFaces
from cfsearch.schemas import schema

from .conftest import Call, Toys

Watch = Callable[[str, AuditProgress], None]

TINY = ("--critic-width", 4, "--critic-hidden", 8, "--batch", 4, "--log-every", 1, "--threads", 1)
NETS = ("--layers", 2, "--width", 4, *TINY)


def opened(path: Path) -> Generator[Any]:
    return open_generator(
        Config.check({"model": {"path": "x"}, "data": {"images": "x"}, "generator": str(path)})
    )


def attributes(path: Path) -> tuple[str, ...]:
    made = opened(path)
    assert isinstance(made, AttributeEstimator)
    return made.attribute_names


def test_a_generator_is_trained_and_goes_on(call: Call, tmp_path: Path) -> None:
    out = tmp_path / "mine.safetensors"
    words = ("train", "generator", "--data", "faces", "--people", 8, *NETS, "--out", out, "--json")
    answer = call(*words, "--steps", 2)
    assert answer.code == 0, answer.err
    jsonschema.validate(answer.document, schema("training"))
    made = opened(out)
    assert made.shape == (3, 64, 64)
    assert isinstance(made, Critic)
    assert attributes(out) == faces.ATTRIBUTES
    assert "goes on" not in answer.err
    longer = call(*words, "--steps", 3)
    assert longer.document["steps"] == 3
    assert "holds a training, which goes on from step 2." in longer.err
    before = out.read_bytes()
    other = call(*words, "--steps", 3, "--seed", 5, "--rate", 0.01)
    assert other.code == 2
    assert "seed was 0, now 5; rate was" in other.error
    assert out.read_bytes() == before
    lines = [
        json.loads(line) for line in (tmp_path / "mine-training" / "metrics.jsonl").read_text().splitlines()
    ]
    assert [line["step"] for line in lines] == [1, 2, 3]
    assert list((tmp_path / "mine-training" / "samples").glob("*.png"))
    assert "holds a training already" in call(*words[:-1], "--no-resume").error


def test_photographs_with_a_table_and_a_critic_for_a_frozen_generator(
    call: Call, toys: Toys, tmp_path: Path
) -> None:
    for i in range(6):
        toys.picture(f"photos/{i}.png", seed=i, size=(64, 64))
    table = tmp_path / "table.csv"
    with table.open("w", newline="") as file:
        csv.writer(file).writerows(
            [["file", "Hat", "Smile"], *([f"{i}.png", i % 2, i // 3] for i in range(6))]
        )
    data = ("--data", tmp_path / "photos", "--attributes", table)
    out = tmp_path / "mine.safetensors"
    answer = call("train", "generator", *data, *NETS, "--steps", 1, "--names", "Smile,Hat", "--out", out)
    assert answer.code == 0, answer.err
    assert attributes(out) == ("Smile", "Hat")
    both = tmp_path / "both.safetensors"
    answer = call("train", "critic", "--generator", out, *data, *TINY, "--steps", 1, "--out", both)
    assert answer.code == 0, answer.err
    made = opened(both)
    assert isinstance(made, Critic)
    assert "frozen generator" in made.critic_kind
    assert attributes(both) == ("Smile", "Hat")


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ((), "one of them"),
        (("--data", "faces", "--celeba", "x"), "one of them"),
        (("--data", "photos"), "needs --attributes CSV"),
        (("--data", "faces", "--names", "Hat"), "rendered faces have the attributes"),
        (("--data", "faces", "--family", "attgn"), "Did you mean 'attgan'?"),
        (("--data", "faces", "--people", 8, "--size", 65), "multiple"),
        (("--celeba", "nowhere"), "nowhere"),
    ],
)
def test_bad_settings_are_refused(call: Call, tmp_path: Path, words: tuple[object, ...], hint: str) -> None:
    answer = call("train", "generator", *words, "--out", tmp_path / "x.safetensors")
    assert answer.code == 2
    assert hint in answer.error
    assert list(tmp_path.iterdir()) == []


def test_bad_places_are_refused(call: Call, tmp_path: Path) -> None:
    assert "expected FILE.safetensors" in call("train", "generator", "--out", tmp_path / "x.onnx").error
    assert (
        "there is no folder" in call("train", "generator", "--out", tmp_path / "no" / "x.safetensors").error
    )
    words = ("train", "critic", "--generator", tmp_path / "none.pth", "--data", "faces")
    assert "but there is no such file" in call(*words, "--out", tmp_path / "x.safetensors").error


def test_rendered_faces_give_the_true_re_render() -> None:
    source = RenderedFaces(6, seed=3, size=64)
    rows = [0, 5, 2]
    part = source.batch(rows)
    assert part.images.shape == (3, 3, 64, 64)
    again = source.pairs(rows, part.labels)
    assert torch.equal((again * 255.0).round().to(torch.uint8), part.images)
    glasses = part.labels.clone()
    glasses[:, faces.ATTRIBUTES.index("Eyeglasses")] = 1.0 - glasses[:, faces.ATTRIBUTES.index("Eyeglasses")]
    changed = (source.pairs(rows, glasses) - again).abs().amax((1, 2, 3))
    assert np.all(changed.numpy() > 0.1)


def test_the_demo_gets_its_flags_and_prints_a_table(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    got: dict[str, Any] = {}
    reason = ""

    def fake(
        directory: Path, *, count: int, evaluations: int, seed: int, command: str, watch: Watch
    ) -> dict[str, Any]:
        got.update(directory=directory, count=count, evaluations=evaluations, seed=seed, command=command)
        watch("natural", AuditProgress(0, count, 0, 0, None))
        rate = {"value": 1.0, "low": 0.5, "high": 1.0}
        estimate = {"value": -1.5, "low": -2.0, "high": -1.0}
        return {
            "models": [{"id": "natural", "name": "trained on all faces", "labels": ["not Male", "Male"]}],
            "counts": [{"model": "natural", "found": 3, "searched": 4, "found_rate": rate}],
            "instances": [{"model": "natural", "reason": reason}],
            "effects": [
                {"model": "natural", "variable": name, "estimate": estimate}
                for name in ("Male", "Blond_Hair")
            ],
        }

    monkeypatch.setattr("cfsearch.demo.run_demo", fake)
    out = tmp_path / "demo"
    opened: list[str] = []

    def browse(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr("webbrowser.open", browse)
    answer = call("demo", "--out", out, "--faces", 4, "--evaluations", 60, "--seed", 3)
    assert answer.code == 0, answer.err
    assert got == {"directory": out, "count": 4, "evaluations": 60, "seed": 3, "command": got["command"]}
    assert got["command"].startswith("cfsearch demo --out ")
    text = " ".join(answer.out.split())
    assert "trained on all faces 3/4 Blond_Hair -1.5 logits" in text
    assert answer.out.rstrip().endswith("report.html")
    assert "verified counterfactuals" in text
    reason = "not_genuine"
    text = " ".join(call("demo", "--out", out, "--faces", 4, "--evaluations", 60).out.split())
    assert "verified and genuine" in text  # the heading is folded
    assert opened == []
    assert call("demo", "--out", out, "--open").code == 0
    assert opened == [(out / "report.html").resolve().as_uri()]


def test_f62_a_signal_ends_a_training_with_a_checkpoint(
    call: Call, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def stop(_: object, text: str, *, share: float) -> None:
        if text.startswith("step 2,"):
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr("cfsearch.cli._progress._Plain.update", stop)
    out = tmp_path / "mine.safetensors"
    words = ("train", "generator", "--data", "faces", "--people", 8, *NETS, "--steps", 5, "--out", out)
    answer = call(*words)
    assert answer.code == 130
    assert "To go on: cfsearch train generator" in answer.error
    assert not out.exists()
    assert [path.name for path in (tmp_path / "mine-training" / "checkpoints").iterdir()] == ["step-00000002"]
    answer = call(*words, "--json")
    assert (answer.document["steps"], answer.document["finished"]) == (5, True)


@pytest.mark.parametrize("people", ["1", "many"])
def test_rendered_people_are_two_at_least(call: Call, people: str) -> None:
    answer = call("train", "generator", "--data", "faces", "--people", people)
    assert answer.code == 2
    assert "--people" in answer.error
