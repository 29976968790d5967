"""What people name as a model that is none of ours gets one sentence with a way out that exists."""

import zipfile
from pathlib import Path

import pytest

from cfsearch.errors import CfsearchError, ConfigError, ModelFileError
from cfsearch.providers.opening import open_provider


def refusal(path: Path) -> CfsearchError:
    with pytest.raises(CfsearchError) as caught:
        open_provider(path)
    assert "\n" not in str(caught.value)
    assert str(caught.value).startswith(f"{path}: ")
    return caught.value


@pytest.mark.parametrize(
    ("name", "says"),
    [
        (
            "m.keras",
            'of Keras. Export it to ONNX (model.export("model.onnx", format="onnx")), or name a function',
        ),
        ("m.H5", "of Keras. Export it to ONNX"),
        ("m.tflite", "of TensorFlow Lite. Export it to ONNX (python -m tf2onnx.convert --tflite"),
        ("m.pb", "tf2onnx.convert --saved-model FOLDER"),
        ("m.mlmodel", "of Core ML. Export to ONNX the model that it was made from, or name a function"),
        ("m.gguf", "of llama.cpp."),
        ("m.plan", "of TensorRT."),
        ("m.bst", "that XGBoost itself saved"),
        ("m.csv", "is a table, not a model. Give it with --data"),
        ("m.png", "is a picture, not a model"),
        ("m.toml", "its sidecar goes with --sidecar"),
        ("m.py", "is Python code. Name the function in it that queries the model: m:predict."),
        ("m.tar.gz", "is an archive. Unpack it"),
        ("m.unheard", "its ending names no kind of model. A model is one of: a file ending in .onnx"),
    ],
)
def test_a_file_of_another_kind_names_its_way_out(tmp_path: Path, name: str, says: str) -> None:
    path = tmp_path / name
    path.write_bytes(b"x" * 64)
    found = refusal(path)
    assert isinstance(found, ConfigError)
    assert says in str(found)


@pytest.mark.parametrize(
    ("files", "says"),
    [
        (
            ("saved_model.pb", "variables/variables.index"),
            "a TensorFlow SavedModel. Export it to ONNX (python -m tf2onnx",
        ),
        (
            ("config.json", "model.safetensors", "tokenizer.json"),
            "model.safetensors with --arch pkg.mod:build",
        ),
        (
            ("config.json", "model-00001-of-00002.safetensors", "model.safetensors.index.json"),
            "model.safetensors.index.json with --arch",
        ),
        (("MLmodel", "model.pkl"), "as MLflow saves it. Load it in a function (mlflow.pyfunc.load_model)"),
        (("a.onnx", "readme.md"), "Name the file in it: "),
        (("readme.md",), "got a folder. Name the file in it."),
    ],
    ids=["saved model", "transformers", "in parts", "mlflow", "a file of ours", "nothing"],
)
def test_a_folder_names_what_is_in_it(tmp_path: Path, files: tuple[str, ...], says: str) -> None:
    folder = tmp_path / "folder"
    for name in files:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(b"x")
    found = refusal(folder)
    assert isinstance(found, ModelFileError)
    assert "expected a model file, got a folder" in str(found)
    assert says in str(found)


def test_an_archive_names_the_models_in_it(tmp_path: Path) -> None:
    path = tmp_path / "m.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("deep/model.onnx", b"x")
    assert str(refusal(path)).endswith("is an archive. Unpack it and name the model in it, deep/model.onnx.")
