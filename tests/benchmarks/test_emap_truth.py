"""The judge of EMAP's directions: nearest boundaries that are known in closed form."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

pytestmark = pytest.mark.checkout
_FOLDER = Path(__file__).parents[2] / "benchmarks" / "papers"


@pytest.fixture
def truth(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    monkeypatch.syspath_prepend(str(_FOLDER))
    yield import_module("emap_truth")
    sys.modules.pop("emap_truth", None)


def test_the_nearest_point_of_a_circle_lies_along_the_radius(truth: ModuleType) -> None:
    draw = np.random.default_rng(0)
    mean, std = np.array([1.0, -2.0]), np.array([2.0, 0.5])
    z = draw.uniform(-1.8, 1.8, size=(300, 2))
    radius = np.linalg.norm(z, axis=1)

    def inside(x: np.ndarray) -> np.ndarray:
        return np.asarray(np.linalg.norm((x - mean) / std, axis=1) < 1.0).astype(int)

    said = np.where(np.arange(300) < 150, inside(z * std + mean), 1 - inside(z * std + mean))
    found = truth.nearest(inside, z * std + mean, assigned=said, mean=mean, std=std)
    assert np.abs(np.linalg.norm(found.step, axis=1) - np.abs(radius - 1.0)).max() < 0.03
    far = np.abs(radius - 1.0) > 0.3
    radial = z / radius[:, None] * np.sign(1.0 - radius)[:, None]
    cosine = (found.step * radial).sum(1) / np.linalg.norm(found.step, axis=1)
    assert cosine[far & (radius > 0.3)].min() > 0.97
    assert found.same.tolist() == [True] * 150 + [False] * 150


def test_classes_of_the_two_processes(truth: ModuleType) -> None:
    blob = truth.blob_classes(
        np.array([[-1.0, 0.0], [0.5, 0.5], [0.5 + 0.45, 0.5], [0.5 + 0.46, 0.5], [2.0, 1.0]])
    )
    assert blob.tolist()[:2] == [0, 0] and blob.tolist()[-1] == 1
    # by hand, on the blob's edge: 0.8 exp(-|x|^2 / 2) = 0.2 exp(-r^2 / 0.125) / 0.0625
    along = np.linspace(0.5, 1.5, 2001)
    x = np.stack([along, np.full_like(along, 0.5)], axis=1)
    r = along[np.argmax(truth.blob_classes(x))] - 0.5
    lead = np.log(0.8) - ((0.5 + r) ** 2 + 0.25) / 2 - (np.log(3.2) - r**2 / 0.125)
    assert abs(float(lead)) < 0.01
    moons = truth.moons_classes(np.array([[0.0, 1.0], [1.0, -0.5], [-1.0, 0.0], [2.0, 0.5]]))
    assert moons.tolist() == [0, 1, 0, 1]


def test_half_moons_are_classified_as_well_as_their_noise_allows(truth: ModuleType) -> None:
    from sklearn.datasets import make_moons

    x, y = make_moons(2000, noise=0.2, random_state=0)
    assert (truth.moons_classes(x) == y).mean() > 0.96
