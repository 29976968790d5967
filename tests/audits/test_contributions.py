"""Contributions of changes: models whose necessity, sufficiency and Shapley shares are known, and an audit of rows."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from jsonschema import Draft202012Validator
from torch import Tensor

import cfsearch
from cfsearch.audits.checking import check_run
from cfsearch.audits.conditions import fail_if
from cfsearch.audits.contributing import (
    Contribution,
    MeasuredContributions,
    Tried,
    contribution_of,
    most_queries_of,
)
from cfsearch.audits.contributions import contribution_rows
from cfsearch.audits.contributions_file import load_contributions, save_contributions
from cfsearch.audits.gate import PASS, judge
from cfsearch.audits.reading import AuditDocument
from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
from cfsearch.engine.search import Search
from cfsearch.fronts.front import ParetoFront
from cfsearch.generators.rows.generator import Rows
from cfsearch.numerics.shapley import Shapley
from cfsearch.objectives import Adversarial, Changed, Gower, Intensity
from cfsearch.providers.budget import CountingProvider
from cfsearch.report import wording
from cfsearch.runs import checksums
from cfsearch.schemas import schema
from cfsearch.solvers.random import RandomSearch
from cfsearch.testing import FakeGenerator, FakeProvider

NAMES = ("a", "b", "c")
SCHEMA = TableSchema(columns=tuple(Column(name=n, kind=ColumnKind.REAL, low=0.0, high=1.0) for n in NAMES))
WEIGHTS = torch.tensor([6.0, 3.0, -1.0], dtype=torch.float64)


class Model(Provider):
    """Logits (0, f(row))."""

    def __init__(self, f: Callable[[Tensor], Tensor], scores: ScoreKind = ScoreKind.LOGITS) -> None:
        self.name, self.labels, self.max_batch = "model", ("no", "yes"), 1000
        self.scores, self._f = scores, f

    @property
    def fingerprint(self) -> str:
        return "0"

    def predict(self, x: Tensor) -> Tensor:
        t = self._f(x.double())
        scores = torch.stack([torch.zeros_like(t), t], dim=1)
        if self.scores is ScoreKind.LABELS:
            return torch.nn.functional.one_hot(scores.argmax(1), 2).to(x.dtype)
        return scores.to(x.dtype)


def both(x: Tensor) -> Tensor:
    return 20.0 * (torch.minimum(x[:, 0], x[:, 1]) - 0.5)


def either(x: Tensor) -> Tensor:
    return 20.0 * (torch.maximum(x[:, 0], x[:, 1]) - 0.5)


def linear(x: Tensor) -> Tensor:
    return x @ WEIGHTS - 5.0


def measured(f: Callable[[Tensor], Tensor], z: list[float], **kind: ScoreKind) -> tuple[Contribution, int]:
    """The contributions of one member that changes a row of 0.2 by ``z``, and the queries that reached the model."""
    model = CountingProvider(Model(f), 10**6)
    search = Search(
        Model(f), Rows(SCHEMA), [Adversarial(), Gower(), Changed()], lambda n: RandomSearch(population=n), evaluations=60
    )  # fmt: skip
    x = torch.full((1, 3), 0.2, dtype=torch.float64)
    [front] = search.run(x, names=["row"])
    assert isinstance(front, ParetoFront)
    at = torch.tensor([z], dtype=front.z.dtype)
    one = replace(
        front, z=at, f=front.f[:1], rows=x + at.double(), scores=Model(f).predict(x + at.double()).float(),
        verified=torch.tensor([True]), origins=("me",), described=(),
    )  # fmt: skip
    bare: Provider = Model(f, **kind) if kind else model
    found = contribution_of(one, search, bare)
    assert found.queries <= most_queries_of(one, scored=not kind)
    return found, 10**6 - (model.remaining or 0)


@pytest.mark.parametrize(
    ("f", "sufficient", "necessary"), [(both, False, True), (either, True, False)], ids=["and", "or"]
)
def test_of_and_each_is_necessary_and_of_or_each_is_sufficient(
    f: Callable[[Tensor], Tensor], sufficient: bool, necessary: bool
) -> None:
    found, queries = measured(f, [0.6, 0.6, 0.3])
    assert found.tried["a"] == found.tried["b"] == Tried(sufficient, necessary)
    assert found.tried["c"] == Tried(sufficient=False, necessary=False), "which does nothing"
    assert found.shapley is not None and found.shapley.shares.tolist() == pytest.approx(
        [0.5, 0.5, 0.0], abs=1e-5
    )
    assert found.queries == queries == 6 + 8


def test_shapley_values_of_a_linear_model_are_its_weights_times_the_changes() -> None:
    found, _ = measured(linear, [0.7, 0.5, -0.2])
    own = WEIGHTS * torch.tensor([0.7, 0.5, -0.2], dtype=torch.float64)
    assert found.shapley is not None and found.changed == NAMES
    assert torch.allclose(found.shapley.values, own, atol=1e-5)
    assert torch.allclose(found.shapley.shares, own.abs() / own.abs().sum(), atol=1e-5)
    assert found.tried["c"] == Tried(sufficient=False, necessary=False)
    assert found.tried["a"] == Tried(sufficient=4.2 + 1.6 > 5.0, necessary=True)


def test_a_model_that_gives_labels_only_has_no_shares() -> None:
    found, _ = measured(both, [0.6, 0.6, 0.3], scores=ScoreKind.LABELS)
    assert found.shapley is None and found.changed == ()
    assert found.tried["a"] == Tried(sufficient=False, necessary=True)


def test_of_pictures_the_values_add_up_to_what_the_change_of_the_picture_does() -> None:
    model, generator = FakeProvider(), FakeGenerator()
    search = Search(
        model, generator, [Adversarial(), Intensity()], lambda n: RandomSearch(population=n), evaluations=200
    )
    [front] = search.run(torch.full((1, 3, 16, 16), 0.4), names=["grey"])
    assert isinstance(front, ParetoFront)
    found = contribution_of(front, search, model)
    closest = front.pick("closest")
    assert closest is not None and found.shapley is not None and set(found.changed) <= set(front.variables)
    member, copy = (
        float(scores[1] - scores[0]) for scores in (front.scores[closest], front.reconstruction_scores)
    )
    assert float(found.shapley.values.sum()) == pytest.approx(member - copy, abs=1e-4)
    assert set(found.tried) == {
        front.variables[j] for j in front.changed[front.valid].any(0).nonzero().flatten().tolist()
    }


def many(n: int, m: int) -> MeasuredContributions:
    """``n`` inputs that change a, of which ``m`` change b; a is always sufficient, b necessary in every second."""
    inputs = {}
    for i in range(n):
        tried = {"a": Tried(sufficient=True, necessary=False)}
        if i < m:
            tried["b"] = Tried(sufficient=False, necessary=i % 2 == 0)
        values = torch.tensor([3.0, 1.0] if i < m else [2.0], dtype=torch.float64)
        inputs[f"{i}"] = Contribution(tried, tuple(tried), Shapley(values, 0.125 * (values == 1.0)), 5)
    return MeasuredContributions(("a", "b", "c"), inputs, 2)


def test_shares_carry_intervals_and_few_inputs_have_none() -> None:
    [entry] = contribution_rows("m", many(20, 10))
    assert (entry["inputs"], entry["left_out"], entry["queries"]) == (20, 2, 100)
    a, b = entry["variables"]
    assert (a["variable"], a["flips"], b["variable"], b["flips"]) == ("a", 20, "b", 10)
    assert a["sufficient"] == {"count": 20, "n": 20, "rate": {"value": 1.0, "low": 0.838875, "high": 1.0}}
    assert b["necessary"]["rate"] == pytest.approx({"value": 0.5, "low": 0.236593, "high": 0.763407})
    assert b["shapley"]["share"] == {"value": 0.25, "low": 0.25, "high": 0.25}
    assert a["shapley"]["share"]["value"] == 0.875 and a["shapley"]["logits"]["value"] == 2.5
    assert (a["shapley"]["sampling_error"], b["shapley"]["sampling_error"]) == (0.0, 0.125)
    few = contribution_rows("m", many(20, 9))[0]["variables"][1]
    assert few["necessary"] == {"count": None, "n": 9, "rate": None}
    assert few["shapley"]["share"] is None and few["shapley"]["logits"] is None
    assert contribution_rows("m", None) == []


def audited(folder: Path, queries: int) -> cfsearch.AuditResult:
    draw = np.random.default_rng(4)
    frame = pd.DataFrame(draw.uniform(0.05, 0.45, (16, 3)), columns=list(NAMES))
    frame.iloc[0] = 0.0  # the ends of the ranges of the guessed schema
    frame.iloc[1] = 1.0

    def model(table: pd.DataFrame) -> np.ndarray:
        return both(torch.tensor(table.to_numpy(dtype=np.float64))).sigmoid().numpy()

    return cfsearch.audit(
        model, frame, out=folder, labels=("no", "yes"), target="yes", evaluations=200, population=20,
        contribution_queries=queries, shared_queries=0, isolate=False,
    )  # fmt: skip


def test_an_audit_of_rows_says_what_each_change_contributes(tmp_path: Path) -> None:
    result = audited(tmp_path / "run", 2000)
    [entry] = result.document["contributions"]
    assert not list(
        Draft202012Validator(schema("audit")).iter_errors(
            json.loads((tmp_path / "run/audit.json").read_text())
        )
    )
    assert entry["inputs"] == 15 and entry["left_out"] == 0 and entry["queries"] <= 2000
    rows = {row["variable"]: row for row in entry["variables"]}
    for name in ("a", "b"):
        assert (
            rows[name]["sufficient"]["count"] == 0
            and rows[name]["necessary"]["count"] == rows[name]["flips"] == 15
        )
    conditions = (
        "contribution_necessity:a < 50%",
        "contribution_sufficiency:a > 30%",
        "contribution:a > 99%",
    )
    judged = judge(AuditDocument.read(result.path), [fail_if(one) for one in conditions])
    assert [one.result for one in judged] == [PASS, PASS, PASS]
    assert judged[0].low == pytest.approx(0.796, abs=1e-3) and judged[0].figure is not None
    assert judged[2].figure is not None and judged[2].figure.n == 15
    frame = result.contributions.set_index("variable").to_dict("index")
    assert frame["a"]["necessary"] == 1.0 and frame["a"]["necessary_low"] == pytest.approx(0.796, abs=1e-3)
    assert frame["a"]["share"] + frame["b"]["share"] > 0.95
    page = result.report().read_text(encoding="utf-8")
    assert "What each change contributes" in page and "<em>necessary</em> where the flip is lost" in page
    assert f"{wording.percent(0.0)} (0 to 20" in page


def test_kept_contributions_are_those_that_were_measured(tmp_path: Path) -> None:
    shared = Shapley(torch.tensor([0.75, -0.25]), torch.tensor([0.0, 0.125]))
    measured = MeasuredContributions(
        ("a", "b", "c"),
        {
            "one": Contribution({"a": Tried(True, False), "c": Tried(False, True)}, ("a", "c"), shared, 9),
            "two": Contribution({"b": Tried(True, True)}, ("b",), None, 2),
            "three": Contribution({}, (), None, 0),
        },
        left_out=4,
    )
    again = load_contributions(save_contributions(tmp_path / "c.safetensors", measured))
    assert again is not None
    assert (again.variables, again.left_out, list(again.inputs)) == (
        measured.variables,
        4,
        list(measured.inputs),
    )
    for name, one in measured.inputs.items():
        other = again.inputs[name]
        assert (other.tried, other.changed, other.queries) == (one.tried, one.changed, one.queries)
        assert (other.shapley is None) == (one.shapley is None)
    kept = again.inputs["one"].shapley
    assert kept is not None and kept.values.tolist() == [0.75, -0.25] and kept.errors.tolist() == [0.0, 0.125]
    assert load_contributions(tmp_path / "none.safetensors") is None
    assert contribution_rows("m", again) == contribution_rows("m", measured)


def test_check_computes_contributions_again(tmp_path: Path) -> None:
    run = tmp_path / "run"
    audited(run, 2000)
    assert check_run(run).findings == ()
    kept = (run / "audit.json").read_text()

    def forge(change: Callable[[dict[str, Any]], None]) -> list[str]:
        document = json.loads(kept)
        change(document)
        (run / "audit.json").write_text(json.dumps(document))
        checksums.seal(run)  # whoever forges a figure can write the checksums anew
        return [finding.message for finding in check_run(run, page=False).findings]

    def entry(document: dict[str, Any]) -> dict[str, Any]:
        found: dict[str, Any] = document["contributions"][0]["variables"][0]
        return found

    for change in (
        lambda d: entry(d)["sufficient"].update(count=12),
        lambda d: entry(d)["shapley"]["share"].update(value=0.01),
        lambda d: d["contributions"][0].update(left_out=3),
        lambda d: d["contributions"][0]["variables"].pop(),
        lambda d: d.pop("contributions"),
    ):
        assert any("`contributions" in message for message in forge(change)), change
    (run / "audit.json").write_text(kept)
    (run / "contributions.safetensors").unlink()
    checksums.seal(run)
    [finding] = check_run(run, page=False).findings
    assert finding.part == "contributions.safetensors"


def test_queries_hold_it_back_and_none_leave_it_out(tmp_path: Path) -> None:
    few = audited(tmp_path / "few", 60).document["contributions"][0]
    assert few["queries"] <= 60 and few["inputs"] >= 1 and few["inputs"] + few["left_out"] == 15
    assert {row["necessary"]["rate"] for row in few["variables"]} == {None}
    none = audited(tmp_path / "none", 0)
    assert "contributions" not in none.document and none.contributions.empty
