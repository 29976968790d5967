"""Shared changes of whole audits, against processes whose coverage has a closed form."""

import copy
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from bs4 import BeautifulSoup
from click.testing import CliRunner
from rich.console import Console

import cfsearch
from cfsearch import Settings
from cfsearch.audits.checking import check_run
from cfsearch.audits.conditions import fail_if
from cfsearch.audits.exchange.annex import annex_map
from cfsearch.audits.exchange.card import model_card, plain
from cfsearch.audits.gate import judge
from cfsearch.audits.reading import AuditDocument
from cfsearch.audits.shared.candidates import Move, SharedChange, points
from cfsearch.audits.shared.store import SHARED, load_shared
from cfsearch.audits.shared.words import change_words
from cfsearch.cli import main
from cfsearch.cli._shared import show_shared
from cfsearch.contracts.modality import PICTURES, ROWS
from cfsearch.contracts.space import SearchSpace
from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
from cfsearch.errors import DamagedError
from cfsearch.report import wording
from cfsearch.runs import checksums
from cfsearch.runs.directory import RunDirectory
from cfsearch.testing import FakeGenerator, FakeProvider

SEARCH: Settings = {"evaluations": 40, "population": 20, "label": "y", "immutable": ["sex"]}


def approve(rows: pd.DataFrame) -> np.ndarray:
    """Approved from 60 points on, whoever it is; women from 80 on."""
    bound = np.where(rows["sex"] == "woman", 80, 60)
    p = 1 / (1 + np.exp(-(rows["points"].to_numpy(float) - bound + 0.5)))
    return np.stack([1 - p, p], axis=1)


def applicants(n: int) -> pd.DataFrame:
    draw = np.random.default_rng(1)
    rows = pd.DataFrame({"points": draw.integers(0, 60, n), "sex": np.tile(["man", "woman"], n // 2)})
    best = pd.DataFrame(
        {"points": [100], "sex": ["man"], "y": ["yes"]}
    )  # so that the range of points reaches there
    return pd.concat([rows.assign(y="no"), best], ignore_index=True)


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> cfsearch.AuditResult:
    return cfsearch.audit(
        approve,
        applicants(48),
        target="yes",
        by=["sex"],
        out=tmp_path_factory.mktemp("shared") / "run",
        labels=["no", "yes"],
        scores="probabilities",
        **SEARCH,
    )


def test_coverage_is_what_the_rule_says(result: cfsearch.AuditResult) -> None:
    [row] = result.document["shared"]
    rows = applicants(48)
    with RunDirectory.read(result.path) as run:
        rows_of = [(r.name, r.front.row) for r in run.rows() if r.front is not None]
        points = {name: float(row[0]) for name, row in rows_of if row is not None}
        sex = dict(zip((r.name for r in run.rows()), rows["sex"], strict=False))
    kept = load_shared(result.path / SHARED)
    assert kept is not None
    [one] = kept
    assert (row["from"], row["to"], row["chosen_on"], row["measured_on"], row["left_out"]) == (
        "no",
        "yes",
        24,
        24,
        0,
    )
    assert not set(one.first.inputs) & set(one.second.inputs)
    assert row["queries"] == 24 * len(one.changes) + 24 * int(one.tried.sum()) <= 10_000
    change = row["sets"][0]["changes"][0]
    assert change["words"].startswith("points +") and change["variables"] == ["points"]
    added = int(change["words"].split("+")[1])
    truth = [
        points[n] + added >= (80 if sex[n] == "woman" else 60) and points[n] + added <= 100
        for n in one.second.inputs
    ]
    reachable = [points[n] + added <= 100 for n in one.second.inputs]
    assert change["alone"]["count"] >= sum(truth)
    assert change["held_back"] == len(reachable) - sum(reachable)
    # who would go beyond 100 is held at 100, which is enough
    assert change["alone"]["count"] == sum(t or not r for t, r in zip(truth, reachable, strict=True))


def test_groups_are_compared_on_the_same_changes(result: cfsearch.AuditResult) -> None:
    [row] = result.document["shared"]
    assert {s["name"] for s in row["sets"]} == {"", "man", "woman"}
    assert {g["name"] for g in row["groups"]} == {"man", "woman"}
    [compared] = row["comparisons"]
    assert compared["difference"]["value"] >= 0 and compared["p"] is not None
    frame = result.shared
    assert list(frame.columns[:5]) == ["model", "from", "to", "attribute", "group"]
    assert len(frame) == sum(len(s["changes"]) for s in row["sets"])


def test_a_gate_judges_the_coverage_and_a_file_holds_it(result: cfsearch.AuditResult, tmp_path: Path) -> None:
    [row] = result.document["shared"]
    last = row["sets"][0]["changes"][-1]["together"]
    judged = {j.title: j for j in judge(AuditDocument.read(result.path), [fail_if("shared_rate > 99%")])}
    whole = judged["shared_rate:no (model)"]
    assert whole.figure is not None
    assert (whole.figure.count, whole.figure.n) == (last["count"], last["n"])
    assert (whole.low, whole.high) == (last["rate"]["low"], last["rate"]["high"])
    [apart] = judge(AuditDocument.read(result.path), [fail_if("shared_gap:no@sex > 90%")])
    assert apart.figure is not None
    assert apart.figure.value == pytest.approx(abs(row["comparisons"][0]["difference"]["value"]))
    for table, rows in (("shared", len(result.shared)), ("figures", None)):
        file = tmp_path / f"{table}.csv"
        words = ["export", str(result.path), "--format", "csv", "--table", table, "--out", str(file)]
        assert CliRunner().invoke(main, words).exit_code == 0
        written = pd.read_csv(file)
        assert rows is None or len(written) == rows
    found = written[(written["metric"] == "shared_rate") & written["group"].isna()]
    assert found["value"].tolist() == pytest.approx([last["rate"]["value"]])
    card = model_card(AuditDocument.read(result.path))
    assert "shared\\_rate:no" in card
    words = row["sets"][0]["changes"][0]["words"]
    assert f"change class by {plain(words)}" in annex_map(AuditDocument.read(result.path))


def test_check_computes_it_again_and_finds_what_was_forged(
    result: cfsearch.AuditResult, tmp_path: Path
) -> None:
    assert not check_run(result.path, page=False).findings
    copy = tmp_path / "copy"
    shutil.copytree(result.path, copy)
    document = json.loads((copy / "audit.json").read_text())
    document["shared"][0]["sets"][0]["changes"][0]["alone"]["count"] += 1
    (copy / "audit.json").write_text(json.dumps(document))
    assert any("`shared`" in finding.message for finding in check_run(copy, page=False).findings)
    del document["shared"]  # left out as a whole
    (copy / "audit.json").write_text(json.dumps(document))
    checksums.seal(copy)
    assert any("`shared`" in finding.message for finding in check_run(copy, page=False).findings)
    (copy / SHARED).write_bytes(b"\0" * 64)
    with pytest.raises(DamagedError):
        load_shared(copy / SHARED)


@pytest.mark.parametrize("queries", [0, 100])
def test_too_few_queries_leave_it_out(tmp_path: Path, queries: int) -> None:
    found = cfsearch.audit(
        approve,
        applicants(20),
        target="yes",
        out=tmp_path,
        labels=["no", "yes"],
        scores="probabilities",
        shared_queries=queries,
        **SEARCH,
    )
    assert "shared" not in found.document and found.shared.empty


def test_pictures_flip_where_their_mean_passes_the_middle(tmp_path: Path) -> None:
    """Greys below the middle; a change lightens channels, and the model calls a picture bright from a mean of 0.5 on."""
    greys = [np.full((16, 16, 3), level, np.uint8) for level in range(40, 120, 4)]
    result = cfsearch.audit(
        FakeProvider(), greys, out=tmp_path, generator=FakeGenerator(), evaluations=40, population=20
    )
    [row] = result.document["shared"]
    kept = load_shared(tmp_path / SHARED)
    assert kept is not None
    [one] = kept
    assert (row["from"], row["to"], row["chosen_on"], row["measured_on"]) == ("dark", None, 10, 10)
    level = {
        name: (40 + 4 * i) / 255 for i, name in enumerate(r["name"] for r in result.document["instances"])
    }
    ramp = np.linspace(-1.0, 1.0, 16)[:, None]
    for trials, tried in (
        (one.first, range(len(one.changes))),
        (one.second, one.tried.nonzero().flatten().tolist()),
    ):
        for c in tried:
            step = {move.variable: move.value for move in one.changes[c].moves}
            for i, name in enumerate(trials.inputs):
                made = np.full((3, 16, 16), level[name]) + step.get("slope", 0.0) * ramp
                for j, channel in enumerate(("red", "green", "blue")):
                    made[j] += step.get(channel, 0.0)
                mean = np.rint(made.clip(0, 1) * 255).mean() / 255
                if abs(mean - 0.5) > 0.001:
                    assert bool(trials.flips[c, i]) is bool(mean > 0.5)
    words = row["sets"][0]["changes"][0]["words"]
    assert words.split()[0].lstrip("+-") in ("red", "green", "blue", "slope")


def test_page_and_terminal_show_them(result: cfsearch.AuditResult) -> None:
    [row] = result.document["shared"]
    first = row["sets"][0]["changes"][0]
    page = BeautifulSoup(result.report().read_text(), "html.parser")
    section = page.find(id="shared")
    assert section is not None
    line = section.select_one("table tbody tr")
    assert line is not None
    cells = [cell.get_text() for cell in line.find_all(["th", "td"])]
    assert cells[0] == first["words"] and cells[-1] == str(first["held_back"])
    assert cells[1] == wording.percent(first["alone"]["rate"]["value"])
    assert cells[4] == wording.span(first["together"]["rate"])
    assert f"{row['candidates']} changes were tried, with {row['queries']} queries" in section.get_text()
    console = Console(width=120, record=True, file=io.StringIO())
    show_shared(console, result.document, noun="row")
    printed = console.export_text()
    assert f"{first['alone']['count']}/{first['alone']['n']}" in printed and first["words"] in printed
    assert "man less woman" in printed
    few = copy.deepcopy(result.document)
    few["shared"][0]["sets"][0]["changes"][0]["alone"] |= {"count": 1, "n": 9}
    show_shared(console, few, noun="row")
    lines = console.export_text().splitlines()
    [heading] = (line for line in lines if "alone" in line and "with those above" in line)
    [figure] = (line for line in lines if " 1/9 " in line)
    assert heading.index("alone ") + len("alone") == figure.index("1/9 ") + len("1/9"), "counts end alike"


def test_words_of_changes_of_columns() -> None:
    schema = TableSchema(
        columns=(
            Column(name="income", kind=ColumnKind.INTEGER, low=0.0, high=90000.0, unit="EUR"),
            Column(name="job", kind=ColumnKind.CATEGORICAL, levels=("clerk", "cook")),
            Column(name="grade", kind=ColumnKind.ORDINAL, levels=("a", "b", "c")),
        )
    )
    moves = (
        Move(0, "income", "+", "by", 7500.0),
        Move(1, "job", "~", "to", 1.0),
        Move(2, "grade", "-", "by", -1.0),
    )
    words = change_words(SharedChange(moves, 1), modality=ROWS, schema=schema)
    assert words == "income +7,500 EUR and job -> cook and grade -1 level"
    picture = SharedChange((Move(0, "Eyeglasses", "+", "to", 1.02),), 1)
    assert change_words(picture, modality=PICTURES, schema=None) == "+Eyeglasses to 1.02"


def test_a_value_is_set_and_one_further_on_is_left_alone() -> None:
    origin = torch.tensor([[0.2, 1.4]])
    space = SearchSpace(
        names=("a", "b"), lower=torch.full((1, 2), -2.0), upper=torch.full((1, 2), 2.0), origin=origin
    )
    change = SharedChange((Move(0, "a", "+", "to", 1.0), Move(1, "b", "+", "to", 1.0)), 1)
    assert points([change], space)[0, 0].tolist() == pytest.approx([0.8, 0.0])
    down = SharedChange((Move(0, "a", "-", "to", 1.0), Move(1, "b", "-", "to", 1.0)), 1)
    assert points([down], space)[0, 0].tolist() == pytest.approx([0.0, -0.4])
