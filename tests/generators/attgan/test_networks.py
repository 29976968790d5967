"""The networks: published sizes, injection, upsampling, settings and their refusals."""

import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from torch import nn

from cfsearch.errors import ConfigError
from cfsearch.generators.attgan.config import AttGANConfig, CriticNorm, Upsampling
from cfsearch.generators.attgan.networks import Critic, Editor, ResizeConv

TINY = AttGANConfig(size=64, layers=3, width=4, critic_width=4, critic_hidden=8)


def count(net: nn.Module) -> float:
    return sum(p.numel() for p in net.parameters()) / 1e6


def test_the_published_networks_have_the_published_sizes() -> None:
    with torch.device("meta"):
        editor, critic = Editor(AttGANConfig()), Critic(AttGANConfig())
    assert count(editor) == pytest.approx(43.5, abs=0.05)
    assert count(critic) == pytest.approx(44.7, abs=0.05)


def test_the_generator_has_the_same_weights_at_any_size() -> None:
    with torch.device("meta"):
        assert count(Editor(AttGANConfig(size=256))) == count(Editor(AttGANConfig(size=128)))


def test_block_one_sees_its_map_the_shortcut_and_the_attributes() -> None:
    assert AttGANConfig().decoder_widths == ((1037, 1024), (1549, 512), (512, 256), (256, 128), (128, 3))


@pytest.mark.parametrize(
    ("shortcut", "inject", "second"), [(0, 0, 1024), (1, 0, 1536), (0, 1, 1037), (1, 1, 1549)]
)
def test_shortcuts_and_injections_widen_the_next_block(shortcut: int, inject: int, second: int) -> None:
    config = AttGANConfig(shortcut_layers=shortcut, inject_layers=inject)
    assert config.decoder_widths[1][0] == second


@pytest.mark.parametrize("upsampling", list(Upsampling))
@pytest.mark.parametrize("norm", list(CriticNorm))
@pytest.mark.parametrize(("size", "layers"), [(64, 3), (128, 2)])
def test_an_image_comes_out_as_large_as_it_went_in(
    upsampling: Upsampling, norm: CriticNorm, size: int, layers: int
) -> None:
    config = replace(TINY, size=size, layers=layers, upsampling=upsampling, critic_norm=norm)
    x, values = torch.rand(2, 3, size, size) * 2 - 1, torch.rand(2, 13)
    made = Editor(config)(x, values)
    verdict = Critic(config)(made)
    assert made.shape == x.shape
    assert float(made.detach().abs().max()) <= 1.0
    assert verdict.real.shape == (2,)
    assert verdict.logits.shape == (2, 13)


def test_the_middle_strength_is_coded_as_zero() -> None:
    # with b = 0.5 the code is 0, so that the scale cannot matter
    editor = Editor(TINY).eval()
    x, half = torch.rand(1, 3, 64, 64), torch.full((1, 13), 0.5)
    expected = editor(x, half)
    editor.decoder.config = replace(TINY, scale=7.0)
    assert torch.equal(editor(x, half), expected)
    assert not torch.allclose(editor(x, half + 0.4), expected)


@pytest.mark.parametrize("bias", [False, True])
def test_resize_equals_nearest_upsampling_and_a_convolution(bias: bool) -> None:
    layer = ResizeConv(3, 2, bias=bias).double()
    x = torch.rand(2, 3, 5, 7, dtype=torch.float64)
    # a transposed convolution holds its kernel the other way round
    kernel = layer.weight.transpose(0, 1).flip(2, 3)
    up = nn.functional.interpolate(x, scale_factor=2, mode="nearest")
    expected = nn.functional.conv2d(up, kernel, layer.bias, padding=1)
    assert torch.allclose(layer(x), expected, rtol=0, atol=1e-12)


def test_resize_draws_no_checkerboard_of_a_flat_map() -> None:
    flat = ResizeConv(1, 1, bias=False)(torch.ones(1, 1, 8, 8)).detach()[..., 2:-2, 2:-2]
    assert float(flat.max() - flat.min()) < 1e-6


def test_a_plain_critic_scores_as_the_steady_one() -> None:
    critic = Critic(replace(TINY, critic_norm=CriticNorm.SPECTRAL)).steady()
    x = torch.rand(3, 3, 64, 64) * 2 - 1
    for _ in range(3):
        critic(x)
    critic.eval()
    plain = critic.plain()
    assert not any("parametrizations" in name for name in plain.state_dict())
    assert torch.allclose(plain(x).real, critic(x).real, atol=1e-5)
    assert torch.allclose(plain(x).logits, critic(x).logits, atol=1e-5)


def test_settings_survive_json() -> None:
    config = replace(
        TINY, upsampling=Upsampling.RESIZE, critic_norm=CriticNorm.SPECTRAL, attributes=("Bald", "Bangs")
    )
    assert AttGANConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_groups_keep_only_known_attributes() -> None:
    config = AttGANConfig(attributes=("Male", "Black_Hair", "Blond_Hair", "Bald"))
    assert config.groups == (("Black_Hair", "Blond_Hair"),)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"size": 32}, "at least 64"),
        ({"size": 100}, "multiple of"),
        ({"size": 64, "layers": 6}, "leaves"),
        ({"layers": 1}, "`layers`"),
        ({"width": 0}, "`width`"),
        ({"shortcut_layers": 5}, "`shortcut_layers`"),
        ({"inject_layers": -1}, "`inject_layers`"),
        ({"slope": 1.0}, "`slope`"),
        ({"scale": 0.0}, "`scale`"),
        ({"attributes": ()}, "`attributes`"),
        ({"attributes": ("A", "A")}, "`attributes`"),
    ],
)
def test_a_wrong_setting_is_named(change: dict[str, Any], message: str) -> None:  # Any: of every type
    with pytest.raises(ConfigError, match=message):
        AttGANConfig(**change)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([], "table"),
        ({"depth": 3}, "unknown setting 'depth'"),
        ({"size": "64"}, "`size`"),
        ({"size": True}, "`size`"),
        ({"upsampling": "bicubic"}, "upsampling"),
        ({"attributes": 3}, "`attributes`"),
        ({"groups": [3]}, "`groups`"),
    ],
)
def test_settings_that_cannot_be_read_are_named(values: object, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        AttGANConfig.from_json(values)
