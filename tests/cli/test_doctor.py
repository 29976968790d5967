"""What ``doctor`` prints of what a model takes and gives: every figure on its line."""

import io
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from cfsearch.cli import doctor
from cfsearch.contracts.provider import ScoreKind
from cfsearch.providers.handshake import Handshake
from cfsearch.providers.preprocessing import Preprocessing
from cfsearch.testing import FakeProvider

from .conftest import Call, Toys

TAKEN = Preprocessing(size=(48, 32))


def seen(**changes: Any) -> Handshake:
    """A handshake without anything to remark."""
    fields: dict[str, Any] = {  # Any: of several types
        "k": 2,
        "scores": ScoreKind.LOGITS,
        "looks_like": ScoreKind.PROBABILITIES,
        "sums": (0.99999, 1.00001),
        "range": (-1.25, 3.5),
        "eps_repeat": 0.0,
        "repeatable": True,
        "eps_batch": 0.0,
        "batch_dependent": False,
        "seconds": {1: 0.01, 8: 0.002},
        "warnings": (),
        "finite": True,
        "constant": False,
        "queries": 20,
    }
    return Handshake(**(fields | changes))


def document(*, taken: Preprocessing | None = TAKEN, where: str = "m.toml", **changes: Any) -> dict[str, Any]:
    return doctor._document(FakeProvider(), taken, seen(**changes), shape=(48, 32), where=where)


def printed(made: dict[str, Any], *, noun: str = "image") -> dict[str, str]:
    """The printed lines by the word that they begin with."""
    file = io.StringIO()
    doctor._show(Console(file=file, width=200, color_system=None), made, noun=noun)
    lines = file.getvalue().splitlines()
    return {line[:12].strip(): line[12:] for line in lines[:-1] if not line.startswith("!")} | {
        "remarks": "|".join(line for line in lines if line.startswith("!")),
        "end": lines[-1],
    }


def test_each_figure_stands_on_its_line() -> None:
    lines = printed(document())
    assert lines.pop("fingerprint") == FakeProvider().fingerprint
    assert lines == {
        "model": "fake",
        "classes": "dark, bright",
        "scores": "logits (its numbers look like probabilities)",
        "input": "48 x 32 RGB, nchw, float32 on 0..1; resize " + TAKEN.resize,
        "answers": "-1.25 to 3.5; rows sum to 1",
        "repeatable": "yes",
        "batches": "no influence",
        "speed": "100 images/s in batches of 1, 500 images/s in batches of 8",
        "settings": "m.toml (not there)",
        "remarks": "",
        "end": "This model can be searched.",
    }


def test_what_is_unsteady_is_measured_and_what_is_wrong_remarked(tmp_path: Path) -> None:
    (tmp_path / "m.toml").write_text("")
    lines = printed(
        document(
            where=str(tmp_path / "m.toml"),
            repeatable=False,
            eps_repeat=0.0123,
            batch_dependent=True,
            eps_batch=0.5,
            warnings=("say more.", "and more."),
        )
    )
    assert lines["repeatable"] == "no: queried again, answers differ by up to 0.0123"
    assert lines["batches"] == "answers depend on the batch, by up to 0.5"
    assert lines["settings"] == str(tmp_path / "m.toml")
    assert (lines["remarks"], lines["end"]) == (
        "! say more.|! and more.",
        "It can be searched, but see above.",
    )


@pytest.mark.parametrize(
    ("taken", "text"),
    [
        (None, "images as they come; queried with 48 x 32"),
        (
            Preprocessing(size=None, channels=1, layout="nhwc", mean=(0.5,), std=(0.25,)),
            "any size grey, nhwc, float32 on 0..1, mean [0.5], std [0.25]; resize " + TAKEN.resize,
        ),
    ],
)
def test_inputs_are_described(taken: Preprocessing | None, text: str) -> None:
    assert printed(document(taken=taken))["input"] == text


def test_other_inputs_are_counted() -> None:
    made = document(taken=None)
    assert printed(made, noun="text")["input"] == (
        "texts; queried with 48 that were given, and variations of them"
    )
    assert "100 texts/s" in printed(made, noun="text")["speed"]
    few = made | {"columns": {f"c{i}": "numeric" for i in range(8)}}
    assert printed(few)["input"] == (
        f"8 columns: {', '.join(f'c{i} numeric' for i in range(8))}; queried with 48 rows"
    )
    many = made | {"columns": {f"c{i}": "numeric" for i in range(10)}}
    assert printed(many)["input"].endswith("c7 numeric and 2 more; queried with 48 rows")


def test_the_document_is_plain() -> None:
    made = document(warnings=("look",))
    assert (made["format"], made["ok"], made["warnings"]) == ("cfsearch-doctor/1", False, ["look"])
    assert made["asked_with"] == [48, 32]
    assert made["input"]["size"] == [48, 32]
    assert made["model"] | {"fingerprint": ""} == {
        "name": "fake",
        "fingerprint": "",
        "labels": ["dark", "bright"],
        "scores": "logits",
        "max_batch": 1024,
    }
    assert made["handshake"]["seconds"] == {"1": 0.01, "8": 0.002}
    assert (made["handshake"]["scores"], made["handshake"]["looks_like"]) == ("logits", "probabilities")
    assert (made["handshake"]["range"], made["handshake"]["sums"]) == ([-1.25, 3.5], [0.99999, 1.00001])


@pytest.mark.parametrize(
    ("model", "sidecar", "place"),
    [
        ("a/m.onnx", None, "a/m.toml"),
        ("a/m.onnx", Path("b.toml"), "b.toml"),
        ("https://example.org/m", None, "a TOML given with --sidecar"),
        ("https://example.org/m", Path("b.toml"), "b.toml"),
    ],
)
def test_the_place_of_settings(model: str, sidecar: Path | None, place: str) -> None:
    assert doctor._where(model, sidecar) == place


def test_the_size_of_the_probes_is_what_was_given_or_the_models_or_64(call: Call, toys: Toys) -> None:
    import onnx

    path = toys.model(size=24)
    assert call("doctor", path, "--json").document["asked_with"] == [24, 24]
    free = onnx.load(path)
    for side in free.graph.input[0].type.tensor_type.shape.dim[2:]:
        side.dim_param = "side"
    onnx.save(free, path)
    assert call("doctor", path, "--json").document["asked_with"] == [64, 64]
    assert call("doctor", path, "--size", 4, "--json").document["asked_with"] == [4, 4]


def test_a_model_is_needed(call: Call) -> None:
    answer = call("doctor")
    assert (answer.code, answer.out) == (2, "")
    assert "Missing argument 'MODEL'." in answer.error
