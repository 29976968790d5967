"""Inspection of an ONNX graph: kind of scores, class names, unsupported operators."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import onnx
import onnx.numpy_helper

from cfsearch.contracts.provider import ScoreKind
from cfsearch.errors import ModelFileError
from cfsearch.parsing import parse_json

_SAME_NUMBERS: Final = frozenset(
    {
        "Identity",
        "Reshape",
        "Squeeze",
        "Unsqueeze",
        "Flatten",
        "Cast",
        "Dropout",
        "QuantizeLinear",
        "DequantizeLinear",
    }
)
_SAME_CLASSES: Final = frozenset({"Identity", "Reshape", "Cast", "Normalizer", "ZipMap"})
_UNBOUNDED: Final = frozenset({"Gemm", "MatMul", "Conv", "LogSoftmax"})
_REGRESSORS: Final = frozenset({"LinearRegressor", "SVMRegressor", "TreeEnsembleRegressor"})
_METADATA_KEYS: Final = ("labels", "classes", "class_names", "names", "id2label")


def ending(model: onnx.ModelProto, output: str) -> ScoreKind | None:
    """What the last layer before an output says about it; None if it says nothing.

    A softmax or sigmoid gives probabilities, a dense layer or a log-softmax unbounded numbers.
    """
    made_by = {name: node for node in model.graph.node for name in node.output if name}
    node = made_by.get(output)
    steps = 0
    while node is not None and node.op_type in _SAME_NUMBERS and node.input and steps < 100:
        node, steps = made_by.get(node.input[0]), steps + 1
    if node is None or node.domain not in ("", "ai.onnx"):
        return None
    if node.op_type in ("Sigmoid", "Softmax"):
        return ScoreKind.PROBABILITIES
    if node.op_type == "Add":  # a dense layer with its bias written apart
        parents = [made_by.get(name) for name in node.input]
        dense = any(p is not None and p.op_type in ("MatMul", "Conv") for p in parents)
        return ScoreKind.LOGITS if dense else None
    return ScoreKind.LOGITS if node.op_type in _UNBOUNDED else None


def refuse_regressor(model: onnx.ModelProto, output: str, *, path: Path) -> None:
    """Refuse a graph that ends in a regressor of one number: it has no classes.

    Args:
        model: the graph.
        output: that is read.
        path: the file, for messages.

    Raises:
        ModelFileError: it is a regressor.
    """
    made_by = {name: node for node in model.graph.node for name in node.output if name}
    node, steps = made_by.get(output), 0
    while node is not None and node.op_type in _SAME_NUMBERS and node.input and steps < 100:
        node, steps = made_by.get(node.input[0]), steps + 1
    if node is None or node.domain != "ai.onnx.ml" or node.op_type not in _REGRESSORS:
        return
    named = {a.name: a.i for a in node.attribute if a.name in ("n_targets", "targets", "post_transform")}
    if named.get("n_targets", named.get("targets", 1)) != 1:
        return
    if any(a.name == "post_transform" and a.s not in (b"", b"NONE") for a in node.attribute):
        return  # a logistic of trees is a classifier
    raise ModelFileError(
        f"{path}: ends in {node.op_type}, so it predicts a number and has no classes. Give the range that is wanted: "
        "--target 50000..60000, or 250000.. (a single score of a classifier: `labels` and `scores` in its sidecar)."
    )


def class_names(model: onnx.ModelProto, output: str, *, numbered: bool = False) -> tuple[str, ...] | None:
    """The classes of scikit-learn's converters, in the order of the scores; None where none are named.

    A classifier or a ZipMap at the end names them itself, else the table from which the label beside
    the scores is picked. Classes 0, 1, ... are no names.

    Args:
        model: the graph.
        output: that is read.
        numbered: whether 0, 1, ... are names all the same.
    """
    made_by = {name: node for node in model.graph.node for name in node.output if name}
    kept = {tensor.name: tensor for tensor in model.graph.initializer}
    for end in (output, *(o.name for o in model.graph.output if o.name != output)):
        node, steps = made_by.get(end), 0
        while node is not None and steps < 100:
            if node.domain == "ai.onnx.ml" and (found := _classes_of(node, kept)):
                counted = found == tuple(str(i) for i in range(len(found)))
                return None if counted and not numbered else found
            if node.op_type not in _SAME_CLASSES or not node.input:
                break
            node, steps = made_by.get(node.input[0]), steps + 1
    return None


def _classes_of(node: onnx.NodeProto, kept: dict[str, onnx.TensorProto]) -> tuple[str, ...]:
    if node.op_type == "ArrayFeatureExtractor":
        tensor = kept.get(node.input[0])
        if tensor is None or tensor.data_location == onnx.TensorProto.EXTERNAL:
            return ()
        values = onnx.numpy_helper.to_array(tensor).reshape(-1).tolist()
        return tuple(
            v.decode() if isinstance(v, bytes) else f"{v:g}" if isinstance(v, float) else str(v)
            for v in values
        )
    for attribute in node.attribute:
        if attribute.name == "classlabels_strings" and attribute.strings:
            return tuple(word.decode() for word in attribute.strings)
        if attribute.name in ("classlabels_int64s", "classlabels_ints") and attribute.ints:
            return tuple(str(number) for number in attribute.ints)
    return ()


def hinted_labels(model: onnx.ModelProto) -> tuple[str, ...]:
    """Labels that the file's metadata mention: a hint to confirm, never taken for granted."""
    entries = {entry.key.lower(): entry.value for entry in model.metadata_props}
    for key in _METADATA_KEYS:
        if key in entries and (found := _names(entries[key])):
            return found
    return ()


def _names(text: str) -> tuple[str, ...]:
    try:
        value: object = parse_json(text)
    except ValueError:
        pairs = re.findall(r"(?<!\d)(\d+)\s*:\s*['\"]([^'\"]*)['\"]", text[:10_000])
        value = dict(pairs) if pairs else [w.strip() for w in re.split(r"[,\n]", text[:10_000])]
    if isinstance(value, dict):
        value = list(value.values())
    if not isinstance(value, list):
        return ()
    return tuple(str(name) for name in value if str(name))


def unsupported(
    model: onnx.ModelProto, *, complaint: str, known_ops: Iterable[tuple[str, str]]
) -> str | None:
    """The operator, or the version, that a runtime lacks; None if that is not the trouble.

    Args:
        model: what was to be loaded.
        complaint: message of the runtime.
        known_ops: its operators as (domain, name).
    """
    versions = {_domain(entry.domain): entry.version for entry in model.opset_import}
    if found := re.search(r"IR version: (\d+), max supported IR version: (\d+)", complaint):
        return (
            f"it has ONNX IR version {found[1]} (domain 'ai.onnx', opset {versions.get('ai.onnx')}), "
            f"the installed onnxruntime reads up to {found[2]}. Export it with "
            f"ir_version={found[2]}, or upgrade onnxruntime"
        )
    if found := re.search(r"support for domain (\S+) is till opset (\d+)", complaint):
        domain = _domain(found[1])
        users = [node.op_type for node in model.graph.node if _domain(node.domain) == domain]
        return (
            f"it uses operators of domain {domain!r} (first {users[0] if users else 'none'!r}) in "
            f"opset {versions.get(domain)}, the installed onnxruntime knows up to {found[2]}. "
            "Export it with a lower opset, or upgrade onnxruntime"
        )
    own = {(_domain(f.domain), f.name) for f in model.functions}
    known = {(_domain(domain), name) for domain, name in known_ops} | own
    nodes = [*model.graph.node, *(node for f in model.functions for node in f.node)]
    for node in nodes:
        if (_domain(node.domain), node.op_type) not in known:
            return (
                f"operator {node.op_type!r} of domain {_domain(node.domain)!r} is not known to "
                "onnxruntime. Export the model with standard operators"
            )
    if found := re.search(r"implementation for (\w+)\((\d+)\)", complaint):
        domains = [_domain(n.domain) for n in nodes if n.op_type == found[1]]
        return (
            f"operator {found[1]!r} of domain {(domains or ['ai.onnx'])[0]!r}, version {found[2]}, "
            "is not implemented in onnxruntime for its number type. Export the model as float32"
        )
    return None


def _domain(name: str) -> str:
    return name or "ai.onnx"


def one_line(complaint: str) -> str:
    """A runtime's message without its C++ paths and signatures, on one line of bounded length."""
    text = re.sub(r"\[ONNXRuntimeError\] : \d+ : ", "", complaint)
    text = re.sub(r"\S*/\S+\.(?:cc|h|cpp|hpp|cu)(?::\d+)?\s*", "", text)
    text = re.sub(r"\S*onnxruntime::[^\n]*?\)(?:\s*const)?\s", "", text)
    text = " ".join(text.split()).rstrip(".")
    return text if len(text) <= 240 else text[:237] + "..."
