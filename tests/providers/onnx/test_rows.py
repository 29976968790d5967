"""ONNX models with one input a column, row by row: a forest's bits, and who promises nothing."""

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from cfsearch.contracts.provider import Provider
from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
from cfsearch.engine.search import Search
from cfsearch.errors import ShapeError
from cfsearch.fronts.front import ParetoFront
from cfsearch.generators.rows.generator import Rows
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.gower import Gower
from cfsearch.providers.onnx.columns import ColumnProvider
from cfsearch.providers.onnx.provider import OnnxProvider
from cfsearch.providers.onnx.rows import works_by_row
from cfsearch.providers.tabular_opening import open_tabular
from cfsearch.solvers.genetic import Nsga2

NAMES = ("a", "b", "c")
SCHEMA = TableSchema(
    columns=tuple(Column(name=name, kind=ColumnKind.REAL, low=-3.0, high=3.0) for name in NAMES)
)
DRAW = np.random.default_rng(5)
STUMPS = [
    (
        int(DRAW.integers(3)),
        float(np.float32(DRAW.normal())),
        *DRAW.normal(size=2).astype(np.float32).tolist(),
    )
    for _ in range(120)
]
"""Column, threshold, and what is added to the score on each side: more trees than onnxruntime asks one by one."""
X = torch.from_numpy(DRAW.uniform(-3, 3, size=(300, 3)).astype(np.float32)).double()


def truth(x: Tensor) -> NDArray[np.float64]:
    """The stumps' probabilities, added up in float64."""
    rows = x.numpy()
    score = sum(np.where(rows[:, j] <= t, low, high) for j, t, low, high in STUMPS)
    p = 1 / (1 + np.exp(-np.asarray(score)))
    return np.stack([1 - p, p], axis=1)


def forest() -> onnx.NodeProto:
    """The stumps as one node, from ``row`` to the scores of two classes."""
    n = len(STUMPS)
    leaf = [(tree, side) for tree in range(n) for side in (1, 2)]
    said: dict[str, Any] = {
        "nodes_treeids": [tree for tree in range(n) for _ in range(3)],
        "nodes_nodeids": [0, 1, 2] * n,
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"] * n,
        "nodes_featureids": [place for j, *_ in STUMPS for place in (j, 0, 0)],
        "nodes_values": [value for _, t, *_ in STUMPS for value in (t, 0.0, 0.0)],
        "nodes_truenodeids": [1, 0, 0] * n,
        "nodes_falsenodeids": [2, 0, 0] * n,
        "target_treeids": [tree for tree, _ in leaf],
        "target_nodeids": [side for _, side in leaf],
        "target_ids": [0] * len(leaf),
        "target_weights": [STUMPS[tree][1 + side] for tree, side in leaf],
        "n_targets": 1,
    }
    return helper.make_node("TreeEnsembleRegressor", ["row"], ["score"], domain="ai.onnx.ml", **said)


def saved(
    path: Path,
    *nodes: onnx.NodeProto,
    constants: dict[str, NDArray[Any]] | None = None,
    rows: int | str = "n",
) -> Path:
    """A model that takes the three columns, puts them in a ``row``, and gives probabilities ``p``."""
    kept = [numpy_helper.from_array(value, name) for name, value in (constants or {}).items()]
    graph = helper.make_graph(
        [
            helper.make_node("Concat", list(NAMES), ["row"], axis=1),
            *nodes,
            helper.make_node("Sigmoid", ["score"], ["yes"]),
            helper.make_node("Sub", ["one", "yes"], ["no"]),
            helper.make_node("Concat", ["no", "yes"], ["p"], axis=1),
        ],
        "columns",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, [rows, 1]) for name in NAMES],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, [None, 2])],
        [numpy_helper.from_array(np.ones(1, np.float32), "one"), *kept],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=9), path)
    path.with_suffix(".toml").write_text('scores = "probabilities"\n')
    return path


def opened(path: Path, *, threads: int = 2, max_batch: int | None = None) -> ColumnProvider:
    model = open_tabular(str(path), schema=SCHEMA, probes=X[:8], threads=threads, max_batch=max_batch)
    assert isinstance(model, ColumnProvider)
    return model


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("kind", ["forest", "dense"])
def test_an_answer_is_the_same_to_the_last_bit_in_any_company(
    tmp_path: Path, kind: str, threads: int
) -> None:
    weight = np.array([[1.5], [-0.7], [0.3]], np.float32)
    dense = helper.make_node("MatMul", ["row", "weight"], ["score"])
    path = saved(tmp_path / "m.onnx", forest() if kind == "forest" else dense, constants={"weight": weight})
    model = opened(path, threads=threads)
    assert model.batch_invariant
    together = model.predict(X)
    p = 1 / (1 + np.exp(-(X.numpy() @ weight)))
    expected = truth(X) if kind == "forest" else np.concatenate([1 - p, p], axis=1)
    assert np.abs(together.numpy() - expected).max() < 1e-4
    assert torch.equal(together[:9], torch.cat([model.predict(row[None]) for row in X[:9]]))
    assert torch.equal(together[40:140], model.predict(X[40:140]))
    assert torch.equal(together.flip(0), model.predict(X.flip(0)))
    with pytest.raises(ShapeError, match="batch of 0 rows"):
        model.predict(X[:0])


def test_it_is_queried_in_blocks_that_it_can_take(tmp_path: Path) -> None:
    path = saved(tmp_path / "m.onnx", forest(), rows=7)
    model = opened(path)
    assert model.batch_invariant and model.max_batch == 7
    assert np.abs(model.predict(X[:20]).numpy() - truth(X[:20])).max() < 1e-4
    assert torch.equal(model.predict(X[:20])[:1], model.predict(X[:1]))


def test_what_is_not_known_to_keep_rows_apart_promises_nothing(tmp_path: Path) -> None:
    centred = [
        helper.make_node("ReduceMean", ["row"], ["centre"], axes=[0], keepdims=1),
        helper.make_node("Sub", ["row", "centre"], ["near"]),
        helper.make_node("MatMul", ["near", "weight"], ["score"]),
    ]
    path = saved(tmp_path / "m.onnx", *centred, constants={"weight": np.ones((3, 1), np.float32)})
    assert not opened(path).batch_invariant


def test_a_product_that_mixes_rows_is_found_out(tmp_path: Path) -> None:
    # every operator is known, and the constant in front adds the row above to each
    mixing = np.eye(4, dtype=np.float32) + np.eye(4, k=-1, dtype=np.float32)
    nodes = [
        helper.make_node("MatMul", ["mixing", "row"], ["mixed"]),
        helper.make_node("MatMul", ["mixed", "weight"], ["score"]),
    ]
    constants: dict[str, NDArray[Any]] = {"mixing": mixing, "weight": np.ones((3, 1), np.float32)}
    path = saved(tmp_path / "m.onnx", *nodes, constants=constants, rows=4)
    assert works_by_row(onnx.load(path))
    assert not opened(path).batch_invariant


@pytest.mark.parametrize(
    ("node", "known"),
    [
        (helper.make_node("Softmax", ["x"], ["y"], axis=1), True),
        (helper.make_node("Softmax", ["x"], ["y"]), True),
        (helper.make_node("Softmax", ["x"], ["y"], axis=0), False),
        (helper.make_node("ArgMax", ["x"], ["y"]), False),
        (helper.make_node("Concat", ["x", "x"], ["y"], axis=0), False),
        (helper.make_node("RandomNormalLike", ["x"], ["y"]), False),
        (helper.make_node("Scaler", ["x"], ["y"], domain="ai.onnx.ml"), True),
        (helper.make_node("Scaler", ["x"], ["y"], domain="somebody"), False),
    ],
    ids=lambda value: value.op_type if isinstance(value, onnx.NodeProto) else str(value),
)
def test_operators_that_keep_rows_apart(node: onnx.NodeProto, known: bool) -> None:
    graph = helper.make_graph([node], "one", [], [])
    assert works_by_row(helper.make_model(graph)) is known


def test_a_function_of_the_file_is_not_looked_into() -> None:
    node = helper.make_node("Relu", ["x"], ["y"])
    own = helper.make_function("own", "Relu", ["x"], ["y"], [node], [helper.make_opsetid("", 17)])
    graph = helper.make_graph([node], "one", [], [])
    assert not works_by_row(helper.make_model(graph, functions=[own]))


def test_a_front_is_the_same_alone_and_in_company(tmp_path: Path) -> None:
    model = opened(saved(tmp_path / "m.onnx", forest()))
    calls: list[int] = []
    honest = OnnxProvider.predict

    def counting(self: OnnxProvider, x: Tensor) -> Tensor:
        calls.append(len(x))
        return honest(self, x)

    def digests(rows: Tensor, names: tuple[str, ...], provider: Provider) -> list[str]:
        search = Search(
            provider,
            Rows(SCHEMA),
            [Adversarial(), Gower()],
            lambda population: Nsga2(population=population),
            evaluations=60,
            population=20,
        )
        found = search.run(rows, names=names)
        assert all(isinstance(one, ParetoFront) and len(one) for one in found)
        return [one.digest for one in found if isinstance(one, ParetoFront)]

    names = ("row 0", "row 1", "row 2")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(OnnxProvider, "predict", counting)
        together = digests(X[:3], names, model)
    assert set(calls) == {256}  # blocks of one size, whatever is asked
    assert (
        len(calls) == 4
    )  # the rows themselves and three generations of 60 candidates; what is kept is remembered
    for i, name in enumerate(names):
        assert digests(X[i : i + 1], (name,), model) == together[i : i + 1]
