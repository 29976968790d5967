"""Statistics of an audit against scipy and against a model whose effects are known."""

import dataclasses

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from cfsearch.audits.effects import changes, effect_rows, effects_through_generator
from cfsearch.engine.problem import Problem
from cfsearch.engine.search import Search
from cfsearch.errors import ConfigError
from cfsearch.fronts.front import ParetoFront
from cfsearch.numerics.intervals import mean_difference, paired_mean, share_difference, wilson
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.intensity import Intensity
from cfsearch.solvers.random import RandomSearch
from cfsearch.testing import FakeGenerator, FakeProvider


@given(n=st.integers(1, 400), data=st.data())
def test_wilson_agrees_with_scipy(n: int, data: st.DataObject) -> None:
    count = data.draw(st.integers(0, n))
    ours = wilson(count, n)
    assert ours is not None
    truth = binomtest(count, n).proportion_ci(method="wilson")
    assert (ours.low, ours.high) == pytest.approx((truth.low, truth.high), abs=1e-9)
    assert ours.value == count / n


def test_wilson_of_nothing_is_nothing_and_of_too_much_refused() -> None:
    assert wilson(0, 0) is None
    with pytest.raises(ConfigError, match=r"`count` must lie in 0 to 3, got 4"):
        wilson(4, 3)


def test_a_bootstrap_interval_covers_the_truth_about_as_often_as_it_says() -> None:
    draw = torch.Generator().manual_seed(0)
    hits = 0
    for _ in range(200):
        found = paired_mean(1.5 + torch.randn(40, generator=draw))
        assert found is not None
        hits += found.low <= 1.5 <= found.high
    assert 176 <= hits <= 200  # 95 % of 200, three standard errors and the bootstrap's small bias


def test_effects_of_a_linear_model_are_its_weights() -> None:
    # lifting one channel from -1 to 1 is held to [0, 1] by the image: 0 to 1 from a query at 0
    x = torch.zeros(3, 3, 16, 16)
    problem = Problem(
        x,
        names=["a", "b", "c"],
        provider=FakeProvider(weight=((0, 0, 0), (1.0, -2.0, 0.0))),
        generator=FakeGenerator(),
        objectives=[Adversarial(), Intensity()],
    )
    found = effects_through_generator(problem, label=1)
    assert {name: values.mean().item() for name, values in found.items() if name != "slope"} == pytest.approx(
        {"red": 1.0, "green": -2.0, "blue": 0.0}, abs=1e-6
    )
    rows = effect_rows("m", found, {name: 2 * values for name, values in found.items()})
    assert rows[0]["variable"] == "green"
    assert rows[0]["estimate"]["value"] == pytest.approx(-2.0)
    assert rows[0]["truth"]["value"] == pytest.approx(-4.0)


def test_effects_are_taken_between_the_ends_that_a_search_may_reach() -> None:
    generator = FakeGenerator()
    problem = Problem(
        torch.full((2, 3, 16, 16), 0.5),
        names=["a", "b"],
        provider=FakeProvider(weight=((0, 0, 0), (1.0, -2.0, 0.0))),
        generator=generator,
        objectives=[Adversarial(), Intensity()],
    )
    narrow = dataclasses.replace(
        problem.space, lower=problem.space.lower * 0.1, upper=problem.space.upper * 0.3
    )
    problem.space = narrow
    found = effects_through_generator(problem, label=1)
    assert found["red"].mean().item() == pytest.approx(0.4, abs=1e-6)
    assert found["green"].mean().item() == pytest.approx(-0.8, abs=1e-6)


def test_an_effect_carries_how_often_its_edit_was_seen() -> None:
    values = {"Bald": torch.tensor([1.0, 2.0]), "Young": torch.tensor([0.5, 0.5])}
    rows = {row["variable"]: row for row in effect_rows("m", values, edit_success={"Bald": 0.07})}
    assert rows["Bald"]["edit_success"] == 0.07
    assert "edit_success" not in rows["Young"]


def test_changes_find_the_only_variable_that_matters() -> None:
    search = Search(
        FakeProvider(weight=((0, 0, 0), (9.0, 0.0, 0.0)), bias=(0, -5.0)),
        FakeGenerator(),
        [Adversarial(), Intensity(norm="count")],
        lambda population: RandomSearch(population=population),
        evaluations=400,
        target="bright",
    )
    results = search.run(torch.full((4, 3, 16, 16), 0.2), names=list("abcd"))
    found = changes([front for front in results if isinstance(front, ParetoFront)])
    assert (found[0].variable, found[0].direction, found[0].count, found[0].n) == ("red", "+", 4, 4)
    assert found[0].rate.low > 0.5


def test_no_flips_make_no_changes() -> None:
    assert changes([]) == []


def test_a_difference_of_shares_has_newcombes_interval() -> None:
    # Newcombe 1998, table II, cases a and h: method 10
    first, second = share_difference(56, 70, 48, 80), share_difference(10, 10, 0, 10)
    assert first is not None
    assert second is not None
    assert (first.value, first.low, first.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
    assert (second.value, second.low, second.high) == pytest.approx((1.0, 0.6075, 1.0), abs=5e-5)
    assert share_difference(0, 0, 3, 4) is None


def test_a_difference_of_means_covers_the_truth_about_as_often_as_it_says() -> None:
    draw, hits = torch.Generator().manual_seed(1), 0
    for _ in range(200):
        a, b = 2.0 + torch.randn(50, generator=draw), 0.5 + 2.0 * torch.randn(30, generator=draw)
        found = mean_difference(a, b)
        assert found is not None
        hits += found.low <= 1.5 <= found.high
    assert 176 <= hits <= 200
    assert mean_difference(torch.ones(3), torch.zeros(0)) is None
