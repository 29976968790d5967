"""Figures by group: tests and corrections against values worked by hand."""

import pytest

from cfsearch.audit.groups import OTHERS, _holm, _Share, column_groups
from cfsearch.datasets.tables import RowGroups
from cfsearch.runs import InstanceRow


def test_fishers_test_of_the_lady_tasting_tea() -> None:
    # 3 of 4 cups right: 2 * (16 + 1) / 70
    assert _Share(3, 4).p(_Share(1, 4)) == pytest.approx(34 / 70)
    assert _Share(0, 0).p(_Share(1, 4)) is None


def test_holm_by_hand() -> None:
    # sorted 0.01, 0.02, 0.03, 0.5 times 4, 3, 2, 1; never falling
    assert _holm([0.02, None, 0.5, 0.01, 0.03]) == [0.06, None, 0.5, 0.04, 0.06]
    assert _holm([0.9, 0.8]) == [1.0, 1.0]
    assert _holm([None]) == [None]


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
