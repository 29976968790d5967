"""Skops files of scikit-learn's own classifiers: opened without trust, or refused with the line that names what to trust."""

import json
import re
import zipfile
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    AdaBoostClassifier,
    BaggingClassifier,
    ExtraTreesClassifier,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    RandomForestClassifier,
    StackingClassifier,
    VotingClassifier,
)
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.tree import DecisionTreeClassifier
from sklearn.utils import all_estimators

from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
from cfsearch.errors import UnsafeModelError
from cfsearch.providers.sklearn import SklearnProvider
from cfsearch.providers.skops_contents import ForgedModelError, check_contents, trees_in
from cfsearch.providers.skops_types import COMPILED, PLAIN

io = pytest.importorskip("skops.io")
pytestmark = pytest.mark.filterwarnings("ignore")

SCHEMA = TableSchema(
    columns=(
        Column(name="age", kind=ColumnKind.INTEGER, low=18, high=90),
        Column(name="income", kind=ColumnKind.REAL, low=0.0, high=5000.0, step=0.01),
        Column(name="job", kind=ColumnKind.CATEGORICAL, levels=("clerk", "cook", "pilot")),
    ),
    target=Column(name="ok", kind=ColumnKind.CATEGORICAL, levels=("no", "yes")),
)
FUNCTIONS = {"TunedThresholdClassifierCV"}
"""What scikit-learn keeps with a function in it."""
NEEDS = {"ClassifierChain", "MultiOutputClassifier"}
"""Outputs of several labels, which are no audit."""


def rows(n: int = 90) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    age, income = draw.integers(18, 91, n), draw.uniform(0, 5000, n).round(2)
    return pd.DataFrame({"age": age, "income": income, "job": draw.choice(["clerk", "cook", "pilot"], n)})


def numbers(n: int = 90) -> NDArray[np.float64]:
    return rows(n).assign(job=lambda x: x.job.map({"clerk": 0, "cook": 1, "pilot": 2})).to_numpy(float)


def answers(n: int = 90) -> NDArray[np.str_]:
    return np.where(rows(n).age + rows(n).income / 60 > 95, "yes", "no")


def unfitted(kind: Callable[..., Any]) -> Any:
    inner = DecisionTreeClassifier(max_depth=3, random_state=0)
    for arguments in (
        (),
        ([("a", inner), ("b", LogisticRegression())],),
        (inner,),
        (inner, {"max_depth": [1]}),
    ):
        try:
            made = kind(*arguments)
            made.fit(numbers(), answers().astype(object))
        except (TypeError, ValueError):
            continue
        return made
    raise AssertionError(kind)


@pytest.mark.parametrize(
    "kind", [kind for name, kind in all_estimators(type_filter="classifier") if name not in NEEDS]
)
def test_each_classifier_of_scikit_learn_opens_without_trust_or_names_what_to_trust(
    kind: type, tmp_path: Path
) -> None:
    model = unfitted(kind)
    io.dump(model, tmp_path / "m.skops")
    if kind.__name__ in FUNCTIONS:
        with pytest.raises(UnsafeModelError, match="let them in with --trust") as caught:
            SklearnProvider.open(tmp_path / "m.skops", schema=SCHEMA)
        trusted = re.findall(r"--trust (\S+)", str(caught.value))
    else:
        trusted = []
    provider = SklearnProvider.open(tmp_path / "m.skops", schema=SCHEMA, trusted=trusted)
    given = torch.from_numpy(numbers())
    expected = model.predict(numbers())
    moved = "Threshold" in kind.__name__
    if callable(getattr(model, "predict_proba", None)) and not moved:  # NearestCentroid's two disagree
        expected = model.classes_[model.predict_proba(numbers()).argmax(axis=1)]
    assert np.array_equal(np.array(provider.labels)[provider.predict(given).argmax(1).numpy()], expected)


def columns(last: Any) -> Any:
    encode = ColumnTransformer(
        [
            ("levels", OneHotEncoder(handle_unknown="ignore"), ["job"]),
            ("numbers", make_pipeline(SimpleImputer(), StandardScaler()), ["age", "income"]),
        ]
    )
    return make_pipeline(encode, last)


@pytest.mark.parametrize(
    "last",
    [
        RandomForestClassifier(5, random_state=0),
        ExtraTreesClassifier(5, random_state=0),
        GradientBoostingClassifier(n_estimators=5, random_state=0),
        GradientBoostingClassifier(n_estimators=5, init=LogisticRegression()),
        GradientBoostingClassifier(n_estimators=5, init="zero"),
        HistGradientBoostingClassifier(max_iter=5),
        BaggingClassifier(n_estimators=3, random_state=0),
        AdaBoostClassifier(n_estimators=3, random_state=0),
        KNeighborsClassifier(3, algorithm="ball_tree", metric="manhattan"),
        KNeighborsClassifier(3, algorithm="kd_tree", p=3),
        KNeighborsClassifier(3, algorithm="ball_tree", p=3, metric_params={"w": [1.0, 2.0, 1.0, 1.0, 1.0]}),
        VotingClassifier([("t", DecisionTreeClassifier(random_state=0))], voting="soft"),
        StackingClassifier([("t", DecisionTreeClassifier(max_depth=2, random_state=0))], cv=2),
        GridSearchCV(RandomForestClassifier(3, random_state=0), {"max_depth": [1, 2]}, cv=2),
    ],
    ids=lambda last: type(last).__name__,
)
@pytest.mark.parametrize("classes", [2, 3])
def test_pipelines_of_columns_open_without_trust(last: Any, classes: int, tmp_path: Path) -> None:
    y = answers() if classes == 2 else np.array(["a", "b", "c"])[rows().age // 31]
    model = columns(last).set_params(columntransformer__sparse_threshold=0.0).fit(rows(), y)
    io.dump(model, tmp_path / "m.skops")
    schema = SCHEMA if classes == 2 else TableSchema(columns=SCHEMA.columns)
    provider = SklearnProvider.open(tmp_path / "m.skops", schema=schema)
    given = torch.from_numpy(numbers())
    assert np.allclose(provider.predict(given).numpy(), model.predict_proba(rows()))


def test_histograms_of_pandas_categories_name_their_function_and_are_checked(tmp_path: Path) -> None:
    frame = rows(300).assign(job=lambda x: x.job.astype("category"))
    y = np.where(frame.job == "cook", "yes", answers(300))
    model = HistGradientBoostingClassifier(max_iter=5).fit(frame, y)
    assert any(p[0].nodes["is_categorical"].any() for p in model._predictors)
    io.dump(model, tmp_path / "m.skops")
    with pytest.raises(
        UnsafeModelError, match=r"let them in with --trust functools\.partial --trust"
    ) as caught:
        SklearnProvider.open(tmp_path / "m.skops", schema=SCHEMA)
    trusted = re.findall(r"--trust (\S+)", str(caught.value))
    assert trusted == ["functools.partial", "sklearn.utils.validation.check_array"]
    provider = SklearnProvider.open(tmp_path / "m.skops", schema=SCHEMA, trusted=trusted)
    assert np.allclose(provider.predict(torch.from_numpy(numbers(300))).numpy(), model.predict_proba(frame))
    with pytest.raises(UnsafeModelError, match="on categories that it does not hold"):
        SklearnProvider.open(
            forged(tmp_path / "m.skops", set_field(BIN, "bitset_idx", 77)), schema=SCHEMA, trusted=trusted
        )


class Foreign(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """A classifier that scikit-learn did not define."""

    def fit(self, x: Any, y: Any) -> "Foreign":
        self.classes_, self.inner_ = np.unique(y), DecisionTreeClassifier().fit(x, y)
        return self

    def predict(self, x: Any) -> Any:
        return self.inner_.predict(x)


def scaled(x: Any) -> Any:
    return x


@pytest.mark.parametrize(
    ("model", "named"),
    [
        (Foreign(), "test_skops_types.Foreign"),
        (make_pipeline(FunctionTransformer(scaled), DecisionTreeClassifier()), "test_skops_types.scaled"),
        (KNeighborsClassifier(metric=scaled, algorithm="brute"), "test_skops_types.scaled"),
        (VotingClassifier([("a", DecisionTreeClassifier()), ("b", Foreign())]), "test_skops_types.Foreign"),
        (BaggingClassifier(Foreign(), n_estimators=2), "test_skops_types.Foreign"),
    ],
)
def test_a_foreign_type_is_refused_whatever_it_stands_in(model: Any, named: str, tmp_path: Path) -> None:
    io.dump(model.fit(numbers(), answers()), tmp_path / "m.skops")
    with pytest.raises(UnsafeModelError, match="not known to be safe") as caught:
        SklearnProvider.open(tmp_path / "m.skops", schema=SCHEMA)
    assert named in str(caught.value) and "sklearn.tree" not in str(caught.value)


def test_no_function_or_method_is_let_in() -> None:
    for name in PLAIN | COMPILED:
        module, _, kind = name.rpartition(".")
        found = getattr(__import__(module, fromlist=[kind]), kind, None)
        assert found is None or isinstance(found, type), name
        assert module.split(".")[0] in ("sklearn", "numpy")


def test_a_method_of_a_tree_is_refused(tmp_path: Path) -> None:
    model = DecisionTreeClassifier().fit(numbers(), answers())
    model.predict_proba = model.tree_.predict
    try:
        io.dump(model, tmp_path / "m.skops")
    except TypeError:  # this skops does not even write it
        return
    with pytest.raises(UnsafeModelError):
        SklearnProvider.open(tmp_path / "m.skops", schema=SCHEMA)


def forged(path: Path, change: Callable[[str, NDArray[Any]], NDArray[Any] | None]) -> Path:
    """The file with each array changed that ``change`` answers another for."""
    made = BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(made, "w") as new:
        for entry in old.namelist():
            content = old.read(entry)
            if entry.endswith(".npy"):
                array = change(entry, np.load(BytesIO(content)).copy())
                if array is not None:
                    written = BytesIO()
                    np.save(written, array)
                    content = written.getvalue()
            new.writestr(entry, content)
    path.write_bytes(made.getvalue())
    return path


def set_field(names: set[str], field: str, value: int) -> Callable[[str, NDArray[Any]], NDArray[Any] | None]:
    def change(_: str, array: NDArray[Any]) -> NDArray[Any] | None:
        if not names <= set(array.dtype.names or ()):
            return None
        array[field][0] = value
        return array

    return change


NODE, BIN, HALF = {"left_child"}, {"feature_idx"}, {"idx_start"}


@pytest.mark.parametrize(
    ("model", "change", "says"),
    [
        (DecisionTreeClassifier(), set_field(NODE, "left_child", 10**9), "child outside the tree"),
        (DecisionTreeClassifier(), set_field(NODE, "right_child", 0), "or before itself"),
        (RandomForestClassifier(3), set_field(NODE, "right_child", -7), "child outside the tree"),
        (RandomForestClassifier(3), set_field(NODE, "feature", 3), "of 3 columns splits on another"),
        (GradientBoostingClassifier(n_estimators=3), set_field(NODE, "feature", -9), "splits on another"),
        (HistGradientBoostingClassifier(max_iter=3), set_field(BIN, "left", 999), "child outside the tree"),
        (HistGradientBoostingClassifier(max_iter=3), set_field(BIN, "right", 0), "or before itself"),
        (HistGradientBoostingClassifier(max_iter=3), set_field(BIN, "feature_idx", 3), "splits on another"),
        (HistGradientBoostingClassifier(max_iter=3), set_field(BIN, "is_categorical", 1), "on categories"),
        (KNeighborsClassifier(algorithm="kd_tree"), set_field(HALF, "idx_end", 9999), "tree of neighbours"),
        (KNeighborsClassifier(algorithm="ball_tree"), set_field(HALF, "idx_start", -3), "of neighbours"),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, BaseEstimator) else None,
)
def test_indices_that_leave_a_model_are_refused_before_it_is_queried(
    model: Any, change: Callable[[str, NDArray[Any]], NDArray[Any] | None], says: str, tmp_path: Path
) -> None:
    io.dump(model.fit(numbers(), answers()), tmp_path / "m.skops")
    SklearnProvider.open(tmp_path / "m.skops", schema=SCHEMA)
    with pytest.raises(UnsafeModelError, match=says) as caught:
        SklearnProvider.open(forged(tmp_path / "m.skops", change), schema=SCHEMA)
    assert "let it in unchecked with --trust sklearn." in str(caught.value)


def in_schema(path: Path, change: Callable[[dict[str, Any]], None]) -> bytes:
    """The bytes of the file with each node of its schema changed."""

    def walk(node: Any) -> None:
        if isinstance(node, dict):
            change(node)
        for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
            walk(part)

    made = BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(made, "w") as new:
        for entry in old.namelist():
            content = old.read(entry)
            if entry == "schema.json":
                schema = json.loads(content)
                walk(schema)
                content = json.dumps(schema).encode()
            new.writestr(entry, content)
    return made.getvalue()


def more_nodes(node: dict[str, Any]) -> None:
    if "node_count" in node:
        node["node_count"]["content"] = "100000"


def more_outputs(node: dict[str, Any]) -> None:
    if node.get("__loader__") == "TreeNode":
        node["__reduce__"]["args"]["content"][2] |= {"content": "1000000", "__id__": 1}


def no_state(node: dict[str, Any]) -> None:
    if node.get("__loader__") == "TreeNode":
        node["content"]["content"] = {}


def other_loader(node: dict[str, Any]) -> None:
    if node.get("__loader__") == "TreeNode":
        node |= {"__loader__": "ConstructorFromReduceNode", "content": node["__reduce__"]["args"]}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (more_nodes, "counts 100000 nodes and holds"),
        (more_outputs, "how many outputs"),
        (no_state, "how many outputs"),
        (other_loader, "in a way that skops never"),
    ],
)
def test_trees_that_cannot_be_made_are_refused_before_they_are(
    change: Callable[[dict[str, Any]], None], says: str, tmp_path: Path
) -> None:
    io.dump(RandomForestClassifier(2).fit(numbers(), answers()), tmp_path / "m.skops")
    assert trees_in((tmp_path / "m.skops").read_bytes()) == 2
    with pytest.raises(ForgedModelError, match=says):
        trees_in(in_schema(tmp_path / "m.skops", change))


def fewer_columns(model: Any) -> None:
    model.n_features_in_ = 2
    model.estimators_[0][0].n_features_in_ = 2


def one_stage(model: Any) -> None:
    model.estimators_ = np.hstack([model.estimators_] * 3)


def other_start(model: Any) -> None:
    model.init_.classes_ = np.array(["no"])


def hidden(model: Any) -> None:
    model.init_ = {"away": (model.estimators_[0, 0].tree_,)}
    model.estimators_[0, 0].tree_ = model.estimators_[1, 0].tree_


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (fewer_columns, "of 2 columns splits on another|do not take the same columns"),
        (one_stage, "do not fit its classes"),
        (other_start, "do not fit its classes"),
        (hidden, "where scikit-learn keeps none"),
    ],
)
def test_owners_that_do_not_fit_their_trees_are_refused(change: Callable[[Any], None], says: str) -> None:
    model = GradientBoostingClassifier(n_estimators=3, random_state=0).fit(numbers(), answers())
    check_contents(model, trees=3)
    change(model)
    with pytest.raises(ForgedModelError, match=says):
        check_contents(model, trees=3)


def test_boosted_regressors_fit_their_trees() -> None:
    model = GradientBoostingRegressor(n_estimators=3).fit(numbers(), numbers()[:, 1])
    check_contents(model, trees=3)


def test_trust_lets_a_forged_file_in_unchecked(tmp_path: Path) -> None:
    io.dump(DecisionTreeClassifier().fit(numbers(), answers()), tmp_path / "m.skops")
    path = forged(tmp_path / "m.skops", set_field(NODE, "right_child", 10**6))
    SklearnProvider.open(path, schema=SCHEMA, trusted=["sklearn.tree._tree.Tree"])  # not queried


def test_a_file_is_refused_for_its_types_before_its_contents(tmp_path: Path) -> None:
    io.dump(Foreign().fit(numbers(), answers()), tmp_path / "m.skops")
    path = forged(tmp_path / "m.skops", set_field(NODE, "right_child", 10**6))
    with pytest.raises(UnsafeModelError, match="not known to be safe: .*Foreign"):
        SklearnProvider.open(path, schema=SCHEMA)
