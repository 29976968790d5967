"""Torch networks: in process and from files, gradients, what they leave alone."""

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.errors import ConfigError, ModelFileError, ProviderError, ShapeError
from cfsearch.providers.preprocessing import Preprocessing
from cfsearch.providers.torch_module import TorchProvider
from cfsearch.testing.provider_case import ProviderCase


def network(outputs: int = 3, *, seed: int = 0) -> nn.Module:
    torch.manual_seed(seed)
    return nn.Sequential(nn.Flatten(), nn.Linear(48, outputs), nn.Dropout(0.5))


def images(n: int = 5, *, size: int = 4) -> Tensor:
    return torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(2))


def provider_of(module: nn.Module, *, k: int = 3, scores: ScoreKind = ScoreKind.LOGITS) -> TorchProvider:
    form = Preprocessing(size=(4, 4))
    return TorchProvider(module, labels=tuple("abcdefgh"[:k]), scores=scores, preprocessing=form, max_batch=4)


class TestTorchContract(ProviderCase):
    shape = (3, 8, 8)

    @pytest.fixture(params=[1, 3], ids=["single output", "three"])
    def provider(self, request: pytest.FixtureRequest) -> Provider:
        return provider_of(network(request.param), k=max(2, request.param))


def test_it_gives_what_the_network_gives_in_evaluation() -> None:
    module = network()
    x = images()
    assert torch.allclose(provider_of(module).predict(x), module.eval()(x))


def test_the_users_network_is_left_alone() -> None:
    module = network()
    module.train()
    provider = provider_of(module)
    provider.predict(images())
    assert module.training
    assert all(p.requires_grad for p in module.parameters())
    before = provider.predict(images())
    with torch.no_grad():
        module[1].weight.zero_()  # type: ignore[index]  # a Sequential
    assert torch.equal(provider.predict(images()), before)


def test_no_graph_is_kept_unless_the_input_asks_for_one() -> None:
    provider = provider_of(network())
    assert not provider.predict(images()).requires_grad
    assert provider.predict(images().requires_grad_()).requires_grad
    with torch.no_grad():
        assert not provider.predict(images().requires_grad_()).requires_grad


def test_gradients_are_those_of_the_linear_layer() -> None:
    module = network()
    x = images(6).requires_grad_()  # two pieces
    provider_of(module).predict(x)[:, 1].sum().backward()  # type: ignore[no-untyped-call]  # untyped in torch
    weight = dict(module.named_parameters())["1.weight"][1].detach().reshape(3, 4, 4)
    assert x.grad is not None
    assert torch.allclose(x.grad, weight.expand(6, 3, 4, 4))


@pytest.mark.parametrize(
    ("scores", "tail", "rest"),
    [(ScoreKind.PROBABILITIES, nn.Sigmoid(), 1.0), (ScoreKind.LOGITS, nn.Identity(), 0.0)],
    ids=["probability", "logit"],
)
def test_a_single_output_is_widened(scores: ScoreKind, tail: nn.Module, rest: float) -> None:
    module = nn.Sequential(network(1), tail, nn.Flatten(0))  # shape (n,)
    x = images()
    out = provider_of(module, k=2, scores=scores).predict(x)
    value = module.eval()(x).detach()
    assert torch.allclose(out[:, 1], value)
    assert torch.allclose(out[:, 0], rest - value if rest else torch.zeros(5))


def test_labels_only_is_one_for_the_winner() -> None:
    out = provider_of(network(), scores=ScoreKind.LABELS).predict(images())
    assert out.sum(1).tolist() == [1.0] * 5
    assert set(out.flatten().tolist()) == {0.0, 1.0}


class Failing(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        raise KeyError("missing part")


class Pair(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x, x


def test_a_network_that_fails_is_named_with_its_cause() -> None:
    with pytest.raises(
        ProviderError, match=r"the network failed on inputs of shape \(4, 3, 4, 4\): KeyError"
    ) as caught:
        provider_of(Failing()).predict(images())
    assert isinstance(caught.value.__cause__, KeyError)


def test_more_than_one_tensor_is_refused() -> None:
    with pytest.raises(ProviderError, match="must return one tensor of scores, got tuple"):
        provider_of(Pair()).predict(images())


def test_a_wrong_number_of_outputs_names_both() -> None:
    with pytest.raises(ShapeError, match="3 labels are declared, but the model answers with 5 outputs"):
        provider_of(network(5)).predict(images())


def test_a_picture_of_scores_is_refused() -> None:
    with pytest.raises(
        ShapeError, match=r"expected one row of scores an input, shape \(4, k\), got \(4, 3, 4, 4\)"
    ):
        provider_of(nn.Identity()).predict(images())


def test_wrong_settings_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 2 classes"):
        TorchProvider(network(), labels=("a",), scores=ScoreKind.LOGITS)
    with pytest.raises(ConfigError, match="`max_batch` must be at least 1, got 0"):
        TorchProvider(network(), labels=("a", "b"), scores=ScoreKind.LOGITS, max_batch=0)
    with pytest.raises(ConfigError, match="must be 'cpu', 'cuda' or 'cuda:N', got 'gpu'"):
        TorchProvider(network(), labels=("a", "b"), scores=ScoreKind.LOGITS, device="gpu")
    with pytest.raises(ConfigError, match="device 'cuda:99' is not there"):
        TorchProvider(network(), labels=("a", "b"), scores=ScoreKind.LOGITS, device="cuda:99")
    with pytest.raises(ConfigError, match="uint8 lets no gradient pass"):
        TorchProvider(
            network(),
            labels=("a", "b"),
            scores=ScoreKind.LOGITS,
            preprocessing=Preprocessing(dtype="uint8", range="0..255"),
        )


def test_the_fingerprint_is_that_of_the_weights() -> None:
    assert provider_of(network()).fingerprint == provider_of(network()).fingerprint
    assert provider_of(network()).fingerprint != provider_of(network(seed=1)).fingerprint


def test_the_fingerprint_tells_labels_and_the_part_that_is_read_apart() -> None:
    made = [
        TorchProvider(network(), labels=labels, scores=ScoreKind.LOGITS, output=output).fingerprint
        for labels in (("a", "b"), ("b", "a"))
        for output in (None, "age", "sex")
    ]
    assert len(set(made)) == 6


ARCH = """\
import torch
from torch import nn

def build():
    return nn.Sequential(nn.Flatten(), nn.Linear(48, 3))

def of_other_weights():
    nn.Linear(2, 2).load_state_dict({})

def one_argument(size):
    return nn.Linear(size, 2)

def no_network():
    return 3

number = 7
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "my_nets.py").write_text(ARCH)
    (tmp_path / "my_broken.py").write_text("raise RuntimeError('half written')")
    (tmp_path / "my_needy.py").write_text("import a_package_of_the_moon")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(tmp_path)
    for name in ("my_nets", "my_broken", "my_needy"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    torch.manual_seed(0)
    torch.save(nn.Sequential(nn.Flatten(), nn.Linear(48, 3)).state_dict(), tmp_path / "w.pt")
    (tmp_path / "w.toml").write_text("[input]\nsize = 4\n")
    return tmp_path


@pytest.mark.parametrize("form", ["pt", "safetensors", "nested", "data parallel"])
def test_weights_and_code_make_the_network(folder: Path, form: str) -> None:
    from safetensors.torch import save_file

    state = torch.load(folder / "w.pt", weights_only=True)
    path = folder / ("w.safetensors" if form == "safetensors" else "w.pt")
    if form == "safetensors":
        save_file(state, path)
    elif form == "nested":
        torch.save({"state_dict": state, "epoch": 3}, path)
    elif form == "data parallel":
        torch.save({f"module.{name}": value for name, value in state.items()}, path)
    provider = TorchProvider.open(path, arch="my_nets:build")
    x = images()
    expected = x.flatten(1) @ state["1.weight"].T + state["1.bias"]
    assert torch.allclose(provider.predict(x), expected, atol=1e-6)
    assert (provider.name, provider.labels, provider.scores) == ("w", ("0", "1", "2"), ScoreKind.LOGITS)
    assert "they were taken for logits because known inputs gave" in provider.note


def test_a_sidecar_says_it_and_nothing_is_noted(folder: Path) -> None:
    (folder / "other.toml").write_text(
        'labels = ["a", "b", "c"]\nscores = "logits"\n[input]\nsize = 4\nrange = "0..1"\n'
    )
    provider = TorchProvider.open("w.pt", arch="my_nets:build", sidecar="other.toml")
    assert (provider.labels, provider.note) == (("a", "b", "c"), "")


def test_a_range_that_nobody_declared_is_reported_as_assumed(folder: Path) -> None:
    (folder / "w.toml").write_text('labels = ["a", "b", "c"]\nscores = "logits"\n[input]\nsize = 4\n')
    note = TorchProvider.open("w.pt", arch="my_nets:build").note
    assert note.startswith("Its range of pixels is assumed, not declared: they are given on 0..1")
    assert 'Say range = "0..1" under [input] in w.toml' in note


def test_labels_that_do_not_fit_are_refused(folder: Path) -> None:
    (folder / "w.toml").write_text('labels = ["a", "b"]\n[input]\nsize = 4\n')
    with pytest.raises(ModelFileError, match="2 labels are declared, but the model answers with 3 outputs"):
        TorchProvider.open("w.pt", arch="my_nets:build")


def test_a_size_that_cannot_be_guessed_is_required(folder: Path) -> None:
    (folder / "w.toml").unlink()
    with pytest.raises(
        ModelFileError,
        match=r"images of 64, 128, 224 pixels .*Declare `size` in \[input\], or `labels` and `scores`, in w.toml",
    ):
        TorchProvider.open("w.pt", arch="my_nets:build")


@pytest.mark.parametrize(
    ("arch", "says"),
    [
        ("my_nets", "expected the form pkg.mod:function, got 'my_nets'"),
        ("my_nots:build", "there is no module 'my_nots'"),
        ("my_nets.sub:build", "there is no module 'my_nets.sub'|'my_nets' is not a package"),
        ("my_nets:biuld", "has no 'biuld': unknown name 'biuld'. Did you mean 'build'"),
        ("my_nets:number", "must be a function or class, got int"),
        ("my_nets:one_argument", "must build the network without arguments, but it failed: TypeError"),
        ("my_nets:no_network", "must return a torch.nn.Module, got int"),
        ("my_broken:build", "failed while it was imported: RuntimeError: half written"),
        ("my_needy:build", "module 'my_needy' needs 'a_package_of_the_moon', which is not installed"),
    ],
)
def test_code_that_cannot_be_had_gets_one_clear_line(folder: Path, arch: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        TorchProvider.open("w.pt", arch=arch)


def test_what_a_stranger_says_in_several_lines_is_one_sentence(folder: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        TorchProvider.open("w.pt", arch="my_nets:of_other_weights")
    said = str(refused.value)
    assert 'for Linear: Missing key(s) in state_dict: "weight", "bias"' in said
    assert "\\u000a" not in said and said.endswith('"bias".')
