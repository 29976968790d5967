"""A folder with the small true thing behind every name that the pages use."""

import hashlib
import re
import shlex
import shutil
import wave
from contextlib import chdir
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pandas as pd
import skops.io
import torch
from click.testing import CliRunner
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from PIL import Image
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from cfsearch.cli import main
from cfsearch.datasets import faces

from ..cli.conftest import Toys  # noqa: TID252  # tests are no package that one can import from by name
from .blocks import ROOT

PHOTOS = 2


def make(folder: Path) -> None:
    """Fill a folder with models, pictures, a table, texts and recordings."""
    toys = Toys(folder)
    _models(toys)
    drawn = faces.faces(PHOTOS + 1, seed=3).images
    (folder / "photos").mkdir()
    for i, pixels in enumerate(drawn):
        name = "face.png" if i == PHOTOS else f"photos/{i}.png"
        Image.fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(folder / name)
    for label, level in (("not hired", 60), ("hired", 200)):  # the model tells bright ones from dark ones
        (folder / "known" / label).mkdir(parents=True)
        for i in range(3):
            Image.new("RGB", (128, 128), (level + 5 * i,) * 3).save(folder / "known" / label / f"{i}.png")
    for suffix in (".safetensors",):
        shutil.copy(ROOT / "models" / f"attgan_faces64{suffix}", folder / f"my_attgan{suffix}")
    _table(folder)
    _celeba(folder / "celeba", pictures=folder / "photos")
    (folder / "reviews.txt").write_text("A dull, lifeless film.\nA moving, funny film.\n")
    for name in ("digits/7_a.wav", "digits/3_b.wav", "seven.wav"):
        _recording(folder / name)
    audit = "audit --images photos --model old.onnx --generator pixels:grid=2 --out runs/june"
    words = shlex.split(f"{audit} --evaluations 60 --population 20 --threads 1")
    with chdir(folder):
        done = CliRunner().invoke(main, words)
    assert done.exit_code == 0, done.stderr


def _models(toys: Toys) -> None:
    """Pictures: the sidecar is the one that the README shows."""
    page = (ROOT / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"```toml\n(.*?)```", page, flags=re.DOTALL)
    assert shown is not None
    labels = ("not hired", "hired")
    for name in ("model.onnx", "old.onnx", "new.onnx", "july.onnx"):
        toys.model(
            name, labels=labels, size=128, slope=60.0, end="Softmax" if name == "new.onnx" else "Sigmoid"
        )
        (toys.folder / name).with_suffix(".toml").write_text(shown[1])
    toys.model("gender.onnx", labels=("not Male", "Male"), size=64, slope=60.0)


def table() -> pd.DataFrame:
    """Forty applicants: those with income are approved."""
    draw = np.random.default_rng(2)
    return pd.DataFrame(
        {
            "age": draw.integers(20, 70, 40),
            "income": draw.integers(40, 120, 40) * 500,
            "sex": draw.choice(["female", "male"], 40),
            "race": draw.choice(["a", "b"], 40),
        }
    ).assign(approved=lambda rows: np.where(rows["income"] > 38_000, "approve", "refuse"))


def pipeline(rows: pd.DataFrame) -> Any:  # Any: scikit-learn has no types
    """A pipeline of a column transformer, as people make them."""
    columns = make_column_transformer((OneHotEncoder(), ["sex"]), remainder="passthrough")
    model = make_pipeline(columns, LogisticRegression(max_iter=2000, C=1e-3))
    return model.fit(rows[["age", "income", "sex"]], rows["approved"])


def _table(folder: Path) -> None:
    rows = table()
    rows.to_csv(folder / "applicants.csv", index=False)
    rows.to_csv(folder / "train.csv", index=False)
    skops.io.dump(pipeline(rows), folder / "credit.skops")
    onnx.save(_columns(), folder / "credit.onnx")
    theirs = rows.drop(columns="approved").assign(income=60_000).head(3)
    theirs.to_csv(folder / "theirs.csv", index_label="original")


def _columns() -> onnx.ModelProto:
    """One input a column, as skl2onnx writes it: the logit of "approve" is (income - 38,000) / 4,000."""
    number = TensorProto.FLOAT
    inputs = {"age": number, "income": number, "sex": TensorProto.STRING}
    encode: dict[str, Any] = {"keys_strings": ["female", "male"], "values_floats": [0.0, 0.0]}
    nodes = [
        helper.make_node("LabelEncoder", ["sex"], ["coded"], domain="ai.onnx.ml", **encode),
        helper.make_node("Concat", ["age", "income", "coded"], ["row"], axis=1),
        helper.make_node("Gemm", ["row", "weight", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["p"], axis=1),
        helper.make_node(
            "ZipMap", ["p"], ["maps"], domain="ai.onnx.ml", classlabels_strings=["approve", "refuse"]
        ),
    ]
    entry = helper.make_map_type_proto(TensorProto.STRING, helper.make_tensor_type_proto(number, []))
    weight = np.array([[0, 0], [1 / 4000, 0], [0, 0]], np.float32)
    graph = helper.make_graph(
        nodes,
        "credit",
        [helper.make_tensor_value_info(name, kind, [None, 1]) for name, kind in inputs.items()],
        [helper.make_value_info("maps", helper.make_sequence_type_proto(entry))],
        [
            numpy_helper.from_array(weight, "weight"),
            numpy_helper.from_array(np.array([-9.5, 0], np.float32), "bias"),
        ],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 2)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


def _celeba(folder: Path, *, pictures: Path) -> None:
    """CelebA in its official layout, of drawn faces."""
    from cfsearch.datasets.face_attributes import ATTRIBUTES

    (folder / "img_align_celeba").mkdir(parents=True)
    files = [f"{i:06d}.jpg" for i in range(1, 13)]
    for i, name in enumerate(files):
        with Image.open(pictures / f"{i % PHOTOS}.png") as face:
            face.resize((178, 178)).crop((0, -20, 178, 198)).save(folder / "img_align_celeba" / name)
    signs = np.random.default_rng(1).choice([-1, 1], (len(files), len(ATTRIBUTES)))
    rows = [f"{name} {' '.join(map(str, row))}" for name, row in zip(files, signs, strict=True)]
    (folder / "list_attr_celeba.txt").write_text(
        "\n".join([str(len(files)), " ".join(ATTRIBUTES), *rows, ""])
    )
    parts = [f"{name} {2 if i < PHOTOS else 0}\n" for i, name in enumerate(files)]
    (folder / "list_eval_partition.txt").write_text("".join(parts))


def _recording(path: Path) -> None:
    path.parent.mkdir(exist_ok=True)
    seed = int(hashlib.sha256(path.name.encode()).hexdigest()[:8], 16)
    time = np.arange(8000) / 8000
    tone = np.sin(2 * np.pi * (200 + seed % 600) * time) * np.exp(-4 * (time - 0.4) ** 2)
    with wave.open(str(path), "wb") as sound:
        sound.setparams((1, 2, 8000, 0, "NONE", ""))
        sound.writeframes((tone * 20_000).astype("<i2").tobytes())


def namespace() -> dict[str, Any]:  # Any: what a program has at hand
    """What a reader of the README's Python has already: a network, a picture, a pipeline, a table, a function."""

    class Bright(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            lead = 30 * (x.mean((1, 2, 3)) - 0.5)
            return torch.stack([-lead, lead], dim=1)

    def my_function(candidates: Any) -> Any:  # Any: tensors of candidates
        return candidates.z.abs().amax(-1)

    grey: NDArray[np.uint8] = np.full((64, 64, 3), 115, np.uint8)
    rows = table()
    return {
        "net": Bright().eval(),
        "picture": Image.fromarray(grey),
        "pipeline": pipeline(rows),
        "applicants": rows,
        "my_function": my_function,
    }
