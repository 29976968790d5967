"""What the first nodes of an ONNX graph say about the pixels that it takes."""

import re
from typing import Final

import numpy as np
import onnx
import onnx.numpy_helper
import torch
from numpy.typing import NDArray
from torch import Tensor

from cfsearch.providers.pixel_clues import Clue, affine_clue, architecture_clue, stem_clue

_SAME: Final = frozenset(
    {"Identity", "Cast", "Transpose", "Unsqueeze", "Squeeze", "Reshape", "Pad", "Dropout"}
)
_ARITHMETIC: Final = frozenset({"Add", "Sub", "Mul", "Div"})
_FAMILIES: Final = {
    r"\blayer1\.0[. ]conv1\b.*\blayer4\.0[. ]conv1\b": "a ResNet of torchvision's or timm's",
    r"\bfeatures\.0[. ](features\.0\.)?0\b.*\bfeatures\.1[. ](conv|block)\b": "a MobileNet or EfficientNet of torchvision's",
    r"\bfeatures\.denseblock1[. ]denselayer1\b": "a DenseNet of torchvision's",
    r"\bencoder\.layers\.encoder_layer_0\b": "a vision transformer of torchvision's",
}
"""Names of layers, in the order of the graph, by which an architecture is known."""
_FEW: Final = 40


def graph_clues(model: onnx.ModelProto, *, input_name: str, assumed: bool) -> tuple[Clue, ...]:
    """The clues of a graph of pictures, the strongest first.

    Args:
        model: the graph; weights in external data say nothing.
        input_name: its input.
        assumed: whether nobody declared the range; only then its architecture says anything.
    """
    kept = _Constants(model.graph)
    scale, shift, changed = np.ones(1), np.zeros(1), False
    at = input_name
    node: onnx.NodeProto | None = None
    for _ in range(_FEW):
        users = [n for n in model.graph.node if at in n.input]
        node = users[0] if len(users) == 1 else None
        if node is None or node.domain not in ("", "ai.onnx") or not node.output:
            break
        if node.op_type in _SAME:
            at = node.output[0]
        elif node.op_type in _ARITHMETIC and len(node.input) == 2:
            first = node.input[0] == at
            value = kept.channels(node.input[1 if first else 0])
            if value is None:
                break
            step = _combined(node.op_type, scale, shift, value, first=first)
            if step is None:
                break
            (scale, shift), changed, at = step, True, node.output[0]
        else:
            break
    found: list[Clue | None] = []
    if changed and bool((scale != 0).all()):
        found.append(affine_clue(*_alike(scale, shift)))
    elif node is not None and node.op_type == "Conv" and not changed:
        found.append(_stem(model, node, kept))
    found.append(_family(model) if assumed else None)
    return tuple(clue for clue in found if clue is not None)


Floats = NDArray[np.float64]


def _combined(
    op: str, scale: Floats, shift: Floats, value: Floats, *, first: bool
) -> tuple[Floats, Floats] | None:
    """``scale x + shift`` after one more operation with a constant; ``first`` where x stands before it."""
    if op == "Add":
        return scale, shift + value
    if op == "Mul":
        return scale * value, shift * value
    if op == "Sub":
        return (scale, shift - value) if first else (-scale, value - shift)
    return (scale / value, shift / value) if first and bool(value.all()) else None


def _alike(scale: Floats, shift: Floats) -> tuple[Tensor, Tensor]:
    both = np.broadcast_arrays(scale, shift)
    return torch.from_numpy(both[0].copy()), torch.from_numpy(both[1].copy())


class _Constants:
    """Constants of a graph by name: initialisers and Constant nodes that lie in the file itself."""

    def __init__(self, graph: onnx.GraphProto) -> None:
        self._tensors = {t.name: t for t in graph.initializer}
        for node in graph.node:
            if node.op_type == "Constant" and node.output:
                for attribute in node.attribute:
                    if attribute.name == "value":
                        self._tensors[node.output[0]] = attribute.t

    def get(self, name: str) -> Floats | None:
        tensor = self._tensors.get(name)
        if tensor is None or tensor.data_location == onnx.TensorProto.EXTERNAL:
            return None
        value = np.asarray(onnx.numpy_helper.to_array(tensor))
        return value.astype(np.float64) if value.dtype.kind in "fiu" else None

    def channels(self, name: str) -> Floats | None:
        """A number, or one a channel; None for anything else."""
        value = self.get(name)
        if value is None or value.size not in (1, 3) or not bool(np.isfinite(value).all()):
            return None
        return value.reshape(-1)


def _stem(model: onnx.ModelProto, conv: onnx.NodeProto, kept: _Constants) -> Clue | None:
    """The clue of a convolution whose batch normalisation was not folded into it."""
    behind = [n for n in model.graph.node if conv.output[0] in n.input]
    if len(behind) != 1 or behind[0].op_type != "BatchNormalization" or len(behind[0].input) < 5:
        return None
    weight = kept.get(conv.input[1])
    mean, variance = (kept.get(name) for name in behind[0].input[3:5])
    bias = kept.get(conv.input[2]) if len(conv.input) > 2 else None
    if (
        weight is None
        or mean is None
        or variance is None
        or weight.ndim != 4
        or weight.shape[1] not in (1, 3)
    ):
        return None
    return stem_clue(
        torch.from_numpy(weight),
        None if bias is None else torch.from_numpy(bias),
        mean=torch.from_numpy(mean),
        variance=torch.from_numpy(variance),
    )


def _family(model: onnx.ModelProto) -> Clue | None:
    names = [*(t.name for t in model.graph.initializer), *(n.name for n in model.graph.node)]
    text = " ".join(name.replace("/", " ") for name in names)
    for pattern, what in _FAMILIES.items():
        if re.search(pattern, text):
            return architecture_clue(what)
    return None
