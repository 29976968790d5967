"""What a document says of a model and of the versions that decided its result."""

import subprocess
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pymoo.version
import torch

from cfsearch.assembly.provenance import model_entry, versions
from cfsearch.contracts.provider import ScoreKind
from cfsearch.testing import FakeProvider


def test_versions_are_those_of_the_running_program() -> None:
    found = versions()
    asked = subprocess.run([sys.executable, "--version"], capture_output=True, text=True, check=True).stdout
    assert asked.split() == ["Python", found["python"]]
    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8"))
    assert found["cfsearch"] == project["project"]["version"]
    assert torch.__version__.partition("+")[0] == found["torch"].partition("+")[0]
    assert (found["numpy"], found["onnxruntime"], found["pymoo"]) == (
        np.__version__,
        onnxruntime.__version__,
        pymoo.version.__version__,
    )
    assert set(found) == {"python", "cfsearch", "torch", "numpy", "onnxruntime", "pymoo", "moocore"}


def test_a_model_is_described_without_the_folder_that_it_lies_in() -> None:
    model = FakeProvider(name="colour")
    config = SimpleNamespace(
        model=SimpleNamespace(path=str(Path("/home/somebody/model.onnx"))),
        run=SimpleNamespace(device="cuda:1"),
    )
    assembly: Any = SimpleNamespace(model=model, config=config, notes=("First.", "Second."))
    assert model_entry("old", assembly) == {
        "id": "old",
        "name": "colour",
        "file": "model.onnx",
        "fingerprint": model.fingerprint,
        "labels": ["dark", "bright"],
        "scores": ScoreKind.LOGITS.value,
        "note": "First. Second.",
        "device": "cuda:1",
    }
