"""Coverage of shared changes: its intervals against a process whose coverage is known, and its groups by hand."""

import dataclasses

import torch

from cfsearch.audits.measured import Membership
from cfsearch.audits.shared.candidates import Move, SharedChange
from cfsearch.audits.shared.choosing import chosen_sets
from cfsearch.audits.shared.figures import shared_rows
from cfsearch.audits.shared.measuring import MeasuredChanges, Trials
from cfsearch.datasets.tables import RowGroups
from cfsearch.numerics.intervals import wilson


def trials(prefix: str, flips: torch.Tensor) -> Trials:
    names = tuple(f"{prefix}{i}" for i in range(flips.shape[1]))
    return Trials(names, flips, torch.ones(flips.shape, dtype=torch.float64), torch.zeros_like(flips))


def measured(first: torch.Tensor, second: torch.Tensor) -> MeasuredChanges:
    changes = tuple(SharedChange((Move(j, f"v{j}", "+", "by", 1.0),), 1) for j in range(len(first)))
    words = tuple(f"v{j} +1" for j in range(len(first)))
    tried = torch.ones(len(first), dtype=torch.bool)
    return MeasuredChanges("no", "yes", changes, words, trials("a", first), trials("b", second), tried, 0, 7)


def test_the_interval_holds_the_true_coverage_although_the_changes_were_chosen() -> None:
    """Each of 20 changes flips an input with chance 0.2, whatever the others do: k of them cover 1 - 0.8^k."""
    rng = torch.Generator().manual_seed(3)
    audits, inside, chosen_on_itself = 100, 0, 0
    for _ in range(audits):
        flips = torch.rand(20, 60, generator=rng) < 0.2
        [row] = shared_rows("m", [measured(flips[:, :30], flips[:, 30:])], members=None)
        changes = row["sets"][0]["changes"]
        truth = 1 - 0.8 ** len(changes)
        rate = changes[-1]["together"]["rate"]
        inside += rate["low"] <= truth <= rate["high"]
        [whole] = chosen_sets(measured(flips[:, :30], flips[:, 30:]), None)
        again = wilson(int(flips[list(whole.chosen), :30].any(0).sum()), 30)
        assert again is not None
        chosen_on_itself += again.low <= truth <= again.high
    assert inside >= 0.92 * audits
    assert chosen_on_itself < 0.75 * audits  # what an interval on the half that chose them would be worth


def test_alone_together_and_by_size() -> None:
    first = torch.zeros(3, 10, dtype=torch.bool)
    first[0, :6], first[1, 4:9], first[2, :2] = True, True, True
    second = torch.zeros(3, 10, dtype=torch.bool)
    second[0, :3], second[1, 2:5] = True, True
    [row] = shared_rows("m", [measured(first, second)], members=None)
    changes = row["sets"][0]["changes"]
    assert [c["words"] for c in changes] == ["v0 +1", "v1 +1"]  # the third flips nothing more
    assert [c["alone"]["count"] for c in changes] == [3, 3]
    assert [c["together"]["count"] for c in changes] == [3, 5]
    assert changes[1]["together"]["rate"]["value"] == 0.5
    assert changes[0]["cost"] is None  # three inputs are too few for a mean
    assert (row["from"], row["to"], row["queries"], row["candidates"]) == ("no", "yes", 7, 3)


def test_groups_have_their_own_changes_and_are_compared_with_holm() -> None:
    """The first change flips the men, the second the women; what is chosen for all is compared between them."""
    men = torch.arange(40) % 2 == 0
    flips = torch.stack([men, ~men & (torch.arange(40) < 34)])
    one = measured(flips, flips)
    names = (*one.first.inputs, *one.second.inputs)
    groups = RowGroups("sex", ("man", "woman"), tuple(int(not m) for m in men.tolist()) * 2, "")
    [row] = shared_rows("m", [one], members=Membership(None, (), (groups,), names))
    assert [(s["name"], [c["words"] for c in s["changes"]]) for s in row["sets"]] == [
        ("", ["v0 +1", "v1 +1"]),
        ("man", ["v0 +1"]),
        ("woman", ["v1 +1"]),
    ]
    assert [(g["name"], g["count"], g["n"]) for g in row["groups"]] == [("man", 20, 20), ("woman", 17, 20)]
    [compared] = row["comparisons"]
    assert compared["difference"]["value"] == 0.15
    assert (compared["name"], compared["against"], row["family"]) == ("man", "woman", 1)


def test_small_groups_and_sets_that_were_not_tried_are_left_out() -> None:
    flips = torch.ones(1, 20, dtype=torch.bool)
    one = measured(flips, flips)
    names = (*one.first.inputs, *one.second.inputs)
    groups = RowGroups("sex", ("man", "woman"), tuple(int(i % 20 >= 12) for i in range(40)), "")
    [row] = shared_rows("m", [one], members=Membership(None, (), (groups,), names))
    assert [s["name"] for s in row["sets"]] == ["", "man"]
    assert [g["name"] for g in row["groups"]] == ["man"] and row["comparisons"] == []
    men = torch.arange(40) % 2 == 0
    two = measured(torch.stack([men, ~men]), torch.stack([men, ~men]))
    groups = RowGroups("sex", ("man", "woman"), tuple(int(not m) for m in men.tolist()) * 2, "")
    names = (*two.first.inputs, *two.second.inputs)
    untried = dataclasses.replace(two, tried=torch.tensor([True, False]))
    [row] = shared_rows("m", [untried], members=Membership(None, (), (groups,), names))
    assert [s["name"] for s in row["sets"]] == ["", "man"]
