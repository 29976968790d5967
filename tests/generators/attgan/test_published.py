"""Published checkpoints: an independent replica of the port's networks, saved and read back."""

import json
import pickle
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from cfsearch.errors import ModelFileError, UnsafeModelError
from cfsearch.generators.attgan.published import load_published

MAX_DIM = 64


class Block(nn.Module):
    """Written in the manner of the port: a Sequential called ``layers``."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.layers(x)
        return out


class PortGenerator(nn.Module):
    def __init__(self, *, dim: int, layers: int, n_attrs: int, shortcut: int, inject: int, size: int) -> None:
        super().__init__()
        self.shortcut_layers = min(shortcut, layers - 1)
        self.inject_layers = min(inject, layers - 1)
        self.f_size = size // 2**layers
        enc: list[nn.Module] = []
        n_in = 3
        for i in range(layers):
            n_out = min(dim * 2**i, MAX_DIM)
            conv = nn.Conv2d(n_in, n_out, (4, 4), stride=2, padding=1, bias=False)
            enc.append(Block(conv, nn.BatchNorm2d(n_out), nn.LeakyReLU()))
            n_in = n_out
        self.enc_layers = nn.ModuleList(enc)
        dec: list[nn.Module] = []
        n_in += n_attrs
        for i in range(layers):
            if i < layers - 1:
                n_out = min(dim * 2 ** (layers - i - 1), MAX_DIM)
                up = nn.ConvTranspose2d(n_in, n_out, (4, 4), stride=2, padding=1, bias=False)
                dec.append(Block(up, nn.BatchNorm2d(n_out), nn.ReLU()))
                n_in = n_out
                n_in = n_in + n_in // 2 if self.shortcut_layers > i else n_in
                n_in = n_in + n_attrs if self.inject_layers > i else n_in
            else:
                dec.append(Block(nn.ConvTranspose2d(n_in, 3, (4, 4), stride=2, padding=1), nn.Tanh()))
        self.dec_layers = nn.ModuleList(dec)

    def forward(self, x: Tensor, a: Tensor) -> Tensor:
        zs = []
        for layer in self.enc_layers:
            x = layer(x)
            zs.append(x)
        a_tile = a.view(a.size(0), -1, 1, 1).repeat(1, 1, self.f_size, self.f_size)
        z = torch.cat([zs[-1], a_tile], dim=1)
        for i, layer in enumerate(self.dec_layers):
            z = layer(z)
            if self.shortcut_layers > i:
                z = torch.cat([z, zs[len(self.dec_layers) - 2 - i]], dim=1)
            if self.inject_layers > i:
                side = self.f_size * 2 ** (i + 1)
                z = torch.cat([z, a.view(a.size(0), -1, 1, 1).repeat(1, 1, side, side)], dim=1)
        return z


class PortCritic(nn.Module):
    def __init__(self, *, dim: int, layers: int, fc: int, n_attrs: int, size: int) -> None:
        super().__init__()
        convs: list[nn.Module] = []
        n_in = 3
        for i in range(layers):
            n_out = min(dim * 2**i, MAX_DIM)
            conv = nn.Conv2d(n_in, n_out, (4, 4), stride=2, padding=1, bias=False)
            convs.append(Block(conv, nn.InstanceNorm2d(n_out, affine=True), nn.LeakyReLU()))
            n_in = n_out
        self.conv = nn.Sequential(*convs)
        flat = n_in * (size // 2**layers) ** 2
        self.fc_adv = nn.Sequential(Block(nn.Linear(flat, fc), nn.LeakyReLU()), Block(nn.Linear(fc, 1)))
        self.fc_cls = nn.Sequential(Block(nn.Linear(flat, fc), nn.LeakyReLU()), Block(nn.Linear(fc, n_attrs)))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        h = self.conv(x).flatten(1)
        return self.fc_adv(h), self.fc_cls(h)


def frozen(net: nn.Module, *, seed: int = 5) -> nn.Module:
    draw = torch.Generator().manual_seed(seed)
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            assert isinstance(module.running_mean, Tensor)
            assert isinstance(module.running_var, Tensor)
            module.running_mean.copy_(torch.rand(module.num_features, generator=draw) - 0.5)
            module.running_var.copy_(torch.rand(module.num_features, generator=draw) + 0.5)
            nn.init.uniform_(module.weight, 0.5, 2.0)
    return net.eval().requires_grad_(False)


def port(
    *, dim: int = 8, layers: int = 4, n_attrs: int = 13, shortcut: int = 1, inject: int = 1
) -> nn.Module:
    return frozen(
        PortGenerator(dim=dim, layers=layers, n_attrs=n_attrs, shortcut=shortcut, inject=inject, size=64)
    )


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize(
    ("dim", "layers", "shortcut", "inject", "strength"),
    [
        (8, 4, 1, 1, 0.5),
        (8, 4, 1, 0, 0.5),
        (4, 5, 1, 1, 0.5),
        (8, 3, 0, 0, 0.5),
        (8, 4, 2, 3, 1.0),
        (8, 3, 0, 1, 0.5),
    ],
)
def test_a_converted_network_gives_the_original_outputs(
    tmp_path: Path, prefix: str, dim: int, layers: int, shortcut: int, inject: int, strength: float
) -> None:
    original = port(dim=dim, layers=layers, shortcut=shortcut, inject=inject)
    weights = {prefix + name: value for name, value in original.state_dict().items()}
    torch.save({"G": weights}, tmp_path / "weights.49.pth")
    settings = {"img_size": 64, "thres_int": strength, "shortcut_layers": shortcut}
    (tmp_path / "setting.txt").write_text(json.dumps(settings))
    found = load_published(tmp_path / "weights.49.pth")
    assert (found.config.layers, found.config.width) == (layers, dim)
    assert (found.config.shortcut_layers, found.config.inject_layers) == (shortcut, inject)
    assert found.critic is None
    x, b = torch.rand(3, 3, 64, 64) * 2 - 1, (torch.rand(3, 13) > 0.5).float()
    expected = original(x, (b * 2 - 1) * strength)
    assert float((found.editor(x, b) - expected).abs().max()) < 1e-5


def test_a_critic_is_read_where_the_file_has_one(tmp_path: Path) -> None:
    critic = frozen(PortCritic(dim=8, layers=4, fc=16, n_attrs=13, size=64))
    torch.save({"G": port().state_dict(), "D": critic.state_dict()}, tmp_path / "w.pth")
    found = load_published(tmp_path / "w.pth", size=64)
    assert found.critic is not None
    x = torch.rand(2, 3, 64, 64)
    real, logits = critic(x)
    verdict = found.critic(x)
    assert torch.allclose(verdict.real, real[:, 0], atol=1e-5)
    assert torch.allclose(verdict.logits, logits, atol=1e-5)


def test_a_bare_state_dict_is_read_too(tmp_path: Path) -> None:
    torch.save(port().state_dict(), tmp_path / "w.pth")
    assert load_published(tmp_path / "w.pth").config.size == 128


def test_other_attributes_are_named_by_the_settings(tmp_path: Path) -> None:
    torch.save({"G": port(n_attrs=3).state_dict()}, tmp_path / "w.pth")
    assert load_published(tmp_path / "w.pth").config.attributes == (
        "attribute_0",
        "attribute_1",
        "attribute_2",
    )
    (tmp_path / "setting.txt").write_text(json.dumps({"attrs": ["Male", "Young", "Smiling"], "img_size": 64}))
    assert load_published(tmp_path / "w.pth").config.attributes == ("Male", "Young", "Smiling")


class Hostile:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self) -> tuple[object, ...]:
        return (Path.touch, (self.marker,))


def test_a_file_that_would_run_code_is_refused_and_runs_none(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    torch.save({"G": Hostile(marker)}, tmp_path / "w.pth")
    with pytest.raises(UnsafeModelError, match="would run code"):
        load_published(tmp_path / "w.pth")
    assert not marker.exists()


@pytest.mark.parametrize("protocol", [0, 2, 4])
def test_a_plain_pickle_that_would_run_code_is_refused_and_runs_none(tmp_path: Path, protocol: int) -> None:
    marker = tmp_path / "ran"
    (tmp_path / "w.pth").write_bytes(pickle.dumps({"G": Hostile(marker)}, protocol=protocol))
    with pytest.raises(ModelFileError) as caught:
        load_published(tmp_path / "w.pth")
    # protocol 0 looks like a text file; it is refused all the same
    assert isinstance(caught.value, UnsafeModelError) or protocol == 0
    assert not marker.exists()


def test_a_whole_module_and_a_script_are_refused(tmp_path: Path) -> None:
    torch.save(nn.Linear(2, 2), tmp_path / "w.pth")
    with pytest.raises(UnsafeModelError, match="state_dict"):
        load_published(tmp_path / "w.pth")


@pytest.mark.parametrize(
    "content",
    [b"", b"hello, this is text\n" * 10, b"PK\x03\x04 cut short", pickle.dumps(3), pickle.dumps({1: 2})],
    ids=["empty", "text", "cut zip", "a number", "keys of another type"],
)
def test_a_file_of_another_kind_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "w.pth").write_bytes(content)
    with pytest.raises(ModelFileError, match=r"published AttGAN") as caught:
        load_published(tmp_path / "w.pth")
    assert not isinstance(caught.value, UnsafeModelError)


def test_a_missing_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ModelFileError, match="there is no such file"):
        load_published(tmp_path / "w.pth")


def test_at_most_five_wrong_keys_are_listed(tmp_path: Path) -> None:
    weights = dict(port().state_dict())
    for name in [n for n in weights if "running" in n]:
        del weights[name]
    torch.save({"G": weights}, tmp_path / "w.pth")
    with pytest.raises(ModelFileError, match=r"and 9 more") as caught:
        load_published(tmp_path / "w.pth", size=64)
    assert str(caught.value).count("running") == 5


def test_missing_weights_list_the_keys_that_were_found(tmp_path: Path) -> None:
    torch.save({f"key{i}": torch.zeros(1) for i in range(9)}, tmp_path / "w.pth")
    with pytest.raises(ModelFileError, match="key0, key1, key2, key3, key4"):
        load_published(tmp_path / "w.pth")


@pytest.mark.parametrize(
    "odd", [{"enc_layers.0.layers.0.bias": 3}, {5: torch.zeros(1)}], ids=["no tensor", "no name"]
)
def test_weights_of_another_kind_are_refused(tmp_path: Path, odd: dict[object, object]) -> None:
    torch.save({"G": dict(port().state_dict()) | odd}, tmp_path / "w.pth")
    with pytest.raises(ModelFileError, match="expected weights `enc_layers"):
        load_published(tmp_path / "w.pth", size=64)


def test_channels_that_fit_no_layout_are_refused(tmp_path: Path) -> None:
    weights = dict(port().state_dict())
    weights["dec_layers.1.layers.0.weight"] = torch.zeros(7, 32, 4, 4)
    torch.save({"G": weights}, tmp_path / "w.pth")
    with pytest.raises(ModelFileError, match="fit no setting"):
        load_published(tmp_path / "w.pth")


def test_weights_that_are_no_numbers_are_refused(tmp_path: Path) -> None:
    weights = dict(port().state_dict())
    weights["enc_layers.0.layers.0.weight"] = weights["enc_layers.0.layers.0.weight"] * float("nan")
    torch.save({"G": weights}, tmp_path / "w.pth")
    with pytest.raises(ModelFileError, match="not finite"):
        load_published(tmp_path / "w.pth", size=64)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ("{not json", "readable JSON"),
        ("[1]", "JSON table"),
        ('{"thres_int": "x"}', "must be numbers"),
        ('{"attrs": ["Male"]}', "takes|take 13"),
        ('{"img_size": 60}', "does not fit"),
    ],
)
def test_settings_that_do_not_fit_are_refused(tmp_path: Path, settings: str, message: str) -> None:
    torch.save({"G": port().state_dict()}, tmp_path / "w.pth")
    (tmp_path / "setting.txt").write_text(settings)
    with pytest.raises(ModelFileError, match=message):
        load_published(tmp_path / "w.pth")
