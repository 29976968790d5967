"""Evaluations put together, part by part."""

import torch

from cfsearch.contracts.records import Evaluation
from cfsearch.engine.evaluations import joined


def part(b: int, n: int, start: float) -> Evaluation:
    def numbers(*shape: int) -> torch.Tensor:
        return start + torch.arange(float(torch.tensor(shape).prod())).reshape(shape)

    return Evaluation(
        z=numbers(b, n, 3), f=numbers(b, n, 2), violation=numbers(b, n), scores=numbers(b, n, 4)
    )


def test_parts_are_put_behind_each_other_by_query_or_by_candidate() -> None:
    for dim, shapes in ((0, ((1, 2), (3, 2))), (1, ((2, 1), (2, 3)))):
        parts = [part(*shape, start=100.0 * i) for i, shape in enumerate(shapes)]
        made = joined(parts, dim=dim)
        for name in ("z", "f", "violation", "scores"):
            assert torch.equal(getattr(made, name), torch.cat([getattr(p, name) for p in parts], dim)), name
    alone = part(1, 1, 0.0)
    assert joined([alone], dim=0) is alone
