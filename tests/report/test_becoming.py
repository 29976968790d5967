"""Which class became which, on the page."""

from typing import Any

import pytest

from cfsearch.report.becoming import becoming
from cfsearch.report.page import build_page

from .conftest import MakeAudit, MakeFront, parsed

LABELS = ("four", "five", "nine")


@pytest.fixture
def page(make_front: MakeFront, make_audit: MakeAudit) -> Any:  # Any: the parsed page
    fronts = [make_front(f"{i}.png", seed=i, labels=LABELS, target=None) for i in range(2)]
    audit = make_audit(fronts)
    document = audit.document
    document["models"][0]["labels"] = list(LABELS)
    document["instances"][1]["truth"] = "nine"
    document["transitions"] = [
        {"model": "first", "from": "nine", "to": "four", "count": 7},
        {"model": "first", "from": "four", "to": "five", "count": 2},
        {"model": "first", "from": "nine", "to": "five", "count": 3},
    ]
    return parsed(build_page(document, audit.instances))


def test_the_table_counts_from_rows_to_columns(page: Any) -> None:
    table = page.select_one("#reacts table.becoming")
    assert [th.get_text() for th in table.select("thead th")] == ["from, to", "four", "five", "all"]
    rows = [[cell.get_text() for cell in tr.select("th, td")] for tr in table.select("tbody tr")]
    assert rows == [["four", "·", "2", "2"], ["nine", "7", "3", "10"]]


def test_of_many_classes_the_rarest_stand_together_and_nothing_is_lost() -> None:
    labels = [f"class {k}" for k in range(1000)]
    pairs = [(k, (k + j) % 1000) for k in range(0, 1000, 2) for j in (1, 2)]
    transitions = [
        {"model": "m", "from": labels[a], "to": labels[b], "count": 1 + (a < 60)} for a, b in pairs
    ]
    document = {"models": [{"id": "m", "name": "m", "labels": labels}], "transitions": transitions}
    [table] = becoming(document)
    heads = [name for name, _ in table.rows]
    assert heads == [*labels[:60:2], "470 others"]
    assert len(table.after) == 31
    assert table.after[-1] == "970 others"
    assert sum(sum(counts) for _, counts in table.rows) == 1060
    assert sum(table.rows[-1][1]) == 940


def test_one_class_more_than_the_most_frequent_is_no_group_of_its_own() -> None:
    labels = [f"class {k}" for k in range(31)]
    transitions = [{"model": "m", "from": label, "to": labels[0], "count": 1} for label in labels[1:]]
    [table] = becoming({"models": [{"id": "m", "name": "m", "labels": labels}], "transitions": transitions})
    assert [name for name, _ in table.rows] == labels[1:]
    assert table.after == ("class 0",)


def test_galleries_name_the_class_that_it_became_and_the_true_one(page: Any) -> None:
    first, second = page.select("#articles .picture")
    assert "four became five;" in " ".join(first.select_one(".line").get_text().split())
    assert "truly" not in first.select_one(".who").get_text()
    assert "truly nine" in second.select_one(".who").get_text()
    assert {p.get_text() for p in first.select(".tile .now")} == {"now four", "now five"}


def test_two_classes_need_no_such_words(make_front: MakeFront, make_audit: MakeAudit) -> None:
    audit = make_audit([make_front()])
    audit.document["transitions"] = [{"model": "first", "from": "Female", "to": "Male", "count": 1}]
    soup = parsed(build_page(audit.document, audit.instances))
    assert not soup.select("table.becoming")
    assert "became" not in soup.select_one("#articles").get_text()
    assert not soup.select(".tile .now")
