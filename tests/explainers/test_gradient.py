"""Gradient: algorithms 2 and 3 of Haffar et al., against what a linear model gives by hand."""

import math
from typing import Any

import pytest
import torch

from cfsearch.contracts.explainer_task import Subject
from cfsearch.datasets.tables import ColumnKind
from cfsearch.errors import ConfigError
from cfsearch.explainers.gradient import Gradient
from cfsearch.explainers.pixel_domain import PixelDomain
from cfsearch.explainers.subjects import image_subject
from cfsearch.testing import FakeProvider, FakeWhiteBox

from .walks import Plain, Queried, linear_subject, table_subject, two_classes


@pytest.mark.parametrize("lead", [-0.3, -1.7, -6.0])
def test_eps_is_the_first_multiple_of_the_step_that_flips(lead: float) -> None:
    w = torch.tensor([0.6, -0.8, 2.0], dtype=torch.float64)
    x = lead * w / (w @ w)  # w.x = lead
    subject = linear_subject(w)
    told = Gradient(step=0.005, eps_max=10.0, growth=1.0).explain(x[None], subject=subject)
    assert told.counterfactuals is not None and told.flipped is not None
    # L = log(1 + exp(-lead)), its gradient -(1 - p) w; flips once lead + eps (1 - p) |w|^2 > 0
    left = 1.0 - 1.0 / (1.0 + math.exp(-lead))
    steps = math.floor(-lead / (left * float(w @ w)) / 0.005) + 1
    torch.testing.assert_close(told.counterfactuals[0], x + 0.005 * steps * left * w, atol=1e-5, rtol=1e-5)
    assert told.queries == 1 + steps + 1  # the original, every step, and the verdict in the end
    assert bool(told.flipped[0])


def test_the_longest_step_is_given_where_nothing_flips() -> None:
    w = torch.tensor([1.0, 1.0])
    told = Gradient(step=0.1, eps_max=0.3, growth=1.0).explain(
        torch.tensor([[-5.0, -5.0]]), subject=linear_subject(w)
    )
    assert told.counterfactuals is not None and told.flipped is not None
    assert not bool(told.flipped[0])
    left = 1.0 / (1.0 + math.exp(-10.0))
    torch.testing.assert_close(told.counterfactuals[0], torch.full((2,), -5.0 + 0.3 * left))


def test_only_the_c_features_of_the_largest_gradient_change() -> None:
    w = torch.tensor([0.1, -3.0, 0.5, 2.0, -0.2])
    x = torch.tensor([[-0.4, 0.3, 0.1, -0.6, 0.2]])
    told = Gradient(features=2).explain(x, subject=linear_subject(w))
    assert told.counterfactuals is not None and told.chosen is not None and told.attributions is not None
    assert told.chosen[0].tolist() == [False, True, False, True, False]
    assert (told.counterfactuals != x)[0].tolist() == [False, True, False, True, False]
    share = told.attributions[0] / told.attributions.sum()
    torch.testing.assert_close(share, w.abs() / w.abs().sum())


def test_only_named_features_change() -> None:
    w = torch.tensor([0.1, -3.0, 0.5, 2.0])
    x = torch.tensor([[-0.4, 0.3, 0.1, -0.6]])
    told = Gradient(names=["x0", "x2"], step=0.5, eps_max=1e4).explain(x, subject=linear_subject(w))
    assert told.counterfactuals is not None and told.flipped is not None
    assert (told.counterfactuals != x)[0].tolist() == [True, False, True, False]
    assert bool(told.flipped[0])
    both = Gradient(names=["x0", "x2"], features=1).explain(x, subject=linear_subject(w))
    assert both.chosen is not None and both.chosen[0].tolist() == [False, False, True, False]


def test_what_is_held_fixed_is_never_among_the_chosen() -> None:
    subject = linear_subject(torch.tensor([5.0, 1.0, 0.0]), fixed=(0,))
    told = Gradient(features=3).explain(torch.tensor([[-0.1, -0.1, 0.3]]), subject=subject)
    # a number that the model does not look at has no gradient and is not chosen either
    assert told.chosen is not None and told.chosen[0].tolist() == [False, True, False]


@pytest.mark.parametrize("c", [1, 2, 5])
def test_rows_change_at_most_c_variables(c: int) -> None:
    subject, _, x = table_subject(11)
    told = Gradient(features=c).explain(x, subject=subject)
    assert told.counterfactuals is not None and told.chosen is not None
    variables = subject.domain.variables  # type: ignore[attr-defined]  # a domain of rows
    moved = variables.values(told.counterfactuals) != variables.values(x)
    assert int(moved.sum(1).max()) <= c and not bool((moved & ~told.chosen).any())


def test_rows_that_round_to_the_same_are_not_queried_again() -> None:
    subject, _, x = table_subject(2, n=10)
    variables = subject.domain.variables.all  # type: ignore[attr-defined]  # a domain of rows
    steps = [v.name for v in variables if v.kind is not ColumnKind.REAL and v.high - v.low < 9]
    fine = Gradient(step=1e-3, growth=1.0, eps_max=1.0, names=steps).explain(x, subject=subject)
    # a thousand steps, but no variable has more than ten values to pass through
    assert fine.queries < 2 * len(x) + len(x) * 10 * len(steps)


def test_the_heat_map_is_what_each_pixel_changed() -> None:
    shape = (3, 4, 4)
    w = torch.zeros(shape)
    w[:, 1, 2] = torch.tensor([1.0, -2.0, 0.5])
    scores = two_classes(w.flatten(), -2.0)
    subject = Subject(Queried(scores), scores, PixelDomain(shape), white_box=True)
    x = torch.full((1, *shape), 0.5)
    told = Gradient(step=0.05, eps_max=5.0).explain(x, subject=subject)
    assert told.counterfactuals is not None and told.attributions is not None
    assert told.attributions[0].nonzero().flatten().tolist() == [1 * 4 + 2]
    assert float(told.attributions.sum()) == pytest.approx(float((told.counterfactuals - x).abs().sum()))


def test_where_network_and_provider_disagree_the_paper_goes_no_further() -> None:
    provider = Queried(two_classes(torch.tensor([1.0, 0.0]), -1.0))
    subject = Subject(provider, two_classes(torch.tensor([1.0, 0.0]), 0.0), Plain(2))
    x = torch.tensor([[0.5, 0.0], [-0.5, 0.0]])  # the network says yes of the first, the provider no
    strict = Gradient(agreed_only=True).explain(x, subject=subject)
    assert strict.counterfactuals is not None and strict.flipped is not None
    assert torch.equal(strict.counterfactuals[0], x[0]) and strict.flipped.tolist() == [False, True]
    assert "1 of 2" in " ".join(strict.note) and "left alone" in " ".join(strict.note)
    free = Gradient().explain(x, subject=subject)
    assert free.flipped is not None and free.flipped.tolist() == [True, True]


def test_a_vanished_gradient_is_reported() -> None:
    scores = two_classes(torch.zeros(2), -1.0)
    subject = Subject(Queried(scores), lambda u: scores(u) + 0.0 * u[:, :1], Plain(2))
    told = Gradient().explain(torch.zeros(1, 2), subject=subject)
    assert any("vanishes on 1 of 1" in note for note in told.note) and told.queries == 2


def test_blocks_are_chosen_whole() -> None:
    subject = image_subject(FakeWhiteBox(FakeProvider()), (3, 8, 8), block=4)
    told = Gradient(features=2, eps_max=100.0, step=0.5).explain(
        torch.full((1, 3, 8, 8), 0.4), subject=subject
    )
    assert told.counterfactuals is not None
    moved = (told.counterfactuals != 0.4)[0, 0]
    assert moved[:4].all() and not moved[4:].any()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"step": 0.0}, "`step` must be"),
        ({"eps_max": 0.001}, "`eps_max` must be finite and at least"),
        ({"growth": 0.9}, "`growth` must be"),
        ({"features": 0}, "`features` must be at least 1"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        Gradient(**settings)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(ConfigError, match=r"no feature 'age'; its features are x0, x1"):
        Gradient(names=["age"]).explain(torch.zeros(1, 2), subject=linear_subject(torch.ones(2), b=-1.0))
    with pytest.raises(ConfigError, match="they have places"):
        Gradient(names=["age"]).explain(
            torch.zeros(1, 3, 8, 8), subject=image_subject(FakeWhiteBox(FakeProvider()), (3, 8, 8))
        )
