"""The audited network: its layers, its refusals, and that ONNX gives the same answers."""

from pathlib import Path

import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

from cfsearch.errors import ConfigError
from cfsearch.models.gender_cnn import OPSET, GenderCnn, build, export_onnx


def lived_in(*, size: int = 64, width: int = 4) -> GenderCnn:
    """A small network whose running statistics are no longer those of a new one."""
    torch.manual_seed(0)  # torch initialises layers from the global generator
    network = build(size, width=width, hidden=8)
    rng = torch.Generator().manual_seed(1)
    for _ in range(3):
        network(torch.rand(8, 3, size, size, generator=rng))
    return network.eval()


def ask(path: Path, x: Tensor) -> Tensor:
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    return torch.from_numpy(session.run(None, {"image": x.numpy()})[0])


def test_it_is_the_network_of_the_paper() -> None:
    network = build()
    convolutions = [m for m in network.modules() if isinstance(m, nn.Conv2d)]
    assert len(convolutions) == 5
    assert len([m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]) == 5
    assert [m.out_features for m in network.modules() if isinstance(m, nn.Linear)] == [64, 1]
    assert sum(p.numel() for p in network.parameters()) * 4 < 2e6, "under 2 MB"


def test_the_output_is_one_probability_a_row() -> None:
    network = lived_in()
    x = torch.rand(5, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        p = network(x)
        torch.testing.assert_close(p, network.logit(x).sigmoid())
    assert p.shape == (5, 1)
    assert bool(((p > 0) & (p < 1)).all())


@pytest.mark.parametrize("size", [32, 64, 128])
@pytest.mark.parametrize("n", [1, 3])
def test_onnxruntime_gives_the_answers_of_torch(tmp_path: Path, size: int, n: int) -> None:
    network = lived_in(size=size)
    export_onnx(network, path=tmp_path / "m.onnx")
    x = torch.rand(n, 3, size, size, generator=torch.Generator().manual_seed(n))
    with torch.no_grad():
        torch.testing.assert_close(ask(tmp_path / "m.onnx", x), network(x), atol=1e-6, rtol=1e-5)


def test_the_file_stands_alone_and_equal_weights_give_equal_bytes(tmp_path: Path) -> None:
    network = lived_in()
    export_onnx(network, path=tmp_path / "a.onnx")
    export_onnx(network.train(), path=tmp_path / "b.onnx")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["a.onnx", "b.onnx"]
    assert (tmp_path / "a.onnx").read_bytes() == (tmp_path / "b.onnx").read_bytes()
    model = onnx.load(tmp_path / "a.onnx", load_external_data=False)
    assert not any(w.external_data for w in model.graph.initializer)
    assert [o.version for o in model.opset_import] == [OPSET]
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "n"


def test_state_dict_goes_round() -> None:
    a = lived_in()
    torch.manual_seed(9)
    b = build(64, width=4, hidden=8).eval()
    b.load_state_dict(a.state_dict())
    x = torch.rand(2, 3, 64, 64, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        assert torch.equal(a(x), b(x))


@pytest.mark.parametrize("size", [0, 16, 48, 100, -64])
def test_size_must_halve_five_times(size: int) -> None:
    with pytest.raises(ConfigError, match="multiple of 32"):
        build(size)


@pytest.mark.parametrize(("width", "hidden"), [(0, 4), (4, 0)])
def test_widths_must_be_positive(width: int, hidden: int) -> None:
    with pytest.raises(ConfigError, match="must be 1 or more"):
        build(64, width=width, hidden=hidden)
