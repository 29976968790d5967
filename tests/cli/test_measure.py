"""``cfsearch measure generator``, and the measurement that ends a training."""

import json
from pathlib import Path

import jsonschema
import pytest
from safetensors import safe_open

from cfsearch.cli._measured import held_out
from cfsearch.errors import CapabilityError, DataError
from cfsearch.generators.attgan.files import load_attgan
from cfsearch.generators.attgan.trainer import AttGANTrainer
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
    with pytest.raises(CapabilityError, match="train critic"):
        AttGANTrainer().annotate(tmp_path / "weights.49.pth", {})


def test_a_tenth_is_held_out_of_enough() -> None:
    assert [held_out(n) for n in (2, 299, 300, 301, 9_999, 10_000, 10**6)] == [0, 0, 30, 30, 999, 1000, 1000]


def test_a_file_that_holds_no_figures_is_known_before_it_is_measured(
    call: Call, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hours of measurement ended in an error, and no figure was shown."""
    monkeypatch.setattr("cfsearch.measurement.judge._STEPS", (2, 2))

    def annotate(_: object, __: Path, entries: object) -> None:
        assert entries == {}
        raise CapabilityError("attgan: holds no figures.")

    monkeypatch.setattr(AttGANTrainer, "annotate", annotate)
    before = mine.read_bytes()
    answer = call("measure", "generator", mine, "--data", "faces", "--people", 64, "--threads", 1, "--json")
    assert answer.code == 0, answer.err
    assert "the figures are printed only: attgan: holds no figures." in answer.err
    assert answer.document["written"] is False
    assert answer.document["images"] == 32
    assert mine.read_bytes() == before


def test_measured_people_are_others_than_a_training_draws(
    call: Call, mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever its seed: seeds of a training are smaller than those of a measurement."""
    drawn: list[int] = []

    def draw(_: int, *, seed: int, size: int) -> None:
        drawn.append(seed)
        raise DataError("drawn")

    monkeypatch.setattr("cfsearch.datasets.faces.training.RenderedFaces", draw)
    for seed in (0, 2**63 - 1):
        call("measure", "generator", mine, "--data", "faces", "--seed", seed)
    assert min(drawn) > 2**63 - 1
    assert len(set(drawn)) == 2
