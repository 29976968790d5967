"""Figures by group, counted by hand: every key, every test, both sides of each bound."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import fisher_exact, ttest_ind

from cfsearch.audits import groups as module
from cfsearch.audits.groups import OTHERS, column_groups, group_rows
from cfsearch.audits.input_effects import InputEffects
from cfsearch.datasets.images import AttributeTable
from cfsearch.datasets.tables import RowGroups
from cfsearch.errors import DamagedError
from cfsearch.numerics.intervals import (
    Interval,
    holm,
    mean_difference,
    paired_mean,
    share_difference,
    share_ratio,
    wilson,
)

from .fronts import front_of, instance

HAT, BEARD = [[1.0, 0.0]], [[0.0, -1.0]]


def rows(*kinds: str) -> list[Any]:
    """Instances: H and B flip by hat or beard from "no"; Y is not found and "yes"; x failed."""
    made = {
        "H": lambda n: instance(n, front_of(HAT, name=n)), "B": lambda n: instance(n, front_of(BEARD, name=n)),
        "Y": lambda n: instance(n, front_of([], name=n, source=1), "not_found"), "x": lambda n: instance(n, None, "failed"),
    }  # fmt: skip
    return [made[kind](f"{i}") for i, kind in enumerate("".join(kinds))]


def plain(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else interval.to_dict()


def fisher(k: int, n: int, j: int, m: int) -> float:
    return float(fisher_exact([[k, n - k], [j, m - j]]).pvalue)


def part(last: int, kept: int, hits: int, searched: int) -> dict[str, Any]:
    return {
        "instances": kept,
        "decided": plain(wilson(last, kept)),
        "searched": searched,
        "found_rate": plain(wilson(hits, searched)),
    }


def test_pictures_with_an_attribute_and_without_it_as_a_whole() -> None:
    kinds = "H" * 9 + "Y" * 3 + "H" * 2 + "Y" * 9 + "x"
    has = torch.tensor([[i < 12] for i in range(24)])
    labels = AttributeTable(tuple(f"{i}" for i in range(24)), ("Hat",), has, {})
    effect = torch.linspace(0, 1, 20) ** 2
    measured = [f"{i}" for i in range(2, 22)]
    [entry] = group_rows(
        "m",
        rows(kinds),
        labels=labels,
        by=("Hat",),
        effects={"Beard": InputEffects(effect)},
        measured=measured,
    )
    one, two = effect[:10], effect[10:]
    welch = ttest_ind(one.numpy(), two.numpy(), equal_var=False).pvalue
    raw = [fisher(3, 12, 9, 11), fisher(9, 12, 2, 11), welch]
    after = holm(np.array(raw))
    assert entry == {
        "model": "m", "attribute": "Hat", "with": part(3, 12, 9, 12), "without": part(9, 11, 2, 11),
        "difference": {"decided": plain(share_difference(3, 12, 9, 11)), "found_rate": plain(share_difference(9, 12, 2, 11))},
        "p": {"decided": pytest.approx(after[0], abs=2e-6), "found_rate": pytest.approx(after[1], abs=2e-6)},
        "effects": [
            {
                "variable": "Beard", "with": plain(paired_mean(one)), "without": plain(paired_mean(two)),
                "difference": plain(mean_difference(one, two)), "p": pytest.approx(after[2], abs=2e-6),
            }
        ],
        "family": 3,
    }  # fmt: skip
    [few] = group_rows(
        "m",
        rows(kinds),
        labels=labels,
        by=("Hat",),
        effects={"Beard": InputEffects(effect[1:])},
        measured=measured[1:],
    )
    [effects] = few["effects"]
    assert effects["with"] is None and effects["without"] == plain(paired_mean(two))
    assert (effects["difference"], effects["p"], few["family"]) == (None, None, 2)


def test_several_attributes_are_corrected_together() -> None:
    kinds = "H" * 10 + "Y" * 10
    first, second = torch.arange(20) < 10, torch.arange(20) % 2 == 0
    labels = AttributeTable(tuple(f"{i}" for i in range(20)), ("A", "B"), torch.stack([first, second], 1), {})
    found = group_rows("m", rows(kinds), labels=labels, by=("B", "A"), effects={}, measured=())
    assert [entry["attribute"] for entry in found] == ["B", "A"]
    raw = [fisher(5, 10, 5, 10)] * 2 + [fisher(0, 10, 10, 10)] * 2
    after = holm(np.array(raw))
    ps = [entry["p"][figure] for entry in found for figure in ("decided", "found_rate")]
    assert ps == pytest.approx(after.tolist(), abs=2e-6)
    assert [entry["family"] for entry in found] == [4, 4]


def by(names: tuple[str, ...], of: list[int]) -> RowGroups:
    return RowGroups("sex", names, tuple(of), "By value.")


def columns(kinds: str, groups: RowGroups, **given: Any) -> dict[str, Any]:
    [entry] = column_groups(
        "m", rows(kinds), groups=[groups], names=[f"{i}" for i in range(len(kinds))], **given
    )
    return entry


def test_rows_of_two_groups_as_a_whole() -> None:
    kinds = "H" * 8 + "B" * 2 + "Y" * 2 + "H" * 3 + "B" * 1 + "Y" * 8 + "x"
    entry = columns(kinds, by(("f", "m"), [0] * 12 + [1] * 13))
    changes = [(8, 10, 3, 4), (2, 10, 1, 4)]
    raw = [fisher(2, 12, 8, 12), fisher(10, 12, 4, 12)]
    after = holm(np.array(raw))
    assert entry == {
        "model": "m", "attribute": "sex", "note": "By value.",
        "groups": [{"name": "f", **part(2, 12, 10, 12)}, {"name": "m", **part(8, 12, 4, 12)}],
        "comparisons": [
            {
                "name": "f", "against": "m",
                "difference": {"decided": plain(share_difference(2, 12, 8, 12)), "found_rate": plain(share_difference(10, 12, 4, 12))},
                "p": {"decided": pytest.approx(after[0], abs=2e-6), "found_rate": pytest.approx(after[1], abs=2e-6)},
            }
        ],
        "changes": [
            {
                "variable": variable, "direction": direction,
                "groups": [
                    {"name": "f", "count": k, "n": n, "rate": plain(wilson(k, n))}, {"name": "m", "count": 0, "n": m, "rate": None},
                ],
                "comparisons": [{"name": "f", "against": "m", "difference": None, "p": None}],
            }
            for (variable, direction), (k, n, _, m) in zip((("Hat", "+"), ("Beard", "-")), changes, strict=True)
        ],
        "family": 2,
    }  # fmt: skip


def test_each_of_three_groups_is_compared_with_all_others() -> None:
    kinds = "H" * 10 + "B" * 11 + "Y" * 2 + "H" * 6 + "Y" * 6 + "H"
    entry = columns(kinds, by(("a", "b", "c"), [0] * 10 + [1] * 13 + [2] * 12 + [-1]))
    assert [(c["name"], c["against"]) for c in entry["comparisons"]] == [(name, OTHERS) for name in "abc"]
    second = entry["comparisons"][1]
    assert second["difference"] == {
        "decided": plain(share_difference(2, 13, 6, 22)), "found_rate": plain(share_difference(11, 13, 16, 22))
    }  # fmt: skip
    hat = entry["changes"][0]
    assert (hat["variable"], [g["count"] for g in hat["groups"]], [g["n"] for g in hat["groups"]]) == (
        "Hat",
        [10, 0, 0],
        [10, 11, 6],
    )
    first, middle, last = hat["comparisons"]
    assert first["difference"] == plain(share_difference(10, 10, 6, 17))
    assert middle["difference"] == plain(share_difference(0, 11, 16, 16))
    assert last["difference"] is None


def test_the_most_frequent_changes_alone_are_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_MOST_CHANGES", 1)
    entry = columns("H" * 12 + "B" * 13, by(("f", "m"), [0, 1] * 12 + [0]))
    assert [change["variable"] for change in entry["changes"]] == ["Beard"]


def test_impact_ratios_are_over_the_most_selected_group_of_ten() -> None:
    kinds = "Y" * 6 + "H" * 6 + "Y" * 9 + "H" * 3 + "Y" * 9 + "Y" * 4 + "H" + "x"
    of = [0] * 12 + [1] * 12 + [2] * 9 + [3] * 4 + [-1] + [0]
    entry = columns(kinds, by(("a", "b", "few", "missing"), of), selected=1)
    assert entry["impact"] == {
        "label": "yes", "most_selected": "b", "unknown": 5,
        "groups": [
            {"name": "a", "n": 12, "rate": plain(wilson(6, 12)), "ratio": plain(share_ratio(6, 12, 9, 12))},
            {"name": "b", "n": 12, "rate": plain(wilson(9, 12)), "ratio": None},
            {"name": "few", "n": 9, "rate": None, "ratio": None}, {"name": "missing", "n": 4, "rate": None, "ratio": None},
        ],
    }  # fmt: skip
    none = columns("xx", by(("a", "b"), [0, 1]), selected=0)
    assert none["impact"] == {
        "label": "", "most_selected": None, "unknown": 0,
        "groups": [{"name": name, "n": 0, "rate": None, "ratio": None} for name in "ab"],
    }  # fmt: skip
    other = columns("Y" * 4 + "H" * 8 + "Y" * 10, by(("a", "b"), [0] * 12 + [1] * 10), selected=0)
    assert (other["impact"]["label"], other["impact"]["most_selected"]) == ("no", "a")


def test_of_rows_that_a_decision_chose_nothing_is_decided() -> None:
    kinds = "H" * 10 + "B" * 5 + "H" * 6
    entry = columns(kinds, by(("f", "m"), [0] * 10 + [1] * 11), selected=1, chosen=True)
    bare = columns(kinds, by(("f", "m"), [0] * 10 + [1] * 11))
    assert "impact" not in entry
    assert entry["groups"] == [{**group, "decided": None} for group in bare["groups"]]
    [one], [other] = entry["comparisons"], bare["comparisons"]
    assert one["difference"] == {**other["difference"], "decided": None}
    assert one["p"]["decided"] is None and one["p"]["found_rate"] is not None
    assert entry["family"] == bare["family"] - 1


def test_inputs_that_nothing_is_known_of_are_damage() -> None:
    with pytest.raises(DamagedError, match=r"^groups: nothing says in which groups input '1' is\.$"):
        column_groups("m", rows("HH"), groups=[by(("a",), [0])], names=["0"])
