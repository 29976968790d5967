"""Every figure on protected columns, against scipy and by hand."""

from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import norm, ttest_ind, wilcoxon

from cfsearch.audits.columns.figures import column_rows
from cfsearch.audits.columns.measuring import MeasuredColumn, Moves
from cfsearch.audits.columns.members import MemberFigures
from cfsearch.audits.columns.protection import NONE, Protected
from cfsearch.audits.columns.querying import clip
from cfsearch.audits.family import signed_rank, welch
from cfsearch.numerics.intervals import Interval, holm, mean_difference, paired_mean, wilson

N = 24
OF = torch.tensor([0, 1] * 11 + [NONE, NONE])
KNOWN = OF != NONE
DRAW = np.random.default_rng(0)
ODDS = torch.from_numpy(DRAW.normal(size=(N, 2)) + np.array([0.0, 1.0]))
CLASSES = torch.tensor([[0, 1]] * 6 + [[0, 0]] * 18)
LINKED = ODDS + torch.tensor([0.0, 0.5]).double()


def measured(**parts: Any) -> MeasuredColumn:
    of = parts.pop("of", OF)
    names = parts.pop("names", ("f", "m"))
    about: dict[str, Any] = {
        "guessed": False,
        "taken": True,
        "unknown": 2,
        "small": ("x",),
        "because": "none",
        "note": "By value.",
    }
    about |= {name: parts.pop(name) for name in list(about) if name in parts}
    protected = Protected(
        "sex",
        "sex",
        about["guessed"],
        about["taken"],
        names,
        of,
        None,
        about["unknown"],
        about["small"],
        about["because"],
        about["note"],
    )
    known: dict[str, Any] = {
        "rows": tuple(f"r{i}" for i in range(len(of))), "label": "yes", "odds": ODDS, "p": ODDS.sigmoid(), "classes": CLASSES,
        "own": torch.zeros(len(of), dtype=torch.int64),
    }  # fmt: skip
    return MeasuredColumn(protected, **{**known, **parts})


def row(*, members: MemberFigures | None = None, practical: float = 0.25, **parts: Any) -> dict[str, Any]:
    given = {} if members is None else {"sex": members}
    [found] = column_rows("m", [measured(**parts)], practical=practical, members=given)
    return found


def plain(interval: Interval | None) -> dict[str, float] | None:
    return None if interval is None else interval.to_dict()


def estimate(values: torch.Tensor) -> dict[str, float] | None:
    return plain(paired_mean(values))


def test_a_column_of_two_groups_as_a_whole() -> None:
    found = row(linked=("title",), linked_odds=LINKED, linked_p=LINKED.sigmoid())
    p = ODDS.sigmoid()
    alone, points = (ODDS[:, 0] - ODDS[:, 1]), p[:, 0] - p[:, 1]
    even, even_p = ODDS.mean(1), p.mean(1)  # groups are equally large
    inside, outside = OF == 0, OF == 1
    raw = [
        wilcoxon(alone[KNOWN].numpy()).pvalue,
        ttest_ind(even[inside], even[outside], equal_var=False).pvalue,
    ]
    after = holm(np.array(raw))
    [c] = found["comparisons"]
    assert c["effect"]["p"] == pytest.approx(float(after[0]), abs=2e-6)
    assert c["through"]["p"] == pytest.approx(float(after[1]), abs=2e-6)
    assert [c["effect"]["p"], c["through"]["p"]] == [
        round(value, 6) for value in (c["effect"]["p"], c["through"]["p"])
    ]

    def one(logits: torch.Tensor, share: torch.Tensor, rows: torch.Tensor) -> dict[str, Any]:
        return {"logits": estimate(logits[rows]), "probability": estimate(share[rows]), "n": int(rows.sum())}

    linked = LINKED.sigmoid()
    assert c == {
        "name": "f", "against": "m",
        "effect": {**one(alone, points, KNOWN), "p": c["effect"]["p"], "reading": "leans", "because": ""},
        "by_group": [{"name": "f", **one(alone, points, inside)}, {"name": "m", **one(alone, points, outside)}],
        "linked": one(LINKED[:, 0] - LINKED[:, 1], linked[:, 0] - linked[:, 1], KNOWN),
        "through": {
            "logits": plain(mean_difference(even[inside], even[outside])),
            "probability": plain(mean_difference(even_p[inside], even_p[outside])), "n": 22, "p": c["through"]["p"],
            "reading": c["through"]["reading"], "because": c["through"]["because"],
        },
        "proxies": [],
    }  # fmt: skip
    assert found == {
        "model": "m", "column": "sex", "kind": "sex", "guessed": False, "taken": True, "label": "yes", "n": 22, "unknown": 2,
        "left_out": ["x"], "note": "By value.", "linked": ["title"], "clipped": False,
        "groups": [{"name": "f", "instances": 11}, {"name": "m", "instances": 11}], "comparisons": [c],
        "flips_alone": {"count": 6, "n": 22, "rate": plain(wilson(6, 22))}, "members": None, "cost": None, "family": 2,
        "reading": "leans", "because": "", "through": {"reading": c["through"]["reading"], "because": c["through"]["because"]},
    }  # fmt: skip


def test_of_three_groups_each_is_contrasted_with_the_others_by_their_size() -> None:
    of = torch.tensor([0] * 10 + [1] * 12 + [2] * 14)
    odds = torch.from_numpy(np.random.default_rng(1).normal(size=(36, 3)))
    found = row(of=of, names=("a", "b", "c"), odds=odds, p=odds.sigmoid(), classes=torch.zeros(36, 3).long())
    assert [(c["name"], c["against"]) for c in found["comparisons"]] == [(n, "all others") for n in "abc"]
    second = found["comparisons"][1]
    others = (10 * odds[:, 0] + 14 * odds[:, 2]) / 24
    assert second["effect"]["logits"] == estimate(odds[:, 1] - others)
    even = (10 * odds[:, 0] + 12 * odds[:, 1] + 14 * odds[:, 2]) / 36
    expected = mean_difference(even[of == 1], even[of != 1])
    assert expected is not None
    assert second["through"]["logits"] == pytest.approx(expected.to_dict(), abs=1e-6)
    assert found["family"] == 6


def test_a_column_that_is_not_taken_has_no_effect_of_its_own() -> None:
    found = row(taken=False, members=members())
    [c] = found["comparisons"]
    assert (c["effect"], c["by_group"], found["flips_alone"], found["members"]) == (None, [], None, None)
    assert (found["reading"], found["because"], found["family"]) == ("does not lean", "", 1)
    assert found["cost"] is not None


def test_labels_alone_give_no_logits_and_are_tested_by_their_shares() -> None:
    found = row(graded=False, moves=moves())
    [c] = found["comparisons"]
    points = ODDS.sigmoid()[:, 0] - ODDS.sigmoid()[:, 1]
    assert (c["effect"]["logits"], c["through"]["logits"], c["proxies"]) == (None, None, [])
    assert c["effect"]["probability"] == estimate(points[KNOWN])
    raw = [signed_rank(points[KNOWN].round(decimals=9)), welch(ODDS.mean(1)[OF == 0], ODDS.mean(1)[OF == 1])]
    assert None not in raw
    after = holm(np.array(raw, dtype=float))
    assert c["effect"]["p"] == pytest.approx(float(after[0]), abs=1e-6)
    assert (c["effect"]["reading"], c["effect"]["because"]) == ("cannot tell", "the model gives labels only")


def test_clipped_answers_count_within_a_two_hundredth() -> None:
    odds = ODDS * 9
    found = row(odds=odds, clipped=True, linked=("title",), linked_odds=odds + 1, linked_p=odds.sigmoid())
    [c] = found["comparisons"]
    cut = clip(odds)
    assert found["clipped"] is True
    assert c["effect"]["logits"] == estimate((cut[:, 0] - cut[:, 1])[KNOWN])
    more = clip(odds + 1)
    assert c["linked"]["logits"] == estimate((more[:, 0] - more[:, 1])[KNOWN])


def moves(n: int = 12) -> Moves:
    draw = np.random.default_rng(3)
    logits = torch.from_numpy(draw.normal(1.0, 0.5, size=(1, 2, n)))
    logits[0, 1] = 0.0
    error = torch.tensor([[0.3, 0.0]]).double()
    return Moves(("hours", "job"), torch.arange(n), logits, logits / 4, error, error / 4)


def test_proxies_have_normal_intervals_of_both_errors() -> None:
    [c] = row(moves=moves(), practical=0.1)["comparisons"]
    first, second = c["proxies"]
    values = moves().logits[0, 0].numpy()
    width = np.hypot(values.std(ddof=1) / np.sqrt(12), 0.3)
    assert (first["column"], second["column"], first["n"]) == ("hours", "job", 12)
    assert first["logits"]["value"] == pytest.approx(values.mean(), abs=1e-6)
    assert first["logits"]["low"] == pytest.approx(values.mean() - 1.96 * width, abs=1e-6)
    assert first["logits"]["high"] == pytest.approx(values.mean() + 1.96 * width, abs=1e-6)
    assert {key: 4 * value for key, value in first["probability"].items()} == pytest.approx(
        first["logits"], abs=5e-6
    )
    raw = 2 * norm.sf(values.mean() / width)
    assert first["p"] == pytest.approx(min(1.0, 2 * raw), abs=2e-6)  # Holm: the smaller of two
    assert (second["logits"], second["p"]) == ({"value": 0.0, "low": 0.0, "high": 0.0}, 1.0)
    assert (first["reading"], second["reading"]) == ("leans", "does not lean")
    assert len(row(moves=moves(10))["comparisons"][0]["proxies"]) == 2
    assert row(moves=moves(9))["comparisons"][0]["proxies"] == []


def members(n: int = 24, **parts: Any) -> MemberFigures:
    draw = np.random.default_rng(4)
    share = torch.from_numpy(draw.random(n))
    some = share.clone()
    some[10:] = torch.nan
    few = share.clone()
    few[9:] = torch.nan
    known: dict[str, Any] = {
        "rows": tuple(f"r{i}" for i in range(n)), "cost": share + torch.arange(n) % 2, "changed": share, "necessary": some,
        "sufficient": few,
    }  # fmt: skip
    return MemberFigures(**{**known, **parts})


def test_members_are_averaged_where_ten_rows_say_something() -> None:
    one = members()
    assert row(members=one)["members"] == {
        "changed": {"n": 24, "rate": estimate(one.changed)}, "necessary": {"n": 10, "rate": estimate(one.necessary[:10])},
        "sufficient": {"n": 9, "rate": None},
    }  # fmt: skip


def test_costs_are_compared_by_group_and_only_of_ten_rows_each() -> None:
    one = members()
    first, second = one.cost[:22:2], one.cost[1:22:2]
    found = row(members=one)["cost"]
    assert found["groups"] == [
        {"name": "f", "n": 11, "mean": estimate(first)}, {"name": "m", "n": 11, "mean": estimate(second)},
    ]  # fmt: skip
    [gap] = found["comparisons"]
    raw = ttest_ind(first.numpy(), second.numpy(), equal_var=False).pvalue
    assert gap == {
        "name": "f", "against": "m", "difference": plain(mean_difference(first, second)), "p": pytest.approx(raw, abs=1e-6)
    }  # fmt: skip
    few = row(members=members(19))["cost"]
    assert [group["n"] for group in few["groups"]] == [10, 9]
    assert few["groups"][0]["mean"] is not None and few["groups"][1]["mean"] is None
    assert (few["comparisons"][0]["difference"], few["comparisons"][0]["p"]) == (None, None)
    assert row()["cost"] is None


def test_both_families_are_corrected_apart_over_all_columns() -> None:
    one, other = measured(moves=moves()), measured(moves=moves())
    [first, second] = column_rows("m", [one, other], practical=0.25, members={"sex": members()})
    assert first["family"] == second["family"] == 4
    [alone] = column_rows("m", [one], practical=0.25)
    before, after = (r["comparisons"][0]["effect"]["p"] for r in (alone, first))
    assert after == pytest.approx(2 * before, rel=0.05)
    second_family = [c["p"] for r in (first, second) for c in r["comparisons"][0]["proxies"]]
    values = moves().logits[0, 0].numpy()
    width = np.hypot(values.std(ddof=1) / np.sqrt(12), 0.3)
    costs = members().cost
    gap = ttest_ind(costs[:22:2].numpy(), costs[1:22:2].numpy(), equal_var=False).pvalue
    proxy = 2 * norm.sf(values.mean() / width)
    expected = holm(np.array([proxy, 1.0, proxy, 1.0, gap, gap]))
    assert second_family == pytest.approx(expected[:4].tolist(), abs=2e-6)


def around(value: float, half: float) -> torch.Tensor:
    """Differences of 24 rows with about this mean and half width of its interval."""
    wave = torch.tensor([-1.0, 1.0] * 12).double()
    return value + wave * (half * float(np.sqrt(N)) / 1.96)


@pytest.mark.parametrize(
    ("value", "half", "practical", "reading"),
    [
        (1.0, 0.1, 0.25, "leans"), (-1.0, 0.1, 0.25, "leans"), (0.1, 0.05, 0.25, "does not lean"),
        (0.3, 0.2, 0.25, "cannot tell"), (-0.3, 0.2, 0.25, "cannot tell"), (0.0, 0.5, 0.25, "cannot tell"),
        (1.0, 0.0, 1.0, "cannot tell"),
    ],
)  # fmt: skip
def test_readings_follow_the_whole_interval(
    value: float, half: float, practical: float, reading: str
) -> None:
    gap = around(value, half)
    odds = torch.stack([gap, torch.zeros_like(gap)], dim=1)
    found = row(odds=odds, p=odds.sigmoid(), practical=practical)
    effect = found["comparisons"][0]["effect"]
    assert (effect["reading"], found["reading"]) == (reading, reading)
    because = (
        f"the interval leaves open whether it is more than {practical:g} logits"
        if reading == "cannot tell"
        else ""
    )
    assert effect["because"] == found["because"] == because


def test_few_rows_and_many_tests_leave_it_open() -> None:
    of = torch.tensor([0, 1] * 4 + [NONE])
    odds = torch.stack([torch.linspace(0.9, 1.1, 9), torch.zeros(9)], dim=1).double()
    found = row(of=of, odds=odds, p=odds.sigmoid(), classes=torch.zeros(9, 2).long())
    effect = found["comparisons"][0]["effect"]
    assert (effect["logits"], effect["probability"], effect["n"]) == (None, None, 8)
    assert (effect["reading"], effect["because"], effect["p"]) == ("cannot tell", "fewer than 10 rows", None)
    ten = torch.tensor([0, 1] * 5)
    wide = torch.stack([torch.linspace(0.9, 1.1, 10), torch.zeros(10)], dim=1).double()
    many = [measured(of=ten, odds=wide, p=wide.sigmoid(), classes=torch.zeros(10, 2).long())] * 30
    crowd = column_rows("m", many, practical=0.25)[0]["comparisons"][0]["effect"]
    assert (crowd["reading"], crowd["because"]) == (
        "cannot tell",
        "the rows are too few for so many comparisons",
    )


def test_groups_of_fewer_than_ten_rows_are_not_compared_as_they_are() -> None:
    for few in (0, 9, 10):
        of = torch.tensor([1] * few + [0] * (24 - few))
        for names in (("f", "m"), ("m", "f")):
            [c] = row(of=of if names[0] == "f" else 1 - of, names=names, counts=(20, 20))["comparisons"]
            through = c["through"]
            assert through["n"] == 24
            assert [through[part] is None for part in ("logits", "probability", "p")] == [few < 10] * 3
            assert (through["because"] == "fewer than 10 rows") is (few < 10)
            assert c["effect"]["logits"] is not None and np.isfinite(c["effect"]["logits"]["value"])


def test_rows_that_were_added_for_a_rare_group_say_nothing_of_all() -> None:
    """Figures over all rows are those without them; the group's own are those with them."""
    of = torch.tensor([0] * 12 + [1] * 2 + [1] * 8 + [NONE] * 2)
    added, spread = tuple(range(14, 22)), torch.arange(24) < 14
    found = row(of=of, added=added, counts=(600, 12), classes=CLASSES)
    [c] = found["comparisons"]
    alone = ODDS[:, 0] - ODDS[:, 1]
    assert (c["effect"]["logits"], c["effect"]["n"], found["n"]) == (estimate(alone[spread]), 14, 14)
    assert [part["n"] for part in c["by_group"]] == [12, 10]
    assert c["by_group"][1]["logits"] == estimate(alone[of == 1])
    even = (600 * ODDS[:, 0] + 12 * ODDS[:, 1]) / 612
    assert c["through"]["logits"] == plain(mean_difference(even[of == 0], even[of == 1]))
    assert found["flips_alone"] == {"count": 6, "n": 14, "rate": plain(wilson(6, 14))}
    assert found["groups"] == [{"name": "f", "instances": 12}, {"name": "m", "instances": 10}]


@pytest.mark.parametrize("n", [9, 10])
def test_a_share_of_fewer_than_ten_rows_is_not_given(n: int) -> None:
    of = torch.tensor([i % 2 if i < n else NONE for i in range(N)])
    flips = row(of=of, classes=CLASSES)["flips_alone"]
    count = min(n, 6)
    assert flips == {"count": count, "n": n, "rate": None if n < 10 else plain(wilson(count, n))}


def test_of_three_groups_added_rows_are_not_among_all_others() -> None:
    draw = np.random.default_rng(5)
    of = torch.tensor([0] * 12 + [1] * 12 + [2] * 10)
    odds = torch.from_numpy(draw.normal(size=(34, 3)))
    costs = MemberFigures(tuple(f"r{i}" for i in range(34)), *torch.from_numpy(draw.random((4, 34))))
    found = row(
        of=of, names=("a", "b", "c"), odds=odds, p=odds.sigmoid(), classes=torch.zeros(34, 3).long(), members=costs,
        added=tuple(range(25, 34)), counts=(300, 300, 12),
    )  # fmt: skip
    even, spread = odds @ torch.tensor([300, 300, 12]).double() / 612, torch.arange(34) < 25
    first, _, third = found["comparisons"]
    others = even[12:25]  # twelve of b, one of c
    expected = mean_difference(even[:12], others)
    assert expected is not None
    assert first["through"]["logits"] == pytest.approx(expected.to_dict(), abs=1e-6)
    contrast = odds[:, 0] - (300 * odds[:, 1] + 12 * odds[:, 2]) / 312
    assert first["effect"]["logits"] == estimate(contrast[spread])
    expected = mean_difference(even[24:], even[:24])
    assert expected is not None
    assert third["through"]["logits"] == pytest.approx(expected.to_dict(), abs=1e-6)
    gap = found["cost"]["comparisons"][0]
    assert gap["difference"] == plain(mean_difference(costs.cost[:12], costs.cost[12:25]))
    assert [group["n"] for group in found["cost"]["groups"]] == [12, 12, 10]


def test_with_nothing_to_compare_the_reason_stands_for_both() -> None:
    empty = torch.zeros(4, 0)
    one: dict[str, Any] = {
        "of": torch.zeros(4).long(),
        "names": ("f",),
        "odds": empty,
        "p": empty,
        "classes": empty.long(),
    }
    found = row(**one)
    assert (found["comparisons"], found["flips_alone"], found["family"]) == ([], None, 0)
    assert (found["reading"], found["because"], found["through"]) == (
        "cannot tell", "none", {"reading": "cannot tell", "because": "none"},
    )  # fmt: skip
    other = row(**one, taken=False, members=members())
    assert (other["reading"], other["because"], other["cost"]) == ("does not lean", "", None)
    assert other["through"] == {"reading": "cannot tell", "because": "none"}


def test_one_comparison_that_leans_is_enough_and_one_that_is_open_leaves_it_open() -> None:
    of = torch.tensor([0] * 12 + [1] * 12 + [2] * 12)

    def overall(*shifts: float) -> tuple[str, str]:
        odds = torch.tensor(shifts).double().expand(36, 3) + 0.001 * torch.arange(36).double()[:, None]
        found = row(
            of=of, names=("a", "b", "c"), odds=odds, p=odds.sigmoid(), classes=torch.zeros(36, 3).long()
        )
        return found["reading"], found["because"]

    assert overall(0.0, 0.0, 1.0) == ("leans", "")
    assert overall(0.0, 0.0, 0.0) == ("does not lean", "")
    assert overall(0.0, 0.125, 0.25)[0] == "does not lean"
