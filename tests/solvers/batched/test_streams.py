"""Random numbers from counters: the published function, and numbers that know no company."""

import numpy as np
import pytest
import torch

from cfsearch.solvers.batched.streams import Streams, mixed_bits


def streams(*seeds: int) -> Streams:
    return Streams([np.random.default_rng(seed) for seed in seeds], device="cpu")


def test_the_bits_are_those_of_splitmix64() -> None:
    # the first outputs of the authors' own program for the seed 1234567
    state = 1234567 + torch.tensor([1, 2, 3]) * -0x61C8864680B583EB
    known = [6457827717110365317, 3203168211198807973, 9817491932198370423]
    assert [value % 2**64 for value in mixed_bits(state).tolist()] == known


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_query_has_its_numbers_alone_in_company_and_in_larger_tensors(dtype: torch.dtype) -> None:
    together, alone = streams(1, 2, 3), streams(2)
    together.turn = alone.turn = 5
    one = alone.uniform(3, (4, 6), dtype=dtype)
    assert torch.equal(together.uniform(3, (4, 6), dtype=dtype)[1], one[0])
    assert torch.equal(alone.uniform(3, (9, 6), dtype=dtype)[:, :4], one)


def test_turns_purposes_and_the_two_of_a_pair_differ() -> None:
    made = streams(1)
    a, b = made.pair(0, (500,))
    c = made.uniform(1, (500,))
    made.turn += 1
    d = made.uniform(0, (500,))
    four = torch.cat([a, b, c, d])
    assert len(torch.unique(four)) > 1990
    off = torch.corrcoef(four) - torch.eye(4)
    assert float(off.abs().max()) < 0.15  # three standard deviations of 500 independent ones


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_numbers_are_uniform_in_the_unit_interval(dtype: torch.dtype) -> None:
    made = streams(7)
    for u in (*made.pair(0, (40_000,), dtype=dtype), made.uniform(1, (40_000,), dtype=dtype)):
        assert u.dtype is dtype
        assert bool(((u >= 0) & (u < 1)).all())
        counts = torch.histc(u.double(), bins=20, min=0, max=1)
        chi = float(((counts - 2000) ** 2 / 2000).sum())
        assert chi < 43.8  # 19 degrees of freedom, p = 0.001


def test_numbers_of_double_precision_have_32_random_bits() -> None:
    made = streams(3)
    for u in (*made.pair(0, (4000,), dtype=torch.float64), made.uniform(1, (4000,), dtype=torch.float64)):
        whole = u * 2.0**32
        assert torch.equal(whole, whole.round())
        assert 1800 < int((whole % 2 == 1).sum()) < 2200
