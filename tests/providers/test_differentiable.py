"""An ONNX model in torch: the same answers, gradients, and honest refusals."""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cfsearch.contracts.provider import DifferentiableProvider, Provider, ScoreKind
from cfsearch.errors import CapabilityError, MissingExtraError, ModelFileError
from cfsearch.providers.differentiable import differentiable
from cfsearch.providers.onnx.provider import OnnxProvider
from cfsearch.testing.provider_case import ProviderCase

pytest.importorskip("onnx2torch")
LinearModel = Callable[..., Path]
Numbers = Callable[..., NDArray[np.float32]]


def convolutional(folder: Path, *, batch: int | str = "n") -> Path:
    """Convolution, batch norm, leaky ReLU, pooling, dense, sigmoid: as the paper's classifiers."""
    rng = np.random.default_rng(0)

    def weight(name: str, *shape: int) -> onnx.TensorProto:
        return numpy_helper.from_array((rng.normal(size=shape) / 4).astype(np.float32), name)

    graph = helper.make_graph(
        [
            helper.make_node(
                "Conv", ["x", "w"], ["c"], kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]
            ),
            helper.make_node("BatchNormalization", ["c", "one", "zero", "zero", "one"], ["b"]),
            helper.make_node("LeakyRelu", ["b"], ["r"], alpha=0.1),
            helper.make_node("GlobalAveragePool", ["r"], ["g"]),
            helper.make_node("Flatten", ["g"], ["f"]),
            helper.make_node("Gemm", ["f", "d"], ["logit"]),
            helper.make_node("Sigmoid", ["logit"], ["p"]),
        ],
        "cnn",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, 3, 16, 16])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, 1]) for name in ("p", "logit")],
        [
            weight("w", 6, 3, 3, 3),
            weight("d", 6, 1),
            numpy_helper.from_array(np.ones(6, np.float32), "one"),
            numpy_helper.from_array(np.zeros(6, np.float32), "zero"),
        ],
    )
    path = folder / "cnn.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
    path.with_suffix(".toml").write_text('output = "p"\n[input]\nrange = "-1..1"\n')
    return path


class TestDifferentiableContract(ProviderCase):
    shape = (3, 16, 16)

    @pytest.fixture
    def provider(self, tmp_path: Path) -> Provider:
        return differentiable(OnnxProvider.open(convolutional(tmp_path), threads=1))


def test_a_linear_model_has_its_weights_as_gradient(linear_model: LinearModel, numbers: Numbers) -> None:
    weight = numbers(3, 48)
    twin = differentiable(OnnxProvider.open(linear_model(weight, numbers(3))))
    assert isinstance(twin, DifferentiableProvider)
    x = torch.rand(2, 3, 4, 4).requires_grad_()
    twin.predict(x)[:, 2].sum().backward()  # type: ignore[no-untyped-call]  # torch does not annotate it
    assert x.grad is not None
    assert torch.allclose(x.grad, torch.from_numpy(weight[2]).reshape(3, 4, 4).expand(2, 3, 4, 4), atol=1e-6)


@pytest.mark.parametrize("batch", ["n", 4])
@pytest.mark.parametrize("output", ["p", "logit"])
def test_answers_are_those_of_onnxruntime(tmp_path: Path, batch: int | str, output: str) -> None:
    path = convolutional(tmp_path, batch=batch)
    path.with_suffix(".toml").write_text(f'output = "{output}"\n')
    real = OnnxProvider.open(path)
    twin = differentiable(real)
    x = torch.rand(6, 3, 20, 20, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(twin.predict(x), real.predict(x), atol=1e-5)
    assert (twin.labels, twin.scores, twin.name) == (real.labels, real.scores, real.name)
    assert real.scores is (ScoreKind.PROBABILITIES if output == "p" else ScoreKind.LOGITS)
    assert twin.fingerprint != real.fingerprint


@pytest.mark.filterwarnings("default")
def test_what_torch_exports_today_comes_back(tmp_path: Path) -> None:
    torch.manual_seed(0)
    nn = torch.nn
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1),
        nn.BatchNorm2d(4),
        nn.LeakyReLU(0.1),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(256, 3),
    ).eval()
    path = tmp_path / "exported.onnx"
    torch.onnx.export(
        network,
        (torch.zeros(2, 3, 16, 16),),
        path,
        input_names=["x"],
        output_names=["scores"],
        dynamic_shapes=({0: torch.export.Dim("n")},),
        dynamo=True,
        verbose=False,
    )
    real = OnnxProvider.open(path)
    x = torch.rand(5, 3, 16, 16)
    with torch.no_grad():
        expected = network(x)
    assert torch.allclose(real.predict(x), expected, atol=1e-5)
    assert torch.allclose(differentiable(real).predict(x), expected, atol=1e-5)


def test_without_the_extra_it_is_named(
    linear_model: LinearModel, numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = OnnxProvider.open(linear_model(numbers(2, 48), numbers(2)))
    monkeypatch.setitem(sys.modules, "onnx2torch", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'cfsearch\[gradients\]'"):
        differentiable(provider)


def test_a_file_that_has_changed_is_refused(linear_model: LinearModel, numbers: Numbers) -> None:
    provider = OnnxProvider.open(linear_model(numbers(2, 48), numbers(2)))
    linear_model(numbers(2, 48, seed=9), numbers(2))
    with pytest.raises(ModelFileError, match="has changed since it was opened"):
        differentiable(provider)


def test_a_conversion_that_differs_is_refused(
    linear_model: LinearModel, numbers: Numbers, monkeypatch: pytest.MonkeyPatch
) -> None:
    import onnx2torch

    provider = OnnxProvider.open(linear_model(numbers(2, 48), numbers(2)))
    right = onnx2torch.convert
    monkeypatch.setattr(onnx2torch, "convert", lambda m: torch.nn.Sequential(right(m), torch.nn.Tanh()))
    with pytest.raises(ModelFileError, match=r"it differs from onnxruntime by .* expected at most"):
        differentiable(provider)


def test_an_operator_that_cannot_be_converted_is_refused(tmp_path: Path) -> None:
    graph = helper.make_graph(
        [
            helper.make_node("ReduceMean", ["x"], ["m"], axes=[2, 3], keepdims=0),
            helper.make_node("Det", ["x"], ["scores"]),
        ],
        "odd",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 3, 4, 4])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["n", 3])],
    )
    path = tmp_path / "odd.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), path)
    with pytest.raises(ModelFileError, match=r"cannot be converted to torch: .*Det"):
        differentiable(OnnxProvider.open(path))


def test_no_gradient_passes_labels_or_whole_numbers(linear_model: LinearModel, numbers: Numbers) -> None:
    path = linear_model(numbers(2, 48), numbers(2))
    path.with_suffix(".toml").write_text('scores = "labels"')
    with pytest.raises(CapabilityError, match="gives labels only, which have no gradient"):
        differentiable(OnnxProvider.open(path))
    whole = linear_model(numbers(2, 48), numbers(2), name="u.onnx", number=TensorProto.UINT8)
    with pytest.raises(CapabilityError, match="whole-number pixels"):
        differentiable(OnnxProvider.open(whole))
