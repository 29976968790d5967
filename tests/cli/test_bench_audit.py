"""``cfsearch bench originals`` and ``bench audit`` from end to end."""

import csv
import io
from pathlib import Path

import jsonschema
import numpy as np
import torch
from PIL import Image
from rich.console import Console

from cfsearch.cli._bench_audit import _show
from cfsearch.datasets import faces
from cfsearch.files import write_atomically
from cfsearch.numerics.percent import percent
from cfsearch.providers.opening import open_provider
from cfsearch.runs.pictures import png
from cfsearch.schemas import schema

from .conftest import Call, Toys


def test_originals_are_the_faces_with_their_factors_and_classifiers(call: Call, tmp_path: Path) -> None:
    document = call("bench", "originals", tmp_path / "q", "--faces", 3, "--seed", 5, "--json").document
    assert (document["tasks"], document["seed"]) == (9, 5)
    expected = faces.faces(3, seed=5)
    for i in range(3):
        with Image.open(tmp_path / "q" / "originals" / f"face-{i:04d}.png") as image:
            assert np.array_equal(np.asarray(image).transpose(2, 0, 1), expected.images[i])
    with (tmp_path / "q" / "attributes.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["Male"]) for row in rows] == expected.attributes[
        :, faces.ATTRIBUTES.index("Male")
    ].tolist()
    model = open_provider(str(tmp_path / "q" / "models" / "gender_natural.onnx"))
    assert model.labels == ("not Male", "Male")
    assert "must be a new or an empty folder" in call("bench", "originals", tmp_path / "q").error


def test_a_classifier_of_ones_own_is_explained(call: Call, tmp_path: Path) -> None:
    toys = Toys(tmp_path)
    mine = toys.model("mine.onnx", size=64)
    assert call("bench", "originals", tmp_path / "q", "--faces", 2, "--model", mine).code == 0
    (tmp_path / "answers").mkdir()
    write_atomically(
        tmp_path / "answers" / "face-0001.png", png(torch.full((3, 64, 64), 255, dtype=torch.uint8))
    )
    document = call("bench", "audit", tmp_path / "answers", "--originals", tmp_path / "q", "--json").document
    assert document["models"] == ["mine"]
    [method] = document["methods"]
    assert (method["answered"]["count"], method["pictures"][0]["model"]) == (1, "mine")
    (tmp_path / "same" / "answers").mkdir(parents=True)
    error = call("bench", "audit", tmp_path / "answers", tmp_path / "same" / "answers").error
    assert "methods are named by their folders, which must differ" in error


def test_methods_are_ranked_and_noise_is_last(call: Call, tmp_path: Path) -> None:
    assert call("bench", "originals", tmp_path / "q", "--faces", 6, "--seed", 3).code == 0
    data = faces.faces(6, seed=3)
    opposite = 1.0 - data.attributes[:, faces.ATTRIBUTES.index("Male")]
    model = open_provider(str(tmp_path / "q" / "models" / "gender_balanced.onnx"))

    def classes(images: np.ndarray) -> list[int]:
        return model.predict(torch.from_numpy(images).float() / 255.0).argmax(-1).tolist()

    before = classes(data.images)
    noise = np.random.default_rng(0).normal(size=(3, 64, 64)).astype(np.float32)
    for method in ("rendered", "noise"):
        (tmp_path / method / "gender_balanced").mkdir(parents=True)
    for i in range(6):
        name = f"gender_balanced/face-{i:04d}.png"
        row = faces.do(data.attributes[i : i + 1], name="Male", value=float(opposite[i]))
        true = faces.quantise(faces.render(row, data.nuisances[i : i + 1]))[0]
        write_atomically(tmp_path / "rendered" / name, png(torch.from_numpy(true)))
        steps = np.stack(
            [faces.quantise((data.images[i] / 255.0 + s * noise)[None])[0] for s in (0.1, 0.2, 0.4, 0.8)]
        )
        flips = [k for k, reached in enumerate(classes(steps)) if reached != before[i]]
        write_atomically(tmp_path / "noise" / name, png(torch.from_numpy(steps[flips[0] if flips else -1])))
    words = (
        "bench",
        "audit",
        tmp_path / "noise",
        tmp_path / "rendered",
        "--originals",
        tmp_path / "q",
        "--threads",
        1,
    )
    document = call(*words, "--json").document
    jsonschema.validate(document, schema("bench_audit"))
    first, last = document["methods"]
    assert (first["method"], last["method"]) == ("rendered", "noise")
    assert first["by_model"]["gender_balanced"]["false"]["count"] == 0
    assert first["to_rerender"] == 0.0 and first["realism"] > last["realism"]
    for apart, lines in ((True, 0), (False, 1)):
        last["apart"] = apart
        file = io.StringIO()
        _show(Console(file=file, width=100, color_system=None), document)
        text = file.getvalue()
        assert "1. rendered" in text and "2. noise" in text
        assert f"{percent(first['genuine']['value'])} [" in text
        assert text.count("noise cannot be distinguished from the method above it.") == lines
    assert "18 tasks: 6 faces, 3 classifiers" in " ".join(text.split())
