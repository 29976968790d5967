"""ONNX models as people have them: quantised, of classes with numbers of their own, outlier detectors, batches of 0."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from cfsearch.contracts.provider import ScoreKind
from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
from cfsearch.errors import ModelFileError
from cfsearch.providers.callable import CallableProvider
from cfsearch.providers.handshake import handshake
from cfsearch.providers.opening import open_provider
from cfsearch.providers.tabular import TabularProvider
from cfsearch.providers.tabular_opening import open_tabular

Array = NDArray[Any]  # Any: arrays of several types
WEIGHT = np.random.default_rng(0).normal(size=(48, 10)).astype(np.float32) * 0.3
SCHEMA = TableSchema(columns=tuple(Column(name=name, kind=ColumnKind.REAL, high=1.0) for name in "ab"))
ROWS = torch.tensor([[0.5, 0.5], [0.9, 0.1], [0.0, 0.0], [0.45, 0.55], [1.0, 1.0]], dtype=torch.float64)


def images(n: int = 5) -> torch.Tensor:
    return torch.rand(n, 3, 4, 4, generator=torch.Generator().manual_seed(2))


def saved(
    path: Path,
    nodes: list[onnx.NodeProto],
    *,
    inputs: Sequence[tuple[str, int, list[Any]]],  # Any: numbers and names
    outputs: Sequence[tuple[str, int, list[Any]]],
    kept: dict[str, Array],
) -> Path:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(*one) for one in outputs],
        [numpy_helper.from_array(value, name) for name, value in kept.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    return path


def dense(path: Path, tail: str, *, k: int = 10, step: Array | None = None, zero: Array | None = None, whole: bool = False,
          batch: int | str = "n") -> Path:  # fmt: skip
    nodes = [
        helper.make_node("Flatten", ["x"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["d"]),
        helper.make_node(tail, ["d"], ["s"]),
    ]
    kept: dict[str, Array] = {"w": WEIGHT[:, :k]}
    kind = TensorProto.FLOAT
    if step is not None and zero is not None:
        kept |= {"step": step, "zero": zero}
        nodes.append(helper.make_node("QuantizeLinear", ["s", "step", "zero"], ["q"]))
        if whole:
            kind = helper.np_dtype_to_tensor_dtype(zero.dtype)
        else:
            nodes.append(helper.make_node("DequantizeLinear", ["q", "step", "zero"], ["y"]))
    end = nodes[-1].output[0]
    return saved(
        path,
        nodes,
        inputs=[("x", TensorProto.FLOAT, [batch, 3, 4, 4])],
        outputs=[(end, kind, [batch, k])],
        kept=kept,
    )


def exact(k: int) -> torch.Tensor:
    logits = images().flatten(1) @ torch.from_numpy(WEIGHT[:, :k])
    return logits.softmax(1)


@pytest.mark.parametrize("k", [2, 3, 10])
@pytest.mark.parametrize(
    ("step", "zero", "whole"),
    [
        (1 / 256, np.uint8(0), False),
        (0.00388, np.uint8(0), False),
        (1 / 256, np.uint8(0), True),
        (1 / 256, np.int8(-128), True),
    ],
    ids=["float", "own step", "uint8", "int8"],
)
def test_a_quantised_softmax_gives_probabilities(
    tmp_path: Path, k: int, step: float, zero: Any, whole: bool
) -> None:  # Any: numpy's scalars
    path = dense(
        tmp_path / "m.onnx", "Softmax", k=k, step=np.array(step, np.float32), zero=np.array(zero), whole=whole
    )
    model = open_provider(path)
    assert model.scores is ScoreKind.PROBABILITIES
    answer = model.predict(images())
    assert torch.allclose(answer.sum(1), torch.ones(5), atol=1e-6)
    assert torch.allclose(answer, exact(k), atol=0.02)
    assert "quantised: its probabilities go in steps and sum to 1 only nearly" in model.note
    handshake(model, (3, 4, 4), large=8)


def test_a_quantised_dense_layer_and_sigmoids_are_no_probabilities_of_one_choice(tmp_path: Path) -> None:
    step, zero = np.array(1 / 256, np.float32), np.array(np.uint8(0))
    sigmoids = open_provider(dense(tmp_path / "s.onnx", "Sigmoid", step=step, zero=zero))
    assert sigmoids.scores is ScoreKind.LOGITS
    assert "sum to 1 only nearly" not in sigmoids.note
    raw = open_provider(
        dense(
            tmp_path / "d.onnx",
            "Identity",
            step=np.array(0.1, np.float32),
            zero=np.array(np.int8(0)),
            whole=True,
        )
    )
    assert raw.scores is ScoreKind.LOGITS
    logits = images().flatten(1) @ torch.from_numpy(WEIGHT)
    assert torch.allclose(raw.predict(images()), logits, atol=0.051)


def test_a_function_of_8_bit_probabilities_is_taken_for_one() -> None:
    def lite(x: Array) -> Array:
        p = torch.from_numpy(x).flatten(1) @ torch.from_numpy(WEIGHT)
        return (p.softmax(1) * 256).round().numpy() / 256

    raw = lite(images().numpy())
    assert np.abs(raw.sum(1) - 1).max() > 1e-3  # the case at hand
    model = CallableProvider.inferred(
        lite, labels=None, scores=None, where="the call", name="lite", probe=images()
    )
    assert model.scores is ScoreKind.PROBABILITIES
    assert torch.allclose(
        model.predict(images()), torch.from_numpy(raw / raw.sum(1, keepdims=True)), atol=1e-6
    )
    assert "lite answers in steps of 8 bits" in model.note
    handshake(model, (3, 4, 4), large=8)


@pytest.mark.parametrize("off", [0.97, 1.002], ids=["far", "no steps"])
def test_rows_that_sum_to_something_else_stay_refused(off: float) -> None:
    model = CallableProvider(
        lambda x: np.full((len(x), 2), off / 2, dtype=np.float32),
        labels=("a", "b"),
        scores=ScoreKind.PROBABILITIES,
    )
    with pytest.raises(Exception, match="declares probabilities, but its rows sum to"):
        handshake(model, (3, 4, 4), large=8)


@pytest.mark.parametrize("batch", [0, -1, "batch", 1, 4])
def test_any_declared_batch_is_queried(tmp_path: Path, batch: int | str) -> None:
    model = open_provider(dense(tmp_path / "m.onnx", "Softmax", k=3, batch=batch))
    assert torch.allclose(model.predict(images()), exact(3), atol=1e-5)


def opened(path: Path, **settings: Any) -> TabularProvider:  # Any: keyword arguments
    return open_tabular(str(path), schema=SCHEMA, probes=ROWS, **settings)


def labels_only(path: Path, classes: list[int]) -> Path:
    node = helper.make_node(
        "LinearClassifier", ["x"], ["label", "p"], domain="ai.onnx.ml", classlabels_ints=classes,
        coefficients=[5.0, 0.0, 0.0, 5.0], intercepts=[0.0, 0.1], post_transform="SOFTMAX",
    )  # fmt: skip
    return saved(
        path,
        [node],
        inputs=[("x", TensorProto.FLOAT, ["n", 2])],
        outputs=[("label", TensorProto.INT64, ["n"])],
        kept={},
    )


@pytest.mark.parametrize("classes", [[0, 1], [1, 2], [-1, 1], [7, 3]], ids=str)
def test_labels_of_any_whole_numbers_are_classes(tmp_path: Path, classes: list[int]) -> None:
    model = opened(labels_only(tmp_path / "m.onnx", classes))
    assert model.scores is ScoreKind.LABELS
    assert model.labels == tuple(map(str, classes))
    a, b = ROWS.T.tolist()
    assert model.predict(ROWS).argmax(1).tolist() == [
        int(5 * y + 0.1 > 5 * x) for x, y in zip(a, b, strict=True)
    ]


def detector(path: Path, *, scored: bool = True, agrees: bool = True) -> Path:
    """One class around (0.5, 0.5), as skl2onnx writes an outlier detector: labels of 1 and -1, and a score."""
    nodes = [
        helper.make_node("Sub", ["x", "centre"], ["moved"]),
        helper.make_node("ReduceL2", ["moved"], ["far"], axes=[1], keepdims=1),
        helper.make_node("Sub", ["radius", "far"], ["scores"]),
        helper.make_node("Less" if agrees else "Greater", ["far", "radius"], ["in"]),
        helper.make_node("Cast", ["in"], ["whole"], to=TensorProto.INT64),
        helper.make_node("Mul", ["whole", "two"], ["twice"]),
        helper.make_node("Sub", ["twice", "one"], ["label"]),
    ]
    outputs = [("label", TensorProto.INT64, ["n", 1]), ("scores", TensorProto.FLOAT, ["n", 1])]
    return saved(
        path,
        nodes,
        inputs=[("x", TensorProto.FLOAT, ["n", 2])],
        outputs=outputs[: 1 + scored],
        kept={
            "centre": np.full((1, 2), 0.5, np.float32), "radius": np.array([0.2], np.float32),
            "two": np.array([2]), "one": np.array([1]),
        },
    )  # fmt: skip


def inside() -> list[int]:
    return [int(far < 0.2) for far in (ROWS - 0.5).norm(dim=1).tolist()]


@pytest.mark.parametrize("scored", [True, False], ids=["score", "labels alone"])
def test_an_outlier_detector_is_a_model_of_two_classes(tmp_path: Path, scored: bool) -> None:
    model = opened(detector(tmp_path / "m.onnx", scored=scored))
    assert model.labels == ("outlier", "inlier")
    assert model.scores is (ScoreKind.LOGITS if scored else ScoreKind.LABELS)
    answer = model.predict(ROWS)
    assert answer.argmax(1).tolist() == inside()
    if scored:
        assert torch.allclose(answer[:, 1], 0.2 - (ROWS - 0.5).norm(dim=1), atol=1e-5)
    assert (
        "is an outlier detector, taken for a model of two classes, outlier (-1) and inlier (1)" in model.note
    )


def test_a_score_that_contradicts_its_labels_makes_no_detector(tmp_path: Path) -> None:
    with_others = detector(tmp_path / "m.onnx", agrees=False)
    assert "outlier detector" not in opened(with_others).note


def test_several_inputs_name_a_way_out(tmp_path: Path) -> None:
    path = saved(
        tmp_path / "m.onnx",
        [helper.make_node("Flatten", ["x"], ["f"]), helper.make_node("Div", ["f", "t"], ["y"])],
        inputs=[("x", TensorProto.FLOAT, ["n", 3, 4, 4]), ("t", TensorProto.FLOAT, [1])],
        outputs=[("y", TensorProto.FLOAT, ["n", 48])],
        kept={},
    )
    with pytest.raises(
        ModelFileError, match=r"got 2 \(x, t\).* or name a function that gives them: pkg.mod:predict"
    ):
        open_provider(path)


@pytest.mark.parametrize("scale", [0.2, 30.0], ids=["a share", "a logit"])
def test_a_single_output_is_judged_by_many_pictures(scale: float) -> None:
    def brightness(x: Array) -> Array:
        return np.asarray(0.5 + scale * (x.mean(axis=(1, 2, 3)) - 0.5))

    probe = torch.full((2, 3, 8, 8), 0.5) + torch.tensor([0.0, 0.01])[:, None, None, None]
    model = CallableProvider.inferred(
        brightness, labels=None, scores=None, where="m.toml", name="m", probe=probe
    )
    assert model.scores is (ScoreKind.PROBABILITIES if scale < 1 else ScoreKind.LOGITS)
    if scale < 1:
        assert "known inputs gave a single output in [0, 1] (" in model.note
        assert 'If it is a logit, set scores = "logits" in m.toml.' in model.note
