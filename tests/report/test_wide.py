"""The page of a very wide table: it does not grow with columns, and says what it leaves out and where that stands."""

import json
import math
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import torch

from cfsearch.contracts.records import Reason
from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
from cfsearch.fronts.front import ParetoFront
from cfsearch.report.cells import build_cells
from cfsearch.report.page import asset, build_page
from cfsearch.report.plan import MOST_LINES, ceiling

from .conftest import Audit, build_audit, parsed, wilson

MEMBERS = 6


def wide(d: int, *, changed: int, name: str = "row 0", described: bool = True) -> ParetoFront:
    """A front of one row with ``d`` columns, of which each member changes ``changed``, by less and less."""
    names = tuple(f"gene_{j:05}" for j in range(d))
    schema = TableSchema(
        columns=tuple(Column(name=n, kind=ColumnKind.INTEGER, low=0.0, high=99.0) for n in names)
    )
    z = torch.zeros(MEMBERS, d)
    z[:, :changed] = torch.linspace(0.5, 0.1, changed)
    rows = 10.0 + (z > 0) * torch.arange(1.0, MEMBERS + 1)[:, None]
    p = torch.linspace(0.6, 0.9, MEMBERS)
    scores = torch.stack([1 - p, p], dim=1).log()
    words = tuple(
        tuple(f"{names[j]} 10 -> {int(rows[i, j])}" for j in range(changed)) for i in range(MEMBERS)
    )
    return ParetoFront(
        name=name,
        labels=("no", "yes"),
        source=0,
        target=None,
        variables=names,
        objectives=("adversarial", "gower"),
        units=("nat", "share"),
        z=z,
        f=torch.stack([-p, torch.arange(MEMBERS).float()], dim=1),
        origin_values=torch.full((d,), 10.0),
        scores=scores,
        original_scores=torch.tensor([0.8, 0.2]).log(),
        reconstruction_scores=torch.tensor([0.8, 0.2]).log(),
        verified=torch.ones(MEMBERS, dtype=torch.bool),
        images=None,
        original=None,
        reconstruction=None,
        origins=("nsga2",) * MEMBERS,
        reason=Reason.BUDGET,
        reference_point=torch.tensor([6.0, 9.0]),
        evaluations=1,
        described=words if described else (),
        row=torch.full((d,), 10.0, dtype=torch.float64),
        rows=rows.double(),
        extra={"schema": schema.to_dict()},
    )


def figure(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1}


def audited(d: int, *, changed: int, described: bool = True) -> Audit:
    """An audit of two such rows, with every part of its document that has an entry a column."""
    fronts = [wide(d, changed=changed, name=f"row {i}", described=described) for i in range(2)]
    made = build_audit(fronts)
    document, names = made.document, list(fronts[0].variables)
    moved = names[:changed]
    counted = {"count": 1, "n": 2, "rate": wilson(1, 2)}
    document["inputs"], document["effects"] = "rows", []
    document["generator"]["variables"], document["search"]["immutable"] = names, names[-d // 2 :]
    document["changes"] = [
        {"model": "first", "variable": name, "direction": "+", **counted} for name in moved
    ]
    document["contributions"] = [
        {
            "model": "first", "inputs": 2, "left_out": 0, "queries": 9,
            "variables": [
                {
                    "variable": name, "flips": 2, "sufficient": counted, "necessary": counted,
                    "shapley": {"n": 2, "share": None, "logits": None, "sampling_error": 0.0},
                }
                for name in moved
            ],
        }
    ]  # fmt: skip
    effect = {"logits": figure(0.5), "probability": figure(0.1), "n": 2, "reading": "leans", "p": 0.01}
    document["practical"] = 0.25
    document["columns"] = [
        {
            "model": "first", "column": "sex", "kind": "sex", "guessed": False, "taken": False, "label": "yes", "note": "",
            "unknown": 0, "left_out": [], "clipped": False, "because": "", "linked": [], "flips_alone": None, "members": None,
            "cost": None, "groups": [], "through": {"because": ""},
            "comparisons": [
                {
                    "name": "f", "against": "m", "effect": None, "linked": None, "through": effect, "by_group": [],
                    "proxies": [{"column": n, **effect, "logits": figure(0.5 / (1 + j))} for j, n in enumerate(moved)],
                }
            ],
        }
    ]  # fmt: skip
    part = {"instances": 20, "searched": 20, "decided": wilson(9, 20), "found_rate": wilson(9, 20)}
    document["groups"] = [
        {
            "model": "first", "attribute": "sex", "note": "", "family": 4, "comparisons": [],
            "groups": [{"name": one, **part} for one in ("f", "m")],
            "changes": [
                {
                    "variable": n, "direction": "+", "comparisons": [],
                    "groups": [{"name": one, "rate": wilson(9, 20)} for one in ("f", "m")],
                }
                for n in moved
            ],
        }
    ]  # fmt: skip
    return made


def size(d: int, *, changed: int, described: bool = True) -> int:
    made = audited(d, changed=changed, described=described)
    return len(build_page(made.document, made.instances).encode())


@pytest.mark.parametrize("described", [True, False], ids=["in its words", "in ours"])
def test_columns_that_nothing_changes_do_not_make_the_page_larger(described: bool) -> None:
    few, many = (size(d, changed=5, described=described) for d in (600, 6000))
    assert many < few + 1000


@pytest.mark.parametrize("described", [True, False], ids=["in its words", "in ours"])
def test_columns_that_all_change_make_it_no_larger_than_a_page_may_be(described: bool) -> None:
    few, many = (size(d, changed=d, described=described) for d in (600, 6000))
    assert many < few + 1000 and many < ceiling(2)


def test_the_page_says_what_it_leaves_out_and_where_that_stands() -> None:
    made = audited(1000, changed=700)
    soup = parsed(build_page(made.document, made.instances))
    text = " ".join(soup.get_text().split()).replace("\u202f", " ")
    assert f"The {MOST_LINES} most frequent are listed; 500 rarer ones stand in audit.json (changes)." in text
    assert "500 that are changed more rarely stand in audit.json (contributions)." in text
    assert "500 columns more do less than these; they stand in audit.json (columns)." in text
    assert "500 changes more by sex stand in audit.json (groups)." in text
    assert f"Of each member at most {MOST_LINES} changes are named here, and the others counted." in text
    assert "500 columns more change in some of these; the table has those that most of them change." in text
    assert "and 100 columns more." in text  # of 300 that stay
    assert "and 300 others, which audit.json names" in text
    lines = soup.select("#articles table.cells tbody tr:not(.p)")
    assert len(lines) == 2 * MOST_LINES and "gene_00000" in lines[0].get_text()
    [example, *_] = soup.select("figure.example")
    assert len(example.select("tbody tr:not(.p)")) == MOST_LINES
    assert "500 columns more change in it or in others." in " ".join(example.get_text().split())


def test_a_narrow_page_leaves_out_nothing_and_says_nothing_of_it() -> None:
    made = audited(MOST_LINES, changed=MOST_LINES)
    text = parsed(build_page(made.document, made.instances)).get_text()
    for words in ("stand in audit.json", "are named here", "more change in some", "which audit.json names"):
        assert words not in text


def test_cells_that_the_most_members_change_come_first() -> None:
    front = wide(6, changed=4)
    rows = front.rows
    assert rows is not None
    rows[:-1, 0] = 10.0  # one member changes it
    rows[0, 2] = 10.0  # all but one
    cells = build_cells(front, range(MEMBERS), most=1)
    assert cells is not None
    assert [line.column for line in cells.changed] == ["gene_00001"]
    assert (cells.kept, cells.changed_more, cells.kept_more) == ((("gene_00004", "10"),), 3, 1)
    two = build_cells(front, range(MEMBERS), most=3)
    assert two is not None and [line.column[-1] for line in two.changed] == ["1", "2", "3"]


SCRIPT = """
const document = { getElementById: () => ({ textContent: require("fs").readFileSync(0, "utf8") }) };
%s
const front = data.fronts[0];
const whole = measures(front);
console.log(JSON.stringify({
  words: changes(front, 0).map(withValues),
  counts: whole.find((m) => m.id === "#changed").values,
  sizes: whole.find((m) => m.id === "#size").values,
}));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="needs node")
@pytest.mark.parametrize("described", [True, False], ids=["in its words", "in ours"])
def test_the_script_counts_what_it_does_not_name(tmp_path: Path, described: bool) -> None:
    made = audited(1000, changed=700, described=described)
    page = parsed(build_page(made.document, made.instances))
    (tmp_path / "s.js").write_text(SCRIPT % asset(("data.js",)))
    done = subprocess.run(
        ["node", str(tmp_path / "s.js")],
        input=page.find("script", {"type": "application/json"}).string,
        text=True,
        capture_output=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout)
    assert found["counts"] == [700] * MEMBERS
    z = made.instances[0].front.z[0].tolist()
    assert found["sizes"] == pytest.approx([math.hypot(*z)] * MEMBERS, rel=1e-3)
    assert len(found["words"]) == MOST_LINES + 1 and found["words"][-1] == "and 500 more"
    last = made.instances[0].front.variables[MOST_LINES - 1]
    assert found["words"][MOST_LINES - 1].casefold().startswith(last)
