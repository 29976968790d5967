"""Tiny real models and pictures for the command line."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from cfsearch.cli import main

SIZE = 32
Call = Callable[..., Result]


def colour_model(
    path: Path,
    *,
    labels: Sequence[str] = ("dark", "bright"),
    end: str = "Sigmoid",
    size: int = SIZE,
    slope: float = 12.0,
    sidecar: str = "",
) -> Path:
    """An ONNX file that looks at the mean colour: one output (Sigmoid), k (Softmax) or the label (ArgMax).

    A single output answers ``sigmoid(slope * (mean - 0.5))``; of k classes, class j likes a mean of j / (k - 1).
    """
    k = 1 if end == "Sigmoid" else len(labels)
    if k == 1:
        weight = np.full((3, 1), slope / 3, dtype=np.float32)
        bias = np.array([-slope / 2], dtype=np.float32)
    else:
        centre = np.linspace(0.0, 1.0, k, dtype=np.float32)
        weight = np.tile(2 * slope * centre / 3, (3, 1)).astype(np.float32)
        bias = -slope * centre**2
    nodes = [
        helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
        helper.make_node("Flatten", ["pooled"], ["features"]),
        helper.make_node("Gemm", ["features", "weight", "bias"], ["logits"]),
    ]
    kind, shape = TensorProto.FLOAT, ["n", k]
    if end == "ArgMax":
        nodes.append(helper.make_node("ArgMax", ["logits"], ["out"], axis=1, keepdims=0))
        kind, shape = TensorProto.INT64, ["n"]
    else:
        nodes.append(helper.make_node(end, ["logits"], ["out"]))
    graph = helper.make_graph(
        nodes,
        "colour",
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, size, size])],
        [helper.make_tensor_value_info("out", kind, shape)],
        [numpy_helper.from_array(weight, "weight"), numpy_helper.from_array(bias, "bias")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    onnx.save(model, path)
    names = ", ".join(f'"{label}"' for label in labels)
    scores = "labels" if end == "ArgMax" else "probabilities"
    path.with_suffix(".toml").write_text(f'labels = [{names}]\nscores = "{scores}"\n{sidecar}')
    return path


def picture(path: Path, *, seed: int, size: int = SIZE, mean: float = 0.35, grey: bool = False) -> Path:
    """A smooth random picture of about this mean colour."""
    rng = np.random.default_rng(seed)
    coarse = rng.normal(mean, 0.1, size=(4, 4, 3)).clip(0, 1)
    pixels = Image.fromarray((coarse * 255).astype(np.uint8)).resize((size, size), Image.Resampling.BILINEAR)
    (pixels.convert("L") if grey else pixels).save(path)
    return path


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return colour_model(tmp_path / "model.onnx")


@pytest.fixture
def face(tmp_path: Path) -> Path:
    return picture(tmp_path / "face.png", seed=1)


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    folder = tmp_path / "faces"
    folder.mkdir()
    for i in range(4):
        picture(folder / f"face{i}.png", seed=i)
    return folder


@pytest.fixture
def call() -> Call:
    """Runs ``cfsearch`` with these words."""

    def run(*words: object) -> Result:
        return CliRunner().invoke(main, [str(word) for word in words])

    return run


FAST = ("--evaluations", 200, "--population", 20, "--seed", 7, "--objective", "adversarial", "--objective", "intensity")
"""A search that takes a second."""
