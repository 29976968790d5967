"""The number that a model predicts stands wherever its class and probability do."""

import io
import math
from dataclasses import replace

import jsonschema
import pytest
import torch
from rich.console import Console

from cfsearch.audits.figures import Figures
from cfsearch.cli._fronts import show_front
from cfsearch.contracts.target_range import TargetRange
from cfsearch.fronts.document import front_document
from cfsearch.fronts.frame import front_rows
from cfsearch.fronts.front import ParetoFront
from cfsearch.fronts.predicted import number_text, predicted_numbers
from cfsearch.report.notebook import front_html
from cfsearch.runs.directory import InstanceRow
from cfsearch.runs.export import instance_row
from cfsearch.schemas import schema

from .four import front as classes

WANTED = TargetRange("250000..270000", 250000.0, 270000.0)
NUMBERS = [231000.0, 252094.0, 265500.25, 269999.0]


@pytest.fixture
def front() -> ParetoFront:
    """Prices: 218,108 before; the first member stays below, the sparsest (2) comes to 265,500."""
    before = WANTED.scores(torch.tensor([218108.5], dtype=torch.float64))[0]
    return replace(
        classes(),
        name="row 1",
        labels=WANTED.labels,
        target=1,
        scores=WANTED.scores(torch.tensor(NUMBERS, dtype=torch.float64)),
        original_scores=before,
        reconstruction_scores=before,
    )


def stored(front: ParetoFront) -> InstanceRow:
    return InstanceRow("row 1", 0, "found", "stalled", "", "0" * 64, (), front)


def test_a_front_knows_its_numbers_and_says_the_first(front: ParetoFront) -> None:
    assert front.predicted == [231000.0, 252094.0, 265500.2, 269999.0], "seven digits, as float32 holds"
    assert "'row 1', 218,108 (below 250000) -> 250000..270000, 4 members" in repr(front)
    assert classes().predicted is None
    assert "'face', no -> any other class" in repr(classes())


def test_the_table_of_members_has_the_numbers_before_and_after(front: ParetoFront) -> None:
    rows = list(front_rows(front))
    assert [row["predicted"] for row in rows] == front.predicted
    assert {row["predicted_original"] for row in rows} == {218108.5}
    assert not any("predicted" in name for name in next(front_rows(classes())))


def test_json_has_them_of_the_original_and_of_each_member(front: ParetoFront) -> None:
    document = front_document(front)
    jsonschema.validate(document, schema("front"))
    assert document["predicted"] == 218108.5
    assert [member["predicted"] for member in document["members"]] == front.predicted
    member = {
        "format": "cfsearch-member/1",
        "name": "row 1",
        "pick": "knee",
        "member": document["members"][0],
    }
    jsonschema.validate(member, schema("member"))
    plain = front_document(classes())
    assert "predicted" not in plain
    assert "predicted" not in plain["members"][0]


def test_the_terminal_gives_the_nearest_miss_its_number(front: ParetoFront) -> None:
    missed = replace(front, verified=torch.zeros(4, dtype=torch.bool), scores=front.scores[:1].repeat(4, 1))
    file = io.StringIO()
    show_front(Console(file=file, width=200), missed, most=8)
    assert "The nearest miss is member 0: it comes to 231,000 (below 250000)." in file.getvalue()
    assert "in probability" not in file.getvalue()


def test_an_export_of_inputs_and_the_document_of_an_audit_have_them(front: ParetoFront) -> None:
    assert instance_row(stored(front))["predicted"] == 218108.5
    assert "predicted" not in instance_row(stored(classes()))
    counted = Figures.of("m", [stored(front), stored(replace(front, verified=front.verified & False))])
    entries = [one["predicted"] for one in counted.instances]
    assert entries == [{"before": 218108.5, "after": 265500.2}, {"before": 218108.5, "after": None}]
    assert "predicted" not in Figures.of("m", [stored(classes())]).instances[0]
    shape = schema("audit")["properties"]["instances"]["items"]["properties"]["predicted"]
    for entry in entries:
        jsonschema.validate(entry, shape)


def test_a_notebook_shows_them(front: ParetoFront) -> None:
    shown = front_html(front)
    assert "The model says <bdi>218,108 (below 250000)</bdi>" in shown
    assert "<th><bdi>predicted</bdi></th>" in shown
    assert "<td><bdi>265,500</bdi></td>" in shown
    assert "predicted" not in front_html(classes())


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (218108.4, "218,108"),
        (12_345_678.0, "12,345,678"),
        (0.5234567, "0.523457"),
        (-5234.25, "-5,234.25"),
        (1e18, "1e+18"),
    ],
)
def test_a_number_is_written_in_its_own_unit(value: float, text: str) -> None:
    assert number_text(value) == text


def test_a_range_with_one_end_gives_its_numbers_too() -> None:
    for wanted in (TargetRange("..0.5", -math.inf, 0.5), TargetRange("0.5..", 0.5, math.inf)):
        scores = wanted.scores(torch.tensor([0.25, 0.75]))
        assert predicted_numbers(wanted.labels, scores) == [0.25, 0.75]
