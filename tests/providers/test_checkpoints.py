"""Torch weights as training scripts save them, against the network that they were saved from."""

import argparse
import hashlib
import json
import sys
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor, nn

from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
from cfsearch.errors import ModelFileError, UnsafeModelError
from cfsearch.providers.opening import open_provider
from cfsearch.providers.tabular_opening import columns_taken, open_tabular

State = dict[str, Tensor]

NETS = """\
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(48, 4), nn.BatchNorm1d(4), nn.Dropout(0.5))
        self.head = nn.Linear(4, 3)

    def forward(self, x):
        return self.head(self.body(x))

def build():
    return Net()

def wrapped():
    return nn.Sequential(OrderedDict(model=Net()))

class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(3, 3)
        self.b = nn.Linear(3, 3)
        self.b.weight = self.a.weight

    def forward(self, x):
        return self.b(self.a(x.mean((2, 3))))

def lazy():
    return nn.Sequential(nn.Flatten(), nn.LazyLinear(3))
""".replace("import torch\n", "from collections import OrderedDict\nimport torch\n", 1)

SIDECAR = 'labels = ["a", "b", "c"]\nscores = "logits"\n[input]\nsize = 4\nrange = "0..1"\n'


@pytest.fixture
def nets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:  # Any: a module that is written here
    (tmp_path / "nets_of_test.py").write_text(NETS)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    monkeypatch.delitem(sys.modules, "nets_of_test", raising=False)
    (tmp_path / "s.toml").write_text(SIDECAR)
    import nets_of_test  # type: ignore[import-not-found]  # just written

    return nets_of_test


def trained(nets: Any) -> nn.Module:  # Any: as above
    torch.manual_seed(1)
    network: nn.Module = nets.Net()
    network(torch.rand(8, 3, 4, 4))  # statistics of batch normalisation
    return network.eval()


def images() -> Tensor:
    return torch.rand(5, 3, 4, 4, generator=torch.Generator().manual_seed(2))


def below(prefix: str, state: State) -> State:
    return {prefix + name: value for name, value in state.items()}


def others(state: State) -> State:
    return {name: value * 2 for name, value in state.items()}


FORMS: dict[str, Any] = {  # Any: functions of a state_dict
    "ordered": OrderedDict,
    "lightning": lambda s: {
        "state_dict": below("model.", s),
        "epoch": 3,
        "hyper_parameters": {"lr": 0.1},
        "optimizer_states": [{"state": {0: {"exp_avg": torch.ones(3)}}, "param_groups": []}],
    },
    "net.": lambda s: below("net.", s),
    "model and optimizer": lambda s: {
        "model": s,
        "optimizer": {"state": {}, "weight": torch.ones(2)},
        "epoch": 1,
    },
    "model_state_dict": lambda s: {"model_state_dict": s, "loss": torch.tensor(0.5)},
    "two levels": lambda s: {"checkpoint": {"model": {"state_dict": s}}},
    "compiled": lambda s: below("_orig_mod.", s),
    "compiled in parallel": lambda s: below("module._orig_mod.", s),
    "compiled inside": lambda s: {n.replace("body.", "body._orig_mod."): v for n, v in s.items()},
    "the same twice": lambda s: {"model": s, "state_dict": {n: v.clone() for n, v in s.items()}},
    "parameters": lambda s: {n: nn.Parameter(v) if v.is_floating_point() else v for n, v in s.items()},
    "no counters": lambda s: {n: v for n, v in s.items() if "num_batches" not in n},
}


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("ending", [".pt", ".ckpt", ".pth.tar"])
def test_weights_are_found_wherever_they_lie(nets: Any, form: str, ending: str) -> None:
    network = trained(nets)
    torch.save(FORMS[form](network.state_dict()), f"w{ending}")
    model = open_provider(f"w{ending}", arch="nets_of_test:build", sidecar="s.toml")
    assert torch.allclose(model.predict(images()), network(images()), atol=1e-6)
    assert model.note == ""


def test_a_network_may_have_the_prefix_that_its_weights_lack(nets: Any) -> None:
    network = trained(nets)
    torch.save(network.state_dict(), "w.pt")
    model = open_provider("w.pt", arch="nets_of_test:wrapped", sidecar="s.toml")
    assert torch.allclose(model.predict(images()), network(images()), atol=1e-6)


def test_what_stands_beside_the_network_is_named(nets: Any) -> None:
    network = trained(nets)
    torch.save({**below("model.", network.state_dict()), "criterion.weight": torch.ones(3)}, "w.pt")
    model = open_provider("w.pt", arch="nets_of_test:build", sidecar="s.toml")
    assert torch.allclose(model.predict(images()), network(images()), atol=1e-6)
    assert model.note == "w.pt: taken without what stands beside the network's weights (criterion.weight)."


def test_averages_stand_behind_plain_weights_and_can_be_named(nets: Any) -> None:
    network = trained(nets)
    state = network.state_dict()
    torch.save({"state_dict": state, "state_dict_ema": others(state)}, "w.pt")
    plain = open_provider("w.pt", arch="nets_of_test:build", sidecar="s.toml")
    assert torch.allclose(plain.predict(images()), network(images()), atol=1e-6)
    assert "'state_dict' was taken. For another, set weights = \"state_dict_ema\" in s.toml." in plain.note
    Path("s.toml").write_text('weights = "state_dict_ema"\n' + SIDECAR)
    averaged = open_provider("w.pt", arch="nets_of_test:build", sidecar="s.toml")
    network.load_state_dict(others(state))
    assert torch.allclose(averaged.predict(images()), network(images()), atol=1e-6)
    assert averaged.note == "" and averaged.fingerprint != plain.fingerprint


def test_of_two_sets_one_must_be_named(nets: Any) -> None:
    state = trained(nets).state_dict()
    torch.save({"a": below("net.", state), "b": others(state)}, "w.pt")
    with pytest.raises(
        ModelFileError, match=r"2 different sets .*\('a.net', 'b'\). .*s.toml: weights = \"a.net\""
    ):
        open_provider("w.pt", arch="nets_of_test:build", sidecar="s.toml")
    Path("s.toml").write_text('weights = "c"\n' + SIDECAR)
    with pytest.raises(
        ModelFileError, match="has no set of weights named 'c'; it has .*'a.net'.* Correct `weights`"
    ):
        open_provider("w.pt", arch="nets_of_test:build", sidecar="s.toml")
    Path("s.toml").write_text('weights = "b"\n' + SIDECAR)
    network = trained(nets)
    network.load_state_dict(others(state))
    model = open_provider("w.pt", arch="nets_of_test:build", sidecar="s.toml")
    assert torch.allclose(model.predict(images()), network(images()), atol=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64], ids=str)
def test_weights_of_another_precision_run_as_the_network_was_built(nets: Any, dtype: torch.dtype) -> None:
    network = trained(nets)
    state = {n: v.to(dtype) if v.is_floating_point() else v for n, v in network.state_dict().items()}
    torch.save(state, "w.pt")
    model = open_provider("w.pt", arch="nets_of_test:build", sidecar="s.toml")
    network.load_state_dict({n: v.float() if v.is_floating_point() else v for n, v in state.items()})
    assert torch.allclose(model.predict(images()), network(images()), atol=1e-6)
    stored = str(dtype).removeprefix("torch.")
    assert f"stored as {stored}; the network of nets_of_test:build is built in float32" in model.note


def test_tied_weights_may_be_stored_once(nets: Any) -> None:
    torch.manual_seed(0)
    network = nets.Tied()
    save_file({n: v for n, v in network.state_dict().items() if n != "b.weight"}, "w.safetensors")
    model = open_provider("w.safetensors", arch="nets_of_test:Tied", sidecar="s.toml")
    assert torch.allclose(model.predict(images()), network(images()), atol=1e-6)


def test_a_lazy_network_gets_its_shapes_from_the_weights(nets: Any) -> None:
    linear = nn.Linear(48, 3)
    torch.save({"1.weight": linear.weight.data, "1.bias": linear.bias.data}, "w.pt")
    model = open_provider("w.pt", arch="nets_of_test:lazy", sidecar="s.toml")
    assert torch.allclose(model.predict(images()), linear(images().flatten(1)), atol=1e-6)


def in_parts(state: State) -> Path:
    names = list(state)
    files = {name: f"model-0000{1 + i % 2}-of-00002.safetensors" for i, name in enumerate(names)}
    for file in set(files.values()):
        save_file({name: state[name].clone() for name in names if files[name] == file}, file)
    index = Path("model.safetensors.index.json")
    index.write_text(json.dumps({"metadata": {}, "weight_map": files}))
    return index


def test_weights_in_parts_are_opened_by_their_index(nets: Any) -> None:
    network = trained(nets)
    index = in_parts(network.state_dict())
    model = open_provider(index, arch="nets_of_test:build", sidecar="s.toml")
    assert torch.allclose(model.predict(images()), network(images()), atol=1e-6)
    with pytest.raises(
        ModelFileError, match="one part of the weights; name model.safetensors.index.json instead"
    ):
        open_provider("model-00001-of-00002.safetensors", arch="nets_of_test:build", sidecar="s.toml")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (
            lambda t: t["weight_map"].update(x="../w.safetensors"),
            r"must be files beside it, got '../w.safetensors'",
        ),
        (lambda t: t["weight_map"].update(x="/etc/passwd"), "must be files beside it"),
        (lambda t: t["weight_map"].update(x="gone.safetensors"), "'gone.safetensors' are missing"),
        (lambda t: t.pop("weight_map"), "JSON without a `weight_map`"),
        (lambda t: t["weight_map"].update(x=3), "JSON without a `weight_map`"),
    ],
    ids=["outside", "absolute", "missing", "no map", "no name"],
)
def test_an_index_that_is_none_is_refused(nets: Any, change: Any, says: str) -> None:  # Any: a lambda
    index = in_parts(trained(nets).state_dict())
    table = json.loads(index.read_text())
    change(table)
    index.write_text(json.dumps(table))
    with pytest.raises(ModelFileError, match=says):
        open_provider(index, arch="nets_of_test:build", sidecar="s.toml")


@pytest.mark.parametrize("extra", [np.float64(0.5), argparse.Namespace(lr=0.1)], ids=["numpy", "namespace"])
def test_python_objects_beside_weights_are_refused_and_let_in_by_the_hash(nets: Any, extra: object) -> None:
    network = trained(nets)
    torch.save({"model": network.state_dict(), "extra": extra}, "w.pt")
    with pytest.raises(UnsafeModelError, match=r"Python objects \(.*(numpy|argparse)") as caught:
        open_provider("w.pt", arch="nets_of_test:build", sidecar="s.toml")
    digest = f"sha256:{hashlib.sha256(Path('w.pt').read_bytes()).hexdigest()}"
    assert digest in str(caught.value)
    model = open_provider("w.pt", arch="nets_of_test:build", sidecar="s.toml", trust_model=digest)
    assert torch.allclose(model.predict(images()), network(images()), atol=1e-6)


def test_networks_in_a_checkpoint_are_taken_whole(nets: Any) -> None:
    network, other = trained(nets), nets.Net()
    torch.save({"model": network, "epoch": 3}, "one.pt")
    torch.save({"model": network, "ema": other}, "two.pt")

    def opened(name: str) -> Any:  # Any: a provider
        digest = hashlib.sha256(Path(name).read_bytes()).hexdigest()
        return open_provider(name, sidecar="s.toml", trust_model=f"sha256:{digest}")

    assert torch.allclose(opened("one.pt").predict(images()), network(images()), atol=1e-6)
    with pytest.raises(
        Exception, match=r"holds 2 networks \(model, ema\). Name one in s.toml: weights = \"model\""
    ):
        opened("two.pt")
    Path("s.toml").write_text('weights = "ema"\n' + SIDECAR)
    assert torch.allclose(opened("two.pt").predict(images()), other.eval()(images()), atol=1e-6)


@pytest.mark.parametrize(
    ("saved", "says"),
    [
        ({"epoch": 3}, r"got a dict without any \(epoch\)"),
        ({"optimizer": {"state": {0: {"step": torch.ones(1)}}}}, r"a dict without any \(optimizer\)"),
        (
            {f"x{i}": torch.ones(1) for i in range(9)},
            "none of the names is one of the network's; missing body.1",
        ),
        ({"1.weight": torch.ones(2).to_sparse(), "1.bias": torch.ones(3)}, "cannot be put into|has shape"),
        ({"fc._packed_params.dtype": torch.qint8, "fc.scale": torch.ones(1)}, "Its network is quantised"),
    ],
    ids=["nothing", "optimizer alone", "another network", "sparse", "quantised"],
)
def test_what_does_not_fit_gets_one_sentence(nets: Any, saved: dict[str, Any], says: str) -> None:
    torch.save(saved, "w.pt")
    arch = "nets_of_test:lazy" if "1.bias" in saved else "nets_of_test:build"
    with pytest.raises(ModelFileError, match=says) as caught:
        open_provider("w.pt", arch=arch, sidecar="s.toml")
    assert "\n" not in str(caught.value)


def test_a_checkpoint_of_a_network_of_rows_takes_the_encoding_of_its_sidecar(nets: Any) -> None:
    Path("nets_of_rows.py").write_text("from torch import nn\ndef build():\n    return nn.Linear(2, 2)\n")
    schema = TableSchema(columns=tuple(Column(name=name, kind=ColumnKind.REAL, high=9.0) for name in "ab"))
    layer = nn.Linear(2, 2)
    torch.save({"state_dict": below("model.", layer.state_dict())}, "w.ckpt")
    Path("w.toml").write_text(
        'labels = ["no", "yes"]\nscores = "logits"\n[encoding]\ncolumns = [{name = "b", style = "standard", centre = 1.0, '
        'scale = 2.0}, {name = "a"}]\n'
    )
    assert columns_taken("w.ckpt") == ("b", "a")
    rows = torch.tensor([[1.0, 2.0], [3.0, 5.0], [0.0, 9.0]], dtype=torch.float64)
    model = open_tabular("w.ckpt", schema=schema, probes=rows, arch="nets_of_rows:build")
    taken = torch.stack([(rows[:, 1] - 1) / 2, rows[:, 0]], dim=1).float()
    assert torch.allclose(model.predict(rows).float(), layer(taken), atol=1e-5)
