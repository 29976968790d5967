"""The type of a column's cells: what pandas makes of the same cells in a file."""

import io

import numpy as np
import pandas as pd
import pytest

from cfsearch.datasets.tables import Column, ColumnKind, Missing
from cfsearch.datasets.tables._cells import NOT_AVAILABLE, is_absent, level_values, truth_of
from cfsearch.errors import ConfigError

BIG = 2**63


@pytest.mark.parametrize(
    "cells",
    [
        ["0", "1"],
        ["-3", "+4", "007"],
        [str(BIG - 1), str(1 - BIG)],
        ["1", "2.5"],
        ["1.", ".5", "-1e3", "2E-4"],
        ["True", "False"],
        ["TRUE", "false"],
        ["True", "maybe"],
        ["True", "1"],
        ["a", "b"],
        ["1", "x"],
        ["1e", "2"],
    ],
    ids=" ".join,
)
def test_levels_have_the_type_and_the_values_of_pandas(cells: list[str]) -> None:
    read = pd.read_csv(io.StringIO("c\n" + "\n".join(cells)), keep_default_na=False)["c"]
    ours = level_values(cells)
    assert str(ours.dtype) == {"str": "object", "string": "object"}.get(str(read.dtype), str(read.dtype))
    assert ours.tolist() == read.tolist()


@pytest.mark.parametrize("cells", [["1", "2"], ["True", "False"], ["a", "b"], ["1.5", "2"]], ids=" ".join)
@pytest.mark.parametrize("gone", ["", "NA", "nan"])
def test_a_level_for_missing_cells_is_nan_as_in_pandas(cells: list[str], gone: str) -> None:
    read = pd.read_csv(io.StringIO("c,d\n" + "\n".join(f"{cell},1" for cell in (*cells, gone))))["c"]
    ours = level_values([*cells, gone], absent=True)
    assert ours[:-1].tolist() == read.tolist()[:-1] and is_absent(ours.tolist()[-1]) and read.isna().iloc[-1]
    assert (ours.dtype == np.float64) == (read.dtype == np.float64)


def test_a_level_for_missing_cells_of_another_name_is_that_text() -> None:
    assert level_values(["a", "unknown"], absent=True).tolist() == ["a", "unknown"]
    assert level_values(["a", "NA"]).tolist() == ["a", "NA"], "a level of this name that stands for itself"


@pytest.mark.parametrize("word", sorted(NOT_AVAILABLE))
def test_what_counts_as_not_available_is_what_pandas_reads_as_nan(word: str) -> None:
    assert pd.read_csv(io.StringIO(f"c,d\n{word},1\n"))["c"].isna().all()


@pytest.mark.parametrize(
    ("dtype", "expected"),
    [("int64", [1, 0]), ("float64", [1.0, 0.0]), ("str", ["1", "0"]), ("category", [1, 0])],
)
def test_a_declared_type_is_kept(dtype: str, expected: list[object]) -> None:
    values = level_values(["1", "0"], dtype=dtype).tolist()
    assert values == expected and [type(v) for v in values] == [type(v) for v in expected]


@pytest.mark.parametrize(
    ("dtype", "levels", "message"),
    [
        ("bool", ["True", "1"], "^'1' is neither true nor false$"),
        ("int64", ["1", "1.0"], r"^'1\.0' is no whole number$"),
        ("float64", ["1.0", "x"], "^'x' is no number$"),
    ],
)
def test_a_level_that_is_none_of_its_type_is_named(dtype: str, levels: list[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        level_values(levels, dtype=dtype)


def test_words_for_true_and_false() -> None:
    assert [truth_of(w) for w in ("True", "false", "TRUE", "yes", "")] == [True, False, True, None, None]
    assert [is_absent(v) for v in (None, float("nan"), 0.0, "", "nan")] == [True, True, False, False, False]


def test_whole_numbers_beyond_64_bits_are_floating() -> None:
    assert level_values([str(BIG), "1"]).tolist() == [float(BIG), 1.0]


@pytest.mark.parametrize(
    ("levels", "missing"), [(("7", "07"), Missing.REFUSE), (("7", "7.0", "NaN"), Missing.LEVEL)]
)
def test_levels_that_are_one_category_are_refused(levels: tuple[str, ...], missing: Missing) -> None:
    with pytest.raises(ConfigError, match=r"'7' and '(07|7.0)' are the same 7.*dtype = 'str'"):
        Column(name="z", kind=ColumnKind.CATEGORICAL, levels=levels, missing=missing, dtype="category")
    assert (
        Column(name="z", kind=ColumnKind.CATEGORICAL, levels=levels, missing=missing, dtype="str").levels
        == levels
    )
