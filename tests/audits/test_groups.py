"""Figures by group where there is nothing to count."""

from cfsearch.audits.groups import OTHERS, column_groups
from cfsearch.datasets.tables import RowGroups
from cfsearch.runs.directory import InstanceRow


def failed(i: int) -> InstanceRow:
    return InstanceRow(f"row {i}", i, "failed", "provider", "it failed", "", (), None)


def test_failed_rows_are_in_no_figure_and_give_no_p() -> None:
    by = RowGroups("sex", ("a", "b", "c"), (0, 1, 2, 0))
    [entry] = column_groups(
        "model", [failed(i) for i in range(4)], groups=[by], names=[f"row {i}" for i in range(4)]
    )
    assert [g["instances"] for g in entry["groups"]] == [0, 0, 0]
    assert [(c["name"], c["against"]) for c in entry["comparisons"]] == [(n, OTHERS) for n in "abc"]
    for one in entry["comparisons"]:
        assert one["difference"] == {"decided": None, "found_rate": None}
        assert one["p"] == {"decided": None, "found_rate": None}
    assert entry["changes"] == []
    assert entry["family"] == 0
