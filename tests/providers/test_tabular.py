"""Models of encoded rows: where each number goes, gradients, and what is refused."""

from pathlib import Path

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

from cfsearch.contracts.provider import ScoreKind
from cfsearch.datasets.tables import Column, ColumnKind, TableSchema, Variables
from cfsearch.errors import CapabilityError, ConfigError
from cfsearch.providers.sidecar import EncodedColumn, EncodingTable
from cfsearch.providers.tabular import ColumnOrder, EncodedProvider, RowNoise, TabularProvider
from cfsearch.providers.tabular_opening import columns_taken, open_tabular
from cfsearch.providers.torch_module import TorchProvider
from cfsearch.testing.tables import broken_rules, random_rows, random_schema

SCHEMA = TableSchema(
    columns=(
        Column(name="age", kind=ColumnKind.INTEGER, low=18, high=90),
        Column(name="job", kind=ColumnKind.CATEGORICAL, levels=("clerk", "cook", "pilot", "?")),
        Column(name="pay", kind=ColumnKind.REAL, low=0.0, high=5000.0),
    )
)
ENCODING = EncodingTable(
    columns=(
        EncodedColumn(name="pay", style="standard", centre=2000.0, scale=500.0),
        EncodedColumn(name="job", style="one_hot", levels=("?", "baker", "pilot", "cook")),
        EncodedColumn(name="age"),
    )
)
X = torch.tensor([[30.0, 2.0, 2500.0], [41.0, 0.0, 1000.0], [55.0, 3.0, 2000.0]], dtype=torch.float64)


def test_numbers_stand_where_the_model_wants_them() -> None:
    order = ColumnOrder.of(SCHEMA, ENCODING, where="m.toml")
    #                     pay   "?" baker pilot cook  age
    expected = torch.tensor(
        [[1.0, 0.0, 0.0, 1.0, 0.0, 30.0], [-2.0, 0.0, 0.0, 0.0, 0.0, 41.0], [0.0, 1.0, 0.0, 0.0, 0.0, 55.0]],
        dtype=torch.float64,
    )
    assert torch.equal(order.arranged(order.encoding.apply(X)), expected)


def linear(*, convert: bool = False) -> EncodedProvider:
    order = ColumnOrder.of(SCHEMA, ENCODING, where="m.toml")
    network = torch.nn.Linear(6, 2)
    with torch.no_grad():
        network.weight.copy_(torch.arange(12.0).reshape(2, 6) / 10)
    inner = TorchProvider(network, labels=("no", "yes"), scores=ScoreKind.LOGITS)
    return EncodedProvider(inner, order=order, probes=X)


def test_gradients_reach_the_encoded_numbers() -> None:
    model = linear()
    assert model.white_box
    u = model.encoding.apply(X).requires_grad_(True)
    scores = model.network(u)
    torch.testing.assert_close(scores.detach(), model.predict(X), rtol=1e-5, atol=1e-5)
    (slope,) = torch.autograd.grad(scores[:, 1].sum(), u)
    # in the order of the schema: age, clerk (no number of its own), cook, pilot, "?", pay
    expected = torch.tensor([1.1, 0.0, 1.0, 0.9, 0.7, 0.6], dtype=torch.float64)
    torch.testing.assert_close(slope, expected.expand(3, 6), rtol=1e-5, atol=1e-5)


def test_an_onnx_file_is_followed_by_gradients(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    weight = draw.normal(size=(3, 2)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("Gemm", ["rows", "weight"], ["logits"]),
            helper.make_node("Softmax", ["logits"], ["p"]),
        ],
        "linear",
        [helper.make_tensor_value_info("rows", TensorProto.FLOAT, ["n", 3])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["n", 2])],
        [numpy_helper.from_array(weight, "weight")],
    )
    path = tmp_path / "m.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9), path)
    path.with_suffix(".toml").write_text(
        'labels = ["no", "yes"]\nscores = "probabilities"\n[encoding]\ncolumns = [{name = "pay", style = '
        '"standard", scale = 1000.0}, {name = "job"}, {name = "age", style = "standard", scale = 50.0}]\n'
    )
    assert columns_taken(str(path)) == ("pay", "job", "age")
    model = open_tabular(str(path), schema=SCHEMA, probes=X)
    u = model.encoding.apply(X).requires_grad_(True)
    scores = model.network(u)
    torch.testing.assert_close(scores.detach().exp(), model.predict(X), rtol=1e-4, atol=1e-5)
    (slope,) = torch.autograd.grad((scores[:, 1] - scores[:, 0]).sum(), u)
    expected = torch.from_numpy((weight[:, 1] - weight[:, 0])[[2, 1, 0]].astype(np.float64))
    torch.testing.assert_close(slope, expected.expand(3, 3), rtol=1e-3, atol=1e-4)


def test_a_model_that_only_answers_says_what_to_do() -> None:
    class Plain(TabularProvider):
        name = "plain"
        labels = ("no", "yes")
        scores = ScoreKind.PROBABILITIES
        max_batch = 8

        @property
        def fingerprint(self) -> str:
            return "plain"

        def predict(self, x: Tensor) -> Tensor:
            return torch.full((len(x), 2), 0.5, dtype=x.dtype)

    assert not Plain().white_box
    with pytest.raises(CapabilityError, match="Distil it into a network"):
        Plain().network(torch.zeros(1, 3))


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        ([EncodedColumn(name="age"), EncodedColumn(name="jb")], "Did you mean 'job'"),
        (
            [EncodedColumn(name="age"), EncodedColumn(name="pay")],
            "the column 'job' of the table is not there",
        ),
        ([*ENCODING.columns, EncodedColumn(name="age")], "stands there twice"),
        ([*ENCODING.columns[1:], EncodedColumn(name="pay", centre=1.0)], "go with style = 'standard'"),
        ([*ENCODING.columns[1:], EncodedColumn(name="pay", style="one_hot")], "only levels can be one-hot"),
        (
            [*ENCODING.columns[::2], EncodedColumn(name="job", style="one_hot", levels=("a", "b"))],
            "are none of the table's",
        ),
    ],
    ids=["unknown", "left out", "twice", "centre", "number", "levels"],
)
def test_an_encoding_that_does_not_fit(columns: list[EncodedColumn], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        ColumnOrder.of(SCHEMA, EncodingTable(columns=tuple(columns)), where="m.toml")


@pytest.mark.parametrize("seed", range(5))
def test_noise_keeps_every_rule(seed: int) -> None:
    draw = np.random.default_rng(seed)
    schema = random_schema(draw)
    rows = random_rows(schema, n=20, draw=draw)
    near = RowNoise(Variables.of(schema), 0.2)(rows, torch.from_numpy(draw.normal(0.0, 0.2, schema.d)))
    for before, after in zip(rows.tolist(), near.tolist(), strict=True):
        assert not broken_rules(schema, before=before, after=after)
