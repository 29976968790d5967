"""The folded decoder equals the plain one, whatever the layout."""

from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from cfsearch.generators.attgan.config import AttGANConfig, Upsampling
from cfsearch.generators.attgan.folded import fold
from cfsearch.generators.attgan.networks import Editor


def make(config: AttGANConfig) -> Editor:
    """A network whose norms do something."""
    with torch.random.fork_rng():
        torch.manual_seed(3)
        editor = Editor(config)
        for module in editor.modules():
            if isinstance(module, nn.BatchNorm2d):
                nn.init.uniform_(module.weight, 0.5, 2.0)
                nn.init.uniform_(module.bias, -0.5, 0.5)
                assert isinstance(module.running_mean, Tensor)
                assert isinstance(module.running_var, Tensor)
                module.running_mean.uniform_(-0.3, 0.3)
                module.running_var.uniform_(0.3, 2.0)
    return editor.eval().requires_grad_(False)


CASES = [
    (size, layers, shortcut, inject, upsampling)
    for size, layers in ((64, 3), (128, 4))
    for shortcut, inject in ((0, 0), (1, 1), (1, 0), (2, 1), (0, 2))
    for upsampling in Upsampling
]


@pytest.mark.parametrize(("size", "layers", "shortcut", "inject", "upsampling"), CASES)
def test_folded_equals_plain(
    size: int, layers: int, shortcut: int, inject: int, upsampling: Upsampling
) -> None:
    config = AttGANConfig(
        size=size,
        layers=layers,
        width=4,
        shortcut_layers=shortcut,
        inject_layers=inject,
        upsampling=upsampling,
        scale=1.5,
    )
    editor = make(config)
    draw = torch.Generator().manual_seed(1)
    x = torch.rand(2, 3, size, size, generator=draw) * 2 - 1
    values = torch.rand(2, 3, 13, generator=draw) * 2 - 0.5
    exact = editor.double()
    truth = torch.stack([exact(x.double(), values[:, i].double()) for i in range(3)], dim=1)
    folded = fold(exact)
    made = folded.decode(folded.prepare(exact.encoder(x.double())), values.double()) * 2 - 1
    assert float((made - truth).abs().max()) < 1e-12
    single = editor.float()
    folded = fold(single)
    made = folded.decode(folded.prepare(single.encoder(x)), values) * 2 - 1
    assert float((made - truth).abs().max()) < 1e-6


def test_pieces_and_selection_change_nothing() -> None:
    editor = make(AttGANConfig(size=64, layers=3, width=4))
    folded = fold(editor)
    state = folded.prepare(editor.encoder(torch.rand(3, 3, 64, 64)))
    values = torch.rand(3, 5, 13)
    whole = folded.decode(state, values)
    pieces = replace(folded, rows=2).decode(state, values)
    assert torch.allclose(whole, pieces, atol=1e-6)
    for i in range(3):
        assert torch.allclose(folded.decode(state.select(i), values[i : i + 1])[0], whole[i], atol=1e-6)


def test_gradients_reach_the_attribute_values() -> None:
    editor = make(AttGANConfig(size=64, layers=3, width=4))
    folded = fold(editor)
    state = folded.prepare(editor.encoder(torch.rand(1, 3, 64, 64)))
    values = torch.rand(1, 2, 13, requires_grad=True)
    folded.decode(state, values).sum().backward()  # type: ignore[no-untyped-call]  # torch leaves it untyped
    assert values.grad is not None
    assert bool((values.grad != 0).any(-1).all())


def test_no_candidates_decode_to_no_images() -> None:
    editor = make(AttGANConfig(size=64, layers=3, width=4))
    folded = fold(editor)
    state = folded.prepare(editor.encoder(torch.rand(2, 3, 64, 64)))
    assert folded.decode(state, torch.zeros(2, 0, 13)).shape == (2, 0, 3, 64, 64)


def test_on_a_device_more_rows_go_together_than_a_processor_holds_in_its_cache() -> None:
    folded = fold(make(AttGANConfig(size=64, layers=3, width=4)))
    assert folded.to("cpu").rows == folded.rows
    moved = folded.to("meta")
    assert moved.rows >= 8 * folded.rows
    assert {part.device.type for block in moved.blocks for part in (block.kernel, block.shift)} == {"meta"}
