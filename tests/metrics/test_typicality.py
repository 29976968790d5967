"""Typicality: its tail probabilities against ranks counted by hand, and what noise and blur do to it."""

import pytest
import torch
from torch.nn import functional

from cfsearch.datasets import faces
from cfsearch.errors import ConfigError, ShapeError
from cfsearch.metrics.typicality import Typicality


def pictures(n: int, *, seed: int) -> torch.Tensor:
    return torch.from_numpy(faces.faces(n, seed=seed, size=32).images).float() / 255.0


def test_known_pictures_are_spread_evenly_over_the_probabilities() -> None:
    known = pictures(80, seed=1)
    p = Typicality.fit(known)(known[40:])
    # each of the 40 that were held out is the r-th lowest: 2 (min(r, 41 - r) + 1) / 41, and never above 1
    expected = [min(1.0, 2.0 * (min(r, 41 - r) + 1) / 41) for r in range(1, 41)]
    torch.testing.assert_close(p.sort().values, torch.tensor(sorted(expected), dtype=torch.float64))


def test_noise_and_blur_are_untypical_and_fresh_pictures_are_not() -> None:
    typical, fresh = Typicality.fit(pictures(160, seed=1)), pictures(20, seed=2)
    noise = 0.1 * torch.randn(fresh.shape, generator=torch.Generator().manual_seed(3))
    blurred = functional.avg_pool2d(fresh, 5, 1, 2, count_include_pad=False)
    assert float(typical(fresh).median()) > 0.2
    assert float(typical((fresh + noise).clamp(0, 1)).median()) < 0.05
    assert float(typical(blurred).median()) < 0.05


def test_too_few_known_pictures_and_another_size_are_refused() -> None:
    with pytest.raises(ConfigError, match="at least 20 known pictures, got 19"):
        Typicality.fit(torch.rand(19, 3, 8, 8))
    with pytest.raises(ShapeError, match="expected pictures of 192 values"):
        Typicality.fit(torch.rand(20, 3, 8, 8))(torch.rand(1, 3, 4, 4))
