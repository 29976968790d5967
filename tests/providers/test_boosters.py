"""LightGBM and XGBoost: pandas categories reach them as they were fitted, and missing cells as missing ones."""

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pandas as pd
import pytest
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.calibration import CalibratedClassifierCV
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import FixedThresholdClassifier, GridSearchCV
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler

import cfsearch
from cfsearch.datasets.tables import (
    Missing,
    TableSchema,
    infer_schema,
    read_table,
    read_text_table,
    sample_of,
)
from cfsearch.errors import ConfigError, DataError, ProviderError, UnsafeModelError
from cfsearch.providers.agreement import check_agreement
from cfsearch.providers.sklearn import SklearnProvider
from cfsearch.schemas import schema as json_schema

LGBMClassifier = pytest.importorskip("lightgbm", reason="the extra of developers has LightGBM").LGBMClassifier
XGBClassifier = pytest.importorskip("xgboost", reason="the extra of developers has XGBoost").XGBClassifier


def people(path: Path) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "job": draw.choice(["pilot", "cook", "clerk"], 300),
            "grade": draw.choice([1, 2, 3], 300),
            "owner": draw.choice([True, False], 300),
            "income": draw.integers(10, 90, 300),
        }
    )
    frame.to_csv(path, index=False)
    return frame


def target(frame: pd.DataFrame) -> Any:  # Any: an array
    return ((frame["income"] + 30 * (frame["job"] == "cook") + 20 * (frame["grade"] == 2)) > 70).astype(int)


def model(kind: str) -> Any:  # Any: an estimator
    if kind == "histograms":
        return HistGradientBoostingClassifier(max_iter=8, min_samples_leaf=3)
    if kind == "lightgbm":
        return LGBMClassifier(n_estimators=8, min_child_samples=3, n_jobs=1, verbose=-1)
    return XGBClassifier(n_estimators=8, enable_categorical=True, n_jobs=1)


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost"])
def test_every_row_is_answered_as_the_model_answers_it(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "people.csv"
    frame = people(path)
    # an order of its own, which the file does not show
    frame["job"] = pd.Categorical(frame["job"], categories=["pilot", "cook", "clerk"])
    frame["grade"] = pd.Categorical(frame["grade"], categories=[3, 1, 2])
    fitted = model(kind).fit(frame, target(frame))
    for categorical in ([], ["grade"]):
        schema = infer_schema(path, categorical=categorical).schema
        provider = SklearnProvider(fitted, schema=schema, fingerprint="b")
        answer = provider.predict(read_table(path, schema=schema).x).numpy()
        assert np.allclose(answer, fitted.predict_proba(frame), atol=1e-6)
        assert len(np.unique(answer.argmax(1))) == 2
        sample = sample_of(read_text_table(path), path, schema=schema)
        assert sample is not None
        assert check_agreement(provider, sample) == ""


def before(form: str) -> Any:  # Any: a transformer
    """A transformer of numbers that lets categories pass, by the names that it gives them."""
    numbers, others = StandardScaler(), ["job", "grade", "owner"]
    match form:
        case "remainder":
            made = ColumnTransformer([("n", numbers, ["income"])], remainder="passthrough")
        case "named":
            made = ColumnTransformer([("as it is", "passthrough", others), ("n", numbers, ["income"])])
        case "bare":
            parts = [("n", numbers, [3]), ("c", FunctionTransformer(feature_names_out="one-to-one"), others)]
            made = ColumnTransformer(parts, verbose_feature_names_out=False)
        case "format":
            parts = [("c", Pipeline([("none", "passthrough")]), others), ("n", numbers, ["income"])]
            made = ColumnTransformer(parts, verbose_feature_names_out="{feature_name} of {transformer_name}")
        case _:
            parts = [("c", "passthrough", others), ("n", numbers, ["income"])]
            made = ColumnTransformer(parts, verbose_feature_names_out=_backwards)
    return made.set_output(transform="pandas")


def _backwards(part: str, column: str) -> str:
    return f"{column}_{part}"


def categories(frame: pd.DataFrame) -> pd.DataFrame:
    """The frame as it was fitted: orders of levels of its own, which the file does not show."""
    return frame.assign(
        job=pd.Categorical(frame["job"], categories=["pilot", "cook", "clerk"]),
        grade=pd.Categorical(frame["grade"], categories=[3, 1, 2]),
    )


@pytest.mark.parametrize("form", ["remainder", "named", "bare", "format", "function"])
@pytest.mark.parametrize("kind", ["lightgbm", "xgboost", "histograms"])
def test_categories_behind_a_transformer_are_those_of_the_model(tmp_path: Path, kind: str, form: str) -> None:
    path = tmp_path / "people.csv"
    frame = categories(people(path))
    fitted = Pipeline([("before", before(form)), ("model", model(kind))]).fit(frame, target(frame))
    schema = infer_schema(path, categorical=["grade"]).schema
    provider = SklearnProvider(fitted, schema=schema, fingerprint="b")
    answer = provider.predict(read_table(path, schema=schema).x).numpy()
    assert np.allclose(answer, fitted.predict_proba(frame), atol=1e-6)
    assert len(np.unique(answer.argmax(1))) == 2
    sample = sample_of(read_text_table(path), path, schema=schema)
    assert sample is not None
    assert check_agreement(provider, sample) == ""


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost"])
def test_categories_inside_a_grid_search_a_threshold_and_a_calibration(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "people.csv"
    frame = categories(people(path))
    schema = infer_schema(path, categorical=["grade"]).schema
    x = read_table(path, schema=schema).x
    for wrapper in (
        GridSearchCV(model(kind), {"n_estimators": [4, 8]}, cv=2),
        FixedThresholdClassifier(model(kind)),
        CalibratedClassifierCV(model(kind), cv=2),
    ):
        fitted = wrapper.fit(frame, target(frame))
        provider = SklearnProvider(fitted, schema=schema, fingerprint="b")
        assert np.allclose(provider.predict(x).numpy(), fitted.predict_proba(frame), atol=1e-6)


class Hiding(BaseEstimator, TransformerMixin):  # type: ignore[misc]  # scikit-learn has no types
    """A transformer that says nothing of what it does: it hands everything on."""

    def fit(self, x: Any, y: Any = None) -> "Hiding":
        self.n_features_in_ = x.shape[1]
        self.feature_names_in_ = np.array(x.columns, dtype=object)
        return self

    def transform(self, x: Any) -> Any:
        return x


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost"])
def test_hidden_categories_are_refused_with_a_way_out_that_works(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "people.csv"
    frame = categories(people(path))
    fitted = Pipeline([("before", Hiding()), ("model", model(kind))]).fit(frame, target(frame))
    schema = infer_schema(path, categorical=["grade"]).schema
    provider = SklearnProvider(fitted, schema=schema, fingerprint="b")
    x = read_table(path, schema=schema).x
    with pytest.raises(
        ProviderError, match=r"hides: set `dtype = \"category\"` for these columns in the schema"
    ):
        provider.predict(x)
    columns = tuple(replace(c, dtype="category") if c.name in ("job", "grade") else c for c in schema.columns)
    declared = replace(schema, columns=columns)
    taken = SklearnProvider(fitted, schema=declared, fingerprint="b")
    assert np.allclose(taken.predict(x).numpy(), fitted.predict_proba(frame), atol=1e-6)
    sample = sample_of(read_text_table(path), path, schema=declared)
    assert sample is not None
    assert check_agreement(taken, sample) == ""


def gapped(path: Path, *, words: bool) -> pd.DataFrame:
    """A file with missing numbers, whole and not, and missing texts; as pandas reads it back."""
    draw = np.random.default_rng(0)
    frame = people(path).assign(age=draw.integers(18, 80, 300)).astype({"age": "Int64", "income": float})
    frame["income"] += 0.5
    frame.loc[draw.random(300) < 0.2, "age"] = None
    frame.loc[draw.random(300) < 0.2, "income"] = None
    frame.loc[draw.random(300) < 0.2, "job"] = None
    frame = frame if words else frame.drop(columns="job")
    frame.to_csv(path, index=False)
    read = pd.read_csv(path)
    if words:
        read["job"] = pd.Categorical(read["job"], categories=["pilot", "cook", "clerk"])
    return read


def kept(path: Path) -> TableSchema:
    guess = infer_schema(path)
    assert any("missing = 'keep' in a schema keeps them" in note for note in guess.notes)
    columns = tuple(
        replace(c, missing=Missing.KEEP) if c.missing is Missing.DROP else c for c in guess.schema.columns
    )
    return replace(guess.schema, columns=columns)


def decided(frame: pd.DataFrame) -> Any:  # Any: an array
    income = frame["income"].fillna(80) + 20 * frame["age"].isna()
    return (income + (20 * (frame["job"] == "cook") if "job" in frame else 0) > 70).astype(int)


@pytest.mark.parametrize("words", [True, False], ids=["categories", "numbers"])
@pytest.mark.parametrize("kind", ["lightgbm", "xgboost", "histograms"])
def test_missing_cells_reach_the_model_as_it_reads_them_itself(
    tmp_path: Path, kind: str, words: bool
) -> None:
    path = tmp_path / "people.csv"
    frame = gapped(path, words=words)
    fitted = model(kind).fit(frame, decided(frame))
    schema = kept(path)
    provider = SklearnProvider(fitted, schema=schema, fingerprint="b")
    table = read_table(path, schema=schema)
    assert len(table) == 300 and int(table.x.isnan().sum()) == int(
        frame[["age", "income"]].isna().sum().sum()
    )
    assert np.allclose(provider.predict(table.x).numpy(), fitted.predict_proba(frame), atol=1e-6)
    assert "never saw" not in provider.note
    sample = sample_of(read_text_table(path), path, schema=schema)
    assert sample is not None and bool(sample.x.isnan().any())
    assert check_agreement(provider, sample) == ""


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost"])
def test_a_skops_file_of_it_opens_with_the_types_that_its_refusal_names(tmp_path: Path, kind: str) -> None:
    io = pytest.importorskip("skops.io", reason="the extra of developers has skops")
    path, file = tmp_path / "people.csv", tmp_path / "m.skops"
    frame = gapped(path, words=True)
    fitted = model(kind).fit(frame, decided(frame))
    io.dump(fitted, file)
    with pytest.raises(UnsafeModelError) as caught:
        SklearnProvider.open(file, schema=kept(path))
    trusted = re.findall(r"--trust (\S+)", str(caught.value))
    provider = SklearnProvider.open(file, schema=kept(path), trusted=trusted)
    answer = provider.predict(read_table(path, schema=kept(path)).x).numpy()
    assert np.allclose(answer, fitted.predict_proba(frame), atol=1e-6)


@pytest.mark.parametrize("kind", ["lightgbm", "xgboost"])
def test_a_search_leaves_missing_numbers_missing(tmp_path: Path, kind: str) -> None:
    path = tmp_path / "people.csv"
    frame = gapped(path, words=False)
    fitted = model(kind).fit(frame, decided(frame))
    lacking = np.flatnonzero(frame["age"].isna() & frame["income"].notna())[:3].tolist()
    fronts = cfsearch.search(
        fitted,
        str(path),
        schema=kept(path),
        rows=lacking,
        reference=str(path),
        evaluations=300,
        population=30,
    )
    at = list(frame.columns).index("age")
    verified = 0
    for front in fronts:
        document = front.to_dict()
        jsonschema.validate(document, json_schema("front"))
        assert document["origin_values"][front.variables.index("age")] is None
        assert front.stored_members is not None and bool(front.stored_members[:, at].isnan().all())
        assert all("age" not in member["values"] for member in document["members"])
        changed = front.to_frame()
        assert (changed["change_age"] == 0).all() and changed["value_age"].isna().all()
        made = pd.DataFrame(front.stored_members.numpy(), columns=list(frame.columns))
        expected = fitted.predict_proba(made.astype(frame.dtypes.to_dict()))
        assert np.allclose(front.p.numpy(), expected, atol=1e-5)
        verified += int(front.verified.sum())
    assert verified > 3


def test_a_model_that_takes_no_missing_numbers_says_so(tmp_path: Path) -> None:
    from sklearn.linear_model import LogisticRegression

    path = tmp_path / "people.csv"
    frame = gapped(path, words=False)
    fitted = LogisticRegression().fit(frame.fillna(0), decided(frame))
    with pytest.raises(cfsearch.CfsearchError, match="NaN"):
        cfsearch.search(fitted, str(path), schema=kept(path), rows=[0], evaluations=100, population=10)


def test_what_has_no_missing_number_keeps_none(tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    gapped(path, words=False)
    column = kept(path).column("age")
    for dtype in ("bool", "int64"):
        with pytest.raises(ConfigError, match="has no missing number to keep; leave `dtype` out"):
            replace(column, dtype=dtype, low=0, high=1)
    refusing = replace(kept(path), columns=(replace(column, missing=Missing.REFUSE),))
    with pytest.raises(DataError, match="'drop', 'fill', or 'keep' where the model takes missing numbers"):
        read_table(path, schema=refusing)
