"""Pgd and Wachter: distances against the nearest flip in closed form."""

from typing import Any

import numpy as np
import pytest
import torch

from cfsearch.contracts.explainer_task import Subject
from cfsearch.errors import ConfigError
from cfsearch.explainers.pgd import Pgd
from cfsearch.explainers.wachter import Wachter

from .walks import Plain, Queried, linear_subject


def drawn(seed: int, *, n: int = 12, d: int = 7) -> tuple[torch.Tensor, float, torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    w = torch.randn(d, generator=draw)
    return w, float(torch.randn((), generator=draw)), 2.0 * torch.randn(n, d, generator=draw)


@pytest.mark.parametrize("seed", range(4))
def test_pgd_reaches_the_distance_of_a_linear_decision(seed: int) -> None:
    w, b, x = drawn(seed)
    lead = (x @ w + b).abs()
    for norm, length in (("l2", w.norm()), ("linf", w.abs().sum())):
        told = Pgd(norm=norm).explain(x, subject=linear_subject(w, b))  # type: ignore[arg-type]  # both
        assert told.counterfactuals is not None and told.flipped is not None and bool(told.flipped.all())
        away = told.counterfactuals - x
        far = away.norm(dim=1) if norm == "l2" else away.abs().amax(1)
        nearest = lead / length
        assert bool((far >= nearest - 1e-4).all())
        torch.testing.assert_close(far, nearest, rtol=0.01, atol=1.1e-3)


def test_pgd_goes_round_what_is_held_fixed() -> None:
    w, b, x = drawn(9)
    told = Pgd().explain(x, subject=linear_subject(w, b, fixed=(0, 3)))
    assert told.counterfactuals is not None
    away = told.counterfactuals - x
    assert not bool(away[:, [0, 3]].any())
    rest = w[[1, 2, 4, 5, 6]].norm()
    torch.testing.assert_close(away.norm(dim=1), (x @ w + b).abs() / rest, rtol=0.01, atol=1.1e-3)


def test_pgd_finds_the_nearest_point_of_a_sphere() -> None:
    draw = torch.Generator().manual_seed(1)
    x = torch.randn(16, 4, generator=draw)
    x = x / x.norm(dim=1, keepdim=True) * torch.linspace(0.3, 2.5, 16)[:, None]
    inside = Queried(lambda u: torch.stack([torch.zeros(len(u)), (u**2).sum(1) - 1.0], dim=1))
    subject = Subject(inside, inside.answer, Plain(4), white_box=True)
    told = Pgd().explain(x, subject=subject)
    assert told.counterfactuals is not None and told.flipped is not None and bool(told.flipped.all())
    far = (told.counterfactuals - x).norm(dim=1)
    torch.testing.assert_close(far, (x.norm(dim=1) - 1.0).abs(), rtol=0.02, atol=2e-3)


@pytest.mark.parametrize("seed", range(4))
def test_wachter_moves_the_one_number_that_is_cheapest_by_its_mad(seed: int) -> None:
    w, b, x = drawn(20 + seed)
    draw = np.random.default_rng(seed)
    mad = torch.tensor(draw.uniform(0.3, 3.0, size=7)).float()
    mad[(w.abs() * mad).argmax()] *= 2.0  # near ties take many steps to settle
    # of the values -2m, -m, 0, m, 2m the median is 0 and the median deviation m
    reference = torch.tensor([-2.0, -1.0, 0.0, 1.0, 2.0])[:, None] * mad
    subject = linear_subject(w, b)
    told = Wachter(steps=250).fit(subject, reference).explain(x, subject=subject)
    assert told.counterfactuals is not None and told.flipped is not None and bool(told.flipped.all())
    away = (told.counterfactuals - x).abs()
    cheapest = int((w.abs() * mad).argmax())
    assert (away > 0).sum(1).tolist() == [1] * len(x) and bool((away[:, cheapest] > 0).all())
    distance = (away / mad).sum(1)
    least = (x @ w + b).abs() / (w.abs() * mad).max()
    assert bool((distance >= least * (1 - 1e-4)).all())
    # lambda is bisected to a 64th of itself: the lead that is left over is at most 0.5 / 64
    assert bool((distance <= least + 0.01 / (w.abs() * mad).max()).all())


def test_wachter_without_reference_says_so_and_counts_numbers_as_they_are() -> None:
    w = torch.tensor([1.0, -1.5, 0.4])
    told = Wachter().explain(torch.tensor([[-1.0, 1.0, 0.0]]), subject=linear_subject(w))
    assert told.counterfactuals is not None
    assert (told.counterfactuals != torch.tensor([[-1.0, 1.0, 0.0]]))[0].tolist() == [False, True, False]
    assert any("not weighted" in note for note in told.note)


def test_a_number_of_one_value_in_the_reference_counts_as_it_is() -> None:
    w = torch.tensor([1.0, 1.5])
    subject = linear_subject(w, b=-1.0)
    reference = torch.tensor([[0.0, 5.0], [10.0, 5.0], [20.0, 5.0]])  # MAD 10 and 0
    told = Wachter().fit(subject, reference).explain(torch.zeros(1, 2), subject=subject)
    assert told.counterfactuals is not None and told.flipped is not None and bool(told.flipped[0])
    assert (told.counterfactuals != 0)[0].tolist() == [True, False]
    assert told.note == ()


@pytest.mark.parametrize(
    ("method", "settings", "message"),
    [
        (Pgd, {"norm": "l1"}, "`norm` must be"),
        (Pgd, {"steps": 0}, "`steps` must be at least 1"),
        (Pgd, {"bisections": -1}, "`bisections` must be at least 0"),
        (Wachter, {"aim": 0.0}, "`aim` must be a finite number above 0"),
        (Wachter, {"rate": float("inf")}, "`rate` must be a finite number above 0"),
        (Wachter, {"rounds": 0}, "`rounds` must be at least 1"),
        (Wachter, {"refinements": -1}, "`refinements` must be at least 0"),
    ],
)
def test_settings_out_of_range_are_refused(method: Any, settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        method(**settings)
