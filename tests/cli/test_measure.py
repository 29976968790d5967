"""``cfsearch measure generator``, and the measurement that ends a training."""

import json
from pathlib import Path

import jsonschema
import pytest
from safetensors import safe_open

from cfsearch.cli._measured import held_out
from cfsearch.generators.attgan.files import load_attgan
from cfsearch.schemas import schema

from .conftest import Call
from .test_train import NETS, opened


@pytest.fixture
def mine(call: Call, tmp_path: Path) -> Path:
    out = tmp_path / "mine.safetensors"
    answer = call("train", "generator", "--data", "faces", "--people", 8, *NETS, "--steps", 1, "--out", out)
    assert answer.code == 0, answer.err
    assert "edits were not measured" in answer.err
    assert dict(opened(out).edit_success) == {}
    return out


def weights(path: Path) -> dict[str, bytes]:
    with safe_open(path, framework="np") as file:
        return {name: file.get_tensor(name).tobytes() for name in file.keys()}  # noqa: SIM118


def test_figures_are_printed_and_written_without_touching_the_weights(
    call: Call, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cfsearch.measurement.judge._STEPS", (2, 2))
    before, fingerprint = weights(mine), opened(mine).fingerprint
    words = ("measure", "generator", mine, "--data", "faces", "--people", 64, "--threads", 1)
    printed = call(*words, "--no-write")
    assert printed.code == 0, printed.err
    assert "others kept" in printed.out
    assert "Cannot tell" in printed.out  # of 32 faces no judge tells thirteen attributes
    assert "measured" not in load_attgan(mine).card
    answer = call(*words, "--json")
    assert answer.code == 0, answer.err
    jsonschema.validate(answer.document, schema("measurement"))
    assert answer.document["images"] == 32
    card = load_attgan(mine).card
    figures = {k: v for k, v in answer.document.items() if k not in ("format", "file", "written")}
    assert card["measured"] == figures
    assert card["edit_success"] == pytest.approx(
        {k: v["success"]["value"] for k, v in figures["attributes"].items() if v["success"]}
    )
    assert (weights(mine), opened(mine).fingerprint) == (before, fingerprint)


def test_a_training_with_enough_images_ends_with_figures(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cfsearch.measurement.judge._STEPS", (2, 2))
    out = tmp_path / "mine.safetensors"
    words = ("train", "generator", "--data", "faces", "--people", 300, *NETS, "--steps", 1, "--out", out)
    answer = call(*words, "--json")
    assert answer.code == 0, answer.err
    jsonschema.validate(answer.document, schema("training"))
    assert answer.document["measured"]["images"] == 30
    assert load_attgan(out).card["measured"] == answer.document["measured"]
    assert json.loads((tmp_path / "mine-training" / "metrics.jsonl").read_text().splitlines()[0])["step"] == 1
    plain = call(*words[:-1], tmp_path / "other.safetensors", "--no-measure", "--json")
    assert "measured" not in plain.document
    assert "measured" not in load_attgan(tmp_path / "other.safetensors").card


def test_few_images_are_refused(call: Call, mine: Path) -> None:
    answer = call("measure", "generator", mine, "--data", "faces", "--people", 59)
    assert answer.code == 2
    assert "at least 60 labelled images, got 59" in answer.error


def test_a_published_checkpoint_holds_no_figures(call: Call, tmp_path: Path) -> None:
    from cfsearch.errors import CapabilityError
    from cfsearch.generators.attgan.trainer import AttGANTrainer

    with pytest.raises(CapabilityError, match="train critic"):
        AttGANTrainer().annotate(tmp_path / "weights.49.pth", {})


def test_a_tenth_is_held_out_of_enough() -> None:
    assert [held_out(n) for n in (2, 299, 300, 301, 9_999, 10_000, 10**6)] == [0, 0, 30, 30, 999, 1000, 1000]
