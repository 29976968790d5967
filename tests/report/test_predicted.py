"""The page of a model that predicts a number shows the number, and no probability."""

from dataclasses import replace

import pytest
import torch

from cfsearch.contracts.target_range import TargetRange
from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
from cfsearch.fronts.front import ParetoFront
from cfsearch.report.page import build_page

from .conftest import MakeAudit, MakeFront, parsed

WANTED = TargetRange("250..270", 250.0, 270.0)


SCHEMA = TableSchema(columns=(Column(name="area", kind=ColumnKind.REAL, low=0.0, high=99.0),))


@pytest.fixture
def front(make_front: MakeFront) -> ParetoFront:
    """A row of one column, 40 before; the prices of its members are 200 to 269."""
    before = WANTED.scores(torch.tensor([-218.5]))[0]
    return replace(
        make_front("row 1"),
        labels=WANTED.labels,
        target=1,
        scores=WANTED.scores(torch.tensor([200.0, 231.0, 252.5, 260.0, 269.0])),
        original_scores=before,
        reconstruction_scores=before,
        verified=torch.tensor([False, False, True, True, True]),
        images=None,
        original=None,
        reconstruction=None,
        row=torch.tensor([40.0], dtype=torch.float64),
        rows=torch.arange(50.0, 55.0, dtype=torch.float64)[:, None],
        extra={"schema": SCHEMA.to_dict()},
    )


def test_the_gallery_and_the_example_show_numbers_before_and_after(
    front: ParetoFront, make_audit: MakeAudit
) -> None:
    audit = make_audit([front])
    audit.document["inputs"] = "rows"
    page = parsed(build_page(audit.document, audit.instances))
    [summary] = page.select("#articles summary .line")
    assert "predicted \u2212218.5 → 2" in " ".join(summary.get_text().split())
    [head] = page.select(".striphead p")
    assert "; predicted = \u2212218.5." in head.get_text()
    numbers = [cell.get_text(strip=True) for cell in page.select_one("#articles tr.p").select("th, td")]
    heads = [cell.get_text(strip=True) for cell in page.select("#articles table.cells thead th a")]
    assert numbers[:2] == ["predicted", "\u2212218.5"]
    assert dict(zip(heads, numbers[2:], strict=True)) == {
        "#0": "200", "#1": "231", "#2": "252.5", "#3": "260", "#4": "269",
    }  # fmt: skip
    [example] = page.select(".example tr.p")
    assert [cell.get_text(strip=True) for cell in example.select("th, td")][:2] == [
        "predicted",
        "\u2212218.5",
    ]
    assert "The numbers are what the model predicts." in page.select_one("#gallery").get_text()
    assert page.select("#articles svg.bar") == []
    assert "p(" not in page.select_one("#gallery").get_text()
    payload = page.select_one("script[type='application/json']").get_text()
    assert '"predicted":[200.0,231.0,252.5,260.0,269.0]' in payload
    assert '"before":-218.5' in payload


def test_a_near_miss_is_given_in_numbers(front: ParetoFront, make_audit: MakeAudit) -> None:
    missed = replace(
        front, verified=torch.zeros(5, dtype=torch.bool), scores=front.scores[:2].repeat(3, 1)[:5]
    )
    page = parsed(build_page(*vars(make_audit([missed])).values()))
    assert ": comes to 231 (below 250)" in page.select_one("#failures").get_text()
    assert "in probability" not in page.select_one("#failures").get_text()


def test_pages_of_classifiers_keep_their_probabilities(make_front: MakeFront, make_audit: MakeAudit) -> None:
    page = parsed(build_page(*vars(make_audit([make_front("a.png")])).values()))
    assert "predicted" not in page.select_one("#gallery").get_text()
    assert "; p(Male) = 0.12." in " ".join(page.select_one(".striphead p").get_text().split())
    assert page.select("#articles svg.bar") != []
