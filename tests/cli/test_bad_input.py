"""Bad input: one clear line, the right exit code, nothing written."""

import json
from collections.abc import Callable
from pathlib import Path

import jsonschema
import pytest

from cfsearch.schemas import schema

from .conftest import Answer, Call, Flags, Toys

Refused = Callable[..., Answer]


@pytest.fixture
def audit(call: Call, toys: Toys, fast: Flags, tmp_path: Path) -> Refused:
    """An audit with something changed; says that nothing was written."""

    def run(*words: object, model: Path | None = None, images: Path | None = None) -> Answer:
        model = toys.model() if model is None else model
        images = toys.pictures(count=2) if images is None else images
        out = tmp_path / "run"
        answer = call("audit", "--images", images, "--model", model, *fast, "--out", out, *words)
        assert answer.out == ""
        assert not out.exists()
        return answer

    return run


def test_a_missing_model(audit: Refused, tmp_path: Path) -> None:
    answer = audit(model=tmp_path / "none.onnx")
    assert answer.code == 2
    assert "none.onnx" in answer.error


@pytest.mark.parametrize(
    "content", [b"", b"hello, I am text\n", b"\x08\x07\x12"], ids=["empty", "text", "cut"]
)
def test_f07_a_file_that_is_no_onnx(audit: Refused, tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "text.onnx"
    path.write_bytes(content)
    answer = audit(model=path)
    assert answer.code == 2
    assert "text.onnx" in answer.error


def test_a_folder_named_onnx(audit: Refused, tmp_path: Path) -> None:
    path = tmp_path / "folder.onnx"
    path.mkdir()
    assert audit(model=path).code == 2


def test_an_input_size_that_cannot_be_reached(audit: Refused, toys: Toys) -> None:
    answer = audit(model=toys.model(size=24, sidecar='[input]\nresize = "none"\n'))
    assert answer.code == 2
    assert "24" in answer.error
    assert "resize" in answer.error


def test_f11_labels_that_are_not_as_many_as_the_outputs(audit: Refused, toys: Toys) -> None:
    model = toys.model(labels=("a", "b", "c"), end="Softmax")
    model.with_suffix(".toml").write_text('labels = ["a", "b"]\nscores = "probabilities"\n')
    answer = audit(model=model)
    assert answer.code == 2
    assert "2" in answer.error
    assert "3" in answer.error


def test_an_unknown_solver_suggests_the_nearest(audit: Refused) -> None:
    answer = audit("--solver", "nsga22")
    assert answer.code == 2
    assert "Did you mean 'nsga2'?" in answer.error


def test_an_unknown_objective_suggests_the_nearest(audit: Refused) -> None:
    answer = audit("--objective", "sparsty")
    assert answer.code == 2
    assert "Did you mean 'sparsity'?" in answer.error


def test_an_unknown_setting_of_an_objective(audit: Refused) -> None:
    answer = audit("--objective", "sparsity:treshold=0.1")
    assert answer.code == 2
    assert "Did you mean `threshold`?" in answer.error


def test_an_unknown_generator(audit: Refused) -> None:
    answer = audit("--generator", "pixles")
    assert answer.code == 2
    assert "Did you mean 'pixels'?" in answer.error


def test_a_target_class_that_does_not_exist(audit: Refused) -> None:
    answer = audit("--target", "brigt")
    assert answer.code == 2
    assert "Did you mean 'bright'?" in answer.error


def test_an_immutable_variable_that_does_not_exist(
    call: Call, toys: Toys, model: Path, face: Path, fast: Flags
) -> None:
    answer = call("search", face, "--model", model, *fast, "--immutable", "Male")
    assert answer.code == 2
    assert "'Male'" in answer.error


@pytest.mark.parametrize("flag", ["--evaluations", "--population", "--capacity", "--threads"])
def test_a_budget_of_zero(audit: Refused, flag: str) -> None:
    answer = audit(flag, 0)
    assert answer.code == 2
    assert flag in answer.error
    assert "1<=x" in answer.error


def test_one_objective_only(call: Call, model: Path, face: Path) -> None:
    answer = call("search", face, "--model", model, "--objective", "intensity")
    assert answer.code == 2
    assert "two objectives or more" in answer.error


@pytest.mark.parametrize("device", ["cuda:99", "gpu"])
def test_a_device_that_is_not_there(audit: Refused, device: str) -> None:
    answer = audit("--device", device)
    assert answer.code == 2
    assert device in answer.error


def test_f29_no_images(audit: Refused, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    empty.mkdir()
    answer = audit(images=empty)
    assert answer.code == 2
    assert "no images found" in answer.error
    assert audit(images=tmp_path / "nowhere").code == 2


def test_f38_a_model_that_answers_nan_to_everything(audit: Refused, toys: Toys) -> None:
    answer = audit(model=toys.model(brightest=2.0))
    assert answer.code == 3
    assert "NaN" in answer.error


def test_f87_an_unknown_setting_in_a_file(call: Call, tmp_path: Path) -> None:
    config = tmp_path / "cfsearch.toml"
    config.write_text('[model]\npath = "m.onnx"\n[data]\nimages = "x"\n[search]\nevaluation = 5\n')
    answer = call("audit", config, "--out", tmp_path / "run")
    assert answer.code == 2
    assert "Did you mean `evaluations`?" in answer.error
    assert "line 6, column 1" in answer.error
    assert not (tmp_path / "run").exists()


def test_neither_file_nor_model(call: Call, face: Path) -> None:
    answer = call("search", face)
    assert answer.code == 2
    assert "--model is missing" in answer.error


def test_an_audit_without_inputs_names_every_kind(call: Call, tmp_path: Path) -> None:
    answer = call("audit", "--model", "model.onnx", "--out", tmp_path / "run")
    assert answer.code == 2
    assert "give --images, --data, --text, --texts or --sounds, or a cfsearch.toml" in answer.error


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("serch",), "Did you mean 'search'?"),
        (("search", "x.png", "--modle", "m"), "Did you mean '--model'?"),
        (("train", "generatr"), "Did you mean 'generator'?"),
        (("schema", "fronts"), "Did you mean 'front'?"),
        (("show", "nowhere"), "no such run"),
        (("search",), "Missing argument"),
        (("--loud",), "No such option"),
    ],
)
def test_a_slip_of_the_keyboard(call: Call, words: tuple[object, ...], hint: str) -> None:
    answer = call(*words)
    assert answer.code == 2
    assert hint in answer.error


@pytest.mark.parametrize(
    "words",
    [
        ("search", "nowhere.png", "--model", "m.onnx", "--json"),
        ("search", "--json"),
        ("search", "x.png", "--evaluations", "0", "--json"),
        ("audit", "--json"),
        ("show", "nowhere", "--json"),
        ("schema", "fronts", "--json"),
    ],
)
def test_json_is_one_document_also_on_failure(call: Call, words: tuple[object, ...]) -> None:
    answer = call(*words)
    assert answer.code == 2
    jsonschema.validate(answer.document, schema("error"))
    assert answer.document["error"]["exit_code"] == 2
    assert answer.document["error"]["message"] in answer.error


def test_an_unexpected_error_is_one_line_with_a_hint(
    call: Call, monkeypatch: pytest.MonkeyPatch, model: Path, face: Path
) -> None:
    def broken(_: object) -> None:
        raise ZeroDivisionError("oh\nno")

    monkeypatch.setattr("cfsearch.assembly.search.assemble", broken)
    answer = call("search", face, "--model", model)
    assert answer.code == 3
    assert "unexpected ZeroDivisionError: oh no. Run it again with --debug" in answer.error
    answer = call("search", face, "--model", model, "--debug", "--json")
    assert json.loads(answer.out)["error"]["code"] == "unexpected"
    assert "Traceback" in answer.err


def test_too_little_memory_is_reported_as_such(
    call: Call, monkeypatch: pytest.MonkeyPatch, model: Path, face: Path
) -> None:
    def broken(_: object) -> None:
        raise MemoryError

    monkeypatch.setattr("cfsearch.assembly.search.assemble", broken)
    answer = call("search", face, "--model", model)
    assert answer.code == 3
    assert "[out_of_memory]" in answer.error
