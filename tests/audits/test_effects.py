"""Statistics of an audit against scipy and against a model whose effects are known."""

import dataclasses
import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest, wilcoxon

from cfsearch.audits.changes import changes
from cfsearch.audits.correction import GeneratorError
from cfsearch.audits.effects import Effects, effect_rows, effects_through_generator
from cfsearch.contracts.modality import TEXTS
from cfsearch.contracts.records import Reason
from cfsearch.contracts.space import SearchSpace
from cfsearch.engine.problem import Problem
from cfsearch.engine.search import Search
from cfsearch.errors import ConfigError
from cfsearch.fronts.front import ParetoFront
from cfsearch.numerics.intervals import mean_difference, paired_mean, share_difference, wilson
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.intensity import Intensity
from cfsearch.solvers.random import RandomSearch
from cfsearch.testing import FakeGenerator, FakeProvider

FAITHFUL = GeneratorError({}, sd=0.0, unexplained=0.0, photographs=20)


def measured(**logits: list[float]) -> Effects:
    """Effects with these logits; no verdict changes."""
    values = torch.tensor(list(logits.values())).T
    n, d = values.shape
    return Effects(
        names=tuple(logits),
        logits=values,
        probability=values / 10,
        flips=torch.zeros(n, d, dtype=torch.bool),
        kept=torch.ones(n, dtype=torch.bool),
        low=torch.zeros(n, d),
        high=torch.ones(n, d),
    )


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
    means = {name: values.mean().item() for name, values in found.by_variable.items()}
    assert {name: mean for name, mean in means.items() if name != "slope"} == pytest.approx(
        {"red": 1.0, "green": -2.0, "blue": 0.0}, abs=1e-6
    )
    rows = effect_rows("m", found, {name: 2 * values for name, values in found.by_variable.items()})
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
    assert found.by_variable["red"].mean().item() == pytest.approx(0.4, abs=1e-6)
    assert found.by_variable["green"].mean().item() == pytest.approx(-0.8, abs=1e-6)
    rows = {row["variable"]: row for row in effect_rows("m", found)}
    assert rows["red"]["between"] == {"low": pytest.approx(-0.1), "high": pytest.approx(0.3)}


def test_an_effect_carries_how_often_its_edit_was_seen() -> None:
    values = measured(Bald=[1.0, 2.0], Young=[0.5, 0.5])
    rows = {row["variable"]: row for row in effect_rows("m", values, edit_success={"Bald": 0.07})}
    assert rows["Bald"]["edit_success"] == 0.07
    assert "edit_success" not in rows["Young"]


def test_an_effect_on_probability_and_the_share_that_it_flips_alone() -> None:
    # logits 2 r - 1 at red r: from red 0 to 1 the odds go from e^-1 to e, and the verdict turns
    x = torch.zeros(3, 3, 16, 16)
    x[2, 0] = 1.0
    problem = Problem(
        x,
        names=["a", "b", "c"],
        provider=FakeProvider(weight=((0, 0, 0), (2.0, 0.5, 0.0)), bias=(0, -1.0)),
        generator=FakeGenerator(),
        objectives=[Adversarial(), Intensity()],
    )
    rows = {row["variable"]: row for row in effect_rows("m", effects_through_generator(problem, label=1))}
    p = 1 / (1 + math.exp(-1))
    assert rows["red"]["probability"]["value"] == pytest.approx(p - (1 - p), abs=1e-5)
    assert (rows["red"]["flips_alone"]["count"], rows["red"]["flips_alone"]["n"]) == (3, 3)
    assert (rows["green"]["flips_alone"]["count"], rows["blue"]["flips_alone"]["count"]) == (0, 0)


def test_inputs_that_the_reconstruction_flips_are_in_no_share(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = Problem(
        torch.tensor([0.1, 0.4]).reshape(2, 1, 1, 1).expand(2, 3, 16, 16).contiguous(),
        names=["stays dark", "turns bright"],
        provider=FakeProvider(weight=((0, 0, 0), (9.0, 0.0, 0.0)), bias=(0, -4.5)),
        generator=FakeGenerator(),
        objectives=[Adversarial(), Intensity()],
    )
    # a generator that makes every picture a quarter lighter before anything is changed
    faithful = problem.decode
    monkeypatch.setattr(problem, "decode", lambda z, query: (faithful(z, query=query) + 0.25).clamp(0, 1))
    effects = effects_through_generator(problem, label=1)
    assert effects.kept.tolist() == [True, False]
    [red] = [row for row in effect_rows("m", effects) if row["variable"] == "red"]
    assert (red["flips_alone"]["count"], red["flips_alone"]["n"], red["n"]) == (1, 1, 2)


def test_rules_of_the_space_hold_at_both_ends() -> None:
    """Red and green exclude each other: red at its end takes the green of the query away."""
    problem = Problem(
        torch.full((1, 3, 16, 16), 0.5),
        names=["a"],
        provider=FakeProvider(weight=((0, 0, 0), (1.0, 1.0, 0.0))),
        generator=FakeGenerator(),
        objectives=[Adversarial(), Intensity()],
    )
    origin = torch.tensor([[0.0, 0.8, 0.0, 0.0]])
    low, high = torch.tensor([[0.0, -0.8, 0.0, 0.0]]), torch.tensor([[0.6, 0.0, 0.0, 0.0]])
    problem.space = SearchSpace(
        names=problem.space.names, lower=low, upper=high, origin=origin, groups=(("red", "green"),)
    )
    found = effects_through_generator(problem, label=1).by_variable
    # red +0.5 (held to the picture's range) and green -0.5 cancel out
    assert found["red"].item() == pytest.approx(0.0, abs=1e-6)
    assert found["green"].item() == pytest.approx(0.5, abs=1e-6)
    intended = effects_through_generator(problem, label=1).intended[0]
    assert intended[0].tolist() == pytest.approx([0.6, -0.8, 0.0, 0.0])
    assert intended[1].tolist() == pytest.approx([0.0, 0.8, 0.0, 0.0])


def test_p_of_effects_is_that_of_the_signed_rank_test_after_holm() -> None:
    draw = torch.Generator().manual_seed(3)
    values = torch.randn(20, 3, generator=draw) + torch.tensor([0.0, 0.6, 1.5])
    rows = effect_rows(
        "m", measured(a=values[:, 0].tolist(), b=values[:, 1].tolist(), c=values[:, 2].tolist())
    )
    bare = {name: wilcoxon(values[:, j].numpy()).pvalue for j, name in enumerate("abc")}
    order = sorted(bare, key=lambda name: bare[name])
    expected, top = {}, 0.0
    for k, name in enumerate(order):
        top = max(top, min(1.0, (3 - k) * bare[name]))
        expected[name] = top
    assert {row["variable"]: row["p"] for row in rows} == pytest.approx(expected, abs=1e-6)
    assert {row["family"] for row in rows} == {3}


def test_effects_of_nothing_are_no_rows() -> None:
    assert effect_rows("m", None) == []
    [row] = effect_rows("m", measured(a=[0.0, 0.0, 0.0]), edit_success={"a": 1.0}, error=FAITHFUL)
    assert (row["p"], row["reading"]) == (1.0, "does not lean")


def test_changes_of_an_instance_that_its_reconstruction_flips_are_not_counted() -> None:
    search = Search(
        FakeProvider(weight=((0, 0, 0), (9.0, 0.0, 0.0)), bias=(0, -5.0)),
        FakeGenerator(),
        [Adversarial(), Intensity(norm="count")],
        lambda population: RandomSearch(population=population),
        evaluations=200,
        target="bright",
    )
    first, second = search.run(torch.full((2, 3, 16, 16), 0.2), names=list("ab"))
    assert isinstance(first, ParetoFront)
    assert isinstance(second, ParetoFront)
    flipping = dataclasses.replace(second, reconstruction_scores=second.original_scores.flip(0))
    assert flipping.reconstruction_flips
    assert {(change.variable, change.n) for change in changes([first, flipping])} == {
        (change.variable, change.n) for change in changes([first])
    }
    assert {change.n for change in changes([first, second])} == {2}


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


def test_words_are_counted_by_the_word_and_not_by_its_place() -> None:
    base = ParetoFront(
        name="text 0",
        labels=("bad", "good"),
        source=0,
        target=None,
        variables=("word 1", "word 2", "word 3"),
        objectives=("a", "b"),
        units=("", ""),
        z=torch.tensor([[0.0, 0.1, 0.0]]),
        f=torch.zeros(1, 2),
        origin_values=torch.zeros(3),
        scores=torch.tensor([[0.0, 1.0]]),
        original_scores=torch.tensor([1.0, 0.0]),
        reconstruction_scores=torch.tensor([1.0, 0.0]),
        verified=torch.tensor([True]),
        images=None,
        original=None,
        reconstruction=None,
        origins=("",),
        reason=Reason.BUDGET,
        reference_point=torch.ones(2),
        evaluations=1,
        text=("A", " dull", " film"),
        texts=(("A", " fine", " film"),),
    )
    other = dataclasses.replace(
        base, z=torch.tensor([[0.2, 0.0, 0.3]]), text=("Dull", " as", " rain"), texts=(("Fun", " as", ""),)
    )
    found = changes([base, other, base])
    assert [(c.variable, c.direction, c.count, c.n) for c in found] == [
        ("dull", "~", 3, 3),
        ("rain", "~", 1, 3),
    ]
    truth = binomtest(1, 3).proportion_ci(method="wilson")
    assert (found[1].rate.low, found[1].rate.high) == pytest.approx((truth.low, truth.high))
    again = ParetoFront.from_bytes(base.to_bytes())
    assert again.text == base.text and again.texts == base.texts
    assert again.modality is TEXTS and again.to_bytes() == base.to_bytes()
    merged = base.merge(
        dataclasses.replace(base, f=torch.tensor([[-1.0, 1.0]]), texts=(("A", " odd", " film"),))
    )
    assert merged.texts == (("A", " fine", " film"), ("A", " odd", " film"))
