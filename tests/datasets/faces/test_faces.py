"""Procedural faces: what the pictures keep, what an attribute moves, what is refused."""

from dataclasses import replace
from typing import TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from cfsearch.datasets import faces as module
from cfsearch.datasets.faces import (
    ATTRIBUTES,
    EXCLUSIVE_GROUPS,
    Nuisances,
    do,
    faces,
    quantise,
    render,
    sample_attributes,
    sample_nuisances,
    sample_planted,
    without,
)
from cfsearch.datasets.faces._brush import Sheet
from cfsearch.errors import ConfigError, ShapeError

F32: TypeAlias = NDArray[np.float32]
COLUMN = {name: i for i, name in enumerate(ATTRIBUTES)}
few = settings(max_examples=12, deadline=None)
seeds = st.integers(0, 2**32 - 1)
names = st.sampled_from(ATTRIBUTES)


def people(n: int, *, seed: int) -> tuple[F32, Nuisances]:
    rng = np.random.default_rng(seed)
    attributes = sample_attributes(n, rng=rng, joint="independent")
    return attributes, sample_nuisances(n, rng=rng)


def rate(attributes: F32, name: str) -> float:
    return float(attributes[:, COLUMN[name]].mean())


def correlation(attributes: F32, one: str, other: str) -> float:
    return float(np.corrcoef(attributes[:, COLUMN[one]], attributes[:, COLUMN[other]])[0, 1])


# --- pictures ---


@few
@given(seed=seeds, size=st.sampled_from([32, 48, 64, 128]), strength=st.data())
def test_pictures_are_finite_and_in_range_at_any_strengths(
    seed: int, size: int, strength: st.DataObject
) -> None:
    row = strength.draw(st.lists(st.floats(0, 1, width=32), min_size=13, max_size=13))
    attributes = np.array([row], dtype=np.float32)
    images = render(attributes, people(1, seed=seed)[1], size=size)
    assert images.shape == (1, 3, size, size)
    assert images.dtype == np.float32
    assert np.isfinite(images).all()
    assert images.min() >= 0.0
    assert images.max() <= 1.0


@few
@given(seed=seeds, at=st.integers(0, 10))
def test_a_face_does_not_depend_on_its_batch(seed: int, at: int) -> None:
    attributes, nuisances = people(11, seed=seed)
    batch = render(attributes, nuisances)
    rows = np.array([at, (at + 5) % 11])
    np.testing.assert_array_equal(batch[rows], render(attributes[rows], nuisances[rows]))
    alone = slice(at, at + 1)
    np.testing.assert_array_equal(batch[alone], render(attributes[alone], nuisances[alone]))


@few
@given(seed=seeds)
def test_one_seed_gives_one_data_set(seed: int) -> None:
    one, same, other = faces(3, seed=seed), faces(3, seed=seed), faces(3, seed=seed + 1)
    np.testing.assert_array_equal(one.images, same.images)
    np.testing.assert_array_equal(one.attributes, same.attributes)
    assert (one.images != other.images).any()


def test_a_data_set_holds_its_own_renders_rounded() -> None:
    data = faces(5, seed=3, size=32, joint="independent")
    again = quantise(render(data.attributes, data.nuisances, size=32))
    np.testing.assert_array_equal(data.images, again)
    part = data[data.attributes[:, COLUMN["Male"]] == 1]
    assert len(part) == len(part.nuisances) == len(part.attributes)
    assert len(data[1:3]) == 2
    assert len(faces(0, seed=0)) == 0


def test_rendering_changes_none_of_its_inputs() -> None:
    attributes, nuisances = people(2, seed=1)
    kept, seeds_kept = attributes.copy(), nuisances.noise_seed.copy()
    render(attributes, nuisances)
    np.testing.assert_array_equal(attributes, kept)
    np.testing.assert_array_equal(nuisances.noise_seed, seeds_kept)


def test_noise_belongs_to_the_face_and_has_the_stated_level() -> None:
    attributes, nuisances = people(6, seed=4)
    level = np.full(6, 0.02, dtype=np.float32)
    clean = render(attributes, replace(nuisances, noise_level=0 * level))
    noise = render(attributes, replace(nuisances, noise_level=level)) - clean
    inside = (clean > 0.1) & (clean < 0.9)
    assert float(noise[inside].std()) == pytest.approx(0.02, rel=0.05)
    assert abs(float(noise[inside].mean())) < 0.001
    flipped = do(attributes, name="Eyeglasses", value=1.0)
    clean_flipped = render(flipped, replace(nuisances, noise_level=0 * level))
    noise_flipped = render(flipped, replace(nuisances, noise_level=level)) - clean_flipped
    both = inside & (clean_flipped > 0.1) & (clean_flipped < 0.9)
    np.testing.assert_allclose(noise[both], noise_flipped[both], atol=1e-6)


# --- one attribute at a time ---


@few
@given(seed=seeds, name=names)
def test_a_flip_leaves_the_upper_corners_alone(seed: int, name: str) -> None:
    attributes, nuisances = people(2, seed=seed)
    off, on = (render(do(attributes, name=name, value=v), nuisances) for v in (0.0, 1.0))
    for corner in (np.s_[..., :5, :5], np.s_[..., :5, -5:]):
        np.testing.assert_array_equal(off[corner], on[corner])


@settings(max_examples=30, deadline=None)
@given(seed=seeds, name=names, strength=st.floats(0.0, 0.98))
def test_near_strengths_give_near_pictures(seed: int, name: str, strength: float) -> None:
    attributes, nuisances = people(2, seed=seed)
    near = [attributes.copy(), attributes.copy()]
    near[0][:, COLUMN[name]] = strength
    near[1][:, COLUMN[name]] = strength + 0.02
    change = np.abs(render(near[1], nuisances) - render(near[0], nuisances))
    assert change.max() < 0.25
    assert change.mean() < 0.01


# Rows and columns, as shares of the side, outside of which a flip may change nothing.
REGIONS = {
    "Bangs": (0.0, 0.62, 0.05, 0.95),
    "Bushy_Eyebrows": (0.20, 0.62, 0.12, 0.88),
    "Eyeglasses": (0.26, 0.78, 0.05, 0.95),
    "Mouth_Slightly_Open": (0.52, 0.94, 0.2, 0.8),
    "Mustache": (0.48, 0.94, 0.18, 0.82),
    "No_Beard": (0.40, 1.0, 0.08, 0.92),
}
# The least share of pixels that must move by at least 0.05 (in any colour).
CHANGED = {
    "Bald": 0.10,
    "Bangs": 0.02,
    "Black_Hair": 0.10,
    "Blond_Hair": 0.08,
    "Brown_Hair": 0.10,
    "Bushy_Eyebrows": 0.008,
    "Eyeglasses": 0.03,
    "Male": 0.03,
    "Mouth_Slightly_Open": 0.006,
    "Mustache": 0.008,
    "No_Beard": 0.02,
    "Pale_Skin": 0.12,
    "Young": 0.04,
}


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_a_flip_is_seen_on_every_face_and_stays_in_its_place(name: str) -> None:
    attributes, nuisances = people(48, seed=11)
    attributes[:, [COLUMN["Bald"], COLUMN["Bangs"]]] = 0.0
    attributes[:, [COLUMN[colour] for colour in EXCLUSIVE_GROUPS[1]]] = 0.0
    attributes[:, [COLUMN["Mustache"], COLUMN["No_Beard"]]] = [0.0, 1.0]
    off, on = attributes.copy(), attributes.copy()
    off[:, COLUMN[name]], on[:, COLUMN[name]] = 0.0, 1.0
    if name == "Mustache":
        off[:, COLUMN["No_Beard"]] = on[:, COLUMN["No_Beard"]] = 0.0
    change = np.abs(render(on, nuisances) - render(off, nuisances)).max(axis=1)
    seen = (change > 0.05).mean(axis=(1, 2))
    assert seen.min() >= CHANGED[name]

    top, bottom, left, right = (round(64 * s) for s in REGIONS.get(name, (0, 1, 0, 1)))
    change[:, top:bottom, left:right] = 0.0
    assert change.max() == 0.0


def test_male_leaves_the_hair_alone() -> None:
    attributes, nuisances = people(24, seed=12)
    attributes[:, [COLUMN["Bald"], COLUMN["Bangs"]]] = 0.0
    women, men = (do(attributes, name="Male", value=v) for v in (0.0, 1.0))
    change = np.abs(render(women, nuisances) - render(men, nuisances))
    assert change[:, :, :13].max() == 0.0  # the crown


def test_windows_cut_nothing_off_in_the_widest_poses(monkeypatch: pytest.MonkeyPatch) -> None:
    attributes, nuisances = people(64, seed=13)
    rng = np.random.default_rng(13)

    def ends(middle: float, half_width: float) -> F32:
        return (middle + half_width * rng.choice([-1, 1], 64)).astype(np.float32)

    nuisances = replace(
        nuisances,
        tilt=ends(0.0, 0.14),
        yaw=ends(0.0, 1.0),
        pitch=ends(0.0, 1.0),
        shift_x=ends(0.0, 0.06),
        shift_y=ends(0.0, 0.06),
        scale=ends(1.0, 0.08),
        face_width=ends(1.0, 0.08),
        face_height=ends(1.0, 0.06),
    )
    usual, window = render(attributes, nuisances), Sheet.window

    def wider(sheet: Sheet, *, top: float, bottom: float, half_width: float = 0.7) -> Sheet:
        return window(sheet, top=top - 0.1, bottom=bottom + 0.1, half_width=half_width + 0.1)

    monkeypatch.setattr(Sheet, "window", wider)
    np.testing.assert_allclose(usual, render(attributes, nuisances), atol=1e-3)


# --- interventions ---


@given(
    row=st.lists(st.floats(0, 1, width=32), min_size=13, max_size=13),
    name=names,
    value=st.floats(0, 1, width=32),
)
def test_do_sets_one_and_lowers_only_its_rivals(row: list[float], name: str, value: float) -> None:
    before = np.array([row], dtype=np.float32)
    after = do(before, name=name, value=value)
    np.testing.assert_array_equal(before, np.array([row], dtype=np.float32))
    assert after[0, COLUMN[name]] == np.float32(value)
    rivals = {r for group in EXCLUSIVE_GROUPS if name in group for r in group} - {name}
    for other in ATTRIBUTES:
        if other in rivals:
            highest = np.float32(1.0 - value)
            assert after[0, COLUMN[other]] == min(before[0, COLUMN[other]], highest)
        elif other != name:
            assert after[0, COLUMN[other]] == before[0, COLUMN[other]]


@given(seed=seeds, name=names, value=st.sampled_from([0.0, 1.0]))
def test_do_keeps_faces_free_of_conflicts(seed: int, name: str, value: float) -> None:
    attributes = sample_attributes(20, rng=np.random.default_rng(seed))
    after = do(attributes, name=name, value=value)
    for group in EXCLUSIVE_GROUPS:
        assert after[:, [COLUMN[g] for g in group]].sum(axis=1).max() <= 1.0


def test_switching_off_leaves_the_rivals_off() -> None:
    bald = do(np.zeros((1, 13), dtype=np.float32), name="Bald", value=1.0)
    assert do(bald, name="Bald", value=0.0).sum() == 0.0


# --- distributions ---


@pytest.fixture(scope="module")
def natural() -> F32:
    return sample_attributes(40_000, rng=np.random.default_rng(0))


@pytest.mark.parametrize("joint", ["natural", "independent"])
def test_sampled_faces_have_no_conflicts(joint: module.Joint) -> None:
    attributes = sample_attributes(5000, rng=np.random.default_rng(1), joint=joint)
    assert set(np.unique(attributes)) == {0.0, 1.0}
    for group in EXCLUSIVE_GROUPS:
        assert attributes[:, [COLUMN[g] for g in group]].sum(axis=1).max() == 1.0


@pytest.mark.parametrize(
    ("name", "women", "men"),
    [
        ("Blond_Hair", 0.35, 0.05),
        ("Black_Hair", 0.22, 0.38),
        ("Brown_Hair", 0.30, 0.36),
        ("No_Beard", 0.998, 0.60),
        ("Mustache", 0.001, 0.16),
        ("Young", 0.80, 0.65),
        ("Bald", 0.004, 0.123),
        ("Bushy_Eyebrows", 0.06, 0.26),
    ],
)
def test_natural_rates_are_as_stated(natural: F32, name: str, women: float, men: float) -> None:
    male = natural[:, COLUMN["Male"]] == 1
    assert male.mean() == pytest.approx(0.42, abs=0.01)
    assert rate(natural[~male], name) == pytest.approx(women, abs=0.015)
    assert rate(natural[male], name) == pytest.approx(men, abs=0.015)


def test_independent_attributes_correlate_within_groups_only() -> None:
    attributes = sample_attributes(40_000, rng=np.random.default_rng(2), joint="independent")
    together = np.array(np.corrcoef(attributes.T))
    for group in EXCLUSIVE_GROUPS:
        rows = [COLUMN[g] for g in group]
        together[np.ix_(rows, rows)] = 0.0
    np.fill_diagonal(together, 0.0)
    assert np.abs(together).max() < 0.025


@pytest.mark.parametrize("attribute", ["Eyeglasses", "Blond_Hair", "Young", "No_Beard", "Bald"])
@pytest.mark.parametrize("rho", [-1.0, 0.0, 0.3, 0.9, 1.0])
def test_planted_correlation_is_reached_and_nothing_else(attribute: str, rho: float) -> None:
    n = 8000
    attributes = sample_planted(n, rng=np.random.default_rng(3), attribute=attribute, rho=rho)
    assert correlation(attributes, attribute, "Male") == pytest.approx(rho, abs=4 / n)
    assert rate(attributes, "Male") == rate(attributes, attribute) == 0.5
    rivals = {r for group in EXCLUSIVE_GROUPS if attribute in group for r in group}
    for other in set(ATTRIBUTES) - rivals - {"Male", attribute}:
        assert abs(correlation(attributes, other, "Male")) < 0.05
    for group in EXCLUSIVE_GROUPS:
        assert attributes[:, [COLUMN[g] for g in group]].sum(axis=1).max() == 1.0


def test_long_hair_goes_with_women_only_if_set(natural: F32) -> None:
    n = 4000
    asked = sample_nuisances(n, rng=np.random.default_rng(4), attributes=natural[:n])
    male = natural[:n, COLUMN["Male"]] == 1
    assert (asked.hair_length[~male] > 0.3).mean() == pytest.approx(0.85, abs=0.03)
    assert (asked.hair_length[male] > 0.3).mean() == pytest.approx(0.08, abs=0.03)
    free = sample_nuisances(n, rng=np.random.default_rng(4))
    assert (free.hair_length > 0.3).mean() == pytest.approx(0.5, abs=0.03)


def test_blond_women_are_removed_in_one_line(natural: F32) -> None:
    kept = natural[without(natural, where={"Blond_Hair": 1, "Male": 0})]
    women = kept[kept[:, COLUMN["Male"]] == 0]
    assert rate(women, "Blond_Hair") == 0.0
    men = (kept[:, COLUMN["Male"]] == 1).sum()
    assert men == natural[:, COLUMN["Male"]].sum()


# --- refusals ---


def test_every_refusal_says_what_to_do() -> None:
    attributes, nuisances = people(2, seed=0)
    rng = np.random.default_rng(0)
    with pytest.raises(ConfigError, match=r"one of the attributes Bald.*got 'Glasses'"):
        do(attributes, name="Glasses", value=1.0)
    with pytest.raises(ConfigError, match=r"`value` of Young must lie in \[0, 1\], got 1\.5"):
        do(attributes, name="Young", value=1.5)
    with pytest.raises(ShapeError, match=r"do: expected attributes of shape \(\.\.\., 13\)"):
        do(attributes[:, :5], name="Young", value=1.0)
    with pytest.raises(ShapeError, match=r"render: expected attributes of shape \(n, 13\)"):
        render(attributes[0], nuisances)
    with pytest.raises(ConfigError, match=r"strengths in \[0, 1\]"):
        render(attributes + 0.5, nuisances)
    with pytest.raises(ConfigError, match="or NaN"):
        render(attributes * np.float32(np.nan), nuisances)
    with pytest.raises(ShapeError, match=r"nuisances of 2 faces.*got 1"):
        render(attributes, nuisances[:1])
    for size in (16, 65, 0):
        with pytest.raises(ConfigError, match=f"multiple of 16 and at least 32, got {size}"):
            render(attributes, nuisances, size=size)
    with pytest.raises(ConfigError, match="must be >= 0, got -1"):
        faces(-1, seed=0)
    with pytest.raises(ConfigError, match="'natural' or 'independent', got 'real'"):
        sample_attributes(1, rng=rng, joint="real")  # type: ignore[arg-type]  # a mistake
    with pytest.raises(ConfigError, match="got Male itself"):
        sample_planted(1, rng=rng, attribute="Male", rho=0.0)
    with pytest.raises(ConfigError, match=r"`rho` must lie in \[-1, 1\], got nan"):
        sample_planted(1, rng=rng, attribute="Young", rho=float("nan"))
    with pytest.raises(ShapeError, match="attributes of 3 faces, got 2"):
        sample_nuisances(3, rng=rng, attributes=attributes)
    with pytest.raises(ShapeError, match=r"expected `yaw` of shape \(2,\), got \(1,\)"):
        replace(nuisances, yaw=nuisances.yaw[:1])
