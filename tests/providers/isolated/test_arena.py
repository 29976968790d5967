"""Shared memory: tensors pass unchanged, and what is no tensor is refused."""

import os
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from cfsearch.errors import ProviderError
from cfsearch.providers.isolated.arena import Arena
from cfsearch.providers.isolated.process import memory_file


@pytest.fixture
def both() -> Iterator[tuple[Arena, Arena]]:
    descriptor = memory_file()
    yield Arena(descriptor), Arena(os.dup(descriptor))
    os.close(descriptor)


@pytest.mark.parametrize(
    "tensor",
    [
        torch.arange(24.0).reshape(2, 3, 4),
        torch.arange(24.0).reshape(2, 3, 4).transpose(0, 2)[1:, ::2],
        torch.tensor([[1, -(2**62)]]),
        torch.tensor([True, False]),
        torch.tensor(1.5, dtype=torch.bfloat16),
        torch.empty(0, 7, dtype=torch.float64),
        torch.tensor([float("nan"), float("inf"), -0.0]),
    ],
    ids=["plain", "strided", "int64", "bool", "one", "none", "special"],
)
def test_tensors_pass_unchanged(both: tuple[Arena, Arena], tensor: torch.Tensor) -> None:
    ours, theirs = both
    [back] = theirs.read(ours.write([tensor]))
    assert (back.dtype, back.shape) == (tensor.dtype, tensor.shape)
    assert torch.equal(back.nan_to_num(7.0), tensor.nan_to_num(7.0))


def test_several_lie_side_by_side_and_a_larger_one_finds_room(both: tuple[Arena, Arena]) -> None:
    ours, theirs = both
    small, large = torch.rand(3), torch.rand(700_000)
    a, b = theirs.read(ours.write([small, small + 1]))
    assert torch.equal(a, small) and torch.equal(b, small + 1)
    [back] = theirs.read(ours.write([large]))
    assert torch.equal(back, large)
    assert torch.equal(a, small)  # a copy: later messages leave it alone


@pytest.mark.parametrize(
    "text",
    [
        None,
        {},
        ["float32 4 0"],
        "float32 4",
        "float32 4 0 0",
        "object 1 0",
        "float32 -1 0",
        "float32 +1 0",
        "float32 ² 0",
        "float32 1_0 0",
        "float32 1x 0",
        f"float32 {2**40} 0",
        f"float32 {'9' * 5000} 0",
        "float32 1 -4",
        f"float32 1 {2**40}",
        "float32 4 0,",
    ],
)
def test_what_is_no_tensor_is_refused(both: tuple[Arena, Arena], text: Any) -> None:
    both[0].write([torch.zeros(4)])
    with pytest.raises(ProviderError, match="answered with what is no tensor"):
        both[0].read(text)


def test_what_is_written_anew_is_read_anew(both: tuple[Arena, Arena]) -> None:
    ours, theirs = both
    for n in [3, 5, 3, *range(300), 3]:  # more forms than are remembered
        x = torch.arange(n * 2.0).reshape(n, 2) + n
        [back] = theirs.read(ours.write([x]))
        assert torch.equal(back, x)
        [answer] = ours.read(theirs.write([back.double() * 2]))
        assert torch.equal(answer, x.double() * 2)


def test_no_tensors_are_none(both: tuple[Arena, Arena]) -> None:
    assert both[1].read(both[0].write([])) == []


def test_a_tensor_that_gradients_follow_leaves_the_memory_alone(both: tuple[Arena, Arena]) -> None:
    x = torch.ones(3, requires_grad=True)
    for _ in range(2):
        [back] = both[1].read(both[0].write([x * 2]))
        assert not back.requires_grad and back.tolist() == [2.0] * 3


def test_the_memory_cannot_be_made_smaller_under_a_reader() -> None:
    descriptor = memory_file()
    os.ftruncate(descriptor, 4096)
    with pytest.raises(OSError, match="not permitted"):
        os.ftruncate(descriptor, 0)
    os.close(descriptor)
