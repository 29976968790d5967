"""Outputs of quantised ONNX models: whole numbers of a scale, and rows that sum to 1 only nearly."""

from dataclasses import dataclass
from typing import Any, Final, final

import onnx
import onnx.numpy_helper
import torch
from jaxtyping import Float
from torch import Tensor

_STORED: Final = ("QuantizeLinear", "DequantizeLinear")
_KEPT: Final = frozenset({"Identity", "Reshape", "Squeeze", "Unsqueeze", "Flatten", *_STORED})


@final
@dataclass(frozen=True, slots=True)
class Quantised:
    """How the numbers of an output are read.

    Args:
        scale: one step, of whole numbers; None where they come as what they mean.
        zero: the whole number that means 0.
        shares: whether they are what a softmax gave, so that rows are divided by their sums.
    """

    scale: float | None
    zero: int
    shares: bool

    def read(self, rows: Tensor) -> Float[Tensor, "n w"]:
        """What the numbers of an output mean.

        Args:
            rows: as the model gave them.

        Example:
            >>> Quantised(1 / 256, 0, True).read(torch.tensor([[64, 191]], dtype=torch.uint8)).sum().item()
            1.0
        """
        numbers = rows if self.scale is None else (rows.to(torch.float32) - self.zero) * self.scale
        if not self.shares or numbers.ndim < 2:
            return numbers
        sums = numbers.sum(dim=1, keepdim=True)
        return torch.where(sums > 0, numbers / torch.where(sums > 0, sums, 1.0), numbers)

    @property
    def note(self) -> str:
        """What the reader of a result must know."""
        if not self.shares:
            return ""
        return "The model is quantised: its probabilities go in steps and sum to 1 only nearly; each row is divided by its sum."


def quantised(model: onnx.ModelProto, output: str) -> Quantised | None:
    """How an output of a quantised model is read; None of any other.

    Args:
        model: the graph.
        output: that is read.
    """
    made_by = {name: node for node in model.graph.node for name in node.output if name}
    kept = {tensor.name: tensor for tensor in model.graph.initializer}
    node, steps, passed = made_by.get(output), 0, False
    scale, zero = None, 0
    while node is not None and node.op_type in _KEPT and node.input and steps < 100:
        if node.op_type == "QuantizeLinear" and not passed:
            step = _number(kept, node, 1)
            if step is None:
                return None  # of steps that differ by column, or that are computed
            scale, zero = step, int(_number(kept, node, 2) or 0)
        passed = passed or node.op_type in _STORED
        node, steps = made_by.get(node.input[0]), steps + 1
    if not passed:
        return None
    softmax = node is not None and node.domain in ("", "ai.onnx") and node.op_type == "Softmax"
    return Quantised(scale, zero, softmax)


def _number(kept: dict[str, onnx.TensorProto], node: onnx.NodeProto, place: int) -> float | None:
    tensor = kept.get(node.input[place]) if len(node.input) > place else None
    if tensor is None or tensor.data_location == onnx.TensorProto.EXTERNAL:
        return None
    values = onnx.numpy_helper.to_array(tensor).reshape(-1)
    return float(values[0]) if values.size == 1 else None


def with_free_batch(model: onnx.ModelProto) -> bytes | None:
    """The file's content where its inputs declare a batch of 0, which no runtime takes, with a free one; None else.

    Args:
        model: the file.
    """
    firsts = [taken.type.tensor_type.shape.dim[:1] for taken in model.graph.input]
    if not any(_is_none(dim) for dims in firsts for dim in dims):
        return None
    free = onnx.ModelProto()
    free.CopyFrom(model)  # type: ignore[no-untyped-call]  # protobuf has no types
    for value in (*free.graph.input, *free.graph.output):
        for dim in value.type.tensor_type.shape.dim[:1]:
            if _is_none(dim):
                dim.dim_param = "n"
    return bytes(free.SerializeToString())  # type: ignore[no-untyped-call]  # protobuf has no types


def _is_none(dim: Any) -> bool:  # Any: protobuf has no types
    """Whether a dimension is declared, as 0."""
    return bool(dim.HasField("dim_value") and dim.dim_value == 0)
