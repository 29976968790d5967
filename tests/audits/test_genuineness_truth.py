"""Whether genuineness tells true flips from the generator's own, on the shipped classifiers and true re-renders."""

from collections.abc import Mapping
from functools import cache
from importlib.resources import as_file, files
from pathlib import Path
from typing import Any, final

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.nn import functional

from cfsearch.audits.genuineness import GENUINE, Calibration
from cfsearch.contracts.generator import AttributeTaker, Generator
from cfsearch.contracts.provider import Provider
from cfsearch.contracts.space import SearchSpace
from cfsearch.datasets import faces
from cfsearch.generators.attgan.generator import AttGAN, AttGANState
from cfsearch.providers.opening import open_provider

MODELS = ("gender_balanced", "gender_natural", "gender_without_blond_women")
PHOTOGRAPHS = 100
"""The fewest with which both parts of z are measured."""
MALE = faces.ATTRIBUTES.index("Male")


@final
class Softened(Generator[AttGANState], AttributeTaker):
    """The shipped generator with blurred pictures, whose flips are often those of the blur."""

    name = "softened"
    shape = (3, 64, 64)
    attribute_names = faces.ATTRIBUTES

    def __init__(self, inner: AttGAN) -> None:
        self.inner = inner

    @classmethod
    def open(cls, source: Path | None, *, settings: Mapping[str, Any]) -> "Softened":
        assert source is not None
        return cls(AttGAN.open(source, settings=settings))

    def encode(self, x: Tensor, *, attributes: Tensor | None = None) -> AttGANState:
        return self.inner.encode(x, attributes=attributes)

    def space(self, state: AttGANState) -> SearchSpace:
        return self.inner.space(state)

    def decode(self, state: AttGANState, z: Tensor) -> Tensor:
        images = self.inner.decode(state, z)
        soft = functional.avg_pool2d(images.flatten(0, 1), 3, 1, 1, count_include_pad=False)
        return soft.reshape(images.shape)

    def select(self, state: AttGANState, i: int) -> AttGANState:
        return self.inner.select(state, i)

    def to(self, device: str) -> "Softened":
        return self

    @property
    def fingerprint(self) -> str:
        return "softened"


@cache
def editor() -> Softened:
    with as_file(files("cfsearch.models").joinpath("attgan_faces64.safetensors")) as path:
        return Softened.open(path, settings={})


def classifier(name: str) -> Provider:
    with as_file(files("cfsearch.models").joinpath(f"{name}.onnx")) as path:
        return open_provider(str(path), threads=1)


def candidates(attributes: Tensor, n: int, *, seed: int) -> Tensor:
    """Changes of one or two attributes of a face, the target's own left alone, from weak to full."""
    draw = np.random.default_rng(seed)
    z = torch.zeros(n, len(faces.ATTRIBUTES))
    free = [j for j in range(len(faces.ATTRIBUTES)) if j != MALE]
    for row in z:
        for j in draw.choice(free, size=int(draw.integers(1, 3)), replace=False):
            row[j] = float(draw.uniform(0.4, 1.0)) * float(1.0 - 2.0 * attributes[j])
    return z


def drawn_again(face: faces.FaceSet, z: Tensor) -> Tensor:
    """The face with these changes, truly."""
    values = np.clip(face.attributes + z.numpy(), 0.0, 1.0).astype(np.float32)
    images = faces.render(values, face.nuisances[np.zeros(len(z), dtype=np.int64)])
    return torch.from_numpy(faces.quantise(images)).float() / 255.0


@torch.no_grad()
def flips(count: int, *, tried: int, most: int) -> list[tuple[float, bool]]:
    """Of edits that flip a classifier: z, and whether the true picture flips as well."""
    data = faces.faces(PHOTOGRAPHS, seed=77)
    x, known = torch.from_numpy(data.images).float() / 255.0, torch.from_numpy(data.attributes)
    found: list[tuple[float, bool]] = []
    for name in MODELS:
        model = classifier(name)
        calibration = Calibration.fit(model, editor(), x, attributes=known)
        p = model.predict(x)
        nearest = (p[:, 1] - 0.5).abs().argsort()[:count].tolist()  # where an edit can flip
        for i in nearest:
            z = candidates(known[i], tried, seed=i)
            painted = editor().decode(editor().encode(x[i : i + 1], attributes=known[i : i + 1]), z[None])[0]
            source = int(p[i].argmax())
            changed = torch.nonzero(model.predict(painted).argmax(-1) != source).flatten()[:most]
            if not len(changed):
                continue
            true = model.predict(drawn_again(data[i : i + 1], z[changed])).argmax(-1) != source
            score = calibration.genuineness(
                model, editor(), x[i], origin=known[i], z=z[changed], source=source, seed=i
            ).z
            found += zip(score.tolist(), true.tolist(), strict=True)
    return found


def area(found: list[tuple[float, bool]]) -> float:
    """Share of pairs of a genuine and a false flip that z puts in their order."""
    genuine, false = ([z for z, hit in found if hit is kind] for kind in (True, False))
    return float(np.mean([float(a > b) + 0.5 * float(a == b) for a in genuine for b in false]))


def check(found: list[tuple[float, bool]], *, least: float, share: float) -> None:
    true = [hit for _, hit in found]
    assert 3 <= sum(true) <= len(true) - 3, "there must be flips of both kinds"
    assert area(found) >= least
    kept = [hit for z, hit in found if z >= GENUINE]
    assert len(kept) >= sum(true) / 2 and np.mean(kept) >= share > np.mean(true)


def test_z_tells_genuine_flips_from_false_ones() -> None:
    check(flips(5, tried=12, most=3), least=0.85, share=0.9)


@pytest.mark.slow
def test_z_tells_genuine_flips_from_false_ones_on_forty_images() -> None:
    check(flips(40, tried=24, most=4), least=0.75, share=0.85)
