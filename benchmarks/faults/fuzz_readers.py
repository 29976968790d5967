"""What is fuzzed: each reader with inputs that it takes, from which others are made."""

import io
import json
import math
import struct
import wave
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import torch
from fuzz_beside import beside
from fuzz_kept import kept
from PIL import Image

from cfsearch.providers.served.json_protocols import MLflow, TensorFlowServing
from cfsearch.providers.served.messages import Response
from cfsearch.providers.served.oip import OpenInference
from cfsearch.providers.served.single import HuggingFace, TorchServe
from cfsearch.providers.served.template import Template
from cfsearch.runs.compact import compacted, expanded
from cfsearch.runs.guard import guarded

Read = Callable[[bytes, Path], object]
"""Bytes, and a folder of its own to write them to -> whatever the reader makes of them."""

_SETTINGS: Final = b"""[model]
path = "m.onnx"
[data]
images = "faces"
limit = 3
[search]
solver = "nsga2"
objectives = ["adversarial", {name = "intensity", norm = "l1"}]
evaluations = 100
seed = 1
[generator]
source = "pixels"
settings = {grid = 2}
[run]
threads = 1
"""
_SIDECAR: Final = b"""labels = ["a", "b"]
scores = "logits"
max_batch = 8
[input]
size = [8, 8]
mean = [0.5, 0.5, 0.5]
std = [0.2, 0.2, 0.2]
range = "0..1"
[encoding]
columns = [{name = "age", centre = 1.0, scale = 2.0}]
[served]
protocol = "template"
pointer = "/a/0"
headers = {Authorization = "Bearer env:HOME"}
"""
_SCHEMA: Final = b"""[target]
name = "granted"
labels = ["no", "yes"]
[[columns]]
name = "age"
kind = "integer"
range = [18, 99]
[[columns]]
name = "job"
kind = "categorical"
levels = ["cook", "clerk"]
immutable = true
[[columns]]
name = "grade"
kind = "ordinal"
levels = ["a", "b", "c"]
"""
_GATES: Final = (
    b'[[gate]]\nmetric = "flip_rate"\nsubject = "all"\nop = ">="\nvalue = 0.5\nconfidence = 0.95\n'
)
_CSV: Final = (
    b'age,job,income\n34,"cook, chef",1200.5\n51,clerk,NA\n,cook,"1,5"\n27,"a ""b""\nc",1e3\n60,clerk,7\n'
)


@dataclass(frozen=True, slots=True)
class Reader:
    """One reader.

    Args:
        read: what is called.
        seeds: inputs that it takes.
        suffix: of the file that it reads.
    """

    read: Read
    seeds: tuple[bytes, ...]


def _file(suffix: str, read: Callable[[Path], object]) -> Read:
    """A reader of a path."""

    def call(content: bytes, folder: Path) -> object:
        path = folder / f"x{suffix}"
        path.write_bytes(content)
        return read(path)

    return call


def _settings(path: Path) -> object:
    from cfsearch.config import Config

    return Config.read(path)


def _sidecar(path: Path) -> object:
    from cfsearch.providers.sidecar import read_sidecar

    return read_sidecar(path)


def _schema(path: Path) -> object:
    from cfsearch.datasets.tables import read_schema

    return read_schema(path)


def _gates(path: Path) -> object:
    from cfsearch.audits.conditions import read_conditions

    return read_conditions(path)


def _table(path: Path) -> object:
    from cfsearch.datasets.tables import infer_schema, read_table

    return read_table(path, schema=infer_schema(path).schema)


def _attributes(path: Path) -> object:
    from cfsearch.datasets.images.labelled import read_labels

    return read_labels(path)


def _texts(path: Path) -> object:
    from cfsearch.datasets.text import read_texts

    return read_texts(path)


def _pictures(path: Path) -> object:
    from cfsearch.datasets.images import find_images, read_image

    return [read_image(ref, max_pixels=2**20).x for ref in find_images(path)]


def _sound(path: Path) -> object:
    from cfsearch.datasets.sound import read_recordings

    return read_recordings(path)


def _onnx(path: Path) -> object:
    from cfsearch.providers.onnx.file import check_external, read_onnx_file

    file = read_onnx_file(path)
    check_external(file)
    return file


def _weights(path: Path) -> object:
    from cfsearch.providers.weights import read_weights

    return read_weights(path)


def _surrogate(path: Path) -> object:
    from cfsearch.providers.surrogate_file import Surrogate

    return Surrogate.read(path)


def _front(content: bytes, _: Path) -> object:
    from cfsearch.fronts.front import ParetoFront

    front = ParetoFront.from_bytes(content)
    return front.to_bytes()


def _stored_front(content: bytes, _: Path) -> object:
    from cfsearch.fronts.front import ParetoFront

    with guarded("a stored front"):
        front = ParetoFront.from_bytes(expanded(content))
    return compacted(front.to_bytes())


def _store(content: bytes, folder: Path) -> object:
    from cfsearch.runs.store import STORE, Store

    (folder / STORE).write_bytes(content)
    with Store.read(folder / STORE) as store:
        return list(store.rows())


def _audit(content: bytes, folder: Path) -> object:
    from cfsearch.audits.reading import AuditDocument

    (folder / "audit.json").write_bytes(content)
    return AuditDocument.read(folder)


def _statement(path: Path) -> object:
    from cfsearch.audits.exchange.attestation import read_statement

    return read_statement(path)


def _theirs(path: Path) -> object:
    from cfsearch.audits.theirs import read_theirs

    return read_theirs(path, columns=("age", "job"))


def _answer(
    kind: Any, *, described: bool = False, **served: Any
) -> Read:  # Any: classes of protocols and their settings
    """The parser of what a server answers to two inputs, or of what it says of its model."""
    from cfsearch.providers.served.address import Address
    from cfsearch.providers.served.settings import ServedTable
    from cfsearch.providers.served.wire import Files, Texts

    names = {
        OpenInference: "oip",
        TensorFlowServing: "tfserving",
        MLflow: "mlflow",
        HuggingFace: "huggingface",
    }
    name = names.get(kind, "torchserve" if kind is TorchServe else "template")

    def call(content: bytes, _: Path) -> object:
        address = Address.of(f"{name}+http://localhost/v2/models/m", protocol=None)
        protocol = kind(address, ServedTable(**served), output=None)
        head, body = content.partition(b"\n\n")[::2]
        headers = {"content-type": "application/json"}
        for line in head.decode("latin-1").split("\n"):
            key, value = line.partition(":")[::2]
            headers[key.strip().lower()] = value.strip()
        response = Response(headers, body)
        if described:
            request = protocol.describe()
            return None if request is None else request.read(response)
        single = protocol.most == 1
        batch = np.zeros((1 if single else 2, 3, 4, 4), np.float32)
        if name == "huggingface":
            return protocol.request(Texts(("a",))).read(response)
        if name == "torchserve":
            return protocol.request(Files((b"x",), "image/png")).read(response)
        return protocol.request(batch).read(response)

    return call


def _json(document: object, *head: str) -> bytes:
    return ("\n".join(head) + "\n\n" + json.dumps(document)).encode()


def _saved(tensors: Mapping[str, torch.Tensor], metadata: dict[str, str] | None = None) -> bytes:
    from safetensors.torch import save

    return bytes(save(dict(tensors), metadata))


def _picture(kind: str, **more: Any) -> bytes:  # Any: of Pillow
    pixels = np.arange(8 * 8 * 3, dtype=np.uint8).reshape(8, 8, 3)
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, kind, **more)
    return stream.getvalue()


def _zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as packed:
        packed.writestr("a.png", _picture("PNG"))
    return stream.getvalue()


def _wave() -> bytes:
    stream = io.BytesIO()
    with wave.open(stream, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        samples = (math.sin(i / 5) * 9000 for i in range(400))
        file.writeframes(b"".join(struct.pack("<h", int(sample)) for sample in samples))
    return stream.getvalue()


def _statement_seed() -> bytes:
    from cfsearch.audits.exchange.statement import STATEMENT, TEST_RESULT

    subject = [{"name": "audit.json", "digest": {"sha256": "ab" * 32}}]
    document = {
        "_type": STATEMENT,
        "subject": subject,
        "predicateType": TEST_RESULT,
        "predicate": {"result": "PASSED"},
    }
    return json.dumps(document).encode()


def _surrogate_seed() -> bytes:
    import tempfile

    from cfsearch.contracts import network
    from cfsearch.providers.surrogate_file import Surrogate

    module = network.build("mlp_64_64", shape=(3,), classes=2)
    with tempfile.TemporaryDirectory() as place:
        made = Surrogate("mlp_64_64", module, (3,), ("a", "b"), None, "m", {})
        return made.save(Path(place) / "s.safetensors").read_bytes()


def _onnx_seed() -> bytes:
    from onnx import TensorProto, helper

    x = helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 4, 4])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, ["n", 48])
    graph = helper.make_graph([helper.make_node("Flatten", ["x"], ["y"])], "g", [x], [y])
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    return bytes(made.SerializeToString())


def _run_files() -> tuple[bytes, bytes, bytes]:
    """A store, an audit.json and a front, of a small audit."""
    import sys
    import tempfile
    import warnings

    from cfsearch.audits.run import Audit
    from cfsearch.config import Config
    from cfsearch.runs.directory import RunDirectory

    with tempfile.TemporaryDirectory() as place, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        folder = Path(place)
        (folder / "fuzzed_model.py").write_text(
            "import numpy as np\ndef predict(x):\n    p = x.mean((1, 2, 3))\n    return np.stack([1 - p, p], 1)\n"
        )
        sys.path.insert(0, place)
        (folder / "images").mkdir()
        Image.fromarray(np.full((8, 8, 3), 110, np.uint8)).save(folder / "images" / "a.png")
        search = {
            "objectives": ["adversarial", "intensity"],
            "evaluations": 40,
            "population": 20,
            "solver": "random",
        }
        values = {
            "model": {"path": "fuzzed_model:predict"},
            "generator": "pixels:grid=2",
            "data": {"images": str(folder / "images")},
            "search": search,
        }
        Audit(Config.check(values), directory=folder / "run").run()
        sys.path.remove(place)
        with RunDirectory.read(folder / "run") as run:
            front = next(row.front for row in run.rows() if row.front is not None).to_bytes()
        return (
            (folder / "run" / "run.sqlite").read_bytes(),
            (folder / "run" / "audit.json").read_bytes(),
            front,
        )


def readers(*, runs: bool = True) -> dict[str, Reader]:
    """Every reader by its name.

    Args:
        runs: whether those of a run too, whose seeds take a small audit to make.
    """
    scores = [[0.25, 0.75], [0.5, 0.5]]
    tensor = {"name": "y", "datatype": "FP32", "shape": [2, 2], "data": [0.25, 0.75, 0.5, 0.5]}
    binary = json.dumps(
        {"outputs": [{**tensor, "data": None, "parameters": {"binary_data_size": 16}}]}
    ).encode()
    binary = binary.replace(b'"data": null, ', b"")
    described = {
        "name": "m",
        "inputs": [{"name": "x", "datatype": "FP32", "shape": [-1, 3, 4, 4]}],
        "outputs": [tensor],
    }
    signature = {
        "signature_def": {"serving_default": {"inputs": {"x": {"dtype": "DT_FLOAT"}}, "outputs": {}}}
    }
    weights = _saved({"0.weight": torch.zeros(2, 3), "0.bias": torch.ones(2)})
    found = {
        "settings": Reader(_file(".toml", _settings), (_SETTINGS,)),
        "sidecar": Reader(_file(".toml", _sidecar), (_SIDECAR,)),
        "schema": Reader(_file(".toml", _schema), (_SCHEMA,)),
        "gates": Reader(_file(".toml", _gates), (_GATES,)),
        "table": Reader(_file(".csv", _table), (_CSV, _CSV.replace(b",", b";"), _CSV.decode().encode("utf-16"))),
        "attributes": Reader(
            _file(".csv", _attributes), (b"file,Male,Young\na.png,1,0\nb.png,-1,1\n", b"2\nMale Young\na.jpg 1 -1\nb.jpg -1 1\n")
        ),
        "texts": Reader(_file(".csv", _texts), (b'text,label\n"a film, dull",0\nfine,1\n',)),
        "pictures": Reader(
            _file(".png", _pictures),
            (_picture("PNG"), _picture("JPEG"), _picture("GIF"), _picture("TIFF"), _picture("BMP"), _picture("WEBP"), _zip()),
        ),
        "compressed pictures": Reader(
            _file(".png", _pictures),
            (
                *(_picture("TIFF", compression=kind) for kind in ("tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg")),
                *(_picture("JPEG", progressive=True), _picture("WEBP", lossless=True), _picture("PNG", bits=4)),
            ),
        ),
        "sound": Reader(_file(".wav", _sound), (_wave(),)),
        "onnx": Reader(_file(".onnx", _onnx), (_onnx_seed(),)),
        "weights": Reader(_file(".safetensors", _weights), (weights,)),
        "surrogate": Reader(_file(".safetensors", _surrogate), (_surrogate_seed(),)),
        "statement": Reader(_file(".json", _statement), (_statement_seed(),)),
        "theirs.csv": Reader(_file(".csv", _theirs), (b"original,age,job\n0,30,cook\n2,41,clerk\n",)),
        "theirs": Reader(
            _file(".json", _theirs),
            (
                _json({"cfs_list": [[[30, "cook", 1]]], "test_data": [[[20, "cook", 0]]], "feature_names": ["age", "job"]})[2:],
                _json({"meta": {"name": "Counterfactual"}, "data": {"cf": {"X": [[1, 2]]}, "orig_class": 0}})[2:],
            ),
        ),
        "oip": Reader(_answer(OpenInference), (_json({"outputs": [tensor]}), b"inference-header-content-length:%d\n\n" % len(binary) + binary + b"\0" * 16)),
        "oip described": Reader(_answer(OpenInference, described=True), (_json(described),)),
        "tfserving": Reader(_answer(TensorFlowServing), (_json({"predictions": scores}), _json({"predictions": [{"y": [0, 1]}] * 2}))),
        "tfserving described": Reader(_answer(TensorFlowServing, described=True), (_json({"metadata": {"signature_def": signature}}),)),
        "mlflow": Reader(_answer(MLflow), (_json({"predictions": scores}), _json([{"a": 0.5, "b": 0.5}] * 2))),
        "huggingface": Reader(_answer(HuggingFace), (_json([[{"label": "a", "score": 0.75}, {"label": "b", "score": 0.25}]]),)),
        "torchserve": Reader(_answer(TorchServe), (_json({"a": 0.75, "b": 0.25}), _json([0.5, 0.5]))),
        "template": Reader(
            _answer(Template, pointer="/r/s", ids="/r/o", template='{"x": "$inputs", "n": "$ids"}'),
            (_json({"r": {"s": scores, "o": [1, 0]}}),),
        ),
    }  # fmt: skip
    found |= {name: Reader(_file(".kept", load), (seed,)) for name, (load, seed) in kept().items()}
    found |= {name: Reader(_file(ending, load), (seed,)) for name, (load, ending, seed) in beside().items()}
    if runs:
        store, audit, front = _run_files()
        found |= {
            "store": Reader(_store, (store,)),
            "audit.json": Reader(_audit, (audit,)),
            "front": Reader(_front, (front,)),
            "stored front": Reader(_stored_front, (front, compacted(front))),
        }
    return found
