"""Robustness of the sparsest flips as a figure of an audit: by hand, from a run, judged, and checked."""

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from jsonschema import Draft202012Validator
from scipy.stats import binomtest

import cfsearch
from cfsearch.audits.checking import check_run
from cfsearch.audits.conditions import fail_if
from cfsearch.audits.gate import FAIL, PASS, UNSURE, judge
from cfsearch.audits.reading import AuditDocument
from cfsearch.audits.robust_flips import RobustnessTally
from cfsearch.fronts.front import ParetoFront
from cfsearch.runs import checksums
from cfsearch.schemas import schema

from .fronts import front_of


def tried(*shares: float, **parts: Any) -> ParetoFront:
    """A front whose first member changes one variable, the others two."""
    z = [[1.0, 0.0], *([[1.0, 1.0]] * (len(shares) - 1))]
    extra = {"robustness": {"changes": 4, "what": "a nudge"}}
    return front_of(z, robustness=torch.tensor(shares, dtype=torch.float64), extra=extra, **parts)


def tallied(*fronts: ParetoFront) -> list[dict[str, Any]]:
    tally = RobustnessTally()
    for front in fronts:
        tally.add(front, front.pick("sparsest"))
    return tally.rows("m")


def test_the_sparsest_flip_of_each_input_counts_once() -> None:
    [row] = tallied(tried(1.0, 0.0), tried(0.5, 1.0), tried(0.75), tried(0.75))
    mean = row.pop("mean")
    assert row == {"model": "m", "changes": 4, "what": "a nudge", "n": 4, "left_out": 0}
    low, high = binomtest(3, 4).proportion_ci(method="wilson")  # 3 of 4 have the same mean
    assert (mean["value"], mean["low"], mean["high"]) == pytest.approx((0.75, low, high), abs=1e-6)


def test_what_was_not_tried_is_left_out_and_counted() -> None:
    nobody = front_of(verified=[False])
    flips_before = tried(0.0, flips=True)
    [row] = tallied(tried(1.0), tried(math.nan, 0.5), front_of(), nobody, flips_before)
    assert (row["n"], row["left_out"], row["mean"]["value"]) == (1, 2, 1.0)
    [none] = tallied(tried(math.nan))
    assert (none["n"], none["left_out"], none["mean"]) == (0, 1, None)


def test_an_audit_without_small_changes_has_no_such_figure() -> None:
    assert tallied(front_of(), front_of()) == [] == tallied()


def audited(folder: Path, robustness: int) -> cfsearch.AuditResult:
    draw = np.random.default_rng(4)
    frame = pd.DataFrame(draw.uniform(0.05, 0.45, (14, 2)), columns=["a", "b"])
    frame.iloc[0] = 0.0  # the ends of the ranges of the guessed schema
    frame.iloc[1] = 1.0

    def model(table: pd.DataFrame) -> np.ndarray:
        p = 1 / (1 + np.exp(-20 * (table["a"].to_numpy() + table["b"].to_numpy() - 1)))
        return np.stack([1 - p, p], 1)

    return cfsearch.audit(
        model, frame, out=folder, labels=("no", "yes"), target="yes", evaluations=200, population=20,
        robustness=robustness, shared_queries=0, isolate=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> cfsearch.AuditResult:
    return audited(tmp_path_factory.mktemp("robust") / "run", 10)


def test_the_figure_of_an_audit_is_the_mean_of_its_fronts(run: cfsearch.AuditResult) -> None:
    document = json.loads((run.path / "audit.json").read_text())
    assert not list(Draft202012Validator(schema("audit")).iter_errors(document))
    [row] = document["robustness"]
    shares = []
    for front in run.fronts:
        at = front.pick("sparsest")
        if at is not None and front.robustness is not None:
            shares.append(float(front.robustness[at]))
    assert len(shares) == 13 == row["n"] and row["changes"] == 10
    assert row["mean"]["value"] == pytest.approx(sum(shares) / len(shares), abs=1e-6)
    assert 0.0 <= row["mean"]["low"] <= row["mean"]["value"] <= row["mean"]["high"] <= 1.0


def test_a_gate_judges_it(run: cfsearch.AuditResult) -> None:
    document = AuditDocument.read(run.path)
    [row] = document.robustness
    assert row.mean is not None
    between = (row.mean.low + row.mean.value) / 2
    found = judge(
        document,
        [fail_if(f"robustness < {bound:.6f}") for bound in (row.mean.low / 2, between)]
        + [fail_if("robustness >= 0")],
    )
    assert [one.result for one in found] == [PASS, UNSURE, FAIL]
    assert found[0].figure is not None and found[0].figure.n == 13


def test_check_computes_it_again(run: cfsearch.AuditResult) -> None:
    place = run.path / "audit.json"
    kept = place.read_text()
    assert check_run(run.path).findings == ()

    def forge(change: Callable[[dict[str, Any]], object]) -> list[str]:
        document = json.loads(kept)
        change(document)
        place.write_text(json.dumps(document))
        checksums.seal(run.path)
        return [finding.message for finding in check_run(run.path, page=False).findings]

    changes: tuple[Callable[[dict[str, Any]], object], ...] = (
        lambda d: d["robustness"][0]["mean"].update(high=1.0, value=0.999),
        lambda d: d["robustness"][0].update(n=12),
        lambda d: d.pop("robustness"),
    )
    for change in changes:
        assert any("`robustness" in message for message in forge(change))
    place.write_text(kept)
    checksums.seal(run.path)
    assert check_run(run.path).findings == ()


def test_an_audit_without_it_has_none(tmp_path: Path) -> None:
    plain = audited(tmp_path / "run", 0)
    assert "robustness" not in plain.document and AuditDocument.read(plain.path).robustness == ()
    assert check_run(plain.path).findings == ()
