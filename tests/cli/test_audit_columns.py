"""``cfsearch audit --by`` on a table: groups of rows by columns, also by such as the model does not take."""

import csv
import json
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
import torch
from bs4 import BeautifulSoup
from safetensors.torch import save_file
from scipy.stats import fisher_exact

from cfsearch.config import Config, overlaid
from cfsearch.numerics.intervals import share_difference, wilson
from cfsearch.schemas import schema

from .conftest import Answer, called

BUILD = "import torch\n\ndef build():\n    return torch.nn.Linear(2, 2)\n"
SIDECAR = (
    'labels = ["refuse", "approve"]\nscores = "logits"\n[encoding]\ncolumns = [\n'
    '  {name = "income", style = "standard", centre = 50.0, scale = 10.0},\n'
    '  {name = "hours", style = "standard", centre = 30.0, scale = 10.0},\n]\n'
)
SEXES = ("female", "male")
Audit = Callable[..., Answer]


def people(n: int = 240) -> list[dict[str, object]]:
    """Women earn less; hours, which the search may not change, are never enough by themselves."""
    rng = np.random.default_rng(2)
    return [
        {
            "id": f"p{i}",
            "sex": SEXES[i % 2],
            "race": "ABC"[i % 3] if i % 8 else "",
            "age": 18 + 2 * (i % 24),
            "income": int(rng.integers(20, 60)) + 15 * (i % 2),
            "hours": int(rng.integers(20, 45)),
        }
        for i in range(n)
    ]


def written(path: Path, rows: list[dict[str, object]]) -> Path:
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    return path


def auditing(folder: Path, patch: pytest.MonkeyPatch) -> Audit:
    """An audit of 240 people whose model takes income and hours alone: income + hours > 80 is approved."""
    written(folder / "people.csv", people())
    (folder / "group_model.py").write_text(BUILD)
    (folder / "net.toml").write_text(SIDECAR)
    save_file(
        {"weight": torch.tensor([[-1.0, -1.0], [1.0, 1.0]]), "bias": torch.zeros(2)},
        folder / "net.safetensors",
    )
    patch.syspath_prepend(folder)
    patch.delitem(sys.modules, "group_model", raising=False)

    def run(*words: object) -> Answer:
        return called(
            *("audit", "--data", folder / "people.csv", "--model", folder / "net.safetensors"),
            *("--arch", "group_model:build", "--immutable", "hours", "--target", "approve"),
            *("--out", folder / "run", "--no-isolation"),
            *("--evaluations", 40, "--population", 20, "--threads", 1, "--seed", 3, *words),
        )

    return run


@pytest.fixture
def audit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Audit:
    return auditing(tmp_path, monkeypatch)


@dataclass(frozen=True)
class Grouped:
    """What an audit by three columns printed, its document and its page."""

    printed: str
    document: dict[str, Any]
    page: str


@pytest.fixture(scope="module")
def grouped(tmp_path_factory: pytest.TempPathFactory) -> Grouped:
    folder = tmp_path_factory.mktemp("grouped")
    with pytest.MonkeyPatch.context() as patch:
        audit = auditing(folder, patch)
        answer = audit("--by", "sex,race,age")
    assert answer.code == 0, answer.err
    run = folder / "run"
    return Grouped(
        answer.out, json.loads((run / "audit.json").read_text()), (run / "report.html").read_text()
    )


def test_groups_of_a_column_that_the_model_does_not_take(grouped: Grouped) -> None:
    document = grouped.document
    jsonschema.validate(document, schema("audit"))
    by_sex, by_race, by_age = document["groups"]
    assert {c["variable"] for c in document["changes"]} == {"income"}
    rows = dict(zip((i["name"] for i in document["instances"]), people(), strict=True))
    approved = {name: int(str(row["income"])) + int(str(row["hours"])) > 80 for name, row in rows.items()}
    found = {i["name"]: i["status"] == "found" for i in document["instances"]}
    counts: dict[str, tuple[int, int, int, int]] = {}
    for told in by_sex["groups"]:
        inside = [name for name, row in rows.items() if row["sex"] == told["name"]]
        searched = [name for name in inside if not approved[name]]
        last, hits = sum(approved[n] for n in inside), sum(found[n] for n in searched)
        counts[told["name"]] = (last, len(inside), hits, len(searched))
        assert (told["instances"], told["searched"]) == (120, len(searched))
        assert told["decided"] == plain(wilson(last, 120))
        assert told["found_rate"] == plain(wilson(hits, len(searched)))
    assert counts["female"][2] > 0
    [one] = by_sex["comparisons"]
    assert (one["name"], one["against"]) == ("female", "male")
    female, male = counts["female"], counts["male"]
    assert one["difference"]["decided"] == plain(share_difference(*female[:2], *male[:2]))
    assert one["difference"]["found_rate"] == plain(share_difference(*female[2:], *male[2:]))
    assert {g["name"]: g["instances"] for g in by_race["groups"]} == {
        name: sum((row["race"] or "missing") == name for row in people())
        for name in ("A", "B", "C", "missing")
    }
    assert by_race["groups"][-1]["name"] == "missing"
    assert [c["against"] for c in by_race["comparisons"]] == ["all others"] * 4
    told = [*compared(by_sex), *compared(by_race), *compared(by_age)]
    assert by_sex["family"] == by_race["family"] == by_age["family"] == len(told) > 10
    before = [fisher_exact([[k, n - k], [j, m - j]])[1] for (k, n), (j, m), _ in told]
    order = np.argsort(before, kind="stable")
    holm = np.maximum.accumulate(np.array(before)[order] * np.arange(len(told), 0, -1)).clip(max=1)
    assert [told[i][2] for i in order] == pytest.approx(holm.tolist(), abs=1e-6)
    [change] = by_sex["changes"]
    assert (change["variable"], change["direction"]) == ("income", "+")
    assert [(g["name"], g["count"]) for g in change["groups"]] == [(s, counts[s][2]) for s in SEXES]


Counted = tuple[int, int]


def compared(entry: dict[str, Any]) -> list[tuple[Counted, Counted, float]]:
    """What each comparison of a column is of, as counts from its own tables, and the p that is told."""

    def rest(parts: list[Counted], i: int) -> Counted:
        others = [part for j, part in enumerate(parts) if j != i]
        return sum(k for k, _ in others), sum(n for _, n in others)

    def counts(share: str, of: str) -> list[Counted]:
        return [(round((g[share] or {"value": 0})["value"] * g[of]), g[of]) for g in entry["groups"]]

    found = []
    for figure, parts in (
        ("decided", counts("decided", "instances")),
        ("found_rate", counts("found_rate", "searched")),
    ):
        found += [(parts[i], rest(parts, i), one["p"][figure]) for i, one in enumerate(entry["comparisons"])]
    for change in entry["changes"]:
        parts = [(g["count"], g["n"]) for g in change["groups"]]
        found += [(parts[i], rest(parts, i), one["p"]) for i, one in enumerate(change["comparisons"])]
    return [one for one in found if one[2] is not None]


def plain(interval: Any) -> Any:  # Any: an interval or None
    return None if interval is None else interval.to_dict()


def test_it_is_printed_and_stands_on_the_page(grouped: Grouped) -> None:
    text = " ".join(grouped.printed.split())
    assert "by sex, verified counterfactuals: female" in text
    assert re.search(r"^by sex, the model says \S+: female \d+ %, \d+ % to \d+ % of \d+; male", text), (
        "it comes first"
    )
    assert re.search(r"female less male: \S+ points, \S+ to \S+; p \S+ after Holm", text)
    assert "age 18 to 28 less all others:" in text
    section = BeautifulSoup(grouped.page, "html.parser").find(id="groups")
    assert section is not None
    document = grouped.document
    share = document["groups"][0]["groups"][0]["decided"]["value"]
    assert f"{100 * share:.0f}\u202f%" in section.get_text()
    family = document["groups"][0]["family"]
    assert f"corrected (Holm) for all {family} comparisons of groups on this page" in section.get_text()
    assert [h.get_text() for h in section.find_all("h3")] == ["By sex", "By race", "By age"]
    assert [g["name"] for g in document["groups"][2]["groups"]] == [
        "age 18 to 28",
        "age 30 to 40",
        "age 42 to 52",
        "age 54 to 64",
    ]


def test_it_goes_on_and_other_groups_are_another_run(audit: Audit, tmp_path: Path) -> None:
    words = ("--by", "sex", "--limit", 8)
    assert audit(*words).code == 0
    assert "8 of 8 rows were done before" in audit(*words).err
    rows = people()
    rows[0]["sex"] = "male"
    written(tmp_path / "people.csv", rows)
    answer = audit(*words)
    assert answer.code == 2
    assert "groups of the rows" in answer.error


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--by", "sx"), "Did you mean 'sex'?"),
        (("--by", "id"), "has 240 different values and none of them in 5 rows"),
        (("--by", "sex", "--where", "sex=male"), "all 120 rows are of one group by 'sex' (male)"),
    ],
    ids=["unknown", "identifier", "one group"],
)
def test_columns_that_make_no_groups_are_refused_before_the_search(
    audit: Audit, tmp_path: Path, words: tuple[object, ...], said: str
) -> None:
    answer = audit(*words)
    assert answer.code == 2
    assert said in answer.error
    assert not (tmp_path / "run" / "run.sqlite").exists()


def test_another_table_drops_what_a_file_compares_by() -> None:
    file = {"model": {"path": "m.onnx"}, "data": {"table": "a.csv", "by": ["sex"], "limit": 3}}
    same = Config.check(overlaid(file, {"data": {"table": "a.csv"}}))
    assert same.data.by == ("sex",)
    for other in ({"table": "b.csv"}, {"images": "faces"}):
        assert Config.check(overlaid(file, {"data": other})).data.by is None
