"""Protected columns in an audit: in its document, on its page, in a gate, and computed again by a check."""

import json
import shutil
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from safetensors.torch import load_file, save_file

import cfsearch
from cfsearch.audits.checking import check_run
from cfsearch.audits.conditions import fail_if
from cfsearch.audits.gate import judge
from cfsearch.audits.metrics import METRICS, catalogue
from cfsearch.audits.reading import AuditDocument
from cfsearch.runs import checksums
from cfsearch.schemas import schema

DIRECT = 1.5


def frame(n: int = 60) -> pd.DataFrame:
    draw = np.random.default_rng(1)
    return pd.DataFrame(
        {"sex": np.where(np.arange(n) % 2, "m", "f"), "income": (40 + 10 * draw.normal(size=n)).round(1)}
    )


def model(f: pd.DataFrame) -> "np.ndarray[tuple[int, int], np.dtype[np.float64]]":
    odds = DIRECT * (f["sex"] == "m").to_numpy(float) + 0.1 * (f["income"].to_numpy(float) - 45)
    p = 1 / (1 + np.exp(-odds))
    return np.stack([1 - p, p], axis=1)


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("columns")
    result = cfsearch.audit(
        model,
        frame(),
        out=folder / "run",
        labels=["no", "yes"],
        scores="probabilities",
        target="yes",
        protected=["sex"],
        evaluations=60,
        population=20,
    )
    result.report()
    return folder / "run"


def test_the_document_states_effects_members_and_cost(run: Path) -> None:
    document = json.loads((run / "audit.json").read_text())
    jsonschema.validate(document, schema("audit"))
    [row] = document["columns"]
    assert row["comparisons"][0]["effect"]["logits"]["value"] == pytest.approx(-DIRECT, abs=1e-5)
    [verdict] = document["verdicts"]
    assert verdict["reading"] == "leans" and verdict["variable"] == "sex" and verdict["protected"]
    costs = {g["name"]: g["mean"] for g in row["cost"]["groups"]}
    if costs["m"] is not None:
        assert costs["m"]["value"] < costs["f"]["value"]
    # a woman's flip by sex alone needs that change; where sex alone is enough is a matter of her income
    assert row["members"]["necessary"]["n"] == row["members"]["sufficient"]["n"]


def test_necessity_and_sufficiency_are_what_the_formula_gives(run: Path) -> None:
    members = load_file(run / "columns.safetensors")
    with cfsearch.RunDirectory.read(run) as stored:
        fronts = [row.front for row in stored.rows() if row.front is not None and row.status == "found"]
    assert len(fronts) == len(members["0 members cost"])
    for i, front in enumerate(fronts):
        assert front.rows is not None and front.row is not None
        valid = front.valid.nonzero().flatten()
        near = valid[front.sizes[valid].argsort(stable=True)][:8]
        sexes, income = front.rows[near, 0], front.rows[near, 1]
        moved = sexes != front.row[0]
        if not moved.any():
            assert members["0 members necessary"][i].isnan()
            continue
        odds = 0.1 * (income[moved] - 45) + DIRECT * float(front.row[0])  # the change of sex taken back
        assert members["0 members necessary"][i] == pytest.approx(float((odds <= 0).double().mean()))
        alone = 0.1 * (front.row[1] - 45) + DIRECT * sexes[moved]
        assert members["0 members sufficient"][i] == pytest.approx(float((alone > 0).double().mean()))


def test_the_page_says_it_first_and_shows_every_figure(run: Path) -> None:
    page = BeautifulSoup((run / "report.html").read_text(), "html.parser")
    headline = page.select_one("#summary-title")
    assert headline is not None and "leans on sex directly" in headline.get_text()
    section = page.select_one("#protected")
    assert section is not None
    text = section.get_text(" ", strip=True)
    assert "sex alone" in text and "all other columns together" in text and "income" in text
    assert "holds all other columns" in text


def test_conditions_can_be_put_on_it(run: Path) -> None:
    document = AuditDocument.read(run)
    figures = {figure.name: figure for figure in catalogue(document)}
    assert {f.metric for f in figures.values()} <= set(METRICS)
    for name in ("effect:sex", "abs_effect:sex", "through:sex", "proxy:sex@income", "flip_rate:sex", "p:sex"):
        assert figures[name].value is not None, name
    [bad] = judge(document, [fail_if("|effect:protected| > 0.5")])
    assert bad.result == "fail"
    [good] = judge(document, [fail_if("|effect:sex| > 2")])
    assert good.result == "pass"


def test_a_check_computes_every_figure_again_and_finds_another_one(run: Path, tmp_path: Path) -> None:
    assert check_run(run).findings == ()
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    file = copy / "columns.safetensors"
    from safetensors import safe_open

    with safe_open(file, framework="pt") as opened:
        meta = opened.metadata()
    tensors = load_file(file)
    tensors["0 odds"][:, 0] += 1.0
    save_file(tensors, file, metadata=meta)
    found = [f.message for f in check_run(copy).findings]
    assert any("`columns`" in message for message in found)
    assert any("`verdicts`" in message for message in found)


def test_a_check_misses_columns_that_were_left_out_as_a_whole(run: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy"
    shutil.copytree(run, copy)
    document = json.loads((copy / "audit.json").read_text())
    del document["columns"], document["verdicts"]
    (copy / "audit.json").write_text(json.dumps(document))
    checksums.seal(copy)
    assert any("`columns`" in f.message for f in check_run(copy, page=False).findings)


def test_no_rows_measured_leaves_it_out(run: Path, tmp_path: Path) -> None:
    from cfsearch.assembly.table import open_table
    from cfsearch.audits.columns.result import measured_table
    from cfsearch.config import Config
    from cfsearch.testing import FakeProvider

    frame(24).to_csv(tmp_path / "t.csv", index=False)
    config = Config.check(
        {"model": {"path": "m"}, "data": {"table": str(tmp_path / "t.csv")}, "audit": {"effect_rows": 0}},
        where="test",
    )
    table = open_table(config)
    assert table.protected and config.audit.effect_rows == 0
    assert measured_table(FakeProvider(), table, target=None, rows=config.audit.effect_rows) == []


def test_a_group_that_the_rows_measured_would_miss_is_measured_all_the_same(tmp_path: Path) -> None:
    """Eleven men of 1,500 rows, none of them among the thousand that are spread over the table."""
    rows = frame(1500)
    spread = set(np.linspace(0, 1499, 1000).round().astype(int).tolist())
    men = [i for i in range(1500) if i not in spread][:11]
    rows["sex"] = ["m" if i in men else "f" for i in range(1500)]
    result = cfsearch.audit(
        model, rows, out=tmp_path / "run", labels=["no", "yes"], scores="probabilities", protected=["sex"], target="yes",
        decided="no", limit=2, evaluations=20, population=10,
    )  # fmt: skip
    [row] = result.document["columns"]
    assert row["groups"] == [{"name": "f", "instances": 1000}, {"name": "m", "instances": 10}]
    [c] = row["comparisons"]
    assert (row["n"], c["effect"]["n"], c["through"]["n"]) == (1000, 1000, 1010)
    assert c["effect"]["logits"]["value"] == pytest.approx(-DIRECT, abs=1e-6)
    assert [part["n"] for part in c["by_group"]] == [1000, 10]
    chosen = [men[i] for i in np.linspace(0, 10, 10).round().astype(int)]
    income = rows["income"].to_numpy(float)
    gap = 0.1 * (income[sorted(spread)].mean() - income[chosen].mean())
    assert c["through"]["logits"]["value"] == pytest.approx(gap, abs=1e-5)
    found = check_run(tmp_path / "run", page=False)
    assert (found.findings, found.notes) == ((), ())
