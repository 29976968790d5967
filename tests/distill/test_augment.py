"""Mixup: how many, which pairs, which rows."""

import math
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from cfsearch.datasets.tables import TableSchema
from cfsearch.distill.augment import (
    ImageMixer,
    RowMixer,
    Shares,
    count,
    in_8_bits,
    mixer_for,
    mixup,
    pairs,
    unranked,
)
from cfsearch.errors import ConfigError, ShapeError
from cfsearch.testing.tables import broken_rules, random_rows, random_schema

HALF = Shares((0.5,))


def drawn(x: torch.Tensor, **words: object) -> torch.Tensor:
    settings = {"mixer": ImageMixer(), "shares": HALF, **words}
    return torch.cat(list(mixup(x, **settings)))  # type: ignore[arg-type]


@pytest.mark.parametrize("m", [1, 2, 3, 7, 40])
def test_every_pair_stands_at_its_place(m: int) -> None:
    found = pairs(m, rng=np.random.default_rng(0))
    assert [tuple(pair) for pair in found.tolist()] == list(combinations(range(m), 2))


@given(m=st.integers(2, 3_000_000_000), data=st.data())
def test_places_of_many_pairs_are_exact(m: int, data: st.DataObject) -> None:
    i = data.draw(st.integers(0, m - 2))
    j = data.draw(st.integers(i + 1, m - 1))
    rank = i * (2 * m - i - 1) // 2 + j - i - 1
    if math.comb(m, 2) < 2**52:
        assert unranked(np.array([rank]), m=m).tolist() == [[i, j]]


@pytest.mark.parametrize(("m", "n"), [(2, 3), (20, 210), (60, 1830)])
def test_all_inputs_and_all_pairs_come_out_once(m: int, n: int) -> None:
    # entries that tell every mean of two from every other: different powers of two
    x = torch.zeros(m, 1, 1, m)
    x[torch.arange(m), 0, 0, torch.arange(m)] = 1.0
    out = drawn(x)
    assert len(out) == count(m) == n == m + math.comb(m, 2)
    assert len({tuple(row) for row in out.flatten(1).tolist()}) == n
    assert torch.equal(out[:m], x)


def test_a_mixture_is_the_mean_in_8_bits() -> None:
    x = torch.tensor([0.0, 1.0, 100 / 255]).reshape(3, 1, 1, 1)
    # round(127.5) and round(177.5) go to the even neighbour
    assert torch.allclose(drawn(x).flatten() * 255, torch.tensor([0.0, 255, 100, 128, 50, 178]))


@given(limit=st.integers(1, 300), piece=st.integers(1, 70), seed=st.integers(0, 99))
@settings(max_examples=25)
def test_a_budget_is_kept_and_pieces_change_nothing(limit: int, piece: int, seed: int) -> None:
    x = torch.rand(20, 1, 2, 2, generator=torch.Generator().manual_seed(1))
    shares = Shares(alpha=0.25)
    out = drawn(x, shares=shares, limit=limit, seed=seed)
    assert len(out) == min(limit, 210)
    pieces = list(mixup(x, mixer=ImageMixer(), shares=shares, limit=limit, seed=seed, piece=piece))
    assert max(map(len, pieces)) <= piece
    assert torch.equal(torch.cat(pieces), out)
    assert torch.equal(out[:20], x[: min(20, limit)])


def test_pairs_beyond_a_budget_are_drawn_without_repetition() -> None:
    rng = np.random.default_rng(5)
    found = pairs(100_000, limit=4000, rng=rng)
    assert len({tuple(pair) for pair in found.tolist()}) == 4000
    assert (found[:, 0] < found[:, 1]).all()
    assert found.max() < 100_000
    assert np.array_equal(found, pairs(100_000, limit=4000, rng=np.random.default_rng(5)))
    assert not np.array_equal(found, pairs(100_000, limit=4000, rng=np.random.default_rng(6)))


def test_shares_are_those_of_the_beta_distribution() -> None:
    share = Shares(alpha=0.25).draw(200_000, rng=np.random.default_rng(0))
    # Beta(a, a): mean 1/2, variance 1 / (4 (2 a + 1))
    assert float(share.mean()) == pytest.approx(0.5, abs=0.005)
    assert float(share.var()) == pytest.approx(1 / 6, rel=0.02)


def without_rules_on_changes(schema: TableSchema) -> TableSchema:
    from dataclasses import replace

    columns = tuple(replace(column, immutable=False, monotone=0) for column in schema.columns)
    return replace(schema, columns=columns)


@given(seed=st.integers(0, 2**16))
@settings(max_examples=30)
def test_mixed_rows_keep_every_rule_of_the_schema(seed: int) -> None:
    draw = np.random.default_rng(seed)
    schema = random_schema(draw, links=2)
    x = random_rows(schema, n=12, draw=draw)
    a, b = x[:6], x[6:]
    share = Shares().draw(6, rng=draw)
    mixed = RowMixer.of(schema)(a, b, share=share, draw=draw)
    schema.check(mixed)
    plain = without_rules_on_changes(schema)
    for one, other, row in zip(a.tolist(), b.tolist(), mixed.tolist(), strict=True):
        # what came unchanged from either needs no excuse; all else must be as a change must be
        before = [o if r == o else f for f, o, r in zip(one, other, row, strict=True)]
        assert not broken_rules(plain, before=before, after=row)
        linked = {name for link in schema.links for name in link.columns}
        for column, low, high, value in zip(schema.columns, one, other, row, strict=True):
            if column.name not in linked:
                assert min(low, high) <= value <= max(low, high)


def test_categories_come_from_the_first_as_often_as_the_share_says() -> None:
    draw = np.random.default_rng(3)
    schema = random_schema(draw, columns=0, links=1, immutable=0, monotone=0)
    x = random_rows(schema, n=50, draw=draw)
    a = x[:1].expand(4000, -1)
    other = x[(x != x[0]).any(1)][:1]
    mixed = RowMixer.of(schema)(a, other.expand(4000, -1), share=torch.full((4000,), 0.7), draw=draw)
    assert float((mixed == a).all(1).double().mean()) == pytest.approx(0.7, abs=0.03)
    assert bool(((mixed == a).all(1) | (mixed == other).all(1)).all())


def test_numbers_are_mixed_by_their_share() -> None:
    draw = np.random.default_rng(0)
    from cfsearch.datasets.tables import Column, ColumnKind

    columns = (
        Column(name="age", kind=ColumnKind.INTEGER, low=0, high=90),
        Column(name="rate", kind=ColumnKind.REAL, low=0, high=1, step=0.25),
        Column(name="any", kind=ColumnKind.REAL, low=0, high=1),
    )
    mixer = mixer_for(TableSchema(columns=columns))
    a, b = torch.tensor([[20.0, 0.0, 0.2]]), torch.tensor([[51.0, 1.0, 0.6]])
    mixed = mixer(a.double(), b.double(), share=torch.tensor([0.75]), draw=draw)
    # 27.75 to a whole year, 0.25 on its step, 0.3 as it is
    assert torch.allclose(mixed, torch.tensor([[28.0, 0.25, 0.3]]).double(), atol=1e-7)


def test_8_bits_are_what_a_file_holds() -> None:
    x = torch.tensor([-0.1, 0.5, 0.1, 1.2]).reshape(1, 1, 1, 4)
    assert in_8_bits(x).flatten().tolist() == pytest.approx([0.0, 128 / 255, 26 / 255, 1.0])


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ShapeError, match="no input"):
        drawn(torch.zeros(0, 1, 2, 2))
    with pytest.raises(ConfigError, match="1 or more, got 0"):
        drawn(torch.zeros(2, 1, 2, 2), limit=0)
    with pytest.raises(ConfigError, match=r"\[0, 1\], got \(1.5,\)"):
        Shares((1.5,))
    with pytest.raises(ConfigError, match="`alpha` must be a finite number > 0"):
        Shares(alpha=0.0)
