"""Two audits compared: statistics by hand, readings, and what cannot be compared."""

import dataclasses
import json
import math
import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import jsonschema
import pytest
import torch
from scipy.stats import norm, t, wilcoxon

from cfsearch.audits.difference import Row, Side, _effect, _read, compare
from cfsearch.audits.pages import open_run
from cfsearch.audits.shared_pairs import _pair, pairs_of
from cfsearch.errors import RunError
from cfsearch.numerics.intervals import Interval, paired_share_difference, share_difference
from cfsearch.report.diff_page import build_diff_page
from cfsearch.runs.directory import InstanceRow
from cfsearch.schemas import schema

from .conftest import audit_of_faces
from .fronts import front_of, instance


def test_paired_shares_by_hand() -> None:
    # Newcombe 1998, method 10: phi is 0 where a d - b c lies in 0 to n / 2, and then it is the unpaired interval
    unpaired = share_difference(6, 12, 6, 12)
    paired = paired_share_difference(3, 3, 3, 12)
    assert paired == unpaired
    # everything agrees: phi is large, so that the interval is narrower than the unpaired one
    agree = paired_share_difference(20, 0, 0, 40)
    apart = share_difference(20, 40, 20, 40)
    assert agree is not None
    assert apart is not None
    assert agree.value == 0.0
    assert agree.high - agree.low < 0.5 * (apart.high - apart.low)
    swapped, straight = paired_share_difference(5, 9, 2, 30), paired_share_difference(5, 2, 9, 30)
    assert swapped is not None
    assert straight is not None
    assert (swapped.low, swapped.high) == pytest.approx((-straight.high, -straight.low))
    assert straight.value == pytest.approx(7 / 30)
    assert paired_share_difference(0, 0, 0, 0) is None


@pytest.mark.parametrize(
    ("value", "half", "p", "because", "reading"),
    [
        (1.0, 0.5, 0.001, "", "changed"),
        (-1.0, 0.5, 0.001, "", "changed"),
        (1.0, 1.5, 0.001, "", "cannot tell"),
        (1.0, 0.5, 0.2, "", "cannot tell"),
        (0.1, 0.1, 0.5, "", "not changed"),
        (0.1, 0.2, 0.5, "", "cannot tell"),
        (1.0, 0.5, 0.001, "edits were never measured", "cannot tell"),
    ],
)
def test_readings(value: float, half: float, p: float, because: str, reading: str) -> None:
    gap = Interval(value, value - half, value + half)
    row = Row("effect", "Male", "logit", 0.0, value, gap, None, None, 40, p, because=because)
    assert _read([row], practical=0.25, practical_share=0.05)[0].reading == reading


def test_p_is_corrected_over_all_rows() -> None:
    gap = Interval(1.0, 0.5, 1.5)
    rows = [Row("effect", name, "logit", 0.0, 1.0, gap, None, None, 40, 0.03) for name in "ab"]
    found = _read(rows, practical=0.25, practical_share=0.05)
    assert [(row.p, row.reading) for row in found] == [(0.06, "cannot tell"), (0.06, "cannot tell")]


def test_a_row_without_a_test_takes_the_p_of_no_other() -> None:
    gap = Interval(1.0, 0.5, 1.5)
    given = (0.001, None, 0.02, None)
    rows = [Row("effect", "abcd"[i], "logit", 0.0, 1.0, gap, None, None, 40, p) for i, p in enumerate(given)]
    found = _read(rows, practical=0.25, practical_share=0.05)
    assert [row.p for row in found] == [0.002, None, 0.02, None]  # Holm over the two that were tested
    assert [row.reading for row in found] == ["changed", "cannot tell", "changed", "cannot tell"]


@pytest.fixture(scope="module")
def both(kept_audit: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return kept_audit, audit_of_faces(tmp_path_factory.mktemp("other"), model="gender_without_blond_women")


def test_two_models_on_the_same_faces(both: tuple[Path, Path]) -> None:
    first, second = (Side.read(path) for path in both)
    document = compare(first, second, practical=0.25)
    jsonschema.validate(document, schema("diff"))
    assert (document["shared"], document["only_first"], document["only_second"]) == (24, 0, 0)
    rows = {(row["figure"], row["subject"]): row for row in document["rows"]}
    hair = rows["effect", "Blond_Hair"]
    one, other = first.measured, second.measured
    assert one is not None
    assert other is not None
    at = one.effects.names.index("Blond_Hair")
    effects = [
        next(e for e in side.document.effects if e.variable == "Blond_Hair") for side in (first, second)
    ]
    shown = [e.estimate for e in effects]
    assert shown[0] is not None and shown[1] is not None
    # what both pages show of it, less the generator's error, on the same inputs
    assert document["corrected"]
    assert [hair["first"], hair["second"]] == pytest.approx([shown[0].value, shown[1].value], abs=1e-5)
    assert hair["difference"]["value"] == pytest.approx(shown[1].value - shown[0].value, abs=1e-5)
    assert one.error is not None
    assert other.error is not None
    change = (other.effects.logits[:, at] - one.effects.logits[:, at]).double()
    intended = one.effects.intended[:, at].double()
    names = one.effects.names
    for error, sign in ((one.error, 1.0), (other.error, -1.0)):
        change += sign * intended @ torch.tensor([error.offset[name] for name in names]).double()
    own = math.hypot(one.error.unexplained, other.error.unexplained) / 2
    half = math.hypot(t.ppf(0.975, 23) * float(change.std()) / math.sqrt(24), norm.ppf(0.975) * own)
    assert hair["difference"]["high"] - hair["difference"]["value"] == pytest.approx(half, rel=1e-4)
    assert hair["reading"] == "changed"  # the second never saw a blond woman
    decided = rows["decided", ""]
    a, b = (
        [row.front is not None and row.front.source == 1 for row in side.rows.values()]
        for side in (first, second)
    )
    assert decided["only_first"] == sum(x and not y for x, y in zip(a, b, strict=True))
    assert decided["first"] == pytest.approx(sum(a) / 24, abs=1e-6)
    page = build_diff_page(document, pairs_of(first, second))
    assert "Effect of Blond hair on" in page
    assert "Effects are less the generator&#39;s own error on each model" in page
    assert page.count("data:image/webp") >= 24
    assert "script-src &#39;none&#39;" in page


def test_an_audit_does_not_differ_from_itself(both: tuple[Path, Path]) -> None:
    side = Side.read(both[0])
    document = compare(side, side, practical=0.25)
    assert {row["reading"] for row in document["rows"]} <= {"not changed", "cannot tell"}
    assert all(row["difference"]["value"] == 0 for row in document["rows"])
    assert "Both audits are of the same model." in document["notes"]


def test_where_one_audit_did_not_measure_the_generators_error_neither_is_corrected(
    both: tuple[Path, Path],
) -> None:
    first, second = (Side.read(path) for path in both)
    assert first.measured is not None
    assert second.measured is not None
    of_old = dataclasses.replace(
        second, measured=dataclasses.replace(second.measured, error=None, before_errors=True)
    )
    document = compare(first, of_old, practical=0.25)
    assert not document["corrected"]
    assert any("as they are through the generator" in note for note in document["notes"])
    hair = next(
        row for row in document["rows"] if (row["figure"], row["subject"]) == ("effect", "Blond_Hair")
    )
    at = first.measured.effects.names.index("Blond_Hair")
    raw = [side.effects.logits[:, at].double().mean() for side in (first.measured, second.measured)]
    assert [hair["first"], hair["second"]] == pytest.approx([float(value) for value in raw], abs=1e-5)
    assert hair["difference"]["value"] == pytest.approx(float(raw[1] - raw[0]), abs=1e-5)
    assert "its own error included" in build_diff_page(document, [])


def test_only_the_page_reads_pictures(both: tuple[Path, Path]) -> None:
    sides = [Side.read(path) for path in both]
    assert all(row.front is not None and row.front.picture is None for row in sides[0].rows.values())
    with open_run(both[0]) as run:
        whole = {row.name: row.front for row in run.rows()}
    for pair in pairs_of(*sides):
        front = whole[pair.name]
        assert front is not None and front.picture is not None and pair.original is not None
        assert torch.equal(pair.original, front.picture)
        member = front.pick("sparsest")
        assert (pair.changed[0] is None) == (member is None)
        if member is not None:
            assert torch.equal(pair.changed[0], front.picture_of(member))  # type: ignore[arg-type] # both are there


def test_runs_that_share_no_input_or_no_classes_are_refused(both: tuple[Path, Path], tmp_path: Path) -> None:
    first, second = (Side.read(path) for path in both)
    strange = Side(
        second.path, second.document, {"0" * 64: next(iter(second.rows.values()))}, second.measured
    )
    with pytest.raises(RunError, match="share no input .*audit both models on the same inputs"):
        compare(first, strange, practical=0.25)
    copy = shutil.copytree(both[1], tmp_path / "copy")
    document = json.loads((copy / "audit.json").read_text())
    document["models"][0]["labels"] = ["no", "yes"]
    (copy / "audit.json").write_text(json.dumps(document))
    with pytest.raises(RunError, match="is of the classes .*, .* of no, yes"):
        compare(first, Side.read(copy), practical=0.25)


def test_what_only_one_audit_has_is_counted_and_left_out(both: tuple[Path, Path]) -> None:
    first, second = (Side.read(path) for path in both)
    fewer = dict(list(second.rows.items())[:10])
    document = compare(first, Side(second.path, second.document, fewer, None), practical=0.25)
    assert (document["shared"], document["only_first"]) == (10, 14)
    assert {row["figure"] for row in document["rows"]} == {"decided", "found"}
    assert any("Effects are not compared" in note for note in document["notes"])


@pytest.mark.parametrize(
    ("one", "other", "differs"),
    [
        (instance("a", front_of()), instance("a", front_of()), False),
        (instance("a", front_of()), instance("a", front_of(source=1, scores=[[2.0, 0.0]])), True),
        (instance("a", front_of()), instance("a", front_of(verified=[False]), "not_found"), True),
        (instance("a", None, "failed"), instance("a", front_of()), True),
        (instance("a", None, "failed"), instance("a", None, "failed"), False),
    ],
)
def test_a_pair_differs_by_status_or_by_the_class_of_the_original(
    one: InstanceRow, other: InstanceRow, differs: bool
) -> None:
    pair = _pair(one, other)
    assert (pair.name, pair.differs) == ("a", differs)
    assert pair.sides[0].startswith("failed: " if one.front is None else "no; becomes yes by: ")


def test_effects_without_the_generators_error_are_compared_pair_by_pair() -> None:
    draw = torch.Generator().manual_seed(5)
    before, after = torch.randn(12, generator=draw), torch.randn(12, generator=draw) + 1.0
    sides: Any = [
        SimpleNamespace(
            effects=SimpleNamespace(by_variable={"Male": values}), edited=lambda _name, _places: None
        )
        for values in (before, after)
    ]
    places = [3, 1, 4, 0, 5, 9, 2, 6, 8, 7]
    row = _effect("Male", (sides[0], places), (sides[1], places), because="why")
    gap = (after - before)[places].double().numpy()
    assert (row.n, row.because, row.only_first, row.only_second) == (10, "why", None, None)
    assert (row.first, row.second) == pytest.approx(
        (float(before[places].mean()), float(after[places].mean())), abs=1e-6
    )
    assert row.difference is not None and row.difference.value == pytest.approx(gap.mean(), abs=1e-6)
    assert row.p == pytest.approx(wilcoxon(gap).pvalue, abs=1e-6)
