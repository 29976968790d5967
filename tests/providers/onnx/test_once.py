"""An ONNX file is read and parsed once when it is opened, and its external data is looked at before it is used."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from click.testing import CliRunner
from onnx import TensorProto, helper

from cfsearch.assembly.model import open_inputs, open_model
from cfsearch.assembly.search import assemble
from cfsearch.cli import main
from cfsearch.config import Config
from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
from cfsearch.errors import CfsearchError, ModelFileError, UnsafeModelError
from cfsearch.files import read_file
from cfsearch.providers.onnx import file as onnx_file
from cfsearch.providers.onnx.file import OnnxFile
from cfsearch.providers.onnx.provider import OnnxProvider
from cfsearch.providers.tabular_opening import columns_taken, onnx_file_of, open_tabular

NAMES = ("a", "b")
SCHEMA = TableSchema(
    columns=tuple(Column(name=name, kind=ColumnKind.REAL, low=-2.0, high=2.0) for name in NAMES)
)
X = torch.tensor([[0.5, 1.0], [-1.0, 0.25], [2.0, -2.0]], dtype=torch.float64)
WEIGHT = np.array([[1.0, -1.0], [0.5, 2.0]], np.float32)


def saved(path: Path, *, columns: bool, location: str = "weight.bin") -> Path:
    """``logits = row @ WEIGHT`` with the weight as external data; one input a column, or a matrix."""
    weight = TensorProto(
        name="weight", data_type=TensorProto.FLOAT, dims=[2, 2], data_location=TensorProto.EXTERNAL
    )
    weight.external_data.add(key="location", value=location)
    names = NAMES if columns else ("row",)
    nodes = [helper.make_node("Concat", list(NAMES), ["row"], axis=1)] if columns else []
    graph = helper.make_graph(
        [*nodes, helper.make_node("MatMul", ["row", "weight"], ["logits"])],
        "external",
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, ["n", 2 // len(names)]) for n in names],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", 2])],
        [weight],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.write_bytes(made.SerializeToString())  # type: ignore[no-untyped-call]  # protobuf has no types
    (path.parent / "weight.bin").write_bytes(WEIGHT.tobytes())
    return path


class Counted:
    """How often a file was read from disk, and how often its graph was parsed."""

    def __init__(self, patch: pytest.MonkeyPatch, path: Path) -> None:
        self.reads = self.parses = 0
        read, parse = read_file, onnx_file._parsed

        def reading(other: Path, *, most: int) -> bytes:
            self.reads += other == path
            return read(other, most=most)

        def parsing(other: Path, content: bytes) -> onnx.ModelProto:
            self.parses += 1
            return parse(other, content)

        patch.setattr(onnx_file, "read_file", reading)
        patch.setattr(onnx_file, "_parsed", parsing)


@pytest.mark.parametrize("columns", [True, False], ids=["columns", "matrix"])
def test_a_model_of_tables_is_parsed_once(
    tmp_path: Path, columns: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = saved(tmp_path / "m.onnx", columns=columns)
    counted = Counted(monkeypatch, path)
    file = onnx_file_of(str(path))
    assert columns_taken(str(path), file=file) == (NAMES if columns else None)
    handed = open_tabular(str(path), schema=SCHEMA, probes=X, threads=1, file=file)
    assert (counted.reads, counted.parses) == (1, 1)
    assert np.abs(handed.predict(X).numpy() - X.numpy() @ WEIGHT).max() < 1e-6
    alone = open_tabular(str(path), schema=SCHEMA, probes=X, threads=1)
    assert (counted.reads, counted.parses) == (2, 2)
    assert alone.fingerprint == handed.fingerprint
    assert columns_taken(str(path)) == (NAMES if columns else None)
    assert (counted.reads, counted.parses) == (3, 3)


def test_a_file_that_was_read_is_opened_as_it_was(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = saved(tmp_path / "m.onnx", columns=False)
    whole = OnnxProvider.open(path, probe=X)
    counted = Counted(monkeypatch, path)
    file = onnx_file_of(str(path))
    assert isinstance(file, OnnxFile)
    path.write_bytes(b"another file by now")
    again = OnnxProvider.open(file, probe=X)
    assert (counted.reads, counted.parses) == (1, 1)
    assert again.fingerprint == whole.fingerprint and again.path == path
    assert torch.equal(again.predict(X), whole.predict(X))


@pytest.mark.parametrize("spec", ["m.skops", "pkg.mod:predict", "plugin:own", "none.onnx", "folder.onnx"])
def test_other_models_are_not_read(spec: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "folder.onnx").mkdir()
    (tmp_path / "m.skops").write_bytes(b"PK")
    assert onnx_file_of(spec) is None


def overwritten(folder: Path) -> None:
    (folder / "weight.bin").write_bytes((2 * WEIGHT).tobytes())
    os.utime(folder / "weight.bin", ns=(1, 1))


def replaced(folder: Path) -> None:
    (folder / "new.bin").write_bytes((2 * WEIGHT).tobytes())
    (folder / "new.bin").replace(folder / "weight.bin")


def led_out(folder: Path) -> None:
    (folder.parent / "secret.bin").write_bytes(WEIGHT.tobytes())
    (folder / "weight.bin").unlink()
    (folder / "weight.bin").symlink_to(folder.parent / "secret.bin")


def led_elsewhere(folder: Path) -> None:
    (folder / "weight.bin").rename(folder / "moved.bin")
    (folder / "weight.bin").symlink_to(folder / "moved.bin")


def removed(folder: Path) -> None:
    (folder / "weight.bin").unlink()


@pytest.mark.parametrize(
    ("change", "kind", "says"),
    [
        (overwritten, ModelFileError, "external data has changed since the model was read"),
        (replaced, ModelFileError, "external data has changed since the model was read"),
        (led_elsewhere, ModelFileError, "external data has changed since the model was read"),
        (led_out, UnsafeModelError, "is a link out of the model's folder"),
        (removed, ModelFileError, "'weight.bin' is missing"),
    ],
)
def test_external_data_that_changed_meanwhile_never_reaches_the_runtime(
    tmp_path: Path,
    change: Callable[[Path], None],
    kind: type[CfsearchError],
    says: str,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (tmp_path / "in").mkdir()
    path = saved(tmp_path / "in" / "m.onnx", columns=True)
    file = onnx_file_of(str(path))
    change(path.parent)

    def never(*_: object, **__: object) -> None:
        raise AssertionError("the runtime was given the file")

    monkeypatch.setattr("onnxruntime.InferenceSession", never)
    with pytest.raises(kind, match=says):
        open_tabular(str(path), schema=SCHEMA, probes=X, file=file)


def test_a_file_that_reaches_out_is_refused_before_anything_of_it_is_used(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    os.mkfifo(tmp_path / "pipe")  # opening it would hang for ever
    path = saved(tmp_path / "in" / "m.onnx", columns=True, location="../pipe")
    for ask in (lambda: onnx_file_of(str(path)), lambda: columns_taken(str(path))):
        with pytest.raises(UnsafeModelError, match="leads out of its folder"):
            ask()
    with pytest.raises(UnsafeModelError, match="leads out of its folder"):
        open_tabular(str(path), schema=SCHEMA, probes=X)


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """A configuration of a table without a schema, so that the model is asked for its columns."""
    path = saved(tmp_path / "m.onnx", columns=True)
    path.with_suffix(".toml").write_text('labels = ["no", "yes"]\nscores = "logits"\n')
    lines = ["a,b,c", *(f"{a},{b},0" for a, b in X.tolist())]
    (tmp_path / "rows.csv").write_text("\n".join(lines) + "\n")
    return Config.check(
        {
            "model": {"path": str(path)},
            "data": {"table": str(tmp_path / "rows.csv")},
            "search": {"evaluations": 8, "population": 8},
            "run": {"threads": 1},
        }
    )


def test_a_configuration_reads_it_once(config: Config, monkeypatch: pytest.MonkeyPatch) -> None:
    counted = Counted(monkeypatch, Path(config.model.path))
    opened = open_model(config)
    assert (counted.reads, counted.parses) == (1, 1)
    assert opened.table is not None and opened.table.schema.names == NAMES
    assert opened.table.file is None  # a model in memory is not kept for nothing
    table = open_inputs(config)
    assert (counted.reads, counted.parses) == (2, 2)
    assembly = assemble(config, table=table)
    assert (counted.reads, counted.parses) == (2, 2)
    assert assembly.table is not None and assembly.table.file is None
    assert assembly.model.fingerprint == opened.model.fingerprint


def test_a_table_that_was_opened_for_another_model_brings_no_file(config: Config, tmp_path: Path) -> None:
    table = open_inputs(config)
    (tmp_path / "other").mkdir()
    path = saved(tmp_path / "other" / "m.onnx", columns=True)
    path.with_suffix(".toml").write_text('labels = ["no", "yes"]\nscores = "logits"\n')
    (path.parent / "weight.bin").write_bytes((2 * WEIGHT).tobytes())
    other = config.model_copy(update={"model": config.model.model_copy(update={"path": str(path)})})
    answer = open_model(other, table=table).model.predict(X)
    assert np.abs(answer.numpy() - X.numpy() @ (2 * WEIGHT)).max() < 1e-6


@pytest.mark.parametrize("command", ["search", "doctor", "distill"])
def test_a_command_reads_it_once(
    config: Config, command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    words: list[object] = {
        "search": ["--row", 0, "--evaluations", 8, "--population", 8],
        "doctor": [],
        "distill": [
            "--out",
            tmp_path / "s.safetensors",
            "--queries",
            40,
            "--trials",
            0,
            "--network",
            "linear",
        ],
    }[command]
    counted = Counted(monkeypatch, Path(config.model.path))
    given = [command, config.model.path, "--data", tmp_path / "rows.csv", "--threads", 1, *words]
    result = CliRunner().invoke(main, [str(word) for word in given], catch_exceptions=False)
    assert result.exit_code == 0, result.stderr
    assert (counted.reads, counted.parses) == (1, 1)
