"""Seeds from known rows: the nearest of the class asked for, and what a search makes of them."""

from dataclasses import dataclass, replace
from typing import final

import numpy as np
import pytest
import torch
from torch import Tensor

from cfsearch.contracts.records import UNTARGETED, Queries
from cfsearch.datasets.tables import Missing, Table
from cfsearch.errors import ConfigError, DataError
from cfsearch.generators.rows.generator import Rows, RowsState
from cfsearch.generators.rows.seeds import NearestRows
from cfsearch.testing.tables import random_schema, random_table

DRAW = np.random.default_rng(4)
# without a level for "missing", which no search goes to: any row can be reached from any other
SCHEMA = next(
    schema
    for schema in (
        random_schema(DRAW, columns=6, immutable=0, monotone=0, labels=("a", "b", "c")) for _ in range(100)
    )
    if all(column.missing is Missing.REFUSE for column in schema.columns)
)
TABLE = random_table(SCHEMA, n=120, draw=DRAW)


@final
@dataclass(frozen=True)
class Begun:
    """What a search knows before it starts."""

    state: RowsState
    queries: Queries


def begun(rows: Rows, x: Tensor, *, source: list[int], target: list[int]) -> Begun:
    queries = Queries(
        names=tuple(str(i) for i in range(len(x))),
        x=x,
        scores=torch.zeros(len(x), 3),
        source=torch.tensor(source),
        target=torch.tensor(target),
        realism=None,
        reference=None,
    )
    return Begun(rows.encode(x), queries)


def reachable(rows: Rows) -> Table:
    """Those rows that the generator can make: within all ranges and on all steps."""
    state = rows.encode(TABLE.x)
    far = torch.from_numpy(DRAW.uniform(-1, 1, size=(len(TABLE), 1, state.space.d)))
    x = rows.decode(state, far)[:, 0]
    values, every = rows.variables.values(x), rows.variables.all
    inside = torch.stack([(values[:, j] >= v.low) & (values[:, j] <= v.high) for j, v in enumerate(every)])
    kept = inside.all(0).nonzero().flatten().tolist()
    assert len(kept) > 30
    return replace(TABLE, x=x).take(kept)


def test_they_lead_to_the_nearest_rows_of_the_class_nearest_first() -> None:
    rows = Rows(SCHEMA, dead_zone=0.0)
    table = reachable(rows)
    assert table.target is not None
    made = begun(rows, table.x[:4], source=[0, 0, 1, 2], target=[1, 2, UNTARGETED, 0])
    for i, z in enumerate(NearestRows(rows, table, count=5)(made)):
        goal = int(made.queries.target[i])
        fits = table.target != made.queries.source[i] if goal == UNTARGETED else table.target == goal
        distance = rows.variables.gower_table(table.x[i : i + 1], table.x[fits])[0]
        distance = distance[distance > 0]  # no change is no seed
        found = rows.decode(rows.select(made.state, i), z[None])[0]
        own = rows.variables.gower(found, table.x[i].expand_as(found))
        assert torch.allclose(own, distance.sort().values[:5], atol=1e-9)
        assert all(any(torch.equal(row, known) for known in table.x[fits]) for row in found)


def test_what_must_not_change_keeps_the_querys_value() -> None:
    name = next(c.name for c in SCHEMA.columns if not any(c.name in link.columns for link in SCHEMA.links))
    rows = Rows(SCHEMA, immutable=[name])
    at = rows.schema.names.index(name)
    made = begun(rows, TABLE.x[:4], source=[0] * 4, target=[1] * 4)
    for i, z in enumerate(NearestRows(rows, TABLE, count=10)(made)):
        found = rows.decode(rows.select(made.state, i), z[None])[0]
        assert bool((found[:, at] == TABLE.x[i, at]).all())


def test_a_class_of_few_rows_gives_few_seeds() -> None:
    rows = Rows(SCHEMA)
    few = TABLE.labelled(torch.tensor([1, 1, *[0] * (len(TABLE) - 2)]))
    made = begun(rows, TABLE.x[5:7], source=[0, 1], target=[1, 2])
    assert [len(z) for z in NearestRows(rows, few, count=5)(made)] == [2, 0]


def test_rows_that_lead_to_one_seed_count_once() -> None:
    free = next(c.name for c in SCHEMA.columns if not any(c.name in link.columns for link in SCHEMA.links))
    held = [
        name for name in SCHEMA.names if name != free and not any(name in k.columns for k in SCHEMA.links)
    ]
    held += [link.columns[0] for link in SCHEMA.links]
    rows = Rows(SCHEMA, immutable=held)
    made = begun(rows, TABLE.x[:3], source=[0] * 3, target=[1] * 3)
    for z in NearestRows(rows, TABLE, count=20)(made):
        assert len(torch.unique(z, dim=0)) == len(z)
        assert bool((z != 0).any(1).all())


def test_refusals() -> None:
    with pytest.raises(ConfigError, match="`count` must be at least 1, got 0"):
        NearestRows(Rows(SCHEMA), TABLE, count=0)
    with pytest.raises(DataError, match="the rows have no class"):
        NearestRows(Rows(SCHEMA), replace(TABLE, target=None))
