"""F31 to F36 and F42: tables that are wrong, and rules that no counterfactual breaks."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import skops.io
from click.testing import CliRunner, Result
from sklearn.compose import make_column_transformer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder

from cfsearch.cli import main

Run = Callable[..., Result]
JOBS = ("clerk", "nurse", "smith")


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    n = 60
    rows = pd.DataFrame(
        {
            "age": rng.integers(20, 70, n),
            "income": rng.integers(1000, 5000, n) / 2,
            "job": rng.choice(JOBS, n),
        }
    )
    good = rows["income"] + 20 * rows["age"] + 300 * (rows["job"] == "nurse") > 2300
    return rows.assign(decision=np.where(good, "yes", "no"))


@pytest.fixture
def folder(tmp_path: Path, table: pd.DataFrame, monkeypatch: pytest.MonkeyPatch) -> Path:
    encoder = make_column_transformer(
        (OneHotEncoder(handle_unknown="ignore"), ["job"]), remainder="passthrough"
    )
    model = make_pipeline(encoder, LogisticRegression(max_iter=2000))
    skops.io.dump(model.fit(table[["age", "income", "job"]], table["decision"]), tmp_path / "m.skops")
    monkeypatch.setattr("cfsearch.cli._settings.ISOLATED_BY_DEFAULT", False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def run(folder: Path) -> Run:
    def call(command: str, rows: pd.DataFrame, *words: object) -> Result:
        rows.to_csv(folder / "t.csv", index=False)
        model = ("m.skops",) if command == "search" else ("--model", "m.skops")
        label = () if "--schema" in words else ("--label", "decision")
        every = (command, *model, "--data", "t.csv", *label, *words)
        size = ("--evaluations", 120, "--population", 20, "--threads", 1)
        return CliRunner().invoke(main, [str(word) for word in (*every, *size)], catch_exceptions=False)

    return call


def with_cell(table: pd.DataFrame, column: str, cell: str) -> pd.DataFrame:
    rows = table.astype(object)
    rows.loc[7, column] = cell
    return rows


@pytest.mark.parametrize("cell", ["1,5", "inf", "-Infinity", "1e400", "abc", "12 000 EUR", "0x1F", "1.5.2"])
def test_f31_a_wrong_number_is_refused_with_its_place_and_two_ways_out(
    run: Run, table: pd.DataFrame, cell: str
) -> None:
    done = run("search", with_cell(table, "income", cell), "--row", 3)
    assert done.exit_code == 2
    assert "line 9, column 'income'" in done.stderr
    assert repr(cell) in done.stderr
    assert "--missing" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("word", ["N/A", "", "NULL", "nan"])
def test_f31_a_known_word_for_missing_is_no_number_and_is_noted(
    run: Run, table: pd.DataFrame, word: str
) -> None:
    done = run("search", with_cell(table, "income", word), "--row", 3, "--json")
    assert done.exit_code == 0, done.stderr
    assert "income: 1 rows have no number here" in done.stderr


def test_f32_a_level_that_the_model_never_saw_is_noted(run: Run, table: pd.DataFrame) -> None:
    done = run("search", with_cell(table, "job", "baker"), "--row", 3, "--json")
    assert done.exit_code == 0, done.stderr
    assert "its encoders never saw 'baker' in job" in done.stderr


def test_f32_a_level_that_the_schema_does_not_know_is_refused(
    run: Run, folder: Path, table: pd.DataFrame
) -> None:
    table.to_csv(folder / "t.csv", index=False)
    words = ["schema", "table", "t.csv", "--label", "decision", "--out", "t.schema.toml"]
    assert CliRunner().invoke(main, words).exit_code == 0
    done = run("search", with_cell(table, "job", "baker"), "--schema", "t.schema.toml", "--row", 7)
    assert done.exit_code == 2
    assert "'baker'" in done.stderr
    assert "job" in done.stderr


def test_f33_f34_no_stored_row_changes_what_is_held_or_leaves_its_kind(
    run: Run, folder: Path, table: pd.DataFrame
) -> None:
    done = run("audit", table, "--immutable", "age", "--limit", 8, "--out", "run", "--json")
    assert done.exit_code == 0, done.stderr
    words = ["export", "run", "--format", "csv", "--out", "members.csv"]
    assert CliRunner().invoke(main, words, catch_exceptions=False).exit_code == 0
    members = pd.read_csv("members.csv")
    assert len(members) > 8
    assert (members["change_age"] == 0).all()
    assert set(members["value_job"]) <= set(JOBS)
    twice = members["value_income"] * 2
    assert (twice == twice.round()).all()


def test_f36_rows_of_no_group_are_counted(run: Run, folder: Path, table: pd.DataFrame) -> None:
    rows = table.astype(object)
    rows.insert(0, "town", ["north", "south", "", "north", "south"] * 12)
    done = run("audit", rows, "--by", "town", "--limit", 30, "--out", "run", "--json")
    assert done.exit_code == 0, done.stderr
    [compared] = json.loads(done.stdout)["groups"]
    counts = {group["name"]: group["instances"] for group in compared["groups"]}
    assert sum(counts.values()) == 30
    assert counts.pop("north") == counts.pop("south") == 12
    assert list(counts.values()) == [6]  # those whose town is not known, a group of their own


def test_f42_labels_in_another_order_than_the_models_are_refused(
    run: Run, folder: Path, table: pd.DataFrame
) -> None:
    (folder / "m.toml").write_text('labels = ["yes", "no"]\n')
    done = run("search", table, "--row", 3)
    assert done.exit_code == 2
    assert "the labels yes, no stand in another order than the model's classes, no, yes" in done.stderr
