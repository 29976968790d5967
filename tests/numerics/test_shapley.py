"""Shapley values: games by hand, what they always add up to, and drawn orders against all of them."""

import pytest
import torch
from torch import Tensor

from cfsearch.numerics.shapley import shapley


def test_games_worked_by_hand() -> None:
    # one left glove, two right ones: Shapley's own example, 4/6, 1/6, 1/6
    gloves = shapley(lambda s: (s[:, 0] & (s[:, 1] | s[:, 2])).double(), players=3)
    assert gloves.values.tolist() == pytest.approx([4 / 6, 1 / 6, 1 / 6])
    either = shapley(lambda s: s.any(1).double(), players=2)
    assert either.values.tolist() == [0.5, 0.5] and either.errors.tolist() == [0.0, 0.0]
    alone = shapley(lambda s: 3.0 * s[:, 0].double() - 1.0, players=1)
    assert alone.values.tolist() == [3.0] and alone.shares.tolist() == [1.0]


@pytest.mark.parametrize("players", [4, 6, 7, 12])
def test_of_a_sum_each_player_has_its_own_term_however_they_are_found(players: int) -> None:
    weights = torch.linspace(-2.0, 3.0, players, dtype=torch.float64)
    found = shapley(lambda s: 5.0 + s.double() @ weights, players=players)
    assert torch.allclose(found.values, weights) and float(found.errors.max()) < 1e-12
    assert torch.allclose(found.shares, weights.abs() / weights.abs().sum())


def game(sets: Tensor) -> Tensor:
    """Eight players with terms of their own, of pairs and of all."""
    x = sets.double()
    return x @ torch.arange(8, dtype=torch.float64) + 4.0 * x[:, 0] * x[:, 7] + 3.0 * x.prod(1)


def test_drawn_orders_are_as_near_as_their_errors_say() -> None:
    exact = shapley(game, players=8, most_exact=8)
    pull = []
    for seed in range(60):
        drawn = shapley(game, players=8, permutations=32, seed=seed)
        assert float(drawn.values.sum()) == pytest.approx(float(exact.values.sum())), "of each order"
        pull.append(((drawn.values - exact.values) / drawn.errors)[[0, 7]])
    assert 0.8 < float(torch.stack(pull).std()) < 1.25 and abs(float(torch.stack(pull).mean())) < 0.3
    assert exact.values[0] == pytest.approx(4.0 / 2 + 3.0 / 8)


def test_it_is_queried_once_about_different_coalitions() -> None:
    calls = []

    def worth(sets: Tensor) -> Tensor:
        calls.append(len(sets))
        assert len(sets.unique(dim=0)) == len(sets)  # type: ignore[no-untyped-call]  # torch leaves it untyped
        return sets.double().sum(1)

    shapley(worth, players=6)
    shapley(worth, players=10)
    assert calls[0] == 64 and calls[1] <= 16 * 9 + 2 and len(calls) == 2


def test_where_nobody_does_anything_nobody_has_a_share() -> None:
    assert shapley(lambda s: torch.zeros(len(s)), players=3).shares.tolist() == [0.0, 0.0, 0.0]
