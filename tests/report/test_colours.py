"""The palette: distinguishable to people with red-green blindness, and readable."""

import re
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.color import deltaE_ciede2000, rgb2lab

from cfsearch.report import page
from cfsearch.report.pictures import CIVIDIS, heat_png, heat_top

F64 = NDArray[np.float64]
STYLE = (Path(page.__file__).parent / "base.css").read_text(encoding="utf-8")
# Machado, Oliveira and Fernandes 2009, https://doi.org/10.1109/TVCG.2009.113, severity 1.0.
SEEN = {
    "normal": np.eye(3),
    "deuteranopia": np.array(
        [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
    ),
    "protanopia": np.array(
        [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
    ),
}


def colours(scheme: str) -> dict[str, F64]:
    blocks = re.findall(r":root \{(.*?)\n\s*\}", STYLE, re.DOTALL)
    found = re.findall(r"--(\w+): (#[0-9a-f]{6})", blocks[0 if scheme == "light" else 1])
    return {name: np.array([int(code[i : i + 2], 16) / 255 for i in (1, 3, 5)]) for name, code in found}


def linear(rgb: F64) -> F64:
    return np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)


def seen(rgb: F64, matrix: F64) -> F64:
    light = np.clip(matrix @ linear(rgb), 0, 1)
    return np.where(light <= 0.0031308, light * 12.92, 1.055 * light ** (1 / 2.4) - 0.055)


def apart(one: F64, other: F64) -> float:
    return float(deltaE_ciede2000(one, other))  # type: ignore[no-untyped-call]  # as it ships


def contrast(one: F64, other: F64) -> float:
    a, b = (float(linear(c) @ np.array([0.2126, 0.7152, 0.0722])) for c in (one, other))
    return (max(a, b) + 0.05) / (min(a, b) + 0.05)


@pytest.mark.parametrize("eyes", SEEN)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_f76_marks_are_distinguished_by_everyone(scheme: str, eyes: str) -> None:
    palette = colours(scheme)
    for one, other in combinations(("blue", "orange", "grey", "paper"), 2):
        a, b = (rgb2lab(seen(palette[c], SEEN[eyes])) for c in (one, other))
        assert apart(a, b) > 15, (one, other)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_f76_text_has_the_contrast_of_wcag_aa(scheme: str) -> None:
    palette = colours(scheme)
    for text in ("ink", "muted", "blue"):
        for ground in ("paper", "panel", "caution"):
            assert contrast(palette[text], palette[ground]) >= 4.5, (text, ground)
    for mark in ("blue", "orange", "grey"):
        assert contrast(palette[mark], palette["paper"]) >= 3.0, mark


@pytest.mark.parametrize("eyes", SEEN)
def test_heat_rises_in_lightness_for_everyone(eyes: str) -> None:
    ramp = [np.array([int(c[i : i + 2], 16) / 255 for i in (1, 3, 5)]) for c in CIVIDIS]
    lightness = [float(rgb2lab(seen(c, SEEN[eyes]))[0]) for c in ramp]
    assert all(a < b for a, b in pairwise(lightness))


def test_heat_scale_is_shared_and_never_empty() -> None:
    quiet, loud = np.zeros((8, 8), np.float32), np.full((8, 8), 90.0, np.float32)
    assert heat_top([quiet]) == 4
    assert heat_top([quiet, loud]) == 96
    assert heat_top([]) == 255
    assert heat_png(loud, top=96).startswith(b"\x89PNG")
