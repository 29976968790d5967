"""The digits of gradual construction: the paired test, and that no digit is used twice."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
import torch
from scipy.stats import binomtest

pytestmark = pytest.mark.checkout
_FOLDER = Path(__file__).parents[2] / "benchmarks" / "papers"


@pytest.fixture
def digits(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(_FOLDER))
    yield import_module("gradual_digits")
    for name in ("gradual_digits", "gradual_networks", "mnist"):
        sys.modules.pop(name, None)


@pytest.mark.parametrize(("wins", "losses"), [(1, 0), (9, 2), (2, 9), (30, 11), (5, 5), (15, 1)])
def test_mcnemar_is_the_binomial_test_of_the_pairs_that_differ(
    digits: ModuleType, wins: int, losses: int
) -> None:
    assert digits.mcnemar(wins, losses) == pytest.approx(binomtest(wins, wins + losses).pvalue)


def test_without_a_pair_that_differs_nothing_is_shown(digits: ModuleType) -> None:
    assert digits.mcnemar(0, 0) == 1.0


def test_each_digit_is_of_its_pair_and_used_once(digits: ModuleType) -> None:
    n = 600
    classes = torch.arange(n) % 10
    x = torch.arange(n, dtype=torch.float32)[:, None]  # a digit is its number, so the network can be right

    def predict(x: torch.Tensor) -> torch.Tensor:
        said = x[:, 0].long() % 10
        said[x[:, 0] < 50] += 1  # told wrong
        return torch.nn.functional.one_hot(said % 10, 10).float()

    data = SimpleNamespace(test=x, test_labels=classes)
    subject = SimpleNamespace(provider=SimpleNamespace(predict=predict))
    parts = [digits._digits(data, subject, each=2, part=p, parts=3) for p in range(3)]
    taken = torch.cat([rows[:, 0] for rows, _ in parts]).long()
    assert len(taken) == len(set(taken.tolist())) == 3 * 20
    assert int(taken.min()) >= 50
    sources = [a for a, _ in digits.PAIRS for _ in range(2)]
    for rows, goal in parts:
        assert (rows[:, 0].long() % 10).tolist() == sources
        assert goal.tolist() == [b for _, b in digits.PAIRS for _ in range(2)]
