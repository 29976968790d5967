"""The family of tests of an audit, against binomial coefficients, scipy's t-test and Holm's own words."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import ttest_ind
from torch import Tensor

from cfsearch.audits.family import _holm, corrected, fisher, welch
from cfsearch.audits.groups import column_groups, group_rows
from cfsearch.audits.input_effects import InputEffects
from cfsearch.contracts.records import Reason
from cfsearch.datasets.images import AttributeTable
from cfsearch.datasets.tables import RowGroups
from cfsearch.fronts.front import ParetoFront
from cfsearch.runs.directory import InstanceRow

N = 48


def exact(count: int, n: int, other: int, m: int) -> float:
    """Fisher's p by counting: all tables with these margins that are no likelier than the one seen."""
    both = count + other
    ways = [math.comb(n, k) * math.comb(m, both - k) for k in range(max(0, both - m), min(n, both) + 1)]
    seen = math.comb(n, count) * math.comb(m, other)
    return sum(w for w in ways if w <= seen) / math.comb(n + m, both)


def step_down(p: Sequence[float]) -> list[float]:
    """Holm's procedure, read as levels: the smallest at which each hypothesis would be rejected."""
    order = sorted(range(len(p)), key=lambda i: p[i])
    found, highest = [0.0] * len(p), 0.0
    for place, i in enumerate(order):
        highest = max(highest, min(1.0, (len(p) - place) * p[i]))
        found[i] = highest
    return found


@given(n=st.integers(1, 25), m=st.integers(1, 25), data=st.data())
def test_fishers_test_counts_tables(n: int, m: int, data: st.DataObject) -> None:
    count, other = data.draw(st.integers(0, n)), data.draw(st.integers(0, m))
    assert fisher(count, n, other, m) == pytest.approx(exact(count, n, other, m), rel=1e-6)


def test_a_share_of_nothing_is_no_test() -> None:
    assert fisher(3, 4, 1, 4) == pytest.approx(34 / 70)  # the lady tasting tea
    assert fisher(0, 0, 1, 4) is None
    assert fisher(1, 4, 0, 0) is None


@given(st.integers(2, 30), st.integers(2, 30), st.integers(0, 1000))
def test_welchs_test_is_scipys(n: int, m: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    a, b = draw.normal(size=n), draw.normal(0.5, 2.0, size=m)
    ours = welch(torch.from_numpy(a), torch.from_numpy(b))
    assert ours == pytest.approx(ttest_ind(a, b, equal_var=False).pvalue, rel=1e-9)


def test_welchs_test_needs_two_values_that_vary() -> None:
    one, same, spread = torch.tensor([1.0]), torch.tensor([1.0, 1.0]), torch.tensor([0.0, 2.0])
    assert welch(one, spread) is None and welch(spread, one) is None
    assert welch(same, same + 1.0) is None
    assert welch(same, spread) == pytest.approx(1.0)


def test_holm_by_hand() -> None:
    # sorted 0.01, 0.02, 0.03, 0.5 times 4, 3, 2, 1; never falling
    assert _holm([0.02, None, 0.5, 0.01, 0.03]) == [0.06, None, 0.5, 0.04, 0.06]
    assert _holm([0.9, 0.8]) == [1.0, 1.0]
    assert _holm([None]) == [None]
    assert _holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=30))
def test_holm_is_his_procedure(p: list[float]) -> None:
    assert _holm(p) == pytest.approx(step_down(p), abs=1e-6)


def test_entries_are_corrected_together_and_left_as_they_were() -> None:
    entries: list[dict[str, Any]] = [
        {"attribute": "p", "p": {"decided": 0.01, "found_rate": None}, "effects": [{"p": 0.02}]},
        {"attribute": "q", "p": {"decided": 0.5, "found_rate": 0.03}, "effects": []},
    ]
    assert corrected(entries) == [
        {"attribute": "p", "p": {"decided": 0.04, "found_rate": None}, "effects": [{"p": 0.06}], "family": 4},
        {"attribute": "q", "p": {"decided": 0.5, "found_rate": 0.06}, "effects": [], "family": 4},
    ]
    assert entries[0]["p"] == {"decided": 0.01, "found_rate": None} and "family" not in entries[0]
    assert corrected([]) == []


def test_of_audits_in_which_no_group_differs_one_in_twenty_says_so() -> None:
    draw = torch.Generator().manual_seed(1)
    together = apart = 0
    for _ in range(300):
        entries = [
            {"effects": [{"p": welch(*torch.randn(2, 12, generator=draw))} for _ in range(4)]}
            for _ in range(5)
        ]
        together += called(corrected(entries))
        apart += called([entry for one in entries for entry in corrected([one])])
    # 5 % of 300 and three standard errors; one column at a time it is 1 - 0.95 ** 5 = 23 %
    assert together <= 15 + 3 * math.sqrt(300 * 0.05 * 0.95)
    assert apart > 0.15 * 300


def called(entries: Sequence[dict[str, Any]]) -> bool:
    return any(effect["p"] < 0.05 for entry in entries for effect in entry["effects"])


def rows() -> tuple[list[InstanceRow], Tensor]:
    """Instances with what the model decides, whether a flip was found and which way it changes ``v``."""
    draw = np.random.default_rng(4)
    decided, found, up = draw.random((3, N)) < np.array([[0.4], [0.7], [0.6]])
    made = []
    for i in range(N):
        z, source = 0.5 if up[i] else -0.5, int(decided[i])
        front = ParetoFront(
            name=f"row {i}",
            labels=("no", "yes"),
            source=source,
            target=None,
            variables=("v",),
            objectives=("f",),
            units=("",),
            z=torch.tensor([[z]]),
            f=torch.tensor([[1.0]]),
            origin_values=torch.zeros(1),
            scores=torch.eye(2)[1 - source][None],
            original_scores=torch.eye(2)[source],
            reconstruction_scores=torch.eye(2)[source],
            verified=torch.tensor([bool(found[i])]),
            images=None,
            original=None,
            reconstruction=None,
            origins=("nsga2",),
            reason=Reason.BUDGET,
            reference_point=torch.tensor([2.0]),
            evaluations=4,
        )
        status = "found" if found[i] else "not_found"
        made.append(InstanceRow(f"row {i}", i, status, "", "", "", (), front))
    return made, torch.from_numpy(np.stack([decided, found, up]))


def bare(told: Tensor, inside: Tensor, outside: Tensor) -> list[float]:
    """P-values of the two figures, and of going up and down, of one comparison."""
    decided, found, up = told
    n, m = int(inside.sum()), int(outside.sum())
    hits, misses = int((found & inside).sum()), int((found & outside).sum())
    p = [exact(int((v & inside).sum()), n, int((v & outside).sum()), m) for v in (decided, found)]
    ways = [
        exact(int((found & inside & way).sum()), hits, int((found & outside & way).sum()), misses)
        for way in (up, ~up)
    ]
    return p + ways


def test_columns_of_a_table_are_one_family() -> None:
    made, told = rows()
    draw = np.random.default_rng(9)
    sex, race = draw.integers(2, size=N), draw.integers(3, size=N)
    groups = [
        RowGroups("sex", ("f", "m"), tuple(sex.tolist())),
        RowGroups("race", ("A", "B", "C"), tuple(race.tolist())),
    ]
    found = column_groups("model", made, groups=groups, names=[row.name for row in made])
    of = [torch.from_numpy(sex == 0)] + [torch.from_numpy(race == i) for i in range(3)]
    expected = step_down([p for inside in of for p in bare(told, inside, ~inside)])
    said = []
    for entry in found:
        assert entry["family"] == 16
        ways = {change["direction"]: change["comparisons"] for change in entry["changes"]}
        for j, one in enumerate(entry["comparisons"]):
            said += [one["p"]["decided"], one["p"]["found_rate"], ways["+"][j]["p"], ways["-"][j]["p"]]
    assert said == pytest.approx(expected, abs=1e-6)
    # alone, a column is a family by itself, and no p is larger
    [alone] = column_groups("model", made, groups=groups[:1], names=[row.name for row in made])
    assert alone["family"] == 4
    assert alone["comparisons"][0]["p"]["decided"] <= found[0]["comparisons"][0]["p"]["decided"]


def test_attributes_of_images_are_one_family() -> None:
    made, told = rows()
    draw = torch.Generator().manual_seed(2)
    values = torch.rand(N, 3, generator=draw) < 0.5
    values[:, 2] = False
    values[:9, 2] = True  # of fewer than ten images nothing is told
    labels = AttributeTable(tuple(row.name for row in made), ("Male", "Young", "Hat"), values, {})
    effects = {
        "Bangs": torch.randn(N, generator=draw) + values[:, 0],
        "Smile": torch.randn(N, generator=draw),
    }
    found = group_rows(
        "model",
        made,
        labels=labels,
        by=labels.names,
        effects={name: InputEffects(values) for name, values in effects.items()},
        measured=[row.name for row in made],
    )
    expected, said = [], []
    for entry, has in zip(found, values.T, strict=True):
        assert entry["family"] == 8
        if entry["attribute"] == "Hat":
            assert set(entry["p"].values()) == {None}
            assert {effect["p"] for effect in entry["effects"]} == {None}
            continue
        expected += bare(told, has, ~has)[:2]
        said += list(entry["p"].values())
        for effect in entry["effects"]:
            p = effects[effect["variable"]].double().numpy()
            expected.append(float(ttest_ind(p[has.numpy()], p[~has.numpy()], equal_var=False).pvalue))
            said.append(effect["p"])
    assert said == pytest.approx(step_down(expected), abs=1e-6)
    assert found[0]["effects"][0]["p"] < 0.05
