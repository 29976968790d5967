"""Models whose every answer is known, tiny recipes, inputs to begin with."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from jaxtyping import Float
from torch import Tensor

from cfsearch.contracts.provider import Provider, ScoreKind
from cfsearch.datasets.tables import Column, ColumnKind, TableSchema
from cfsearch.distill import BEST, PAPER, Hyper, Recipe, Tuning


class Judge(Provider):
    """Approves by a weighted sum of income, age and town; counts what it is asked."""

    name = "judge"
    labels = ("refuse", "approve")
    max_batch = 10_000

    def __init__(self, scores: ScoreKind = ScoreKind.LABELS) -> None:
        self.scores = scores
        self.asked = 0

    @property
    def fingerprint(self) -> str:
        return f"judge:{self.scores.name}"

    def predict(self, x: Float[Tensor, "n d"]) -> Float[Tensor, "n k"]:
        self.asked += len(x)
        t = 0.08 * (x[:, 0] - 50) + 0.05 * (x[:, 1] - 45) + 0.8 * (x[:, 2] - 1)
        if self.scores is ScoreKind.LABELS:
            return torch.stack([t <= 0, t > 0], dim=1).to(x.dtype)
        p = torch.sigmoid(t)
        return torch.stack([1 - p, p], dim=1)


@pytest.fixture
def schema() -> TableSchema:
    return TableSchema(
        columns=(
            Column(name="income", kind=ColumnKind.INTEGER, low=0, high=100),
            Column(name="age", kind=ColumnKind.INTEGER, low=18, high=90),
            Column(name="town", kind=ColumnKind.CATEGORICAL, levels=("north", "east", "south")),
        )
    )


def people(n: int, *, seed: int = 0) -> Float[Tensor, "n 3"]:
    draw = np.random.default_rng(seed)
    columns = [draw.integers(0, 101, n), draw.integers(18, 91, n), draw.integers(0, 3, n)]
    return torch.from_numpy(np.stack(columns, axis=1).astype(np.float64))


def pictures(n: int, *, seed: int = 0, channels: int = 3) -> Float[Tensor, "n c 16 16"]:
    """Noise around a grey of their own."""
    rng = torch.Generator().manual_seed(seed)
    grey = torch.rand(n, 1, 1, 1, generator=rng)
    return (grey + 0.1 * torch.randn(n, channels, 16, 16, generator=rng)).clamp(0, 1)


def quick(recipe: Recipe, *, epochs: int = 2, trials: int = 0) -> Recipe:
    return replace(
        recipe, hyper=Hyper(5e-3, epochs, 64), tuning=Tuning(trials=trials, epochs=(2, 4), rows=60)
    )


@pytest.fixture(params=[BEST, PAPER], ids=["best", "paper"])
def recipe(request: pytest.FixtureRequest) -> Recipe:
    return quick(request.param)
