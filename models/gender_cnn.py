"""The audited network of Barredo-Arrieta and Del Ser 2020: "is this face Male?"."""

from itertools import pairwise
from pathlib import Path
from typing import final

import numpy as np
import numpy.typing as npt
import onnx
import torch
from jaxtyping import Float
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from cfsearch.errors import ConfigError

LABELS = ("not Male", "Male")
"""The two classes, in the order of a provider's columns."""

OPSET = 17
"""Old enough for every onnxruntime that cfsearch accepts, and for onnx2torch."""

_IR_VERSION = 8
_SLOPE = 0.1
_EPSILON = 1e-5
_GROWTH = (1, 2, 4, 6, 8)


@final
class GenderCnn(nn.Module):
    """Five convolutions, a dense ReLU layer and one sigmoid unit.

    Every convolution is 3 x 3 with stride 2, followed by batch norm and leaky ReLU 0.1, as in
    the paper (which leaves kernel, stride and widths open). The answer is a float32
    probability: it rounds to exactly 1 above a logit of 17, and the provider's clipping acts
    before that, so train it with label smoothing; ``logit`` is exact at any size.

    Args:
        size: height and width of the image, in pixels, a multiple of 32.
        width: channels of the first convolution; the fifth has eight times as many.
        hidden: units of the dense ReLU layer.

    Shapes:
        ``(n, 3, size, size)`` RGB in [0, 1] -> ``(n, 1)``, the probability of Male.

    Raises:
        ConfigError: a size that five halvings do not divide, or a width below 1.

    References:
        Barredo-Arrieta and Del Ser 2020, https://arxiv.org/abs/2003.11323, section IV.
    """

    def __init__(self, *, size: int = 64, width: int = 16, hidden: int = 64) -> None:
        super().__init__()
        if size < 32 or size % 32:
            raise ConfigError(f"gender_cnn: `size` must be a multiple of 32 (five halvings), got {size!r}.")
        if width < 1 or hidden < 1:
            raise ConfigError(
                f"gender_cnn: `width` and `hidden` must be 1 or more, got {width!r}, {hidden!r}."
            )
        self.size = size
        channels = [3, *(width * growth for growth in _GROWTH)]
        self.convolutions: nn.ModuleList = nn.ModuleList(
            nn.Conv2d(a, b, 3, stride=2, padding=1, bias=False) for a, b in pairwise(channels)
        )
        self.norms: nn.ModuleList = nn.ModuleList(nn.BatchNorm2d(b, eps=_EPSILON) for b in channels[1:])
        self.dense: nn.Linear = nn.Linear(channels[-1] * (size // 32) ** 2, hidden)
        self.unit: nn.Linear = nn.Linear(hidden, 1)

    def logit(self, x: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n 1"]:
        """What the sigmoid unit receives: the log-odds of Male."""
        for convolution, norm in zip(self.convolutions, self.norms, strict=True):
            x = nn.functional.leaky_relu(norm(convolution(x)), _SLOPE)
        hidden: Tensor = self.dense(x.flatten(1)).relu()
        logit: Tensor = self.unit(hidden)
        return logit

    def forward(self, x: Float[Tensor, "n 3 s s"]) -> Float[Tensor, "n 1"]:
        return self.logit(x).sigmoid()


def build(size: int = 64, *, width: int = 16, hidden: int = 64) -> GenderCnn:
    """An untrained network; name it to the torch provider as ``cfsearch.models.gender_cnn:build``."""
    return GenderCnn(size=size, width=width, hidden=hidden)


def export_onnx(module: GenderCnn, *, path: Path) -> None:
    """The network as one ONNX file with a free batch size and no external data.

    The graph is written node by node, so that equal weights give equal bytes whatever the
    version of torch, and no exporter has to be installed. Input ``image``, output ``male``.

    Args:
        module: its weights and running statistics; the mode (training or not) does not matter.
        path: the file to write, replaced if it exists.
    """
    weights: list[TensorProto] = []

    def keep(name: str, value: Tensor) -> str:
        array: npt.NDArray[np.float32] = value.detach().to("cpu", torch.float32).numpy()
        weights.append(numpy_helper.from_array(array, name))
        return name

    nodes = []
    x = "image"
    pairs = zip(module.convolutions, module.norms, strict=True)
    for i, (convolution, norm) in enumerate(pairs, start=1):
        kernel = keep(f"conv{i}.weight", convolution.get_parameter("weight"))
        statistics = [
            keep(f"norm{i}.weight", norm.get_parameter("weight")),
            keep(f"norm{i}.bias", norm.get_parameter("bias")),
            keep(f"norm{i}.mean", norm.get_buffer("running_mean")),
            keep(f"norm{i}.var", norm.get_buffer("running_var")),
        ]
        nodes += [
            helper.make_node(
                "Conv",
                [x, kernel],
                [f"conv{i}"],
                kernel_shape=[3, 3],
                strides=[2, 2],
                pads=[1, 1, 1, 1],
            ),
            helper.make_node("BatchNormalization", [f"conv{i}", *statistics], [f"norm{i}"], epsilon=_EPSILON),
            helper.make_node("LeakyRelu", [f"norm{i}"], [f"act{i}"], alpha=_SLOPE),
        ]
        x = f"act{i}"
    dense = [keep("dense.weight", module.dense.weight), keep("dense.bias", module.dense.bias)]
    unit = [keep("unit.weight", module.unit.weight), keep("unit.bias", module.unit.bias)]
    nodes += [
        helper.make_node("Flatten", [x], ["flat"], axis=1),
        helper.make_node("Gemm", ["flat", *dense], ["dense"], transB=1),
        helper.make_node("Relu", ["dense"], ["hidden"]),
        helper.make_node("Gemm", ["hidden", *unit], ["logit"], transB=1),
        helper.make_node("Sigmoid", ["logit"], ["male"]),
    ]
    image = helper.make_tensor_value_info("image", TensorProto.FLOAT, ["n", 3, module.size, module.size])
    male = helper.make_tensor_value_info("male", TensorProto.FLOAT, ["n", 1])
    model = helper.make_model(
        helper.make_graph(nodes, "gender_cnn", [image], [male], initializer=weights),
        producer_name="cfsearch",
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
    )
    onnx.checker.check_model(model, full_check=True)
    content: bytes = model.SerializeToString(deterministic=True)  # type: ignore[no-untyped-call]  # protobuf
    path.write_bytes(content)
