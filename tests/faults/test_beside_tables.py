"""Tables beside those of the list: packed in other ways than their names say, and cells that an encoder refuses."""

import bz2
import gzip
import lzma
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from cfsearch.datasets.tables import infer_schema, read_schema, read_text_table, sample_of, table_of_text
from cfsearch.errors import DataError
from cfsearch.providers.sklearn import SklearnProvider

TABLE = "job,income\ncook,12.5\nclerk,30.5\ncook,41.0\nsmith,18.5\nclerk,55.0\nsmith,22.0\n"


@pytest.mark.parametrize("ending", [".csv", ".csv.zst", ".csv.bz2", ".csv.xz", ".data"])
@pytest.mark.parametrize(
    "pack", [gzip.compress, bz2.compress, lzma.compress, bytes], ids=["gzip", "bzip2", "xz", "text"]
)
def test_a_table_is_unpacked_by_its_bytes_and_not_by_its_name(
    tmp_path: Path, pack: Callable[[bytes], bytes], ending: str
) -> None:
    path = tmp_path / f"t{ending}"
    path.write_bytes(pack(TABLE.encode()))
    text = read_text_table(path)
    assert (text.header, text.rows[1]) == (("job", "income"), ["clerk", "30.5"])
    schema = infer_schema(path).schema
    sample = sample_of(text, path, schema=schema)
    assert sample is not None
    frame = sample.frame(schema)  # what pandas reads there
    assert frame is not None and frame["income"].tolist() == [12.5, 30.5, 41.0, 18.5, 55.0, 22.0]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"\x28\xb5\x2f\xfdxx\0", r"packed by zstd. Unpack it \(unzstd FILE\)"),
        (b"PAR1\x15\0\0PAR1", r"got parquet. Give its name the ending \.parquet"),
        (bz2.compress(TABLE.encode())[:-9], "is a broken bzip2 file"),
        (b"BZh9 is how a text may begin\n", "is a broken bzip2 file"),
        (lzma.compress(TABLE.encode())[:-9], "is a broken xz file"),
    ],
)
def test_what_cannot_be_unpacked_is_named(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    with pytest.raises(DataError, match=message):
        read_text_table(path)


def test_a_named_index_of_parquet_is_a_column(tmp_path: Path) -> None:
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"income": [1.5, 2.5]}, index=pd.Index(["cook", "clerk"], name="job"))
    frame.to_parquet(tmp_path / "t.parquet")
    assert read_text_table(tmp_path / "t.parquet").header == ("job", "income")
    frame.reset_index(drop=True).to_parquet(tmp_path / "plain.parquet")
    assert read_text_table(tmp_path / "plain.parquet").header == ("income",)


def strict() -> Pipeline:
    """A model whose encoder fails on jobs that it never saw."""
    x = pd.DataFrame({"job": ["cook", "clerk", "smith"] * 4, "income": np.linspace(10.0, 60.0, 12)})
    encode = ColumnTransformer(
        [("words", OneHotEncoder(), ["job"]), ("numbers", StandardScaler(), ["income"])]
    )
    model = Pipeline([("encode", encode), ("model", LogisticRegression())])
    fitted: Any = model.fit(
        x, np.where(x["income"] > 30, "grant", "refuse")
    )  # Any: scikit-learn has no types
    return fitted


def test_f32_a_level_that_a_strict_encoder_never_saw_is_refused_with_what_it_knows(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(TABLE.replace("clerk,55.0", "baker,55.0"))
    guess = infer_schema(path)
    with pytest.raises(
        DataError, match="column 'job': .* never saw, 'baker'; it knows 'clerk', 'cook', 'smith'"
    ) as caught:
        SklearnProvider(strict(), schema=guess.schema)
    assert "of which `unknown` stands for any other" in str(caught.value)
    # the way out
    (tmp_path / "t.schema.toml").write_text(
        'format = "cfsearch-table/1"\n[[columns]]\nname = "job"\nkind = "categorical"\nunknown = "clerk"\n'
        'levels = ["clerk", "cook", "smith"]\n[[columns]]\nname = "income"\nkind = "real"\nrange = [0, 100]\n'
    )
    schema = read_schema(tmp_path / "t.schema.toml")
    rows = table_of_text(read_text_table(path), schema).x
    assert SklearnProvider(strict(), schema=schema).predict(rows).shape == (6, 2)


def test_missing_cells_of_some_rows_do_not_refuse_the_others(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(TABLE.replace("clerk,55.0", ",55.0"))
    schema = infer_schema(path).schema
    rows = table_of_text(read_text_table(path), schema).x
    assert SklearnProvider(strict(), schema=schema).predict(rows[:2]).shape == (2, 2)


@pytest.mark.parametrize("sign", ["{} %", "${}", "{} EUR"])
def test_numbers_with_signs_are_refused_with_their_column(tmp_path: Path, sign: str) -> None:
    path = tmp_path / "t.csv"
    lines = TABLE.split()
    cells = [line.split(",") for line in lines[1:]]
    path.write_text("\n".join([lines[0], *(f"{job},{sign.format(income)}" for job, income in cells)]))
    schema = infer_schema(path, needed=("job", "income")).schema
    rows = table_of_text(read_text_table(path), schema).x
    with pytest.raises(DataError, match="column 'income': holds texts .* Write them plainly in the file"):
        SklearnProvider(strict(), schema=schema).predict(rows)
