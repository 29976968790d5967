"""The partitioned Gumbel layer: against softmax, argmax and finite differences."""

import pytest
import torch
from torch import Tensor

from cfsearch.errors import ConfigError
from cfsearch.explainers.emap.partitioned_gumbel import PartitionedGumbel

_RUNS = ((1, 3), (5, 2), (7, 4))
_OUTSIDE = [0, 4, 11]


def layer() -> PartitionedGumbel:
    return PartitionedGumbel(_RUNS, width=12)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("temperature", [0.01, 0.5, 5.0])
def test_each_run_sums_to_one_and_the_rest_is_zero(temperature: float) -> None:
    drawn = layer().sample(torch.randn(64, 12, generator=seeded()) * 5, temperature=temperature, rng=seeded())
    for at, size in _RUNS:
        assert torch.allclose(drawn[:, at : at + size].sum(1), torch.ones(64), atol=1e-5)
    assert bool((drawn >= 0).all()) and not bool(drawn[:, _OUTSIDE].any())


def test_draws_towards_temperature_zero_are_levels_with_the_softmax_as_frequency() -> None:
    logits = torch.tensor([[9.0, 0.0, 1.0, 2.0, 9.0, -1.0, 0.5, 0.0, 0.0, 1.0, -2.0, 9.0]])
    drawn = layer().sample(logits.expand(40_000, -1), temperature=1e-3, rng=seeded(3))
    assert float((drawn.amax(0) - 1.0).abs()[[1, 2, 3, 5, 6, 7, 8, 9, 10]].amax()) < 1e-4
    for at, size in _RUNS:
        expected = logits[0, at : at + size].softmax(0)
        assert torch.allclose(drawn[:, at : at + size].mean(0), expected, atol=0.01)


def test_with_certain_logits_the_cold_draw_is_the_argmax() -> None:
    logits = torch.randn(50, 12, generator=seeded(1)) * 1e4
    cold = layer().sample(logits, temperature=1e-3, rng=seeded(2))
    likeliest = layer().likeliest(logits)
    assert torch.allclose(cold, likeliest, atol=1e-5)
    for at, size in _RUNS:
        assert torch.equal(likeliest[:, at : at + size].argmax(1), logits[:, at : at + size].argmax(1))
        assert torch.equal(likeliest[:, at : at + size].sum(1), torch.ones(50))


def test_gradient_of_the_relaxed_expectation_is_that_of_finite_differences() -> None:
    weight = torch.randn(12, generator=seeded(4), dtype=torch.float64)
    start = torch.randn(12, generator=seeded(5), dtype=torch.float64)

    def expectation(logits: Tensor) -> Tensor:
        drawn = layer().sample(logits.expand(500, -1), temperature=0.7, rng=seeded(6))
        return ((drawn * weight).sum(1) ** 2).mean()

    logits = start.clone().requires_grad_()
    (slope,) = torch.autograd.grad(expectation(logits), [logits])
    hair = 1e-6
    steps = torch.eye(12, dtype=torch.float64) * hair
    numeric = torch.stack([(expectation(start + s) - expectation(start - s)) / (2 * hair) for s in steps])
    assert torch.allclose(slope, numeric, atol=1e-8)
    assert float(slope[[1, 2, 3, 5, 6, 7, 8, 9, 10]].abs().amin()) > 1e-4
    assert not bool(slope[_OUTSIDE].any())


def test_levels_that_are_not_allowed_are_never_drawn() -> None:
    allowed = torch.ones(200, 12, dtype=torch.bool)
    allowed[:, [2, 5, 8, 9]] = False
    logits = torch.zeros(200, 12)
    logits[:, [2, 5, 8, 9]] = 50.0
    drawn = layer().sample(logits, temperature=0.5, rng=seeded(), allowed=allowed)
    assert not bool(drawn[:, [2, 5, 8, 9]].any())
    assert not bool(layer().likeliest(logits, allowed=allowed)[:, [2, 5, 8, 9]].any())


def test_distance_of_levels_is_one_or_nothing() -> None:
    a = layer().likeliest(torch.eye(12)[[1, 6, 10]].sum(0, keepdim=True))
    b = layer().likeliest(torch.eye(12)[[3, 6, 7]].sum(0, keepdim=True))
    assert layer().distances(a, b).tolist() == [[1.0, 0.0, 1.0]]


def test_without_categories_nothing_is_drawn() -> None:
    empty = PartitionedGumbel((), width=3)
    assert not bool(empty.sample(torch.ones(2, 3), temperature=1.0, rng=seeded()).any())
    assert not bool(empty.likeliest(torch.ones(2, 3)).any())
    assert empty.distances(torch.ones(2, 3), torch.zeros(2, 3)).sum(1).tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    ("runs", "message"),
    [(((0, 3), (2, 2)), "must not overlap"), (((3, 2),), "must lie among"), (((0, 0),), "must lie among")],
)
def test_runs_must_be_partitions(runs: tuple[tuple[int, int], ...], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        PartitionedGumbel(runs, width=4)
