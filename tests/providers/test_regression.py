"""Models that predict one number: a range is the target, by every door; classifiers stay what they are."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pandas as pd
import pytest
import skops.io
import torch
from onnx import TensorProto, helper
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.tree import DecisionTreeRegressor
from torch import nn

import cfsearch
from cfsearch.datasets.tables import Column, ColumnKind, TableSchema, infer_schema
from cfsearch.errors import ConfigError, ModelFileError
from cfsearch.providers.live import live_tabular
from cfsearch.providers.regression import RangeProvider
from cfsearch.providers.tabular import TabularProvider
from cfsearch.providers.tabular_opening import open_tabular

SCHEMA = TableSchema(
    columns=(
        Column(name="area", kind=ColumnKind.REAL, low=0.0, high=200.0),
        Column(name="rooms", kind=ColumnKind.INTEGER, low=1.0, high=8.0),
    )
)
X = torch.tensor([[40.0, 2.0], [60.0, 3.0], [75.0, 3.0], [120.0, 6.0]], dtype=torch.float64)
PRICE = 2.0 * X[:, 0] + 10.0 * X[:, 1]  # 100, 150, 180, 300
RANGE = "150..200"
CLASSES = ["below 150", "150..200", "150..200", "above 200"]


def price(frame: pd.DataFrame) -> np.ndarray:
    return (2 * frame["area"] + 10 * frame["rooms"]).to_numpy()


def rounded(frame: pd.DataFrame) -> np.ndarray:
    return price(frame).round().astype(np.int64)


def network() -> nn.Module:
    layer = nn.Linear(2, 1)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[2.0, 10.0]]))
        layer.bias.zero_()
    return layer


def graph(folder: Path, *, op: str = "LinearRegressor") -> Path:
    """The price as a regressor of ONNX."""
    node = helper.make_node(op, ["x"], ["y"], domain="ai.onnx.ml", coefficients=[2.0, 10.0], intercepts=[0.0])
    made = helper.make_graph(
        [node],
        "price",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 1])],
    )
    path = folder / "price.onnx"
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    onnx.save(helper.make_model(made, opset_imports=opsets, ir_version=8), path)
    return path


def estimator() -> LinearRegression:
    grid = pd.DataFrame({"area": np.linspace(0, 200, 40), "rooms": np.tile([1, 2, 5, 8], 10)})
    return LinearRegression().fit(grid, price(grid))


def file(folder: Path) -> Path:
    path = folder / "price.skops"
    skops.io.dump(make_pipeline(StandardScaler(), LinearRegression()).fit(X.numpy(), PRICE.numpy()), path)
    return path


DOORS: dict[str, Callable[[Path], TabularProvider]] = {
    "function": lambda _: live_tabular(price, schema=SCHEMA, probes=X, target=RANGE),
    "whole numbers": lambda _: live_tabular(rounded, schema=SCHEMA, probes=X, target=RANGE),
    "estimator": lambda _: live_tabular(estimator(), schema=SCHEMA, probes=X, target=RANGE),
    "torch": lambda _: live_tabular(network(), schema=SCHEMA, probes=X, target=RANGE),
    "skops": lambda folder: open_tabular(str(file(folder)), schema=SCHEMA, probes=X, target=RANGE),
    "onnx": lambda folder: open_tabular(str(graph(folder)), schema=SCHEMA, probes=X, target=RANGE),
}


@pytest.mark.parametrize("door", DOORS)
def test_the_class_is_where_the_number_lies(door: str, tmp_path: Path) -> None:
    model = DOORS[door](tmp_path)
    assert isinstance(model, RangeProvider)
    assert model.labels == ("below 150", "150..200", "above 200")
    rows = X + torch.tensor([0.01, 0.0])  # not at the end of the range, where float32 may round
    assert torch.allclose(model.numbers(X).double(), PRICE, rtol=1e-5)
    assert [model.labels[i] for i in model.predict(rows).argmax(1)] == CLASSES
    assert "predicts a number" in model.note


def test_a_network_is_followed_by_gradients_toward_the_range() -> None:
    model = live_tabular(network(), schema=SCHEMA, probes=X, target=RANGE)
    u = model.encoding.apply(X[:1]).requires_grad_(True)
    log_p = model.network(u)
    log_p[0, 1].backward()  # type: ignore[no-untyped-call]  # torch gives it no types
    assert u.grad is not None
    assert bool((u.grad > 0).all())  # 100 is below: larger and more rooms lead there
    assert torch.allclose(log_p.exp().sum(1), torch.ones(1, dtype=log_p.dtype))


def test_other_ranges_are_other_models() -> None:
    names = {live_tabular(price, schema=SCHEMA, probes=X, target=t).fingerprint for t in (RANGE, "150..")}
    assert len(names) == 2


def test_a_regressor_without_a_range_is_refused_with_the_way_out(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"the target is a range, 50000\.\.60000 or 250000\.\."):
        live_tabular(estimator(), schema=SCHEMA, probes=X)
    with pytest.raises(ModelFileError, match=r"LinearRegressor.*--target 50000\.\.60000"):
        open_tabular(str(graph(tmp_path)), schema=SCHEMA, probes=X)
    (tmp_path / "price.toml").write_text('labels = ["no", "yes"]\nscores = "logits"\n')
    assert open_tabular(str(tmp_path / "price.onnx"), schema=SCHEMA, probes=X).labels == ("no", "yes")


def test_a_regressor_that_was_not_fitted_is_refused() -> None:
    with pytest.raises(ConfigError, match="fitted"):
        live_tabular(DecisionTreeRegressor(), schema=SCHEMA, probes=X, target=RANGE)


def test_a_classifier_keeps_classes_that_are_named_like_ranges() -> None:
    grid = pd.DataFrame({"area": [10.0, 20.0, 150.0, 170.0], "rooms": [1, 2, 6, 7]})
    fitted = LogisticRegression().fit(grid, ["0..150", "0..150", "150..200", "150..200"])
    model = live_tabular(fitted, schema=SCHEMA, probes=X, target=RANGE)
    assert model.labels == ("0..150", "150..200")
    two = live_tabular(lambda f: np.eye(2)[[0] * len(f)], schema=SCHEMA, probes=X, target=RANGE)
    assert not isinstance(two, RangeProvider)


def test_a_search_brings_the_number_into_the_range(tmp_path: Path) -> None:
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"area": draw.integers(20, 200, 150), "rooms": draw.integers(1, 9, 150)})
    frame["price"] = price(frame)
    path = tmp_path / "houses.csv"
    frame.to_csv(path, index=False)
    row = int(frame.index[frame["price"] < 140][0])
    (front,) = cfsearch.search(
        price, path, rows=[row], label="price", target=RANGE, evaluations=150, population=30, isolate=False
    )
    assert front.rows is not None
    members = front.rows[front.verified]
    reached = 2 * members[:, 0] + 10 * members[:, 1]
    assert len(members) > 0
    assert bool(((reached >= 150) & (reached <= 200)).all())


def test_a_target_of_many_numbers_is_no_class(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    pd.DataFrame({"a": np.arange(150) % 7, "price": np.arange(150) * 3.5}).to_csv(path, index=False)
    guess = infer_schema(path, target="price")
    assert guess.schema.target is None
    assert guess.schema.ignore == ("price",)
    assert any("--target LOW..HIGH" in note for note in guess.notes)


def test_the_note_of_a_regressor_says_nothing_of_decision_functions() -> None:
    fitted = LinearRegression().fit(X.numpy(), PRICE.numpy())
    model = live_tabular(fitted, schema=SCHEMA, probes=X, target=RANGE)
    assert "predicts a number; its classes are" in model.note
    assert "decision function" not in model.note
