"""Tiny real models and pictures for the command line."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from click.testing import CliRunner, Result
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from cfsearch.cli import main
from tests.nursery import Fork

SIZE = 32
START = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from cfsearch.cli import main; main()"
"""``cfsearch``, which heeds Ctrl-C also where these tests run in the background."""


@dataclass(frozen=True)
class Answer:
    """What a call of ``cfsearch`` printed and returned."""

    code: int
    out: str
    err: str

    @property
    def document(self) -> dict[str, Any]:
        """The one JSON document on stdout."""
        value: dict[str, Any] = json.loads(self.out, parse_constant=_no_nan)
        return value

    @property
    def error(self) -> str:
        """The one line on stderr, which is no traceback."""
        lines = [line for line in self.err.splitlines() if not line.startswith("note: ")]
        assert len(lines) == 1, self.err
        assert lines[0].startswith("error: "), self.err
        return lines[0]


Call = Callable[..., Answer]
Spawn = Callable[..., "subprocess.Popen[str]"]
Flags = tuple[object, ...]


def _no_nan(token: str) -> None:
    raise AssertionError(f"{token} in JSON")


def called(*words: object) -> Answer:
    """What ``cfsearch`` answers to these words, here."""
    result: Result = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    return Answer(result.exit_code, result.stdout, result.stderr)


class Toys:
    """Makes models and pictures in a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def model(
        self,
        name: str = "model.onnx",
        *,
        labels: Sequence[str] = ("dark", "bright"),
        end: str = "Sigmoid",
        channels: int = 3,
        size: int = SIZE,
        slope: float = 12.0,
        sidecar: str = "",
        brightest: float = 0.0,
    ) -> Path:
        """An ONNX file that looks at the mean colour: one output (Sigmoid), k (Softmax) or the label (ArgMax).

        A single output answers ``sigmoid(slope * (mean - 0.5))``; of k classes, class j likes a mean of
        ``j / (k - 1)``. With ``brightest`` it answers NaN for means below that.
        """
        path = self.folder / name
        k = 1 if end == "Sigmoid" else len(labels)
        centre = np.array([0.5]) if k == 1 else np.linspace(0.0, 1.0, k)
        scale = slope / 2 if k > 1 else slope
        weight = np.tile(
            (2 if k > 1 else 1) * scale * (centre if k > 1 else np.ones(1)) / channels, (channels, 1)
        )
        bias = -scale * (centre**2 if k > 1 else centre)
        nodes = [
            helper.make_node("GlobalAveragePool", ["image"], ["pooled"]),
            helper.make_node("Flatten", ["pooled"], ["features"]),
            helper.make_node("Sub", ["features", "floor"], ["above"]),
            helper.make_node("Sqrt", ["above"], ["root"]),
            helper.make_node("Mul", ["root", "root"], ["square"]),
            helper.make_node("Add", ["square", "floor"], ["same"]),
            helper.make_node("Gemm", ["same" if brightest else "features", "weight", "bias"], ["logits"]),
        ]
        nodes = nodes if brightest else [nodes[0], nodes[1], nodes[-1]]
        kind = TensorProto.FLOAT
        shape: Sequence[str | int | None] = ["n", k]
        if end == "ArgMax":
            nodes.append(helper.make_node("ArgMax", ["logits"], ["out"], axis=1, keepdims=0))
            kind, shape = TensorProto.INT64, ["n"]
        else:
            nodes.append(helper.make_node(end, ["logits"], ["out"]))
        constants = {"weight": weight, "bias": bias, "floor": np.array(brightest)}
        graph = helper.make_graph(
            nodes,
            "colour",
            [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", channels, size, size])],
            [helper.make_tensor_value_info("out", kind, shape)],
            [numpy_helper.from_array(value.astype(np.float32), key) for key, value in constants.items()],
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
        onnx.save(made, path)
        names = ", ".join(f'"{label}"' for label in labels)
        scores = "labels" if end == "ArgMax" else "probabilities"
        path.with_suffix(".toml").write_text(f'labels = [{names}]\nscores = "{scores}"\n{sidecar}')
        return path

    def picture(
        self,
        name: str = "face.png",
        *,
        seed: int = 1,
        size: tuple[int, int] = (SIZE, SIZE),
        mean: float = 0.38,
        grey: bool = False,
    ) -> Path:
        """A smooth random picture of about this mean colour; size is (width, height)."""
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        rng = np.random.default_rng(seed)
        coarse = rng.normal(mean, 0.08, size=(4, 4, 3)).clip(0, 1)
        pixels = Image.fromarray((coarse * 255).astype(np.uint8)).resize(size, Image.Resampling.BILINEAR)
        (pixels.convert("L") if grey else pixels).save(path)
        return path

    def pictures(self, name: str = "faces", *, count: int = 4) -> Path:
        """A folder of pictures."""
        for i in range(count):
            self.picture(f"{name}/face{i}.png", seed=i)
        return self.folder / name


@pytest.fixture(autouse=True)
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Models open in the process of the test, which is quicker; ``--isolation`` and ``spawn`` isolate all the same."""
    monkeypatch.setattr("cfsearch.cli._settings.ISOLATED_BY_DEFAULT", False)


@pytest.fixture
def toys(tmp_path: Path) -> Toys:
    return Toys(tmp_path)


@pytest.fixture
def model(toys: Toys) -> Path:
    return toys.model()


@pytest.fixture
def face(toys: Toys) -> Path:
    return toys.picture()


@pytest.fixture
def faces(toys: Toys) -> Path:
    return toys.pictures()


@pytest.fixture
def call() -> Call:
    """Runs ``cfsearch`` with these words, here."""
    return called


@pytest.fixture
def spawn() -> Spawn:
    """Starts ``cfsearch`` with these words in a process of its own."""
    return started_by(subprocess.Popen)


@pytest.fixture
def fork() -> Spawn:
    """As ``spawn``, for a process that need not import torch anew."""
    return started_by(Fork if sys.platform == "linux" else subprocess.Popen)


def started_by(kind: "type[subprocess.Popen[Any]]") -> Spawn:
    def start(*words: object, **environment: str) -> "subprocess.Popen[str]":
        return kind(
            [sys.executable, "-c", START, *map(str, words)],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", **environment},
        )

    return start


@pytest.fixture
def fast() -> Flags:
    """Flags of a search that takes a moment and finds something."""
    return (
        *("--evaluations", 240, "--population", 24, "--seed", 7, "--generator", "pixels:grid=2"),
        *("--objective", "adversarial", "--objective", "intensity", "--threads", 1),
    )
