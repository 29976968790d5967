"""Pictures that can be rendered again, a linear classifier of them, and editors of which one lies about an attribute."""

import csv
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, ClassVar

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from cfsearch.audits.genuineness_check import GenuinenessCheck, genuineness_check
from cfsearch.contracts.generator import AttributeTaker, Generator
from cfsearch.contracts.space import SearchSpace
from cfsearch.engine.search import Search
from cfsearch.fronts.front import ParetoFront
from cfsearch.objectives.adversarial import Adversarial
from cfsearch.objectives.intensity import Intensity
from cfsearch.solvers.random import RandomSearch

from .painting import SLOPE, Bright

STEP, LIE = 0.2, 0.2
NAMES = ("light", "ghost")
CHECKS = 0.1 * (-1.0) ** (torch.arange(8)[:, None] + torch.arange(8))
"""What "ghost" truly adds: a pattern that no mean of a picture shows."""


def rendered(level: Tensor, values: Tensor) -> Tensor:
    """The pictures of some levels with these attributes, truly."""
    flat = level + STEP * values[:, 0]
    return flat[:, None, None, None] + values[:, 1, None, None, None] * CHECKS.expand(3, 8, 8)


def photographs(n: int) -> tuple[Tensor, Tensor]:
    """Renders of random levels and attributes, and these."""
    draw = torch.Generator().manual_seed(5)
    values = (torch.rand(n, 2, generator=draw) < 0.5).float()
    return rendered(0.32 + 0.04 * torch.randn(n, generator=draw), values), values


class Honest(Generator[tuple[Tensor, Tensor]], AttributeTaker):
    """Edits both attributes as they are rendered; its reconstruction is a little too bright or too dark."""

    name: ClassVar[str] = "honest"
    attribute_names = NAMES
    shape = (3, 8, 8)
    edit_success: Mapping[str, float] = MappingProxyType({"light": 1.0, "ghost": 1.0})
    lie: float = 0.0

    @classmethod
    def open(cls, source: Path | None, *, settings: Mapping[str, Any]) -> "Honest":
        return cls()

    def encode(self, x: Tensor, *, attributes: Tensor | None = None) -> tuple[Tensor, Tensor]:
        assert attributes is not None
        return x, attributes.float()

    def space(self, state: tuple[Tensor, Tensor]) -> SearchSpace:
        origin = state[1]
        return SearchSpace(names=self.attribute_names, lower=-origin, upper=1.0 - origin, origin=origin)

    def decode(self, state: tuple[Tensor, Tensor], z: Tensor) -> Tensor:
        x, _ = state
        light, ghost = (z[..., self.attribute_names.index(name), None, None, None] for name in NAMES)
        flaw = 0.01 * torch.sin(len(self.name) + 997.0 * x.flatten(1).mean(1))
        return x[:, None] + STEP * light + ghost * (CHECKS + self.lie) + flaw[:, None, None, None, None]

    def select(self, state: tuple[Tensor, Tensor], i: int) -> tuple[Tensor, Tensor]:
        return state[0][i : i + 1], state[1][i : i + 1]

    def to(self, device: str) -> "Honest":
        return self

    @property
    def fingerprint(self) -> str:
        return self.name


class Liar(Honest):
    """As ``Honest``, but what it paints for "ghost" is brighter, which no reconstruction shows."""

    name = "liar"
    lie = LIE


class Turned(Honest):
    """``Honest`` with its attributes in another order."""

    attribute_names = ("ghost", "light")


def predict(x: np.ndarray) -> np.ndarray:
    """Log-odds of ``Bright`` as a function of pictures."""
    return Bright().predict(torch.from_numpy(x)).numpy()


def check_by(first: Honest, second: Honest | None = None, *, n: int = 120) -> GenuinenessCheck:
    """The check of an audit of some photographs."""
    found, _ = genuineness_check(Bright(), first, photographs=lambda: photographs(n), count=n, second=second)
    assert found is not None
    return found


def front_by(first: Honest, *, level: float = 0.475) -> ParetoFront:
    """The front of a picture that shows neither attribute."""
    search = Search(
        Bright(),
        first,
        [Adversarial(), Intensity()],
        lambda population: RandomSearch(population=population),
        evaluations=200,
        pruning=0.0,
    )
    [front] = search.run(torch.full((1, 3, 8, 8), level), names=["grey"], attributes=torch.zeros(1, 2))
    assert isinstance(front, ParetoFront)
    return front


def truly_flips(front: ParetoFront, *, level: float = 0.475) -> Tensor:
    """Whether the model flips on the re-render of each member."""
    again = rendered(torch.full((len(front),), level), front.z)
    return SLOPE * (again.flatten(1).mean(1) - 0.5) > 0


def write_photographs(folder: Path, *, n: int) -> None:
    """Renders as files, and what each shows as a table."""
    (folder / "photos").mkdir()
    with (folder / "shown.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", *NAMES])
        for i, (picture, values) in enumerate(zip(*photographs(n), strict=True)):
            pixels = (picture.permute(1, 2, 0) * 255.0).round().clamp(0, 255).byte().numpy()
            Image.fromarray(np.ascontiguousarray(pixels)).save(folder / "photos" / f"{i:02d}.png")
            table.writerow([f"{i:02d}.png", *values.int().tolist()])
