"""Checks that numbers are finite, at once and together."""

from collections.abc import Callable

import torch
from torch import Tensor

from cfsearch.engine.finiteness import Finiteness
from cfsearch.errors import QueryError

from .pretend_card import PretendCard


def refusing(name: str) -> Callable[[Tensor], QueryError]:
    return lambda _: QueryError(name)


def looked(checks: Finiteness, *values: tuple[str, Tensor]) -> list[str]:
    """What was looked at before an error, which is named last."""
    names = []
    try:
        with checks.together():
            for name, value in values:
                checks.check(value, refusing(name))
                names.append(name)
    except QueryError as error:
        names.append(str(error))
    return names


def test_on_the_cpu_it_is_refused_at_once_also_within_together() -> None:
    bad = torch.tensor([torch.inf])
    assert looked(Finiteness(), ("a", torch.zeros(2)), ("b", bad), ("c", bad)) == ["a", "b"]


def test_on_a_device_the_first_is_refused_at_the_end_by_one_read() -> None:
    checks = Finiteness()
    with PretendCard() as card:
        fine, bad = torch.zeros(1).to("cuda"), torch.tensor([torch.nan]).to("cuda")
        assert looked(checks, ("a", fine), ("b", bad), ("c", bad)) == ["a", "b", "c", "b"]
        assert card.reads == 1
        assert looked(checks, ("d", fine)) == ["d"]  # what came before does not count any more
        assert card.reads == 2
