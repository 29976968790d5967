"""Impact ratios, crossed groups, and rows chosen by the model's own decision."""

import json
from pathlib import Path

import jsonschema
import numpy as np
import pandas as pd
import pytest
from bs4 import BeautifulSoup
from numpy.typing import NDArray

import cfsearch
from cfsearch.audits.checking import check_run
from cfsearch.audits.groups import column_groups
from cfsearch.audits.metrics import catalogue
from cfsearch.audits.reading import AuditDocument
from cfsearch.datasets.tables import RowGroups, crossed
from cfsearch.errors import ConfigError, DataError
from cfsearch.numerics.intervals import share_ratio, wilson
from cfsearch.schemas import schema

from .fronts import front_of, instance

N = 120


def people() -> pd.DataFrame:
    draw = np.random.default_rng(5)
    race = np.array(["A", "B"])[np.arange(N) // 2 % 2].astype(object)
    race[:1] = "C"
    race[4:8] = ""
    return pd.DataFrame(
        {
            "sex": np.where(np.arange(N) % 2, "m", "f"),
            "race": race,
            "income": (40 + 10 * draw.normal(size=N)).round(1),
        }
    )


def approve(rows: pd.DataFrame) -> NDArray[np.float64]:
    odds = 0.3 * (rows["income"].to_numpy(float) - 42.03) + 1.5 * (rows["sex"] == "m").to_numpy(float)
    p = 1 / (1 + np.exp(-odds))
    return np.stack([1 - p, p], axis=1)


def audited(out: Path, **settings: object) -> cfsearch.AuditResult:
    return cfsearch.audit(
        approve,
        people(),
        out=out,
        labels=["no", "yes"],
        scores="probabilities",
        evaluations=20,
        population=10,
        **settings,  # type: ignore[arg-type]
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("impact") / "run"
    audited(out, by=["race*sex", "sex"], target="yes").report()
    return out


def test_groups_of_two_columns_leave_out_small_and_unknown_ones_with_counts(run: Path) -> None:
    document = json.loads((run / "audit.json").read_text())
    jsonschema.validate(document, schema("audit"))
    entry = document["groups"][0]
    assert entry["attribute"] == "race*sex"
    assert sorted(g["name"] for g in entry["groups"]) == ["A, f", "A, m", "B, f", "B, m"]
    assert "C, f (1)" in entry["note"] and "4 of 120 rows are of unknown race" in entry["note"]
    assert sum(g["instances"] for g in entry["groups"]) == N - 5
    assert entry["impact"]["unknown"] == 5


def test_impact_ratios_are_shares_over_that_of_the_most_selected_group(run: Path) -> None:
    document = json.loads((run / "audit.json").read_text())
    frame = people()
    yes = approve(frame)[:, 1] > 0.5
    rate = {sex: yes[(frame["sex"] == sex).to_numpy()].mean() for sex in "fm"}
    [entry] = [g for g in document["groups"] if g["attribute"] == "sex"]
    impact = entry["impact"]
    assert impact["label"] == "yes" and impact["most_selected"] == "m"
    ratios = {g["name"]: g["ratio"] for g in impact["groups"]}
    assert ratios["m"] is None
    assert ratios["f"]["value"] == pytest.approx(rate["f"] / rate["m"], abs=1e-5)
    figures = {f.name: f for f in catalogue(AuditDocument.read(run))}
    assert figures["impact_ratio@sex:f"].value == pytest.approx(rate["f"] / rate["m"], abs=1e-5)
    page = BeautifulSoup((run / "report.html").read_text(), "html.parser").select_one("#groups")
    assert page is not None and "Impact ratio" in page.get_text()
    assert check_run(run).findings == ()


def test_with_the_other_class_as_target_the_ratio_is_of_that_class(tmp_path: Path) -> None:
    document = audited(tmp_path / "run", by=["sex"], target="no").document
    frame = people()
    no = approve(frame)[:, 0] > 0.5
    rate = {sex: no[(frame["sex"] == sex).to_numpy()].mean() for sex in "fm"}
    impact = document["groups"][0]["impact"]
    assert (impact["label"], impact["most_selected"]) == ("no", "f")
    assert {g["name"]: g["ratio"] for g in impact["groups"]}["m"]["value"] == pytest.approx(
        rate["m"] / rate["f"], abs=1e-5
    )


def test_rows_are_chosen_by_the_decision_and_effects_are_of_all(tmp_path: Path) -> None:
    result = audited(tmp_path / "run", by=["sex"], target="yes", decided="no", limit=30, protected=["sex"])
    document = result.document
    no = np.flatnonzero(approve(people())[:, 0] > 0.5)
    assert [row["name"] for row in document["instances"]] == [f"row {i}" for i in no[:30]]
    assert {row["source"] for row in document["instances"]} == {"no"}
    assert document["search"]["decided"] == "no"
    [group] = document["groups"]
    assert all(part["decided"] is None for part in group["groups"]) and "impact" not in group
    assert document["columns"][0]["n"] == N
    assert not any("one class" in note for note in result.notes)
    assert any(f"puts {len(no)} of {N} rows into 'no'" in note for note in result.notes)
    jsonschema.validate(document, schema("audit"))
    result.report()
    assert check_run(tmp_path / "run").findings == ()


def test_a_class_that_is_none_or_empty_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="decided: .*'maybe'"):
        audited(tmp_path / "a", decided="maybe")

    def never(rows: pd.DataFrame) -> NDArray[np.float64]:
        p = 0.1 + 0.001 * rows["income"].to_numpy(float)
        return np.stack([1 - p, p], axis=1)

    with pytest.raises(DataError, match="puts none of the 120 rows into 'yes'"):
        cfsearch.audit(never, people(), labels=["no", "yes"], decided="yes", out=tmp_path / "b")


def test_a_group_of_unknown_category_is_no_yardstick() -> None:
    """All 20 of "Unknown" are selected, 12 of 30 women, 20 of 40 men; 5 cells are empty."""
    names = ("women", "men", "Unknown", "missing")
    sizes, hits = (30, 40, 20, 5), (12, 20, 20, 5)
    of = tuple(g for g, n in enumerate(sizes) for _ in range(n))
    yes = [k < hit for n, hit in zip(sizes, hits, strict=True) for k in range(n)]
    rows = [instance(i, front_of(source=int(one))) for i, one in enumerate(yes)]
    groups = RowGroups("sex", names, of)
    [entry] = column_groups("m", rows, groups=[groups], names=[row.name for row in rows], selected=1)
    impact = entry["impact"]
    assert (impact["most_selected"], impact["unknown"]) == ("men", 25)
    ratios = {one["name"]: one["ratio"] for one in impact["groups"]}
    assert ratios["women"]["value"] == pytest.approx((12 / 30) / (20 / 40))
    assert [ratios[name] for name in names[1:]] == [None] * 3


def test_rows_of_an_unknown_category_are_in_no_crossed_group() -> None:
    race = RowGroups("race", ("A", "B", "unknown"), (0, 0, 1, 1, 2, 2))
    sex = RowGroups("sex", ("f", "m"), (0, 1, 0, 1, 0, 1))
    found = crossed("race*sex", [race, sex])
    assert found.names == ("A, f", "A, m", "B, f", "B, m") and found.of == (0, 1, 2, 3, -1, -1)
    assert found.note == "2 of 6 rows are of unknown race or sex, left out."


def test_crossed_groups_need_two_that_are_large_enough() -> None:
    one = RowGroups("a", ("x", "y"), (0,) * 99 + (1,))
    with pytest.raises(DataError, match="makes 1 groups of 2 %"):
        crossed("a*a", [one, one])


def test_the_ratio_of_shares_has_an_interval_where_nothing_was_selected() -> None:
    none = share_ratio(0, 50, 25, 50)
    first, second = wilson(0, 50), wilson(25, 50)
    assert none is not None and first is not None and second is not None
    assert none.value == none.low == 0
    # between the ratio of the upper end to the share itself, and to its lower end
    assert first.high / second.value < none.high < first.high / second.low
    large, of_many = share_ratio(0, 50, 500_000, 1_000_000), first.high / 0.5
    assert large is not None and large.high == pytest.approx(of_many, rel=1e-4)
    assert share_ratio(5, 10, 0, 10) is None
    same = share_ratio(30, 60, 30, 60)
    assert same is not None and same.value == 1.0 and same.low * same.high == pytest.approx(1.0)
    from scipy.stats.contingency import relative_risk

    ours, theirs = share_ratio(31, 100, 75, 100), relative_risk(31, 100, 75, 100).confidence_interval()
    assert ours is not None and (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high))
