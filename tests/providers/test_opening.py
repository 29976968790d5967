"""One signature for all forms of a model, and one clear line for what is none."""

from collections.abc import Callable
from importlib.metadata import EntryPoint
from pathlib import Path
from types import MappingProxyType

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from cfsearch import registry
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.errors import CfsearchError, ConfigError, ModelFileError, PluginError, UnsafeModelError
from cfsearch.providers.callable import CallableProvider
from cfsearch.providers.onnx.provider import OnnxProvider
from cfsearch.providers.opening import open_provider
from cfsearch.providers.torch_module import TorchProvider

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
        ("none", None, ModelFileError, "A model is one of: model.onnx; weights.safetensors"),
        ("", None, ModelFileError, "got a folder"),
        (".", None, ModelFileError, "got a folder"),
        ("a.pkl", b"x", UnsafeModelError, "is a pickle, which can run code"),
        ("a.joblib", b"x", UnsafeModelError, "a joblib pickle"),
        ("a.skops", b"x", ConfigError, "skops files hold models of tables"),
        ("a.h5", b"x", ConfigError, "looks like a model of Keras. Export it to ONNX"),
        ("a.txt", b"x", ConfigError, "its ending names no kind of model"),
        ("http://localhost/v2/models/m", None, ConfigError, "behind an address are not supported yet"),
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
    assert type(caught.value) is kind
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
