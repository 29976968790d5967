"""F01 to F21: model files that are broken, do not fit, or want more than to be read."""

import json
import os
import pickle
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

from cfsearch.errors import CfsearchError, ConfigError, ModelFileError, UnsafeModelError
from cfsearch.providers.onnx.file import read_onnx_file
from cfsearch.providers.onnx.provider import OnnxProvider, check_runtime
from cfsearch.providers.opening import open_provider
from cfsearch.providers.torch_module import TorchProvider
from tests.nursery import forked


def model(
    *,
    op: str = "Softmax",
    domain: str = "",
    opset: int = 17,
    extra: tuple[str, ...] = (),
    ir_version: int = 10,
) -> onnx.ModelProto:
    """Flatten, a dense layer to 3 outputs, and one more operator."""
    graph = helper.make_graph(
        [
            helper.make_node("Flatten", ["x"], ["flat"]),
            helper.make_node("Gemm", ["flat", "weight"], ["dense"]),
            helper.make_node(op, ["dense"], ["scores"], domain=domain),
        ],
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 4, 4])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 3])],
        [numpy_helper.from_array(np.ones((48, 3), np.float32), "weight")],
    )
    opsets = [helper.make_opsetid("", opset), *(helper.make_opsetid(name, 1) for name in extra)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=ir_version)


def external(
    location: str | list[str], *, offset: str | None = None, length: str | None = None
) -> onnx.ModelProto:
    """The same with its weight in external data, at any location one likes."""
    made = model()
    weight = made.graph.initializer[0]
    weight.ClearField("raw_data")  # type: ignore[no-untyped-call]  # protobuf has no types
    weight.data_location = TensorProto.EXTERNAL
    for key, value in [
        *(("location", place) for place in ([location] if isinstance(location, str) else location)),
        ("offset", offset),
        ("length", length),
    ]:
        if value is not None:
            entry = weight.external_data.add()
            entry.key, entry.value = key, value
    return made


def content_of(made: onnx.ModelProto) -> bytes:
    content: bytes = made.SerializeToString()  # type: ignore[no-untyped-call]  # protobuf has no types
    return content


def saved(path: Path, made: onnx.ModelProto) -> Path:
    path.write_bytes(content_of(made))
    return path


def refused(path: Path, kind: type[CfsearchError], says: str) -> None:
    """Opening fails with one clear line that names the file and no C++ source."""
    with pytest.raises(kind, match=says) as caught:
        open_provider(str(path))
    assert type(caught.value) is kind
    text = str(caught.value)
    assert "\n" not in text
    assert str(path) in text
    assert not any(trace in text for trace in (".cc:", "onnxruntime_src", "::"))


WEIGHTS = np.ones((48, 3), np.float32).tobytes()


def test_external_data_beside_the_model_is_read_and_part_of_the_fingerprint(tmp_path: Path) -> None:
    (tmp_path / "weights.bin").write_bytes(WEIGHTS)
    path = saved(tmp_path / "m.onnx", external("weights.bin"))
    first = OnnxProvider.open(path)
    assert first.predict(torch.zeros(2, 3, 4, 4)).shape == (2, 3)
    (tmp_path / "weights.bin").write_bytes(np.zeros((48, 3), np.float32).tobytes())
    assert OnnxProvider.open(path).fingerprint != first.fingerprint


@pytest.mark.parametrize(
    "location", ["../secret.bin", "sub/../../secret.bin", "..\\secret.bin", "./../secret.bin"]
)
def test_f01_external_data_above_the_folder_is_refused(tmp_path: Path, location: str) -> None:
    (tmp_path / "in" / "sub").mkdir(parents=True)
    (tmp_path / "secret.bin").write_bytes(WEIGHTS)
    refused(
        saved(tmp_path / "in" / "m.onnx", external(location)), UnsafeModelError, "leads out of its folder"
    )


@pytest.mark.parametrize("location", ["../pipe", "pipe"])
def test_f01_a_pipe_behind_external_data_is_never_opened(tmp_path: Path, location: str) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    os.mkfifo((folder / location).resolve())
    # Opening the pipe would hang for ever, and this test with it.
    refused(saved(folder / "m.onnx", external(location)), UnsafeModelError, "m.onnx: external data")


def test_f01_the_model_file_itself_may_not_be_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "m.onnx")
    refused(tmp_path / "m.onnx", ModelFileError, "pipe, socket or device")


@pytest.mark.parametrize("location", ["/etc/hostname", "C:\\secret.bin", "\\\\host\\share", "C:secret.bin"])
def test_f02_absolute_external_data_is_refused(tmp_path: Path, location: str) -> None:
    refused(saved(tmp_path / "m.onnx", external(location)), UnsafeModelError, "got the absolute path")


def test_f03_a_link_out_of_the_folder_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(WEIGHTS)
    (folder / "weights.bin").symlink_to(tmp_path / "secret.bin")
    refused(
        saved(folder / "m.onnx", external("weights.bin")),
        UnsafeModelError,
        "is a link out of the model's folder",
    )


def test_f03_a_linked_folder_that_leads_out_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "weights.bin").write_bytes(WEIGHTS)
    (folder / "sub").symlink_to(tmp_path / "elsewhere")
    refused(saved(folder / "m.onnx", external("sub/weights.bin")), UnsafeModelError, "is a link out")


def test_a_link_that_stays_in_the_folder_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "real.bin").write_bytes(WEIGHTS)
    (tmp_path / "weights.bin").symlink_to("real.bin")
    assert OnnxProvider.open(saved(tmp_path / "m.onnx", external("weights.bin"))).labels == ("0", "1", "2")


@pytest.mark.parametrize("location", ["*/_ORT_MEM_ADDR_/*", "sub/_ORT_MEM_ADDR_"])
def test_f05_an_address_in_the_runtimes_memory_is_refused(tmp_path: Path, location: str) -> None:
    made = external(location, offset="140737488355328", length="64")
    refused(saved(tmp_path / "m.onnx", made), UnsafeModelError, "points into the memory of the runtime")


@pytest.mark.parametrize("where", ["attribute", "subgraph", "function", "sparse"])
def test_external_data_is_found_wherever_it_hides(tmp_path: Path, where: str) -> None:
    made = model()
    hidden = onnx.TensorProto()
    hidden.CopyFrom(external("../secret.bin").graph.initializer[0])  # type: ignore[no-untyped-call]  # protobuf
    constant = helper.make_node("Constant", [], ["hidden"], value=hidden)
    if where == "attribute":
        made.graph.node.append(constant)
    elif where == "subgraph":
        inner = helper.make_graph([constant], "inner", [], [])
        made.graph.node.append(
            helper.make_node("If", ["flat"], ["out"], then_branch=inner, else_branch=inner)
        )
    elif where == "function":
        made.functions.append(
            helper.make_function("own", "f", [], ["hidden"], [constant], [helper.make_opsetid("", 17)])
        )
    else:
        sparse = made.graph.sparse_initializer.add()
        sparse.values.CopyFrom(hidden)  # type: ignore[no-untyped-call]  # protobuf
    refused(saved(tmp_path / "m.onnx", made), UnsafeModelError, r"'\.\./secret.bin', which leads out")


@pytest.mark.parametrize("places", [["weights.bin", "../secret.bin"], [], [""]], ids=["two", "none", "empty"])
def test_external_data_names_one_location(tmp_path: Path, places: list[str]) -> None:
    (tmp_path / "weights.bin").write_bytes(WEIGHTS)
    refused(saved(tmp_path / "m.onnx", external(places)), ModelFileError, "must name one location")


@pytest.mark.parametrize(
    ("offset", "length", "says"),
    [
        ("-4", None, "has offset '-4' and length '0', expected whole numbers"),
        ("0", "1e9", "expected whole numbers"),
        ("570", "10", "ends after 576 bytes, expected at least 580"),
    ],
)
def test_external_data_lies_within_its_file(tmp_path: Path, offset: str, length: str, says: str) -> None:
    (tmp_path / "weights.bin").write_bytes(WEIGHTS)
    refused(
        saved(tmp_path / "m.onnx", external("weights.bin", offset=offset, length=length)),
        ModelFileError,
        says,
    )


def test_external_data_that_is_missing_is_named(tmp_path: Path) -> None:
    refused(saved(tmp_path / "m.onnx", external("weights.bin")), ModelFileError, "'weights.bin' is missing")


@pytest.mark.parametrize("version", ["1.24.0", "1.19.2", "1.9"])
def test_f06_an_old_runtime_gets_no_external_data(tmp_path: Path, version: str) -> None:
    (tmp_path / "weights.bin").write_bytes(WEIGHTS)
    with_data = read_onnx_file(saved(tmp_path / "m.onnx", external("weights.bin")))
    with pytest.raises(UnsafeModelError, match=rf"onnxruntime {version} reads it .*onnxruntime>=1.24.1"):
        check_runtime(version, file=with_data)
    check_runtime("1.24.1", file=with_data)
    check_runtime(version, file=read_onnx_file(saved(tmp_path / "plain.onnx", model())))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", r"is empty \(0 bytes\)"),
        (b"these are not the weights you are looking for\n", "expected an ONNX model"),
        (bytes(range(256)) * 8, "expected an ONNX model"),
        (b"\x08\x0a", "got a file without a graph"),
        (content_of(model())[:-40], "expected an ONNX model"),
        (b"PK\x03\x04" + b"\0" * 60, "expected an ONNX model"),
    ],
    ids=["empty", "text", "garbage", "no graph", "cut off", "zip"],
)
def test_f07_what_is_no_onnx_model_gets_one_line(tmp_path: Path, content: bytes, says: str) -> None:
    path = tmp_path / "m.onnx"
    path.write_bytes(content)
    refused(path, ModelFileError, says)


def test_f07_a_folder_and_a_missing_file_get_one_line(tmp_path: Path) -> None:
    (tmp_path / "folder.onnx").mkdir()
    refused(tmp_path / "folder.onnx", ModelFileError, "got a folder")
    refused(tmp_path / "none.onnx", ModelFileError, "there is no such model file")
    saved(tmp_path / "m.onnx", model())
    refused(tmp_path / "m.onnx" / "below.onnx", ModelFileError, "there is no such model file")


def test_f07_a_graph_that_does_not_hold_together_gets_one_line(tmp_path: Path) -> None:
    made = model()
    made.graph.node[1].input[1] = "nowhere"
    refused(saved(tmp_path / "m.onnx", made), ModelFileError, "onnxruntime cannot load it")


def test_f07_the_runtime_writes_nothing_of_its_own(tmp_path: Path) -> None:
    made = model()
    made.graph.node[1].input[1] = "nowhere"
    saved(tmp_path / "broken.onnx", made)
    saved(tmp_path / "good.onnx", model())
    code = (
        "import sys\n"
        "from cfsearch.errors import CfsearchError\n"
        "from cfsearch.providers.onnx import OnnxProvider\n"
        "import torch\n"
        "p = OnnxProvider.open('good.onnx')\n"
        "for ask in (lambda: OnnxProvider.open('broken.onnx'), lambda: p.predict(torch.zeros(1, 5))):\n"
        "    try:\n        ask()\n    except CfsearchError:\n        pass\n    else:\n        sys.exit(1)\n"
    )
    done = forked(code, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("count", [2, 4])
def test_f11_labels_that_do_not_fit_the_outputs_are_refused(tmp_path: Path, count: int) -> None:
    path = saved(tmp_path / "m.onnx", model())
    path.with_suffix(".toml").write_text(f"labels = {[f'c{i}' for i in range(count)]}")
    refused(path, ModelFileError, rf"{count} labels are declared, but the model answers with 3 outputs")


def test_f13_an_operator_of_a_foreign_domain_is_named(tmp_path: Path) -> None:
    made = model(op="Wobble", domain="my.company", extra=("my.company",))
    refused(
        saved(tmp_path / "m.onnx", made),
        ModelFileError,
        "operator 'Wobble' of domain 'my.company' is not known",
    )


def test_f13_an_operator_that_does_not_exist_is_named(tmp_path: Path) -> None:
    refused(saved(tmp_path / "m.onnx", model(op="Wobble")), ModelFileError, "'Wobble' of domain 'ai.onnx'")


def test_f13_a_version_from_the_future_is_named(tmp_path: Path) -> None:
    refused(
        saved(tmp_path / "m.onnx", model(opset=999)),
        ModelFileError,
        r"operators of domain 'ai.onnx' \(first 'Flatten'\) in opset 999, the installed onnxruntime knows up to \d+",
    )
    refused(
        saved(tmp_path / "m.onnx", model(ir_version=999)),
        ModelFileError,
        "has ONNX IR version 999 .*opset 17.*reads up to",
    )


class Marker:
    """Pickles to a call that creates a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[str, str]]:
        return Path.write_text, (self.path, "ran")  # type: ignore[return-value]  # hostile on purpose


def small() -> nn.Module:
    """A network for --arch."""
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 3))


@pytest.fixture
def arch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    (tmp_path / "arch_of_test.py").write_text(
        "from torch import nn\ndef build():\n    return nn.Sequential(nn.Flatten(), nn.Linear(48, 3))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "arch_of_test", raising=False)
    return "arch_of_test:build"


def never_runs(path: Path, marker: Path, arch: str | None) -> str:
    with pytest.raises(UnsafeModelError) as caught:
        open_provider(str(path), arch=arch)
    assert not marker.exists()
    assert "can run code when it is loaded; it was not" in str(caught.value)
    assert "torch.save(model.state_dict()" in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("form", ["protocol 0", "protocol 2", "protocol 4", "torch.save", "old torch.save"])
@pytest.mark.parametrize("suffix", [".pt", ".pth"])
def test_f15_a_hostile_pickle_never_runs(tmp_path: Path, arch: str, form: str, suffix: str) -> None:
    marker, path = tmp_path / "marker", tmp_path / f"weights{suffix}"
    hostile = {"weight": Marker(marker)}
    if form.startswith("protocol"):
        path.write_bytes(pickle.dumps(hostile, protocol=int(form[-1])))
    else:
        torch.save(hostile, path, _use_new_zipfile_serialization=form == "torch.save")
    never_runs(path, marker, arch)
    never_runs(path, marker, None)


def test_f16_a_whole_module_is_refused_with_the_way_out(tmp_path: Path, arch: str) -> None:
    path = tmp_path / "model.pt"
    torch.save(small(), path)
    never_runs(path, tmp_path / "marker", arch)


@pytest.mark.filterwarnings("default")
def test_f17_an_export_archive_with_hostile_inputs_is_refused(tmp_path: Path, arch: str) -> None:
    marker, path = tmp_path / "marker", tmp_path / "model.pt2"
    exported = torch.export.export(small().eval(), (torch.zeros(1, 3, 4, 4),))
    torch.export.save(exported, path)
    evil = tmp_path / "evil.pt2"
    with zipfile.ZipFile(path) as good, zipfile.ZipFile(evil, "w") as bad:
        for name in good.namelist():
            hostile = "sample_inputs" in name
            bad.writestr(name, pickle.dumps(Marker(marker)) if hostile else good.read(name))
    never_runs(evil, marker, arch)
    # The same file under the name of plain weights.
    never_runs(evil.rename(tmp_path / "evil.pt"), marker, arch)


@pytest.mark.filterwarnings("default")
def test_f18_torchscript_is_refused(tmp_path: Path, arch: str) -> None:
    path = tmp_path / "script.pt"
    traced = torch.jit.trace(small(), torch.zeros(1, 3, 4, 4))  # type: ignore[no-untyped-call]  # untyped
    torch.jit.save(traced, str(path))
    assert "TorchScript" in never_runs(path, tmp_path / "marker", arch)


@pytest.mark.parametrize("suffix", [".pkl", ".pickle", ".joblib", ".PKL", ".pt2", ".ptl"])
def test_f18_pickles_of_any_name_are_refused(tmp_path: Path, suffix: str) -> None:
    marker, path = tmp_path / "marker", tmp_path / f"model{suffix}"
    path.write_bytes(pickle.dumps(Marker(marker)))
    never_runs(path, marker, None)


def state(**changes: torch.Tensor | None) -> dict[str, torch.Tensor]:
    changed = {**small().state_dict(), **{name.replace("__", "."): value for name, value in changes.items()}}
    return {name: value for name, value in changed.items() if value is not None}


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"1__bias": None}, "missing 1.bias"),
        ({"head__bias": torch.zeros(2)}, "unexpected head.bias"),
        ({"1__weight": torch.zeros(3, 5)}, r"1.weight has shape \(3, 5\), not \(3, 48\)"),
        ({f"x{i}": torch.zeros(1) for i in range(9)}, "unexpected x0, x1, x2, x3, x4 and 4 more"),
    ],
    ids=["missing", "extra", "shape", "many"],
)
def test_f19_weights_that_do_not_fit_are_named_at_most_five_a_side(
    tmp_path: Path, arch: str, suffix: str, changes: dict[str, torch.Tensor | None], says: str
) -> None:
    from safetensors.torch import save_file

    path = tmp_path / f"weights{suffix}"
    if suffix == ".pt":
        torch.save(state(**changes), path)
    else:
        save_file(state(**changes), path)
    with pytest.raises(ModelFileError, match=says):
        TorchProvider.open(path, arch=arch)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text that is no checkpoint",
        b"\x80",
        b"PK\x03\x04rubbish",
        pickle.dumps([1, 2], protocol=2),
        pickle.dumps({}, protocol=2),
    ],
    ids=["empty", "text", "cut off", "no zip", "a list", "nothing in it"],
)
def test_weights_that_are_none_get_one_line(tmp_path: Path, arch: str, content: bytes) -> None:
    path = tmp_path / "weights.pt"
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as caught:
        TorchProvider.open(path, arch=arch)
    assert type(caught.value) is ModelFileError
    assert "\n" not in str(caught.value)


def test_weights_that_were_cut_off_get_one_line(tmp_path: Path, arch: str) -> None:
    path = tmp_path / "weights.pt"
    torch.save(small().state_dict(), path)
    path.write_bytes(path.read_bytes()[:-300])
    with pytest.raises(ModelFileError, match="cut off, or another kind of file"):
        TorchProvider.open(path, arch=arch)


def header(table: object, *, length: int | None = None, body: bytes = b"\0" * 16) -> bytes:
    text = json.dumps(table).encode() if not isinstance(table, bytes) else table
    return (len(text) if length is None else length).to_bytes(8, "little") + text + body


def entry(begin: int, end: int, *, shape: tuple[int, ...] = (2,)) -> dict[str, object]:
    return {"dtype": "F32", "shape": shape, "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    "content",
    [
        header({"a": entry(0, 8)}, length=10**12),
        header({"a": entry(0, 8), "b": entry(4, 12)}),
        header({"a": entry(0, 4, shape=(1,)), "b": entry(8, 16)}),
        header({"a": entry(0, 2**63, shape=(2**62, 4))}),
        header({"a": entry(8, 0)}),
        header(b"not json at all"),
        header({"a": entry(0, 8)}, body=b"\0" * 4),
        header([1, 2, 3]),
        b"\x01\x02",
        b"",
    ],
    ids=[
        "1 TB header",
        "overlap",
        "hole",
        "overflow",
        "backwards",
        "no json",
        "cut off",
        "a list",
        "2 bytes",
        "empty",
    ],
)
def test_f21_malformed_safetensors_get_one_line(tmp_path: Path, arch: str, content: bytes) -> None:
    path = tmp_path / "weights.safetensors"
    path.write_bytes(content)
    with pytest.raises(ModelFileError) as caught:
        open_provider(str(path), arch=arch)
    assert type(caught.value) is ModelFileError
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_weights_without_the_networks_code_say_what_is_missing(tmp_path: Path) -> None:
    path = tmp_path / "weights.pt"
    torch.save(small().state_dict(), path)
    with pytest.raises(ConfigError, match="Name the function that builds the network: --arch"):
        open_provider(str(path))


def test_f03_a_hard_link_to_a_file_elsewhere_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "secret.bin").write_bytes(WEIGHTS)
    os.link(tmp_path / "secret.bin", folder / "weights.bin")
    refused(saved(folder / "m.onnx", external("weights.bin")), UnsafeModelError, r"2 names \(hard links\)")


def test_a_hard_link_within_the_folder_is_no_trouble(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "weights.bin").write_bytes(WEIGHTS)
    os.link(tmp_path / "weights.bin", tmp_path / "sub" / "again.bin")
    assert OnnxProvider.open(saved(tmp_path / "m.onnx", external("weights.bin"))).labels == ("0", "1", "2")


def test_a_fixed_batch_of_a_million_is_refused_before_it_is_filled(tmp_path: Path) -> None:
    made = model()
    for value in (*made.graph.input, *made.graph.output):
        value.type.tensor_type.shape.dim[0].ClearField("dim_param")  # type: ignore[no-untyped-call]  # protobuf
        value.type.tensor_type.shape.dim[0].dim_value = 10**7
    refused(saved(tmp_path / "m.onnx", made), ModelFileError, "takes exactly 10,000,000 inputs at once")
