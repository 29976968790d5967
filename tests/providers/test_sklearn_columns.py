"""What is read off fitted encoders: markers of missing cells, and numbers beside texts."""

import math
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from cfsearch.datasets.tables import Column, ColumnKind, Missing, TableSchema
from cfsearch.providers.sklearn_columns import encoder_values, known_numbers, matched_levels

JOB = Column(name="job", kind=ColumnKind.CATEGORICAL, levels=("a", "b", "missing"), missing=Missing.LEVEL)


def fitted(cells: list[Any], marker: Any) -> Any:  # Any: scikit-learn has no types for them
    frame = pd.DataFrame({"job": np.array(cells, dtype=object), "age": np.arange(float(len(cells)))})
    encode = make_pipeline(
        SimpleImputer(missing_values=marker, strategy="most_frequent"), OneHotEncoder(handle_unknown="ignore")
    )
    columns = ColumnTransformer([("c", encode, ["job"])], remainder="passthrough")
    return make_pipeline(columns, LogisticRegression()).fit(frame, [0, 1] * (len(cells) // 2))


@pytest.mark.parametrize("marker", [pd.NA, np.nan], ids=["NA", "NaN"])
def test_every_marker_of_a_missing_cell_is_one(marker: object) -> None:
    known = encoder_values(fitted(["a", "b", marker, "a"] * 5, marker))["job"]
    assert known[:2] == ["a", "b"] and len(known) == 3 and math.isnan(known[2])
    assert matched_levels(JOB, known)[1] == ("missing",)  # the text is none of them
    level = Column(name="job", kind=ColumnKind.CATEGORICAL, levels=("a", "b", ""), missing=Missing.LEVEL)
    assert matched_levels(level, known)[1] == ()


def test_a_word_for_missing_cells_hides_no_numbers() -> None:
    known = encoder_values(fitted([3, 8, "?", 50] * 5, "?"))
    assert known["job"] == [3, 8, 50, "?"]
    schema = TableSchema(columns=(Column(name="job", kind=ColumnKind.INTEGER, low=0, high=99),))
    assert known_numbers(schema, known) == {"job": (3.0, 8.0, 50.0)}
    levels = Column(name="job", kind=ColumnKind.CATEGORICAL, levels=("3", "50", "9"))
    values, strange = matched_levels(levels, known["job"])
    assert values.tolist() == [3, 50, 9] and strange == ("9",)


def test_numbers_that_are_written_as_texts_are_numbers() -> None:
    schema = TableSchema(columns=(Column(name="job", kind=ColumnKind.INTEGER, low=0, high=99),))
    assert known_numbers(schema, {"job": ["007", "12", "many"]}) == {"job": (7.0, 12.0)}
