"""What a path that is no model of ours looks like, and the way from there to one that is."""

import zipfile
from collections.abc import Mapping
from itertools import islice
from pathlib import Path
from typing import Final

from .checkpoints import first_of
from .endings import BOOSTED, OTHER_FRAMEWORKS
from .shards import is_index

_FUNCTION: Final = "name a function that queries it: pkg.mod:predict"
_EXPORTS: Final[Mapping[str, str]] = {
    ".h5": 'model.export("model.onnx", format="onnx") in Keras 3',
    ".hdf5": 'model.export("model.onnx", format="onnx") in Keras 3',
    ".keras": 'model.export("model.onnx", format="onnx")',
    ".tflite": "python -m tf2onnx.convert --tflite {} --output model.onnx",
    ".pb": "python -m tf2onnx.convert --saved-model FOLDER --output model.onnx",
    ".pdmodel": "paddle2onnx",
}
"""Commands that export the model of a framework to ONNX."""
_NO_EXPORT: Final = (
    ".mlmodel",
    ".mlpackage",
    ".engine",
    ".plan",
    ".trt",
    ".xml",
    ".pmml",
    ".gguf",
    ".rds",
    ".mojo",
)
"""Endings of compiled or otherwise final forms, of which nothing is exported."""
_INPUTS: Final[Mapping[str, str]] = {
    **dict.fromkeys(
        (".csv", ".tsv", ".parquet", ".xlsx"), "is a table, not a model. Give it with --data TABLE"
    ),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".webp"), "is a picture, not a model"),
    ".wav": "is a recording, not a model",
    ".toml": "is a file of settings, not a model. Name the model's own file; its sidecar goes with --sidecar",
    ".ipynb": "is a notebook. Put the function into a module and name it: pkg.mod:predict",
}
_MODELS: Final = (".onnx", ".skops", ".safetensors", ".pt", ".pth", ".bin")
_LOOKED_AT: Final = 500
"""Names in a folder or an archive that are looked at."""


def about_folder(folder: Path) -> str:
    """The sentence for a folder that was named as a model.

    Args:
        folder: that is there.
    """
    start = f"{folder}: expected a model file, got a folder"
    names = _names_in(folder)
    if "saved_model.pb" in names:
        return (
            f"{start}, a TensorFlow SavedModel. Export it to ONNX (python -m tf2onnx.convert --saved-model {folder} --output "
            f"model.onnx), or {_FUNCTION}."
        )
    held = [name for name in names if Path(name).suffix.lower() in _MODELS or is_index(Path(name))]
    weights = [name for name in held if not name.lower().endswith((".onnx", ".skops"))]
    if "config.json" in names and weights and len(weights) == len(held):
        index = [name for name in weights if is_index(Path(name))]
        return (
            f"{start} as transformers saves it. Name {folder / (index or weights)[0]} with --arch pkg.mod:build, a function "
            f"that builds its network; export it to ONNX (optimum-cli export onnx --model {folder} out); or {_FUNCTION}."
        )
    if "MLmodel" in names:
        return f"{start} as MLflow saves it. Load it in a function (mlflow.pyfunc.load_model) and name that: pkg.mod:predict."
    if folder.suffix.lower() == ".mlpackage":
        return f"{start}, a model of Core ML. Export the model that it was made from to ONNX, or {_FUNCTION}."
    if held:
        return f"{start}. Name the file in it: {first_of(str(folder / name) for name in held)}."
    return f"{start}. Name the file in it."


def about_file(path: Path) -> str:
    """The sentence for a file of another kind; empty where its ending names none that is known.

    Args:
        path: of an ordinary file.
    """
    suffix = path.suffix.lower()
    if suffix in OTHER_FRAMEWORKS:
        start = f"{path}: looks like a model of {OTHER_FRAMEWORKS[suffix]}."
        if suffix in _NO_EXPORT:
            return f"{start} Export to ONNX the model that it was made from, or {_FUNCTION}."
        export = f" ({_EXPORTS[suffix].format(path)})" if suffix in _EXPORTS else ""
        return f"{start} Export it to ONNX{export}, or {_FUNCTION}."
    if suffix in BOOSTED:
        library, export = BOOSTED[suffix]
        return (
            f"{path}: looks like a model that {library} itself saved. Export it to ONNX ({export}), name a function that queries "
            "it (pkg.mod:predict), or give the fitted classifier to cfsearch.audit in Python."
        )
    if suffix in _INPUTS:
        return f"{path}: {_INPUTS[suffix]}."
    if suffix == ".py":
        return f"{path}: is Python code. Name the function in it that queries the model: {path.stem}:predict."
    if suffix in (".zip", ".mar", ".gz", ".tgz", ".tar", ".7z", ".rar"):
        return _about_archive(path)
    return ""


def _about_archive(path: Path) -> str:
    held: list[str] = []
    try:
        with zipfile.ZipFile(path) as archive:
            held = [
                name
                for name in islice(archive.namelist(), _LOOKED_AT)
                if Path(name).suffix.lower() in _MODELS
            ]
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError):
        pass  # of another kind, or broken: unpacking it will show
    what = f", {first_of(held)}" if held else ""
    return f"{path}: is an archive. Unpack it and name the model in it{what}."


def _names_in(folder: Path) -> list[str]:
    try:
        return sorted(entry.name for entry in islice(folder.iterdir(), _LOOKED_AT))
    except OSError:
        return []
