"""Files as people have them: each is read right, or refused in one sentence that names a way out."""

import gzip
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from cfsearch.datasets.tables import (
    Column,
    ColumnKind,
    Missing,
    TableSchema,
    infer_schema,
    protected_kind,
    read_table,
    read_text_table,
    sample_of,
)
from cfsearch.datasets.tables._preface import without_preface
from cfsearch.errors import ConfigError, DataError

Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def written(content: bytes | str, name: str = "t.csv") -> Path:
        path = tmp_path / name
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    return written


def rows(n: int, cell: Callable[[int], str], *, header: str = "income,job") -> str:
    """A table of n numbers that all differ, made by a function."""
    return "\n".join([header, *(f"{cell(i)},{'cook' if i % 3 else 'clerk'}" for i in range(n))]) + "\n"


PLAIN = "job,ort,preis\ncook,Köln,1.5\nclerk,Łódź,2.5\n"
CELLS = [["cook", "Köln", "1.5"], ["clerk", "Łódź", "2.5"]]


class TestText:
    @pytest.mark.parametrize(
        ("encoding", "note"),
        [("utf-8", ""), ("utf-8-sig", ""), ("utf-16", "UTF-16 text"), ("utf-32", "UTF-32 text")],
    )
    def test_encodings_that_say_what_they_are(self, write: Write, encoding: str, note: str) -> None:
        found = read_text_table(write(PLAIN.encode(encoding)))
        assert found.rows == CELLS and found.header == ("job", "ort", "preis")
        assert any(note in one for one in found.notes) if note else not found.notes

    @pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32", "cp1252", "utf-8"])
    def test_a_nul_is_refused_with_its_line_in_any_encoding(self, write: Write, encoding: str) -> None:
        path = write("job,ort\ncook,Köln\nclerk,Bo\0nn\n".encode(encoding))
        with pytest.raises(DataError, match=r"line 3 holds a NUL byte.*Save it as CSV in UTF-8"):
            read_text_table(path, encoding=encoding)

    def test_windows_1252_is_found_and_noted(self, write: Write) -> None:
        path = write("job,ort\ncook,Köln\nclerk,5 € „gut“\n".encode("cp1252"))
        found = read_text_table(path)
        assert found.rows == [["cook", "Köln"], ["clerk", "5 € „gut“"]]
        [note] = found.notes
        assert "no UTF-8 text (line 2); read as Windows-1252" in note and "--encoding" in note
        assert found.encoding == "cp1252"

    def test_another_encoding_is_declared(self, write: Write) -> None:
        path = write("жду,x\nшип,1\n".encode("cp1251"))
        assert read_text_table(path, encoding="cp1251").header == ("жду", "x")
        with pytest.raises(ConfigError, match="'klingon' is unknown; use utf-8, cp1252"):
            read_text_table(path, encoding="klingon")
        with pytest.raises(DataError, match="line 1 is not utf-8 text. Declare another encoding"):
            read_text_table(path, encoding="utf-8")

    def test_packed_files(self, write: Write, tmp_path: Path) -> None:
        assert read_text_table(write(gzip.compress(PLAIN.encode()), "t.csv.gz")).rows == CELLS
        with zipfile.ZipFile(tmp_path / "t.zip", "w") as packed:
            packed.writestr("t.csv", PLAIN)
            packed.writestr("__MACOSX/._t.csv", "")
        assert read_text_table(tmp_path / "t.zip").rows == CELLS
        with zipfile.ZipFile(tmp_path / "two.zip", "w") as packed:
            packed.writestr("a.csv", PLAIN)
            packed.writestr("b.csv", PLAIN)
        with pytest.raises(DataError, match="must hold one CSV file, got 2 files \\(a.csv, b.csv\\)"):
            read_text_table(tmp_path / "two.zip")
        with pytest.raises(DataError, match="broken zip file"):
            read_text_table(write(b"PK\3\4nothing", "broken.zip"))

    def test_parquet(self, tmp_path: Path, write: Write) -> None:
        frame = pd.DataFrame({"job": ["cook", "clerk"], "old": [True, False], "preis": [1.5, 2.5]})
        frame.to_parquet(tmp_path / "t.parquet")
        found = read_text_table(tmp_path / "t.parquet")
        assert found.rows == [["cook", "True", "1.5"], ["clerk", "False", "2.5"]]
        with pytest.raises(DataError, match="is no parquet file"):
            read_text_table(write("a,b\n1,2\n", "u.parquet"))

    @pytest.mark.parametrize(
        ("name", "way"),
        [
            ("t.xlsx", "save it as CSV"),
            ("t.ods", "save it as CSV"),
            ("t.json", "pandas.read_json"),
            ("t.sav", "pandas"),
        ],
    )
    def test_other_kinds_name_the_way_out(self, write: Write, name: str, way: str) -> None:
        with pytest.raises(DataError, match=f"must be a CSV file, got .*{way}"):
            read_text_table(write("x", name))
        with pytest.raises(DataError, match="a spreadsheet, perhaps"):
            read_text_table(write(b"PK\3\4xl", "renamed.csv"))


class TestCells:
    @pytest.mark.parametrize("delimiter", [";", "\t", "|"])
    def test_delimiters_are_found_and_noted(self, write: Write, delimiter: str) -> None:
        found = read_text_table(write(PLAIN.replace(",", delimiter)))
        assert found.rows == CELLS and found.delimiter == delimiter
        assert "stand between the cells" in found.notes[0]

    def test_semicolons_within_texts_do_not_count(self, write: Write) -> None:
        assert read_text_table(write('a,b\n"x;y",1\n"z;w",2\n')).rows == [["x;y", "1"], ["z;w", "2"]]

    @pytest.mark.parametrize(
        ("content", "cells", "note"),
        [
            ("a;b\n1,5;x\n2;y\n", ["1.5", "2"], "decimal commas in a"),
            ("a;b\n1.234,50;x\n-2,25;y\n", ["1234.50", "-2.25"], "decimal commas in a"),
            ('a,b\n"1,234",x\n"12,345,678.5",y\n3,z\n', ["1234", "12345678.5", "3"], "thousands in a"),
            ('a,b\n"1,5",x\n"2,25",y\n', ["1.5", "2.25"], "decimal commas in a"),
            ("a,b\n1 234,x\n22 000,y\n", ["1234", "22000"], "thousands in a"),
            ("a;b\n1'234;x\n7;y\n", ["1234", "7"], "thousands in a"),
        ],
    )
    def test_numbers_as_people_write_them(
        self, write: Write, content: str, cells: list[str], note: str
    ) -> None:
        found = read_text_table(write(content))
        assert found.column("a") == cells
        assert note in found.notes[-1] and not found.as_written

    def test_texts_with_commas_stay_texts(self, write: Write) -> None:
        found = read_text_table(write('a,b\n"Köln, Deutz",1\n"Bonn, Beuel",2\n'))
        assert found.column("a") == ["Köln, Deutz", "Bonn, Beuel"] and found.as_written

    def test_an_index_of_pandas_and_a_trailing_comma(self, write: Write, tmp_path: Path) -> None:
        frame = pd.DataFrame({"a": [3, 8, 8] * 10, "b": ["x", "y", "z"] * 10})
        frame.to_csv(tmp_path / "t.csv")
        found = infer_schema(tmp_path / "t.csv")
        assert found.schema.names == ("a", "b")
        assert "Unnamed: 0" in found.schema.ignore
        assert any("Unnamed: 0: counts the rows; left out" in note for note in found.notes)
        assert read_text_table(write("a,b,\n1,x,\n2,y,\n")).header == ("a", "b")
        assert read_text_table(write("a,b\n1,x,\n2,y,\n")).rows == [["1", "x"], ["2", "y"]]

    def test_comments_and_excels_first_line_are_skipped(self, write: Write) -> None:
        found = read_text_table(write("# made today\nsep=;\na;b\n1;x\n2\n"[:-2]))
        assert found.rows == [["1", "x"]] and found.lines == [4]
        with pytest.raises(DataError, match="line 5 must have 2 cells, got 1"):
            read_text_table(write("# made today\nsep=;\na;b\n1;x\nsum: 1\n"))

    def test_a_comma_in_a_number_is_named(self, write: Write) -> None:
        with pytest.raises(DataError, match="line 3 must have 2 cells, got 3 .*stands in quotes"):
            read_text_table(write("a,b\n1,x\n1,5,y\n"))

    def test_what_pandas_reads_is_compared_cell_by_cell(self, write: Write) -> None:
        path = write("Gehalt;Beruf\n1.234,50;Köchin\n-2,25;Maurer\n7;Köchin\n3,5;Maurer\n".encode("cp1252"))
        text = read_text_table(path)
        schema = infer_schema(path).schema
        sample = sample_of(text, path, schema=schema)
        assert sample is not None
        frame = sample.frame(schema)
        assert frame is not None and frame["Gehalt"].tolist() == [1234.5, -2.25, 7.0, 3.5]
        assert frame["Beruf"].tolist() == ["Köchin", "Maurer", "Köchin", "Maurer"]


class TestNumbersAndWords:
    @pytest.mark.parametrize(
        "word", ["NULL", "n/a", "-", ".", "Unknown", "n.a.", "#DIV/0!", "k.A.", "missing"]
    )
    def test_a_word_for_missing_throws_no_column_away(self, write: Write, word: str) -> None:
        path = write(rows(300, lambda i: word if i % 10 == 0 else str(1000 + 7 * i)))
        found = infer_schema(path)
        column = found.schema.column("income")
        assert (column.missing, column.low) == (Missing.DROP, 1007.0)
        assert any("30" in note and "income" in note for note in found.notes)
        table = read_table(path, schema=found.schema)
        assert len(table) == 270
        assert "lines 2, 12, 22, 32, 42 of the file" in " ".join(table.notes)

    @pytest.mark.parametrize("wrong", ['"1,5"', "inf", "abc", "1e400", "12 EUR"])
    def test_one_wrong_cell_is_refused_with_line_and_column(self, write: Write, wrong: str) -> None:
        path = write(rows(100, lambda i: wrong if i == 41 else str(1000 + 7 * i)))
        with pytest.raises(
            DataError, match="line 43, column 'income': .* is no finite number.*99 of 100"
        ) as caught:
            infer_schema(path)
        assert "--missing" in str(caught.value) and "--categorical 'income'" in str(caught.value)
        cell = wrong.strip('"')
        assert infer_schema(path, missing_values=["", cell]).schema.column("income").missing is Missing.DROP
        assert len(infer_schema(path, categorical=["income"]).schema.column("income").levels) == 100

    def test_a_column_of_categories_with_numbers_is_one(self, write: Write) -> None:
        path = write(rows(60, lambda i: ["1", "2", "3", "other"][i % 4]))
        assert infer_schema(path).schema.column("income").levels == ("1", "2", "3", "other")

    def test_unknown_among_categories_is_a_category(self, write: Write) -> None:
        path = write(
            "job,x\n" + "".join(f"{['cook', 'Unknown', 'clerk'][i % 3]},{i * 7 % 31}\n" for i in range(60))
        )
        column = infer_schema(path).schema.column("job")
        assert column.levels == ("Unknown", "clerk", "cook") and column.missing is Missing.REFUSE


class TestManyLevels:
    def test_declared_and_needed_columns_are_never_left_out(self, write: Write) -> None:
        draw = np.random.default_rng(0)
        titles = [f"title {i}" for i in range(140)]
        content = "occupation,x\n" + "".join(f"{titles[i % 140]},{draw.integers(50)}\n" for i in range(300))
        path = write(content)
        held = infer_schema(path).schema.column("occupation")
        assert held.immutable and len(held.levels) == 140
        assert any("held fixed (immutable)" in note for note in infer_schema(path).notes)
        free = infer_schema(path, categorical=["occupation"]).schema.column("occupation")
        assert not free.immutable and len(free.levels) == 140
        names = "name,x\n" + "".join(f"person {i},{i % 7}\n" for i in range(50))
        assert infer_schema(write(names)).schema.ignore == ("name",)
        kept = infer_schema(write(names), needed=["name"]).schema.column("name")
        assert kept.immutable and len(kept.levels) == 50

    def test_an_identifier_that_the_model_takes_is_held(self, write: Write) -> None:
        path = write("id,x\n" + "".join(f"{i},{i % 7}\n" for i in range(100, 150)))
        assert infer_schema(path).schema.ignore == ("id",)
        assert infer_schema(path, needed=["id", "x"]).schema.column("id").immutable


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("sex", "sex"), ("Geschlecht", "sex"), ("applicantGender", "sex"), ("płeć", "sex"), ("cinsiyet", "sex"), ("性别", "sex"),
        ("AGE", "age"), ("age_years", "age"), ("edad", "age"), ("SeniorCitizen", "age"), ("citizenship", "nationality"), ("Alter", "age"), ("ålder", "age"), ("年龄", "age"),
        ("race", "race"), ("ethnicity", "race"), ("raça", "race"), ("religione", "religion"), ("disability", "disability"),
        ("Staatsangehörigkeit", "nationality"), ("foreign_worker", "nationality"), ("native-country", None),
        ("marital-status", "marital status"), ("état civil", "marital status"), ("personal_status", "marital status"),
        ("wage", None), ("mortgage", None), ("average", None), ("Origin", None), ("usage", None), ("income", None),
    ],
)  # fmt: skip
def test_names_that_look_protected(name: str, kind: str | None) -> None:
    assert protected_kind(name) == kind


def test_guesses_come_with_reasons_and_say_what_is_left_free(write: Write) -> None:
    path = write("sex,age,pay\n" + "".join(f"{'fm'[i % 2]},{20 + i % 40},{i % 9}.5\n" for i in range(60)))
    found = infer_schema(path)
    assert found.reasons == {
        "sex": "2 different texts",
        "age": "40 different whole numbers",
        "pay": "9 different numbers with 1 decimal",
    }
    assert "why" in found.summary() and "40 different whole numbers" in found.summary()
    assert "sex, age look protected (sex, age) and are left free" in found.notes[-1]
    assert "left free" not in infer_schema(path, immutable=["sex", "age"]).summary()


@pytest.mark.parametrize(
    ("kind", "ways"),
    [
        ({"kind": ColumnKind.CATEGORICAL, "levels": ("a", "b")}, "'drop', 'fill' or 'level'"),
        (
            {"kind": ColumnKind.REAL, "low": 0.0, "high": 1.0},
            "'drop', 'fill', or 'keep' where the model takes missing numbers",
        ),
    ],
)
def test_the_refusal_of_a_missing_cell_names_the_ways_that_its_kind_has(
    write: Write, kind: dict[str, Any], ways: str
) -> None:
    schema = TableSchema(
        columns=(Column(name="x", **kind), Column(name="y", kind=ColumnKind.REAL, low=0, high=9))
    )
    with pytest.raises(DataError) as caught:
        read_table(write("x,y\n,1\n"), schema=schema)
    assert str(caught.value).endswith(f"set `missing` in the schema to {ways}.")


def test_a_header_below_a_long_preface_is_found() -> None:
    preface = "# of a station\n\n" * 4000
    body = "#,name\n1,Ann\n2,Bob\n"
    assert without_preface(preface + body, delimiter=None) == (body, 8000)
