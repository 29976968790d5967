"""One signature for all forms of a model, and one clear line for what is none."""

from collections.abc import Callable
from importlib.metadata import EntryPoint, PathDistribution, entry_points
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cfsearch import registry
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
from cfsearch.errors import CfsearchError, ConfigError, ModelFileError, PluginError, UnsafeModelError
from cfsearch.providers.callable import CallableProvider
from cfsearch.providers.onnx.provider import OnnxProvider
from cfsearch.providers.opening import open_provider
from cfsearch.providers.request import ModelRequest
from cfsearch.providers.tabular import EncodedProvider
from cfsearch.providers.tabular_opening import open_tabular
from cfsearch.providers.torch_module import TorchProvider
from cfsearch.providers.weights import RunsCodeError

LinearModel = Callable[..., Path]


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "opened.py").write_text(
        "from torch import nn\n"
        "def build():\n    return nn.Sequential(nn.Flatten(), nn.Linear(48, 2))\n"
        "def predict(rows):\n    return rows.mean(axis=(1, 2, 3))\n"
    )
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_an_object_of_the_program_is_opened_as_a_search_takes_it(folder: Path) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(nn.Flatten(), nn.Linear(3 * 32 * 32, 2))
    x = torch.rand(5, 3, 32, 32)
    (folder / "net.toml").write_text('name = "small"\nlabels = ["no", "yes"]\nscores = "logits"\n')
    provider = open_provider(network, sidecar=str(folder / "net.toml"))
    assert isinstance(provider, TorchProvider)
    assert (provider.name, provider.labels, provider.scores) == ("small", ("no", "yes"), ScoreKind.LOGITS)
    with torch.no_grad():
        assert torch.allclose(provider.predict(x), network(x), atol=1e-6)  # 32 x 32 was found by asking
    assert provider.predict(torch.rand(2, 3, 80, 60)).shape == (2, 2)  # other pictures are resized to it
    assert open_provider(provider) is provider
    asked = open_provider(lambda rows: rows.mean(axis=(2, 3))[:, :2])  # a function of arrays
    assert isinstance(asked, CallableProvider)
    assert torch.allclose(asked.predict(x), x.mean((2, 3))[:, :2], atol=1e-6)


@pytest.mark.parametrize("setting", [{"arch": "a:b"}, {"threads": 1}, {"max_batch": 2}, {"deadline_s": 1.0}])
def test_an_object_has_no_settings_of_a_file(setting: dict[str, Any]) -> None:  # Any: keyword arguments
    with pytest.raises(
        ConfigError, match=rf"`{next(iter(setting))}` is for models that are named by a path; got"
    ):
        open_provider(nn.Flatten(), **setting)


def test_a_path_opens_as_its_text(linear_model: LinearModel) -> None:
    path = Path(linear_model(np.ones((2, 48), np.float32), np.zeros(2, np.float32)))
    assert open_provider(path).fingerprint == open_provider(str(path)).fingerprint


def test_the_form_of_the_name_decides(folder: Path, linear_model: LinearModel) -> None:
    path = linear_model(np.ones((2, 48), np.float32), np.zeros(2, np.float32))
    assert isinstance(open_provider(str(path), max_batch=3, threads=1), OnnxProvider)
    torch.save(nn.Sequential(nn.Flatten(), nn.Linear(48, 2)).state_dict(), folder / "w.pth")
    (folder / "w.toml").write_text("[input]\nsize = 4\n")
    assert isinstance(open_provider("w.pth", arch="opened:build"), TorchProvider)
    provider = open_provider("opened:predict", max_batch=5, deadline_s=30.0)
    assert isinstance(provider, CallableProvider)
    assert (provider.max_batch, provider.deadline_s) == (5, 30.0)


@pytest.mark.parametrize(
    ("spec", "content", "kind", "says"),
    [
        ("none.onnx", None, ModelFileError, "there is no such model file"),
        ("none.pt", None, ModelFileError, "there is no such model file"),
        ("none.pkl", None, ModelFileError, "there is no such model file"),
        ("none", None, ModelFileError, r"A model is one of: a file ending in \.onnx, \.pt \(with --arch\)"),
        ("", None, ConfigError, "empty text"),
        (".", None, ModelFileError, "got a folder"),
        ("a.pkl", b"x", UnsafeModelError, "is a pickle, which can run code"),
        ("a.joblib", b"x", UnsafeModelError, "a joblib pickle"),
        ("a.skops", b"x", ConfigError, "skops files hold models of tables"),
        ("a.h5", b"x", ConfigError, "looks like a model of Keras. Export it to ONNX"),
        (
            "a.json",
            b"{}",
            ConfigError,
            r"that XGBoost itself saved. Export it to ONNX \(onnxmltools.convert_xgboost",
        ),
        ("a.ubj", b"x", ConfigError, "that XGBoost itself saved"),
        ("a.txt", b"tree", ConfigError, r"that LightGBM itself saved. .*convert_lightgbm"),
        ("a.cbm", b"CBM1", ConfigError, r"that CatBoost itself saved. .*format=\"onnx\""),
        ("a.bin", b"x", ConfigError, "its ending names no kind of model"),
        ("http://localhost/models/m", None, ConfigError, "does not tell which protocol"),
        ("plugin:nobody", None, ConfigError, "unknown provider 'nobody'"),
    ],
)
def test_what_is_no_model_gets_one_clear_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    spec: str,
    content: bytes | None,
    kind: type[CfsearchError],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / spec).write_bytes(content)
    with pytest.raises(kind, match=says) as caught:
        open_provider(spec)
    assert type(caught.value) in (kind, RunsCodeError)
    assert "\n" not in str(caught.value)


class Stranger(Provider):
    """A plug-in: half and half, or what its target says."""

    name = "stranger"
    labels = ("a", "b")
    scores = ScoreKind.PROBABILITIES
    max_batch = 4

    def __init__(self) -> None:
        self.share = 0.5

    @classmethod
    def open(cls, target: str) -> "Stranger":
        made = cls()
        made.share = float(target)
        return made

    def predict(self, x: Tensor) -> Tensor:
        return torch.tensor([[self.share, 1 - self.share]]).expand(len(x), 2)

    @property
    def fingerprint(self) -> str:
        return f"stranger:{self.share}"


class NeedsMore(Stranger):
    def __init__(self, path: str) -> None:
        super().__init__()


class OfFile(Stranger):
    @classmethod
    def open(cls, target: str) -> "OfFile":
        made = cls()
        made.name = Path(target).name
        return made


class NoOpen(Provider):
    """A provider that opens no file."""


@pytest.fixture
def plugins(monkeypatch: pytest.MonkeyPatch) -> None:
    """The registry as it would be with this module's classes installed."""
    points = {
        name: EntryPoint(name, f"{__name__}:{owner}", "cfsearch.providers")
        for name, owner in [
            ("stranger", "Stranger"),
            ("needs", "NeedsMore"),
            ("path", "Path"),
            ("torch", "TorchProvider"),
        ]
    }
    monkeypatch.setattr(registry, "installed", lambda kind: MappingProxyType(points))


@pytest.mark.usefixtures("plugins")
def test_a_plug_in_is_built_or_opened_with_its_target() -> None:
    x = torch.zeros(1, 3, 2, 2)
    assert open_provider("plugin:stranger").predict(x).tolist() == [[0.5, 0.5]]
    assert open_provider("plugin:stranger:0.25").predict(x).tolist() == [[0.25, 0.75]]


@pytest.mark.usefixtures("plugins")
def test_a_plug_in_that_is_none_is_named() -> None:
    with pytest.raises(PluginError, match=r"Path is no cfsearch.contracts.provider.Provider"):
        open_provider("plugin:path")
    with pytest.raises(ConfigError, match=r"cannot be built without arguments .*plugin:needs:TARGET"):
        open_provider("plugin:needs")


@pytest.mark.usefixtures("plugins")
def test_a_built_in_that_needs_more_than_a_target_says_so() -> None:
    with pytest.raises(ConfigError, match=r"cannot be opened with 'w.pt' alone .*arch"):
        open_provider("plugin:torch:w.pt")


def refuses_all(request: ModelRequest) -> Provider:
    raise ModelFileError(f"{request.path}: {request.device}, {request.threads}, {request.schema is None}")


def gives_none(request: ModelRequest) -> object:
    return request.path


def claimed(monkeypatch: pytest.MonkeyPatch, owner: str) -> None:
    point = EntryPoint(".gbm", f"{__name__}:{owner}", "cfsearch.providers")
    monkeypatch.setattr(registry, "installed", lambda kind: MappingProxyType({".gbm": point}))


def test_an_ending_of_a_plug_in_opens_its_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A class with ``open(path)``; for images and for rows alike."""
    monkeypatch.chdir(tmp_path)
    Path("0.GBM").write_text("")
    claimed(monkeypatch, "OfFile")
    assert open_provider("0.GBM").name == "0.GBM"
    schema = TableSchema(columns=(Column(name="age", kind=ColumnKind.REAL, low=0.0, high=1.0),))
    rows = open_tabular("0.GBM", schema=schema, probes=torch.zeros(2, 1))
    assert isinstance(rows, EncodedProvider)
    assert rows.predict(torch.zeros(3, 1)).tolist() == [[0.5, 0.5]] * 3
    with pytest.raises(
        ModelFileError, match="there is no such model file. A model is one of: a file ending in .gbm;"
    ):
        open_provider("1.gbm")


def test_a_function_of_a_plug_in_gets_all_settings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "a.gbm"
    path.write_text("")
    claimed(monkeypatch, "refuses_all")
    with pytest.raises(ModelFileError, match=r"a.gbm: cuda:1, 3, True"):
        open_provider(str(path), device="cuda:1", threads=3)


@pytest.mark.parametrize(
    ("owner", "says"),
    [
        ("gives_none", "which gave str"),
        ("Path", "Path must be a Provider with"),
        ("NoOpen", "NoOpen must be"),
    ],
)
def test_an_opener_that_is_none_is_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, owner: str, says: str
) -> None:
    path = tmp_path / "a.gbm"
    path.write_text("")
    claimed(monkeypatch, owner)
    with pytest.raises(PluginError, match=says):
        open_provider(str(path))


def test_two_packages_that_claim_an_ending_are_both_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def package(name: str) -> EntryPoint:
        folder = tmp_path / f"{name}-1.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n")
        (folder / "entry_points.txt").write_text(f"[cfsearch.providers]\n.gbm = {name}:Model\n")
        (point,) = PathDistribution(folder).entry_points
        return point

    points = [package("trees"), package("boosts")]
    monkeypatch.setattr(registry, "entry_points", lambda group: points)
    (tmp_path / "a.gbm").write_text("")
    registry.installed.cache_clear()
    try:
        with pytest.raises(PluginError, match=r"'.gbm' is claimed by .*trees.* and by .*boosts"):
            open_provider(str(tmp_path / "a.gbm"))
    finally:
        registry.installed.cache_clear()


def test_built_in_endings_come_through_the_same_group() -> None:
    found = {p.name: p.value for p in entry_points(group="cfsearch.providers") if p.name.startswith(".")}
    assert set(found) >= {".onnx", ".pt", ".pth", ".safetensors", ".skops"}
