"""Jitter: pictures move as told, and not otherwise."""

import pytest
import torch

from cfsearch.distill.jitter import Jitter
from cfsearch.errors import ConfigError


def picture(n: int = 3, size: int = 16) -> torch.Tensor:
    return torch.rand(n, 2, size, size, generator=torch.Generator().manual_seed(0))


def rng(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_without_strength_nothing_moves() -> None:
    assert torch.allclose(Jitter()(picture(), rng=rng()), picture(), atol=1e-5)


def test_each_picture_moves_by_itself_and_the_seed_decides() -> None:
    strong = Jitter(turn=15, shift=0.1, scale=0.1, shear=0.1, bend=0.05)
    x = picture(1).expand(4, -1, -1, -1)
    out = strong(x, rng=rng())
    assert out.shape == x.shape
    assert not torch.equal(out[0], out[1])
    assert torch.equal(out, strong(x, rng=rng()))
    assert not torch.equal(out, strong(x, rng=rng(1)))
    assert float(out.min()) >= 0.0
    assert float(out.max()) <= 1.0


def test_a_blot_moves_no_further_than_its_limit() -> None:
    x = torch.zeros(200, 1, 21, 21)
    x[..., 10, 10] = 1.0
    out = Jitter(shift=0.1)(x, rng=rng())
    place = torch.arange(21.0)
    weight = out.sum((1, 2, 3))
    for axis in (2, 3):
        centre = (out.sum(5 - axis).squeeze(1) * place).sum(1) / weight
        assert float((centre - 10).abs().max()) <= 0.1 * 21 + 0.5
        assert float(centre.std()) > 0.5


def test_bending_is_as_strong_as_its_setting() -> None:
    bent = Jitter(bend=0.05)._bent(50, h=20, w=30, rng=rng())
    # in normalised coordinates a side is 2 long
    assert float(bent.square().mean((1, 2, 3)).sqrt().mean()) == pytest.approx(0.1, rel=1e-4)
    rough = (bent[:, 1:] - bent[:, :-1]).abs().mean()
    assert float(rough) < 0.3 * float(bent.abs().mean())


def test_what_makes_no_sense_is_refused() -> None:
    with pytest.raises(ConfigError, match="jitter: settings must be finite numbers >= 0"):
        Jitter(turn=-1.0)
    with pytest.raises(ConfigError, match="`smooth` in"):
        Jitter(smooth=0.0)
    assert Jitter(turn=3)(torch.zeros(0, 1, 4, 4), rng=rng()).shape == (0, 1, 4, 4)
