"""The trained critic of rows: what it learns of a known process, and what stays the same."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import Tensor

from cfsearch.contracts.generator import Critic
from cfsearch.datasets.tables import Column, ColumnKind, TableSchema, Variables
from cfsearch.errors import ConfigError
from cfsearch.generators.rows.critic import auroc, broken_rows
from cfsearch.generators.rows.generator import Rows, RowsWithCritic
from cfsearch.testing.tables import random_rows, random_schema

SCHEMA = TableSchema(
    columns=(
        Column(name="size", kind=ColumnKind.REAL, low=-4.0, high=4.0),
        Column(name="job", kind=ColumnKind.CATEGORICAL, levels=("w", "x", "y", "z")),
        Column(name="price", kind=ColumnKind.REAL, low=-12.0, high=15.0),
        Column(name="large", kind=ColumnKind.CATEGORICAL, levels=("no", "yes")),
    )
)


def process(n: int, seed: int) -> Tensor:
    """Rows of which ``price`` is nearly twice the size and more by job; large says whether size > 0."""
    draw = np.random.default_rng(seed)
    size = draw.normal(0.0, 1.0, n).clip(-4, 4)
    job = draw.integers(0, 4, n)
    price = (2 * size + job + draw.normal(0.0, 0.2, n)).clip(-12, 15)
    return torch.from_numpy(np.stack([size, job, price, size > 0], axis=1).astype(np.float64))


@pytest.fixture(scope="module")
def critic() -> RowsWithCritic:
    return Rows(SCHEMA).with_critic(process(800, 0), seed=1)


@pytest.mark.parametrize("column", [1, 2, 3], ids=["job", "price", "large"])
def test_rows_off_the_joint_distribution_score_lower(critic: RowsWithCritic, column: int) -> None:
    real, off = process(400, 5), process(400, 6)
    # each column alone is drawn as before: only what goes together is broken
    off[:, column] = off[torch.randperm(400, generator=torch.Generator().manual_seed(2)), column]
    moved = (process(400, 6) != off).any(1)
    scores = torch.cat([critic.realism(real[None])[0], critic.realism(off[None])[0, moved]])
    truth = np.r_[np.ones(400), np.zeros(int(moved.sum()))]
    assert roc_auc_score(truth, scores.numpy()) > 0.8


def test_it_says_what_it_is_and_how_good(critic: RowsWithCritic) -> None:
    assert isinstance(critic, Critic)
    assert "trained to tell rows of the training table" in critic.critic_kind
    assert float(critic.critic_kind.rpartition("AUROC ")[2].partition(" ")[0]) > 0.85


def test_the_same_rows_and_seed_give_the_same_critic(critic: RowsWithCritic) -> None:
    state = torch.get_rng_state()
    again = Rows(SCHEMA).with_critic(process(800, 0), seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert again.fingerprint == critic.fingerprint
    x = process(7, 3)[None]
    assert torch.equal(again.realism(x), critic.realism(x))
    torch.testing.assert_close(critic.realism(x[:, 3:4]), critic.realism(x)[:, 3:4])


def test_few_rows_are_refused() -> None:
    with pytest.raises(ConfigError, match="needs 50 reference rows or more, got 49"):
        Rows(SCHEMA).with_critic(process(49, 0), seed=0)


def test_whole_numbers_of_any_size_are_drawn_to_the_last_digit() -> None:
    """Shares in single precision are multiples of a power of two, and would give even numbers alone."""
    wide = TableSchema(columns=(Column(name="cents", kind=ColumnKind.INTEGER, low=0.0, high=2.0**40),))
    rows = 2 * torch.arange(2000, dtype=torch.float64)[:, None]
    broken = broken_rows(Variables.of(wide), rows, rng=torch.Generator().manual_seed(0)).flatten()
    drawn = broken[broken > 4000]
    assert len(drawn) > 400
    assert 0.4 < float((drawn % 2).mean()) < 0.6


@pytest.mark.parametrize("seed", range(5))
def test_broken_rows_keep_links_and_levels(seed: int) -> None:
    draw = np.random.default_rng(seed)
    schema = random_schema(draw)
    rows = random_rows(schema, n=40, draw=draw)
    made = broken_rows(Variables.of(schema), rows, rng=torch.Generator().manual_seed(seed))
    schema.check(made)
    assert bool((made != rows).any())


def test_auroc_of_a_known_order() -> None:
    #  2 > 1 and 2 > 0, 1 ties 1, 1 > 0: 3.5 of 4
    assert auroc(torch.tensor([2.0, 1.0]), torch.tensor([1.0, 0.0])) == 3.5 / 4
    random = torch.Generator().manual_seed(2)
    real, broken = (torch.randint(0, 9, (n,), generator=random).float() for n in (60, 70))
    every = roc_auc_score(np.repeat([1, 0], [60, 70]), torch.cat([real, broken]).numpy())
    assert auroc(real, broken) == pytest.approx(every, abs=1e-12)
    # all pairs of these would take forty gigabytes
    assert auroc(torch.arange(70_000.0), torch.arange(70_000.0) - 0.5) == pytest.approx(0.5 + 0.5 / 70_000)
