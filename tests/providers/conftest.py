"""Small ONNX models whose every answer can be worked out with numpy."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Array = NDArray[np.float32]


@pytest.fixture
def linear_model(tmp_path: Path) -> Callable[..., Path]:
    """Writes ``tail(weight @ flat(x) + bias)`` as an ONNX file."""

    def write(
        weight: Array,
        bias: Array,
        *,
        name: str = "model.onnx",
        shape: Sequence[int | str | None] = ("n", 3, 4, 4),
        tail: str | None = None,
        number: int = TensorProto.FLOAT,
        nhwc: bool = False,
        metadata: dict[str, str] | None = None,
    ) -> Path:
        float_number = TensorProto.FLOAT if number == TensorProto.UINT8 else number
        dtype = helper.tensor_dtype_to_np_dtype(float_number)
        nodes = []
        flat = "x"
        if number == TensorProto.UINT8:
            nodes.append(helper.make_node("Cast", [flat], ["cast"], to=float_number))
            flat = "cast"
        if nhwc:
            nodes.append(helper.make_node("Transpose", [flat], ["nchw"], perm=[0, 3, 1, 2]))
            flat = "nchw"
        if len(shape) == 4:
            nodes.append(helper.make_node("Flatten", [flat], ["flat"]))
            flat = "flat"
        nodes.append(
            helper.make_node("Gemm", [flat, "weight", "bias"], ["dense" if tail else "scores"], transB=1)
        )
        if tail:
            nodes.append(helper.make_node(tail, ["dense"], ["scores"]))
        graph = helper.make_graph(
            nodes,
            "linear",
            [helper.make_tensor_value_info("x", number, list(shape))],
            [helper.make_tensor_value_info("scores", float_number, [shape[0], len(bias)])],
            [
                numpy_helper.from_array(weight.astype(dtype), "weight"),
                numpy_helper.from_array(bias.astype(dtype), "bias"),
            ],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
        helper.set_model_props(model, metadata or {})
        path = tmp_path / name
        onnx.save(model, path)
        return path

    return write


@pytest.fixture
def numbers() -> Callable[..., Array]:
    """Random numbers of a shape, by seed."""

    def draw(*shape: int, seed: int = 0) -> Array:
        return np.random.default_rng(seed).normal(size=shape).astype(np.float32)

    return draw
