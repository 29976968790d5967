"""Associations in photographs against known processes; the findings against planted effects."""

import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

pytestmark = pytest.mark.checkout
_FOLDER = Path(__file__).parents[2] / "benchmarks" / "quality"
_NAMES = ("Bangs", "Blond_Hair", "Black_Hair", "Brown_Hair", "Male", "Young")


@pytest.fixture
def quality(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(str(_FOLDER))
    before = set(sys.modules)
    yield import_module
    for name in set(sys.modules) - before:
        if str(_FOLDER) in str(getattr(sys.modules[name], "__file__", "")):
            sys.modules.pop(name)


def _photos(module: ModuleType, labels: NDArray[np.bool_], people: NDArray[np.int64]) -> Any:
    n, images = len(labels), np.zeros((len(labels), 3, 2, 2), np.uint8)
    return module.Photographs(images, labels, _NAMES, tuple(map(str, range(n))), people)


def _labels(rng: np.random.Generator, n: int) -> NDArray[np.bool_]:
    labels = rng.random((n, len(_NAMES))) < 0.4
    labels[:, 1] = rng.random(n) < np.where(labels[:, 4], 0.1, 0.6)  # men are seldom blond
    return labels


def test_associations_are_the_least_squares_coefficients(quality: Any) -> None:
    rng = np.random.default_rng(0)
    labels, odds = _labels(rng, 300), rng.normal(size=300)
    photos = _photos(quality("celeba_photographs"), labels, rng.integers(0, 90, 300))
    found = quality("celeba_observed").associations(odds, photos, attributes=_NAMES, draws=20)
    expected = np.linalg.lstsq(np.c_[labels, np.ones(300)], odds, rcond=None)[0]
    assert [found[name].value for name in _NAMES] == pytest.approx(expected[:-1])


def test_what_goes_along_with_a_cause_gets_none_of_its_weight(quality: Any) -> None:
    rng = np.random.default_rng(1)
    labels = _labels(rng, 4000)
    odds = 6.0 * labels[:, 4] - 1.0 + rng.normal(size=4000)
    photos = _photos(quality("celeba_photographs"), labels, np.arange(4000))
    found = quality("celeba_observed").associations(odds, photos, attributes=_NAMES, draws=200)
    assert found["Male"].low < 6.0 < found["Male"].high
    assert found["Blond_Hair"].low < 0.0 < found["Blond_Hair"].high
    apart = quality("celeba_observed").associations(
        odds, photos, attributes=("Blond_Hair",), given=("Male",), draws=20
    )
    assert abs(apart["Blond_Hair"].value) < 0.2


def test_intervals_know_that_photographs_of_one_person_are_alike(quality: Any) -> None:
    """Every photograph ten times over says no more than once."""
    rng = np.random.default_rng(2)
    labels, odds = _labels(rng, 200), rng.normal(size=200)
    module = quality("celeba_photographs")
    observed = quality("celeba_observed")
    once = observed.associations(odds, _photos(module, labels, np.arange(200)), attributes=_NAMES)
    again = _photos(module, np.repeat(labels, 10, 0), np.repeat(np.arange(200), 10))
    tenfold = observed.associations(np.repeat(odds, 10), again, attributes=_NAMES)
    for name in _NAMES:
        assert tenfold[name].value == pytest.approx(once[name].value)
        assert tenfold[name].high - tenfold[name].low == pytest.approx(once[name].high - once[name].low)


def test_agreement_counts_signs_of_strong_effects_only(quality: Any) -> None:
    observed = quality("celeba_observed")
    seen = {
        name: observed.Interval(v, v - 1, v + 1)
        for name, v in {"Bangs": -1.0, "Young": 2.0, "Male": -0.1}.items()
    }
    found = observed.agreement({"Bangs": -0.6, "Young": -3.0, "Male": 0.2}, seen)
    assert found == {"rank": -0.5, "sign": 0.5, "n": 2}


def _stated(value: float) -> dict[str, float]:
    return {"value": value, "low": value - 0.1, "high": value + 0.1}


def _summary(blond: float, young: float) -> dict[str, Any]:
    value = {"Blond_Hair": blond, "Young": young, "Male": 5.0}
    return {
        name: {
            "effect": _stated(value.get(name, 0.0)),
            "photographs": _stated(value.get(name, 0.0)),
            "women": _stated(value.get(name, 0.0)),
            "men": _stated(value.get(name, 0.0)),
            "flips_first": _stated(0.1),
            "flips_last": _stated(0.1),
            "sparsest": {
                "to_first+": _stated(-value.get(name, 0.0)),
                "to_last-": _stated(-value.get(name, 0.0)),
            },
        }
        for name in _NAMES
    }


@pytest.mark.parametrize(
    ("first", "second", "agrees"),
    [
        ((-3.0, -0.5), (-0.3, -0.5), [True, True, True, True]),
        ((+3.0, -0.5), (+1.0, -0.5), [False, False, True, False]),
        ((-1.0, -0.5), (-3.0, -0.5), [True, True, False, False]),
    ],
)
def test_findings_follow_planted_effects(
    quality: Any, first: tuple[float, float], second: tuple[float, float], agrees: list[bool]
) -> None:
    module = quality("celeba_findings")
    effects = []
    for blond, young in (first, second):
        effect = np.zeros((40, len(_NAMES)))
        effect[:, 1], effect[:, 5] = blond, young
        effects.append(effect + np.linspace(-0.01, 0.01, 40)[:, None])
    difference = dict.fromkeys(_NAMES, module.Interval(0.0, -1.0, 1.0))
    found = module.findings(_summary(*first), _summary(*second), (effects[0], effects[1]), difference, _NAMES)
    assert [claim["agrees"] for claim in found] == agrees
    assert module.printed(found).count("does not agree") == agrees.count(False)


def test_what_is_hardly_edited_stands_in_no_ranking(quality: Any) -> None:
    module = quality("celeba_findings")
    none = dict.fromkeys(_NAMES, module.Interval(0.0, -1.0, 1.0))
    effects = (np.zeros((4, len(_NAMES))), np.zeros((4, len(_NAMES))))
    first, second = _summary(-1.0, -0.5), _summary(-2.0, -0.5)
    with_it = module.findings(first, second, effects, none, _NAMES)
    without = module.findings(first, second, effects, none, _NAMES, frozenset({"Blond_Hair"}))
    assert with_it[3]["strongest"][0][0] == "Blond_Hair"
    assert without[3]["strongest"][0][0] == "Young"
    assert (with_it[0]["rank_of_effect"], without[0]["rank_of_effect"]) == (1, None)


def test_no_face_is_measured_that_settings_were_chosen_by(quality: Any) -> None:
    left = quality("measure_celeba_generator").never_looked_at(2993)
    looked = set(range(300)) | set(np.random.default_rng(3).permutation(2993)[:1000].tolist())
    assert len(left) == len(set(left.tolist())) == 2993 - len(looked) > 1000
    assert not looked & set(left.tolist())
