"""The settings of ``peers.py``: four tables, two models of each, and the rows that are refused."""

import gzip
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import pandas as pd
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from cfsearch.datasets.tables import Table, TableSchema, Variables, infer_schema, read_table

Frame = Any  # pandas gives its operations no types that a reader is helped by
TRAINING_ROWS: Final = 6000
"""Of the training part, so that every method reads the same table in seconds."""


@final
@dataclass(frozen=True, slots=True, eq=False)
class Data:
    """A table as everybody gets it.

    Args:
        name: for people.
        train: training rows with their outcome.
        test: other rows with their outcome.
        label: the column of the outcome.
        target: the outcome that is wanted.
        immutable: columns that must not change.
    """

    name: str
    train: Frame
    test: Frame
    label: str
    target: str
    immutable: tuple[str, ...]


@final
@dataclass(frozen=True, slots=True, eq=False)
class Case:
    """One table with one model, and the rows that are explained.

    Args:
        data: the table.
        kind: "forest" or "logistic".
        pipeline: the fitted model, on data frames.
        rows: test rows that the model and the truth refuse, without their outcome.
        folder: where ``train.csv``, ``rows.csv``, ``train.schema.toml`` and ``model.skops`` lie.
        schema: what the columns mean, as cfsearch guesses it from the training rows.
        known: the training rows.
    """

    data: Data
    kind: str
    pipeline: Pipeline
    rows: Frame
    folder: Path
    schema: TableSchema
    known: Table

    @property
    def columns(self) -> list[str]:
        """The inputs of the model."""
        return [name for name in self.data.train.columns if name != self.data.label]

    @property
    def variables(self) -> Variables:
        """Columns as a distance sees them."""
        return Variables.of(self.schema)


def adult(folder: Path) -> Data:
    """UCI Adult: sex, race, age and native-country stay."""
    with gzip.open(folder / "adult" / "adult.csv.gz", "rt") as file:
        table = pd.read_csv(file, keep_default_na=False)
    part = table.pop("split")
    table = table.drop(columns=["fnlwgt", "education"])
    held = ("sex", "race", "age", "native-country")
    return Data("adult", table[part == "train"], table[part == "test"], "income", ">50K", held)


def credit(folder: Path) -> Data:
    """UCI default of credit card clients: sex and age stay."""
    with gzip.open(folder / "credit_default" / "default_of_credit_card_clients.csv.gz", "rt") as file:
        table = pd.read_csv(file).drop(columns=["ID"])
    table["outcome"] = np.where(table.pop("default payment next month") == 1, "default", "paid")
    order = np.random.default_rng(0).permutation(len(table))
    return Data(
        "credit", table.iloc[order[:20_000]], table.iloc[order[20_000:]], "outcome", "paid", ("SEX", "AGE")
    )


def loans(_: Path) -> Data:
    """Made up: 20 mixed columns that hang together, 4,000 rows."""
    draw = np.random.default_rng(5)
    n = 4000
    wealth, care = draw.normal(size=n), draw.normal(size=n)
    table = pd.DataFrame(
        {
            "sex": draw.choice(["female", "male"], n),
            "age": (22 + 50 * draw.beta(2, 3, n)).round().astype(int),
            "amount": np.exp(7.5 + 0.5 * wealth + 0.4 * draw.normal(size=n)).round().astype(int),
            "months": draw.choice([6, 12, 18, 24, 36, 48, 60], n),
            "income": np.exp(7.6 + 0.4 * wealth + 0.2 * draw.normal(size=n)).round().astype(int),
            "savings": np.where(draw.random(n) < 0.3, 0, np.exp(6 + wealth + 0.5 * draw.normal(size=n)).round()).astype(int),
            "years employed": np.clip(4 + 3 * care + 2 * draw.normal(size=n), 0, 30).round().astype(int),
            "late payments": draw.poisson(np.exp(0.3 - 0.8 * care)),
            "credits": draw.poisson(1.2, n),
            "rate": np.clip(3 + 2 * draw.random(n) - 0.3 * wealth, 1, 9).round(1),
            "checking": np.select([wealth < -0.7, wealth < 0.2, wealth < 1], ["none", "low", "middle"], "high"),
            "housing": np.where(draw.random(n) < 0.5 + 0.2 * np.tanh(wealth), "own", draw.choice(["rent", "free"], n)),
            "job": draw.choice(["unskilled", "skilled", "management"], n, p=[0.25, 0.55, 0.2]),
            "purpose": draw.choice(["car", "furniture", "education", "business", "repairs"], n),
            "guarantor": draw.choice(["no", "yes"], n, p=[0.9, 0.1]),
            "phone": draw.choice(["no", "yes"], n, p=[0.4, 0.6]),
            "dependants": draw.integers(0, 4, n),
            "residence years": draw.integers(0, 20, n),
            "property": draw.choice(["none", "insurance", "land", "car"], n),
            "other plans": draw.choice(["none", "bank", "stores"], n, p=[0.8, 0.14, 0.06]),
        }
    )  # fmt: skip
    logit = (
        0.9 * care + 0.8 * wealth - 0.03 * (table["months"] - 24) - 0.5 * (table["late payments"] - 1.5)
        - table["amount"] / 3000 + 0.6 * (table["guarantor"] == "yes") + draw.normal(size=n)
    )  # fmt: skip
    table["outcome"] = np.where(logit > 0.3, "good", "bad")
    return Data("loans", table[:3000], table[3000:], "outcome", "good", ("sex", "age", "dependants"))


def people(_: Path) -> Data:
    """Made up: 7 columns, few of which may change, 5,000 rows."""
    draw = np.random.default_rng(6)
    n = 5000
    age = (18 + 50 * draw.beta(1.5, 3, n)).round().astype(int)
    priors = draw.negative_binomial(1, 0.25, n)
    table = pd.DataFrame(
        {
            "sex": draw.choice(["Male", "Female"], n, p=[0.8, 0.2]),
            "group": draw.choice(["A", "B", "C"], n, p=[0.5, 0.35, 0.15]),
            "age": age,
            "priors": priors,
            "degree": draw.choice(["felony", "misdemeanour"], n, p=[0.64, 0.36]),
            "days": np.where(draw.random(n) < 0.4, 1, np.exp(draw.normal(2, 1.4, n))).round().astype(int),
            "juvenile": draw.poisson(0.15, n),
        }
    )
    logit = (
        0.25 * priors
        - 0.05 * (age - 30)
        + 0.4 * (table["degree"] == "felony")
        + 0.5 * table["juvenile"]
        - 0.6
    )
    table["outcome"] = np.where(logit + draw.logistic(size=n) > 0, "high", "low")
    return Data("people", table[:3500], table[3500:], "outcome", "low", ("sex", "group", "age"))


TABLES: Final[dict[str, Callable[[Path], Data]]] = {
    "adult": adult,
    "credit": credit,
    "loans": loans,
    "people": people,
}


def prepared(data: Data, kind: str, *, rows: int, folder: Path, skip: int = 0) -> Case:
    """A fitted model in a skops file, the tables beside it, and the rows that it refuses, but for the first ``skip``."""
    from skops.io import dump

    folder.mkdir(parents=True)
    train = data.train.sample(min(len(data.train), TRAINING_ROWS), random_state=0)
    inputs = [name for name in train.columns if name != data.label]
    texts = [name for name in inputs if not pd.api.types.is_numeric_dtype(train[name])]
    # with no columns of text scikit-learn leaves the encoder unfitted
    levels = [("levels", OneHotEncoder(handle_unknown="ignore", sparse_output=False), texts)] if texts else []
    numbers = ("numbers", StandardScaler(), [name for name in inputs if name not in texts])
    before = ColumnTransformer([*levels, numbers])
    last = (
        RandomForestClassifier(100, min_samples_leaf=3, random_state=0)
        if kind == "forest"
        else LogisticRegression(max_iter=2000)
    )
    pipeline = Pipeline([("encode", before), ("model", last)]).fit(train[inputs], train[data.label])
    refused = (pipeline.predict(data.test[inputs]) != data.target) & (data.test[data.label] != data.target)
    # what no training row shows is no row of the schema
    fits = np.ones(len(data.test), dtype=bool)
    for name in inputs:
        known = train[name]
        fits &= (
            data.test[name].isin(known.unique())
            if name in texts
            else data.test[name].between(known.min(), known.max())
        ).to_numpy()
    chosen = (
        data.test[refused.to_numpy() & fits].sample(frac=1, random_state=1)[inputs].iloc[skip : skip + rows]
    )
    train.to_csv(folder / "train.csv", index=False)
    chosen.to_csv(folder / "rows.csv", index=False)
    dump(pipeline, folder / "model.skops")
    schema = infer_schema(folder / "train.csv", target=data.label, immutable=data.immutable).schema
    known = read_table(folder / "train.csv", schema=schema)
    return Case(data, kind, pipeline, chosen.reset_index(drop=True), folder, schema, known)
