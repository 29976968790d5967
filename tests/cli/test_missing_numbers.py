"""Rows with a missing number that the model takes: nothing calls it a change, and every document can be written."""

import json
from pathlib import Path

import pytest
from bs4 import BeautifulSoup

from .conftest import Call

MODEL = """
import numpy as np

def predict(frame):
    income = frame["income"].fillna(30.0).to_numpy()
    p = 1 / (1 + np.exp(-(frame["age"].to_numpy() + income - 80.0) / 10))
    return np.stack([1 - p, p], axis=1)
"""
SCHEMA = """
[[columns]]
name = "age"
kind = "integer"
range = [18, 90]

[[columns]]
name = "income"
kind = "integer"
range = [10, 90]
missing = "keep"

[[columns]]
name = "rooms"
kind = "integer"
range = [1, 9]
"""
ROWS = ["30,,2", "31,40,3", "60,,4", "70,20,5", "42,33,6", "55,44,7"]
WORDS = ("--model", "lender:predict", "--data", "t.csv", "--threads", 1, "--no-isolation")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "t.csv").write_text("\n".join(["age,income,rooms", *ROWS]) + "\n")
    (tmp_path / "t.schema.toml").write_text(SCHEMA)
    (tmp_path / "lender.py").write_text(MODEL)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(__import__("sys").modules, "lender", raising=False)
    return tmp_path


def test_pages_and_exports_of_a_run_keep_what_is_missing(call: Call, place: Path) -> None:
    fast = ("--evaluations", 120, "--population", 30)
    done = call("audit", *WORDS, *fast, "--limit", 2, "--out", "run")
    assert done.code == 0, done.err
    page = BeautifulSoup((place / "run" / "report.html").read_text(), "html.parser").get_text(" ")
    page = " ".join(page.split())
    assert "income missing" in page
    assert "missing missing" not in page
    assert call("export", "run", "--format", "jsonl", "--out", "run.jsonl").code == 0
    rows = [json.loads(line) for line in (place / "run.jsonl").read_text().splitlines()]
    first = [row for row in rows if row["name"] == "row 0"]
    assert first
    assert all(row["original_income"] is None and row["value_income"] is None for row in first)
    assert any(row["value_income"] == row["original_income"] == 40 for row in rows if row["name"] == "row 1")
    assert call("export", "run", "--format", "csv", "--out", "run.csv").code == 0
    assert "nan" not in (place / "run.csv").read_text()


def test_a_referee_counts_what_stays_missing_as_unchanged(call: Call, place: Path) -> None:
    theirs = ["original,age,income,rooms", "0,80,,2", "0,80,50,2", "1,60,,3", "1,60,40,3"]
    (place / "theirs.csv").write_text("\n".join(theirs) + "\n")
    words = (word for word in WORDS if word not in ("--threads", 1))
    answer = call("judge", "theirs.csv", *words, "--out", "page.html", "--json")
    assert answer.code == 0, answer.err
    first, second = answer.document["inputs"]
    assert first["original"] == {"age": 30, "income": None, "rooms": 2}
    assert [one["changed"] for one in (*first["theirs"], *second["theirs"])] == [1, 2, 2, 1]
    assert [one["broken"] for one in (*first["theirs"], *second["theirs"])] == [
        [],
        ["income is missing, and must stay so"],
        ["income must not become missing"],
        [],
    ]
    assert "income missing" in BeautifulSoup((place / "page.html").read_text(), "html.parser").get_text()
