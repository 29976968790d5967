"""Checks that numbers are finite, at once and together."""

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
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


@given(
    sizes=st.lists(st.integers(0, 70), min_size=0, max_size=3),
    dtype=st.sampled_from([torch.float32, torch.float64, torch.float16, torch.bfloat16]),
    bad=st.sampled_from([None, torch.nan, torch.inf, -torch.inf]),
    turned=st.booleans(),
    data=st.data(),
)
def test_it_refuses_what_torch_calls_not_finite_wherever_it_stands(
    sizes: list[int], dtype: torch.dtype, bad: float | None, turned: bool, data: st.DataObject
) -> None:
    value = torch.full(sizes, torch.finfo(dtype).max, dtype=dtype)  # a sum of these would overflow
    value.view(-1)[::2] *= -1
    if bad is not None and value.numel():
        value.view(-1)[data.draw(st.integers(0, value.numel() - 1))] = bad
    value = value.mT if turned and value.dim() > 1 else value
    finite = bool(torch.isfinite(value).all())
    assert looked(Finiteness(), ("1", value), ("2", value)) == (["1", "2"] if finite else ["1"])


@pytest.mark.parametrize("value", [torch.arange(3), torch.tensor([True]), torch.zeros(0, 4)])
def test_whole_numbers_truth_values_and_nothing_are_finite(value: Tensor) -> None:
    assert looked(Finiteness(), ("1", value), ("2", value)) == ["1", "2"]
