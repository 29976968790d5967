"""Row independence of ONNX graphs: every operator maps rows separately."""

from typing import Final

import onnx

_KNOWN: Final[dict[str, frozenset[str]]] = {
    "ai.onnx": frozenset(
        {
            *("Abs", "Add", "And", "Cast", "Ceil", "Clip", "Constant", "Div", "Dropout", "Elu", "Equal"),
            *("Erf", "Exp", "Flatten", "Floor", "Gelu", "Gemm", "Greater", "GreaterOrEqual", "Identity"),
            *("IsNaN", "LeakyRelu", "Less", "LessOrEqual", "Log", "MatMul", "Max", "Min", "Mul", "Neg"),
            *("Not", "Or", "Pow", "Reciprocal", "Relu", "Reshape", "Round", "Sigmoid", "Sign", "Softplus"),
            *("Sqrt", "Squeeze", "Sub", "Sum", "Tanh", "Unsqueeze", "Where", "Xor"),
        }
    ),
    "ai.onnx.ml": frozenset(
        {
            *("ArrayFeatureExtractor", "Binarizer", "CategoryMapper", "FeatureVectorizer", "Imputer"),
            *("LabelEncoder", "LinearClassifier", "LinearRegressor", "Normalizer", "OneHotEncoder", "Scaler"),
            *("TreeEnsemble", "TreeEnsembleClassifier", "TreeEnsembleRegressor", "ZipMap"),
        }
    ),
}
"""They work number by number, along a row, or multiply rows with a matrix."""

_ALONG: Final = {"ArgMax": 0, "Concat": 0, "Hardmax": -1, "LogSoftmax": -1, "Softmax": -1}
"""They work along the axis that they name, and along this one where they name none."""


def works_by_row(model: onnx.ModelProto) -> bool:
    """Whether every operator of a graph is known to keep rows apart.

    That still promises no bits: a runtime chooses its kernels, and shares out a forest's trees, by how
    many rows there are. Nor is it a proof, since constants may mix rows in a product. Both are tried
    out where it counts (``batch_invariant.tried_block``).
    """
    return not model.functions and all(_keeps_apart(node) for node in model.graph.node)


def _keeps_apart(node: onnx.NodeProto) -> bool:
    domain = node.domain or "ai.onnx"
    if domain == "ai.onnx" and node.op_type in _ALONG:
        axes = [attribute.i for attribute in node.attribute if attribute.name == "axis"]
        return (axes[0] if axes else _ALONG[node.op_type]) != 0
    return node.op_type in _KNOWN.get(domain, frozenset())
