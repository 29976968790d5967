"""SklearnProvider: the contract in each form, scores of each kind, skops files, and every refusal."""

import pickle
import sys
import zipfile
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.base import ClassifierMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier, StackingClassifier, VotingClassifier
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer, OneHotEncoder, StandardScaler
from sklearn.svm import LinearSVC
from sklearn.tree import DecisionTreeClassifier
from torch import Tensor

from cfsearch.contracts.provider import ScoreKind
from cfsearch.datasets.tables import Column, ColumnKind, Encoding, Table, TableSchema
from cfsearch.errors import (
    ConfigError,
    DataError,
    MissingExtraError,
    ModelFileError,
    ProviderError,
    ShapeError,
    UnsafeModelError,
)
from cfsearch.providers.sklearn import SklearnProvider
from cfsearch.testing import ProviderCase
from cfsearch.testing.tables import random_rows, random_table

SCHEMA = TableSchema(
    columns=(
        Column(name="age", kind=ColumnKind.INTEGER, low=18, high=90),
        Column(name="income", kind=ColumnKind.REAL, low=0.0, high=5000.0, step=0.01),
        Column(name="job", kind=ColumnKind.CATEGORICAL, levels=("clerk", "cook", "pilot")),
    ),
    target=Column(name="ok", kind=ColumnKind.CATEGORICAL, levels=("no", "yes")),
)


def doubled(x: Any) -> Any:
    return 2 * x


@cache
def table() -> Table:
    made = random_table(SCHEMA, n=120, draw=np.random.default_rng(0))
    return made.labelled(((made.x[:, 0] > 50) | (made.x[:, 2] == 2)).long())


def words(rows: Table) -> list[str]:
    assert rows.target is not None
    return [SCHEMA.labels[i] for i in rows.target.tolist()]


@cache
def pipeline() -> Any:  # Any: an estimator
    encode = ColumnTransformer(
        [("numbers", StandardScaler(), ["age", "income"]), ("names", OneHotEncoder(), ["job"])]
    )
    rows = table()
    return make_pipeline(encode, LogisticRegression()).fit(rows.frame(), words(rows))


@cache
def forest() -> Any:  # Any: an estimator
    rows = table()
    return RandomForestClassifier(5, max_depth=3, random_state=0, n_jobs=1).fit(rows.x.numpy(), words(rows))


class SklearnCase(ProviderCase):
    shape = (3,)

    def inputs(self, *, n: int, seed: int = 0) -> Tensor:
        return random_rows(SCHEMA, n=n, draw=np.random.default_rng(seed)).float()


class TestForestContract(SklearnCase):
    @pytest.fixture
    def provider(self) -> SklearnProvider:
        return SklearnProvider(forest(), schema=SCHEMA, max_batch=3)


class TestPipelineContract(SklearnCase):
    @pytest.fixture
    def provider(self) -> SklearnProvider:
        return SklearnProvider(pipeline(), schema=SCHEMA)


class TestMarginContract(SklearnCase):
    @pytest.fixture
    def provider(self) -> SklearnProvider:
        rows, encoding = table(), Encoding.ranged(SCHEMA)
        model = LinearSVC().fit(encoding.apply(rows.x).numpy(), rows.target)
        return SklearnProvider(model, schema=SCHEMA, form=encoding, labels=("no", "yes"))


class TestLabelsContract(SklearnCase):
    @pytest.fixture
    def provider(self) -> SklearnProvider:
        return SklearnProvider(OnlyLabels(), schema=SCHEMA, form="codes")


class OnlyLabels:
    classes_ = np.array(["no", "yes"])

    def predict(self, x: Any) -> Any:  # Any: arrays
        return np.where(x[:, 0] > 50, "yes", "no")


def test_it_answers_as_the_estimator_does() -> None:
    rows = table()
    for estimator, ready in ((forest(), rows.x.numpy()), (pipeline(), rows.frame())):
        provider = SklearnProvider(estimator, schema=SCHEMA)
        assert provider.labels == ("no", "yes") and provider.scores is ScoreKind.PROBABILITIES
        assert np.allclose(provider.predict(rows.x).numpy(), estimator.predict_proba(ready))
    assert SklearnProvider(forest(), schema=SCHEMA).form == "codes"
    assert SklearnProvider(pipeline(), schema=SCHEMA).form == "frame"


def test_a_decision_function_of_two_classes_is_one_logit() -> None:
    rows, encoding = table(), Encoding.standard(SCHEMA, table().x)
    model = LinearSVC().fit(encoding.apply(rows.x).numpy(), words(rows))
    provider = SklearnProvider(model, schema=SCHEMA, form=encoding)
    answer = provider.predict(rows.x)
    assert provider.scores is ScoreKind.LOGITS and "decision function count as logits" in provider.note
    assert not answer[:, 0].any()
    assert np.allclose(answer[:, 1].numpy(), model.decision_function(encoding.apply(rows.x).numpy()))


def test_numbers_as_classes_get_names_in_their_order() -> None:
    rows = table()
    model = DecisionTreeClassifier(max_depth=2).fit(rows.x.numpy(), rows.target)
    assert SklearnProvider(model, schema=SCHEMA).labels == ("0", "1")
    assert SklearnProvider(model, schema=SCHEMA, labels=["no", "yes"]).labels == ("no", "yes")


def test_fingerprints_tell_models_apart() -> None:
    a, b = SklearnProvider(forest(), schema=SCHEMA), SklearnProvider(pipeline(), schema=SCHEMA)
    c = SklearnProvider(forest(), schema=SCHEMA, form=Encoding.plain(SCHEMA))
    assert len({a.fingerprint, b.fingerprint, c.fingerprint}) == 3
    assert SklearnProvider(forest(), schema=SCHEMA).fingerprint == a.fingerprint


class TestRefusals:
    @pytest.mark.parametrize(
        "model", [LogisticRegression(), Ridge(), object(), Ridge, ClassifierMixin(), "model.skops"]
    )
    def test_what_is_no_fitted_classifier(self, model: object) -> None:
        with pytest.raises(ConfigError, match="expected a fitted classifier"):
            SklearnProvider(model, schema=SCHEMA)

    def test_a_fitted_regressor_without_a_range(self) -> None:
        with pytest.raises(
            ConfigError, match=r"Ridge predicts a number and has no classes.*--target LOW\.\.HIGH"
        ):
            SklearnProvider(Ridge().fit([[0.0], [1.0]], [0.0, 1.0]), schema=SCHEMA)

    def test_labels_that_do_not_fit(self) -> None:
        with pytest.raises(ConfigError, match="3 labels are given, but the model has 2 classes"):
            SklearnProvider(forest(), schema=SCHEMA, labels=["a", "b", "c"])
        with pytest.raises(
            DataError, match="yes, no stand in another order than the model's classes, no, yes"
        ):
            SklearnProvider(forest(), schema=SCHEMA, labels=["yes", "no"])
        goal = Column(name="ok", kind=ColumnKind.CATEGORICAL, levels=("yes", "no"))
        with pytest.raises(DataError, match="another order than those of the table"):
            SklearnProvider(forest(), schema=replace(SCHEMA, target=goal))

    def test_columns_that_do_not_fit(self) -> None:
        with pytest.raises(ConfigError, match="they stand in another order"):
            SklearnProvider(pipeline(), schema=replace(SCHEMA, columns=SCHEMA.columns[::-1]))
        with pytest.raises(ConfigError, match="the schema lacks job"):
            SklearnProvider(pipeline(), schema=replace(SCHEMA, columns=SCHEMA.columns[:2]))
        with pytest.raises(ShapeError, match=r"expected rows of shape \(n, 3\)"):
            SklearnProvider(forest(), schema=SCHEMA).predict(torch.zeros(1, 4))

    def test_other_settings(self) -> None:
        with pytest.raises(ConfigError, match="`max_batch` must be at least 1"):
            SklearnProvider(forest(), schema=SCHEMA, max_batch=0)
        with pytest.raises(ConfigError, match="`form` must be 'frame', 'codes' or an Encoding"):
            SklearnProvider(forest(), schema=SCHEMA, form="table")  # type: ignore[arg-type]  # refused

    def test_a_model_that_fails(self) -> None:
        provider = SklearnProvider(forest(), schema=SCHEMA, form=Encoding.ranged(SCHEMA))
        with pytest.raises(ProviderError, match="the model failed on 2 rows: ValueError: X has 5 features"):
            provider.predict(random_rows(SCHEMA, n=2, draw=np.random.default_rng(0)))

    def test_a_label_that_it_did_not_promise(self) -> None:
        class Stray(OnlyLabels):
            def predict(self, x: Any) -> Any:
                return np.array(["perhaps"] * len(x))

        with pytest.raises(ProviderError, match="answered 'perhaps'"):
            SklearnProvider(Stray(), schema=SCHEMA, form="codes", fingerprint="s").predict(torch.zeros(1, 3))

    def test_what_cannot_be_hashed(self) -> None:
        class Local(OnlyLabels):
            pass

        with pytest.raises(ConfigError, match="cannot be hashed.*Give `fingerprint`"):
            SklearnProvider(Local(), schema=SCHEMA, form="codes")


class TestSkops:
    def test_a_file_answers_as_the_object(self, tmp_path: Path) -> None:
        io = pytest.importorskip("skops.io")
        io.dump(pipeline(), tmp_path / "model.skops")
        provider = SklearnProvider.open(tmp_path / "model.skops", schema=SCHEMA)
        assert provider.name == "model.skops" and provider.form == "frame"
        x = table().x
        assert torch.equal(provider.predict(x), SklearnProvider(pipeline(), schema=SCHEMA).predict(x))

    def test_types_that_nobody_vouched_for_are_listed_and_not_loaded(self, tmp_path: Path) -> None:
        io = pytest.importorskip("skops.io")
        model = make_pipeline(FunctionTransformer(doubled), DecisionTreeClassifier(random_state=0))
        io.dump(model.fit(table().x.numpy(), words(table())), tmp_path / "m.skops")
        strange = f"{doubled.__module__}.doubled"
        with pytest.raises(UnsafeModelError, match=f"holds 1 types .*: {strange}") as caught:
            SklearnProvider.open(tmp_path / "m.skops", schema=SCHEMA)
        assert caught.value.exit_code == 5
        assert f"let them in with --trust {strange} (" in str(caught.value)
        provider = SklearnProvider.open(tmp_path / "m.skops", schema=SCHEMA, trusted=[strange])
        assert provider.predict(table().x).shape == (120, 2)

    @pytest.mark.parametrize(
        "model",
        [
            MLPClassifier((3,), max_iter=3, random_state=0),
            MLPClassifier((3,), solver="sgd", max_iter=3, random_state=0),
            GridSearchCV(LogisticRegression(), {"C": [1.0, 2.0]}, cv=2),
            CalibratedClassifierCV(LogisticRegression(), cv=2),
            StackingClassifier([("l", LogisticRegression())], cv=2),
            VotingClassifier([("l", LogisticRegression())], voting="soft"),
        ],
        ids=lambda model: type(model).__name__,
    )
    @pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
    def test_what_scikit_learn_wrote_in_python_needs_no_trust(self, model: Any, tmp_path: Path) -> None:
        io = pytest.importorskip("skops.io")
        rows = table()
        model.fit(rows.x.numpy(), words(rows))
        io.dump(model, tmp_path / "model.skops")
        provider = SklearnProvider.open(tmp_path / "model.skops", schema=SCHEMA)
        assert np.allclose(provider.predict(rows.x).numpy(), model.predict_proba(rows.x.numpy()))

    def test_pickles_are_never_read(self, tmp_path: Path) -> None:
        for name in ("model.pkl", "model.joblib"):
            (tmp_path / name).write_bytes(pickle.dumps(forest()))
            with pytest.raises(
                UnsafeModelError, match="runs any code when it is loaded, and was not.*--trust-model sha256:"
            ):
                SklearnProvider.open(tmp_path / name, schema=SCHEMA)
        (tmp_path / "model.skops").write_bytes(pickle.dumps(forest()))
        with pytest.raises(ModelFileError, match="is no skops file"):
            SklearnProvider.open(tmp_path / "model.skops", schema=SCHEMA)

    def test_files_that_are_none(self, tmp_path: Path) -> None:
        with pytest.raises(ModelFileError, match="cannot be read"):
            SklearnProvider.open(tmp_path / "none.skops", schema=SCHEMA)
        with zipfile.ZipFile(tmp_path / "other.skops", "w") as archive:
            archive.writestr("readme.txt", "hello")
        with pytest.raises(ModelFileError, match="none that skops wrote"):
            SklearnProvider.open(tmp_path / "other.skops", schema=SCHEMA)

    def test_a_forged_file(self, tmp_path: Path) -> None:
        pytest.importorskip("skops.io")
        with zipfile.ZipFile(tmp_path / "forged.skops", "w") as archive:
            archive.writestr(
                "schema.json", '{"__loader__": "Nobody", "__module__": "os", "__class__": "system"}'
            )
        with pytest.raises(ModelFileError, match="skops cannot read it"):
            SklearnProvider.open(tmp_path / "forged.skops", schema=SCHEMA)

    def test_without_skops(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        with zipfile.ZipFile(tmp_path / "model.skops", "w") as archive:
            archive.writestr("schema.json", "{}")
        for name in [n for n in sys.modules if n == "skops" or n.startswith("skops.")]:
            monkeypatch.delitem(sys.modules, name)
        monkeypatch.setitem(sys.modules, "skops", None)
        with pytest.raises(MissingExtraError, match=r"pip install 'cfsearch\[sklearn\]'"):
            SklearnProvider.open(tmp_path / "model.skops", schema=SCHEMA)
