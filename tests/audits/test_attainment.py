"""Fronts of groups in ``audit.json``: which are compared, what gates and checks make of them."""

import dataclasses
from functools import cache
from typing import Any

import jsonschema
import pytest
import torch

from cfsearch import schemas
from cfsearch.audits.attainment import attainment_rows, sentence
from cfsearch.audits.conditions import fail_if
from cfsearch.audits.gate import judge
from cfsearch.audits.groups import OTHERS
from cfsearch.audits.measured import Membership
from cfsearch.datasets.images import AttributeTable
from cfsearch.datasets.tables import RowGroups
from cfsearch.fronts.front import ParetoFront
from cfsearch.report.attainment import front_pairs
from cfsearch.runs.directory import InstanceRow

from .test_gate import document
from .test_groups import found as searched


@cache
def _front() -> ParetoFront:
    front = searched(1)[0].front
    assert front is not None
    return front


def row(i: int, *, cost: float, source: int = 0, valid: bool = True) -> InstanceRow:
    """An instance with a front of two members: one change at ``cost``, or two at half of it."""
    front = _front()
    two = [front.z[:1].clone(), front.z[:1].clone()]
    made = dataclasses.replace(
        front,
        name=f"{i}",
        source=source,
        objectives=("adversarial", "gower", "changed"),
        units=("nat", "share", "variables"),
        reference_point=torch.ones(3),
        z=torch.cat(two),
        f=torch.tensor([[0.0, cost, 1.0], [-1.0, cost / 2, 2.0]]),
        scores=front.scores[:1].repeat(2, 1),
        verified=torch.tensor([valid, valid]),
        images=None if front.images is None else front.images[:1].repeat(2, 1, 1, 1),
        origins=front.origins[:1] * 2,
        described=(),
    )
    return InstanceRow(made.name, i, "found" if valid else "not_found", "stalled", "", "", (), made)


def by(names: tuple[str, ...], of: list[int]) -> Membership:
    return Membership(
        None, (), (RowGroups("sex", names, tuple(of), ""),), tuple(f"{i}" for i in range(len(of)))
    )


def biased(n: int = 15) -> list[InstanceRow]:
    """Every second row pays three times as much."""
    return [row(i, cost=(0.2 + 0.001 * i) * (1 + 2 * (i % 2))) for i in range(2 * n)]


@pytest.fixture(scope="module")
def entry() -> dict[str, Any]:
    [entry] = attainment_rows("m", biased(), members=by(("f", "m"), [i % 2 for i in range(30)]))
    return entry


def test_costs_alone_are_compared_and_the_planted_difference_is_found(entry: dict[str, Any]) -> None:
    assert [o["name"] for o in entry["objectives"]] == ["gower", "changed"]
    assert (entry["name"], entry["against"], entry["from"]) == ("f", "m", _front().labels[0])
    assert entry["n"] == {"first": 15, "second": 15}
    assert entry["attained"] == {"first": 1.0, "second": 0.0}
    assert entry["gap"]["value"] == 1.0
    assert entry["hypervolume_difference"]["value"] > 0
    assert entry["family"] == 2
    assert entry["p"]["attainment"] == pytest.approx(2e-4)
    drawn = entry["map"]
    assert (drawn["x"], drawn["y"], drawn["levels"]["y"]) == ("gower", "changed", [1.0, 2.0])
    # the dearest and most changes: everybody of both groups
    assert drawn["first"][-1][-1] == drawn["second"][-1][-1] == 1.0


def test_each_class_is_compared_alone_and_small_groups_are_left_out() -> None:
    rows = [row(i, cost=0.2 + 0.01 * i, source=int(i >= 22)) for i in range(40)]
    found = attainment_rows("m", rows, members=by(("f", "m"), [i % 2 for i in range(40)]))
    labels = _front().labels
    assert [(e["from"], e["n"]["first"]) for e in found] == [(labels[0], 11)]
    assert attainment_rows("m", rows, members=None) == []


def test_of_three_groups_each_is_compared_with_all_others() -> None:
    rows = [row(i, cost=0.2 + 0.01 * i) for i in range(33)]
    found = attainment_rows("m", rows, members=by(("a", "b", "c"), [i % 3 for i in range(33)]))
    assert [(e["name"], e["against"], e["n"]["second"]) for e in found] == [
        (name, OTHERS, 22) for name in "abc"
    ]
    assert {e["family"] for e in found} == {6}


def test_attributes_of_images_make_the_same_pairs() -> None:
    has = torch.tensor([[i % 2 == 0] for i in range(30)])
    labels = AttributeTable(tuple(f"{i}" for i in range(30)), ("Hat",), has, {})
    [found] = attainment_rows("m", biased(), members=Membership(labels, ("Hat",), (), ()))
    assert (found["attribute"], found["name"], found["against"]) == ("Hat", "with", "without")
    assert found["attained"] == {"first": 1.0, "second": 0.0}


def test_an_input_without_a_valid_member_counts_as_an_empty_front() -> None:
    rows = [row(i, cost=0.2 + 0.001 * i, valid=i % 4 != 1) for i in range(40)]
    [found] = attainment_rows("m", rows, members=by(("f", "m"), [i % 2 for i in range(40)]))
    assert found["n"] == {"first": 20, "second": 20}
    assert found["map"]["first"][-1][-1] == 1.0
    assert found["map"]["second"][-1][-1] == 0.5


def test_it_keeps_the_schema(entry: dict[str, Any]) -> None:
    part = schemas.schema("audit")["properties"]["attainment"]
    jsonschema.validate([entry], part)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate([{**entry, "gap": None}], part)


def test_gates_name_it_with_and_without_the_class(entry: dict[str, Any]) -> None:
    found = document(attainment=[{**entry, "model": "model"}])
    label = entry["from"]
    lines = (
        "attainment_gap@sex > 20%",
        f"attainment_gap:{label}@sex:f > 20%",
        "hypervolume_gap@sex > 0.9",
        "attainment_p@sex < 0.05",
        "attainment_gap:nobody@sex > 20%",
    )
    results = [[j.result for j in judge(found, [fail_if(line)])] for line in lines]
    assert results == [["fail"], ["fail"], ["pass"], ["fail"], ["fail"]]


def test_the_terminal_and_the_page_say_who_pays_more(entry: dict[str, Any]) -> None:
    line = sentence(entry)
    assert "f 100\u202f% and m 0\u202f% have a counterfactual" in line
    assert "p <0.001 by attainment" in line
    audit = {"models": [{"id": "m", "name": "M", "labels": ["a", "b"]}], "attainment": [entry]}
    [pair] = front_pairs(audit)
    assert pair.reading == "f: larger fronts"
    assert pair.shares == ("100 %".replace(" ", "\u202f"), "0 %".replace(" ", "\u202f"))
    assert pair.picture is not None
    assert {cell.kind for cell in pair.picture.cells} == {"ahead"}
    # costs rise to the right and upwards: the cheapest goal stands at the left, below
    assert min(cell.x for cell in pair.picture.cells) < 240 / 4
    assert "f is ahead by up to 100" in pair.picture.alt
