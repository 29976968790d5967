"""Bands: the contract, decibels by hand, words, and rules that always hold."""

import numpy as np
import pytest
import torch
from torch import Tensor

from cfsearch.contracts.modality import SOUNDS
from cfsearch.datasets.sound import Spectrogram
from cfsearch.errors import ConfigError, ShapeError
from cfsearch.generators.bands import Bands, BandsWithDensity
from cfsearch.testing import GeneratorCase

FORM = Spectrogram(rate=2_000, seconds=0.5, window=64, hop=50, size=64, mels=8, depth=80.0)


def made(**settings: object) -> Bands:
    return Bands.of_spectrograms(FORM, settings={"times": 3, "bands": 2, **settings})


def pictures(n: int = 2) -> Tensor:
    x = torch.rand(n, *FORM.shape, generator=torch.Generator().manual_seed(0))
    return torch.where(x < 0.3, 0.0, x)


class TestBandsContract(GeneratorCase):
    @pytest.fixture
    def generator(self) -> Bands:
        return made()


class TestBandsWithDensityContract(GeneratorCase):
    @pytest.fixture
    def generator(self) -> BandsWithDensity:
        return made().with_density(pictures(12))


def test_no_change_gives_the_spectrogram_back_exactly() -> None:
    generator, x = made(), pictures()
    out = generator.decode(generator.encode(x), torch.zeros(2, 1, 6))
    assert torch.equal(out[:, 0], x)
    assert generator.modality is SOUNDS


def test_a_gain_shifts_its_cell_by_so_many_decibels_and_no_other() -> None:
    generator, x = made(), torch.full((1, *FORM.shape), 0.75)
    z = torch.zeros(1, 1, 6)
    z[0, 0, 4] = -0.5  # 20 dB softer: a quarter of the depth
    out = generator.decode(generator.encode(x), z)[0, 0, 0]
    assert torch.allclose(out[4:, 7:14], torch.full((4, 7), 0.5))
    out[4:, 7:14] = 0.75
    assert torch.equal(out, x[0, 0])


def test_every_rule_holds_whatever_the_change() -> None:
    generator, x = made(), pictures()
    state = generator.encode(x)
    space = generator.space(state)
    z = space.sample(300, rngs=[np.random.default_rng(i) for i in range(2)])
    gains = z * space.scale
    assert float(gains.min()) >= -40 and float(gains.max()) <= 6
    assert torch.allclose(gains, gains.round(), atol=1e-4), "whole decibels"
    assert bool(((gains == 0) | (gains.abs() >= 3 - 1e-4)).all()), "what nobody hears is no change"
    out = generator.decode(state, z)
    assert float(out.min()) >= 0 and float(out.max()) <= 1
    assert bool((out[x[:, None].expand_as(out) == 0] == 0).all()), "silence stays"


def test_changes_are_described_in_seconds_kilohertz_and_decibels() -> None:
    generator, x = made(), torch.full((1, *FORM.shape), 0.75)
    names = generator.space(generator.encode(x)).names
    assert names[0].startswith("0.00 to 0.17 s, 0 to ")
    assert names[5].startswith("0.33 to 0.50 s, ") and names[5].endswith(" to 1 kHz")
    z = torch.zeros(1, 2, 6)
    z[0, 0, 1], z[0, 0, 5] = -0.3, 0.1
    out = generator.decode(generator.encode(x), z)[0]
    assert generator.words(x[0], out) == ((f"{names[1]}: -12 dB", f"{names[5]}: +4 dB"), ())


def test_each_setting_reaches_its_place() -> None:
    space = {
        name: generator.space(generator.encode(pictures(1)))
        for name, generator in {
            "base": made(),
            "times": made(times=4),
            "bands": made(bands=3),
            "soften": made(soften=20.0),
            "raise": made(**{"raise": 0.0}),
        }.items()
    }
    assert {name: one.d for name, one in space.items()} == {
        "base": 6,
        "times": 8,
        "bands": 9,
        "soften": 6,
        "raise": 6,
    }
    assert float(space["soften"].scale[0]) == 20.0 and float(space["base"].scale[0]) == 40.0
    assert float(space["raise"].upper.max()) == 0.0
    assert float(space["base"].upper[0, 0] * 40) == pytest.approx(6.0)


def test_gains_lie_where_the_spectrogram_changes() -> None:
    generator, x = made(), torch.full((1, *FORM.shape), 0.75)
    z = made().space(generator.encode(x)).sample(5, rngs=[np.random.default_rng(0)])
    out = generator.decode(generator.encode(x), z)[0, :, 0]
    assert torch.allclose(out, 0.75 + generator.gains(z[0]) / 80.0, atol=1e-6)


def test_a_density_prefers_the_loudness_of_the_reference() -> None:
    reference = 0.5 + 0.02 * torch.randn(20, *FORM.shape, generator=torch.Generator().manual_seed(1))
    generator = made().with_density(reference)
    x = torch.stack([torch.full(FORM.shape, level) for level in (0.5, 0.6, 0.9)])[None]
    value = generator.realism(x)[0]
    assert value[0] > value[1] > value[2]
    assert generator.fingerprint != made().fingerprint


def test_what_does_not_fit_is_refused() -> None:
    for settings, message in (
        ({"times": 99}, "`times` must lie in 1 to 21"),
        ({"soften": 90.0}, r"`soften` must lie in \(0, 80\]"),
        ({"gain": 1}, "unknown setting 'gain'; it takes times, bands, soften, raise"),
    ):
        with pytest.raises(ConfigError, match=message):
            made(**settings)
    with pytest.raises(ShapeError, match="expected spectrograms of shape"):
        made().encode(torch.zeros(1, 1, 8, 8))
    with pytest.raises(ConfigError, match="at least 10 reference recordings, got 2"):
        made().with_density(pictures())
    with pytest.raises(ShapeError, match="reference spectrograms of shape"):
        made().with_density(torch.zeros(12, 1, 8, 8))


def test_small_changes_are_half_a_decibel_or_one_frame() -> None:
    generator, x = made(), pictures()
    moved = generator.perturbed(x, changes=12, seed=1)
    assert moved.shape == (2, 12, *FORM.shape)
    gap = (moved - x[:, None]) * FORM.depth
    for j in (0, 1, 3, 4, 6, 7, 8, 11):
        assert 0.0 < float(gap[:, j].abs().max()) <= 0.5 + 1e-4
    inside = (x > 0.05) & (x < 0.95)
    assert float(gap[:, 0][inside].std()) < 1e-4, "all louder or softer alike"
    assert float(gap[:, 1][inside].std()) > 0.1, "each cell by its own"
    assert torch.equal(moved[:, 2, ..., 1:], x[..., :-1]) and torch.equal(moved[:, 5, ..., :-1], x[..., 1:])
    assert bool((moved[:, [0, 1]][(x == 0)[:, None].expand(-1, 2, -1, -1, -1)] == 0).all()), "silence stays"
    assert torch.equal(generator.perturbed(x[1:], changes=3, seed=1), moved[1:, :3])
