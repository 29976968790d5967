"""Domains: numbers and back, every rule kept."""

import numpy as np
import pytest
import torch

from cfsearch.datasets.tables import Column, ColumnKind, Encoding, Missing, TableSchema, Variables
from cfsearch.errors import ConfigError
from cfsearch.explainers.pixel_domain import PixelDomain
from cfsearch.explainers.row_domain import RowDomain
from cfsearch.testing.tables import random_rows, random_schema


@pytest.mark.parametrize("seed", range(12))
def test_row_domain_gives_rows_back_and_keeps_rules(seed: int) -> None:
    draw = np.random.default_rng(seed)
    schema = random_schema(draw)
    x = random_rows(schema, n=40, draw=draw)
    encoding = Encoding.standard(schema, x) if seed % 2 else Encoding.ranged(schema)
    domain = RowDomain(encoding)
    u = domain.encode(x)
    assert torch.equal(domain.project(u, origin=x), x)

    moved = domain.project(u + torch.randn(u.shape, generator=torch.Generator().manual_seed(seed)), origin=x)
    schema.check(moved)
    variables = Variables.of(schema)
    before, after = variables.values(x), variables.values(moved)  # linked combinations exist
    allowed = variables.allowed(after, origin=before)
    assert torch.equal(torch.where(after == before, before, allowed), after)
    for i, v in enumerate(variables.all):
        if v.immutable:
            assert torch.equal(after[:, i], before[:, i])
        elif v.monotone:
            assert bool(((after[:, i] - before[:, i]) * v.monotone >= 0).all())
    assert not torch.equal(moved, x)


@pytest.mark.parametrize("seed", range(6))
def test_row_domain_bounds_hold_the_original_and_what_is_allowed(seed: int) -> None:
    draw = np.random.default_rng(100 + seed)
    schema = random_schema(draw)
    x = random_rows(schema, n=30, draw=draw)
    domain = RowDomain(Encoding.standard(schema, x))
    u, (low, high) = domain.encode(x), domain.bounds(x)
    assert bool((low <= u).all()) and bool((u <= high).all())
    fixed = ~domain.spread(domain.free(x))
    assert torch.equal(low[fixed], u[fixed]) and torch.equal(high[fixed], u[fixed])


def test_bounds_close_the_level_that_stands_for_missing() -> None:
    column = Column(
        name="job", kind=ColumnKind.CATEGORICAL, levels=("baker", "smith", "?"), missing=Missing.LEVEL
    )
    domain = RowDomain(Encoding.ranged(TableSchema(columns=(column,))))
    _, high = domain.bounds(torch.tensor([[0.0], [2.0]], dtype=torch.float64))
    assert high.tolist() == [[1.0, 1.0, 0.0], [1.0, 1.0, 1.0]]  # it may be left, and not gone to


def test_features_of_rows_are_columns() -> None:
    draw = np.random.default_rng(3)
    schema = random_schema(draw, links=1)
    domain = RowDomain(Encoding.ranged(schema))
    assert domain.features == len(Variables.of(schema).all) < schema.d  # the linked pair is one
    counts = domain.pooled(torch.ones(1, *domain.shape))
    assert counts.sum() == domain.encoding.width
    values = torch.arange(float(domain.features))[None]
    assert torch.allclose(domain.pooled(domain.spread(values)), values * counts)


def test_immutable_by_name_and_unknown_names() -> None:
    draw = np.random.default_rng(4)
    schema = random_schema(draw, immutable=0, monotone=0, links=0)
    x = random_rows(schema, n=8, draw=draw)
    name = schema.names[0]
    domain = RowDomain(Encoding.ranged(schema), immutable=[name])
    assert not bool(domain.free(x)[:, domain.names.index(name)].any())
    moved = domain.project(domain.encode(x) + 3.0, origin=x)
    assert torch.equal(moved[:, 0], x[:, 0])
    with pytest.raises(ConfigError, match="nothing_such"):
        RowDomain(Encoding.ranged(schema), immutable=["nothing_such"])


def test_what_starts_from_a_grey_picture_stays_grey() -> None:
    domain = PixelDomain((3, 4, 4))
    grey = torch.full((1, 3, 4, 4), 0.5)
    coloured = torch.rand(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))
    origin = torch.cat([grey, coloured])
    step = torch.tensor([0.3, 0.0, -0.06]).reshape(1, 3, 1, 1)
    found = domain.project(origin + step, origin=origin)
    assert torch.equal(found[0, 0], found[0, 1])
    assert torch.equal(found[0, 0], found[0, 2])
    assert found[0].mean().item() == pytest.approx(0.58)  # the mean of the three steps
    assert torch.equal(found[1], (origin + step)[1].clamp(0, 1))
    assert torch.equal(domain.project(origin, origin=origin), origin)


def test_blocks_of_pixels() -> None:
    domain = PixelDomain((3, 6, 10), block=4)
    assert domain.layout == (2, 3) and domain.features == 6
    counts = domain.pooled(torch.ones(2, 3, 6, 10))
    assert counts[0].tolist() == [48.0, 48.0, 24.0, 24.0, 24.0, 12.0]
    spread = domain.spread(torch.arange(12.0).reshape(2, 6))
    assert spread.shape == (2, 3, 6, 10)
    assert bool((spread[1, :, 4:, 8:] == 11.0).all()) and bool((spread[0, :, :4, 4:8] == 1.0).all())
    x = torch.rand(2, 3, 6, 10)
    assert torch.equal(domain.project(x, origin=x), x)
    assert float(domain.project(x + 2.0, origin=x).amax()) == 1.0
    with pytest.raises(ConfigError, match="block"):
        PixelDomain((3, 6, 10), block=0)
