"""What a model is given of a file: what scikit-learn fitted on pandas' reading answers, or a refusal."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, OrdinalEncoder, StandardScaler

from cfsearch.datasets.tables import (
    Column,
    ColumnKind,
    Table,
    TableSchema,
    infer_schema,
    read_table,
    read_text_table,
    sample_of,
)
from cfsearch.errors import ConfigError, DataError
from cfsearch.providers.agreement import check_agreement
from cfsearch.providers.sklearn import SklearnProvider
from cfsearch.providers.tabular import Framed, TabularProvider
from cfsearch.providers.tabular_opening import open_tabular


def written(folder: Path, cells: Sequence[str], name: str = "c") -> Path:
    """A file with the given cells in one column, and a number beside it."""
    draw = np.random.default_rng(0)
    path = folder / "table.csv"
    lines = [f"{cell},{draw.integers(10, 90)}" for cell in cells]
    path.write_text("\n".join([f"{name},income", *lines]) + "\n")
    return path


def encoded(strict: bool = False) -> Any:  # Any: an estimator
    return Pipeline(
        [
            (
                "columns",
                ColumnTransformer(
                    [
                        ("words", OneHotEncoder(handle_unknown="error" if strict else "ignore"), ["c"]),
                        ("numbers", StandardScaler(), ["income"]),
                    ]
                ),
            ),
            ("model", LogisticRegression(C=100.0)),
        ]
    )


def fitted(frame: pd.DataFrame, pipeline: Any = None) -> Any:  # Any: an estimator
    """A model whose answers hang on which value stands in column c."""
    codes = pd.factorize(frame["c"], use_na_sentinel=False)[0]
    y = np.where(frame["income"] + 40 * (codes == 0) - 30 * (codes == 1) > 60, "grant", "refuse")
    return (encoded() if pipeline is None else pipeline).fit(frame[["c", "income"]], y)


def compared(model: TabularProvider, path: Path, schema: TableSchema) -> str:
    sample = sample_of(read_text_table(path), path, schema=schema)
    assert sample is not None
    return check_agreement(model, sample)


READ_ALIKE = {
    "truth": ["True", "False"],
    "truth in capitals": ["TRUE", "FALSE"],
    "truth in small letters": ["true", "false"],
    "truth with gaps": ["True", "False", ""],
    "yes and no": ["yes", "no"],
    "codes": ["1", "2", "3"],
    "codes with gaps": ["1", "2", "3", ""],
    "zeros in front": ["007", "010", "100"],
    "signs": ["+5", "-3", "2"],
    "decimals that are whole": ["1.0", "2.0", "3.0"],
    "powers": ["1e3", "2e3", "5e2"],
    "dates": ["2024-01-02", "2024-02-03", "2025-01-01"],
    "words for missing": ["red", "blue", "NA", "red", "n/a", "NULL"],
    "question marks": ["red", "blue", "?"],
    "question marks and gaps": ["red", "blue", "?", ""],
    "numbers and words": ["1", "2", "many"],
    "thousands": ['"1,000"', '"2,000"', '"3,500"'],
    "accents": ["é", "ü", "n"],
}


@pytest.mark.parametrize("kind", READ_ALIKE)
@pytest.mark.parametrize("codes", [False, True], ids=["guessed", "as categories"])
def test_every_row_is_answered_as_the_model_answers_it(tmp_path: Path, kind: str, codes: bool) -> None:
    cells = READ_ALIKE[kind]
    path = written(tmp_path, [cells[i % len(cells)] for i in range(90)])
    frame = pd.read_csv(path)
    if pd.api.types.is_numeric_dtype(frame["c"]) and not codes:
        frame = frame.dropna()
    model = fitted(frame)
    schema = infer_schema(path, categorical=["c"] if codes else []).schema
    provider = SklearnProvider(model, schema=schema)
    table = read_table(path, schema=schema)
    truth = model.predict_proba(pd.read_csv(path).iloc[list(table.places)])
    assert np.allclose(provider.predict(table.x).numpy(), truth, atol=1e-9)
    assert len(np.unique(truth.argmax(1))) == 2
    assert compared(provider, path, schema) == ""


def test_a_strict_encoder_takes_truth_values(tmp_path: Path) -> None:
    path = written(tmp_path, ["True", "False"] * 40)
    model = fitted(pd.read_csv(path), encoded(strict=True))
    schema = infer_schema(path).schema
    table = read_table(path, schema=schema)
    provider = SklearnProvider(model, schema=schema)
    assert np.allclose(provider.predict(table.x).numpy(), model.predict_proba(pd.read_csv(path)))
    assert table.frame()["c"].dtype == bool


def test_a_model_without_an_encoder_takes_truth_values(tmp_path: Path) -> None:
    path = written(tmp_path, ["True", "False"] * 40)
    model = fitted(pd.read_csv(path), HistGradientBoostingClassifier(max_iter=5, random_state=0))
    schema = infer_schema(path).schema
    table = read_table(path, schema=schema)
    provider = SklearnProvider(model, schema=schema)
    assert np.allclose(provider.predict(table.x).numpy(), model.predict_proba(pd.read_csv(path)))


def test_an_encoder_that_learned_texts_gets_texts(tmp_path: Path) -> None:
    """The user turned the columns into texts before the fit: nothing in the file shows it."""
    for cells in (["True", "False"], ["1", "2", "3"]):
        path = written(tmp_path, [cells[i % len(cells)] for i in range(90)])
        frame = pd.read_csv(path).astype({"c": str})
        model = fitted(frame)
        for categorical in ([], ["c"]):
            schema = infer_schema(path, categorical=categorical).schema
            provider = SklearnProvider(model, schema=schema)
            answer = provider.predict(read_table(path, schema=schema).x).numpy()
            assert np.allclose(answer, model.predict_proba(frame))
            assert compared(provider, path, schema) == ""


def test_an_ordinal_encoder_that_learned_spaces_gets_them(tmp_path: Path) -> None:
    path = written(tmp_path, [" cook", " pilot"] * 40)
    frame = pd.read_csv(path)
    assert frame["c"].iloc[0] == " cook"
    model = fitted(
        frame,
        Pipeline(
            [
                ("c", ColumnTransformer([("o", OrdinalEncoder(), ["c"])], remainder="passthrough")),
                ("m", LogisticRegression()),
            ]
        ),
    )
    schema = infer_schema(path).schema
    provider = SklearnProvider(model, schema=schema)
    answer = provider.predict(read_table(path, schema=schema).x).numpy()
    assert np.allclose(answer, model.predict_proba(frame))


def test_levels_that_the_encoder_never_saw_are_named(tmp_path: Path) -> None:
    path = written(tmp_path, ["red", "blue"] * 40)
    model = fitted(pd.read_csv(path))
    path = written(tmp_path, ["red", "blue", "green"] * 30)
    assert (
        "its encoders never saw 'green' in c" in SklearnProvider(model, schema=infer_schema(path).schema).note
    )


def ignores_spaces(rows: pd.DataFrame) -> Any:  # Any: an array
    """A function that was written for what pandas reads: with spaces, and truth values."""
    word = True if rows["c"].dtype == bool else " cook"
    p = np.where(rows["c"] == word, 0.9, 0.2)
    return np.stack([1 - p, p], axis=1)


def only_text(rows: pd.DataFrame) -> Any:  # Any: an array
    p = np.where(rows["c"].astype(str) == "007", 0.9, 0.2)
    return np.stack([1 - p, p], axis=1)


class TestFunctions:
    def opened(self, name: str, path: Path, schema: TableSchema) -> TabularProvider:
        x = read_table(path, schema=schema).x
        return open_tabular(f"{__name__}:{name}", schema=schema, probes=x[:8])

    def test_truth_values_arrive_as_such(self, tmp_path: Path) -> None:
        path = written(tmp_path, ["True", "False"] * 20)
        schema = infer_schema(path).schema
        model = self.opened("ignores_spaces", path, schema)
        answer = model.predict(read_table(path, schema=schema).x)
        assert answer[:, 1].tolist() == pytest.approx([0.9, 0.2] * 20)
        assert compared(model, path, schema) == ""

    def test_spaces_that_pandas_keeps_are_refused_with_their_place(self, tmp_path: Path) -> None:
        path = written(tmp_path, [" cook", " pilot"] * 20)
        schema = infer_schema(path).schema
        model = self.opened("ignores_spaces", path, schema)
        with pytest.raises(DataError, match=r"answers row \d+ \(line \d+\) of 'table.csv'") as caught:
            compared(model, path, schema)
        said = str(caught.value)
        assert "column 'c': pandas reads ' cook' (text), the model is given 'cook' (text)" in said
        assert "Take the spaces around the cells of this column out of the file" in said
        assert "income" not in said

    def test_a_declared_dtype_reaches_the_function_and_the_comparison(self, tmp_path: Path) -> None:
        path = written(tmp_path, ["007", "010"] * 20)
        guessed = infer_schema(path, categorical=["c"]).schema
        said = replace(
            guessed, columns=tuple(replace(c, dtype="str") if c.name == "c" else c for c in guessed.columns)
        )
        for schema, expected in ((guessed, [0.2, 0.2]), (said, [0.9, 0.2])):
            model = self.opened("only_text", path, schema)
            answer = model.predict(read_table(path, schema=schema).x)
            assert answer[:, 1].tolist() == pytest.approx(expected * 20)
            assert compared(model, path, schema) == ""


def test_codes_that_a_matrix_would_get_as_indices_are_refused(tmp_path: Path) -> None:
    """An array model was fitted on 1, 2, 3; categories would reach it as 0, 1, 2."""
    path = written(tmp_path, ["1", "2", "3"] * 30)
    frame = pd.read_csv(path)
    model = LogisticRegression().fit(frame.to_numpy(), (frame["c"] + frame["income"] / 50 > 3).astype(int))
    schema = infer_schema(path).schema
    assert compared(SklearnProvider(model, schema=schema), path, schema) == ""
    codes = infer_schema(path, categorical=["c"]).schema
    with pytest.raises(
        DataError, match=r"column 'c': pandas reads \d \(whole number\), the model is given \d.0"
    ):
        compared(SklearnProvider(model, schema=codes), path, codes)


def test_random_answers_are_no_difference_of_reading(tmp_path: Path) -> None:
    class Noisy:
        classes_ = np.array(["no", "yes"])
        feature_names_in_ = np.array(["c", "income"])
        draw = np.random.default_rng(0)

        def predict_proba(self, x: Any) -> Any:  # Any: arrays
            p = 0.5 + self.draw.normal(size=len(x)) * 1e-3
            return np.stack([1 - p, p], axis=1)

    path = written(tmp_path, ["True", "False"] * 20)
    schema = infer_schema(path).schema
    assert compared(SklearnProvider(Noisy(), schema=schema, fingerprint="n"), path, schema) == ""


def test_rows_are_spread_through_the_file_and_replaced_cells_left_out(tmp_path: Path) -> None:
    path = written(tmp_path, [*["a", "b"] * 200, ""])
    schema = infer_schema(path).schema
    sample = sample_of(read_text_table(path), path, schema=schema)
    assert sample is not None
    assert sample.places[0] == 0
    assert sample.places[-1] == 400
    assert len(sample.places) == 32
    filled = replace(
        schema,
        columns=tuple(
            replace(c, levels=("a", "b"), missing=type(c.missing).FILL, fill="a") if c.name == "c" else c
            for c in schema.columns
        ),
    )
    other = sample_of(read_text_table(path), path, schema=filled)
    assert other is not None
    assert 400 not in other.places


def test_a_frame_of_the_running_program_is_read_back(tmp_path: Path) -> None:
    path = written(tmp_path, ["true", "false"] * 20)
    schema = infer_schema(path).schema
    read = read_table(path, schema=schema)
    assert torch.equal(Table.of_frame(pd.read_csv(path), schema=schema).x, read.x)
    assert torch.equal(Table.of_frame(read.frame(), schema=schema).x, read.x)


def test_a_dtype_that_does_not_fit_is_refused(tmp_path: Path) -> None:
    schema = infer_schema(written(tmp_path, ["red", "blue"] * 20)).schema
    column, number = schema.columns
    for dtype in ("bool", "int64", "float64"):
        with pytest.raises(ConfigError, match=f"dtype = '{dtype}' does not fit its levels"):
            replace(column, dtype=dtype)
    with pytest.raises(ConfigError, match="`dtype` must be one of bool, int64"):
        replace(column, dtype="text")
    with pytest.raises(ConfigError, match="'category' goes with levels"):
        replace(number, dtype="category")
    with pytest.raises(ConfigError, match=r"needs range = \[0, 1\]"):
        replace(number, dtype="bool")


@pytest.mark.parametrize("encoder", [OneHotEncoder(handle_unknown="ignore"), OrdinalEncoder()])
def test_levels_that_differ_by_spaces_alone_are_not_taken_for_each_other(
    tmp_path: Path, encoder: Any
) -> None:
    path = written(tmp_path, ["cook", "cook ", "clerk"] * 30)
    columns = ColumnTransformer([("words", encoder, ["c"])], remainder="passthrough")
    frame = pd.read_csv(path)
    model = Pipeline([("columns", columns), ("model", LogisticRegression())]).fit(
        frame, frame["c"] == "cook "
    )
    schema = infer_schema(path).schema
    provider = SklearnProvider(model, schema=schema)
    assert "its encoder of c tells 'cook', 'cook ' apart, which differ by spaces alone" in provider.note
    with pytest.raises(
        DataError, match="column 'c': pandas reads 'cook ' .text., the model is given 'cook' .text."
    ):
        compared(provider, path, schema)
    # without such a pair spaces are no matter
    clean = written(tmp_path, ["cook ", "clerk"] * 30)
    frame = pd.read_csv(clean)
    model = Pipeline([("columns", columns), ("model", LogisticRegression())]).fit(
        frame, frame["c"] == "cook "
    )
    schema = infer_schema(clean).schema
    provider = SklearnProvider(model, schema=schema)
    assert provider.note == "" and compared(provider, clean, schema) == ""
    assert np.allclose(
        provider.predict(read_table(clean, schema=schema).x).numpy(), model.predict_proba(frame)
    )


@pytest.mark.parametrize(("word", "missing"), [("", np.nan), ("?", "?")])
def test_an_imputer_before_an_encoder_takes_what_is_missing(
    tmp_path: Path, word: str, missing: object
) -> None:
    path = written(tmp_path, ["red", "blue", word] * 40)
    frame = pd.read_csv(path)
    fill = SimpleImputer(missing_values=missing, strategy="constant", fill_value="none")
    words = Pipeline([("fill", fill), ("encode", OneHotEncoder(handle_unknown="ignore"))])
    columns = ColumnTransformer([("words", words, ["c"]), ("numbers", StandardScaler(), ["income"])])
    model = fitted(frame, Pipeline([("columns", columns), ("model", LogisticRegression(C=100.0))]))
    schema = infer_schema(path).schema
    provider = SklearnProvider(model, schema=schema)
    assert "never saw" not in provider.note
    answer = provider.predict(read_table(path, schema=schema).x).numpy()
    assert np.allclose(answer, model.predict_proba(frame), atol=1e-6)


def test_a_schema_that_leaves_out_what_a_model_takes_is_refused_with_what_to_write(tmp_path: Path) -> None:
    path = written(tmp_path, ["red", "blue"] * 40)
    model = fitted(pd.read_csv(path))
    schema = infer_schema(path).schema
    lacking = replace(schema, columns=schema.columns[:1], ignore=("income",))
    with pytest.raises(
        ConfigError, match="the schema lacks income.*under \\[\\[columns\\]\\].*take income out of `ignore`"
    ):
        SklearnProvider(model, schema=lacking)


def scaler_of(*columns: str) -> StandardScaler:
    return StandardScaler().fit(pd.DataFrame({name: [0.0, 1.0] for name in columns}))


def parted(*columns: str) -> ColumnTransformer:
    made = ColumnTransformer([("scaled", StandardScaler(), list(columns))])
    return made.fit(pd.DataFrame({name: [0.0, 1.0] for name in columns}))


@pytest.mark.parametrize(
    "take",
    [
        lambda rows: rows["rate"],
        lambda rows: rows.rate,
        lambda rows: rows[["rate", "n"]],
        lambda rows: rows[["rate"]],
        lambda rows: rows.copy().iloc[:1].rate,
        lambda rows: rows.apply(lambda row: row.rate, axis=1),
        lambda rows: rows.dropna(subset=["rate"]),
        lambda rows: [row["rate"] for row in rows.to_dict("records")],
        lambda rows: rows.query("rate > 1"),
        lambda rows: rows.eval("n + rate"),
        lambda rows: scaler_of("n", "rate").transform(rows),
        lambda rows: parted("n", "rate").transform(rows),
    ],
)
def test_a_function_that_takes_a_column_left_out_learns_how_to_keep_it(take: Any) -> None:  # Any: a function
    schema = TableSchema(
        columns=(Column(name="n", kind=ColumnKind.REAL, low=0, high=9),), ignore=("rate", "at")
    )
    with pytest.raises(
        DataError, match="column 'rate': the function takes it.*--categorical 'rate' --immutable 'rate'"
    ):
        Framed(take, schema)(np.array([[1.0], [2.0]]))
    with pytest.raises(KeyError, match="other"):  # a mistake of its own stays one
        Framed(lambda rows: rows["other"], schema)(np.array([[1.0]]))


def nothing() -> Any:  # Any: what a function may find by mistake
    return None


def plain(rows: Any) -> Any:  # Any: a function
    return np.array(rows)


def no_such_key(rows: Any) -> Any:  # Any: a function
    raise KeyError("there is no 'rate' in the settings")


@pytest.mark.parametrize(
    ("ignored", "take", "error"),
    [
        ("values", lambda rows: nothing().values, AttributeError),
        ("object", lambda rows: nothing().values, AttributeError),
        ("DataFrame", lambda rows: rows.transform_id(), AttributeError),
        ("rate", lambda rows: plain(rows).rate, AttributeError),
        ("index", lambda rows: rows[["other", "n"]], KeyError),
        ("columns", lambda rows: rows[["other"]], KeyError),
        ("rate", lambda rows: rows["rate of interest"], KeyError),
        ("rate", no_such_key, KeyError),
        ("rate", lambda rows: rows.query("other > 1"), NameError),
        ("rate", lambda rows: scaler_of("n", "other").transform(rows), ValueError),
        ("rate", lambda rows: int("rate"), ValueError),
    ],
)  # fmt: skip
def test_a_mistake_of_a_function_is_not_blamed_on_a_column_whose_name_is_in_its_words(
    ignored: str,
    take: Any,  # Any: a function
    error: type[Exception],
) -> None:
    schema = TableSchema(
        columns=(Column(name="n", kind=ColumnKind.REAL, low=0, high=9),), ignore=("at", ignored)
    )
    with pytest.raises(error):  # a DataError is neither
        Framed(take, schema)(np.array([[1.0], [2.0]]))
