"""What all cases watch: devices, settings of hypothesis, global random state, sameness."""

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, Phase, settings
from torch import Tensor

CARD: Final = "cuda"
CARD_TOLERANCE: Final = 1e-3
"""How far numbers of a graphics card may be from those of the CPU."""

FEW: Final = settings(
    max_examples=15,
    deadline=None,
    derandomize=True,
    database=None,
    phases=[Phase.generate],  # a smaller seed explains nothing
    # a case is inherited by many classes, and plug-ins keep no state that an example could leave
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.differing_executors],
)


def need_card() -> None:
    """Skips the test where there is no graphics card."""
    if not torch.cuda.is_available():
        pytest.skip("no CUDA device")


@contextmanager
def global_randomness_untouched(who: str) -> Iterator[None]:
    """Fails when the block drew from the random state of Python, NumPy or torch, or set it."""
    before = _states()
    yield
    moved = [name for name, state in _states().items() if state != before[name]]
    assert not moved, (
        f"{who}: global random state must be left alone, but that of {', '.join(moved)} moved. "
        "Take a generator of random numbers instead."
    )


def _states() -> dict[str, object]:
    numpy_state = np.random.get_state(legacy=False)  # noqa: NPY002  # it is what we watch
    return {
        "random": random.getstate(),
        "numpy": repr(numpy_state["state"]["key"].tobytes()) + repr(numpy_state["state"]["pos"]),
        "torch": torch.get_rng_state().numpy().tobytes(),
    }


def assert_same(got: Tensor, expected: Tensor, *, who: str, what: str, tolerance: float) -> None:
    """Fails with one sentence where two tensors differ by more than rounding."""
    assert got.shape == expected.shape, (
        f"{who}: {what}, but the shape became {tuple(got.shape)} instead of {tuple(expected.shape)}."
    )
    near = torch.allclose(got, expected, rtol=tolerance, atol=tolerance)
    worst = float((got - expected).abs().max()) if got.numel() else 0.0
    assert near, f"{who}: {what}, but values differ by up to {worst:.3g}."
